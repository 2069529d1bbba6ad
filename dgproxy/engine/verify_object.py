# SPDX-License-Identifier: GPL-2.0-only
"""One object held against the storage: its blobs, pins and references, and its bytes.

The half of verify that looks; which objects there are and what is reported is `engine.verify`'s business.
Bytes are read as GET reads them, so that every codec is known. References are looked at once each and
remembered.
"""

import asyncio
import hashlib
from collections import OrderedDict
from collections.abc import Callable, Iterable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Final

from dgproxy.engine.codecs import coding
from dgproxy.engine.context import Engine
from dgproxy.engine.errors import ObjectDamaged
from dgproxy.engine.get import open_manifest
from dgproxy.engine.manifest import WINDOW, Extent, Manifest, Reference
from dgproxy.engine.pace import Pace
from dgproxy.engine.unpack import Unpacker
from dgproxy.storage.backend import Buffer, Damaged, RecordNotFound
from dgproxy.storage.cache import Append

#: Sound references remembered, at some 500 bytes each; one forgotten is looked at again when it is needed.
_REMEMBERED: Final = 20_000


class Fault(Exception):
    """What is wrong with an object, and the key of the blob to blame, if there is one."""

    def __init__(self, why: str, blob: str = "") -> None:
        super().__init__(why)
        self.blob = blob


def inconsistency(manifest: Manifest) -> str | None:
    """What does not fit together in a manifest that is intact."""
    if manifest.inline is not None:
        fits = len(manifest.inline) == manifest.size
        return None if fits else "its size is not that of the bytes in its manifest"
    if sum(extent.length for extent in manifest.extents) != manifest.size:
        return "its extents do not add up to its size"
    for extent in manifest.extents:
        if sum(window.length for window in extent.windows) != extent.length:
            return f"the windows of {extent.blob} do not add up to its length"
        if any(not 0 < window.length <= WINDOW for window in extent.windows):
            return f"a window of {extent.blob} has a length that can't be"
        if any(window.offset + window.stored > extent.stored for window in extent.windows):
            return f"a window of {extent.blob} lies outside of it"
    return None


@dataclass(slots=True)
class KnownReference:
    """A reference that was looked at: what is `wrong` with it, who needs it, and who of those is damaged."""

    reference: Reference
    wrong: str | None = None
    #: It can't be read at all; otherwise only windows that copy from its bad bytes can't.
    lost: bool = False
    looked: bool = False
    dependents: int = 0
    damaged: int = 0
    looking: asyncio.Lock = field(default_factory=asyncio.Lock)


class Examiner:
    """Looks at the objects of one bucket; tells `watch` of each, or with `data` of the bytes of each blob."""

    def __init__(
        self, engine: Engine, bucket: str, pace: Pace, watch: Callable[[int], None], *, data: bool
    ) -> None:
        self._engine = engine
        self._bucket = bucket
        self._pace = pace
        self._watch = watch
        self._data = data
        self._unpacker = Unpacker(engine.backend, engine.workers)
        self._references: OrderedDict[str, KnownReference] = OrderedDict()

    def references(self) -> Iterable[KnownReference]:
        """All that are remembered, and so all that something is wrong with."""
        return self._references.values()

    def count(self, reference: Reference, *, damaged: bool) -> None:
        """An object needs this reference, and is `damaged` or not."""
        known = self._known(reference)
        known.dependents += 1
        known.damaged += damaged

    async def spend(self, amount: int) -> None:
        """So many bytes were read."""
        await self._pace.spend(amount)

    async def examine(self, manifest: Manifest, record_size: int) -> None:
        """Look at everything that the object of a manifest needs; `record_size` is what reading that took.

        Raises Fault for the first thing that is wrong, and the storage layer's errors.
        """
        await self.spend(record_size)
        why = inconsistency(manifest)
        if why is not None:
            raise Fault(why)
        for pin in manifest.pins:
            await self._is_there(pin, None)
        offset = 0
        for extent in manifest.extents:
            await self._is_there(extent.blob, extent.stored)
            await self._reference_of(extent)
            if self._data:
                await self._decode(manifest, extent, offset)
                self._watch(extent.stored)
            offset += extent.length
        if not self._data:
            self._watch(1)

    async def _is_there(self, blob: str, stored: int | None) -> None:
        try:
            async with self._engine.backend.open_blob(self._bucket, blob) as opened:
                size = opened.size
        except RecordNotFound as error:
            raise Fault(f"{blob} is missing", blob) from error
        if stored is not None and size != stored:
            raise Fault(f"{blob} has {size} bytes instead of {stored}", blob)

    async def _decode(self, manifest: Manifest, extent: Extent, offset: int) -> None:
        """Read an extent, which checks the SHA-256 of each window."""
        read = 0
        try:
            async with AsyncExitStack() as stack:
                stop = offset + extent.length
                reading = await open_manifest(self._engine, stack, self._bucket, manifest, offset, stop)
                async for data in reading:
                    read += len(data)
                    await self.spend(len(data) * extent.stored // extent.length)
        except ObjectDamaged as error:
            blame = self._blame(extent)
            raise Fault(
                f"its bytes from {offset + read} on can't be read: {blame} is damaged", blame
            ) from error
        except (RecordNotFound, Damaged) as error:  # gone since it was looked at
            raise Fault(f"{extent.blob} is missing", extent.blob) from error

    def _blame(self, extent: Extent) -> str:
        reference = extent.reference
        if reference is not None and self._known(reference).wrong is not None:
            return reference.blob
        return extent.blob

    # -- references ----------------------------------------------------------------------------------------

    async def _reference_of(self, extent: Extent) -> None:
        """Look at the reference of an extent. Raises Fault when the extent can't be read because of it."""
        if extent.reference is None:
            return
        known = self._known(extent.reference)
        async with known.looking:
            if not known.looked:
                await self._look_at(known)
                known.looked = True
        if known.lost and coding(extent.codec).is_delta:
            raise Fault(f"its reference can't be read: {known.wrong}", extent.reference.blob)

    async def _look_at(self, known: KnownReference) -> None:
        reference = known.reference
        try:
            await self._is_there(reference.blob, reference.cost)
        except Fault as fault:
            known.wrong, known.lost = str(fault), True
            return
        if self._data and not await self._has_its_bytes(reference):
            # One that is mapped as it is stored loses what copies from its bad bytes. Any other has to arrive
            # in the cache with its SHA-256: who needs little of it may do without that, and can't rely on it.
            known.wrong = f"{reference.blob} does not match its SHA-256"
            known.lost = reference.codec != "raw" or not self._engine.backend.capabilities.maps_blobs

    async def _has_its_bytes(self, reference: Reference) -> bool:
        """Whether storage has the bytes of a reference, whatever a cache has."""
        digest = hashlib.sha256()

        async def append(data: Buffer) -> None:
            await self._engine.workers.run(digest.update, data)
            await self.spend(len(data) * reference.cost // max(reference.length, 1))

        try:
            if reference.codec == "raw":
                await self._read(reference, append)
            else:
                await self._unpacker.fill(self._bucket, reference)(append)
        except (RecordNotFound, Damaged):
            return False
        return digest.hexdigest() == reference.sha256

    async def _read(self, reference: Reference, append: Append) -> None:
        async with self._engine.backend.open_blob(self._bucket, reference.blob) as blob:
            for start in range(0, blob.size, WINDOW):
                await append(await blob.read(start, min(WINDOW, blob.size - start)))

    def _known(self, reference: Reference) -> KnownReference:
        known = self._references.get(reference.blob)
        if known is None:
            known = self._references[reference.blob] = KnownReference(reference)
        self._references.move_to_end(reference.blob)
        while len(self._references) > _REMEMBERED:
            oldest = next(iter(self._references.values()))
            self._references.move_to_end(oldest.reference.blob)
            if oldest.wrong is not None or oldest.looking.locked():
                break  # these stay: there are few, or somebody looks right now
            del self._references[oldest.reference.blob]
        return known
