# SPDX-License-Identifier: GPL-2.0-only
"""Checksums a client may send with a body or ask for: how to compute, read, compare and combine them.

`expect` reads from the headers which digests must hold; `Expected.verify` compares once all bytes are
through. Digests are raw bytes; their text forms (base64) exist only in headers and XML. Nothing here reads a
body.

Amazon S3 User Guide, "Checking object integrity in Amazon S3".
"""

import base64
import binascii
import hashlib
import hmac
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from functools import reduce
from typing import Final, Protocol

from awscrt import checksums as crt  # type: ignore[import-untyped]

from dgproxy.s3.errors import S3Error

__all__ = [
    "Algorithm",
    "Checksum",
    "ChecksumType",
    "Hasher",
    "combine",
    "decode_base64",
    "new",
]


class ChecksumType(Enum):
    """What the checksum of a multipart object is of: its parts' checksums, or its bytes."""

    COMPOSITE = "COMPOSITE"
    FULL_OBJECT = "FULL_OBJECT"


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
        return _PREFIX + self.value.lower()

    @property
    def element(self) -> str:
        """`ChecksumCRC32` and so on: the name in XML."""
        return "Checksum" + self.value

    @property
    def kinds(self) -> tuple[ChecksumType, ...]:
        """The types a multipart object may have with it, the default first."""
        if self is Algorithm.CRC64NVME:
            return (ChecksumType.FULL_OBJECT,)
        return (ChecksumType.COMPOSITE, *((ChecksumType.FULL_OBJECT,) if self in _COMBINE else ()))


class Hasher(Protocol):
    """An incremental checksum; `update` may be called from a worker thread, one at a time."""

    def update(self, data: bytes | bytearray | memoryview, /) -> None:
        """Take more bytes."""

    def digest(self) -> bytes:
        """Give the checksum of all bytes so far, big-endian."""


class _Crc:
    """A running CRC; zlib's and the CRT's functions have the same shape."""

    __slots__ = ("_function", "_size", "_value")

    def __init__(self, function: Callable[..., int], size: int) -> None:
        self._function = function
        self._size = size
        self._value = 0

    def update(self, data: bytes | bytearray | memoryview, /) -> None:
        self._value = self._function(data, self._value)

    def digest(self) -> bytes:
        return self._value.to_bytes(self._size, "big")


_PREFIX: Final = "x-amz-checksum-"
_NEW: Final[Mapping[Algorithm, Callable[[], Hasher]]] = {
    Algorithm.CRC32: lambda: _Crc(zlib.crc32, 4),
    Algorithm.CRC32C: lambda: _Crc(crt.crc32c, 4),
    Algorithm.CRC64NVME: lambda: _Crc(crt.crc64nvme, 8),
    Algorithm.SHA1: lambda: hashlib.sha1(usedforsecurity=False),
    Algorithm.SHA256: hashlib.sha256,
}
_SIZES: Final = {algorithm: len(make().digest()) for algorithm, make in _NEW.items()}

#: crc(a), crc(b), len(b) -> crc(a + b)
_COMBINE: Final[Mapping[Algorithm, Callable[[int, int, int], int]]] = {
    Algorithm.CRC32: crt.combine_crc32,
    Algorithm.CRC32C: crt.combine_crc32c,
    Algorithm.CRC64NVME: crt.combine_crc64nvme,
}


@dataclass(frozen=True, slots=True)
class Checksum:
    """A digest and what it is of. `parts` is the number of parts of a composite one, else 0."""

    algorithm: Algorithm
    digest: bytes
    kind: ChecksumType = ChecksumType.FULL_OBJECT
    parts: int = 0

    @property
    def text(self) -> str:
        """The value in headers and XML: base64, with `-N` for a composite one of N parts."""
        suffix = f"-{self.parts}" if self.kind is ChecksumType.COMPOSITE else ""
        return base64.b64encode(self.digest).decode() + suffix

    @classmethod
    def read(cls, algorithm: Algorithm, text: str) -> "Checksum":
        """Read what `text` gave. Raises S3Error InvalidRequest."""
        encoded, dash, parts = text.partition("-")
        digest = decode_base64(encoded)
        if digest is None or len(digest) != _SIZES[algorithm]:
            raise S3Error("InvalidRequest", f"Value for {algorithm.header} header is invalid.")
        if not dash:
            return cls(algorithm, digest)
        if not (parts.isascii() and parts.isdigit() and 1 <= len(parts) <= 5):
            raise S3Error("InvalidRequest", f"Value for {algorithm.header} header is invalid.")
        return cls(algorithm, digest, ChecksumType.COMPOSITE, int(parts))

    def headers(self) -> dict[str, str]:
        """Make the response headers that show it."""
        return {self.algorithm.header: self.text, _PREFIX + "type": self.kind.value}

    def check(self, claimed: "Checksum | None") -> None:
        """Compare with what a client says this checksum is. Raises S3Error: BadDigest, InvalidRequest."""
        if claimed is None:
            return
        if claimed.algorithm is not self.algorithm:
            raise S3Error(
                "InvalidRequest",
                f"The {claimed.algorithm.value} you specified cannot be checked: "
                f"the object has {self.algorithm.value}.",
            )
        if (
            not hmac.compare_digest(claimed.digest, self.digest)
            or (claimed.parts or self.parts) != self.parts
        ):
            raise S3Error(
                "BadDigest",
                f"The {self.algorithm.value} you specified did not match the calculated checksum.",
            )


def new(algorithm: Algorithm) -> Hasher:
    """Begin a checksum."""
    return _NEW[algorithm]()


def combine(algorithm: Algorithm, kind: ChecksumType, parts: Sequence[tuple[bytes, int]]) -> Checksum:
    """Make a multipart object's checksum from its parts' (digest, length in bytes).

    FULL_OBJECT exists for the CRCs only; asking it of a hash is a programming error (KeyError).
    """
    if kind is ChecksumType.COMPOSITE:
        hasher = new(algorithm)
        for digest, _ in parts:
            hasher.update(digest)
        return Checksum(algorithm, hasher.digest(), kind, len(parts))
    join = _COMBINE[algorithm]
    crc = reduce(lambda crc, part: join(crc, int.from_bytes(part[0], "big"), part[1]), parts, 0)
    return Checksum(algorithm, crc.to_bytes(_SIZES[algorithm], "big"), kind)


def decode_base64(text: str) -> bytes | None:
    """Decode strictly; None for what is not base64."""
    try:
        return base64.b64decode(text.encode("ascii"), validate=True)
    except (UnicodeEncodeError, binascii.Error):
        return None
