# SPDX-License-Identifier: GPL-2.0-only
"""References in use: mapped once per process, indexed once, kept within a memory limit.

One that is stored as it is gets mapped from the backend, a compressed one, or one in an object store, from
the cache directory, where its bytes are made once for all processes.

Promises: what a lease yields stays valid for its block; an index to encode against is only ever built over
bytes whose SHA-256 was checked while building it, so nothing is encoded against damage; two requests that
need the same reference share one load; who reads deltas asks for a `source`, and need not wait for it. The
entries are a matter of speed alone: dropping any is always right.
Which references a deltaspace *offers* is `engine.deltaspace`'s business.
"""

import asyncio
import hashlib
from collections import OrderedDict
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from functools import partial

from dgproxy.codec.delta import SourceIndex
from dgproxy.codec.workers import Workers
from dgproxy.engine import likeness, measures
from dgproxy.engine.errors import ObjectDamaged
from dgproxy.engine.manifest import Reference
from dgproxy.engine.source import Demand, Remote, Source
from dgproxy.engine.unpack import Unpacker
from dgproxy.storage.backend import Backend, Damaged, MappedBlob, RecordNotFound
from dgproxy.storage.cache import FileCache
from dgproxy.storage.cache_arrivals import Arriving

#: Mappings kept open for reuse; each costs address space, no memory of its own.
_KEPT_MAPPINGS = 256


@dataclass(slots=True)
class _Entry:
    mapping: MappedBlob | None = None
    index: SourceIndex | None = None
    #: A much coarser one, for choosing.
    sketch: SourceIndex | None = None
    leases: int = 0
    #: No longer for new leases: closed with the last one.
    forgotten: bool = False
    loading: asyncio.Lock = field(default_factory=asyncio.Lock)

    @property
    def nbytes(self) -> int:
        """Memory of its indexes."""
        return sum(index.nbytes for index in (self.index, self.sketch) if index is not None)

    def close(self) -> None:
        """Let go of everything."""
        for index in (self.index, self.sketch):
            if index is not None:
                index.close()
        if self.mapping is not None:
            self.mapping.close()


class References:
    """The references of one process.

    `idle_limit` bounds the bytes of all indexes that are kept without being in use, `largest` those of any
    one: a larger reference gets a coarser index.
    """

    def __init__(
        self, backend: Backend, workers: Workers, cache: FileCache, idle_limit: int, largest: int
    ) -> None:
        self._backend = backend
        self._workers = workers
        self._cache = cache
        self._unpacker = Unpacker(backend, workers)
        self._idle_limit = idle_limit
        self._largest = largest
        self._entries: OrderedDict[tuple[str, str], _Entry] = OrderedDict()
        self._demand = Demand(cache.failed_lately)

    @asynccontextmanager
    async def mapped(self, bucket: str, reference: Reference) -> AsyncIterator[memoryview]:
        """The reference's bytes for the block.

        Raises ObjectDamaged when the blob is gone or has another length, or does not unpack to its SHA-256.
        """
        async with AsyncExitStack() as stack:
            _, mapping = await self._use(stack, bucket, reference)
            yield mapping.view

    def is_here(self, bucket: str, reference: Reference) -> bool:
        """Whether a `source` would be all there at once; if not, nothing is known of the cache directory."""
        entry = self._entries.get((bucket, reference.id))
        return self._is_a_file(reference) or (entry is not None and entry.mapping is not None)

    @asynccontextmanager
    async def source(self, bucket: str, reference: Reference, wanted: int) -> AsyncIterator[Source]:
        """The reference to read windows of `wanted` bytes in all against, for the block.

        Raises ObjectDamaged as `mapped` does, here or when it is asked for bytes.
        """
        async with self._leased(bucket, reference) as entry, AsyncExitStack() as stack:
            known = self.is_here(bucket, reference)
            if not known:
                await self._take_cached(entry, bucket, reference)
            if self.is_here(bucket, reference):
                _, mapping = await self._use(stack, bucket, reference, known=known)
                yield Source(mapping.view)
                return
            source = await self._remote(stack, entry, bucket, reference)
            if self._demand.fetches(reference, wanted) or self._cache.is_arriving(reference.sha256):
                await source.fetch()
            yield source

    async def _remote(
        self, stack: AsyncExitStack, entry: _Entry, bucket: str, reference: Reference
    ) -> Remote:
        with _usable(bucket, reference):
            stretch = await stack.enter_async_context(self._unpacker.stretches(bucket, reference))

        def arrive() -> AbstractAsyncContextManager[Arriving]:
            return self._cache.arriving(
                f"{bucket}/{reference.blob}",
                reference.length,
                reference.sha256,
                self._unpacker.fill(bucket, reference),
            )

        async def mapped(arriving: Arriving) -> memoryview:
            return (await self._mapping(entry, bucket, reference, arriving.whole)).view

        read = None if stretch is None else lambda *span: self._cache.apart(partial(stretch, *span))
        return Remote(stack, reference, self._demand, arrive, mapped, read)

    async def _take_cached(self, entry: _Entry, bucket: str, reference: Reference) -> None:
        """Map what the cache directory has."""
        if entry.loading.locked():
            return  # it is not there, or another has it mapped at once
        async with entry.loading:
            if entry.mapping is None:
                entry.mapping = await self._cache.find(reference.length, reference.sha256)

    @asynccontextmanager
    async def indexed(self, bucket: str, reference: Reference) -> AsyncIterator[SourceIndex]:
        """The reference's index for the block, built on first use.

        Raises ObjectDamaged when the blob is gone or its bytes are not those recorded.
        """
        async with AsyncExitStack() as stack:
            try:
                index = await self._index(stack, bucket, reference)
            except ObjectDamaged:
                if not await self.forget(bucket, reference):
                    raise
                index = await self._index(stack, bucket, reference)
            yield index

    async def _index(self, stack: AsyncExitStack, bucket: str, reference: Reference) -> SourceIndex:
        entry, mapping = await self._use(stack, bucket, reference)
        async with entry.loading:
            measures.reference_indexes.add(1, "hit" if entry.index is not None else "miss")
            if entry.index is None:
                return await self._workers.run(_build, entry, mapping.view, reference, self._largest)
            return entry.index

    @asynccontextmanager
    async def sketched(self, bucket: str, reference: Reference) -> AsyncIterator[SourceIndex]:
        """What `engine.likeness` asks, for the block: the reference's index if that is loaded, or a sketch.

        Raises ObjectDamaged as `mapped` does.
        """
        async with AsyncExitStack() as stack:
            entry, mapping = await self._use(stack, bucket, reference)
            async with entry.loading:
                sketch = entry.index or entry.sketch
                if sketch is None:
                    sketch = await self._workers.run(_sketch, entry, mapping.view, self._largest)
            yield sketch

    async def forget(self, bucket: str, reference: Reference, used: memoryview | None = None) -> bool:
        """Something could not be read with a reference: if it is the copy of it that went bad, read it anew.

        False where there is no copy, or it is what it must be and was what has been `used`. Who holds a lease
        keeps the old bytes.
        """
        if self._is_a_file(reference):
            return False
        async with self._leased(bucket, reference) as entry:
            if entry.mapping is not None and used is not None and entry.mapping.view is not used:
                return True  # somebody else has seen to it
            if entry.mapping is not None and entry.mapping.intact:
                found = await self._workers.run(_sha256, entry.mapping.view)
                if found == reference.sha256:
                    return False
            if self._entries.get((bucket, reference.id)) is entry:
                del self._entries[bucket, reference.id]
                entry.forgotten = True
        await self._cache.forget(reference.sha256)
        return True

    def close(self) -> None:
        """Let go of everything idle; for the end of the process."""
        for place in list(self._entries):
            self._drop(place)

    @asynccontextmanager
    async def _leased(self, bucket: str, reference: Reference) -> AsyncIterator[_Entry]:
        place = (bucket, reference.id)
        entry = self._entries.get(place)
        if entry is None:
            entry = self._entries[place] = _Entry()
        self._entries.move_to_end(place)
        entry.leases += 1
        try:
            yield entry
        finally:
            entry.leases -= 1
            if entry.forgotten and entry.leases == 0:
                entry.close()
            self._trim()

    async def _use(
        self, stack: AsyncExitStack, bucket: str, reference: Reference, *, known: bool = True
    ) -> tuple[_Entry, MappedBlob]:
        """Lease an entry, and its mapping; a copy that is not whole any more is made anew.

        Not `known`: who asks has had it mapped himself.
        """
        entry = await stack.enter_async_context(self._leased(bucket, reference))
        mapping = await self._mapping(entry, bucket, reference, known=known)
        if not mapping.intact and await self.forget(bucket, reference, mapping.view):
            entry = await stack.enter_async_context(self._leased(bucket, reference))
            mapping = await self._mapping(entry, bucket, reference)
        if not mapping.intact:
            raise _unusable(bucket, reference)
        return entry, mapping

    async def _mapping(
        self,
        entry: _Entry,
        bucket: str,
        reference: Reference,
        load: Callable[[], Awaitable[MappedBlob]] | None = None,
        *,
        known: bool = True,
    ) -> MappedBlob:
        """The entry's mapping, made by `load`, or as the reference is stored, by the first who asks."""
        async with entry.loading:
            measures.reference_mappings.add(1, "hit" if known and entry.mapping is not None else "miss")
            if entry.mapping is None:
                with _usable(bucket, reference):
                    entry.mapping = await (self._map(bucket, reference) if load is None else load())
            return entry.mapping

    async def _map(self, bucket: str, reference: Reference) -> MappedBlob:
        if self._is_a_file(reference):
            return await self._backend.map_blob(bucket, reference.blob, reference.length)
        name = f"{bucket}/{reference.blob}"
        fill = self._unpacker.fill(bucket, reference)
        return await self._cache.map(name, reference.length, reference.sha256, fill)

    def _is_a_file(self, reference: Reference) -> bool:
        """Whether the blob itself can be mapped; anything else comes by way of the cache."""
        return reference.codec == "raw" and self._backend.capabilities.maps_blobs

    def _trim(self) -> None:
        """Drop idle entries: the removed, then the least recently used beyond the limits."""
        for place, entry in list(self._entries.items()):
            if entry.leases == 0 and (entry.mapping is None or entry.mapping.removed):
                self._drop(place)
        used = sum(entry.nbytes for entry in self._entries.values())
        for place, entry in list(self._entries.items()):
            if used <= self._idle_limit and len(self._entries) <= _KEPT_MAPPINGS:
                break
            if entry.leases == 0:
                used -= entry.nbytes
                self._drop(place)
        measures.reference_index_bytes.set(used)

    def _drop(self, place: tuple[str, str]) -> None:
        self._entries.pop(place).close()


@contextmanager
def _usable(bucket: str, reference: Reference) -> Iterator[None]:
    try:
        yield
    except (RecordNotFound, Damaged) as error:
        raise _unusable(bucket, reference) from error


def _unusable(bucket: str, reference: Reference) -> ObjectDamaged:
    return ObjectDamaged(
        f"{bucket}/{reference.blob}: this reference is missing, has a wrong length or does not unpack; "
        "objects stored as deltas against it can't be read until it is restored"
    )


def _build(entry: _Entry, source: memoryview, reference: Reference, largest: int) -> SourceIndex:
    """Index a reference and check its SHA-256 in one pass over its bytes.

    The thread itself gives it to its entry: the index of a request that was cancelled meanwhile is neither
    lost nor left open over the mapping.
    """
    digest = hashlib.sha256()
    index = SourceIndex.build(source, progress=digest.update, max_memory=largest)
    if digest.hexdigest() != reference.sha256:
        index.close()
        raise ObjectDamaged(
            f"{reference.blob}: the reference's bytes do not match their SHA-256; restore it from a backup"
        )
    entry.index = index
    return index


def _sha256(data: memoryview) -> str:
    return hashlib.sha256(data).hexdigest()


def _sketch(entry: _Entry, source: memoryview, largest: int) -> SourceIndex:
    """An index for choosing: over bytes that were not checked, because nothing is encoded against it."""
    memory = min(likeness.sketch_memory(len(source)), largest)
    entry.sketch = SourceIndex.build(source, max_memory=memory)
    return entry.sketch
