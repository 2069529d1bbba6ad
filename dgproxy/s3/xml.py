# SPDX-License-Identifier: GPL-2.0-only
"""The XML documents of S3: parsers for what clients send, renderers for what they get.

Parsing is hardened: no DTD, no entities, no network, bounded size and depth; whatever a client sends is a
value or an S3Error. Rendering is pure, from the small records below. Keys come back encoded when `url` is
set; else characters XML 1.0 has no way to hold are written as character references, as S3 does. Times are
milliseconds since the epoch, etags have no quotes.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from dgproxy.s3 import listing
from dgproxy.s3.checksums import Checksum
from dgproxy.s3.errors import S3Error

__all__ = [
    "BucketEntry",
    "DeleteFailed",
    "DeleteItem",
    "DeleteRequest",
    "ObjectEntry",
    "PartEntry",
    "PartReference",
    "UploadEntry",
    "parse_complete_multipart_upload",
    "parse_create_bucket",
    "parse_delete",
    "render_complete_multipart_upload",
    "render_copy_object",
    "render_create_multipart_upload",
    "render_delete",
    "render_error",
    "render_list_buckets",
    "render_list_multipart_uploads",
    "render_list_objects",
    "render_list_parts",
    "render_location",
]

#: The largest document taken: 1000 keys of 1024 bytes, each byte as an entity, and their elements.
MAX_DOCUMENT = 8 << 20


@dataclass(frozen=True, slots=True)
class DeleteItem:
    """One object to delete, with the etag it must have, if any."""

    key: str
    etag: str | None = None


@dataclass(frozen=True, slots=True)
class DeleteRequest:
    """A DeleteObjects body; `quiet` leaves the successes out of the answer."""

    items: Sequence[DeleteItem]
    quiet: bool


@dataclass(frozen=True, slots=True)
class PartReference:
    """One part in a CompleteMultipartUpload body, with the checksums the client claims for it."""

    number: int
    etag: str
    checksums: Mapping[str, bytes] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class BucketEntry:
    """A bucket in ListBuckets."""

    name: str
    created: int


@dataclass(frozen=True, slots=True)
class ObjectEntry:
    """An object in a listing; `size` is the object's, in bytes."""

    key: str
    size: int
    etag: str
    modified: int
    checksum: Checksum | None = None


@dataclass(frozen=True, slots=True)
class PartEntry:
    """A part in ListParts."""

    number: int
    size: int
    etag: str
    modified: int
    checksum: Checksum | None = None


@dataclass(frozen=True, slots=True)
class UploadEntry:
    """An upload in ListMultipartUploads."""

    key: str
    upload_id: str
    initiated: int


@dataclass(frozen=True, slots=True)
class DeleteFailed:
    """One object that DeleteObjects could not delete."""

    key: str
    error: S3Error


def parse_create_bucket(body: bytes) -> str:
    """Read CreateBucketConfiguration; gives the LocationConstraint, "" for none or an empty body."""
    raise NotImplementedError


def parse_delete(body: bytes) -> DeleteRequest:
    """Read a DeleteObjects body: 1 to 1000 objects. Raises S3Error MalformedXML."""
    raise NotImplementedError


def parse_complete_multipart_upload(body: bytes) -> list[PartReference]:
    """Read a part list. Raises S3Error: MalformedXML (also when empty), InvalidPartOrder, InvalidArgument."""
    raise NotImplementedError


def render_error(error: S3Error, *, resource: str, request_id: str, host_id: str = "") -> bytes:
    """Render an Error document."""
    raise NotImplementedError


def render_list_buckets(
    buckets: Sequence[BucketEntry], *, prefix: str = "", token: str | None = None
) -> bytes:
    """Render ListAllMyBucketsResult; `token` continues the listing when there is more."""
    raise NotImplementedError


def render_location(region: str) -> bytes:
    """Render LocationConstraint; us-east-1 is the empty one."""
    raise NotImplementedError


def render_list_objects(
    bucket: str,
    asked: listing.ListObjects,
    objects: Sequence[ObjectEntry],
    prefixes: Sequence[str],
    *,
    last: str | None,
) -> bytes:
    """Render ListBucketResult; `last` is the page's last key or common prefix when there is more."""
    raise NotImplementedError


def render_copy_object(
    etag: str, modified: int, *, part: bool = False, checksum: Checksum | None = None
) -> bytes:
    """Render CopyObjectResult, or CopyPartResult for a part."""
    raise NotImplementedError


def render_delete(deleted: Sequence[str], failed: Sequence[DeleteFailed]) -> bytes:
    """Render DeleteResult; leave `deleted` empty when the request was quiet."""
    raise NotImplementedError


def render_create_multipart_upload(bucket: str, key: str, upload_id: str) -> bytes:
    """Render InitiateMultipartUploadResult."""
    raise NotImplementedError


def render_complete_multipart_upload(
    bucket: str, key: str, etag: str, location: str, *, checksum: Checksum | None = None
) -> bytes:
    """Render CompleteMultipartUploadResult; `location` is the object's URL."""
    raise NotImplementedError


def render_list_parts(
    bucket: str,
    key: str,
    upload_id: str,
    asked: listing.ListParts,
    parts: Sequence[PartEntry],
    *,
    more: bool,
) -> bytes:
    """Render ListPartsResult."""
    raise NotImplementedError


def render_list_multipart_uploads(
    bucket: str,
    asked: listing.ListMultipartUploads,
    uploads: Sequence[UploadEntry],
    prefixes: Sequence[str],
    *,
    more: bool,
) -> bytes:
    """Render ListMultipartUploadsResult; the next markers come from the last upload or common prefix."""
    raise NotImplementedError
