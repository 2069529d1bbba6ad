# SPDX-License-Identifier: GPL-2.0-only
"""Buckets, and the listings inside them."""

from aiohttp import web

from dgproxy.engine import buckets
from dgproxy.engine.listing import ListedObject, ObjectPage, list_objects
from dgproxy.http import answers
from dgproxy.http.call import REGION, Call
from dgproxy.s3 import acl, listing, metadata, unconfigured, xml
from dgproxy.s3.checksums import Algorithm, ChecksumType
from dgproxy.storage.backend import CommonPrefix


async def list_buckets(call: Call) -> web.StreamResponse:
    """ListBuckets."""
    asked = listing.list_buckets(call.s3.query)
    found = [
        bucket
        for bucket in await buckets.list_buckets(call.engine)
        if bucket.name.startswith(asked.prefix) and bucket.name > asked.after and call.grant.sees(bucket.name)
    ]
    if asked.region not in ("", REGION):
        found = []
    page = found[: asked.max_buckets]
    token = listing.encode_token(page[-1].name) if len(page) < len(found) else None
    region = REGION if asked.asked else ""
    entries = [xml.BucketEntry(bucket.name, bucket.created) for bucket in page]
    return answers.xml(xml.render_list_buckets(entries, prefix=asked.prefix, token=token, region=region))


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
    objects, prefixes, last = await _page(call, asked, asked.after)
    return answers.xml(xml.render_list_objects(call.bucket, asked, objects, prefixes, last=last))


async def list_object_versions(call: Call) -> web.StreamResponse:
    """ListObjectVersions, as of a bucket that never was versioned."""
    asked = listing.list_object_versions(call.s3.query)
    objects, prefixes, last = await _page(call, asked, asked.key_marker)
    return answers.xml(xml.render_list_object_versions(call.bucket, asked, objects, prefixes, last=last))


async def get_unconfigured(call: Call) -> web.StreamResponse:
    """Read a setting that can't be made: there is none."""
    await buckets.head_bucket(call.engine, call.bucket)
    return answers.xml(unconfigured.answer(call.s3.operation, call.bucket))


async def put_bucket_acl(call: Call) -> web.StreamResponse:
    """PutBucketAcl: what leaves the bucket to its owner is what is so anyway."""
    await buckets.head_bucket(call.engine, call.bucket)
    acl.check(call.headers, await call.body().document(bytes))
    return web.Response()


async def remove_unconfigured(call: Call) -> web.StreamResponse:
    """Remove a setting that can't be made: it is not there."""
    await buckets.head_bucket(call.engine, call.bucket)
    return web.Response(status=204)


async def _page(
    call: Call, asked: listing.ListObjects | listing.ListObjectVersions, after: str
) -> tuple[list[xml.ObjectEntry], list[str], str | None]:
    """Objects, common prefixes, and the last of both if there is more behind it."""
    if asked.max_keys:
        page = await list_objects(
            call.engine,
            call.bucket,
            prefix=asked.prefix,
            delimiter=asked.delimiter,
            after=after,
            limit=asked.max_keys,
        )
    else:
        await buckets.head_bucket(call.engine, call.bucket)
        page = ObjectPage([], more=False, last="")
    objects = [_entry(item) for item in page.items if isinstance(item, ListedObject)]
    prefixes = [item.prefix for item in page.items if isinstance(item, CommonPrefix)]
    return objects, prefixes, page.last if page.more else None


def _entry(item: ListedObject) -> xml.ObjectEntry:
    summary = item.summary
    algorithms = [Algorithm(name.upper()) for name in summary.checksums]
    kind = ChecksumType(summary.checksum_type)
    return xml.ObjectEntry(item.key, summary.size, summary.etag, summary.created, algorithms, kind)
