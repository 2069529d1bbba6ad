# SPDX-License-Identifier: GPL-2.0-only
"""A backend in one process's memory: for tests of the engine, and the contract in its shortest words.

It promises all of `storage.backend` except durability. Every method gives way to other tasks once before it
acts, as a backend that does I/O would, so that a race in the engine shows in the engine's own tests; between
two awaits a method is atomic, which is all the locking the records need.

Nothing may be added here for speed or for a test's convenience: what the real backends cannot do, this
cannot do.
"""

# ruff: noqa: D102  (the contract has the docstrings)

import asyncio
import time
from bisect import bisect_left
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from itertools import count, islice

from dgproxy.storage.backend import (
    ABSENT,
    Bucket,
    BucketExists,
    BucketNotEmpty,
    BucketNotFound,
    Buffer,
    Capabilities,
    Damaged,
    Listed,
    Listing,
    Record,
    RecordNotFound,
    VersionConflict,
)
from dgproxy.storage.memory.bucket import Entry, Held
from dgproxy.storage.memory.locks import Locks


class MemoryBackend:
    """See `storage.backend.Backend`, which this implements."""

    capabilities = Capabilities(
        name="memory", conditional_writes=True, exclusive_locks=True, digest_hints=True
    )

    def __init__(self) -> None:
        self._buckets: dict[str, Held] = {}
        self._versions = count(1)
        self._locks = Locks()

    # -- buckets -------------------------------------------------------------------------------------------

    async def create_bucket(self, bucket: str) -> None:
        await asyncio.sleep(0)
        if bucket in self._buckets:
            raise BucketExists(f"bucket {bucket!r} exists")
        self._buckets[bucket] = Held(created=time.time_ns() // 1_000_000)

    async def delete_bucket(self, bucket: str) -> None:
        await asyncio.sleep(0)
        keys = self._bucket(bucket).keys
        first = bisect_left(keys, "objects/")
        if first < len(keys) and keys[first].startswith("objects/"):
            raise BucketNotEmpty(f"bucket {bucket!r} holds {keys[first]!r}")
        del self._buckets[bucket]

    async def head_bucket(self, bucket: str) -> Bucket:
        await asyncio.sleep(0)
        return Bucket(bucket, self._bucket(bucket).created)

    async def list_buckets(self) -> list[Bucket]:
        await asyncio.sleep(0)
        return [Bucket(name, held.created) for name, held in sorted(self._buckets.items())]

    # -- records -------------------------------------------------------------------------------------------

    async def read_record(self, bucket: str, key: str) -> Record:
        await asyncio.sleep(0)
        entry = self._entry(bucket, key)
        return Record(entry.data, entry.version, stamp=entry.version)

    async def read_records(self, bucket: str, keys: Sequence[str]) -> list[Record | None]:
        await asyncio.sleep(0)
        found = map(self._bucket(bucket).entries.get, keys)
        return [
            None if entry is None else Record(entry.data, entry.version, entry.version) for entry in found
        ]

    async def write_record(
        self, bucket: str, key: str, data: bytes, *, expect: str | None = None, durable: bool = True
    ) -> str:
        await asyncio.sleep(0)
        held = self._bucket(bucket)
        current = held.entries.get(key)
        self._check(key, current, expect)
        entry = self._new_entry(data)
        held.put(key, entry)
        return entry.version

    async def remove_record(self, bucket: str, key: str, *, expect: str | None = None) -> None:
        await asyncio.sleep(0)
        self._check(key, self._entry(bucket, key), expect)
        self._bucket(bucket).drop(key)

    async def list_records(
        self, bucket: str, prefix: str, *, delimiter: str = "", after: str = "", limit: int = 1000
    ) -> Listing:
        await asyncio.sleep(0)
        items = list(islice(self._bucket(bucket).items(prefix, delimiter, after), limit + 1))
        return Listing(items[:limit], more=len(items) > limit)

    # -- blobs ---------------------------------------------------------------------------------------------

    @asynccontextmanager
    async def stage_blob(self, bucket: str, key: str) -> AsyncIterator["_Writer"]:
        await asyncio.sleep(0)
        self._bucket(bucket)
        yield _Writer(self, bucket, key)

    @asynccontextmanager
    async def open_blob(
        self, bucket: str, key: str, *, span: tuple[int, int] | None = None
    ) -> AsyncIterator["_Reader"]:
        await asyncio.sleep(0)
        yield _Reader(key, self._entry(bucket, key).data)

    async def map_blob(self, bucket: str, key: str, size: int) -> "_Mapped":
        await asyncio.sleep(0)
        entry = self._entry(bucket, key)
        if len(entry.data) != size:
            raise Damaged(f"{key!r} is {len(entry.data)} bytes long instead of {size}")
        return _Mapped(self, bucket, key, entry)

    async def list_blobs(self, bucket: str, prefix: str, limit: int) -> list[Listed]:
        await asyncio.sleep(0)
        start = prefix.rfind("/") + 1
        held = self._bucket(bucket)
        names = (key for key in held.under(prefix) if "/" not in key[start:])
        return [held.listed(key) for key in islice(names, limit)]

    async def remove_blobs(self, bucket: str, keys: Sequence[str]) -> None:
        await asyncio.sleep(0)
        held = self._bucket(bucket)
        for key in keys:
            if key in held.entries:
                held.drop(key)

    # -- what is staged ------------------------------------------------------------------------------------

    async def list_staged(self, older_than: float) -> list[Listed]:
        await asyncio.sleep(0)
        return []

    async def remove_staged(self, keys: Sequence[str]) -> None:
        await asyncio.sleep(0)

    # -- locks ---------------------------------------------------------------------------------------------

    @asynccontextmanager
    async def lock(self, bucket: str, name: str, *, shared: bool = False) -> AsyncIterator[None]:
        await asyncio.sleep(0)
        await self._locks.take((bucket, name), shared=shared)
        try:
            yield
        finally:
            self._locks.release((bucket, name))

    @asynccontextmanager
    async def try_lock(self, bucket: str, name: str) -> AsyncIterator[bool]:
        await asyncio.sleep(0)
        taken = self._locks.try_take((bucket, name), shared=False)
        try:
            yield taken
        finally:
            if taken:
                self._locks.release((bucket, name))

    # -- within --------------------------------------------------------------------------------------------

    def _bucket(self, bucket: str) -> Held:
        try:
            return self._buckets[bucket]
        except KeyError as error:
            raise BucketNotFound(f"no bucket {bucket!r}") from error

    def _entry(self, bucket: str, key: str) -> Entry:
        entry = self._bucket(bucket).entries.get(key)
        if entry is None:
            raise RecordNotFound(f"no {key!r} in bucket {bucket!r}")
        return entry

    def _new_entry(self, data: Buffer) -> Entry:
        return Entry(bytes(data), version=str(next(self._versions)))

    @staticmethod
    def _check(key: str, current: Entry | None, expect: str | None) -> None:
        version = ABSENT if current is None else current.version
        if expect is not None and expect != version:
            raise VersionConflict(f"{key!r} is at version {version!r}, not {expect!r}")


class _Writer:
    def __init__(self, backend: MemoryBackend, bucket: str, key: str) -> None:
        self._backend, self._bucket, self._key = backend, bucket, key
        self._data = bytearray()

    @property
    def size(self) -> int:
        return len(self._data)

    async def append(self, data: Buffer) -> None:
        await asyncio.sleep(0)
        self._data += data

    async def publish(self) -> None:
        await asyncio.sleep(0)
        self._backend._bucket(self._bucket).put(self._key, self._backend._new_entry(self._data))


class _Reader:
    def __init__(self, key: str, data: bytes) -> None:
        self._key, self._data = key, data

    @property
    def size(self) -> int:
        return len(self._data)

    async def read(self, offset: int, length: int) -> bytes:
        await asyncio.sleep(0)
        piece = self._data[offset : offset + length]
        if len(piece) != length:
            raise Damaged(f"{self._key!r} ends at {self.size}, before {offset + length}")
        return piece


class _Mapped:
    def __init__(self, backend: MemoryBackend, bucket: str, key: str, entry: Entry) -> None:
        self._backend, self._bucket, self._key, self._entry = backend, bucket, key, entry
        self._memory = bytearray(entry.data)  # unlike bytes it knows whether somebody still looks at it
        self._view = memoryview(self._memory).toreadonly()

    @property
    def view(self) -> memoryview:
        return self._view

    @property
    def removed(self) -> bool:
        held = self._backend._buckets.get(self._bucket)
        return held is None or held.entries.get(self._key) is not self._entry

    @property
    def intact(self) -> bool:
        return True

    def close(self) -> None:
        self._view.release()
        try:
            self._memory.clear()
        except BufferError:
            self._view = memoryview(self._memory).toreadonly()
            raise
