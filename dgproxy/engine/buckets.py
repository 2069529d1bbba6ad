# SPDX-License-Identifier: GPL-2.0-only
"""Buckets: the engine adds nothing to what the backend says of them."""

from dgproxy.engine.context import Engine
from dgproxy.storage.backend import Bucket, BucketExists


async def create_bucket(engine: Engine, bucket: str) -> None:
    """Raises BucketExists and the storage layer's errors."""
    await engine.backend.create_bucket(bucket)


async def ensure_bucket(engine: Engine, bucket: str) -> None:
    """Create the bucket unless it is there."""
    try:
        await engine.backend.create_bucket(bucket)
    except BucketExists:
        return


async def delete_bucket(engine: Engine, bucket: str) -> None:
    """Raises BucketNotFound, BucketNotEmpty and the storage layer's errors."""
    await engine.backend.delete_bucket(bucket)


async def head_bucket(engine: Engine, bucket: str) -> Bucket:
    """Raises BucketNotFound and the storage layer's errors."""
    return await engine.backend.head_bucket(bucket)


async def list_buckets(engine: Engine) -> list[Bucket]:
    """All buckets, by name."""
    return await engine.backend.list_buckets()
