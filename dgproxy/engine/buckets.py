# SPDX-License-Identifier: GPL-2.0-only
"""Buckets, as the backend has them; where it needs help to delete one, `engine.deletion` gives it."""

from contextlib import suppress
from typing import Final

from dgproxy.engine import bucket_state, deletion, keys
from dgproxy.engine.context import Engine
from dgproxy.engine.errors import BucketClosing
from dgproxy.storage.backend import (
    ABSENT,
    Bucket,
    BucketExists,
    BucketNotFound,
    RecordNotFound,
    VersionConflict,
)

#: How often a bucket may go, or come, while it is being made sure of.
_TRIES: Final = 10


async def create_bucket(engine: Engine, bucket: str) -> None:
    """Raises BucketExists and the storage layer's errors."""
    await engine.backend.create_bucket(bucket)
    if engine.backend.capabilities.leases_needed:
        by = engine.new_id()
        try:
            await bucket_state.write(engine.backend, bucket, "new", by, by, expect=ABSENT)
        except VersionConflict:
            return  # others have found it already


async def ensure_bucket(engine: Engine, bucket: str) -> None:
    """Create the bucket unless it is there. Raises BucketClosing and the storage layer's errors."""
    for _ in range(_TRIES):
        try:
            await create_bucket(engine, bucket)
        except BucketExists:
            if await deletion.go_on(engine, bucket):
                return
        except BucketNotFound:
            continue  # deleted before it had its record
        else:
            return
    raise BucketClosing(f"{bucket} is created and deleted over and over; try again")


async def delete_bucket(engine: Engine, bucket: str) -> None:
    """Raises BucketNotFound, BucketNotEmpty, BucketClosing and the storage layer's errors."""
    try:
        await deletion.delete_bucket(engine, bucket)
    finally:
        engine.manifests.forget_bucket(bucket)


async def head_bucket(engine: Engine, bucket: str) -> Bucket:
    """Raises BucketNotFound and the storage layer's errors."""
    return await engine.backend.head_bucket(bucket)


async def have_an_answer(engine: Engine, bucket: str) -> None:
    """Have the backend answer something small that every writer to a bucket asks; which answer, is no matter.

    So it takes no permission that is not needed anyway. Raises the storage layer's errors.
    """
    with suppress(BucketNotFound, RecordNotFound):
        await engine.backend.read_record(bucket, keys.BUCKET)


async def list_buckets(engine: Engine) -> list[Bucket]:
    """All buckets, by name."""
    return await engine.backend.list_buckets()
