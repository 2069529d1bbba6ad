# SPDX-License-Identifier: GPL-2.0-only
"""What a request promises of its body's digests, and whether the promise was kept.

`expect` reads from the headers which digests must hold; `Expected.verify` compares once all bytes are
through. A promise is never ignored: one that cannot be read or checked is an error. Nothing here reads a
body.

Amazon S3 User Guide, "Checking object integrity in Amazon S3".
"""

import base64
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

from dgproxy.s3.checksums import Algorithm, Checksum, ChecksumType, decode_base64
from dgproxy.s3.errors import S3Error
from dgproxy.s3.payload import Payload

__all__ = ["Expected", "check_type", "claimed", "expect", "requested", "to_compute"]

_PREFIX: Final = "x-amz-checksum-"
#: x-amz-checksum-… headers that name no algorithm.
_NOT_ALGORITHMS: Final = frozenset({_PREFIX + "algorithm", _PREFIX + "mode", _PREFIX + "type"})
_BY_HEADER: Final = {algorithm.header: algorithm for algorithm in Algorithm}
_MD5_SIZE: Final = 16


@dataclass(frozen=True, slots=True)
class Expected:
    """What a body must hash to. `algorithm` is the checksum to compute beside MD5 and SHA-256, or None.

    `digest` is its value when a header gave it; None when it comes in the trailer. One that is not `stated`
    is computed to be kept, with nothing to compare it to.
    """

    md5: bytes | None = None
    sha256: bytes | None = None
    algorithm: Algorithm | None = None
    digest: bytes | None = None
    stated: bool = True

    def keeping(self, algorithm: Algorithm | None) -> "Expected":
        """Have this checksum computed, as it was announced for the whole upload.

        Raises S3Error InvalidRequest when the request promises another one.
        """
        if algorithm is None or self.algorithm is algorithm:
            return self
        if self.algorithm is None:
            return replace(self, algorithm=algorithm, stated=False)
        raise S3Error(
            "InvalidRequest",
            f"Checksum Type mismatch occurred, expected checksum Type: {algorithm.value.lower()}, "
            f"actual checksum Type: {self.algorithm.value.lower()}",
        )

    def require(self) -> None:
        """Insist on some promise, as DeleteObjects does. Raises S3Error InvalidRequest."""
        if self.md5 is None and self.sha256 is None and self.algorithm is None:
            raise S3Error("InvalidRequest", "Missing required header for this request: Content-MD5")

    def verify(
        self,
        *,
        md5: bytes | None = None,
        sha256: bytes | None = None,
        checksum: bytes | None = None,
        trailers: Mapping[str, str] | None = None,
    ) -> Checksum | None:
        """Compare with what was computed; a digest that nothing expects may be left out.

        Returns the checksum, now verified, to be stored. Raises S3Error: BadDigest,
        XAmzContentSHA256Mismatch, InvalidRequest (a malformed value in the trailer).
        """
        if self.sha256 is not None and self.sha256 != sha256:
            raise S3Error(
                "XAmzContentSHA256Mismatch",
                extra={
                    "ClientComputedContentSHA256": self.sha256.hex(),
                    "S3ComputedContentSHA256": _computed(sha256).hex(),
                },
            )
        if self.md5 is not None and self.md5 != md5:
            raise S3Error(
                "BadDigest",
                extra={
                    "ExpectedDigest": base64.b64encode(self.md5).decode(),
                    "CalculatedDigest": base64.b64encode(_computed(md5)).decode(),
                },
            )
        if self.algorithm is None:
            return None
        actual = Checksum(self.algorithm, _computed(checksum))
        if not self.stated:
            return actual
        stated = self.digest
        if stated is None:
            stated = Checksum.read(self.algorithm, (trailers or {}).get(self.algorithm.header, "")).digest
        actual.check(Checksum(self.algorithm, stated))
        return actual


def _computed(digest: bytes | None) -> bytes:
    if digest is None:
        raise ValueError("a digest that the request expects was not computed")
    return digest


def expect(headers: Mapping[str, str], payload: Payload) -> Expected:
    """Read what a request's headers promise of its body.

    Raises S3Error: InvalidDigest, InvalidRequest.
    """
    md5 = None
    if "content-md5" in headers:
        md5 = decode_base64(headers["content-md5"])
        if md5 is None or len(md5) != _MD5_SIZE:
            raise S3Error("InvalidDigest", extra={"Content-MD5": headers["content-md5"]})
    stated = claimed(headers)
    if "x-amz-trailer" in headers and not payload.trailers:
        raise S3Error("InvalidRequest", "x-amz-trailer needs a body with a trailer.")
    in_trailer = [_by_header(name) for name in payload.trailers]
    if len(in_trailer) + (stated is not None) > 1:
        raise _several()
    if stated is not None and stated.parts:
        raise S3Error("InvalidRequest", f"Value for {stated.algorithm.header} header is invalid.")
    algorithm = in_trailer[0] if in_trailer else stated.algorithm if stated else None
    _check_announced(headers, algorithm)
    return Expected(md5, payload.sha256, algorithm, stated.digest if stated else None)


def claimed(headers: Mapping[str, str]) -> Checksum | None:
    """Read the one x-amz-checksum-… header of a request, if any. Raises S3Error InvalidRequest."""
    names = [
        name.lower()
        for name in headers
        if name.lower().startswith(_PREFIX) and name.lower() not in _NOT_ALGORITHMS
    ]
    if not names:
        return None
    if len(names) > 1:
        raise _several()
    return Checksum.read(_by_header(names[0]), headers[names[0]])


def check_type(headers: Mapping[str, str], announced: ChecksumType) -> None:
    """Compare x-amz-checksum-type of CompleteMultipartUpload with Create's. Raises S3Error BadDigest."""
    stated = headers.get(_PREFIX + "type")
    if stated is not None and stated.upper() != announced.value:
        raise S3Error(
            "BadDigest", f"The checksum type is {announced.value}, {_PREFIX}type says {stated[:20]}."
        )


def to_compute(headers: Mapping[str, str]) -> Algorithm | None:
    """Read which checksum a copy shall have. Raises S3Error InvalidRequest."""
    name = headers.get(_PREFIX + "algorithm")
    return None if name is None else _named(name)


def requested(headers: Mapping[str, str]) -> tuple[Algorithm, ChecksumType] | None:
    """Read which checksum a multipart upload shall have, from CreateMultipartUpload's headers.

    Raises S3Error InvalidRequest.
    """
    name = headers.get(_PREFIX + "algorithm")
    kind_name = headers.get(_PREFIX + "type")
    if name is None:
        if kind_name is not None:
            raise S3Error(
                "InvalidRequest",
                "The x-amz-checksum-type header can only be used with the x-amz-checksum-algorithm header.",
            )
        return None
    algorithm = _named(name)
    try:
        kind = algorithm.kinds[0] if kind_name is None else ChecksumType(kind_name.upper())
    except ValueError as error:
        raise S3Error("InvalidRequest", "Value for x-amz-checksum-type header is invalid.") from error
    if kind not in algorithm.kinds:
        raise S3Error(
            "InvalidRequest",
            f"The {kind.value} checksum type cannot be used with the {algorithm.value} checksum algorithm.",
        )
    return algorithm, kind


def _check_announced(headers: Mapping[str, str], algorithm: Algorithm | None) -> None:
    announced = headers.get("x-amz-sdk-checksum-algorithm")
    if announced is None:
        return
    if _named(announced) is not algorithm:
        raise S3Error(
            "InvalidRequest",
            "x-amz-sdk-checksum-algorithm specified, but no corresponding x-amz-checksum-* or x-amz-trailer "
            "headers were found.",
        )


def _named(name: str) -> Algorithm:
    try:
        return Algorithm(name.upper())
    except ValueError as error:
        raise _unsupported() from error


def _by_header(name: str) -> Algorithm:
    if name not in _BY_HEADER:
        raise _unsupported()
    return _BY_HEADER[name]


def _unsupported() -> S3Error:
    valid = ", ".join(algorithm.value for algorithm in Algorithm)
    return S3Error(
        "InvalidRequest",
        "Checksum algorithm provided is unsupported. "
        f"Please try again with any of the valid types: [{valid}]",
    )


def _several() -> S3Error:
    return S3Error(
        "InvalidRequest",
        "Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed.",
    )
