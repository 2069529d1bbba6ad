# SPDX-License-Identifier: GPL-2.0-only
"""Query parameters of the five list operations, checked, and the opaque tokens that continue a listing.

A continuation token holds the last item of its page, so it stays good when that key is deleted. Nothing is
listed here.
"""

import base64
import binascii
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from dgproxy.s3.errors import S3Error
from dgproxy.s3.names import check_version

__all__ = [
    "MAX_BUCKETS",
    "MAX_ITEMS",
    "ListBuckets",
    "ListMultipartUploads",
    "ListObjectVersions",
    "ListObjects",
    "ListParts",
    "decode_token",
    "encode_token",
    "list_buckets",
    "list_multipart_uploads",
    "list_object_versions",
    "list_objects",
    "list_parts",
]

#: The most items of a page; who asks for more gets this many.
MAX_ITEMS: Final = 1000
MAX_BUCKETS: Final = 10_000
_INT_MAX: Final = 2**31 - 1

#: Parameters that make ListBuckets answer in pages.
_OF_BUCKETS: Final = frozenset({"bucket-region", "continuation-token", "max-buckets", "prefix"})

# Says how to read a token, so that a later form can be told apart.
_TOKEN_VERSION: Final = b"\x01"


@dataclass(frozen=True, slots=True)
class ListObjects:
    """ListObjects (V1: `marker`) or ListObjectsV2 (`token`, `start_after`), as asked.

    `after` is where the page begins, whichever parameter said so: keys and common prefixes up to and
    including it are past. `max_keys` is 0 to 1000. `url` is encoding-type=url. An empty `token` asks for the
    first page.
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
class ListObjectVersions:
    """The page begins behind `key_marker`, whose one version is past with it."""

    prefix: str
    delimiter: str
    max_keys: int
    key_marker: str
    version_id_marker: str
    url: bool


@dataclass(frozen=True, slots=True)
class ListParts:
    """`after` is the part number the page begins behind, 0 for the first page; `max_parts` is 0 to 1000."""

    after: int
    max_parts: int


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
    """`after` is the bucket name the page begins behind.

    `max_buckets` is 1 to 10000, None when nothing was asked of the page at all. `region` is "" for any.
    """

    prefix: str
    max_buckets: int | None
    after: str
    region: str = ""

    @property
    def asked(self) -> bool:
        """Whether there was any parameter: then S3 shows regions too."""
        return self.max_buckets is not None


def list_objects(query: Mapping[str, str]) -> ListObjects:
    """Read the parameters of ListObjects or ListObjectsV2. Raises S3Error InvalidArgument."""
    v2 = "list-type" in query
    marker = "" if v2 else query.get("marker", "")
    start_after = query.get("start-after", "") if v2 else ""
    token = query.get("continuation-token") if v2 else None
    return ListObjects(
        v2=v2,
        prefix=query.get("prefix", ""),
        delimiter=query.get("delimiter", ""),
        max_keys=_count(query, "max-keys", "maxKeys"),
        after=decode_token(token) if token else start_after or marker,
        marker=marker,
        start_after=start_after,
        token=token,
        fetch_owner=query.get("fetch-owner", "").lower() == "true",
        url=_encoding(query),
    )


def list_object_versions(query: Mapping[str, str]) -> ListObjectVersions:
    """Read the parameters of ListObjectVersions. Raises S3Error InvalidArgument, NoSuchVersion."""
    key_marker, version_id_marker = query.get("key-marker", ""), query.get("version-id-marker", "")
    if version_id_marker and not key_marker:
        message = "A version-id marker cannot be specified without a key marker."
        raise _invalid("version-id-marker", version_id_marker, message)
    if version_id_marker:
        check_version(version_id_marker)
    return ListObjectVersions(
        prefix=query.get("prefix", ""),
        delimiter=query.get("delimiter", ""),
        max_keys=_count(query, "max-keys", "max-keys"),
        key_marker=key_marker,
        version_id_marker=version_id_marker,
        url=_encoding(query),
    )


def list_parts(query: Mapping[str, str]) -> ListParts:
    """Read the parameters of ListParts. Raises S3Error InvalidArgument."""
    return ListParts(
        after=_integer(query, "part-number-marker", "part-number-marker", 0),
        max_parts=_count(query, "max-parts", "max-parts"),
    )


def list_multipart_uploads(query: Mapping[str, str]) -> ListMultipartUploads:
    """Read the parameters of ListMultipartUploads. Raises S3Error InvalidArgument."""
    key_marker = query.get("key-marker", "")
    return ListMultipartUploads(
        prefix=query.get("prefix", ""),
        delimiter=query.get("delimiter", ""),
        max_uploads=_count(query, "max-uploads", "max-uploads"),
        key_marker=key_marker,
        # Without a key marker S3 ignores this one.
        upload_id_marker=query.get("upload-id-marker", "") if key_marker else "",
        url=_encoding(query),
    )


def list_buckets(query: Mapping[str, str]) -> ListBuckets:
    """Read the parameters of ListBuckets. Raises S3Error InvalidArgument."""
    limit = MAX_BUCKETS if query.keys() & _OF_BUCKETS else None
    if "max-buckets" in query:
        limit = _integer(query, "max-buckets", "max-buckets", MAX_BUCKETS)
        if not 1 <= limit <= MAX_BUCKETS:
            raise _invalid(
                "max-buckets",
                query["max-buckets"],
                f"Argument max-buckets must be between 1 and {MAX_BUCKETS}",
            )
    token = query.get("continuation-token")
    return ListBuckets(
        prefix=query.get("prefix", ""),
        max_buckets=limit,
        after=decode_token(token) if token else "",
        region=query.get("bucket-region", ""),
    )


def encode_token(after: str) -> str:
    """Make the continuation token of a page that ends with `after`."""
    body = _TOKEN_VERSION + after.encode()
    return base64.urlsafe_b64encode(zlib.crc32(body).to_bytes(4, "big") + body).decode()


def decode_token(token: str) -> str:
    """Give back what `encode_token` took. Raises S3Error InvalidArgument for anything it did not make."""
    try:
        data = base64.b64decode(token.encode("ascii"), altchars=b"-_", validate=True)
        check, version, after = data[:4], data[4:5], data[5:].decode()
    except (UnicodeError, binascii.Error) as error:
        raise _bad_token(token) from error
    if version != _TOKEN_VERSION or check != zlib.crc32(data[4:]).to_bytes(4, "big"):
        raise _bad_token(token)
    return after


def _count(query: Mapping[str, str], name: str, shown: str) -> int:
    """Read how many items a page may have, cut to what a page can hold."""
    return min(MAX_ITEMS, _integer(query, name, shown, MAX_ITEMS))


def _integer(query: Mapping[str, str], name: str, shown: str, default: int) -> int:
    """Read an integer parameter; an empty one counts as not given."""
    text = query.get(name, "")
    if not text:
        return default
    digits = text.removeprefix("-")
    if not (digits.isascii() and digits.isdigit() and len(digits) <= 10):
        raise _invalid(name, text, f"Provided {name} not an integer or within integer range")
    value = int(text)
    if not 0 <= value <= _INT_MAX:
        raise _invalid(name, text, f"Argument {shown} must be an integer between 0 and {_INT_MAX}")
    return value


def _encoding(query: Mapping[str, str]) -> bool:
    """Say whether names are to come back URL-encoded."""
    encoding = query.get("encoding-type", "")
    if encoding.lower() not in ("", "url"):
        raise _invalid("encoding-type", encoding, "Invalid Encoding Method specified in Request")
    return bool(encoding)


def _bad_token(token: str) -> S3Error:
    return _invalid("continuation-token", token, "The continuation token provided is incorrect")


def _invalid(name: str, value: str, message: str) -> S3Error:
    return S3Error("InvalidArgument", message, extra={"ArgumentName": name, "ArgumentValue": value})
