# SPDX-License-Identifier: GPL-2.0-only
"""The documents that answer single requests, errors among them, as pure functions.

Times are milliseconds since the epoch, etags without quotes. Response syntax: Amazon S3 API Reference, page
of each operation; "Error responses" for the Error document, which has no namespace.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from dgproxy.s3.attributes import Attributes
from dgproxy.s3.bucket_cors import Rule
from dgproxy.s3.checksums import Checksum
from dgproxy.s3.dates import iso8601
from dgproxy.s3.errors import S3Error
from dgproxy.s3.listing import ListParts
from dgproxy.s3.xml.elements import (
    HEAD,
    checksum_tags,
    document,
    escape,
    etag_tag,
    readable,
    tag,
    truncated_tag,
)

__all__ = [
    "DeleteFailed",
    "render_complete_multipart_upload",
    "render_copy_object",
    "render_cors",
    "render_create_multipart_upload",
    "render_delete",
    "render_error",
    "render_location",
    "render_object_attributes",
    "render_post_object",
    "render_tagging",
]


@dataclass(frozen=True, slots=True)
class DeleteFailed:
    """One object that DeleteObjects could not delete."""

    key: str
    error: S3Error


def render_error(error: S3Error, *, resource: str, request_id: str, host_id: str = "") -> bytes:
    """Render an Error document; `resource` is the path that was asked for."""
    fields = {
        "Code": error.code,
        "Message": error.message,
        **error.extra,
        "Resource": resource,
        "RequestId": request_id,
        "HostId": host_id,
    }
    content = "".join(tag(name, readable(value)) for name, value in fields.items())
    return f"{HEAD}<Error>{content}</Error>".encode()


def render_location(region: str) -> bytes:
    """Render LocationConstraint; us-east-1 is the empty one."""
    return document("LocationConstraint", "" if region == "us-east-1" else escape(region))


def render_copy_object(
    etag: str, modified: int, *, part: bool = False, checksum: Checksum | None = None
) -> bytes:
    """Render CopyObjectResult, or CopyPartResult for a part."""
    return document(
        "CopyPartResult" if part else "CopyObjectResult",
        tag("LastModified", iso8601(modified)),
        etag_tag(etag),
        checksum_tags(checksum, with_kind=not part),
    )


def render_delete(deleted: Sequence[str], failed: Sequence[DeleteFailed]) -> bytes:
    """Render DeleteResult; leave `deleted` empty when the request was quiet."""
    return document(
        "DeleteResult",
        *(f"<Deleted>{tag('Key', key)}</Deleted>" for key in deleted),
        *(
            f"<Error>{tag('Key', item.key)}{tag('Code', item.error.code)}"
            f"{tag('Message', item.error.message)}</Error>"
            for item in failed
        ),
    )


def render_tagging(tags: Mapping[str, str]) -> bytes:
    """Render Tagging, by key: S3 names no order, and clients compare."""
    pairs = sorted(tags.items())
    content = "".join(f"<Tag>{tag('Key', key)}{tag('Value', value)}</Tag>" for key, value in pairs)
    return document("Tagging", f"<TagSet>{content}</TagSet>")


def render_cors(rules: Sequence[Rule]) -> bytes:
    """Render CORSConfiguration; `parse_cors` reads it back."""
    return document("CORSConfiguration", *(f"<CORSRule>{_cors_rule(rule)}</CORSRule>" for rule in rules))


def _cors_rule(rule: Rule) -> str:
    lists = {
        "AllowedOrigin": rule.origins,
        "AllowedMethod": rule.methods,
        "AllowedHeader": rule.headers,
        "ExposeHeader": rule.expose,
    }
    return "".join(
        (
            tag("ID", rule.id) if rule.id else "",
            *(tag(name, text) for name, texts in lists.items() for text in texts),
            tag("MaxAgeSeconds", str(rule.max_age)) if rule.max_age is not None else "",
        )
    )


def render_object_attributes(
    asked: Attributes,
    etag: str,
    size: int,
    checksum: Checksum | None,
    parts: Sequence[tuple[int, int, Checksum | None]],
) -> bytes:
    """Render GetObjectAttributesResponse; `parts` are (number, size, checksum), all of them."""
    content = {
        "ETag": tag("ETag", etag),  # the one place where S3 has no quotes around it
        "Checksum": f"<Checksum>{checksum_tags(checksum, with_kind=True)}</Checksum>" if checksum else "",
        "ObjectParts": _object_parts(asked.parts, parts) if parts else "",
        "StorageClass": tag("StorageClass", "STANDARD"),
        "ObjectSize": tag("ObjectSize", str(size)),
    }
    return document(
        "GetObjectAttributesResponse", *(text for name, text in content.items() if name in asked.names)
    )


def _object_parts(asked: ListParts, parts: Sequence[tuple[int, int, Checksum | None]]) -> str:
    """Show the count, and each part where the upload had checksums: without them S3 lists none."""
    count = tag("PartsCount", str(len(parts)))
    if not all(checksum for _, _, checksum in parts):
        return f"<ObjectParts>{count}</ObjectParts>"
    following = [part for part in parts if part[0] > asked.after]
    page = following[: asked.max_parts]
    shown = "".join(
        f"<Part>{tag('PartNumber', str(number))}{tag('Size', str(size))}"
        f"{checksum_tags(checksum, with_kind=False)}</Part>"
        for number, size, checksum in page
    )
    return "".join(
        (
            "<ObjectParts>",
            count,
            tag("PartNumberMarker", str(asked.after)),
            tag("NextPartNumberMarker", str(page[-1][0] if page else asked.after)),
            tag("MaxParts", str(asked.max_parts)),
            truncated_tag(0 < len(page) < len(following)),
            shown,
            "</ObjectParts>",
        )
    )


def render_create_multipart_upload(bucket: str, key: str, upload_id: str) -> bytes:
    """Render InitiateMultipartUploadResult."""
    return document(
        "InitiateMultipartUploadResult",
        tag("Bucket", bucket),
        tag("Key", key),
        tag("UploadId", upload_id),
    )


def render_post_object(bucket: str, key: str, etag: str, location: str) -> bytes:
    """Render PostResponse, which success_action_status 201 asks for; `location` is the object's URL."""
    content = tag("Location", location) + tag("Bucket", bucket) + tag("Key", key) + etag_tag(etag)
    return f"{HEAD}<PostResponse>{content}</PostResponse>".encode()  # it has no namespace


def render_complete_multipart_upload(
    bucket: str, key: str, etag: str, location: str, *, checksum: Checksum | None = None
) -> bytes:
    """Render CompleteMultipartUploadResult; `location` is the object's URL."""
    return document(
        "CompleteMultipartUploadResult",
        tag("Location", location),
        tag("Bucket", bucket),
        tag("Key", key),
        etag_tag(etag),
        checksum_tags(checksum, with_kind=True),
    )
