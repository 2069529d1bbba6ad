# SPDX-License-Identifier: GPL-2.0-only
"""Storing whole release series: what they take here and in other programs that keep versions small."""
