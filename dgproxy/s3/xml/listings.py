# SPDX-License-Identifier: GPL-2.0-only
"""The documents of the five list operations, as pure functions of small records.

Times are milliseconds since the epoch, sizes bytes, etags without quotes. What `listing` read from the query
comes back in the document. Response syntax: Amazon S3 API Reference, page of each operation.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from dgproxy.s3 import listing
from dgproxy.s3.checksums import Algorithm, Checksum, ChecksumType
from dgproxy.s3.dates import iso8601
from dgproxy.s3.xml.elements import (
    OWNER_FIELDS,
    checksum_kind_tags,
    checksum_tags,
    common_prefix_tags,
    document,
    encoding_type_tag,
    etag_tag,
    name_tag,
    tag,
    truncated_tag,
)

__all__ = [
    "BucketEntry",
    "ObjectEntry",
    "PartEntry",
    "UploadEntry",
    "render_list_buckets",
    "render_list_multipart_uploads",
    "render_list_object_versions",
    "render_list_objects",
    "render_list_parts",
]

_STORAGE_CLASS: Final = "<StorageClass>STANDARD</StorageClass>"
_OWNER: Final = f"<Owner>{OWNER_FIELDS}</Owner>"
_INITIATOR: Final = f"<Initiator>{OWNER_FIELDS}</Initiator>"


@dataclass(frozen=True, slots=True)
class BucketEntry:
    """A bucket in ListBuckets."""

    name: str
    created: int


@dataclass(frozen=True, slots=True)
class ObjectEntry:
    """An object in a listing; `size` is the object's own."""

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
    checksum: tuple[Algorithm, ChecksumType] | None = None


def render_list_buckets(
    buckets: Sequence[BucketEntry], *, prefix: str = "", token: str | None = None
) -> bytes:
    """Render ListAllMyBucketsResult; `token` continues the listing when there is more."""
    entries = "".join(
        f"<Bucket>{tag('Name', bucket.name)}{tag('CreationDate', iso8601(bucket.created))}</Bucket>"
        for bucket in buckets
    )
    return document(
        "ListAllMyBucketsResult",
        _OWNER,
        f"<Buckets>{entries}</Buckets>",
        tag("ContinuationToken", token) if token is not None else "",
        tag("Prefix", prefix) if prefix else "",
    )


def render_list_objects(
    bucket: str,
    asked: listing.ListObjects,
    objects: Sequence[ObjectEntry],
    prefixes: Sequence[str],
    *,
    last: str | None,
) -> bytes:
    """Render ListBucketResult; `last` is the page's last key or common prefix, None when there is no more."""
    if asked.max_keys == 0:  # an empty page cannot be continued
        last = None
    url = asked.url
    if asked.v2:
        position = _position_v2(asked, last, len(objects) + len(prefixes))
    else:
        # Without a delimiter S3 leaves NextMarker out, and clients go on from the last key.
        following = name_tag("NextMarker", last, url) if last is not None and asked.delimiter else ""
        position = name_tag("Marker", asked.marker, url) + following
    owner = _OWNER if asked.fetch_owner or not asked.v2 else ""
    return document(
        "ListBucketResult",
        tag("Name", bucket),
        name_tag("Prefix", asked.prefix, url),
        position,
        tag("MaxKeys", str(asked.max_keys)),
        name_tag("Delimiter", asked.delimiter, url) if asked.delimiter else "",
        encoding_type_tag(url),
        truncated_tag(last is not None),
        *(_object(entry, owner, url) for entry in objects),
        common_prefix_tags(prefixes, url),
    )


def _position_v2(asked: listing.ListObjects, last: str | None, count: int) -> str:
    return "".join(
        (
            tag("ContinuationToken", asked.token) if asked.token is not None else "",
            tag("NextContinuationToken", listing.encode_token(last)) if last is not None else "",
            name_tag("StartAfter", asked.start_after, asked.url) if asked.start_after else "",
            tag("KeyCount", str(count)),
        )
    )


def _object(entry: ObjectEntry, owner: str, url: bool) -> str:
    checksum = ""
    if entry.checksum is not None:
        checksum = checksum_kind_tags(entry.checksum.algorithm, entry.checksum.kind)
    return (
        f"<Contents>{name_tag('Key', entry.key, url)}<LastModified>{iso8601(entry.modified)}</LastModified>"
        f"{etag_tag(entry.etag)}{checksum}<Size>{entry.size}</Size>{owner}{_STORAGE_CLASS}</Contents>"
    )


def render_list_object_versions(
    bucket: str,
    asked: listing.ListObjectVersions,
    objects: Sequence[ObjectEntry],
    prefixes: Sequence[str],
    *,
    last: str | None,
) -> bytes:
    """Render ListVersionsResult of a bucket that never was versioned: each object's one version is `null`."""
    url = asked.url
    following = ""
    if last is not None and asked.max_keys:
        # A page that ends with a common prefix goes on behind it: then there is no version to name.
        version = "" if prefixes and prefixes[-1] == last else tag("NextVersionIdMarker", "null")
        following = name_tag("NextKeyMarker", last, url) + version
    return document(
        "ListVersionsResult",
        tag("Name", bucket),
        name_tag("Prefix", asked.prefix, url),
        name_tag("KeyMarker", asked.key_marker, url),
        tag("VersionIdMarker", asked.version_id_marker),
        following,
        tag("MaxKeys", str(asked.max_keys)),
        name_tag("Delimiter", asked.delimiter, url) if asked.delimiter else "",
        encoding_type_tag(url),
        truncated_tag(bool(following)),
        *(
            f"<Version>{name_tag('Key', entry.key, url)}<VersionId>null</VersionId><IsLatest>true</IsLatest>"
            f"<LastModified>{iso8601(entry.modified)}</LastModified>{etag_tag(entry.etag)}"
            f"<Size>{entry.size}</Size>{_OWNER}{_STORAGE_CLASS}</Version>"
            for entry in objects
        ),
        common_prefix_tags(prefixes, url),
    )


def render_list_parts(
    bucket: str,
    key: str,
    upload_id: str,
    asked: listing.ListParts,
    parts: Sequence[PartEntry],
    *,
    more: bool,
    checksum: tuple[Algorithm, ChecksumType] | None = None,
) -> bytes:
    """Render ListPartsResult; `checksum` is what the upload was created with."""
    return document(
        "ListPartsResult",
        tag("Bucket", bucket),
        tag("Key", key),
        tag("UploadId", upload_id),
        _INITIATOR,
        _OWNER,
        _STORAGE_CLASS,
        tag("PartNumberMarker", str(asked.after)),
        tag("NextPartNumberMarker", str(parts[-1].number if parts else asked.after)),
        tag("MaxParts", str(asked.max_parts)),
        truncated_tag(more and asked.max_parts > 0),
        checksum_kind_tags(*checksum) if checksum else "",
        *(_part(part) for part in parts),
    )


def _part(part: PartEntry) -> str:
    return (
        f"<Part><PartNumber>{part.number}</PartNumber><LastModified>{iso8601(part.modified)}</LastModified>"
        f"{etag_tag(part.etag)}<Size>{part.size}</Size>{checksum_tags(part.checksum, with_kind=False)}</Part>"
    )


def render_list_multipart_uploads(
    bucket: str,
    asked: listing.ListMultipartUploads,
    uploads: Sequence[UploadEntry],
    prefixes: Sequence[str],
    *,
    more: bool,
) -> bytes:
    """Render ListMultipartUploadsResult; the next markers come from the last upload or common prefix."""
    url = asked.url
    next_markers = ""
    if more and asked.max_uploads > 0:
        # Code points sort as their UTF-8 bytes do.
        last_key, last_id = max(
            (uploads[-1].key, uploads[-1].upload_id) if uploads else ("", ""),
            (prefixes[-1], "") if prefixes else ("", ""),
        )
        next_markers = name_tag("NextKeyMarker", last_key, url) + tag("NextUploadIdMarker", last_id)
    return document(
        "ListMultipartUploadsResult",
        tag("Bucket", bucket),
        name_tag("KeyMarker", asked.key_marker, url),
        tag("UploadIdMarker", asked.upload_id_marker),
        next_markers,
        name_tag("Prefix", asked.prefix, url),
        name_tag("Delimiter", asked.delimiter, url) if asked.delimiter else "",
        tag("MaxUploads", str(asked.max_uploads)),
        encoding_type_tag(url),
        truncated_tag(bool(next_markers)),
        *(_upload(upload, url) for upload in uploads),
        common_prefix_tags(prefixes, url),
    )


def _upload(upload: UploadEntry, url: bool) -> str:
    return (
        f"<Upload>{name_tag('Key', upload.key, url)}{tag('UploadId', upload.upload_id)}{_INITIATOR}{_OWNER}"
        f"{_STORAGE_CLASS}<Initiated>{iso8601(upload.initiated)}</Initiated>"
        f"{checksum_kind_tags(*upload.checksum) if upload.checksum else ''}</Upload>"
    )
