# SPDX-License-Identifier: GPL-2.0-only
"""Query parameters of the five list operations, checked, and the opaque tokens that continue a listing.

A continuation token holds the last item of its page, so it stays good when that key is deleted. Times are not
read here and nothing is listed here.
"""

from collections.abc import Mapping
from dataclasses import dataclass

__all__ = [
    "ListBuckets",
    "ListMultipartUploads",
    "ListObjects",
    "ListParts",
    "decode_token",
    "encode_token",
    "list_buckets",
    "list_multipart_uploads",
    "list_objects",
    "list_parts",
]


@dataclass(frozen=True, slots=True)
class ListObjects:
    """ListObjects (V1: `marker`) or ListObjectsV2 (`token`, `start_after`), as asked.

    `after` is where the page begins, whichever parameter said so: keys and common prefixes up to and
    including it are past. `max_keys` is 0 to 1000. `url` is encoding-type=url.
    """

    v2: bool
    prefix: str
    delimiter: str
    max_keys: int
    after: str
    marker: str
    start_after: str
    token: str | None
    fetch_owner: bool
    url: bool


@dataclass(frozen=True, slots=True)
class ListParts:
    """`after` is the part number the page begins behind, 0 for the first page; `max_parts` is 0 to 1000."""

    after: int
    max_parts: int
    url: bool


@dataclass(frozen=True, slots=True)
class ListMultipartUploads:
    """The page begins behind upload `upload_id_marker` of `key_marker`; past the whole key when it is ""."""

    prefix: str
    delimiter: str
    max_uploads: int
    key_marker: str
    upload_id_marker: str
    url: bool


@dataclass(frozen=True, slots=True)
class ListBuckets:
    """`after` is the bucket name the page begins behind; `max_buckets` is 1 to 10000, None when not asked."""

    prefix: str
    max_buckets: int | None
    after: str


def list_objects(query: Mapping[str, str]) -> ListObjects:
    """Read the parameters of ListObjects or ListObjectsV2. Raises S3Error InvalidArgument."""
    raise NotImplementedError


def list_parts(query: Mapping[str, str]) -> ListParts:
    """Read the parameters of ListParts. Raises S3Error InvalidArgument."""
    raise NotImplementedError


def list_multipart_uploads(query: Mapping[str, str]) -> ListMultipartUploads:
    """Read the parameters of ListMultipartUploads. Raises S3Error InvalidArgument."""
    raise NotImplementedError


def list_buckets(query: Mapping[str, str]) -> ListBuckets:
    """Read the parameters of ListBuckets. Raises S3Error InvalidArgument."""
    raise NotImplementedError


def encode_token(after: str) -> str:
    """Make the continuation token of a page that ends with `after`."""
    raise NotImplementedError


def decode_token(token: str) -> str:
    """Give back what `encode_token` took. Raises S3Error InvalidArgument for anything it did not make."""
    raise NotImplementedError
