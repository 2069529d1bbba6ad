# SPDX-License-Identifier: GPL-2.0-only
"""The backends that have no server behind them, each with a bucket: what `conftest` opens for a test."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from dgproxy.storage.backend import Backend
from dgproxy.storage.filesystem import FilesystemBackend
from dgproxy.storage.memory import MemoryBackend

BUCKET: Final = "bucket"

KINDS: Final = ("memory", "filesystem")


@asynccontextmanager
async def opened(kind: str, directory: Path) -> AsyncIterator[Backend]:
    """One of `KINDS` for the block, with the bucket made."""
    if kind == "memory":
        memory = MemoryBackend()
        await memory.create_bucket(BUCKET)
        yield memory
        return
    # What survives a power cut is the filesystem backend's own tests' business: no fsync here.
    async with FilesystemBackend.open(directory, "relaxed", io_threads=4) as files:
        await files.create_bucket(BUCKET)
        yield files
