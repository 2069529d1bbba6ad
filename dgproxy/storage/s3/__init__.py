# SPDX-License-Identifier: GPL-2.0-only
"""The S3 backend. Start with `backend`; `docs/STORAGE_FORMAT.md` has what is in the store."""

from dgproxy.storage.s3.backend import S3Backend, opened
from dgproxy.storage.s3.client import Store
from dgproxy.storage.s3.streaming import heap_room

__all__ = ["S3Backend", "Store", "heap_room", "opened"]
