# SPDX-License-Identifier: GPL-2.0-only
"""The backend benchmark: `python -m benchmarks.backend`; `benchmarks/METHOD.md` has method and bias."""
