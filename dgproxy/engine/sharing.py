# SPDX-License-Identifier: GPL-2.0-only
"""Sharing: a new object made of the blobs an older one has. No byte moves.

A blob that no pin names belongs to the one manifest that points to it, and goes with that. A manifest that
holds a pin of a blob shares it: whoever removes such a manifest removes its pins, and the blob when no pin is
left (`deltaspace.reclaim`). A pin lies in the deltaspace of its blob, wherever the object is.

The order, under the writers' lock of every deltaspace involved: pins for both objects; the older manifest is
swapped for itself with its pins, so that whoever removes it from now on knows; the new manifest is committed.
If the older one was replaced meanwhile, its pins came too late and nothing is shared. What dies in between
leaves pins that no manifest lists: they may keep a blob from being removed, never a missing one alive. So a
pin that no manifest lists is garbage, unless somebody holds the writers' lock of its deltaspace.

Which objects have the same bytes is found out elsewhere: `engine.copy`, `engine.duplicates`.
"""

from collections.abc import Iterable
from contextlib import AsyncExitStack

import msgspec

from dgproxy.engine import deltaspace, keys, names
from dgproxy.engine.commit import (
    Allow,
    anything,
    commit,
    discard_blobs,
    in_epoch,
    may_be_current,
    read,
    swap,
)
from dgproxy.engine.context import Engine
from dgproxy.engine.errors import ObjectNotFound
from dgproxy.engine.manifest import Extent, Manifest
from dgproxy.engine.policy import storage_type
from dgproxy.storage.backend import BucketNotFound, RecordNotFound

#: Objects of more extents are stored by themselves: two pins for each would cost more than they save.
_EXTENTS = 64


class _Changed(Exception):
    """The manifest to share with is not what it was."""


async def share(
    engine: Engine, bucket: str, source: Manifest, manifest: Manifest, allow: Allow = anything
) -> Manifest | None:
    """Commit `manifest` with the extents of `source`, an object of the same bucket and the same bytes.

    Returns what was committed; None when that can't be shared, or has changed since it was read: then nothing
    was done. Raises what `commit` raises.
    """
    if not await _is_settled(engine, bucket, source):
        return None
    shared = msgspec.structs.replace(manifest, extents=source.extents, storage=storage_type(source.extents))
    if source.key == manifest.key:
        return await _over_itself(engine, bucket, source, shared, allow)
    blobs = source.blobs() | source.shared_blobs()
    spaces = sorted(names.by_space(blobs))
    # What `source` owns alone is not looked at: without a pin it would seem idle.
    perhaps_idle = source.shared_blobs()
    pins = _Pins(engine, bucket)
    try:
        async with AsyncExitStack() as stack:
            epoch = await stack.enter_async_context(in_epoch(engine, bucket))
            for space in spaces:
                await stack.enter_async_context(deltaspace.writing(engine.backend, bucket, space))
            if not await _are_there(engine, bucket, blobs):
                return None
            own = await pins.publish(source.extents, manifest.key)
            if not await _keep_for_itself(engine, bucket, source, pins, epoch):
                return None
            perhaps_idle = blobs
            shared = msgspec.structs.replace(shared, pins=own)
            await _commit(engine, bucket, shared, pins, epoch, allow)
            return shared
    finally:
        # Here, too, a writer ends: what others could not remove meanwhile may be waiting for it.
        idle = dict.fromkeys(spaces, ()) | names.by_space(perhaps_idle)
        await discard_blobs(engine, bucket, pins.unlisted, idle)


async def _is_settled(engine: Engine, bucket: str, source: Manifest) -> bool:
    """Whether an object's blobs are its own affair, and few enough.

    As long as the upload it came from has a record, a repeated Complete or Abort decides about them as well.
    """
    if not 1 <= len(source.extents) <= _EXTENTS:
        return False
    if source.upload is None:
        return True
    try:
        await engine.backend.read_record(bucket, keys.upload(source.upload))
    except RecordNotFound:
        return True
    return False


async def _are_there(engine: Engine, bucket: str, blobs: Iterable[str]) -> bool:
    """Whether all blobs exist: an object that can't be read is not worth another of its kind."""
    for blob in sorted(blobs):
        try:
            async with engine.backend.open_blob(bucket, blob):
                continue
        except RecordNotFound:
            return False
    return True


async def _over_itself(
    engine: Engine, bucket: str, source: Manifest, shared: Manifest, allow: Allow
) -> Manifest | None:
    """The object gets bytes it has: they stay as they are, pins included."""
    try:
        return await swap(
            engine,
            bucket,
            source.key,
            lambda current: msgspec.structs.replace(shared, pins=_unchanged(current, source).pins),
            allow,
        )
    except _Changed:
        return None


def _unchanged(current: Manifest | None, source: Manifest) -> Manifest:
    """The manifest that is there now, if it is made of what `source` was. Raises _Changed."""
    if current is None or current.extents != source.extents or current.upload != source.upload:
        raise _Changed
    return current


class _Pins:
    """Pins published for one sharing; those that no manifest is known to list are to be removed again."""

    def __init__(self, engine: Engine, bucket: str) -> None:
        self._engine = engine
        self._bucket = bucket
        self.unlisted: set[str] = set()

    async def publish(self, extents: Iterable[Extent], key: str) -> tuple[str, ...]:
        """A pin of each extent's blob for the object `key`."""
        pins = tuple(names.pin_of(extent.blob, key, self._engine.new_id()) for extent in extents)
        for pin in pins:
            # Noted first: if the call is cut off after the rename, the pin still has an owner here.
            self.unlisted.add(pin)
            async with self._engine.backend.stage_blob(self._bucket, pin) as blob:
                await blob.publish()
        return pins

    def listed(self, pins: Iterable[str]) -> None:
        """A manifest lists these, or may."""
        self.unlisted.difference_update(pins)


async def _keep_for_itself(engine: Engine, bucket: str, source: Manifest, pins: _Pins, epoch: str) -> bool:
    """Give `source` pins of the blobs that were its own; False when it has changed meanwhile."""
    own = source.own_blobs()
    missing = [extent for extent in source.extents if extent.blob in own]
    if not missing:
        return True
    added = await pins.publish(missing, source.key)

    def with_pins(current: Manifest | None) -> Manifest:
        unchanged = _unchanged(current, source)
        if unchanged.pins != source.pins:
            raise _Changed
        return msgspec.structs.replace(unchanged, pins=(*unchanged.pins, *added))

    try:
        await swap(engine, bucket, source.key, with_pins, epoch=epoch)
    except _Changed:
        return await _has_pins(engine, bucket, source)
    except BaseException:
        if await _may_list(engine, bucket, source.key, added):
            pins.listed(added)
        raise
    pins.listed(added)
    return True


async def _has_pins(engine: Engine, bucket: str, source: Manifest) -> bool:
    """Whether somebody else who shares this object has just given it pins of all its blobs."""
    try:
        current = _unchanged(await read(engine, bucket, source.key), source)
    except (ObjectNotFound, _Changed):
        return False
    return current.blobs().isdisjoint(current.own_blobs())


async def _may_list(engine: Engine, bucket: str, key: str, pins: Iterable[str]) -> bool:
    """Whether a manifest may list these pins although the swap raised; as `commit.may_be_current`."""
    try:
        return not set(pins).isdisjoint((await read(engine, bucket, key)).pins)
    except (ObjectNotFound, BucketNotFound):
        return False
    except BaseException:  # noqa: BLE001 - the error of the swap is the one that is raised
        return True


async def _commit(
    engine: Engine, bucket: str, shared: Manifest, pins: _Pins, epoch: str, allow: Allow
) -> None:
    try:
        await commit(engine, bucket, shared, allow, epoch=epoch)
    except BaseException:
        if await may_be_current(engine, bucket, shared):
            pins.listed(shared.pins)
        raise
    pins.listed(shared.pins)
