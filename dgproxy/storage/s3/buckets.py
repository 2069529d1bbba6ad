# SPDX-License-Identifier: GPL-2.0-only
"""Buckets: each is a bucket of the store, its name behind the configured prefix.

A bucket is deleted by the store's own DeleteBucket, which refuses while anything is in it: so no object that
is written meanwhile is lost. What nobody needs any more (blobs, uploads, settings) is removed before, and
only when there is no object.
"""

import asyncio
from datetime import datetime
from itertools import chain
from typing import Any, Final

from dgproxy.storage.backend import (
    AccessRefused,
    Bucket,
    BucketExists,
    BucketNotEmpty,
    BucketNotFound,
    StorageError,
)
from dgproxy.storage.s3.client import Client
from dgproxy.storage.s3.failures import NotThere
from dgproxy.storage.s3.together import together

#: What may be in a bucket without an object.
_GARBAGE: Final = ("deltaspaces/", "uploads/", "config/", "statistics/", "ledgers/", "runs/")

#: Deletions at once, and pages of a bucket that is emptied at a time.
_AT_ONCE: Final = 16

#: How often others may put something into a bucket that is being emptied.
_ATTEMPTS: Final = 20

#: The one region that CreateBucket must not name (S3 API reference, CreateBucket).
_UNNAMED_REGION: Final = "us-east-1"


class Buckets:
    """The bucket half of the backend."""

    def __init__(self, client: Client, prefix: str, region: str | None) -> None:
        self._client = client
        self._prefix = prefix
        self._region = region
        #: When the buckets seen so far were created; HEAD does not say.
        self._created: dict[str, int] = {}

    def name(self, bucket: str) -> str:
        """A bucket's name in the store."""
        return self._prefix + bucket

    async def require(self, bucket: str) -> None:
        """Raises BucketNotFound."""
        try:
            await self._client.call("head_bucket", Bucket=self.name(bucket))
        except (NotThere, BucketNotFound) as error:
            self._created.pop(bucket, None)
            raise BucketNotFound(f"no bucket {self.name(bucket)!r} in the store") from error

    async def create(self, bucket: str) -> None:
        """See the contract."""
        try:
            await self.require(bucket)  # in one region, creating a bucket again succeeds
        except BucketNotFound:
            where: dict[str, Any] = {}
            if self._region not in (None, _UNNAMED_REGION):
                where["CreateBucketConfiguration"] = {"LocationConstraint": self._region}
            self._created.pop(bucket, None)
            await self._client.call("create_bucket", Bucket=self.name(bucket), **where)
        else:
            raise BucketExists(f"bucket {bucket!r} exists")

    async def head(self, bucket: str) -> Bucket:
        """See the contract."""
        await self.require(bucket)
        if bucket not in self._created:
            try:
                await self.list_all()
            except AccessRefused:
                self._created[bucket] = 0  # a credential for single buckets may not list them
        return Bucket(bucket, self._created.get(bucket, 0))

    async def list_all(self) -> list[Bucket]:
        """See the contract."""
        found = await self._client.call("list_buckets")
        self._created = {
            each["Name"].removeprefix(self._prefix): _milliseconds(each["CreationDate"])
            for each in found.get("Buckets", [])
            if each["Name"].startswith(self._prefix)
        }
        return [Bucket(name, created) for name, created in sorted(self._created.items())]

    async def delete(self, bucket: str) -> None:
        """See the contract."""
        for attempt in range(_ATTEMPTS):
            if await self._some(bucket, "objects/", 1):
                raise BucketNotEmpty(f"bucket {bucket!r} has objects")
            try:
                await self._client.call("delete_bucket", Bucket=self.name(bucket))
            except NotThere as error:
                raise BucketNotFound(f"no bucket {bucket!r}") from error
            except BucketNotEmpty:
                if not await self._empty(bucket) and attempt:
                    await asyncio.sleep(0.1 * attempt)  # a store that takes its time to see it
            else:
                self._created.pop(bucket, None)
                return
        raise StorageError(f"bucket {bucket!r}: the store says it is not empty, but nothing of ours is in it")

    async def _empty(self, bucket: str) -> bool:
        """Remove a page of what nobody needs; whether there was any."""
        pages = [await self._some(bucket, prefix, 1000) for prefix in _GARBAGE]
        keys = list(chain.from_iterable(pages))

        async def remove(key: str) -> None:
            await self._client.call("delete_object", Bucket=self.name(bucket), Key=key)

        await together(remove, keys, _AT_ONCE)
        return bool(keys)

    async def _some(self, bucket: str, prefix: str, limit: int) -> list[str]:
        found = await self._client.call(
            "list_objects_v2", Bucket=self.name(bucket), Prefix=prefix, MaxKeys=limit
        )
        return [each["Key"] for each in found.get("Contents", [])]


def _milliseconds(date: datetime) -> int:
    return int(date.timestamp() * 1000)
