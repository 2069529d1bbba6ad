# SPDX-License-Identifier: GPL-2.0-only
"""The HMACs of Signature Version 4: from a secret and text to signatures, and the chain of a body's chunks.

`signature` and `ChunkSigner` are all there is to sign with. Comparison takes the same time wherever two
signatures differ. What is signed is put together in `canonical`; whether a request passes is `sigv4`'s word.

Amazon S3 API Reference, "Signature Calculations for the Authorization Header" (single chunk, multiple chunks,
and including trailing headers).
"""

import hashlib
import hmac
from functools import lru_cache
from typing import Final

from dgproxy.s3 import uri
from dgproxy.s3.claim import ALGORITHM
from dgproxy.s3.errors import S3Error

__all__ = ["ChunkSigner", "equal", "signature", "signing_key", "string_to_sign"]

_EMPTY_SHA256: Final = hashlib.sha256(b"").hexdigest()


@lru_cache(maxsize=256)  # one entry per access key, day and region: without it, four more HMACs a request
def signing_key(secret: str, *scope: str) -> bytes:
    """Derive the key for a scope: date, region, service and terminal."""
    key = f"AWS4{secret}".encode()
    for part in scope:
        key = _hmac(key, uri.wire_bytes(part))
    return key


def string_to_sign(timestamp: str, scope: str, canonical: str) -> str:
    """Give what the signature of a request covers; `scope` reads `20130524/us-east-1/s3/aws4_request`."""
    digest = hashlib.sha256(uri.wire_bytes(canonical)).hexdigest()
    return f"{ALGORITHM}\n{timestamp}\n{scope}\n{digest}"


def signature(key: bytes, text: str) -> str:
    """Sign with a key that `signing_key` derived."""
    return _hmac(key, uri.wire_bytes(text)).hex()


def equal(expected: str, given: str) -> bool:
    """Compare signatures in constant time."""
    return hmac.compare_digest(expected.encode(), given.encode("utf-8", "replace"))


def _hmac(key: bytes, message: bytes) -> bytes:
    return hmac.digest(key, message, "sha256")


class ChunkSigner:
    """The chain of signatures in an aws-chunked body: each one signs its chunk and the one before it."""

    def __init__(self, key: bytes, timestamp: str, scope: str, seed: str) -> None:
        """`seed` is the request's own signature."""
        self._key = key
        self._head = f"{timestamp}\n{scope}\n"
        self._previous = seed

    def verify_chunk(self, sha256: str, claimed: str) -> None:
        """Check the next chunk, given the hex SHA-256 of its data. Raises S3Error SignatureDoesNotMatch."""
        self._verify(f"{ALGORITHM}-PAYLOAD\n", f"{_EMPTY_SHA256}\n{sha256}", claimed)

    def verify_trailer(self, sha256: str, claimed: str) -> None:
        """Check the trailer, last. Raises S3Error SignatureDoesNotMatch."""
        self._verify(f"{ALGORITHM}-TRAILER\n", sha256, claimed)

    def _verify(self, kind: str, rest: str, claimed: str) -> None:
        expected = signature(self._key, f"{kind}{self._head}{self._previous}\n{rest}")
        if not equal(expected, claimed):
            raise S3Error("SignatureDoesNotMatch", extra={"SignatureProvided": claimed})
        self._previous = expected
