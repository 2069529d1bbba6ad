# SPDX-License-Identifier: GPL-2.0-only
"""The filesystem backend. Start with `backend`; `docs/STORAGE_FORMAT.md` has what is on the disk."""

from dgproxy.storage.filesystem.backend import FilesystemBackend
from dgproxy.storage.filesystem.layout import claim

__all__ = ["FilesystemBackend", "claim"]
