# SPDX-License-Identifier: GPL-2.0-only
"""A bucket of an S3 server as the target of an export.

Every call that carries bytes carries their MD5, so that the store checks what arrives. Parts are those that
the object's client once sent where that is possible, so the ETag is the one it has here; and ours follow from
the size alone, so that the ETag tells, of an object that is there, whether it is the same.

What is not completed is aborted. Memory is one part for each object on its way.
"""

import asyncio
import base64
import hashlib
from collections.abc import AsyncIterator, Sequence
from email.utils import parsedate_to_datetime
from typing import Any, Final
from urllib.parse import urlencode

from dgproxy.engine.manifest import Attributes, Manifest
from dgproxy.engine.policy import MIN_PART
from dgproxy.engine.reading import Reading
from dgproxy.migration.bucket import head_of
from dgproxy.migration.targets import TargetError, Unwritable, Verdict
from dgproxy.s3.metadata import response_headers
from dgproxy.storage.backend import Buffer, RecordNotFound, StorageError
from dgproxy.storage.s3.client import Client
from dgproxy.storage.s3.failures import NotThere
from dgproxy.storage.s3.outlast import outlast

__all__ = ["Uploads", "parts_of"]

#: Bytes that go in one call, and of the parts of what is larger.
_PART: Final = 16 << 20
#: Bytes of the largest part that is kept as its client made it: it has to be in memory.
_LARGEST: Final = 64 << 20
#: "Amazon S3 multipart upload limits", Amazon S3 User Guide.
_MOST: Final = 10_000
_MIB: Final = 1 << 20

_PARAMETERS: Final = {
    "Cache-Control": "CacheControl",
    "Content-Disposition": "ContentDisposition",
    "Content-Encoding": "ContentEncoding",
    "Content-Language": "ContentLanguage",
    "Content-Type": "ContentType",
}


def parts_of(manifest: Manifest) -> list[int]:
    """The sizes of the parts that an object is uploaded in; none for one call."""
    sizes = [part.size for part in manifest.parts]
    if sizes and max(sizes) <= _LARGEST and all(size >= MIN_PART for size in sizes[:-1]):
        return sizes
    if manifest.size <= _PART:
        return []
    size = max(_PART, -(-manifest.size // _MOST // _MIB) * _MIB)
    return [min(size, manifest.size - start) for start in range(0, manifest.size, size)]


class Uploads:
    """See `targets.Target`."""

    def __init__(self, client: Client, bucket: str, prefix: str = "") -> None:
        self._client = client
        self._bucket = bucket
        self._prefix = prefix

    async def require(self) -> None:
        """Raises TargetError unless the bucket is there."""
        try:
            await self._client.call("head_bucket", Bucket=self._bucket)
        except NotThere as error:
            raise TargetError(f"there is no bucket {self._bucket!r} in the store: create it first") from error
        except StorageError as error:
            raise TargetError(str(error)) from error

    async def look(self, manifest: Manifest, *, checksum: bool) -> Verdict:
        """By size and ETag; dates are the store's own."""
        try:
            answer = await self._client.call("head_object", **self._place(manifest))
        except (RecordNotFound, NotThere):
            return "absent"
        except StorageError as error:
            raise Unwritable(str(error)) from error
        head = head_of(answer)
        if head.size != manifest.size:
            return "differs"
        return "same" if head.etag == manifest.etag else "unsure"

    async def compare(self, reading: Reading) -> bool:
        """By the ETag that the object would get: the object here is read, nothing is fetched."""
        try:
            answer = await self._client.call("head_object", **self._place(reading.manifest))
        except StorageError as error:
            raise Unwritable(str(error)) from error
        digests = [await _md5(data) async for data in _cut(reading, parts_of(reading.manifest))]
        return head_of(answer).etag == _etag(digests, reading.manifest)

    async def write(self, reading: Reading, *, overwrite: bool) -> None:
        """One call, or a multipart upload."""
        manifest = reading.manifest
        sizes = parts_of(manifest)
        try:
            if sizes:
                await self._in_parts(reading, sizes)
            else:
                [data] = [data async for data in _cut(reading, [])]
                await outlast(
                    self._client.call(
                        "put_object",
                        **self._place(manifest),
                        **_described(manifest.attributes),
                        Body=data,
                        ContentMD5=_base64(await _md5(data)),
                    )
                )
        except StorageError as error:
            raise Unwritable(str(error)) from error

    async def _in_parts(self, reading: Reading, sizes: Sequence[int]) -> None:
        place, described = self._place(reading.manifest), _described(reading.manifest.attributes)
        upload = await outlast(self._client.call("create_multipart_upload", **place, **described))
        place["UploadId"] = upload["UploadId"]
        try:
            digests, parts = [], []
            async for data in _cut(reading, sizes):
                digests.append(await _md5(data))
                sent = {"PartNumber": len(digests), "Body": data, "ContentMD5": _base64(digests[-1])}
                answer = await self._client.call("upload_part", **place, **sent)
                parts.append({"PartNumber": len(digests), "ETag": answer["ETag"]})
            complete = self._client.call(
                "complete_multipart_upload", **place, MultipartUpload={"Parts": parts}
            )
            await outlast(complete)
        except BaseException:
            await outlast(self._abort(place))
            raise
        await self._check(reading.manifest)

    async def _abort(self, place: dict[str, Any]) -> None:
        try:
            await self._client.call("abort_multipart_upload", **place)
        except StorageError:
            return  # not there any more, or the store is not: then its own rules end the upload

    async def _check(self, manifest: Manifest) -> None:
        answer = await self._client.call("head_object", **self._place(manifest))
        if answer["ContentLength"] != manifest.size:
            raise Unwritable(f"the store has {answer['ContentLength']} bytes of {manifest.size}")

    def _place(self, manifest: Manifest) -> dict[str, Any]:
        return {"Bucket": self._bucket, "Key": self._prefix + manifest.key}


async def _cut(reading: Reading, sizes: Sequence[int]) -> AsyncIterator[bytes]:
    """The bytes in pieces of these sizes; in one, if there are none."""
    wanted = iter(sizes or [reading.manifest.size])
    size, piece = next(wanted), bytearray()
    async for chunk in reading:
        with memoryview(chunk) as rest:
            start = 0
            while start < len(rest):
                stop = min(start + size - len(piece), len(rest))
                piece += rest[start:stop]
                start = stop
                if len(piece) == size:
                    yield bytes(piece)
                    size, piece = next(wanted, 0), bytearray()
    if not reading.manifest.size:
        yield b""


def _described(attributes: Attributes) -> dict[str, Any]:
    """An object's attributes as arguments of an upload. An Expires that is no date is left out."""
    headers = dict(attributes.headers)
    found: dict[str, Any] = {
        parameter: headers[name] for name, parameter in _PARAMETERS.items() if name in headers
    }
    try:
        found["Expires"] = parsedate_to_datetime(headers["Expires"])
    except (KeyError, ValueError):
        found.pop("Expires", None)
    encoded = response_headers({}, attributes.metadata)
    found["Metadata"] = {name.removeprefix("x-amz-meta-"): value for name, value in encoded.items()}
    if attributes.tags:
        found["Tagging"] = urlencode(attributes.tags)
    return found


async def _md5(data: Buffer) -> bytes:
    digest: Any = await asyncio.to_thread(hashlib.md5, data, usedforsecurity=False)
    return bytes(digest.digest())


def _base64(digest: bytes) -> str:
    return base64.b64encode(digest).decode()


def _etag(digests: Sequence[bytes], manifest: Manifest) -> str:
    """The ETag of an upload with these MD5s: that of the bytes, or of the parts' and their number."""
    if not parts_of(manifest):
        return digests[0].hex()
    return f"{hashlib.md5(b''.join(digests), usedforsecurity=False).hexdigest()}-{len(digests)}"
