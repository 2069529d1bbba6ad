# SPDX-License-Identifier: GPL-2.0-only
"""PUT: one body becomes one object."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import msgspec

from dgproxy import timing
from dgproxy.engine import deltaspace, duplicates, keys
from dgproxy.engine.ahead import Ahead
from dgproxy.engine.body import Body
from dgproxy.engine.commit import Allow, Seen, anything, check, commit, in_epoch, may_be_needed, swap
from dgproxy.engine.context import Engine
from dgproxy.engine.errors import ObjectNotFound
from dgproxy.engine.intake import Taken, take
from dgproxy.engine.manifest import FORMAT, Attributes, Manifest
from dgproxy.engine.policy import storage_type
from dgproxy.storage.backend import Unavailable


async def put_object(
    engine: Engine,
    bucket: str,
    key: str,
    body: Body,
    attributes: Attributes,
    allow: Allow = anything,
    *,
    created: int | None = None,
    limit: int | None = None,
) -> Manifest:
    """Store `body` as the object `key` and return its manifest.

    `allow` is asked before the body is read and again at the commit. `created` is now, `limit` that of one
    PUT, unless given: an object from elsewhere has a date, and need not have come in one piece. Raises
    BucketNotFound, ObjectTooLarge, Overloaded, Contended, what `allow` and the body raise, and the storage
    layer's errors; then the old object is untouched.
    """
    limit = engine.policy.put_limit() if limit is None else limit
    async with (
        _writing(engine, bucket, key, allow) as (epoch, seen),
        take(engine, bucket, key, body, whole_object=True, limit=limit) as taken,
    ):
        extents = () if taken.extent is None else (taken.extent,)
        manifest = Manifest(
            format=FORMAT,
            key=key,
            generation=engine.new_id(),
            size=taken.digests.size,
            etag=taken.digests.md5.hex(),
            created=engine.now() if created is None else created,
            storage=storage_type(extents),
            sha256=taken.digests.sha256.hex(),
            checksums=taken.checksums,
            attributes=attributes,
            inline=taken.inline,
            extents=extents,
            pins=taken.pins,
        )
        return await commit_taken(engine, bucket, manifest, taken, epoch, allow, seen)


@asynccontextmanager
async def _writing(engine: Engine, bucket: str, key: str, allow: Allow) -> AsyncIterator[tuple[str, Seen]]:
    """`in_epoch`, and what `check` saw beside that: none of the two waits for the other.

    So what was seen may be of an earlier life of the bucket; the commit notices by its version.
    """
    async with Ahead[Seen]() as looking:
        looking.start(check(engine, bucket, key, allow))
        async with in_epoch(engine, bucket) as epoch:
            yield epoch, await looking.result()


async def commit_taken(
    engine: Engine,
    bucket: str,
    manifest: Manifest,
    taken: Taken,
    epoch: str,
    allow: Allow = anything,
    seen: Seen | None = None,
) -> Manifest:
    """Commit a manifest that points to what was just taken in, in `epoch`; a new reference is then offered.

    Both before anyone is answered, so that who has seen a write succeed can count on its reference. Bytes
    that the deltaspace has already are shared, and what was taken in is left to go. Returns what was
    committed; raises what `commit` raises.
    """
    return await duplicates.store(
        engine,
        bucket,
        manifest,
        lambda: _commit_taken(engine, bucket, manifest, taken, epoch, allow, seen),
        allow,
    )


async def _commit_taken(
    engine: Engine,
    bucket: str,
    manifest: Manifest,
    taken: Taken,
    epoch: str,
    allow: Allow,
    seen: Seen | None,
) -> None:
    try:
        with timing.stage("commit"):
            await commit(engine, bucket, manifest, allow, seen, epoch)
    except BaseException as error:
        # A write that never got an answer may still take place, after whoever looks now.
        if isinstance(error, Unavailable) or await may_be_needed(engine, bucket, manifest):
            taken.keep()
        raise
    taken.keep()
    if taken.pins:
        for reference in manifest.references():
            space, most = keys.space_of(manifest.key), engine.policy.max_references
            engine.offers.forget(bucket, space)
            await deltaspace.offer(engine.backend, bucket, space, reference, most, taken.leaves)


async def replace_attributes(
    engine: Engine,
    bucket: str,
    key: str,
    attributes: Callable[[Manifest], Attributes],
    allow: Allow = anything,
) -> Manifest:
    """Give an object new attributes in a new generation without touching its bytes.

    `attributes` are chosen by the current manifest. Raises ObjectNotFound and what `commit` raises.
    """

    def successor(old: Manifest | None) -> Manifest:
        if old is None:
            raise ObjectNotFound(f"{bucket}/{key} does not exist")
        return msgspec.structs.replace(
            old, attributes=attributes(old), generation=engine.new_id(), created=engine.now()
        )

    return await swap(engine, bucket, key, successor, allow)


async def replace_tags(engine: Engine, bucket: str, key: str, tags: dict[str, str]) -> Manifest:
    """Give an object other tags. It stays the generation it is, with its date: tags are no part of it.

    Raises ObjectNotFound and what `commit` raises.
    """

    def successor(old: Manifest | None) -> Manifest:
        if old is None:
            raise ObjectNotFound(f"{bucket}/{key} does not exist")
        attributes = msgspec.structs.replace(old.attributes, tags=tags)
        return msgspec.structs.replace(old, attributes=attributes)

    return await swap(engine, bucket, key, successor, _readable)


def _readable(_current: Manifest | None) -> None:
    """An `Allow` that wants the current manifest read: a damaged one is an error, not an absent one."""
