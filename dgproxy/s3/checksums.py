# SPDX-License-Identifier: GPL-2.0-only
"""Checksums a client may send with a body or ask for: how to compute, read, compare and combine them.

`expect` reads from the headers which digests must hold; `Expected.verify` compares once all bytes are
through. Digests are raw bytes; text forms (base64, hex) exist only in headers and XML. Nothing here reads a
body.

Amazon S3 User Guide, "Checking object integrity in Amazon S3".
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Protocol

__all__ = ["Algorithm", "Checksum", "ChecksumType", "Expected", "Hasher", "combine", "expect", "new"]


class Algorithm(Enum):
    """A checksum algorithm, by S3's name for it."""

    CRC32 = "CRC32"
    CRC32C = "CRC32C"
    CRC64NVME = "CRC64NVME"
    SHA1 = "SHA1"
    SHA256 = "SHA256"

    @property
    def header(self) -> str:
        """`x-amz-checksum-crc32` and so on."""
        raise NotImplementedError

    @property
    def element(self) -> str:
        """`ChecksumCRC32` and so on: the name in XML."""
        raise NotImplementedError

    @property
    def size(self) -> int:
        """Length of a digest in bytes."""
        raise NotImplementedError


class ChecksumType(Enum):
    """What the checksum of a multipart object is of."""

    COMPOSITE = "COMPOSITE"
    FULL_OBJECT = "FULL_OBJECT"


class Hasher(Protocol):
    """An incremental checksum; `update` may be called from a worker thread, one at a time."""

    def update(self, data: bytes | bytearray | memoryview, /) -> None:
        """Take more bytes."""

    def digest(self) -> bytes:
        """Give the checksum of all bytes so far, big-endian."""


@dataclass(frozen=True, slots=True)
class Checksum:
    """A digest and how it was made. `parts` is the number of parts for a composite one, else 0."""

    algorithm: Algorithm
    digest: bytes
    kind: ChecksumType = ChecksumType.FULL_OBJECT
    parts: int = 0

    @property
    def text(self) -> str:
        """The value in headers and XML: base64, with `-N` for a composite one."""
        raise NotImplementedError


@dataclass(frozen=True, slots=True)
class Expected:
    """What the body must hash to. `algorithm` is the checksum to compute beside MD5 and SHA-256, or None.

    `digest` is its value when a header gave it; None when it comes in the trailer.
    """

    md5: bytes | None = None
    sha256: bytes | None = None
    algorithm: Algorithm | None = None
    digest: bytes | None = None

    def verify(
        self,
        *,
        md5: bytes | None = None,
        sha256: bytes | None = None,
        checksum: bytes | None = None,
        trailers: Mapping[str, str] | None = None,
    ) -> Checksum | None:
        """Compare with what was computed (a digest that nothing expects may be left out).

        Returns the client's checksum, verified, to be stored. Raises S3Error: BadDigest,
        XAmzContentSHA256Mismatch, InvalidRequest (a malformed value in the trailer).
        """
        raise NotImplementedError


def new(algorithm: Algorithm) -> Hasher:
    """Begin a checksum."""
    raise NotImplementedError


def expect(headers: Mapping[str, str], sha256: bytes | None = None) -> Expected:
    """Read what a request's headers promise of its body; `sha256` is `Payload.sha256`.

    Raises S3Error: InvalidDigest, InvalidRequest.
    """
    raise NotImplementedError


def combine(algorithm: Algorithm, kind: ChecksumType, parts: Sequence[tuple[bytes, int]]) -> Checksum:
    """Make a multipart object's checksum from its parts' (digest, length in bytes).

    FULL_OBJECT exists for the CRCs only; asking it of a hash is a programming error (ValueError).
    """
    raise NotImplementedError
