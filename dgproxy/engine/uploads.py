# SPDX-License-Identifier: GPL-2.0-only
"""Multipart uploads under way: begun, found, listed, and what one has become.

The state is records under `uploads/<id>/`, so any process can go on with an upload, also after a restart. The
parts are the business of `engine.parts`, Abort that of `engine.ending`, Complete that of `engine.complete`.
"""

import msgspec

from dgproxy.engine import inventory, keys, notes, record
from dgproxy.engine.commit import read
from dgproxy.engine.context import Engine
from dgproxy.engine.errors import ObjectDamaged, ObjectNotFound, UploadNotFound
from dgproxy.engine.ids import is_id
from dgproxy.engine.manifest import Attributes, Manifest
from dgproxy.storage.backend import ABSENT, Record, RecordNotFound


class Upload(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """A multipart upload: what Create said. Times in milliseconds since the epoch."""

    id: str
    key: str
    created: int
    attributes: Attributes = Attributes()
    #: Algorithm in lower case and type announced for the whole object, '' when none was.
    checksum_algorithm: str = ""
    checksum_type: str = ""
    #: When a Complete or Abort claimed it, 0 while it is open, and by which claim; see `engine.ending`.
    ending: int = 0
    ending_by: str = ""
    #: A claim was taken over: who held it may have committed the parts, or may still do so.
    in_doubt: bool = False


def upload_lock(upload_id: str) -> str:
    """The name of the lock between parts (shared), Complete and Abort (exclusive)."""
    return f"upload {upload_id}"


def parse_upload(stored: Record, bucket: str, upload_id: str) -> Upload:
    """An upload from its record. Raises ObjectDamaged, also when it is another one's."""
    what = f"{bucket}/{keys.upload(upload_id)}"
    upload = record.decode(stored.data, Upload, what)
    if upload.id != upload_id:
        raise ObjectDamaged(f"{what}: the record belongs to the upload {upload.id}")
    return upload


async def begin(
    engine: Engine,
    bucket: str,
    key: str,
    attributes: Attributes,
    checksum_algorithm: str = "",
    checksum_type: str = "",
) -> Upload:
    """Start an upload. Raises BucketNotFound, BucketClosing and the storage layer's errors."""
    upload = Upload(
        id=engine.new_id(),
        key=key,
        created=engine.now(),
        attributes=attributes,
        checksum_algorithm=checksum_algorithm,
        checksum_type=checksum_type,
    )
    await notes.write(engine, bucket, keys.upload(upload.id), record.encode(upload), expect=ABSENT)
    return upload


async def find(engine: Engine, bucket: str, key: str, upload_id: str) -> Upload:
    """The upload of that id for that key. Raises UploadNotFound, BucketNotFound, ObjectDamaged."""
    return (await find_version(engine, bucket, key, upload_id))[0]


async def find_version(engine: Engine, bucket: str, key: str, upload_id: str) -> tuple[Upload, str]:
    """`find`, and the version of the upload's record."""
    if not is_id(upload_id):
        await engine.backend.head_bucket(bucket)
        raise UploadNotFound(f"{upload_id!r} is not an upload of {bucket}/{key}")
    try:
        stored = await engine.backend.read_record(bucket, keys.upload(upload_id))
    except RecordNotFound as error:
        raise UploadNotFound(f"upload {upload_id} of {bucket}/{key} does not exist (any more)") from error
    upload = parse_upload(stored, bucket, upload_id)
    if upload.key != key:
        raise UploadNotFound(f"upload {upload_id} is not one of {bucket}/{key}")
    return upload, stored.version


async def uploads_of(engine: Engine, bucket: str) -> list[Upload]:
    """All uploads under way, by key, then by age. Raises BucketNotFound, ObjectDamaged."""
    places = [
        item.key
        async for item in inventory.listed(engine.backend, bucket, keys.UPLOADS)
        if item.key.endswith("/upload.json")
    ]
    found = await inventory.read_present(engine.backend, bucket, places)
    uploads = [parse_upload(stored, bucket, place.split("/")[1]) for place, stored in found]
    return sorted(uploads, key=lambda upload: (upload.key.encode(), upload.id))


async def result_of(engine: Engine, bucket: str, key: str, upload_id: str) -> Manifest | None:
    """The object an upload has become, if it still is the current one. Raises ObjectDamaged."""
    try:
        manifest = await read(engine, bucket, key)
    except ObjectNotFound:
        return None
    return manifest if manifest.upload == upload_id else None
