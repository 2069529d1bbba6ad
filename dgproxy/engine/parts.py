# SPDX-License-Identifier: GPL-2.0-only
"""The parts of multipart uploads: stored, listed, removed.

A part is stored as it arrives, alone, as one extent; its record is published under the upload's lock, shared.
Complete and Abort are alone with the upload (`engine.ending`): a part is either part of what they see or
refused.
"""

from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from typing import Final

import msgspec
import structlog

from dgproxy.engine import inventory, keys, names, notes, record
from dgproxy.engine.body import Body
from dgproxy.engine.commit import discard_blobs, in_epoch
from dgproxy.engine.context import Engine
from dgproxy.engine.errors import Contended, ObjectDamaged, UploadNotFound
from dgproxy.engine.intake import take
from dgproxy.engine.manifest import Extent
from dgproxy.engine.uploads import Upload, find, result_of, upload_lock
from dgproxy.storage.backend import ABSENT, BucketNotFound, Record, RecordNotFound, VersionConflict

_log = structlog.get_logger(__name__)

#: Times that a part's record is written when others of the same number are written, too.
_TRIES: Final = 50


class PartRecord(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """A stored part: its etag (hex MD5 of its bytes), its client checksums and where the bytes are."""

    number: int
    size: int
    etag: str
    created: int
    extent: Extent
    checksums: dict[str, str] = {}
    #: The upload it is a part of; "" in what older versions wrote.
    upload: str = ""


def parse_part(stored: Record, bucket: str, place: str) -> PartRecord:
    """A part from the record at `place`. Raises ObjectDamaged, also when it is another one's."""
    part = record.decode(stored.data, PartRecord, f"{bucket}/{place}")
    upload_id = part.upload or place.split("/")[1]
    if keys.part(upload_id, part.number) != place:
        raise ObjectDamaged(
            f"{bucket}/{place}: the record belongs to part {part.number} of upload {upload_id}"
        )
    return part


async def put_part(engine: Engine, bucket: str, upload: Upload, number: int, body: Body) -> PartRecord:
    """Store a part of an upload that has just been found; one of the same number is replaced.

    Raises UploadNotFound when it ended meanwhile, what `notes.write` raises, and what `intake.take` raises.
    """
    key, upload_id = upload.key, upload.id
    limit = engine.policy.put_limit()
    async with (
        in_epoch(engine, bucket) as epoch,
        take(engine, bucket, key, body, whole_object=False, limit=limit) as taken,
    ):
        if taken.extent is None:
            raise RuntimeError("a part always has an extent")
        part = PartRecord(
            number=number,
            size=taken.digests.size,
            etag=taken.digests.md5.hex(),
            created=engine.now(),
            extent=taken.extent,
            checksums=taken.checksums,
            upload=upload_id,
        )
        async with engine.backend.lock(bucket, upload_lock(upload_id), shared=True):
            upload = await find(engine, bucket, key, upload_id)
            try:
                replaced = await _write_part(engine, bucket, upload, part, epoch)
            except BaseException:
                if await _may_be_stored(engine, bucket, upload, part):
                    taken.keep()
                raise
            taken.keep()
            if not engine.backend.capabilities.exclusive_locks:
                upload = await _require_open(engine, bucket, key, upload_id)
    if replaced is not None and not upload.in_doubt:
        await discard_parts(engine, bucket, [replaced])
    return part


async def _require_open(engine: Engine, bucket: str, key: str, upload_id: str) -> Upload:
    """See that nobody has begun to end an upload by the time a part of it is stored.

    Raises Contended, UploadNotFound. Then both that part and the one it replaced must stay: either may have
    become part of the object.
    """
    upload = await find(engine, bucket, key, upload_id)
    if upload.ending:
        raise Contended(f"upload {upload_id} of {bucket}/{key} is being completed or aborted")
    return upload


async def _write_part(
    engine: Engine, bucket: str, upload: Upload, part: PartRecord, epoch: str
) -> PartRecord | None:
    """Publish a part's record; returns the one it replaced. That there is one is the exception."""
    place = keys.part(upload.id, part.number)
    old: PartRecord | None = None
    version = ABSENT
    for _ in range(_TRIES):
        try:
            await notes.write(engine, bucket, place, record.encode(part), epoch=epoch, expect=version)
        except VersionConflict:
            old, version = await _replaceable(engine, bucket, upload, place)
            continue
        return old
    raise Contended(f"{bucket}/{place}: other uploads of the same part kept winning; try again")


async def _replaceable(
    engine: Engine, bucket: str, upload: Upload, place: str
) -> tuple[PartRecord | None, str]:
    """The part that is there, and its version. Raises UploadNotFound when the upload was completed."""
    try:
        stored = await engine.backend.read_record(bucket, place)
    except RecordNotFound:
        return None, ABSENT
    if await result_of(engine, bucket, upload.key, upload.id) is not None:
        raise UploadNotFound(f"upload {upload.id} of {bucket}/{upload.key} was completed")
    return _readable(stored, bucket, place), stored.version


async def _may_be_stored(engine: Engine, bucket: str, upload: Upload, part: PartRecord) -> bool:
    """Whether a part's record may be there although writing it raised; as `commit.may_be_current`."""
    place = keys.part(upload.id, part.number)
    try:
        stored = await engine.backend.read_record(bucket, place)
        return parse_part(stored, bucket, place).extent.blob == part.extent.blob
    except (RecordNotFound, BucketNotFound):
        return False
    except BaseException:  # noqa: BLE001 - the error of the write is the one that is raised
        return True


async def part_keys(engine: Engine, bucket: str, upload_id: str) -> list[str]:
    """The keys of the upload's part records, by number, the unreadable ones included."""
    return [item.key async for item in inventory.listed(engine.backend, bucket, keys.parts(upload_id))]


async def parts_of(engine: Engine, bucket: str, upload_id: str) -> list[PartRecord]:
    """The upload's parts by number. Raises ObjectDamaged and the storage layer's errors."""
    found = await inventory.read_present(engine.backend, bucket, await part_keys(engine, bucket, upload_id))
    return [parse_part(stored, bucket, place) for place, stored in found]


async def readable_parts(engine: Engine, bucket: str, places: Sequence[str]) -> list[PartRecord]:
    """The parts at these keys that are there and can be read, for an upload that is about to go."""
    found = await inventory.read_present(engine.backend, bucket, places)
    parts = [_readable(stored, bucket, place) for place, stored in found]
    return [part for part in parts if part is not None]


def _readable(stored: Record, bucket: str, place: str) -> PartRecord | None:
    """A part that is about to go; a damaged record must not keep it from being sent again or aborted."""
    try:
        return parse_part(stored, bucket, place)
    except ObjectDamaged as error:
        _log.error("damaged part record removed; its blob stays", error=str(error))
        return None


async def discard_parts(
    engine: Engine,
    bucket: str,
    parts: list[PartRecord],
    records: Sequence[str] = (),
    kept: AbstractSet[str] = frozenset(),
) -> None:
    """Remove the blobs of parts, except those `kept`, and `records`; nothing points to them any more."""
    references = {part.extent.reference.blob for part in parts if part.extent.reference is not None}
    sizes = {part.extent.blob: part.extent.stored for part in parts if part.extent.blob not in kept}
    await discard_blobs(engine, bucket, {*records, *sizes}, names.by_space(references), sizes)
