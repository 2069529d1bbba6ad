# SPDX-License-Identifier: GPL-2.0-only
"""The documents that list buckets and objects, as pure functions of small records.

Times are milliseconds since the epoch, sizes bytes, etags without quotes. What `listing` read from the query
comes back in the document. Response syntax: Amazon S3 API Reference, page of each operation.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from dgproxy.s3 import listing
from dgproxy.s3.checksums import Algorithm, ChecksumType
from dgproxy.s3.dates import iso8601
from dgproxy.s3.xml.elements import (
    OWNER_FIELDS,
    checksum_kind_tags,
    common_prefix_tags,
    document,
    encoding_type_tag,
    etag_tag,
    name_tag,
    sent_tag,
    tag,
    truncated_tag,
)

__all__ = [
    "BucketEntry",
    "ObjectEntry",
    "render_list_buckets",
    "render_list_object_versions",
    "render_list_objects",
]

_STORAGE_CLASS: Final = "<StorageClass>STANDARD</StorageClass>"
_OWNER: Final = f"<Owner>{OWNER_FIELDS}</Owner>"


@dataclass(frozen=True, slots=True)
class BucketEntry:
    """A bucket in ListBuckets."""

    name: str
    created: int


@dataclass(frozen=True, slots=True)
class ObjectEntry:
    """An object in a listing; `size` is the object's own. `algorithms` are of the checksums it has."""

    key: str
    size: int
    etag: str
    modified: int
    algorithms: Sequence[Algorithm] = ()
    checksum_type: ChecksumType | None = None


def render_list_buckets(
    buckets: Sequence[BucketEntry], *, prefix: str = "", token: str | None = None, region: str = ""
) -> bytes:
    """Render ListAllMyBucketsResult; `token` continues the listing when there is more, `region` is shown."""
    place = tag("BucketRegion", region) if region else ""
    entries = "".join(
        f"<Bucket>{tag('Name', bucket.name)}{tag('CreationDate', iso8601(bucket.created))}{place}</Bucket>"
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
        (name_tag if asked.v2 else sent_tag)("Prefix", asked.prefix, url),
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
    checksum = checksum_kind_tags(entry.algorithms, entry.checksum_type)
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
            f"{checksum_kind_tags(entry.algorithms, entry.checksum_type)}"
            f"<Size>{entry.size}</Size>{_OWNER}{_STORAGE_CLASS}</Version>"
            for entry in objects
        ),
        common_prefix_tags(prefixes, url),
    )
