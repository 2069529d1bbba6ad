# SPDX-License-Identifier: GPL-2.0-only
"""GET: from a manifest to checked bytes.

`open_object` opens everything the wanted range needs before it hands out the first byte, so a reading
survives overwrite and delete; a manifest that was replaced before that is simply read again. Each window
leaves only after its bytes matched its SHA-256. One window is decoded ahead of the one being sent. A
reference that is not on this host is not waited for: `engine.source` has what of it is needed next.
"""

import hashlib
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from dgproxy import timing
from dgproxy.codec.delta import CodecError
from dgproxy.engine import measures
from dgproxy.engine.ahead import Ahead
from dgproxy.engine.codecs import Coding, coding
from dgproxy.engine.commit import read
from dgproxy.engine.context import Engine
from dgproxy.engine.errors import Contended, ObjectDamaged
from dgproxy.engine.manifest import Extent, Manifest, Reference, Window
from dgproxy.engine.policy import memory_for, memory_to_store
from dgproxy.engine.source import Source
from dgproxy.engine.unpack import STRETCH_MEMORY
from dgproxy.storage.backend import BlobReader, Buffer, Damaged, RecordNotFound

#: Looks at the manifest and says which bytes are wanted, as (start, stop); raises to refuse.
Plan = Callable[[Manifest], tuple[int, int]]

#: How often a manifest may be replaced between being read and its blobs being opened.
_TRIES = 20


@dataclass(frozen=True, slots=True)
class _Cut:
    """One window and the part of it that is wanted."""

    window: Window
    start: int
    stop: int


@dataclass(frozen=True, slots=True)
class _Piece:
    """A cut with what it takes to read it."""

    cut: _Cut
    blob: BlobReader
    coding: Coding
    reference: Reference | None
    source: Source | None


class Reading:
    """Bytes `start` to `stop` of an open object: its manifest, and the bytes by iterating once."""

    def __init__(
        self,
        engine: Engine,
        bucket: str,
        manifest: Manifest,
        start: int,
        stop: int,
        pieces: list[_Piece],
        ahead: Ahead[memoryview],
    ) -> None:
        self.manifest = manifest
        self.start = start
        self.stop = stop
        self._engine = engine
        self._bucket = bucket
        self._pieces = pieces
        self._ahead = ahead
        self._begun = False

    async def __aiter__(self) -> AsyncIterator[Buffer]:
        """The wanted bytes, window by window. Raises ObjectDamaged before any byte of a bad window."""
        if self.manifest.inline is not None:
            yield memoryview(self.manifest.inline)[self.start : self.stop]
            return
        for number, piece in enumerate(self._pieces):
            if number == 0 and not self._begun:
                self._ahead.start(self._decode(piece))
            data = await self._ahead.result()
            if number + 1 < len(self._pieces):
                self._ahead.start(self._decode(self._pieces[number + 1]))
            yield data

    async def begin(self) -> None:
        """Have the first window ready, so that nothing it needs can be gone. Raises what iterating does."""
        if self._pieces:
            self._begun = True
            self._ahead.start(self._decode(self._pieces[0]))
            error = await self._ahead.ended()
            if error is not None:
                raise error

    async def _decode(self, piece: _Piece) -> memoryview:
        window = piece.cut.window
        try:
            with timing.stage("read"):
                stored = await piece.blob.read(window.offset, window.stored)
            try:
                data, seconds = await self._rebuild(stored, piece)
            except (CodecError, _Mismatch):
                data, seconds = await self._decode_afresh(stored, piece)
        except (CodecError, Damaged, RecordNotFound, _Mismatch) as error:
            raise ObjectDamaged(
                f"{self.manifest.key} (generation {self.manifest.generation}): its stored bytes are damaged; "
                "restore the object or its reference from a backup"
            ) from error
        timing.spent("decode", seconds)
        measures.decode_seconds.add(seconds)
        measures.decode_stored_bytes.add(len(stored))
        measures.decode_logical_bytes.add(len(data))
        return memoryview(data)[piece.cut.start : piece.cut.stop]

    async def _rebuild(self, stored: bytes, piece: _Piece) -> tuple[Buffer, float]:
        """A window, with as much of its reference as there must be for that."""
        workers, source = self._engine.workers, piece.source
        if source is None or source.view is not None:
            return await workers.timed(_checked, stored, piece, None if source is None else source.view)
        begin, end = await workers.run(piece.coding.segment, stored)
        async with AsyncExitStack() as stack:
            with timing.stage("read"):
                stretch = await stack.enter_async_context(source.stretch(begin, end))
            try:
                return await workers.timed(_checked, stored, piece, stretch.view, stretch.begins)
            except (CodecError, _Mismatch):
                if stretch.checked:
                    raise
        return await workers.timed(_checked, stored, piece, await source.checked())

    async def _decode_afresh(self, stored: bytes, piece: _Piece) -> tuple[Buffer, float]:
        """Once more with the reference as it is in storage: what went bad may be a copy of it."""
        references = self._engine.references
        used = None if piece.source is None else piece.source.view
        if piece.reference is None or not await references.forget(self._bucket, piece.reference, used):
            raise _Mismatch("no copies are involved")
        async with references.mapped(self._bucket, piece.reference) as source:
            return await self._engine.workers.timed(_checked, stored, piece, source)


@asynccontextmanager
async def open_object(
    engine: Engine, bucket: str, key: str, plan: Plan, *, to_store: bool = False
) -> AsyncIterator[Reading]:
    """Open the object `key` at the range that `plan` asks for; `to_store` leases memory for a copy as well.

    Raises ObjectNotFound, BucketNotFound, ObjectDamaged, Overloaded, what `plan` raises, and the storage
    layer's errors.
    """
    async with AsyncExitStack() as stack:
        yield await _open(engine, stack, bucket, key, plan, to_store=to_store)


async def _open(
    engine: Engine, stack: AsyncExitStack, bucket: str, key: str, plan: Plan, *, to_store: bool
) -> Reading:
    manifest = await read(engine, bucket, key)
    for _ in range(_TRIES):
        start, stop = plan(manifest)
        try:
            return await open_manifest(engine, stack, bucket, manifest, start, stop, to_store=to_store)
        except (RecordNotFound, ObjectDamaged) as error:
            current = await read(engine, bucket, key)
            if current.generation == manifest.generation:
                raise ObjectDamaged(
                    f"{bucket}/{key}: a blob that its manifest needs is missing or damaged; "
                    "restore it from a backup"
                ) from error
            manifest = current
    raise Contended(f"{bucket}/{key}: it kept being replaced while being opened; try again")


async def open_manifest(
    engine: Engine,
    stack: AsyncExitStack,
    bucket: str,
    manifest: Manifest,
    start: int,
    stop: int,
    *,
    to_store: bool = False,
) -> Reading:
    """Open bytes `start` to `stop` of what a manifest points to, until `stack` unwinds.

    Raises RecordNotFound when a blob is gone, ObjectDamaged when a reference is; nothing is left on the stack
    then.
    """
    wanted = _wanted(manifest, start, stop)
    async with AsyncExitStack() as attempt:
        length = sum(cut.window.length for _, cuts in wanted for cut in cuts)
        memory = memory_for(length) + _memory_for_stretches(engine, bucket, wanted)
        if to_store:
            memory += memory_to_store(length, engine.backend.capabilities.write_memory)
        await attempt.enter_async_context(engine.budget.lease(memory))
        pieces = [
            piece
            for extent, cuts in wanted
            for piece in await _open_extent(engine, attempt, bucket, extent, cuts)
        ]
        ahead = await attempt.enter_async_context(Ahead[memoryview]())
        reading = Reading(engine, bucket, manifest, start, stop, pieces, ahead)
        if any(piece.source is not None and piece.source.view is None for piece in pieces):
            await reading.begin()
        await stack.enter_async_context(attempt.pop_all())
    return reading


def _wanted(manifest: Manifest, start: int, stop: int) -> list[tuple[Extent, list[_Cut]]]:
    """The extents a range touches, each with the windows it touches there."""
    wanted = []
    offset = 0
    for extent in manifest.extents:
        if offset < stop and start < offset + extent.length:
            wanted.append((extent, _cuts(extent, start - offset, stop - offset)))
        offset += extent.length
    return wanted


def _cuts(extent: Extent, start: int, stop: int) -> list[_Cut]:
    """The windows of an extent that a range in its coordinates touches."""
    cuts = []
    offset = 0
    for window in extent.windows:
        if offset < stop and start < offset + window.length:
            cuts.append(_Cut(window, max(start - offset, 0), min(stop - offset, window.length)))
        offset += window.length
    return cuts


async def _open_extent(
    engine: Engine, stack: AsyncExitStack, bucket: str, extent: Extent, cuts: list[_Cut]
) -> list[_Piece]:
    """Open what these windows of an extent need."""
    span = (cuts[0].window.offset, cuts[-1].window.offset + cuts[-1].window.stored) if cuts else (0, 0)
    blob = await stack.enter_async_context(engine.backend.open_blob(bucket, extent.blob, span=span))
    codec = coding(extent.codec)
    if not codec.is_delta:
        return [_Piece(cut, blob, codec, None, None) for cut in cuts]
    if extent.reference is None:
        raise ObjectDamaged(f"{bucket}/{extent.blob}: a delta without a reference in its manifest")
    length = sum(cut.window.length for cut in cuts)
    source = await stack.enter_async_context(engine.references.source(bucket, extent.reference, length))
    return [_Piece(cut, blob, codec, extent.reference, source) for cut in cuts]


def _memory_for_stretches(engine: Engine, bucket: str, wanted: list[tuple[Extent, list[_Cut]]]) -> int:
    """Bytes of memory for references that may have to be read in stretches: one at a time."""
    there = engine.references.is_here
    far = [
        extent.reference.length
        for extent, _ in wanted
        if extent.reference is not None
        and coding(extent.codec).is_delta
        and not there(bucket, extent.reference)
    ]
    return min(3 * max(far, default=0), STRETCH_MEMORY)


class _Mismatch(Exception):
    """A window's bytes are not those that were stored."""


def _checked(stored: bytes, piece: _Piece, source: memoryview | None, begins: int = 0) -> Buffer:
    window = piece.cut.window
    data = piece.coding.decode(stored, window.length, source, begins)
    if len(data) != window.length or hashlib.sha256(data).digest() != window.sha256:
        raise _Mismatch("a window does not match its SHA-256")
    return data
