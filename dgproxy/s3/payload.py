# SPDX-License-Identifier: GPL-2.0-only
"""How a request body is framed, how long it is, and what it must hash to, read from the headers alone.

It promises that a body with framing is never taken for a plain one: an unknown x-amz-content-sha256, or
`aws-chunked` together with a value that does not frame, is an error. Decoding is `chunked`'s, verifying the
digests `checksums`'.

Amazon S3 API Reference, "Signature Calculations for the Authorization Header", x-amz-content-sha256.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Final

from dgproxy.s3.errors import S3Error

__all__ = ["UNSIGNED_PAYLOAD", "Framing", "Payload", "describe"]

UNSIGNED_PAYLOAD: Final = "UNSIGNED-PAYLOAD"

_HEX_SHA256: Final = re.compile(r"[0-9A-Fa-f]{64}")
_ASYMMETRIC: Final = "STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD"
#: More digits than any size has; int() of much longer ones is slow, then an error.
_MAX_DIGITS: Final = 19


class Framing(Enum):
    """What is between the body's bytes on the wire. The value is x-amz-content-sha256's."""

    PLAIN = ""
    SIGNED = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"
    SIGNED_TRAILER = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER"
    UNSIGNED_TRAILER = "STREAMING-UNSIGNED-PAYLOAD-TRAILER"


_FRAMINGS: Final = {framing.value: framing for framing in Framing if framing is not Framing.PLAIN}


@dataclass(frozen=True, slots=True)
class Payload:
    """`length` is of the decoded body, in bytes, None when the request states none.

    `sha256` is what the decoded body must hash to, or None. `trailers` are the lower-case names that
    x-amz-trailer announced; `chunked` checks that exactly these come.
    """

    framing: Framing
    length: int | None
    sha256: bytes | None
    trailers: tuple[str, ...] = ()


def describe(headers: Mapping[str, str], content_sha256: str | None = None) -> Payload:
    """Read the headers of a request that may have a body.

    `content_sha256` stands in for the header where a presigned URL carries the value
    (`sigv4.Authentication.content_sha256`).

    Raises S3Error: InvalidArgument, InvalidRequest, MissingContentLength (a framed body without
    x-amz-decoded-content-length), NotImplemented (asymmetric signatures).
    """
    stated = content_sha256 or headers.get("x-amz-content-sha256")
    encodings = [encoding.strip().lower() for encoding in headers.get("content-encoding", "").split(",")]
    if stated is None and "aws-chunked" in encodings:
        # SDKs set to anonymous frame the body for its trailer, and have no signer to add the other header.
        stated = Framing.UNSIGNED_TRAILER.value
    framing = _FRAMINGS.get(stated or "", Framing.PLAIN)
    if framing is not Framing.PLAIN:
        length = _length(headers, "x-amz-decoded-content-length")
        if length is None:
            raise S3Error("MissingContentLength", "You must provide x-amz-decoded-content-length.")
        trailers = () if framing is Framing.SIGNED else _trailers(headers.get("x-amz-trailer", ""))
        return Payload(framing, length, None, trailers)

    if "aws-chunked" in encodings:
        raise S3Error(
            "InvalidRequest",
            "Content-Encoding aws-chunked needs one of the STREAMING values in x-amz-content-sha256.",
        )
    length = _length(headers, "content-length")
    if length is None:
        # Transfer-Encoding: chunked; a client that states the size this way is believed, and held to it.
        length = _length(headers, "x-amz-decoded-content-length")
    return Payload(framing, length, _sha256(stated))


def _sha256(stated: str | None) -> bytes | None:
    if stated is None or stated == UNSIGNED_PAYLOAD:
        return None
    if _HEX_SHA256.fullmatch(stated):
        return bytes.fromhex(stated)
    if stated.startswith(_ASYMMETRIC):
        raise S3Error("NotImplemented", f"This server does not verify {stated}.")
    raise S3Error(
        "InvalidArgument",
        f"x-amz-content-sha256 must be {UNSIGNED_PAYLOAD}, {', '.join(_FRAMINGS)} or a valid sha256 value.",
        extra={"ArgumentName": "x-amz-content-sha256", "ArgumentValue": stated},
    )


def _length(headers: Mapping[str, str], name: str) -> int | None:
    text = headers.get(name)
    if text is None:
        return None
    if not (text.isascii() and text.isdigit() and len(text) <= _MAX_DIGITS):
        raise S3Error(
            "InvalidArgument",
            f"{name} must be a number of bytes.",
            extra={"ArgumentName": name, "ArgumentValue": text},
        )
    return int(text)


def _trailers(announced: str) -> tuple[str, ...]:
    return tuple(name for part in announced.split(",") if (name := part.strip().lower()))
