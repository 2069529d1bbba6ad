# SPDX-License-Identifier: GPL-2.0-only
"""What clients configure of a bucket: one record for each setting, which goes when the bucket goes.

The engine keeps a setting's document and knows nothing of what it says.
"""

from typing import Final, Literal

import msgspec

from dgproxy.engine import keys, notes, record
from dgproxy.engine.context import Engine
from dgproxy.storage.backend import RecordNotFound

CORS: Final = "cors"


class Setting(msgspec.Struct, frozen=True):
    """One setting as it is stored."""

    format: Literal[1]
    document: str


async def read(engine: Engine, bucket: str, name: str) -> bytes | None:
    """The document, None when the setting was never made. Raises BucketNotFound, ObjectDamaged."""
    place = keys.setting(name)
    try:
        stored = await engine.backend.read_record(bucket, place)
    except RecordNotFound:
        return None
    return record.decode(stored.data, Setting, f"{bucket}/{place}").document.encode()


async def write(engine: Engine, bucket: str, name: str, document: bytes) -> None:
    """Make or replace a setting. Raises BucketNotFound, BucketClosing and the storage layer's errors."""
    data = record.encode(Setting(1, document.decode()))
    await notes.write(engine, bucket, keys.setting(name), data)


async def remove(engine: Engine, bucket: str, name: str) -> None:
    """Remove a setting, if it is there. Raises BucketNotFound and the storage layer's errors."""
    try:
        await engine.backend.remove_record(bucket, keys.setting(name))
    except RecordNotFound:
        return
