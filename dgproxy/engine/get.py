# SPDX-License-Identifier: GPL-2.0-only
"""GET: from a manifest to an open object.

`open_object` opens everything the wanted range needs before it hands out the first byte, so a reading
survives overwrite and delete; a manifest that was replaced before that is simply read again. How the bytes
are read, decoded and checked is for `engine.reading`.
"""

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager

from dgproxy.engine.ahead import Ahead
from dgproxy.engine.codecs import coding
from dgproxy.engine.commit import read
from dgproxy.engine.context import Engine
from dgproxy.engine.errors import Contended, ObjectDamaged
from dgproxy.engine.manifest import Extent, Manifest
from dgproxy.engine.policy import memory_for, memory_to_store
from dgproxy.engine.reading import Cut, Piece, Reading
from dgproxy.engine.unpack import STRETCH_MEMORY
from dgproxy.storage.backend import Buffer, RecordNotFound

#: Looks at the manifest and says which bytes are wanted, as (start, stop); raises to refuse.
Plan = Callable[[Manifest], tuple[int, int]]

#: How often a manifest may be replaced between being read and its blobs being opened.
_TRIES = 20


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
        stored = await attempt.enter_async_context(Ahead[Buffer]())
        decoded = await attempt.enter_async_context(Ahead[memoryview]())
        reading = Reading(engine, bucket, manifest, start, stop, pieces, stored, decoded)
        if any(piece.source is not None and piece.source.view is None for piece in pieces):
            await reading.begin()
        await stack.enter_async_context(attempt.pop_all())
    return reading


def _wanted(manifest: Manifest, start: int, stop: int) -> list[tuple[Extent, list[Cut]]]:
    """The extents a range touches, each with the windows it touches there."""
    wanted = []
    offset = 0
    for extent in manifest.extents:
        if offset < stop and start < offset + extent.length:
            wanted.append((extent, _cuts(extent, start - offset, stop - offset)))
        offset += extent.length
    return wanted


def _cuts(extent: Extent, start: int, stop: int) -> list[Cut]:
    """The windows of an extent that a range in its coordinates touches."""
    cuts = []
    offset = 0
    for window in extent.windows:
        if offset < stop and start < offset + window.length:
            cuts.append(Cut(window, max(start - offset, 0), min(stop - offset, window.length)))
        offset += window.length
    return cuts


async def _open_extent(
    engine: Engine, stack: AsyncExitStack, bucket: str, extent: Extent, cuts: list[Cut]
) -> list[Piece]:
    """Open what these windows of an extent need."""
    span = (cuts[0].window.offset, cuts[-1].window.offset + cuts[-1].window.stored) if cuts else (0, 0)
    blob = await stack.enter_async_context(engine.backend.open_blob(bucket, extent.blob, span=span))
    codec = coding(extent.codec)
    if not codec.is_delta:
        return [Piece(cut, blob, codec, None, None) for cut in cuts]
    if extent.reference is None:
        raise ObjectDamaged(f"{bucket}/{extent.blob}: a delta without a reference in its manifest")
    length = sum(cut.window.length for cut in cuts)
    source = await stack.enter_async_context(engine.references.source(bucket, extent.reference, length))
    return [Piece(cut, blob, codec, extent.reference, source) for cut in cuts]


def _memory_for_stretches(engine: Engine, bucket: str, wanted: list[tuple[Extent, list[Cut]]]) -> int:
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
