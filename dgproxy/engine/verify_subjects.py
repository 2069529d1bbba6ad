# SPDX-License-Identifier: GPL-2.0-only
"""What verify looks at: every record of a bucket, and how to read what it says about blobs.

Names are listed here, and of records only those of uploads read, for their key. Whether a record is right is
found out in `engine.verify`.
"""

from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass
from typing import Literal

import msgspec

from dgproxy.engine import inventory, keys, names, record
from dgproxy.engine.commit import parse
from dgproxy.engine.context import Engine
from dgproxy.engine.errors import ObjectDamaged
from dgproxy.engine.manifest import FORMAT, Manifest
from dgproxy.engine.parts import PartRecord, parse_part
from dgproxy.engine.uploads import parse_upload
from dgproxy.storage.backend import Damaged, Record, RecordNotFound


@dataclass(frozen=True, slots=True)
class Subject:
    """A record: where it is, what a finding calls it, and what it says about blobs, if anything."""

    kind: Literal["object", "part", "record"]
    place: str
    name: str
    read: Callable[[bytes], Manifest | None]


class _Intact(msgspec.Struct):
    """Any record: all that is asked is whether it is what was written."""


async def objects(engine: Engine, bucket: str, prefix: str) -> AsyncGenerator[Subject, None]:
    """The manifests of the objects whose keys have the prefix."""

    def subject(place: str, key: str) -> Subject:
        return Subject("object", place, key, lambda data: parse(Record(data, "", None), bucket, key))

    async for item in inventory.listed(engine.backend, bucket, keys.manifest(prefix)):
        yield subject(item.key, keys.object_key(item.key))


async def uploads(engine: Engine, bucket: str, prefix: str) -> AsyncGenerator[Subject, None]:
    """Parts of the uploads of keys with the prefix, and of those whose key is not known."""

    def subject(place: str, upload_id: str, key: str) -> Subject:
        def read(data: bytes) -> Manifest:
            return _as_object(parse_part(Record(data, "", None), bucket, place), key)

        return Subject("part", place, f"{key} (part {place[-10:-5]} of upload {upload_id})", read)

    async for group in inventory.groups(engine.backend, bucket, keys.UPLOADS):
        upload_id = group.removeprefix(keys.UPLOADS)[:-1]
        try:
            stored = await engine.backend.read_record(bucket, keys.upload(upload_id))
            key = parse_upload(stored, bucket, upload_id).key
        except RecordNotFound:
            continue  # it has ended; what is left of it is for gc
        except (ObjectDamaged, Damaged):
            key = prefix + "?"
        if key.startswith(prefix):
            async for item in inventory.listed(engine.backend, bucket, keys.parts(upload_id)):
                yield subject(item.key, upload_id, key)


def _as_object(part: PartRecord, key: str) -> Manifest:
    """A part as an object of one extent."""
    return Manifest(
        format=FORMAT,
        key=key,
        generation="",
        size=part.size,
        etag=part.etag,
        created=part.created,
        storage="direct",
        extents=(part.extent,),
    )


async def records(engine: Engine, bucket: str, prefix: str) -> AsyncGenerator[Subject, None]:
    """Records that are about no one object's bytes."""

    def subject(place: str) -> Subject:
        def read(data: bytes) -> None:
            record.decode(data, _Intact, f"{bucket}/{place}")

        return Subject("record", place, place, read)

    async for item in inventory.listed(engine.backend, bucket, keys.SPACES + prefix):
        if names.read_name(item.key).kind == "record":
            yield subject(item.key)
    if prefix:
        return
    for room in (keys.CONFIG, keys.STATISTICS):
        async for item in inventory.listed(engine.backend, bucket, room):
            yield subject(item.key)
    async for group in inventory.groups(engine.backend, bucket, keys.UPLOADS):
        yield subject(f"{group}upload.json")
