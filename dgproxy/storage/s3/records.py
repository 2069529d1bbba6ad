# SPDX-License-Identifier: GPL-2.0-only
"""Records as objects of the store: read whole, compared and swapped by ETag.

A version is the ETag, and so is a stamp: the listing shows it. Equal bytes have equal ETags; no two manifests
have equal bytes.

A conditional write whose answer was lost is made again, and then finds its own work in its way. So what was
written is looked at before a repeated call is said to have lost.
"""

from collections.abc import Sequence
from typing import Final

from dgproxy.storage.backend import ABSENT, Record, RecordNotFound, VersionConflict
from dgproxy.storage.s3.buckets import Buckets
from dgproxy.storage.s3.client import Client, Retried
from dgproxy.storage.s3.failures import NotThere
from dgproxy.storage.s3.keymap import place_of
from dgproxy.storage.s3.outlast import outlast
from dgproxy.storage.s3.together import together

#: Records read at once by one listing.
_AT_ONCE: Final = 64


class Records:
    """The record half of the backend."""

    def __init__(self, client: Client, buckets: Buckets) -> None:
        self._client = client
        self._buckets = buckets

    async def read(self, bucket: str, key: str) -> Record:
        """See the contract."""
        data, etag = await self._client.get(self._buckets.name(bucket), place_of(key))
        return Record(data, etag, etag)

    async def read_present(self, bucket: str, keys: Sequence[str]) -> list[Record | None]:
        """Many, None for those that are not there."""
        if not keys:
            await self._buckets.require(bucket)

        async def one(key: str) -> Record | None:
            try:
                return await self.read(bucket, key)
            except RecordNotFound:
                return None

        return await together(one, keys, _AT_ONCE)

    async def write(self, bucket: str, key: str, data: bytes, expect: str | None) -> str:
        """See the contract."""
        retried = Retried()
        condition = (
            {} if expect is None else {"IfNoneMatch": "*"} if expect == ABSENT else {"IfMatch": expect}
        )
        try:
            put = self._client.call(
                "put_object",
                retried,
                Bucket=self._buckets.name(bucket),
                Key=place_of(key),
                Body=data,
                ContentType="application/json",
                **condition,
            )
            answer = await outlast(put)
        except (VersionConflict, RecordNotFound, NotThere) as error:
            if expect != ABSENT:
                await self._buckets.require(bucket)  # some stores say of its keys that they don't match
            return await self._perhaps_ours(bucket, key, data, error, look=retried.yes)
        return str(answer["ETag"])

    async def _perhaps_ours(self, bucket: str, key: str, data: bytes, error: Exception, *, look: bool) -> str:
        """The version of a write that was refused, if an earlier try took place; else VersionConflict."""
        if look:
            found = await self.read(bucket, key)
            if found.data == data:
                return found.version
        raise VersionConflict(str(error)) from error

    async def remove(self, bucket: str, key: str, expect: str | None) -> None:
        """See the contract."""
        if expect == ABSENT:
            found = await self.read(bucket, key)
            raise VersionConflict(f"{key!r} in bucket {bucket!r} is at version {found.version!r}, not absent")
        while True:
            version = expect if expect is not None else (await self.read(bucket, key)).version
            try:
                return await self._remove(bucket, key, version)
            except VersionConflict:
                if expect is not None:
                    raise

    async def _remove(self, bucket: str, key: str, version: str) -> None:
        retried = Retried()
        try:
            delete = self._client.call(
                "delete_object",
                retried,
                Bucket=self._buckets.name(bucket),
                Key=place_of(key),
                IfMatch=version,
            )
            await outlast(delete)
        except (VersionConflict, RecordNotFound, NotThere) as error:
            try:
                await self.read(bucket, key)
            except RecordNotFound:
                if retried.yes:
                    return  # by an earlier try, or by another who removed the same: it is gone
                raise
            raise VersionConflict(str(error)) from error
