# SPDX-License-Identifier: GPL-2.0-only
"""Multipart uploads: create, parts, complete, abort, and what is listed of them."""

from collections.abc import Sequence
from typing import Final

from aiohttp import web

from dgproxy.engine import complete as completion
from dgproxy.engine import uploads
from dgproxy.engine.ending import abort
from dgproxy.engine.parts import PartRecord, parts_of, put_part
from dgproxy.engine.uploads import Upload
from dgproxy.http import answers
from dgproxy.http.call import Call
from dgproxy.s3 import checksums, integrity, listing, metadata, xml
from dgproxy.s3.checksums import Algorithm, Checksum, ChecksumType
from dgproxy.s3.errors import S3Error
from dgproxy.s3.names import part_number
from dgproxy.s3.uploads import page_of_uploads

_SIZE: Final = "x-amz-mp-object-size"
_INITIATED: Final = "x-amz-if-match-initiated-time"


async def create_multipart_upload(call: Call) -> web.StreamResponse:
    """CreateMultipartUpload."""
    attributes, requested = call.attributes(), integrity.requested(call.headers)
    algorithm, kind = ("", "") if requested is None else (requested[0].value, requested[1].value)
    upload = await uploads.begin(call.engine, call.bucket, call.key, attributes, algorithm, kind)
    headers = {"x-amz-checksum-algorithm": algorithm, "x-amz-checksum-type": kind} if algorithm else {}
    return answers.xml(xml.render_create_multipart_upload(call.bucket, call.key, upload.id), headers)


async def upload_part(call: Call) -> web.StreamResponse:
    """UploadPart."""
    metadata.refuse_encryption(call.headers)
    number = part_number(call.s3.query["partNumber"])
    upload = await uploads.find(call.engine, call.bucket, call.key, _upload_id(call))
    body = call.object_body(keep=answers.algorithm_of(upload))
    part = await put_part(call.engine, call.bucket, upload, number, body)
    checksum = answers.stored_checksum(part.checksums)
    shown = {} if checksum is None else {checksum.algorithm.header: checksum.text}
    return web.Response(headers={"ETag": answers.quoted(part.etag), **shown})


async def complete_multipart_upload(call: Call) -> web.StreamResponse:
    """CompleteMultipartUpload."""
    metadata.refuse_encryption(call.headers)
    listed = await call.body().document(xml.parse_complete_multipart_upload)
    wanted = [completion.WantedPart(part.number, part.etag) for part in listed]

    def verify(upload: Upload, parts: Sequence[PartRecord]) -> completion.Checksums:
        _check_size(call, parts)
        _check_parts(listed, parts)
        return _object_checksum(call, upload, parts)

    allow = call.write_condition()
    manifest = await completion.complete(
        call.engine, call.bucket, call.key, _upload_id(call), wanted, verify, allow
    )
    document = xml.render_complete_multipart_upload(
        call.bucket,
        call.key,
        manifest.etag,
        call.location(call.key),
        checksum=answers.stored_checksum(manifest.checksums),
    )
    return answers.xml(document, {"x-amz-storage-type": manifest.storage})


async def abort_multipart_upload(call: Call) -> web.StreamResponse:
    """AbortMultipartUpload."""
    if _INITIATED in call.headers:  # a condition of directory buckets
        raise S3Error("NotImplemented", extra={"Header": _INITIATED})
    await abort(call.engine, call.bucket, call.key, _upload_id(call))
    return web.Response(status=204)


async def list_parts(call: Call) -> web.StreamResponse:
    """ListParts."""
    asked = listing.list_parts(call.s3.query)
    upload = await uploads.find(call.engine, call.bucket, call.key, _upload_id(call))
    stored = await parts_of(call.engine, call.bucket, _upload_id(call))
    following = [part for part in stored if part.number > asked.after]
    page = following[: asked.max_parts]
    entries = [
        xml.PartEntry(
            part.number, part.size, part.etag, part.created, answers.stored_checksum(part.checksums)
        )
        for part in page
    ]
    document = xml.render_list_parts(
        call.bucket,
        call.key,
        _upload_id(call),
        asked,
        entries,
        more=0 < len(page) < len(following),
        checksum=_announced(upload),
    )
    return answers.xml(document)


async def list_multipart_uploads(call: Call) -> web.StreamResponse:
    """ListMultipartUploads."""
    asked = listing.list_multipart_uploads(call.s3.query)
    under_way = {
        (upload.key, upload.id): upload for upload in await uploads.uploads_of(call.engine, call.bucket)
    }
    page = page_of_uploads(asked, list(under_way))
    entries = [
        xml.UploadEntry(upload.key, upload.id, upload.created, _announced(upload))
        for upload in map(under_way.__getitem__, page.uploads)
    ]
    document = xml.render_list_multipart_uploads(call.bucket, asked, entries, page.prefixes, more=page.more)
    return answers.xml(document)


def _upload_id(call: Call) -> str:
    return call.s3.query["uploadId"]


def _announced(upload: Upload) -> tuple[Algorithm, ChecksumType] | None:
    """The checksum that Create announced."""
    if not upload.checksum_algorithm:
        return None
    return Algorithm(upload.checksum_algorithm), ChecksumType(upload.checksum_type)


def _check_size(call: Call, parts: Sequence[PartRecord]) -> None:
    """Compare with the size the client says the object has."""
    claimed, size = call.headers.get(_SIZE), sum(part.size for part in parts)
    if claimed is not None and claimed != str(size):
        raise S3Error("InvalidRequest", f"The parts have {size} bytes, {_SIZE} says {claimed[:20]}.")


def _check_parts(listed: Sequence[xml.PartReference], parts: Sequence[PartRecord]) -> None:
    """Compare the checksums that the list gives for its parts with those the parts came with."""
    for claim, part in zip(listed, parts, strict=True):
        stored = answers.stored_checksum(part.checksums)
        for algorithm, digest in claim.checksums.items():
            if stored is None or (stored.algorithm, stored.digest) != (algorithm, digest):
                raise S3Error("InvalidPart", extra={"PartNumber": str(part.number)})


def _object_checksum(call: Call, upload: Upload, parts: Sequence[PartRecord]) -> completion.Checksums:
    """What the parts' checksums add up to, compared with what the client says it is.

    There is one only where Create announced its algorithm.
    """
    claimed = integrity.claimed(call.headers)
    announced = _announced(upload)
    if announced is None:
        return completion.Checksums({}, "FULL_OBJECT")
    algorithm, kind = announced
    integrity.check_type(call.headers, kind)
    stored = [answers.stored_checksum(part.checksums) for part in parts]
    digests = [
        (checksum.digest, part.size)
        for checksum, part in zip(stored, parts, strict=True)
        if checksum is not None and checksum.algorithm is algorithm
    ]
    if len(digests) < len(parts):
        return completion.Checksums({}, "FULL_OBJECT")
    combined: Checksum = checksums.combine(algorithm, kind, digests)
    combined.check(claimed)
    return completion.Checksums({algorithm.value.lower(): combined.text}, kind.value)
