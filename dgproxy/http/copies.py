# SPDX-License-Identifier: GPL-2.0-only
"""Copies: CopyObject and UploadPartCopy. The source is read through the same checks as any GET."""

from collections.abc import Callable

from aiohttp import web

from dgproxy.engine import copy, put
from dgproxy.engine.manifest import Attributes, Manifest
from dgproxy.http import answers
from dgproxy.http.call import Call
from dgproxy.s3 import conditions, metadata, ranges, tags, xml
from dgproxy.s3.errors import S3Error
from dgproxy.s3.names import part_number
from dgproxy.s3.operation import CopySource


async def copy_object(call: Call) -> web.StreamResponse:
    """CopyObject. Onto itself it gives new attributes and moves nothing."""
    source, chosen = _named_source(call), _attributes(call)
    if (source.bucket, source.key) == (call.bucket, call.key):
        manifest = await _onto_itself(call, chosen)
    else:
        origin = copy.Source(source.bucket, source.key, lambda original: _whole(call, original))
        allow = call.write_condition()
        manifest = await copy.copy_object(call.engine, origin, call.bucket, call.key, chosen, allow)
    checksum = answers.stored_checksum(manifest.checksums)
    document = xml.render_copy_object(manifest.etag, manifest.created, checksum=checksum)
    return answers.xml(document, {"x-amz-storage-type": manifest.storage})


async def upload_part_copy(call: Call) -> web.StreamResponse:
    """UploadPartCopy."""
    source, number = _named_source(call), part_number(call.s3.query["partNumber"])

    def plan(original: Manifest) -> tuple[int, int]:
        whole = _whole(call, original)
        return ranges.parse_copy_source_range(call.headers.get("x-amz-copy-source-range"), whole[1]) or whole

    origin = copy.Source(source.bucket, source.key, plan)
    upload_id = call.s3.query["uploadId"]
    part = await copy.copy_part(call.engine, origin, call.bucket, call.key, upload_id, number)
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


def _whole(call: Call, original: Manifest) -> tuple[int, int]:
    conditions.check_copy_source(call.headers, original.etag, original.created)
    return 0, original.size


async def _onto_itself(call: Call, chosen: Callable[[Manifest], Attributes]) -> Manifest:
    if not metadata.replaces_metadata(call.headers):
        raise S3Error(
            "InvalidRequest",
            "This copy request is illegal because it is trying to copy an object to itself without changing "
            "the object's metadata, storage class, website redirect location or encryption attributes.",
        )
    write_condition = call.write_condition()

    def allow(current: Manifest | None) -> None:
        write_condition(current)
        if current is not None:
            conditions.check_copy_source(call.headers, current.etag, current.created)

    return await put.replace_attributes(call.engine, call.bucket, call.key, chosen, allow)
