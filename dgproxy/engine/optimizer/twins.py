# SPDX-License-Identifier: GPL-2.0-only
"""Objects of the same bytes, made to share blobs.

The bytes that others are to rely on are read and checked first. An object that a client writes meanwhile is
left alone.
"""

from contextlib import suppress

import msgspec

from dgproxy.engine import hints, sharing
from dgproxy.engine.commit import read
from dgproxy.engine.errors import ObjectDamaged, ObjectNotFound
from dgproxy.engine.manifest import Manifest
from dgproxy.engine.optimizer.survey import manifests
from dgproxy.engine.optimizer.work import Work
from dgproxy.engine.spans import span, windows_of
from dgproxy.storage.backend import RecordNotFound


class _Changed(Exception):
    """A client wrote meanwhile."""


async def share_twins(work: Work, twice: set[str]) -> None:
    """Let objects of the same bytes use the same blobs; `twice` are the content digests to look for."""
    first: dict[str, str] = {}
    async for manifest in manifests(work):
        content = hints.content_digest(manifest)
        if content not in twice:
            continue
        key = first.setdefault(content, manifest.key)
        if key != manifest.key:
            with suppress(ObjectNotFound, ObjectDamaged, RecordNotFound, _Changed):
                work.outcome.shared += await _share(work, key, manifest)


async def _share(work: Work, key: str, manifest: Manifest) -> bool:
    """Let an object use the blobs of the one at `key`; False when there is nothing to gain, or no more."""
    engine, bucket = work.engine, work.bucket
    twin = await read(engine, bucket, key)
    if twin.blobs() & manifest.blobs() or hints.content_digest(twin) != hints.content_digest(manifest):
        return False

    def unchanged(current: Manifest | None) -> None:
        if current != manifest:
            raise _Changed

    await _check(work, twin)
    again = msgspec.structs.replace(manifest, generation=engine.new_id(), pins=())
    return await sharing.share(engine, bucket, twin, again, unchanged) is not None


async def _check(work: Work, manifest: Manifest) -> None:
    """Read all bytes: what others are to rely on must be sound. Raises ObjectDamaged, RecordNotFound."""
    for start, stop in windows_of(manifest.size):
        await work.pace.spend(len(await span(work.engine, work.bucket, manifest, start, stop)))
        await work.rest.after(0)
