# SPDX-License-Identifier: GPL-2.0-only
"""Objects in from elsewhere, and out again. `importing` and `exporting` are where to start."""
