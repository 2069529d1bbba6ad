# SPDX-License-Identifier: GPL-2.0-only
"""The canonical request of Signature Version 4: one spelling for whatever a client sent.

Both sides bring a request into this form and sign that, so a change here is a change of the protocol. It
promises to read the request exactly as it came over the wire: nothing is normalised that S3 doesn't, and
bytes that are no UTF-8 pass through. No secret and no clock: `signing` signs it, `sigv4` says what follows.

Amazon S3 API Reference, "Signature Calculations for the Authorization Header" and "Authenticating Requests:
Using Query Parameters".
"""

import re
from collections.abc import Mapping, Sequence
from typing import Final

from dgproxy.s3 import uri

__all__ = ["canonical_headers", "canonical_request"]

_SPACES: Final = re.compile(r"[ \t]+")


def canonical_headers(headers: Sequence[tuple[str, str]]) -> dict[str, str]:
    """Lower names, trim and collapse white space, join the values of a repeated header by ','."""
    canonical: dict[str, str] = {}
    for name, value in headers:
        lowered = name.lower()
        trimmed = _SPACES.sub(" ", value).strip(" ")
        canonical[lowered] = f"{canonical[lowered]},{trimmed}" if lowered in canonical else trimmed
    return canonical


def canonical_request(
    method: str,
    raw_path: str,
    query: Sequence[tuple[bytes, bytes]],
    headers: Mapping[str, str],
    signed_headers: str,
    content_sha256: str,
) -> str:
    """Put the lines together.

    `query` is as `uri.query_pairs` gives it, `headers` as `canonical_headers` does; `signed_headers` and
    `content_sha256` are what the client says they are. A signed header that was not sent counts as empty.
    """
    return "\n".join(
        (
            method,
            # S3 signs the key, not the client's way to spell it: decoded and encoded once, never normalised.
            uri.encode(uri.unescape(raw_path), safe="/"),
            _canonical_query(query),
            *(f"{name}:{headers.get(name, '')}" for name in signed_headers.split(";")),
            "",
            signed_headers,
            content_sha256,
        )
    )


def _canonical_query(pairs: Sequence[tuple[bytes, bytes]]) -> str:
    encoded = sorted(
        (uri.encode(name), uri.encode(value)) for name, value in pairs if name != b"X-Amz-Signature"
    )
    return "&".join(f"{name}={value}" for name, value in encoded)
