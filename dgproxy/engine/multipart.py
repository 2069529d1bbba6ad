# SPDX-License-Identifier: GPL-2.0-only
"""Multipart uploads under way: begin, parts, abort, and what is listed of them.

The state is records under `uploads/<id>/`, so any process can go on with an upload, also after a restart. A
part is stored as it arrives, alone, as one extent; its record is published under the upload's lock, shared.
Complete (`engine.complete`) and Abort are alone with the upload (`engine.ending`): a part is either part of
what they see or refused.
"""

from collections.abc import Sequence
from collections.abc import Set as AbstractSet

import msgspec
import structlog

from dgproxy.engine import keys, record
from dgproxy.engine.body import Body
from dgproxy.engine.commit import discard_blobs, read
from dgproxy.engine.context import Engine
from dgproxy.engine.ending import Upload, ending, upload_lock
from dgproxy.engine.errors import Contended, ObjectDamaged, ObjectNotFound, UploadNotFound
from dgproxy.engine.ids import is_id
from dgproxy.engine.intake import take
from dgproxy.engine.manifest import Attributes, Extent, Manifest
from dgproxy.storage.backend import (
    ABSENT,
    BucketNotFound,
    Listed,
    Record,
    RecordNotFound,
    VersionConflict,
)

__all__ = [
    "PartRecord",
    "Upload",
    "abort",
    "begin",
    "find",
    "finish",
    "parts_of",
    "put_part",
    "result_of",
    "upload_lock",
    "uploads_of",
]

_log = structlog.get_logger(__name__)

_TRIES = 50
_PAGE = 1000


class PartRecord(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """A stored part: its etag (hex MD5 of its bytes), its client checksums and where the bytes are."""

    number: int
    size: int
    etag: str
    created: int
    extent: Extent
    checksums: dict[str, str] = {}


async def begin(
    engine: Engine,
    bucket: str,
    key: str,
    attributes: Attributes,
    checksum_algorithm: str = "",
    checksum_type: str = "",
) -> Upload:
    """Start an upload. Raises BucketNotFound and the storage layer's errors."""
    upload = Upload(
        id=engine.new_id(),
        key=key,
        created=engine.now(),
        attributes=attributes,
        checksum_algorithm=checksum_algorithm,
        checksum_type=checksum_type,
    )
    await engine.backend.write_record(bucket, keys.upload(upload.id), record.encode(upload), expect=ABSENT)
    return upload


async def find(engine: Engine, bucket: str, key: str, upload_id: str) -> Upload:
    """The upload of that id for that key. Raises UploadNotFound, BucketNotFound, ObjectDamaged."""
    place = keys.upload(upload_id)
    if not is_id(upload_id):
        await engine.backend.head_bucket(bucket)
        raise UploadNotFound(f"{upload_id!r} is not an upload of {bucket}/{key}")
    try:
        stored = await engine.backend.read_record(bucket, place)
    except RecordNotFound as error:
        raise UploadNotFound(f"upload {upload_id} of {bucket}/{key} does not exist (any more)") from error
    upload = record.decode(stored.data, Upload, f"{bucket}/{place}")
    if upload.key != key:
        raise UploadNotFound(f"upload {upload_id} is not one of {bucket}/{key}")
    return upload


async def put_part(
    engine: Engine, bucket: str, key: str, upload_id: str, number: int, body: Body
) -> PartRecord:
    """Store a part; one of the same number is replaced.

    Raises UploadNotFound (also when the upload ended meanwhile), and what `intake.take` raises.
    """
    await find(engine, bucket, key, upload_id)
    limit = engine.policy.put_limit()
    async with take(engine, bucket, key, body, whole_object=False, limit=limit) as taken:
        if taken.extent is None:
            raise RuntimeError("a part always has an extent")
        part = PartRecord(
            number=number,
            size=taken.digests.size,
            etag=taken.digests.md5.hex(),
            created=engine.now(),
            extent=taken.extent,
            checksums=taken.checksums,
        )
        async with engine.backend.lock(bucket, upload_lock(upload_id), shared=True):
            upload = await find(engine, bucket, key, upload_id)
            try:
                replaced = await _write_part(engine, bucket, upload, part)
            except BaseException:
                if await _may_be_stored(engine, bucket, upload, part):
                    taken.keep()
                raise
            taken.keep()
            if not engine.backend.capabilities.exclusive_locks:
                await _require_open(engine, bucket, key, upload_id)
    if replaced is not None:
        await _discard_parts(engine, bucket, key, [replaced])
    return part


async def _require_open(engine: Engine, bucket: str, key: str, upload_id: str) -> None:
    """See that nobody has begun to end an upload by the time a part of it is stored.

    Raises Contended, UploadNotFound. Then both that part and the one it replaced must stay: either may have
    become part of the object.
    """
    if (await find(engine, bucket, key, upload_id)).ending:
        raise Contended(f"upload {upload_id} of {bucket}/{key} is being completed or aborted")


async def _write_part(engine: Engine, bucket: str, upload: Upload, part: PartRecord) -> PartRecord | None:
    """Publish a part's record; returns the one it replaced."""
    place = keys.part(upload.id, part.number)
    for _ in range(_TRIES):
        try:
            stored = await engine.backend.read_record(bucket, place)
        except RecordNotFound:
            old, version = None, ABSENT
        else:
            if await result_of(engine, bucket, upload.key, upload.id) is not None:
                raise UploadNotFound(f"upload {upload.id} of {bucket}/{upload.key} was completed")
            old, version = _readable(stored, f"{bucket}/{place}"), stored.version
        try:
            await engine.backend.write_record(bucket, place, record.encode(part), expect=version)
        except VersionConflict:
            continue
        return old
    raise Contended(f"{bucket}/{place}: other uploads of the same part kept winning; try again")


async def _may_be_stored(engine: Engine, bucket: str, upload: Upload, part: PartRecord) -> bool:
    """Whether a part's record may be there although writing it raised; as `commit.may_be_current`."""
    place = keys.part(upload.id, part.number)
    try:
        stored = await engine.backend.read_record(bucket, place)
        return record.decode(stored.data, PartRecord, place).extent.blob == part.extent.blob
    except (RecordNotFound, BucketNotFound):
        return False
    except BaseException:  # noqa: BLE001 - the error of the write is the one that is raised
        return True


def _readable(stored: Record, what: str) -> PartRecord | None:
    """A part that is about to go; a damaged record must not keep it from being sent again or aborted."""
    try:
        return record.decode(stored.data, PartRecord, what)
    except ObjectDamaged as error:
        _log.error("damaged part record removed; its blob stays", error=str(error))
        return None


async def parts_of(engine: Engine, bucket: str, upload_id: str) -> list[PartRecord]:
    """The upload's parts by number. Raises ObjectDamaged and the storage layer's errors."""
    places = await _all_keys(engine, bucket, keys.parts(upload_id))
    found = await _read_all(engine, bucket, places)
    return [record.decode(stored.data, PartRecord, what) for what, stored in found]


async def uploads_of(engine: Engine, bucket: str) -> list[Upload]:
    """All uploads under way, by key, then by age. Raises BucketNotFound, ObjectDamaged."""
    everything = await _all_keys(engine, bucket, keys.UPLOADS)
    places = [place for place in everything if place.endswith("/upload.json")]
    uploads = [
        record.decode(stored.data, Upload, what) for what, stored in await _read_all(engine, bucket, places)
    ]
    return sorted(uploads, key=lambda upload: (upload.key.encode(), upload.id))


async def abort(engine: Engine, bucket: str, key: str, upload_id: str) -> None:
    """End an upload and remove its parts.

    Raises UploadNotFound, also when the upload had become its object and only its records were left: that is
    put in order, and the object stays. ObjectDamaged when that can't be found out.
    """
    async with ending(engine, bucket, upload_id):
        upload = await find(engine, bucket, key, upload_id)
        places = await _all_keys(engine, bucket, keys.parts(upload_id))
        found = [_readable(stored, what) for what, stored in await _read_all(engine, bucket, places)]
        parts = [part for part in found if part is not None]
        result = await result_of(engine, bucket, key, upload_id)
        await finish(engine, bucket, upload, parts, places, result)
    if result is not None:
        raise UploadNotFound(f"upload {upload_id} of {bucket}/{key} was completed")


async def result_of(engine: Engine, bucket: str, key: str, upload_id: str) -> Manifest | None:
    """The object an upload has become, if it still is the current one. Raises ObjectDamaged."""
    try:
        manifest = await read(engine, bucket, key)
    except ObjectNotFound:
        return None
    return manifest if manifest.upload == upload_id else None


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
    await _discard_parts(
        engine,
        bucket,
        upload.key,
        parts,
        records=records,
        kept=set() if result is None else result.blobs(),
    )


async def _discard_parts(
    engine: Engine,
    bucket: str,
    key: str,
    parts: list[PartRecord],
    records: Sequence[str] = (),
    kept: AbstractSet[str] = frozenset(),
) -> None:
    """Remove the blobs of parts, except those `kept`, and `records`; nothing points to them any more."""
    references = {part.extent.reference.blob for part in parts if part.extent.reference is not None}
    sizes = {part.extent.blob: part.extent.stored for part in parts if part.extent.blob not in kept}
    await discard_blobs(engine, bucket, {*records, *sizes}, keys.by_space(references), sizes)


async def _read_all(engine: Engine, bucket: str, places: Sequence[str]) -> list[tuple[str, Record]]:
    """The records that are at these keys, each with the words that name it in an error."""
    records = await engine.backend.read_records(bucket, places)
    return [
        (f"{bucket}/{place}", stored)
        for place, stored in zip(places, records, strict=True)
        if stored is not None
    ]


async def _all_keys(engine: Engine, bucket: str, prefix: str) -> list[str]:
    """Every record under a prefix, in order."""
    found: list[str] = []
    more = True
    while more:
        after = found[-1] if found else ""
        page = await engine.backend.list_records(bucket, prefix, after=after, limit=_PAGE)
        found += [item.key for item in page.items if isinstance(item, Listed)]
        more = page.more
    return found
