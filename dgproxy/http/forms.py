# SPDX-License-Identifier: GPL-2.0-only
"""Browser uploads: POST Object, a form whose fields stand in for headers and whose file is the object.

The policy in the form is the authorisation: it is verified, and compared with every other field, before a
byte of the file is kept. How a form is taken apart and what a policy allows is said in `s3`.
"""

from collections.abc import AsyncIterator, Mapping
from contextlib import aclosing
from datetime import UTC, datetime
from typing import Final
from urllib.parse import urlencode, urlsplit

import msgspec
from aiohttp import web

from dgproxy.codec.workers import Workers
from dgproxy.engine import put
from dgproxy.engine.body import Body, Digests
from dgproxy.engine.manifest import Attributes, Manifest
from dgproxy.http import access, answers
from dgproxy.http.call import Call, attributes_of
from dgproxy.s3 import checksums, form_policy, integrity, names, xml
from dgproxy.s3.errors import S3Error
from dgproxy.s3.form import FormReader
from dgproxy.s3.payload import Framing, Payload
from dgproxy.storage.backend import Buffer

_STATUSES: Final = {"200": 200, "201": 201}


async def post_object(call: Call) -> web.StreamResponse:
    """PostObject."""
    reader = FormReader(call.headers.get("content-type", ""))
    async with aclosing(call.body().__aiter__()) as pieces:
        first = await _until_file(reader, pieces)
        fields = dict(reader.fields)
        if "key" not in fields:
            raise S3Error("UserKeyMustBeSpecified", extra={"FieldName": "key"})
        fields["key"] = fields["key"].replace("${filename}", reader.filename)
        sizes = _permitted(call, fields)
        names.check_key(fields["key"])
        if not fields["key"]:
            raise S3Error("InvalidArgument", "User key must have a length greater than 0.")
        body = _FormFile(reader, first, pieces, fields, sizes, call.engine.workers)
        manifest = await put.put_object(call.engine, call.bucket, fields["key"], body, _attributes(fields))
    return _answer(call, fields, manifest)


async def _until_file(reader: FormReader, pieces: AsyncIterator[Buffer]) -> bytes:
    """Read the fields, and what came of the file with their last bytes."""
    async for piece in pieces:
        first = reader.feed(piece)
        if reader.file_began:
            return first
    reader.finish()
    raise S3Error("IncorrectNumberOfFilesInPostRequest")


def _permitted(call: Call, fields: Mapping[str, str]) -> tuple[int, int] | None:
    """Authorise the form; gives the fewest and most bytes its policy lets the file have."""
    grant = call.grant
    if call.credentials is not None and call.authentication is None:
        grant = call.exchange.signed_by(access.authenticate_form(call.credentials, fields))
    if not grant.allows_key(call.bucket, fields["key"], writing=True):
        raise S3Error("AccessDenied")
    if "policy" not in fields:
        return None
    policy = form_policy.parse(fields["policy"])
    policy.check({**fields, "bucket": fields.get("bucket", call.bucket)}, datetime.now(UTC))
    if fields.get("bucket", call.bucket) != call.bucket:
        raise S3Error("AccessDenied", "Invalid according to Policy: the bucket is another one.")
    return policy.sizes


def _attributes(fields: Mapping[str, str]) -> Attributes:
    """What the fields say the object is; two of them have another name than their header."""
    headers = {**fields, **({"x-amz-acl": fields["acl"]} if "acl" in fields else {})}
    attributes = attributes_of(headers)
    if "tagging" not in fields:
        return attributes
    return msgspec.structs.replace(attributes, tags=xml.parse_tagging(fields["tagging"].encode()))


class _FormFile(Body):
    """The file of a form."""

    def __init__(
        self,
        reader: FormReader,
        first: bytes,
        pieces: AsyncIterator[Buffer],
        fields: Mapping[str, str],
        sizes: tuple[int, int] | None,
        workers: Workers,
    ) -> None:
        self._workers = workers
        self._reader = reader
        self._first = first
        self._pieces = pieces
        self._sizes = sizes
        self._expected = integrity.expect(fields, Payload(Framing.PLAIN, None, None))
        algorithm = self._expected.algorithm
        own = algorithm is not None and algorithm is not checksums.Algorithm.SHA256
        self._hasher = checksums.new(algorithm) if algorithm is not None and own else None

    @property
    def size(self) -> int | None:
        """Unknown: the form around the file has a length, the file has none."""
        return None

    @property
    def memory_is_leased(self) -> bool:
        """Never, as for any other request's body."""
        return False

    async def __aiter__(self) -> AsyncIterator[Buffer]:
        """The file's bytes. Raises S3Error: EntityTooLarge, EntityTooSmall, and what reading raises."""
        received = 0
        async for data in self._file():
            received += len(data)
            if self._sizes is not None and received > self._sizes[1]:
                extra = {"ProposedSize": str(received), "MaxSizeAllowed": str(self._sizes[1])}
                raise S3Error("EntityTooLarge", extra=extra)
            if self._hasher is not None:
                await self._workers.run(self._hasher.update, data)
            yield data
        if self._sizes is not None and received < self._sizes[0]:
            extra = {"ProposedSize": str(received), "MinSizeAllowed": str(self._sizes[0])}
            raise S3Error("EntityTooSmall", extra=extra)

    async def _file(self) -> AsyncIterator[bytes]:
        if self._first:
            yield self._first
        async for piece in self._pieces:
            data = self._reader.feed(piece)
            if data:
                yield data
        self._reader.finish()

    def verify(self, digests: Digests) -> dict[str, str]:
        """Compare the file with the digests among the fields. Raises S3Error."""
        checksum = digests.sha256 if self._hasher is None else self._hasher.digest()
        kept = self._expected.verify(md5=digests.md5, sha256=digests.sha256, checksum=checksum)
        return {} if kept is None else {kept.algorithm.value.lower(): kept.text}


def _answer(call: Call, fields: Mapping[str, str], manifest: Manifest) -> web.Response:
    """What the form asks to be told: another page, a document, or nothing."""
    etag = answers.quoted(manifest.etag)
    headers = {**answers.written(manifest), "Location": call.location(manifest.key)}
    redirect = _redirect(fields.get("success_action_redirect") or fields.get("redirect", ""))
    if redirect is not None:
        query = urlencode({"bucket": call.bucket, "key": manifest.key, "etag": etag})
        headers["Location"] = f"{redirect}{'&' if urlsplit(redirect).query else '?'}{query}"
        return web.Response(status=303, headers=headers)
    status = _STATUSES.get(fields.get("success_action_status", ""), 204)
    if status == 201:
        document = xml.render_post_object(call.bucket, manifest.key, manifest.etag, headers["Location"])
        return answers.xml(document, headers, status)
    return web.Response(status=status, headers=headers)


def _redirect(url: str) -> str | None:
    """Give the page to go to; what is no plain http URL is ignored, as in S3."""
    if not url.isascii() or not url.isprintable() or " " in url:
        return None
    try:
        parts = urlsplit(url)
    except ValueError:
        return None
    return url if parts.scheme in ("http", "https") and parts.netloc and not parts.fragment else None
