# SPDX-License-Identifier: GPL-2.0-only
"""DeltaGlider Proxy: an S3-compatible server that stores versions of big binaries as deltas."""
