# SPDX-License-Identifier: GPL-2.0-only
"""Duplicates: bytes that a deltaspace has already cost a manifest and a pin, however they arrive.

`share` before a commit, `remember` after it. What is shared has been read and checked to the last byte while
the sender's are still at hand: who uploads a damaged object again to heal it must not be given the damage.
Nothing here is an error: where a duplicate can't be found or used, the object is stored by itself.
"""

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
from dgproxy.storage.backend import RecordNotFound, StorageError

_log = structlog.get_logger(__name__)


async def share(engine: Engine, bucket: str, manifest: Manifest, allow: Allow = anything) -> Manifest | None:
    """Commit `manifest` with the blobs of an object of its deltaspace that has the same bytes.

    Returns what was committed, None when there is no such object. Raises what `commit` raises.
    """
    twin = await _twin(engine, bucket, manifest)
    if twin is None or not await _is_sound(engine, bucket, twin):
        return None
    return await share_blobs(engine, bucket, twin, manifest, allow)


async def remember(engine: Engine, bucket: str, manifest: Manifest) -> None:
    """Let later uploads of the same bytes find this object, which was just committed."""
    if not manifest.extents or not engine.backend.capabilities.digest_hints:
        return
    try:
        version = await hints.write(engine.backend, bucket, manifest)
        if not await _is_there(engine, bucket, manifest):
            # Whoever removed it may have looked for the hint too early.
            await hints.take_back(engine.backend, bucket, manifest, version)
    except (StorageError, EngineError) as error:
        _log.warning("digest hint not written", bucket=bucket, key=manifest.key, error=str(error))


async def _is_there(engine: Engine, bucket: str, manifest: Manifest) -> bool:
    try:
        return (await read(engine, bucket, manifest.key)).extents == manifest.extents
    except ObjectNotFound:
        return False


async def _twin(engine: Engine, bucket: str, manifest: Manifest) -> Manifest | None:
    """An object that has the bytes of `manifest`, as its windows prove."""
    if not manifest.extents or not engine.backend.capabilities.digest_hints:
        return None
    try:
        key = await hints.named(engine.backend, bucket, manifest)
        if key is None:
            return None
        twin = await read(engine, bucket, key)
    except ObjectNotFound:
        return None
    except (StorageError, EngineError) as error:
        _log.warning("duplicates not looked for", bucket=bucket, key=manifest.key, error=str(error))
        return None
    return twin if _windows(twin) == _windows(manifest) else None


def _windows(manifest: Manifest) -> list[tuple[int, bytes]]:
    """What the bytes of an object are: the length and SHA-256 of every window."""
    return [(window.length, window.sha256) for extent in manifest.extents for window in extent.windows]


async def _is_sound(engine: Engine, bucket: str, twin: Manifest) -> bool:
    """Whether every byte can be read; False, too, when this is no moment to find out.

    The request holds memory already. To wait for more could be to wait for others who do the same.
    """
    if twin.size > REFERENCE_LIMIT or memory_for(twin.size) > engine.budget.free:
        return False
    try:
        async with AsyncExitStack() as stack:
            async for _ in await open_manifest(engine, stack, bucket, twin, 0, twin.size):
                pass
    except (RecordNotFound, ObjectDamaged) as error:
        _log.error(
            "damaged object met; its bytes are stored anew", bucket=bucket, key=twin.key, error=str(error)
        )
        return False
    except (Overloaded, StorageError):
        return False
    return True
