# SPDX-License-Identifier: GPL-2.0-only
"""Who ends an upload, and what goes then: Complete and Abort exclude each other, also between hosts.

Where locks reach every process, the upload's lock says it all. Elsewhere the upload's record does: who wants
to end the upload claims it, by compare-and-swap, and only then looks at the parts. A part that is stored at
the same time looks at the record after its own is written: if the upload is claimed by then, the part may or
may not be what the claimant saw, so neither it nor what it replaced is removed; whatever of them is not used
is garbage.

A claim that was not kept because its process died is taken over after `_LEASE`; the one who lost it looks at
it once more right before the object is committed.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Final

import msgspec

from dgproxy.engine import keys, record
from dgproxy.engine.context import Engine
from dgproxy.engine.errors import Contended, UploadNotFound
from dgproxy.engine.manifest import Manifest
from dgproxy.engine.parts import PartRecord, discard_parts, part_keys, readable_parts
from dgproxy.engine.uploads import Upload, find, parse_upload, result_of, upload_lock
from dgproxy.storage.backend import RecordNotFound, StorageError, VersionConflict

#: Milliseconds after which a claim counts as left behind: longer than a Complete takes with its retries.
_LEASE: Final = 60_000

#: Seconds that one who finds a claim waits for its end, and between two looks.
_PATIENCE: Final = 20.0
_PAUSE: Final = 0.2


#: Raises Contended when the claim was taken over.
StillOurs = Callable[[], Awaitable[None]]


async def _always() -> None:
    """For a lock: nobody takes it over."""


@asynccontextmanager
async def ending(engine: Engine, bucket: str, upload_id: str) -> AsyncIterator[StillOurs]:
    """Be the only one to end an upload, whether it exists or not, for the block.

    Where the block raises and it is certain that it changed nothing, the upload goes on. Raises Contended
    when another is at it for long, ObjectDamaged and the storage layer's errors.
    """
    async with engine.backend.lock(bucket, upload_lock(upload_id)):
        if engine.backend.capabilities.exclusive_locks:
            yield _always
            return
        claim = await _claim(engine, bucket, upload_id)
        if claim is None:
            yield _always
            return
        try:
            yield lambda: _require(engine, bucket, upload_id, claim)
        except StorageError:
            raise  # what became of the last write is open: the claim stands for its lease
        except Exception:
            await _release(engine, bucket, upload_id, claim)
            raise


async def _claim(engine: Engine, bucket: str, upload_id: str) -> str | None:
    """Claim an upload; the version of its record then, None when there is no such upload."""
    until = asyncio.get_running_loop().time() + _PATIENCE
    while True:
        try:
            stored = await engine.backend.read_record(bucket, keys.upload(upload_id))
        except RecordNotFound:
            return None
        upload = parse_upload(stored, bucket, upload_id)
        now = engine.now()
        if now - upload.ending > _LEASE:
            claimed = msgspec.structs.replace(upload, ending=now, ending_by=engine.new_id())
            try:
                return await engine.backend.write_record(
                    bucket, keys.upload(upload_id), record.encode(claimed), expect=stored.version
                )
            except VersionConflict:
                continue
        if asyncio.get_running_loop().time() > until:
            raise Contended(f"upload {upload_id} of {bucket} is being completed or aborted; try again")
        await asyncio.sleep(_PAUSE)


async def _require(engine: Engine, bucket: str, upload_id: str, claim: str) -> None:
    try:
        stored = await engine.backend.read_record(bucket, keys.upload(upload_id))
    except RecordNotFound as error:
        raise Contended(f"upload {upload_id} of {bucket} was ended by another meanwhile") from error
    if stored.version != claim:
        raise Contended(f"upload {upload_id} of {bucket} was taken over by another meanwhile")


async def _release(engine: Engine, bucket: str, upload_id: str, claim: str) -> None:
    """Let the upload go on, unless somebody else has it by now."""
    place = keys.upload(upload_id)
    try:
        stored = await engine.backend.read_record(bucket, place)
        if stored.version != claim:
            return
        upload = parse_upload(stored, bucket, upload_id)
        going_on = msgspec.structs.replace(upload, ending=0, ending_by="")
        await engine.backend.write_record(bucket, place, record.encode(going_on), expect=claim)
    except (RecordNotFound, VersionConflict):
        return


async def abort(engine: Engine, bucket: str, key: str, upload_id: str) -> None:
    """End an upload and remove its parts.

    Raises UploadNotFound, also when the upload had become its object and only its records were left: that is
    put in order, and the object stays. ObjectDamaged when that can't be found out.
    """
    async with ending(engine, bucket, upload_id):
        upload = await find(engine, bucket, key, upload_id)
        places = await part_keys(engine, bucket, upload_id)
        parts = await readable_parts(engine, bucket, places)
        result = await result_of(engine, bucket, key, upload_id)
        await finish(engine, bucket, upload, parts, places, result)
    if result is not None:
        raise UploadNotFound(f"upload {upload_id} of {bucket}/{key} was completed")


async def finish(
    engine: Engine,
    bucket: str,
    upload: Upload,
    parts: list[PartRecord],
    records: Sequence[str],
    result: Manifest | None,
) -> None:
    """Remove an upload's record, which ends it, and then all of it that its `result` is not made of.

    `records` are the keys of all its part records, the unreadable ones included. What dies in between leaves
    garbage, no half upload.
    """
    await engine.backend.remove_record(bucket, keys.upload(upload.id))
    kept = set() if result is None else result.blobs()
    await discard_parts(engine, bucket, parts, records=records, kept=kept)
