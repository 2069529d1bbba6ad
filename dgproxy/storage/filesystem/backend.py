# SPDX-License-Identifier: GPL-2.0-only
"""The filesystem backend: `storage.backend`'s contract on a directory of a local disk.

This is the asynchronous face; each method is a call in a thread of what `records`, `buckets`, `listing` and
`blobs` do with files. Reads and writes have threads of their own, so that no GET waits behind an fsync.
"""

# ruff: noqa: D102  (the contract has the docstrings)

import asyncio
import os
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from itertools import chain
from pathlib import Path
from typing import Final, Literal, Self

from dgproxy.storage.backend import Bucket, Capabilities, Listed, Listing, Record
from dgproxy.storage.filesystem.blobs import OpenBlob, StagedBlob, map_blob, open_blob
from dgproxy.storage.filesystem.buckets import Buckets
from dgproxy.storage.filesystem.files import MappedFile
from dgproxy.storage.filesystem.layout import Layout, open_layout
from dgproxy.storage.filesystem.listing import Lister
from dgproxy.storage.filesystem.locks import Kind, Lock, LockFile
from dgproxy.storage.filesystem.records import Records
from dgproxy.storage.filesystem.threads import IOThreads
from dgproxy.storage.filesystem.waiting import held, held_if_free

#: Records read in one thread call: enough to outweigh the call, few enough to spread over the threads.
_BATCH: Final = 64


class FilesystemBackend:
    """See `storage.backend.Backend`, which this implements. Made by `open`, ended by `aclose`."""

    capabilities = Capabilities(
        name="filesystem", conditional_writes=True, exclusive_locks=True, digest_hints=True
    )

    def __init__(self, layout: Layout, *, strict: bool, io_threads: int) -> None:
        self._layout = layout
        self._disk = layout.disk(strict=strict)
        self._locks = LockFile(layout.locks)
        self._records = Records(layout, self._disk, self._locks)
        self._buckets = Buckets(layout, self._disk, self._locks)
        self._lister = Lister(layout)
        self._reads = IOThreads(io_threads, "read")
        self._writes = IOThreads(io_threads, "write")

    @classmethod
    def open(
        cls, data_dir: Path, durability: Literal["strict", "relaxed"] = "strict", io_threads: int = 16
    ) -> Self:
        """Open a data directory, made on first use; blocks, for start-up. Starts no thread.

        `durability`: "strict" acknowledges what survives a power cut, "relaxed" what survives the process.
        Raises StorageError when the directory is not one of ours, AccessRefused and the like.
        """
        return cls(open_layout(data_dir), strict=durability == "strict", io_threads=io_threads)

    async def aclose(self) -> None:
        """Wait for what is under way; then nothing can be called any more."""
        await self._reads.close()
        await self._writes.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    # -- buckets -------------------------------------------------------------------------------------------

    async def create_bucket(self, bucket: str) -> None:
        await self._writes.call(self._buckets.create, bucket)

    async def delete_bucket(self, bucket: str) -> None:
        await self._writes.call(self._buckets.delete, bucket)

    async def head_bucket(self, bucket: str) -> Bucket:
        return await self._reads.call(self._buckets.head, bucket)

    async def list_buckets(self) -> list[Bucket]:
        return await self._reads.call(self._buckets.list_all)

    # -- records -------------------------------------------------------------------------------------------

    async def read_record(self, bucket: str, key: str) -> Record:
        return await self._reads.call(self._records.read, bucket, key)

    async def read_records(self, bucket: str, keys: Sequence[str]) -> list[Record | None]:
        batches = [keys[start : start + _BATCH] for start in range(0, len(keys), _BATCH)] or [()]
        calls = [self._reads.call(self._records.read_present, bucket, batch) for batch in batches]
        done = await asyncio.gather(*calls, return_exceptions=True)
        for end in done:
            if isinstance(end, BaseException):
                raise end
        return list(chain.from_iterable(end for end in done if not isinstance(end, BaseException)))

    async def write_record(
        self, bucket: str, key: str, data: bytes, *, expect: str | None = None, durable: bool = True
    ) -> str:
        return await self._writes.call(self._records.write, bucket, key, data, expect, durable)

    async def remove_record(self, bucket: str, key: str, *, expect: str | None = None) -> None:
        await self._writes.call(self._records.remove, bucket, key, expect)

    async def list_records(
        self, bucket: str, prefix: str, *, delimiter: str = "", after: str = "", limit: int = 1000
    ) -> Listing:
        return await self._reads.call(self._lister.list_records, bucket, prefix, delimiter, after, limit)

    # -- blobs ---------------------------------------------------------------------------------------------

    @asynccontextmanager
    async def stage_blob(self, bucket: str, key: str) -> AsyncIterator[StagedBlob]:
        blob = StagedBlob(self._layout, self._disk, self._writes, bucket, key)
        try:
            await self._writes.call(blob.open)
            yield blob
        finally:
            await blob.close()

    @asynccontextmanager
    async def open_blob(
        self, bucket: str, key: str, *, span: tuple[int, int] | None = None
    ) -> AsyncIterator[OpenBlob]:
        blob = OpenBlob(self._layout, self._reads, bucket, key)
        try:
            await self._reads.call(open_blob, self._layout, bucket, key, blob)
            yield blob
        finally:
            # in a thread: the last close of a removed file gives its space back, which can take long
            await self._reads.finish(blob.close)

    async def map_blob(self, bucket: str, key: str, size: int) -> MappedFile:
        blob = MappedFile(self._layout.locate(bucket, key).path)
        try:
            await self._reads.call(map_blob, self._layout, bucket, key, size, blob)
        except BaseException:
            await self._reads.finish(blob.close)
            raise
        return blob

    async def list_blobs(self, bucket: str, prefix: str, limit: int) -> list[Listed]:
        return await self._reads.call(self._lister.list_names, bucket, prefix, limit)

    async def remove_blobs(self, bucket: str, keys: Sequence[str]) -> None:
        await self._writes.call(self._remove_blobs, bucket, keys)

    def _remove_blobs(self, bucket: str, keys: Sequence[str]) -> None:
        """Not settled: after a power cut a removed blob may be back, as garbage that nothing points to."""
        self._layout.require(bucket)
        failed: OSError | None = None
        places = [self._layout.locate(bucket, key) for key in keys]
        for at in places:
            try:
                self._disk.remove(at.path)
            except FileNotFoundError:
                pass
            except OSError as error:
                failed = failed or error
        for directory, room in {(at.directory, at.room) for at in places}:
            self._disk.prune(directory, room)
        if failed is not None:
            raise failed

    # -- what is staged ------------------------------------------------------------------------------------

    async def list_staged(self, older_than: float) -> list[Listed]:
        return await self._reads.call(self._list_staged, older_than)

    def _list_staged(self, older_than: float) -> list[Listed]:
        found = self._disk.list_staged(time.time() - older_than)
        return [Listed(os.fsdecode(name), None, size) for name, size in found]

    async def remove_staged(self, keys: Sequence[str]) -> None:
        await self._writes.call(self._remove_staged, keys)

    def _remove_staged(self, keys: Sequence[str]) -> None:
        for key in keys:
            self._disk.remove_staged(os.fsencode(key))

    # -- locks ---------------------------------------------------------------------------------------------

    def lock(self, bucket: str, name: str, *, shared: bool = False) -> AbstractAsyncContextManager[None]:
        return held(self._locks, self._reads, Lock(Kind.NAMED, bucket, name, shared=shared))

    def try_lock(self, bucket: str, name: str) -> AbstractAsyncContextManager[bool]:
        return held_if_free(self._locks, self._reads, Lock(Kind.NAMED, bucket, name))
