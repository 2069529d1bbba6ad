# SPDX-License-Identifier: GPL-2.0-only
"""The version, in one place: packaging, `--version` and the Server header read it here."""

__version__ = "0.1.0"
