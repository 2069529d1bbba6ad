# SPDX-License-Identifier: GPL-2.0-only
"""Records beside the objects: uploads, parts, settings, statistics, ledgers, runs. None outlives its bucket.

One that is written behind a DeleteBucket would be in the next bucket of that name. And a store that looks
whether a bucket is there, and then writes, would bring back the bucket that was deleted in between. So these
are written as objects are: while no DeleteBucket is under way, and taken back where one has come in between.
The records by which DeleteBucket itself works are not written here.
"""

from contextlib import suppress

from dgproxy.engine.commit import in_epoch
from dgproxy.engine.context import Engine
from dgproxy.storage.backend import BucketNotFound, RecordNotFound, VersionConflict


async def write(
    engine: Engine,
    bucket: str,
    place: str,
    data: bytes,
    *,
    epoch: str | None = None,
    expect: str | None = None,
    durable: bool = True,
) -> None:
    """Create or replace a record as `Backend.write_record` does, in this epoch of the bucket if one is given.

    Raises BucketNotFound, also when another epoch has begun, BucketClosing, VersionConflict, and the storage
    layer's errors.
    """
    async with in_epoch(engine, bucket) as current:
        epoch = current if epoch is None else epoch
        looked = await engine.leases.renew(bucket, epoch)
        written = await engine.backend.write_record(bucket, place, data, expect=expect, durable=durable)
        try:
            await engine.leases.confirm(bucket, epoch, looked)
        except BucketNotFound:
            with suppress(VersionConflict, RecordNotFound, BucketNotFound):
                await engine.backend.remove_record(bucket, place, expect=written)
            raise
