# SPDX-License-Identifier: GPL-2.0-only
"""The codec benchmark: `python -m benchmarks.codec`; `benchmarks/METHOD.md` has method and bias."""
