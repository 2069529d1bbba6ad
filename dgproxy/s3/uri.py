# SPDX-License-Identifier: GPL-2.0-only
"""Percent-encoding as S3 does it: request targets to bytes, query strings to pairs, names back to text.

Text that came over the wire holds bytes that are no UTF-8 as surrogates (`surrogateescape`); every function
here takes it so and loses nothing. What a path or parameter means is not known here.
"""

import re
from collections.abc import Iterable
from typing import Final
from urllib.parse import quote_from_bytes, unquote_to_bytes

from dgproxy.s3.errors import S3Error

__all__ = ["decode", "encode", "first_values", "query_pairs", "unescape", "wire_bytes"]

_BAD_ESCAPE: Final = re.compile(rb"%(?![0-9A-Fa-f]{2})")


def wire_bytes(text: str) -> bytes:
    """Give the bytes `text` came over the wire as. Raises S3Error InvalidURI for text that never did."""
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError as error:
        raise S3Error("InvalidURI") from error


def decode(raw: str) -> str:
    """Decode percent-escapes, once. Raises S3Error InvalidURI for a broken escape and for bytes not UTF-8."""
    data = wire_bytes(raw)
    if _BAD_ESCAPE.search(data):
        raise S3Error("InvalidURI")
    try:
        return unquote_to_bytes(data).decode()
    except UnicodeDecodeError as error:
        raise S3Error("InvalidURI") from error


def unescape(raw: str) -> bytes:
    """Decode percent-escapes, once, to whatever bytes they are; broken escapes stay as sent."""
    return unquote_to_bytes(wire_bytes(raw))


def encode(data: bytes, safe: str = "") -> str:
    """Encode every byte but RFC 3986's unreserved ones and those in `safe`."""
    return quote_from_bytes(data, safe=safe)


def query_pairs(raw_query: str) -> list[tuple[bytes, bytes]]:
    """Split and decode a query string, in order; `+` is a space, as in forms. Broken escapes stay as sent."""
    pairs = []
    for part in wire_bytes(raw_query).replace(b"+", b" ").split(b"&"):
        if part:
            name, _, value = part.partition(b"=")
            pairs.append((unquote_to_bytes(name), unquote_to_bytes(value)))
    return pairs


def first_values(pairs: Iterable[tuple[bytes, bytes]]) -> dict[str, str]:
    """Make a mapping of pairs, the first of each name, bytes that are no UTF-8 as surrogates."""
    values: dict[str, str] = {}
    for name, value in pairs:
        values.setdefault(name.decode("utf-8", "surrogateescape"), value.decode("utf-8", "surrogateescape"))
    return values
