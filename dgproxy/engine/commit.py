# SPDX-License-Identifier: GPL-2.0-only
"""Manifests in storage: reading one, and the commit.

A commit is a compare-and-swap on the manifest: read the current one, let the caller refuse, write with its
version. The winner has seen exactly the manifest it replaced and alone removes what that one pointed to,
after the new one is durable (law 5). A failure while removing is logged and leaves garbage, never an error:
the object is committed.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, ExitStack
from typing import NamedTuple

import structlog

from dgproxy.engine import deltaspace, hints, keys, leases, names, record
from dgproxy.engine.context import Engine
from dgproxy.engine.errors import Contended, EngineError, ObjectDamaged, ObjectNotFound
from dgproxy.engine.ledger import NOTHING, Numbers
from dgproxy.engine.manifest import Manifest
from dgproxy.storage.backend import (
    ABSENT,
    BucketNotFound,
    Record,
    RecordNotFound,
    StorageError,
    VersionConflict,
)

_log = structlog.get_logger(__name__)

#: Every lost swap is another writer's success; this many in a row on one key is a stampede.
_TRIES = 100

#: Extents of an object whose manifest may be remembered, with up to 64 windows each: some kilobytes.
_REMEMBERED = 8

#: Looks at the current manifest, None where there is none, and raises to refuse the change.
Allow = Callable[[Manifest | None], None]


class Seen(NamedTuple):
    """A manifest as it was, None where there was none, its version, and what the statistics have of it."""

    manifest: Manifest | None
    version: str
    numbers: Numbers = NOTHING


def anything(_current: Manifest | None) -> None:
    """The unconditional `Allow`."""


def parse(stored: Record, bucket: str, key: str) -> Manifest:
    """A manifest from its record. Raises ObjectDamaged."""
    manifest = record.decode(stored.data, Manifest, f"manifest of {bucket}/{key}")
    if manifest.key != key:
        raise ObjectDamaged(f"manifest of {bucket}/{key}: it belongs to the key {manifest.key!r}")
    return manifest


async def read(engine: Engine, bucket: str, key: str) -> Manifest:
    """The current manifest. Raises ObjectNotFound, BucketNotFound, ObjectDamaged."""
    try:
        stored = await engine.backend.read_record(bucket, keys.manifest(key))
    except RecordNotFound as error:
        raise ObjectNotFound(f"{bucket}/{key} does not exist") from error
    return parse(stored, bucket, key)


async def read_lately(engine: Engine, bucket: str, key: str) -> Manifest:
    """`read`, from memory where the operator allows it: see `engine.remembered`."""
    manifests = engine.manifests
    known = manifests.get(bucket, key)
    if known is not None:
        return known
    begun = manifests.reading(bucket, key)
    manifest = await read(engine, bucket, key)
    if len(manifest.extents) <= _REMEMBERED:
        manifests.read(begun, manifest)
    return manifest


async def look(engine: Engine, bucket: str, key: str, allow: Allow) -> Seen:
    """The manifest that is there, and what it takes to replace it; whether to is not asked here.

    A damaged one reads as None where `allow` is unconditional: then what replaces it does not depend on it.
    Raises ObjectDamaged elsewhere, BucketNotFound and the storage layer's errors.
    """
    try:
        stored = await engine.backend.read_record(bucket, keys.manifest(key))
    except RecordNotFound:
        return Seen(None, ABSENT)
    try:
        manifest = parse(stored, bucket, key)
        return Seen(manifest, stored.version, Numbers(1, manifest.size, len(stored.data)))
    except ObjectDamaged as error:
        if allow is not anything:
            raise
        _log.error("damaged manifest replaced; its blobs stay", bucket=bucket, key=key, error=str(error))
        engine.ledger.doubt(bucket, keys.space_of(key))
        return Seen(None, stored.version, Numbers(1, 0, len(stored.data)))


async def check(engine: Engine, bucket: str, key: str, allow: Allow) -> Seen:
    """Ask `allow` before a body is read; the commit asks again, and may begin with what was seen here.

    Raises BucketNotFound and what `allow` raises.
    """
    seen = await look(engine, bucket, key, allow)
    allow(seen.manifest)
    return seen


async def commit(
    engine: Engine,
    bucket: str,
    manifest: Manifest,
    allow: Allow = anything,
    seen: Seen | None = None,
    epoch: str | None = None,
) -> None:
    """Make `manifest` the current one of its key, then remove what it replaced.

    `epoch` as in `swap`. Raises what `allow` raises, Contended, BucketClosing, and the storage layer's
    errors. Whether the write took place is open after a plain StorageError and a cancellation: see
    `may_be_current`.
    """
    await swap(engine, bucket, manifest.key, lambda _: manifest, allow, seen, epoch)
    if manifest.extents and engine.backend.capabilities.whole_buckets:
        await _undo_in_another_bucket(engine, bucket, manifest)


async def _undo_in_another_bucket(engine: Engine, bucket: str, manifest: Manifest) -> None:
    """Take back a commit into a bucket that was deleted and made anew since the blobs were published.

    Its manifest is there and its blobs went with the first bucket. Raises BucketNotFound then: that is what
    became of the bucket this write was for.
    """
    try:
        async with engine.backend.open_blob(bucket, manifest.extents[0].blob, span=(0, 0)):
            return
    except RecordNotFound as error:
        try:
            stored = await engine.backend.read_record(bucket, keys.manifest(manifest.key))
        except RecordNotFound:
            return  # deleted since, with its blobs
        if parse(stored, bucket, manifest.key).generation != manifest.generation:
            return  # replaced since, and its blobs discarded
        await engine.backend.remove_record(bucket, keys.manifest(manifest.key), expect=stored.version)
        engine.ledger.doubt(bucket, keys.space_of(manifest.key))
        raise BucketNotFound(f"{bucket} was deleted and made anew during the write") from error


async def may_be_current(engine: Engine, bucket: str, manifest: Manifest) -> bool:
    """Whether a manifest may have become the current one of its key although its commit raised.

    An error or a cancellation can come after the write took place. True also when that can't be found out:
    what the manifest points to must then stay.
    """
    try:
        current = await read(engine, bucket, manifest.key)
        # Another generation with the same blobs is one that was only given new attributes since.
        used = current.own_blobs() | current.shared_blobs()
        return current.generation == manifest.generation or bool(used & manifest.own_blobs())
    except (ObjectNotFound, BucketNotFound):
        return False
    except BaseException:  # noqa: BLE001 - the commit's own error is the one that is raised
        return True


async def may_be_needed(engine: Engine, bucket: str, manifest: Manifest) -> bool:
    """Whether blobs published for a manifest may be in use although its commit raised.

    By that manifest, or by a copy of it if it was current and has gone again. True also when that can't be
    found out.
    """
    if await may_be_current(engine, bucket, manifest):
        return True
    try:
        for blob in manifest.blobs():
            if await deltaspace.kept_by(engine.backend, bucket, blob) - set(manifest.pins):
                return True
    except BucketNotFound:
        return False
    except BaseException:  # noqa: BLE001 - the commit's own error is the one that is raised
        return True
    return False


async def swap(
    engine: Engine,
    bucket: str,
    key: str,
    successor: Callable[[Manifest | None], Manifest],
    allow: Allow = anything,
    seen: Seen | None = None,
    epoch: str | None = None,
) -> Manifest:
    """`commit` for a manifest that follows from the current one; returns what was written.

    `successor` may raise to refuse, and is asked again when another writer was faster. What was `seen`
    before is as good as current: if it is not, the write is refused. Whoever has published blobs for it has
    done so under `in_epoch`, and gives the `epoch` of that.
    """
    if epoch is None:
        async with in_epoch(engine, bucket) as epoch:
            return await _swap(engine, bucket, key, successor, allow, seen, epoch)
    return await _swap(engine, bucket, key, successor, allow, seen, epoch)


def in_epoch(engine: Engine, bucket: str) -> AbstractAsyncContextManager[str]:
    """The block in which blobs are published and the manifest of them is committed; see `engine.leases`."""
    return leases.writing(engine.backend, engine.leases, bucket)


async def _swap(
    engine: Engine,
    bucket: str,
    key: str,
    successor: Callable[[Manifest | None], Manifest],
    allow: Allow,
    seen: Seen | None,
    epoch: str,
) -> Manifest:
    place, space = keys.manifest(key), keys.space_of(key)
    await engine.ledger.open(bucket)
    for _ in range(_TRIES):
        current = seen or await look(engine, bucket, key, allow)
        old, seen = current.manifest, None
        allow(old)
        new = successor(old)
        looked = await engine.leases.renew(bucket, epoch)
        data, began = record.encode(new), engine.now()
        try:
            with engine.manifests.changing(bucket, key), engine.ledger.unless_certain(bucket, space):
                version = await engine.backend.write_record(bucket, place, data, expect=current.version)
        except VersionConflict:
            continue
        try:
            await engine.leases.confirm(bucket, epoch, looked)
        except BaseException as error:
            engine.ledger.doubt(bucket, space)
            if old is None and isinstance(error, BucketNotFound):
                await _take_back(engine, bucket, key, version)
            raise
        engine.ledger.changed(bucket, space, began, Numbers(1, new.size, len(data)) - current.numbers)
        if old is not None:
            await discard(engine, bucket, [old], kept=new)
        return new
    raise Contended(f"{bucket}/{key}: other writers kept replacing it; try again")


async def _take_back(engine: Engine, bucket: str, key: str, version: str) -> None:
    """Remove a manifest that came too late: its bucket was given up, and its blobs with it."""
    try:
        with engine.manifests.changing(bucket, key):
            await engine.backend.remove_record(bucket, keys.manifest(key), expect=version)
    except (VersionConflict, RecordNotFound, BucketNotFound):
        return  # replaced since, or gone with the bucket
    except StorageError as error:
        _log.error("an object that can't be read may be left", bucket=bucket, key=key, error=str(error))


async def remove(engine: Engine, bucket: str, key: str, allow: Allow = anything) -> Manifest | None:
    """Remove the manifest of `key`: the object is gone. Its blobs are the caller's to `discard`.

    Returns what was removed, None when there was nothing (or nothing readable).
    """
    place, space = keys.manifest(key), keys.space_of(key)
    await engine.ledger.open(bucket)
    for _ in range(_TRIES):
        current, began = await look(engine, bucket, key, allow), engine.now()
        allow(current.manifest)
        if current.version == ABSENT:
            return None
        try:
            with engine.manifests.changing(bucket, key), engine.ledger.unless_certain(bucket, space):
                await engine.backend.remove_record(bucket, place, expect=current.version)
        except (VersionConflict, RecordNotFound):
            continue
        engine.ledger.changed(bucket, space, began, NOTHING - current.numbers)
        return current.manifest
    raise Contended(f"{bucket}/{key}: other writers kept replacing it; try again")


async def discard(
    engine: Engine, bucket: str, gone: Collection[Manifest], kept: Manifest | None = None
) -> None:
    """Remove the blobs of generations that are no longer current; `kept` may need some of them."""
    own: set[str] = set()
    shared: set[str] = set()
    for manifest in gone:
        own |= manifest.own_blobs()
        shared |= manifest.shared_blobs()
    if kept is not None:
        needed = kept.own_blobs() | kept.shared_blobs()
        own -= needed
        shared -= needed
    sizes = {extent.blob: extent.stored for manifest in gone for extent in manifest.extents}
    counted = {blob: size for blob, size in sizes.items() if blob in own}
    own |= await hints.naming(engine.backend, bucket, gone, kept)
    await discard_blobs(engine, bucket, own, names.by_space(shared), counted)


async def discard_blobs(
    engine: Engine,
    bucket: str,
    blobs: Iterable[str],
    shared: Mapping[str, Iterable[str]],
    counted: Mapping[str, int] | None = None,
) -> None:
    """Remove blobs no record points to, then those of the `shared` (by deltaspace) that are idle now.

    `counted` are the sizes of those blobs that are in the statistics. A failure is logged, never raised: what
    was done stays done, and garbage stays behind.
    """
    unused, counted = sorted(blobs), counted or {}
    try:
        with ExitStack() as stack:
            for space in {*shared, *map(names.space_of_blob, counted)}:
                stack.enter_context(engine.ledger.unless_certain(bucket, space))
            await _discard_blobs(engine, bucket, unused, shared, counted)
    except BucketNotFound:
        return  # deleted with everything in it
    except (StorageError, EngineError) as error:
        _log.error("blobs left behind", bucket=bucket, blobs=unused, error=str(error))


async def _discard_blobs(
    engine: Engine,
    bucket: str,
    unused: Sequence[str],
    shared: Mapping[str, Iterable[str]],
    counted: Mapping[str, int],
) -> None:
    if unused:
        began = engine.now()
        await engine.backend.remove_blobs(bucket, unused)
        for blob in unused:
            if blob in counted:
                change = Numbers(blobs=-counted[blob])
                engine.ledger.changed(bucket, names.space_of_blob(blob), began, change)
            elif not blob.endswith((".pin", ".json")):
                engine.ledger.withdrawn(bucket, blob)
    for space, candidates in shared.items():
        began = engine.now()
        freed = await deltaspace.reclaim(engine.backend, bucket, space, candidates)
        if freed:
            engine.ledger.changed(bucket, space, began, Numbers(blobs=-freed))
