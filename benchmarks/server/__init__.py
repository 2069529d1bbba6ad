# SPDX-License-Identifier: GPL-2.0-only
"""The server benchmark: `python -m benchmarks.server`; `benchmarks/METHOD.md` has method and bias."""
