# SPDX-License-Identifier: GPL-2.0-only
"""Duplicates: bytes that a deltaspace has already cost a manifest and a pin, however they arrive.

`share` instead of a commit, or `store` around it. What is shared has been read and checked to the last byte
while the sender's are still at hand: who uploads a damaged object again to heal it must not be given the
damage. Nothing here is an error: where a duplicate can't be found or used, the object is stored by itself.
"""

from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack

import structlog

from dgproxy.engine import hints
from dgproxy.engine.commit import Allow, anything, read
from dgproxy.engine.context import Engine
from dgproxy.engine.errors import EngineError, ObjectDamaged, ObjectNotFound, Overloaded
from dgproxy.engine.get import open_manifest
from dgproxy.engine.manifest import Manifest
from dgproxy.engine.policy import REFERENCE_LIMIT, memory_for
from dgproxy.engine.sharing import share as share_blobs
from dgproxy.engine.unpack import STRETCH_MEMORY
from dgproxy.storage.backend import RecordNotFound, StorageError

_log = structlog.get_logger(__name__)


async def share(engine: Engine, bucket: str, manifest: Manifest, allow: Allow = anything) -> Manifest | None:
    """Commit `manifest` with the blobs of an object of its deltaspace that has the same bytes.

    Returns what was committed, None when there is no such object. Raises what `commit` raises.
    """
    if not _may_have_twins(engine, manifest):
        return None
    try:
        key = await hints.named(engine.backend, bucket, manifest)
    except StorageError as error:
        _log.warning("duplicates not looked for", bucket=bucket, key=manifest.key, error=str(error))
        return None
    return await _share_with(engine, bucket, key or "", manifest, allow)


async def store(
    engine: Engine,
    bucket: str,
    manifest: Manifest,
    commit: Callable[[], Awaitable[None]],
    allow: Allow = anything,
) -> Manifest:
    """Commit `manifest` by `commit`, and let later uploads of the same bytes find it; or `share`.

    The hint comes first: so whoever removes the object finds it. Returns what was committed; raises what
    `commit` raises.
    """
    shared = None
    if _may_have_twins(engine, manifest):
        shared = await _share_or_commit(engine, bucket, manifest, commit, allow)
    else:
        await commit()
    if shared is None and manifest.storage == "delta":
        engine.ledger.uploaded(bucket, manifest.key, manifest.size, manifest.stored)
    return shared or manifest


async def _share_or_commit(
    engine: Engine,
    bucket: str,
    manifest: Manifest,
    commit: Callable[[], Awaitable[None]],
    allow: Allow,
) -> Manifest | None:
    """`store` for what may have twins; None when the manifest itself was committed."""
    key = await _claim(engine, bucket, manifest)
    if key is not None:
        shared = await _share_with(engine, bucket, key, manifest, allow)
        if shared is not None:
            return shared
        await _write(engine, bucket, manifest)
    try:
        await commit()
    except BaseException:
        await _take_back(engine, bucket, manifest)
        raise
    return None


def _may_have_twins(engine: Engine, manifest: Manifest) -> bool:
    return bool(manifest.extents) and engine.backend.capabilities.digest_hints


async def _claim(engine: Engine, bucket: str, manifest: Manifest) -> str | None:
    """`hints.claim`, None also when that failed."""
    try:
        return await hints.claim(engine.backend, bucket, manifest)
    except StorageError as error:
        _log.warning("duplicates not looked for", bucket=bucket, key=manifest.key, error=str(error))
        return None


async def _write(engine: Engine, bucket: str, manifest: Manifest) -> None:
    try:
        await hints.write(engine.backend, bucket, manifest)
    except StorageError as error:
        _log.warning("digest hint not written", bucket=bucket, key=manifest.key, error=str(error))


async def _take_back(engine: Engine, bucket: str, manifest: Manifest) -> None:
    """Remove the hint to an object that did not come about."""
    try:
        twin = await _read(engine, bucket, manifest.key)
        if twin is None or _windows(twin) != _windows(manifest):
            stale = await hints.naming(engine.backend, bucket, [manifest])
            await engine.backend.remove_blobs(bucket, sorted(stale))
    except BaseException as error:  # noqa: BLE001 - the commit's own error is the one that is raised
        _log.warning("stale digest hint left", bucket=bucket, key=manifest.key, error=str(error))


async def _share_with(
    engine: Engine, bucket: str, key: str, manifest: Manifest, allow: Allow
) -> Manifest | None:
    """Share the blobs of the object `key`, if it has these bytes and they are sound."""
    twin = await _read(engine, bucket, key) if key else None
    if twin is None or _windows(twin) != _windows(manifest) or not await _is_sound(engine, bucket, twin):
        return None
    return await share_blobs(engine, bucket, twin, manifest, allow)


async def _read(engine: Engine, bucket: str, key: str) -> Manifest | None:
    """A manifest that can be read."""
    try:
        return await read(engine, bucket, key)
    except ObjectNotFound:
        return None
    except (StorageError, EngineError) as error:
        _log.warning("object not looked at as a duplicate", bucket=bucket, key=key, error=str(error))
        return None


def _windows(manifest: Manifest) -> list[tuple[int, bytes]]:
    """What the bytes of an object are: the length and SHA-256 of every window."""
    return [(window.length, window.sha256) for extent in manifest.extents for window in extent.windows]


async def _is_sound(engine: Engine, bucket: str, twin: Manifest) -> bool:
    """Whether every byte can be read; False, too, when this is no moment to find out.

    The request holds memory already. To wait for more could be to wait for others who do the same.
    """
    if twin.size > REFERENCE_LIMIT or memory_for(twin.size) + STRETCH_MEMORY > engine.budget.free:
        return False
    try:
        async with AsyncExitStack() as stack:
            async for window in await open_manifest(engine, stack, bucket, twin, 0, twin.size):
                del window  # its memory is for the next one
    except (RecordNotFound, ObjectDamaged) as error:
        _log.error(
            "damaged object met; its bytes are stored anew", bucket=bucket, key=twin.key, error=str(error)
        )
        return False
    except (Overloaded, StorageError):
        return False
    return True
