# SPDX-License-Identifier: GPL-2.0-only
"""Buckets, and the listings inside them."""

from aiohttp import web

from dgproxy.engine import buckets
from dgproxy.engine.listing import ListedObject, ObjectPage, list_objects
from dgproxy.http import answers
from dgproxy.http.call import REGION, Call
from dgproxy.s3 import listing, metadata, xml
from dgproxy.storage.backend import CommonPrefix


async def list_buckets(call: Call) -> web.StreamResponse:
    """ListBuckets."""
    asked = listing.list_buckets(call.s3.query)
    found = [
        bucket
        for bucket in await buckets.list_buckets(call.engine)
        if bucket.name.startswith(asked.prefix) and bucket.name > asked.after
    ]
    page = found[: asked.max_buckets]
    token = listing.encode_token(page[-1].name) if len(page) < len(found) else None
    entries = [xml.BucketEntry(bucket.name, bucket.created) for bucket in page]
    return answers.xml(xml.render_list_buckets(entries, prefix=asked.prefix, token=token))


async def create_bucket(call: Call) -> web.StreamResponse:
    """CreateBucket. Any location is accepted: there is one, and clients name what they are used to."""
    metadata.refuse_unsupported(call.headers)
    await call.body().document(xml.parse_create_bucket)
    # A bucket of one's own is created again without complaint in us-east-1 (API reference, CreateBucket).
    await buckets.ensure_bucket(call.engine, call.bucket)
    return web.Response(headers={"Location": f"/{call.bucket}"})


async def head_bucket(call: Call) -> web.StreamResponse:
    """HeadBucket."""
    await buckets.head_bucket(call.engine, call.bucket)
    return web.Response(headers={"x-amz-bucket-region": REGION, "Content-Type": "application/xml"})


async def delete_bucket(call: Call) -> web.StreamResponse:
    """DeleteBucket."""
    await buckets.delete_bucket(call.engine, call.bucket)
    return web.Response(status=204)


async def get_bucket_location(call: Call) -> web.StreamResponse:
    """GetBucketLocation."""
    await buckets.head_bucket(call.engine, call.bucket)
    return answers.xml(xml.render_location(REGION))


async def list_objects_in(call: Call) -> web.StreamResponse:
    """ListObjects and ListObjectsV2."""
    asked = listing.list_objects(call.s3.query)
    if asked.max_keys:
        page = await list_objects(
            call.engine,
            call.bucket,
            prefix=asked.prefix,
            delimiter=asked.delimiter,
            after=asked.after,
            limit=asked.max_keys,
        )
    else:
        await buckets.head_bucket(call.engine, call.bucket)
        page = ObjectPage([], more=False, last="")
    objects = [_entry(item) for item in page.items if isinstance(item, ListedObject)]
    prefixes = [item.prefix for item in page.items if isinstance(item, CommonPrefix)]
    last = page.last if page.more else None
    return answers.xml(xml.render_list_objects(call.bucket, asked, objects, prefixes, last=last))


def _entry(item: ListedObject) -> xml.ObjectEntry:
    summary = item.summary
    return xml.ObjectEntry(item.key, summary.size, summary.etag, summary.created)
