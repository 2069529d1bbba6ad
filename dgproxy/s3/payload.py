# SPDX-License-Identifier: GPL-2.0-only
"""How a request body is framed, how long it is, and what it must hash to, read from the headers alone.

It promises that a body with framing is never taken for a plain one: an unknown x-amz-content-sha256, or
`aws-chunked` together with a value that does not frame, is an error. Decoding is `chunked`'s, verifying the
digests `checksums`'.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Final

__all__ = ["UNSIGNED_PAYLOAD", "Framing", "Payload", "describe"]

UNSIGNED_PAYLOAD: Final = "UNSIGNED-PAYLOAD"


class Framing(Enum):
    """What is between the body's bytes on the wire. The value is x-amz-content-sha256's."""

    PLAIN = ""
    SIGNED = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"
    SIGNED_TRAILER = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER"
    UNSIGNED_TRAILER = "STREAMING-UNSIGNED-PAYLOAD-TRAILER"


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
    raise NotImplementedError
