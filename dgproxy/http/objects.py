# SPDX-License-Identifier: GPL-2.0-only
"""Objects: put, get, head, delete. Each handler parses, calls the engine once, answers."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from aiohttp import web

from dgproxy import timing
from dgproxy.engine import delete, get, put
from dgproxy.engine.commit import Allow, anything, read_lately
from dgproxy.engine.manifest import Manifest
from dgproxy.engine.reading import Reading
from dgproxy.http import answers
from dgproxy.http.call import Call
from dgproxy.http.errors import to_s3
from dgproxy.s3 import conditions, metadata, ranges, xml
from dgproxy.s3.errors import S3Error
from dgproxy.s3.names import part_number
from dgproxy.storage.backend import Buffer

#: Bytes given at once to a transport that encrypts them, all before anybody else's turn.
_SLICE: Final = 1 << 20
#: Of the headers kept with an object, those that say how long a cached copy is good.
_FOR_CACHES: Final = frozenset({"Cache-Control", "Expires"})


async def put_object(call: Call) -> web.StreamResponse:
    """PutObject."""
    attributes, allow, body = call.attributes(), call.write_condition(), call.object_body()
    manifest = await put.put_object(call.engine, call.bucket, call.key, body, attributes, allow)
    return web.Response(headers=answers.written(manifest))


@dataclass(slots=True)
class _Selection:
    """What a GET or HEAD wants of an object: called with its manifest, gives the range, or refuses."""

    headers: Mapping[str, str]
    query: Mapping[str, str]
    partial: bool = False

    def __call__(self, manifest: Manifest) -> tuple[int, int]:
        try:
            conditions.check_read(self.headers, manifest.etag, manifest.created)
        except S3Error as refusal:
            raise _freshened(refusal, manifest) from refusal
        self.partial = True
        if "partNumber" in self.query:
            if "range" in self.headers:
                raise S3Error("InvalidRequest", "Cannot specify both Range header and partNumber.")
            start, stop = _part_range(manifest, part_number(self.query["partNumber"]))
            self.partial = start < stop  # an empty part has no Content-Range
            return start, stop
        if conditions.if_range(self.headers, manifest.etag, manifest.created):
            chosen = ranges.parse(self.headers.get("range"), manifest.size)
            if chosen is not None:
                return chosen
        self.partial = False
        return 0, manifest.size

    def answer_headers(self, manifest: Manifest, start: int, stop: int) -> dict[str, str]:
        """Headers for the range that was chosen."""
        headers = answers.described(manifest)
        if self.headers.get("x-amz-checksum-mode", "").upper() == "ENABLED":
            headers |= self._checksum(manifest, start, stop)
        headers |= metadata.override_headers(self.query)
        headers["Content-Length"] = str(stop - start)
        if self.partial:
            headers["Content-Range"] = ranges.content_range(start, stop, manifest.size)
        if "partNumber" in self.query and manifest.parts:
            headers["x-amz-mp-parts-count"] = str(len(manifest.parts))
        return headers

    def _checksum(self, manifest: Manifest, start: int, stop: int) -> dict[str, str]:
        """The checksum of what is sent: the object's, or a part's; clients compare it with the body."""
        if "partNumber" in self.query and manifest.parts:
            part = manifest.parts[part_number(self.query["partNumber"]) - 1]
            return answers.checksum_headers(part.checksums, manifest.checksum_type)
        whole = (start, stop) == (0, manifest.size)
        return answers.checksum_headers(manifest.checksums) if whole else {}

    @property
    def status(self) -> int:
        """200, or 206 for a range."""
        return 206 if self.partial else 200


def _freshened(refusal: S3Error, manifest: Manifest) -> S3Error:
    """A 304 brings what a cache needs of the object's own headers as well (RFC 9110, section 15.4.5)."""
    if refusal.has_body:
        return refusal
    kept = {name: text for name, text in manifest.attributes.headers.items() if name in _FOR_CACHES}
    return S3Error(refusal.code, headers={**refusal.headers, **kept})


def _part_range(manifest: Manifest, number: int) -> tuple[int, int]:
    """Where the part of that number lies; an object of one PUT is its own part 1."""
    sizes = [part.size for part in manifest.parts] or [manifest.size]
    if number > len(sizes):
        raise S3Error("InvalidPartNumber", extra={"ActualPartCount": str(len(sizes))})
    start = sum(sizes[: number - 1])
    return start, start + sizes[number - 1]


async def get_object(call: Call) -> web.StreamResponse:
    """GetObject."""
    metadata.refuse_encryption(call.headers)
    selection = _Selection(call.headers, call.s3.query)
    async with get.open_object(call.engine, call.bucket, call.key, selection) as reading:
        headers = selection.answer_headers(reading.manifest, reading.start, reading.stop)
        return await _send(call, reading, selection.status, headers)


async def head_object(call: Call) -> web.StreamResponse:
    """HeadObject: the manifest alone."""
    metadata.refuse_encryption(call.headers)
    selection = _Selection(call.headers, call.s3.query)
    manifest = await read_lately(call.engine, call.bucket, call.key)
    start, stop = selection(manifest)
    return web.Response(status=selection.status, headers=selection.answer_headers(manifest, start, stop))


async def _send(call: Call, reading: Reading, status: int, headers: dict[str, str]) -> web.StreamResponse:
    """Send a reading. The first window is checked before the status line goes out.

    What goes wrong later ends in a cut connection (`service`).
    """
    windows = aiter(reading)
    data: Buffer | None = await anext(windows, None)
    response = web.StreamResponse(status=status, headers=headers)
    await call.exchange.begin(response)
    while data is not None:
        await _send_window(call, response, memoryview(data))
        data = None  # what the transport has done with is memory for the next window
        data = await anext(windows, None)
    await response.write_eof()
    return response


async def _send_window(call: Call, response: web.StreamResponse, window: memoryview) -> None:
    size = _SLICE if call.encrypted else len(window)
    for offset in range(0, len(window), size or 1):
        piece = window[offset : offset + size]
        with timing.stage("send"):
            await response.write(piece)
        call.exchange.sent += len(piece)


async def delete_object(call: Call) -> web.StreamResponse:
    """DeleteObject."""
    allow = call.write_condition(deleting=True)
    await delete.delete_object(call.engine, call.bucket, call.key, allow)
    return web.Response(status=204)


async def delete_objects(call: Call) -> web.StreamResponse:
    """DeleteObjects. The body must be proven: a flipped bit in it would delete something else."""
    asked = await call.body().document(xml.parse_delete, proven=True)
    wanted, failed = [], []
    for item in asked.items:
        if call.grant.allows_key(call.bucket, item.key, writing=True):
            wanted.append((item.key, _deletable(item.etag)))
        else:
            failed.append(xml.DeleteFailed(item.key, S3Error("AccessDenied")))
    outcomes = await delete.delete_objects(call.engine, call.bucket, wanted, S3Error)
    failed += [
        xml.DeleteFailed(outcome.key, to_s3(outcome.error, call.bucket, outcome.key))
        for outcome in outcomes
        if outcome.error is not None
    ]
    deleted = [] if asked.quiet else [outcome.key for outcome in outcomes if outcome.error is None]
    return answers.xml(xml.render_delete(deleted, failed))


def _deletable(etag: str | None) -> Allow:
    """The condition of one key in DeleteObjects."""
    if etag is None:
        return anything
    condition = conditions.WriteCondition(match=(etag,), deleting=True)

    def allow(current: Manifest | None) -> None:
        condition.check(None if current is None else current.etag)

    return allow
