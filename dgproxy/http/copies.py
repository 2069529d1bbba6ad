# SPDX-License-Identifier: GPL-2.0-only
"""Copies: CopyObject and UploadPartCopy. The source is read through the same checks as any GET."""

from collections.abc import AsyncIterator, Callable

from aiohttp import web

from dgproxy.codec.workers import Workers
from dgproxy.engine import copy, put, uploads
from dgproxy.engine.body import Body, Digests
from dgproxy.engine.manifest import Attributes, Manifest
from dgproxy.engine.reading import Reading
from dgproxy.http import answers
from dgproxy.http.call import Call
from dgproxy.s3 import checksums, conditions, integrity, metadata, ranges, tags, xml
from dgproxy.s3.checksums import Algorithm, Checksum
from dgproxy.s3.errors import S3Error
from dgproxy.s3.names import part_number
from dgproxy.s3.operation import CopySource
from dgproxy.storage.backend import Buffer


async def copy_object(call: Call) -> web.StreamResponse:
    """CopyObject. Onto itself it gives new attributes and moves nothing."""
    source, chosen, algorithm = _named_source(call), _attributes(call), integrity.to_compute(call.headers)
    onto_itself = (source.bucket, source.key) == (call.bucket, call.key)
    if onto_itself:
        _refuse_no_change(call)
    if onto_itself and algorithm is None:
        manifest = await _onto_itself(call, chosen)
    else:
        manifest = await _elsewhere(call, source, chosen, algorithm)
    checksum = answers.stored_checksum(manifest.checksums)
    document = xml.render_copy_object(manifest.etag, manifest.created, checksum=checksum)
    return answers.xml(document, {"x-amz-storage-type": manifest.storage})


async def upload_part_copy(call: Call) -> web.StreamResponse:
    """UploadPartCopy."""
    metadata.refuse_encryption(call.headers)
    source, number = _named_source(call), part_number(call.s3.query["partNumber"])

    def plan(original: Manifest) -> tuple[int, int]:
        whole = _whole(call, original)
        return ranges.parse_copy_source_range(call.headers.get("x-amz-copy-source-range"), whole[1]) or whole

    origin = copy.Source(source.bucket, source.key, plan)
    upload = await uploads.find(call.engine, call.bucket, call.key, call.s3.query["uploadId"])
    body = _with_checksum(call, answers.algorithm_of(upload))
    part = await copy.copy_part(call.engine, origin, call.bucket, upload, number, body)
    checksum = answers.stored_checksum(part.checksums)
    return answers.xml(xml.render_copy_object(part.etag, part.created, part=True, checksum=checksum))


def _named_source(call: Call) -> CopySource:
    if call.s3.source is None:
        raise S3Error("InvalidRequest", "This operation needs the header x-amz-copy-source.")
    return call.s3.source


def _attributes(call: Call) -> Callable[[Manifest], Attributes]:
    """What the copy will have: metadata and tags each the request's or the source's, by their directives."""
    metadata.refuse_unsupported(call.headers)
    described = call.attributes() if metadata.replaces_metadata(call.headers) else None
    tagged = tags.of_headers(call.headers) if tags.replaces_tags(call.headers) else None

    def chosen(original: Manifest) -> Attributes:
        kept = original.attributes
        own = kept if described is None else described
        return Attributes(own.headers, own.metadata, kept.tags if tagged is None else tagged)

    return chosen


class _WithChecksum(copy.ReadingBody):
    """What is copied, and a checksum of it that nobody promised."""

    def __init__(self, reading: Reading, algorithm: Algorithm, workers: Workers) -> None:
        super().__init__(reading)
        self._algorithm = algorithm
        self._hasher = checksums.new(algorithm)
        self._workers = workers

    async def __aiter__(self) -> AsyncIterator[Buffer]:
        """The checked bytes."""
        async for window in super().__aiter__():
            await self._workers.run(self._hasher.update, window)
            yield window

    def verify(self, digests: Digests) -> dict[str, str]:
        """The checksum of exactly these bytes."""
        checksum = Checksum(self._algorithm, self._hasher.digest())
        return {self._algorithm.value.lower(): checksum.text}


def _with_checksum(call: Call, algorithm: Algorithm | None) -> Callable[[Reading], Body]:
    """How a reading is stored: with this checksum, or with what its source has."""
    if algorithm is None:
        return copy.ReadingBody
    return lambda reading: _WithChecksum(reading, algorithm, call.engine.workers)


def _whole(call: Call, original: Manifest) -> tuple[int, int]:
    conditions.check_copy_source(call.headers, original.etag, original.created)
    return 0, original.size


def _in_one_go(call: Call, original: Manifest) -> tuple[int, int]:
    whole, limit = _whole(call, original), call.engine.policy.put_limit()
    if original.size > limit:
        raise S3Error(
            "InvalidRequest",
            f"The specified copy source is larger than the maximum allowable size for a copy source: {limit}",
        )
    return whole


def _refuse_no_change(call: Call) -> None:
    if not metadata.replaces_metadata(call.headers):
        raise S3Error(
            "InvalidRequest",
            "This copy request is illegal because it is trying to copy an object to itself without changing "
            "the object's metadata, storage class, website redirect location or encryption attributes.",
        )


async def _elsewhere(
    call: Call, source: CopySource, chosen: Callable[[Manifest], Attributes], algorithm: Algorithm | None
) -> Manifest:
    origin = copy.Source(source.bucket, source.key, lambda original: _in_one_go(call, original))
    allow, body = call.write_condition(), _with_checksum(call, algorithm)
    return await copy.copy_object(call.engine, origin, call.bucket, call.key, chosen, allow, body)


async def _onto_itself(call: Call, chosen: Callable[[Manifest], Attributes]) -> Manifest:
    write_condition = call.write_condition()

    def allow(current: Manifest | None) -> None:
        write_condition(current)
        if current is not None:
            conditions.check_copy_source(call.headers, current.etag, current.created)

    return await put.replace_attributes(call.engine, call.bucket, call.key, chosen, allow)
