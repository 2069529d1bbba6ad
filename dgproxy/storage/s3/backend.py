# SPDX-License-Identifier: GPL-2.0-only
"""The S3 backend: `storage.backend`'s contract on any object store with conditional writes.

This is the face; `records`, `blobs`, `reading`, `listing` and `buckets` do it. Everything that must be right
lies in the store, so any number of proxies may use one. Locks are those of this host: they keep its processes
out of each other's way, and exclude everyone only when no other host writes here, as the operator says.
"""

# ruff: noqa: D102  (the contract has the docstrings)

from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Final

from dgproxy.storage.backend import Bucket, Capabilities, Listed, Listing, MappedBlob, Record, StorageError
from dgproxy.storage.filesystem.locks import Kind, Lock, LockFile
from dgproxy.storage.filesystem.threads import IOThreads
from dgproxy.storage.filesystem.waiting import held, held_if_free
from dgproxy.storage.s3.blobs import WRITE_MEMORY, Staged, StagedBlob
from dgproxy.storage.s3.buckets import Buckets
from dgproxy.storage.s3.client import Client, Store, connected
from dgproxy.storage.s3.listing import Lister
from dgproxy.storage.s3.outlast import outlast
from dgproxy.storage.s3.probe import enforces_conditions, shows_empty_directories
from dgproxy.storage.s3.reading import OpenBlob, Streams
from dgproxy.storage.s3.records import Records
from dgproxy.storage.s3.streaming import Room, heap_room
from dgproxy.storage.s3.together import together

#: Blobs removed at once.
_REMOVALS: Final = 16

_LOCK_THREADS: Final = 4


class S3Backend:
    """See `storage.backend.Backend`, which this implements. Made by `opened`."""

    def __init__(self, client: Client, store: Store, locks: LockFile, *, alone: bool, room: Room) -> None:
        self.capabilities = Capabilities(
            name="S3",
            conditional_writes=True,
            exclusive_locks=alone,
            digest_hints=False,
            maps_blobs=False,
            write_memory=WRITE_MEMORY,
            whole_buckets=False,
        )
        self._client = client
        self._buckets = Buckets(client, store.bucket_prefix, store.region)
        self._records = Records(client, self._buckets)
        self._lister = Lister(client, self._buckets)
        self._staged = Staged(client, self._buckets)
        self._streams = Streams(room)
        self._locks = locks
        self._threads = IOThreads(_LOCK_THREADS, "lock")

    async def aclose(self) -> None:
        """End what this holds; the client is its opener's."""
        await self._threads.close()

    async def probe(self, bucket: str) -> None:
        """Find out, in an existing bucket, if the store keeps what `capabilities` promise, and how it lists.

        Raises StorageError when it does not, and why it can't be found out.
        """
        name = self._buckets.name(bucket)
        await enforces_conditions(self._client, name)
        self._lister.shows_empty = await shows_empty_directories(self._client, name)

    # -- buckets -------------------------------------------------------------------------------------------

    async def create_bucket(self, bucket: str) -> None:
        await outlast(self._buckets.create(bucket))

    async def delete_bucket(self, bucket: str) -> None:
        await outlast(self._buckets.delete(bucket))

    async def head_bucket(self, bucket: str) -> Bucket:
        return await self._buckets.head(bucket)

    async def list_buckets(self) -> list[Bucket]:
        return await self._buckets.list_all()

    # -- records -------------------------------------------------------------------------------------------

    async def read_record(self, bucket: str, key: str) -> Record:
        return await self._records.read(bucket, key)

    async def read_records(self, bucket: str, keys: Sequence[str]) -> list[Record | None]:
        return await self._records.read_present(bucket, keys)

    async def write_record(
        self, bucket: str, key: str, data: bytes, *, expect: str | None = None, durable: bool = True
    ) -> str:
        return await self._records.write(bucket, key, data, expect)

    async def remove_record(self, bucket: str, key: str, *, expect: str | None = None) -> None:
        await self._records.remove(bucket, key, expect)

    async def list_records(
        self, bucket: str, prefix: str, *, delimiter: str = "", after: str = "", limit: int = 1000
    ) -> Listing:
        return await self._lister.list_records(bucket, prefix, delimiter, after, limit)

    # -- blobs ---------------------------------------------------------------------------------------------

    @asynccontextmanager
    async def stage_blob(self, bucket: str, key: str) -> AsyncIterator[StagedBlob]:
        blob = StagedBlob(self._client, self._buckets, bucket, key)
        try:
            yield blob
        finally:
            await blob.close()

    @asynccontextmanager
    async def open_blob(
        self, bucket: str, key: str, *, span: tuple[int, int] | None = None
    ) -> AsyncIterator[OpenBlob]:
        blob = OpenBlob(self._client, self._buckets, self._streams, bucket, key)
        try:
            await blob.open(span)
            yield blob
        finally:
            await blob.close()

    async def map_blob(self, bucket: str, key: str, size: int) -> MappedBlob:
        raise StorageError(f"{bucket}/{key}: what is in an object store can't be mapped")

    async def list_blobs(self, bucket: str, prefix: str, limit: int) -> list[Listed]:
        return await self._lister.list_names(bucket, prefix, limit)

    async def remove_blobs(self, bucket: str, keys: Sequence[str]) -> None:
        if not keys:
            await self._buckets.require(bucket)
        blobs = [StagedBlob(self._client, self._buckets, bucket, key) for key in keys]

        async def remove(blob: StagedBlob) -> StorageError | None:
            try:
                await blob.remove()
            except StorageError as error:
                return error
            return None

        for failure in await outlast(together(remove, blobs, _REMOVALS)):
            if failure is not None:
                raise failure

    # -- what is staged ------------------------------------------------------------------------------------

    async def list_staged(self, older_than: float) -> list[Listed]:
        return await self._staged.list_all(older_than)

    async def remove_staged(self, keys: Sequence[str]) -> None:
        await self._staged.remove(keys)

    # -- locks ---------------------------------------------------------------------------------------------

    def lock(self, bucket: str, name: str, *, shared: bool = False) -> AbstractAsyncContextManager[None]:
        return held(self._locks, self._threads, Lock(Kind.NAMED, bucket, name, shared=shared))

    def try_lock(self, bucket: str, name: str) -> AbstractAsyncContextManager[bool]:
        return held_if_free(self._locks, self._threads, Lock(Kind.NAMED, bucket, name))


@asynccontextmanager
async def opened(
    store: Store, locks: LockFile, *, alone: bool = False, room: Room = heap_room
) -> AsyncIterator[S3Backend]:
    """The backend for the block; `locks` is a file that the processes of this host share.

    `room` gives the memory that what is read of blobs is received into.
    """
    async with connected(store) as client:
        backend = S3Backend(client, store, locks, alone=alone, room=room)
        try:
            yield backend
        finally:
            await backend.aclose()
