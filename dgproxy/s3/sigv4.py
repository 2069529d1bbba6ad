# SPDX-License-Identifier: GPL-2.0-only
"""AWS Signature Version 4: whether a request is from the holder of the secret key, and fresh.

`authenticate` checks a signed Authorization header or a presigned URL against the request exactly as it came
over the wire, and gives what is needed to check a signed body (`ChunkSigner`, for `chunked`). It promises
that nothing of the request counts before the signature matched, and that comparison takes the same time
wherever the signatures differ.

Any region is accepted unless one is asked for: clients of a self-hosted store sign for whatever region they
are set to, and the region protects nothing here.

What a key may do is not decided here, and secrets come from the caller. Amazon S3 API Reference,
"Authenticating Requests (AWS Signature Version 4)".
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

__all__ = ["Authentication", "ChunkSigner", "authenticate", "has_credentials"]


class ChunkSigner:
    """The chain of signatures in an aws-chunked body: each one signs its chunk and the one before it."""

    def __init__(self, signing_key: bytes, timestamp: str, scope: str, seed: str) -> None: ...

    def verify_chunk(self, sha256: str, signature: str) -> None:
        """Check the next chunk, given the hex SHA-256 of its data. Raises S3Error SignatureDoesNotMatch."""

    def verify_trailer(self, sha256: str, signature: str) -> None:
        """Check the trailer, last. Raises S3Error SignatureDoesNotMatch."""


@dataclass(frozen=True, slots=True)
class Authentication:
    """A request whose signature matched.

    `scope` reads `20130524/us-east-1/s3/aws4_request`, `timestamp` `20130524T000000Z`; `content_sha256` is
    what the signature covers of the body, as x-amz-content-sha256 spells it (for `payload.describe`).
    """

    access_key: str
    scope: str
    timestamp: str
    content_sha256: str
    signature: str
    signing_key: bytes
    presigned: bool

    def chunk_signer(self) -> ChunkSigner:
        """Begin the signature chain of a body with signed chunks."""
        return ChunkSigner(self.signing_key, self.timestamp, self.scope, self.signature)


def has_credentials(headers: Mapping[str, str], query: Mapping[str, str]) -> bool:
    """Say whether the request claims to be signed, by an Authorization header or as a presigned URL."""
    raise NotImplementedError


def authenticate(
    method: str,
    raw_path: str,
    raw_query: str,
    headers: Sequence[tuple[str, str]],
    *,
    secret_of: Callable[[str], str | None],
    region: str | None = None,
    now: datetime,
) -> Authentication:
    """Verify the signature of one request.

    `headers` are all pairs as received, in order, names in any case; `secret_of` maps an access key to its
    secret, None for an unknown key; `now` is timezone-aware.

    Raises S3Error: AccessDenied, AuthorizationHeaderMalformed, AuthorizationQueryParametersError,
    InvalidAccessKeyId, InvalidArgument, InvalidRequest, InvalidToken, RequestTimeTooSkewed,
    SignatureDoesNotMatch.
    """
    raise NotImplementedError
