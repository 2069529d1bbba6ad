# SPDX-License-Identifier: GPL-2.0-only
"""What is known of an object besides its bytes: GetObjectAttributes, tags, and the canned ACL."""

from aiohttp import web

from dgproxy.engine import put
from dgproxy.engine.commit import read
from dgproxy.http import answers
from dgproxy.http.call import Call
from dgproxy.s3 import acl, attributes, dates, metadata, unconfigured, xml


async def get_object_attributes(call: Call) -> web.StreamResponse:
    """GetObjectAttributes."""
    metadata.refuse_encryption(call.headers)
    asked = attributes.parse(call.headers)
    manifest = await read(call.engine, call.bucket, call.key)
    parts = [(part.number, part.size, answers.stored_checksum(part.checksums)) for part in manifest.parts]
    checksum = answers.stored_checksum(manifest.checksums)
    document = xml.render_object_attributes(asked, manifest.etag, manifest.size, checksum, parts)
    return answers.xml(document, {"Last-Modified": dates.http_date(manifest.created)})


async def get_object_tagging(call: Call) -> web.StreamResponse:
    """GetObjectTagging: an object without tags has the empty set of them."""
    manifest = await read(call.engine, call.bucket, call.key)
    return answers.xml(xml.render_tagging(manifest.attributes.tags))


async def put_object_tagging(call: Call) -> web.StreamResponse:
    """PutObjectTagging."""
    tags = await call.body().document(xml.parse_tagging)
    await put.replace_tags(call.engine, call.bucket, call.key, tags)
    return web.Response()


async def delete_object_tagging(call: Call) -> web.StreamResponse:
    """DeleteObjectTagging."""
    await put.replace_tags(call.engine, call.bucket, call.key, {})
    return web.Response(status=204)


async def put_object_acl(call: Call) -> web.StreamResponse:
    """PutObjectAcl: what leaves the object to its owner is what is so anyway."""
    await read(call.engine, call.bucket, call.key)
    acl.check(call.headers, await call.body().document(bytes))
    return web.Response()


async def get_unconfigured(call: Call) -> web.StreamResponse:
    """Read what can't be set of an object: every one is private, and none is locked."""
    await read(call.engine, call.bucket, call.key)
    return answers.xml(unconfigured.answer(call.s3.operation, call.bucket))
