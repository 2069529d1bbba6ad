# SPDX-License-Identifier: GPL-2.0-only
"""Blobs on their way into the store.

A blob is written by one call when it fits into a part, else as a multipart upload of the store's, parts on
their way while the next one fills. Memory is three parts for each blob being written, which writers count.
What leaves its block unpublished is aborted, and deleted when nobody knows how far it came; an upload that a
crash leaves is found by `Staged`.
"""

import asyncio
import base64
import hashlib
import io
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import structlog

from dgproxy.storage.backend import BucketNotFound, Buffer, Listed, RecordNotFound, StorageError
from dgproxy.storage.s3.buckets import Buckets
from dgproxy.storage.s3.client import Client, Retried
from dgproxy.storage.s3.failures import NotThere
from dgproxy.storage.s3.keymap import place_of
from dgproxy.storage.s3.outlast import outlast

#: Bytes of a part: S3 wants 5 MiB and takes 10,000 of them, so a blob has at most 78 GiB.
PART: Final = 8 << 20

#: Parts of a blob on their way at once.
_AHEAD: Final = 2

#: Bytes of memory of a blob being written: those parts, and the one that fills.
WRITE_MEMORY: Final = (_AHEAD + 1) * PART

_TYPE: Final = "application/octet-stream"

_log = structlog.get_logger(__name__)


class StagedBlob:
    """A BlobWriter. `close` ends it, whatever became of it."""

    def __init__(self, client: Client, buckets: Buckets, bucket: str, key: str) -> None:
        self._client = client
        self._buckets = buckets
        self._bucket = bucket
        self._place = {"Bucket": buckets.name(bucket), "Key": place_of(key)}
        self._part = io.BytesIO()
        self._size = 0
        self._upload = ""
        self._sending: list[asyncio.Task[str]] = []
        self._begun = False
        self._published = False

    @property
    def size(self) -> int:
        """Bytes appended so far."""
        return self._size

    async def append(self, data: Buffer) -> None:
        """See the contract."""
        with memoryview(data) as rest:
            done = 0
            while done < rest.nbytes:
                if self._part.tell() == PART:
                    await self._send()
                done += self._part.write(rest[done : done + PART - self._part.tell()])
        self._size += done

    async def publish(self) -> None:
        """See the contract."""
        self._begun = True
        try:
            await outlast(self._complete() if self._upload else self._put())
        except NotThere:
            await self._buckets.require(self._bucket)
            raise
        self._published = True
        self._part = io.BytesIO()

    async def close(self) -> None:
        """Remove what was not published, or not known to be: its key is nobody else's."""
        if not self._published:
            for task in self._sending:
                task.cancel()
            await asyncio.gather(*self._sending, return_exceptions=True)
            if self._upload or self._begun:
                await outlast(self._discard())

    async def remove(self) -> None:
        """Remove the blob; a missing one is fine."""
        try:
            await self._client.call("delete_object", **self._place)
        except RecordNotFound:
            return
        except NotThere:
            await self._buckets.require(self._bucket)

    async def _put(self) -> None:
        data = self._part.getvalue()
        await self._client.call(
            "put_object", **self._place, Body=data, ContentMD5=await _md5(data), ContentType=_TYPE
        )

    async def _send(self) -> None:
        """Send the part that is full, when there is a place on the way."""
        if not self._upload:
            try:
                answer = await outlast(
                    self._client.call("create_multipart_upload", **self._place, ContentType=_TYPE)
                )
            except NotThere:
                await self._buckets.require(self._bucket)
                raise
            self._upload = answer["UploadId"]
        if len(self._sending) >= _AHEAD:
            await asyncio.shield(self._sending[-_AHEAD])
        number = len(self._sending) + 1
        self._sending.append(asyncio.create_task(self._send_part(number, self._part.getvalue())))
        self._part = io.BytesIO()

    async def _send_part(self, number: int, data: bytes) -> str:
        part = self._client.call(
            "upload_part",
            **self._place,
            UploadId=self._upload,
            PartNumber=number,
            Body=data,
            ContentMD5=await _md5(data),
        )
        return str((await outlast(part))["ETag"])

    async def _complete(self) -> None:
        await self._send()
        etags = await asyncio.gather(*self._sending)
        parts = [{"PartNumber": number, "ETag": etag} for number, etag in enumerate(etags, 1)]
        retried = Retried()
        try:
            await self._client.call(
                "complete_multipart_upload",
                retried,
                **self._place,
                UploadId=self._upload,
                MultipartUpload={"Parts": parts},
            )
        except NotThere:
            # No such upload: there is none any more if an earlier try of this call took place.
            if not retried.yes:
                raise
            found = await self._client.call("head_object", **self._place)
            if found["ContentLength"] != self._size:
                raise

    async def _discard(self) -> None:
        try:
            if self._upload:
                await self._abort()
            if self._begun:
                await self.remove()
        except StorageError as error:
            _log.warning("an unpublished blob may be left in the store", **self._place, error=str(error))

    async def _abort(self) -> None:
        try:
            await self._client.call("abort_multipart_upload", **self._place, UploadId=self._upload)
        except NotThere:
            return  # completed, or never there


class Staged:
    """Uploads that somebody began and does not end any more; each is named "<bucket>/<upload>/<key>"."""

    def __init__(self, client: Client, buckets: Buckets) -> None:
        self._client = client
        self._buckets = buckets

    async def list_all(self, older_than: float) -> list[Listed]:
        """See the contract. The sizes are not known: 0."""
        before = datetime.now(UTC) - timedelta(seconds=older_than)
        found: list[Listed] = []
        for bucket in await self._buckets.list_all():
            name, markers = self._buckets.name(bucket.name), dict[str, str]()
            while True:
                page = await self._client.call("list_multipart_uploads", Bucket=name, **markers)
                found += [
                    Listed(f"{name}/{upload['UploadId']}/{upload['Key']}", None, 0)
                    for upload in page.get("Uploads", ())
                    if upload["Initiated"] < before
                ]
                if not page.get("IsTruncated"):
                    break
                markers = {"KeyMarker": page["NextKeyMarker"], "UploadIdMarker": page["NextUploadIdMarker"]}
        return found

    async def remove(self, keys: Sequence[str]) -> None:
        """See the contract."""
        for each in keys:
            bucket, _, rest = each.partition("/")
            upload, _, key = rest.partition("/")
            if key:
                with suppress(NotThere, BucketNotFound):
                    await self._client.call("abort_multipart_upload", Bucket=bucket, Key=key, UploadId=upload)


async def _md5(data: bytes) -> str:
    """Content-MD5 (RFC 1864), which has the store check what arrived; in a thread."""
    digest: Any = await asyncio.to_thread(hashlib.md5, data, usedforsecurity=False)
    return base64.b64encode(digest.digest()).decode()
