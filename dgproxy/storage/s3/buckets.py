# SPDX-License-Identifier: GPL-2.0-only
"""Buckets: each is a bucket of the store, its name behind the configured prefix.

A bucket is deleted by the store's own DeleteBucket, which refuses while anything is in it. Some stores look
and then delete, so what is written in between is lost; `engine.deletion` empties the bucket before, and keeps
writers away.
"""

from datetime import datetime
from typing import Any, Final

from dgproxy.storage.backend import (
    AccessRefused,
    Bucket,
    BucketExists,
    BucketNotFound,
)
from dgproxy.storage.s3.client import Client, Retried
from dgproxy.storage.s3.failures import NotThere

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
        retried = Retried()
        try:
            await self._client.call("delete_bucket", retried, Bucket=self.name(bucket))
        except (NotThere, BucketNotFound) as error:
            if not retried.yes:  # else by an earlier try
                raise BucketNotFound(f"no bucket {bucket!r}") from error
        self._created.pop(bucket, None)


def _milliseconds(date: datetime) -> int:
    return int(date.timestamp() * 1000)
