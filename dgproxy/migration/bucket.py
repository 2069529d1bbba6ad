# SPDX-License-Identifier: GPL-2.0-only
"""A bucket of an S3 server as a place.

A reading names the version it wants by its ETag, so an object that is replaced between listing and reading is
Unreadable, not half of each. A connection that breaks in the middle is made again, from where it broke.
"""

import asyncio
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any, Final

from dgproxy.migration.places import CHUNK, Head, SourceError, Stored, Unreadable
from dgproxy.storage.backend import Buffer, RecordNotFound, StorageError, VersionConflict
from dgproxy.storage.s3.client import Client
from dgproxy.storage.s3.failures import FAILURES, NotThere

__all__ = ["Bucket", "bare", "buckets", "head_of"]

_TRIES: Final = 5
_PAUSE: Final = 0.5  # seconds, more after each try

#: The MD5 of the bytes, where it is that: "Common response headers", Amazon S3 API Reference.
_MD5: Final = re.compile(r"[0-9a-f]{32}")
_KEYED: Final = (
    "x-amz-server-side-encryption-aws-kms-key-id",
    "x-amz-server-side-encryption-customer-algorithm",
)


async def buckets(client: Client) -> list[str]:
    """The names of all buckets that the server lists. Raises SourceError."""
    try:
        return [each["Name"] for each in (await client.call("list_buckets"))["Buckets"]]
    except StorageError as error:
        raise SourceError(str(error)) from error


class Bucket:
    """See `places.Place`. `etags`: whether an ETag that looks like an MD5 is one."""

    def __init__(self, client: Client, bucket: str, prefix: str = "", *, etags: bool = True) -> None:
        self._client = client
        self._bucket = bucket
        self._prefix = prefix
        self._etags = etags

    @property
    def name(self) -> str:
        """As a URL."""
        return f"s3://{self._bucket}/{self._prefix}"

    async def directories(self) -> AsyncIterator[tuple[str, list[Stored]]]:
        """Depth first."""
        pending = [self._prefix]
        while pending:
            prefix = pending.pop()
            found, below = await self._look(prefix)
            pending += reversed(below)
            if found:
                yield prefix[: prefix.rfind("/") + 1], found

    async def head(self, key: str) -> Head | None:
        """One HeadObject."""
        try:
            return self._head(await self._client.call("head_object", Bucket=self._bucket, Key=key))
        except (RecordNotFound, NotThere):
            return None
        except StorageError as error:
            raise Unreadable(str(error)) from error

    @asynccontextmanager
    async def open(self, key: str, etag: str = "") -> AsyncIterator["_Stream"]:
        """One GetObject."""
        stream = _Stream(self._client, {"Bucket": self._bucket, "Key": key})
        await stream.begin(etag)
        stream.head = self._head(stream.answer)
        try:
            yield stream
        finally:
            stream.close()

    async def tags(self, key: str) -> Mapping[str, str]:
        """One GetObjectTagging."""
        try:
            answer = await self._client.call("get_object_tagging", Bucket=self._bucket, Key=key)
        except StorageError as error:
            raise Unreadable(str(error)) from error
        return {each["Key"]: each["Value"] for each in answer["TagSet"]}

    def _head(self, answer: Any) -> Head:
        return head_of(answer, etags=self._etags)

    async def _look(self, prefix: str) -> tuple[list[Stored], list[str]]:
        found: list[Stored] = []
        below: list[str] = []
        token: dict[str, str] = {}
        try:
            while True:
                page = await self._client.call(
                    "list_objects_v2", Bucket=self._bucket, Prefix=prefix, Delimiter="/", **token
                )
                below += [each["Prefix"] for each in page.get("CommonPrefixes", ())]
                found += [
                    Stored(each["Key"], each["Size"], _milliseconds(each["LastModified"]), bare(each["ETag"]))
                    for each in page.get("Contents", ())
                ]
                if not page.get("IsTruncated"):
                    return found, below
                token = {"ContinuationToken": page["NextContinuationToken"]}
        except StorageError as error:
            raise SourceError(str(error)) from error


class _Stream:
    """See `places.Opened`."""

    head: Head

    def __init__(self, client: Client, place: dict[str, str]) -> None:
        self._client = client
        self._place = place
        self.answer: Any = None

    async def begin(self, etag: str, start: int = 0) -> None:
        """Ask for the bytes from `start` on; an etag names the version."""
        wanted: dict[str, str] = {"IfMatch": f'"{etag}"'} if etag else {}
        if start:
            wanted["Range"] = f"bytes={start}-"
        try:
            self.answer = await self._client.call("get_object", **self._place, **wanted)
        except VersionConflict as error:
            raise Unreadable(f"{self._what}: it was replaced meanwhile") from error
        except (RecordNotFound, NotThere) as error:
            raise Unreadable(f"{self._what}: it was deleted meanwhile") from error
        except StorageError as error:
            raise Unreadable(str(error)) from error
        if start and "ContentRange" not in self.answer:
            raise Unreadable(f"{self._what}: the store gives no ranges, so a broken transfer can't go on")

    async def __aiter__(self) -> AsyncIterator[Buffer]:
        done, tries = 0, _TRIES
        while done < self.head.size:
            try:
                chunk = await self.answer["Body"].read(min(CHUNK, self.head.size - done))
                if not chunk:
                    raise ConnectionError(f"the answer ended {self.head.size - done} bytes early")
            except FAILURES as error:
                tries -= 1
                if not tries:
                    raise Unreadable(f"{self._what}: {error or type(error).__name__}") from error
                self.close()
                await asyncio.sleep(_PAUSE * (_TRIES - tries))
                await self.begin(self.head.etag, done)
            else:
                done, tries = done + len(chunk), _TRIES
                yield chunk

    def close(self) -> None:
        """Let go of the connection."""
        self.answer["Body"].close()

    @property
    def _what(self) -> str:
        return f"s3://{self._place['Bucket']}/{self._place['Key']}"


def head_of(answer: Any, *, etags: bool = True) -> Head:
    """What an answer to HeadObject or GetObject says."""
    headers = answer["ResponseMetadata"]["HTTPHeaders"]
    etag = bare(answer.get("ETag", ""))
    return Head(
        answer["ContentLength"],
        _milliseconds(answer["LastModified"]),
        etag,
        headers,
        has_md5=etags and _MD5.fullmatch(etag) is not None and not any(name in headers for name in _KEYED),
    )


def bare(etag: str) -> str:
    """An ETag without quotes."""
    return etag.strip('"')


def _milliseconds(moment: datetime) -> int:
    return round(moment.timestamp() * 1000)
