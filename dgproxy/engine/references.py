# SPDX-License-Identifier: GPL-2.0-only
"""References in use: mapped once per process, indexed once, kept within a memory limit.

Promises: what a lease yields stays valid for its block; an index is only ever built over bytes whose SHA-256
was checked while building it, so nothing is encoded against damage; two requests that need the same
reference share one load. The cache is a matter of speed alone: dropping any entry at any time is right.
Which references a deltaspace *offers* is `engine.deltaspace`'s business.
"""

import asyncio
import hashlib
from collections import OrderedDict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from dgproxy.codec.delta import SourceIndex
from dgproxy.codec.workers import Workers
from dgproxy.engine import measures
from dgproxy.engine.errors import ObjectDamaged
from dgproxy.engine.manifest import Reference
from dgproxy.storage.backend import Backend, Damaged, MappedBlob, RecordNotFound

#: Mappings kept open for reuse; each costs address space, no memory of its own.
_KEPT_MAPPINGS = 256


@dataclass(slots=True)
class _Entry:
    mapping: MappedBlob | None = None
    index: SourceIndex | None = None
    leases: int = 0
    loading: asyncio.Lock = field(default_factory=asyncio.Lock)


class References:
    """The references of one process.

    `idle_limit` bounds the bytes of all indexes that are kept without being in use, `largest` those of any
    one: a larger reference gets a coarser index.
    """

    def __init__(self, backend: Backend, workers: Workers, idle_limit: int, largest: int) -> None:
        self._backend = backend
        self._workers = workers
        self._idle_limit = idle_limit
        self._largest = largest
        self._entries: OrderedDict[tuple[str, str], _Entry] = OrderedDict()

    @asynccontextmanager
    async def mapped(self, bucket: str, reference: Reference) -> AsyncIterator[memoryview]:
        """The reference's bytes for the block.

        Raises ObjectDamaged when the blob is gone or has another length.
        """
        async with self._leased(bucket, reference) as entry:
            yield (await self._mapping(entry, bucket, reference)).view

    @asynccontextmanager
    async def indexed(self, bucket: str, reference: Reference) -> AsyncIterator[SourceIndex]:
        """The reference's index for the block, built on first use.

        Raises ObjectDamaged when the blob is gone or its bytes are not those recorded.
        """
        async with self._leased(bucket, reference) as entry:
            mapping = await self._mapping(entry, bucket, reference)
            async with entry.loading:
                index = entry.index
                measures.reference_indexes.add(1, "hit" if index is not None else "miss")
                if index is None:
                    index = await self._workers.run(_build, entry, mapping.view, reference, self._largest)
            yield index

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
            self._trim()

    async def _mapping(self, entry: _Entry, bucket: str, reference: Reference) -> MappedBlob:
        async with entry.loading:
            measures.reference_mappings.add(1, "hit" if entry.mapping is not None else "miss")
            if entry.mapping is None:
                try:
                    entry.mapping = await self._backend.map_blob(bucket, reference.blob, reference.length)
                except (RecordNotFound, Damaged) as error:
                    raise _unusable(bucket, reference) from error
            if not entry.mapping.intact:
                raise _unusable(bucket, reference)
            return entry.mapping

    def _trim(self) -> None:
        """Drop idle entries: the removed, then the least recently used beyond the limits."""
        for place, entry in list(self._entries.items()):
            if entry.leases == 0 and (entry.mapping is None or entry.mapping.removed):
                self._drop(place)
        used = sum(entry.index.nbytes for entry in self._entries.values() if entry.index is not None)
        for place, entry in list(self._entries.items()):
            if used <= self._idle_limit and len(self._entries) <= _KEPT_MAPPINGS:
                break
            if entry.leases == 0:
                used -= entry.index.nbytes if entry.index is not None else 0
                self._drop(place)
        measures.reference_index_bytes.set(used)

    def _drop(self, place: tuple[str, str]) -> None:
        entry = self._entries.pop(place)
        if entry.index is not None:
            entry.index.close()
        if entry.mapping is not None:
            entry.mapping.close()


def _unusable(bucket: str, reference: Reference) -> ObjectDamaged:
    return ObjectDamaged(
        f"{bucket}/{reference.blob}: this reference is missing or has a wrong length; "
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
