# SPDX-License-Identifier: GPL-2.0-only
"""The documents that list parts and multipart uploads; conventions as in `listings`."""

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

__all__ = ["PartEntry", "UploadEntry", "render_list_multipart_uploads", "render_list_parts"]

_STORAGE_CLASS: Final = "<StorageClass>STANDARD</StorageClass>"
_OWNERS: Final = f"<Initiator>{OWNER_FIELDS}</Initiator><Owner>{OWNER_FIELDS}</Owner>"


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
        _OWNERS,
        _STORAGE_CLASS,
        tag("PartNumberMarker", str(asked.after)),
        tag("NextPartNumberMarker", str(parts[-1].number if parts else asked.after)),
        tag("MaxParts", str(asked.max_parts)),
        truncated_tag(more and asked.max_parts > 0),
        _announced(checksum),
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
        f"<Upload>{name_tag('Key', upload.key, url)}{tag('UploadId', upload.upload_id)}{_OWNERS}"
        f"{_STORAGE_CLASS}<Initiated>{iso8601(upload.initiated)}</Initiated>"
        f"{_announced(upload.checksum)}</Upload>"
    )


def _announced(checksum: tuple[Algorithm, ChecksumType] | None) -> str:
    return checksum_kind_tags([checksum[0]], checksum[1]) if checksum else ""
