# SPDX-License-Identifier: GPL-2.0-only
"""Several proxies over one store, watched by a history checker. Start with `run`; `register` has the law."""
