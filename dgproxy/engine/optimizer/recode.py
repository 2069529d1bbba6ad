# SPDX-License-Identifier: GPL-2.0-only
"""An object's bytes written anew in another form, while everything a client sees of it stays.

Its bytes are read as GET reads them, checked, and written window for window: as deltas of the thorough level
against a reference, or whole as a new reference. Then the manifest is swapped, if the object still is what
was read: a client's write wins, always. Etag, Last-Modified, attributes and parts are not touched. Whether it
is worth it is decided elsewhere. Law 5 holds as for a PUT: new is durable before old is removed.
"""

import hashlib
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from functools import partial

import msgspec

from dgproxy.codec import forms, frames
from dgproxy.codec.delta import SourceIndex
from dgproxy.engine import deltaspace, keys, names, retiring
from dgproxy.engine.codecs import Coding
from dgproxy.engine.commit import discard_blobs, in_epoch, may_be_current, swap
from dgproxy.engine.context import Engine
from dgproxy.engine.manifest import Extent, Manifest, Reference, Window
from dgproxy.engine.policy import storage_type
from dgproxy.engine.rest import Rest
from dgproxy.engine.spans import span
from dgproxy.storage.backend import BlobWriter, Buffer


class _Replaced(Exception):
    """The object is not what was read any more."""


class TooLarge(Exception):
    """The new form grew beyond what it may take."""


@dataclass(slots=True)
class _Writing:
    """Blobs on their way, and what is to be looked after when they are done."""

    engine: Engine
    bucket: str
    rest: Rest
    epoch: str
    published: set[str] = field(default_factory=set)

    @asynccontextmanager
    async def blob(self, key: str) -> AsyncIterator[BlobWriter]:
        """Stage a blob; it is published when the block ends well."""
        async with self.engine.backend.stage_blob(self.bucket, key) as writer:
            yield writer
            self.published.add(key)  # noted first: a call that is cut off after the rename has an owner
            await writer.publish()

    async def work(self, call: Callable[[], tuple[Buffer, float]]) -> Buffer:
        """Run a stretch of work on a thread, and rest after it."""
        result, seconds = await self.engine.workers.run(call)
        await self.rest.after(seconds)
        return result


@asynccontextmanager
async def _writing(
    engine: Engine, bucket: str, key: str, rest: Rest, in_use: Sequence[str]
) -> AsyncIterator[_Writing]:
    """Under the deltaspace's lock, as every writer; what is not kept at the end is removed."""
    space = keys.space_of(key)
    try:
        async with (
            in_epoch(engine, bucket) as epoch,
            deltaspace.writing(engine.backend, bucket, space),
        ):
            writing = _Writing(engine, bucket, rest, epoch)
            try:
                yield writing
            finally:
                await discard_blobs(engine, bucket, writing.published, {})
    finally:
        # While the lock was held here, others may have had to leave references behind.
        await discard_blobs(engine, bucket, (), {space: (), **names.by_space(in_use)})


async def as_delta(
    engine: Engine, bucket: str, manifest: Manifest, reference: Reference, most: int | None, rest: Rest
) -> Manifest | None:
    """Store an object as a delta against `reference`, in fewer than `most` bytes, and return its manifest.

    None when a client changed it meanwhile. Raises TooLarge, ObjectDamaged, RecordNotFound when its blobs
    went meanwhile, and the storage layer's errors; then it is as it was.
    """
    async with (
        _writing(engine, bucket, manifest.key, rest, [reference.blob]) as writing,
        engine.references.indexed(bucket, reference) as index,
    ):
        extents, offset, stored = [], 0, 0
        for extent in manifest.extents:
            room = None if most is None else most - stored
            new = await _delta_of(writing, manifest, extent, offset, reference, index, room)
            extents.append(new)
            offset, stored = offset + extent.length, stored + new.stored
        return await _commit(writing, manifest, tuple(extents), ())


async def _delta_of(
    writing: _Writing,
    manifest: Manifest,
    extent: Extent,
    offset: int,
    reference: Reference,
    index: SourceIndex,
    room: int | None,
) -> Extent:
    engine = writing.engine
    coding = engine.policy.delta_coding
    blob = keys.delta(manifest.key, reference.id, engine.new_id(), coding.suffix)

    def encode(data: Buffer, position: int) -> tuple[Buffer, float]:
        began = time.thread_time()
        form = engine.policy.delta_form
        stored = forms.encode(index, data, form, position=position, level="thorough")
        return stored, time.thread_time() - began

    windows: list[Window] = []
    async with writing.blob(blob) as writer:
        if coding.header:
            await writer.append(coding.header)
        for window in extent.windows:
            data = await span(engine, writing.bucket, manifest, offset, offset + window.length)
            stored = await writing.work(partial(encode, data, offset))
            offset += window.length
            windows.append(Window(window.length, writer.size, len(stored), window.sha256))
            await writer.append(stored)
            if room is not None and writer.size >= room:
                raise TooLarge
        size = writer.size
    return Extent(
        blob=blob,
        codec=coding.codec,
        length=extent.length,
        stored=size,
        windows=tuple(windows),
        reference=reference,
        thorough=True,
    )


async def as_reference(engine: Engine, bucket: str, manifest: Manifest, rest: Rest) -> Reference | None:
    """Store an object whole as a new reference of its deltaspace, which its manifest pins, and return that.

    It is not offered yet. None when a client changed the object meanwhile. Raises what `as_delta` raises but
    TooLarge.
    """
    async with _writing(engine, bucket, manifest.key, rest, []) as writing:
        extent, digest = await _whole_of(writing, manifest)
        reference_id = names.blob_id(extent.blob)
        reference = Reference(
            id=reference_id,
            blob=extent.blob,
            length=extent.length,
            sha256=digest,
            codec=extent.codec,
            stored=extent.stored,
            name=keys.readable(manifest.key),
            windows=() if extent.codec == "raw" else tuple(window.stored for window in extent.windows),
        )
        pin = keys.pin(manifest.key, reference_id, engine.new_id())
        async with writing.blob(pin):
            pass
        extents = (msgspec.structs.replace(extent, reference=reference),)
        done = await _commit(writing, manifest, extents, (pin,))
    return None if done is None else reference


async def _whole_of(writing: _Writing, manifest: Manifest) -> tuple[Extent, str]:
    """All bytes of an object in one blob, and their SHA-256."""
    engine, space = writing.engine, keys.space_of(manifest.key)
    coding: Coding | None = None
    windows: list[Window] = []
    digest = hashlib.sha256()

    def encode(data: memoryview, coding: Coding, position: int) -> tuple[Buffer, float]:
        began = time.thread_time()
        digest.update(data)
        stored = coding.encode(data, None, position)
        return stored, time.thread_time() - began

    async with AsyncExitStack() as stack:
        offset, blob = 0, ""
        writer: BlobWriter
        for extent in manifest.extents:
            for window in extent.windows:
                data = memoryview(
                    await span(engine, writing.bucket, manifest, offset, offset + window.length)
                )
                if coding is None:
                    share = await engine.workers.run(frames.share, data)
                    coding = engine.policy.whole_coding(share)
                    blob = keys.reference(space, engine.new_id(), coding.suffix)
                    writer = await stack.enter_async_context(writing.blob(blob))
                stored = await writing.work(partial(encode, data, coding, offset))
                offset += window.length
                windows.append(Window(window.length, writer.size, len(stored), window.sha256))
                await writer.append(stored)
        if coding is None:
            raise ValueError("an object without bytes is no reference")
        size = writer.size
    whole = Extent(blob=blob, codec=coding.codec, length=manifest.size, stored=size, windows=tuple(windows))
    return whole, digest.hexdigest()


async def settle(engine: Engine, bucket: str, manifest: Manifest) -> None:
    """Note in an object's manifest that nothing smaller came of encoding it thoroughly.

    It stays the generation it is; one that a client changed meanwhile stays without the note.
    """
    extents = tuple(msgspec.structs.replace(extent, thorough=True) for extent in manifest.extents)

    def successor(old: Manifest | None) -> Manifest:
        if old is None or old.extents != manifest.extents:
            raise _Replaced
        return msgspec.structs.replace(old, extents=extents)

    try:
        await swap(engine, bucket, manifest.key, successor, _readable)
    except _Replaced:
        return


async def _references_may_go(engine: Engine, bucket: str, key: str, extents: Sequence[Extent]) -> bool:
    """Whether gc of another host may remove what these deltas, now published, need: encoding took long."""
    if engine.backend.capabilities.exclusive_locks:
        return False
    needed = {each.reference for each in extents if each.reference is not None and names.is_delta(each.blob)}
    space = keys.space_of(key)
    return any([await retiring.may_go(engine.backend, bucket, space, each) for each in needed])


async def _commit(
    writing: _Writing, before: Manifest, extents: tuple[Extent, ...], pins: tuple[str, ...]
) -> Manifest | None:
    """Swap the manifest of an object that still is what was read; None when it is not."""
    engine, bucket = writing.engine, writing.bucket
    if await _references_may_go(engine, bucket, before.key, extents):
        return None
    changes = {
        "generation": engine.new_id(),
        "extents": extents,
        "pins": pins,
        "storage": storage_type(extents),
    }

    def successor(old: Manifest | None) -> Manifest:
        if old is None or old.extents != before.extents or old.pins != before.pins:
            raise _Replaced
        return msgspec.structs.replace(old, **changes)

    try:
        after = await swap(engine, bucket, before.key, successor, _readable, epoch=writing.epoch)
    except _Replaced:
        return None
    except BaseException:
        if await may_be_current(engine, bucket, msgspec.structs.replace(before, **changes)):
            _keep(writing, extents)
        raise
    _keep(writing, extents)
    return after


def _keep(writing: _Writing, extents: tuple[Extent, ...]) -> None:
    """A manifest points to what was published, or may: leave it, and count it."""
    writing.published.clear()
    for extent in extents:
        writing.engine.ledger.published(writing.bucket, extent.blob, extent.stored)


def _readable(_current: Manifest | None) -> None:
    """An `Allow` that wants the current manifest read: a damaged one is an error, not an absent one."""
