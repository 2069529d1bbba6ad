# SPDX-License-Identifier: GPL-2.0-only
"""Copies: CopyObject and UploadPartCopy. The source is read through the same checks as any GET."""

from aiohttp import web

from dgproxy.engine import copy, put
from dgproxy.engine.manifest import Attributes, Manifest
from dgproxy.http import answers
from dgproxy.http.call import Call
from dgproxy.s3 import conditions, metadata, ranges, xml
from dgproxy.s3.errors import S3Error
from dgproxy.s3.names import part_number
from dgproxy.s3.operation import CopySource


async def copy_object(call: Call) -> web.StreamResponse:
    """CopyObject. Onto itself it gives new attributes and moves nothing."""
    source, attributes = _named_source(call), _replacing_attributes(call)
    if (source.bucket, source.key) == (call.bucket, call.key):
        manifest = await _onto_itself(call, attributes)
    else:

        def chosen(original: Manifest) -> Attributes:
            return original.attributes if attributes is None else attributes

        origin = copy.Source(source.bucket, source.key, lambda original: _whole(call, original))
        allow = call.write_condition()
        manifest = await copy.copy_object(call.engine, origin, call.bucket, call.key, chosen, allow)
    document = xml.render_copy_object(manifest.etag, manifest.created)
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
    return answers.xml(xml.render_copy_object(part.etag, part.created, part=True))


def _named_source(call: Call) -> CopySource:
    if call.s3.source is None:
        raise S3Error("InvalidRequest", "This operation needs the header x-amz-copy-source.")
    return call.s3.source


def _replacing_attributes(call: Call) -> Attributes | None:
    """The attributes in the request with x-amz-metadata-directive: REPLACE; None to take the source's."""
    if metadata.replaces_metadata(call.headers):
        return call.attributes()
    metadata.refuse_unsupported(call.headers)
    return None


def _whole(call: Call, original: Manifest) -> tuple[int, int]:
    conditions.check_copy_source(call.headers, original.etag, original.created)
    return 0, original.size


async def _onto_itself(call: Call, attributes: Attributes | None) -> Manifest:
    if attributes is None:
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

    return await put.replace_attributes(call.engine, call.bucket, call.key, attributes, allow)
