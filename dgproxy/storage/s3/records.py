# SPDX-License-Identifier: GPL-2.0-only
"""Records as objects of the store: read whole, compared and swapped by ETag.

A version is the ETag, and so is a stamp: the listing shows it. Equal bytes have equal ETags; no two manifests
have equal bytes.

A conditional write whose answer was lost is made again, and then finds its own work in its way, or what
somebody else made of that since. So a repeated call that is refused looks at what is there: its own bytes say
that it succeeded; anything else leaves open whether it did before, and is an outage, not a lost race. Whoever
was told that he lost would try once more, and bring back what others have replaced. A write that expects no
record is not even repeated: when it took place and its record was removed, it would succeed a second time.
"""

from collections.abc import Sequence
from contextlib import suppress
from typing import Final

from dgproxy.storage.backend import ABSENT, Record, RecordNotFound, Unavailable, VersionConflict
from dgproxy.storage.s3.buckets import Buckets
from dgproxy.storage.s3.client import Client, Retried
from dgproxy.storage.s3.failures import TRANSIENT, NotThere
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
        retried = Retried(again=expect != ABSENT)
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
        except TRANSIENT as error:
            if not retried.yes:
                raise
            return await self._ours(bucket, key, data, error)
        except (VersionConflict, RecordNotFound, NotThere) as error:
            if expect != ABSENT:
                await self._buckets.require(bucket)  # some stores say of its keys that they don't match
            if not retried.yes:
                raise VersionConflict(str(error)) from error
            return await self._ours(bucket, key, data, error)
        return str(answer["ETag"])

    async def _ours(self, bucket: str, key: str, data: bytes, error: Exception) -> str:
        """The version of a write that may have taken place; Unavailable when it still may."""
        with suppress(RecordNotFound):
            found = await self.read(bucket, key)
            if found.data == data:
                return found.version
        raise _open_question(key, bucket) from error

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
            if retried.yes:
                raise _open_question(key, bucket) from error
            raise VersionConflict(str(error)) from error


def _open_question(key: str, bucket: str) -> Unavailable:
    return Unavailable(
        f"{key!r} in bucket {bucket!r}: the store's answer was lost, and whether the change took place can't "
        "be told from what is there"
    )
