# SPDX-License-Identifier: GPL-2.0-only
import base64
import hashlib
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dgproxy.s3.checksums import Algorithm, Checksum, ChecksumType, combine, decode_base64, new
from dgproxy.s3.errors import S3Error

# Check values of "123456789": the catalogue of CRCs (CRC-32/ISO-HDLC, CRC-32/ISCSI, CRC-64/NVME) and hashlib.
CHECK = {
    Algorithm.CRC32: "cbf43926",
    Algorithm.CRC32C: "e3069283",
    Algorithm.CRC64NVME: "ae8b14860a799888",
    Algorithm.SHA1: hashlib.sha1(b"123456789").hexdigest(),
    Algorithm.SHA256: hashlib.sha256(b"123456789").hexdigest(),
}
CRCS = [Algorithm.CRC32, Algorithm.CRC32C, Algorithm.CRC64NVME]


def digest(algorithm: Algorithm, data: bytes) -> bytes:
    hasher = new(algorithm)
    hasher.update(data)
    return hasher.digest()


@pytest.mark.parametrize("algorithm", Algorithm)
def test_known_values(algorithm: Algorithm) -> None:
    assert digest(algorithm, b"123456789").hex() == CHECK[algorithm]
    assert algorithm.header == f"x-amz-checksum-{algorithm.value.lower()}"
    assert algorithm.element == f"Checksum{algorithm.value}"


@given(st.sampled_from(Algorithm), st.lists(st.binary(max_size=100), max_size=6))
def test_pieces_of_any_kind_are_the_whole(algorithm: Algorithm, pieces: list[bytes]) -> None:
    hasher = new(algorithm)
    for kind, piece in zip([bytes, bytearray, memoryview] * 2, pieces, strict=False):
        hasher.update(kind(piece))  # type: ignore[operator]
    assert hasher.digest() == digest(algorithm, b"".join(pieces))
    assert hasher.digest() == hasher.digest()


@given(st.sampled_from(CRCS), st.lists(st.binary(max_size=100), min_size=1, max_size=6))
def test_the_full_object_checksum_of_parts(algorithm: Algorithm, parts: list[bytes]) -> None:
    found = combine(
        algorithm, ChecksumType.FULL_OBJECT, [(digest(algorithm, part), len(part)) for part in parts]
    )
    assert found == Checksum(algorithm, digest(algorithm, b"".join(parts)))
    assert "-" not in found.text


@given(st.sampled_from(Algorithm), st.lists(st.binary(max_size=100), min_size=1, max_size=6))
def test_the_composite_checksum_of_parts(algorithm: Algorithm, parts: list[bytes]) -> None:
    digests = [digest(algorithm, part) for part in parts]
    found = combine(algorithm, ChecksumType.COMPOSITE, [(part, 1) for part in digests])
    assert found.digest == digest(algorithm, b"".join(digests))
    assert found.text == base64.b64encode(found.digest).decode() + f"-{len(parts)}"
    assert Checksum.read(algorithm, found.text) == found


def test_which_types_an_algorithm_has() -> None:
    composite, full = ChecksumType.COMPOSITE, ChecksumType.FULL_OBJECT
    assert Algorithm.CRC64NVME.kinds == (full,)
    assert Algorithm.CRC32.kinds == Algorithm.CRC32C.kinds == (composite, full)
    assert Algorithm.SHA1.kinds == Algorithm.SHA256.kinds == (composite,)
    with pytest.raises(KeyError):
        combine(Algorithm.SHA256, full, [])


def test_headers() -> None:
    checksum = Checksum(Algorithm.CRC32, zlib.crc32(b"a").to_bytes(4, "big"))
    assert checksum.headers() == {"x-amz-checksum-crc32": "6Le+Qw==", "x-amz-checksum-type": "FULL_OBJECT"}
    part = Checksum(Algorithm.CRC32, checksum.digest, ChecksumType.COMPOSITE, 3)
    assert part.headers() == {"x-amz-checksum-crc32": "6Le+Qw==-3", "x-amz-checksum-type": "COMPOSITE"}


@pytest.mark.parametrize(
    "text",
    [
        *("", "6Le+Qw", "6Le+Qw=", "6Le+Qw==\n", "6Le-Qw==", "6Le+QwAA", "!Le+Qw==", "é", "\ud800"),
        *("6Le+Qw==-", "6Le+Qw==-x", "6Le+Qw==-\u0663", "6Le+Qw==-123456"),
    ],
)
def test_what_is_no_checksum(text: str) -> None:
    with pytest.raises(S3Error) as caught:
        Checksum.read(Algorithm.CRC32, text)
    assert caught.value.code == "InvalidRequest"
    assert caught.value.message == "Value for x-amz-checksum-crc32 header is invalid."


def test_checking_a_claim() -> None:
    actual = Checksum(Algorithm.CRC32, b"abcd", ChecksumType.COMPOSITE, 2)
    actual.check(None)
    actual.check(actual)
    actual.check(Checksum(Algorithm.CRC32, b"abcd"))
    for claimed, code in (
        (Checksum(Algorithm.CRC32, b"abce"), "BadDigest"),
        (Checksum(Algorithm.CRC32, b"abcd", ChecksumType.COMPOSITE, 3), "BadDigest"),
        (Checksum(Algorithm.CRC32C, b"abcd"), "InvalidRequest"),
    ):
        with pytest.raises(S3Error) as caught:
            actual.check(claimed)
        assert caught.value.code == code


@given(st.text())
def test_any_text_is_base64_or_not(text: str) -> None:
    data = decode_base64(text)
    assert data is None or data == base64.b64decode(text)
