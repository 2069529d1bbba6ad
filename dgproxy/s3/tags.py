# SPDX-License-Identifier: GPL-2.0-only
"""Object tags: the rules for keys and values, the x-amz-tagging header, and what a copy does with them.

What comes out of here is valid; the XML form is `xml`'s, which asks `check`. Rules: Amazon S3 User Guide,
"Categorizing your objects using tags".
"""

import unicodedata
from collections.abc import Iterable, Mapping
from typing import Final

from dgproxy.s3 import uri
from dgproxy.s3.errors import S3Error

__all__ = ["MAX_TAGS", "check", "of_headers", "replaces_tags"]

#: Tags of one object, and characters of a key and a value.
MAX_TAGS: Final = 10
_MAX_KEY: Final = 128
_MAX_VALUE: Final = 256
#: Besides letters, numbers and separators of any script.
_SIGNS: Final = frozenset("_.:/=+-@")

_HEADER: Final = "x-amz-tagging"
_DIRECTIVE: Final = "x-amz-tagging-directive"


def check(pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Make tags of pairs, in order. Raises S3Error InvalidTag."""
    tags: dict[str, str] = {}
    for key, value in pairs:
        if not 1 <= len(key) <= _MAX_KEY or not _allowed(key):
            raise S3Error("InvalidTag", "The TagKey you have provided is invalid", extra={"TagKey": key})
        if len(value) > _MAX_VALUE or not _allowed(value):
            raise S3Error("InvalidTag", "The TagValue you have provided is invalid", extra={"TagKey": key})
        if key.startswith("aws:"):
            raise S3Error("InvalidTag", "System tags cannot be added/updated by requester")
        if key in tags:
            message = "Cannot provide multiple Tags with the same key"
            raise S3Error("InvalidTag", message, extra={"TagKey": key})
        tags[key] = value
    if len(tags) > MAX_TAGS:
        raise S3Error("InvalidTag", f"Object tags cannot be greater than {MAX_TAGS}")
    return tags


def of_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """Read x-amz-tagging: `key=value&key=value`, encoded like a query string.

    `headers` have lower-case names. Raises S3Error: InvalidTag, InvalidArgument.
    """
    text = headers.get(_HEADER, "")
    try:
        pairs = [(key.decode(), value.decode()) for key, value in uri.query_pairs(text)]
    except UnicodeDecodeError as error:
        raise _bad_header(text) from error
    if len({key for key, _ in pairs}) < len(pairs):
        raise _bad_header(text)
    return check(pairs)


def replaces_tags(headers: Mapping[str, str]) -> bool:
    """Say whether a copy takes its tags from the request. Raises S3Error InvalidArgument."""
    directive = headers.get(_DIRECTIVE, "COPY")
    if directive not in ("COPY", "REPLACE"):
        extra = {"ArgumentName": _DIRECTIVE, "ArgumentValue": directive}
        raise S3Error("InvalidArgument", "Unknown tagging directive.", extra=extra)
    return directive == "REPLACE"


def _allowed(text: str) -> bool:
    return all(character in _SIGNS or unicodedata.category(character)[0] in "LNZ" for character in text)


def _bad_header(text: str) -> S3Error:
    return S3Error(
        "InvalidArgument",
        "The header 'x-amz-tagging' shall be encoded as UTF-8 then URLEncoded URL query parameters without "
        "tag name duplicates.",
        extra={"ArgumentName": _HEADER, "ArgumentValue": text},
    )
