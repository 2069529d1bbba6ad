# SPDX-License-Identifier: GPL-2.0-only
import base64
import contextlib
import hashlib
import zlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dgproxy.s3.checksums import Algorithm, Checksum, ChecksumType
from dgproxy.s3.errors import S3Error
from dgproxy.s3.integrity import Expected, claimed, expect, requested
from dgproxy.s3.payload import Framing, Payload

BODY = b"body"
MD5, SHA256 = hashlib.md5(BODY).digest(), hashlib.sha256(BODY).digest()
CRC = zlib.crc32(BODY).to_bytes(4, "big")
PLAIN = Payload(Framing.PLAIN, 4, None)
TRAILER = Payload(Framing.UNSIGNED_TRAILER, 4, None, ("x-amz-checksum-crc32",))


def b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


@pytest.mark.parametrize(
    ("headers", "payload", "expected"),
    [
        ({}, PLAIN, Expected()),
        ({"content-md5": b64(MD5)}, PLAIN, Expected(md5=MD5)),
        ({}, Payload(Framing.PLAIN, 4, SHA256), Expected(sha256=SHA256)),
        ({"x-amz-checksum-crc32": b64(CRC)}, PLAIN, Expected(algorithm=Algorithm.CRC32, digest=CRC)),
        (
            {"x-amz-checksum-sha256": b64(SHA256), "x-amz-sdk-checksum-algorithm": "sha256"},
            PLAIN,
            Expected(algorithm=Algorithm.SHA256, digest=SHA256),
        ),
        ({"x-amz-trailer": "x-amz-checksum-crc32"}, TRAILER, Expected(algorithm=Algorithm.CRC32)),
        (
            {"x-amz-trailer": "x-amz-checksum-crc32", "x-amz-sdk-checksum-algorithm": "CRC32"},
            TRAILER,
            Expected(algorithm=Algorithm.CRC32),
        ),
        ({"x-amz-checksum-type": "FULL_OBJECT", "x-amz-checksum-mode": "ENABLED"}, PLAIN, Expected()),
    ],
)
def test_what_headers_promise(headers: dict[str, str], payload: Payload, expected: Expected) -> None:
    assert expect(headers, payload) == expected


@pytest.mark.parametrize(
    ("headers", "payload", "code"),
    [
        ({"content-md5": ""}, PLAIN, "InvalidDigest"),
        ({"content-md5": "YWJj"}, PLAIN, "InvalidDigest"),
        ({"content-md5": MD5.hex()}, PLAIN, "InvalidDigest"),
        ({"content-md5": "AWS4 HAHAHA"}, PLAIN, "InvalidDigest"),
        ({"content-md5": "é" * 24}, PLAIN, "InvalidDigest"),
        ({"x-amz-checksum-crc32": "bad"}, PLAIN, "InvalidRequest"),
        ({"x-amz-checksum-crc32": b64(SHA256)}, PLAIN, "InvalidRequest"),
        ({"x-amz-checksum-crc32": b64(CRC) + "-2"}, PLAIN, "InvalidRequest"),
        ({"x-amz-checksum-whirlpool": "AAAA"}, PLAIN, "InvalidRequest"),
        ({"x-amz-checksum-crc32": b64(CRC), "x-amz-checksum-sha256": b64(SHA256)}, PLAIN, "InvalidRequest"),
        ({"x-amz-checksum-crc32": b64(CRC)}, TRAILER, "InvalidRequest"),
        ({"x-amz-trailer": "x-amz-checksum-crc32"}, PLAIN, "InvalidRequest"),
        ({}, Payload(Framing.SIGNED_TRAILER, 4, None, ("x-amz-meta-a",)), "InvalidRequest"),
        (
            {},
            Payload(Framing.SIGNED_TRAILER, 4, None, ("x-amz-checksum-crc32", "x-amz-checksum-sha1")),
            "InvalidRequest",
        ),
        ({"x-amz-sdk-checksum-algorithm": "CRC32"}, PLAIN, "InvalidRequest"),
        ({"x-amz-sdk-checksum-algorithm": "SHA1"}, TRAILER, "InvalidRequest"),
        ({"x-amz-sdk-checksum-algorithm": "CRC16"}, PLAIN, "InvalidRequest"),
    ],
)
def test_promises_that_cannot_be_kept(headers: dict[str, str], payload: Payload, code: str) -> None:
    with pytest.raises(S3Error) as caught:
        expect(headers, payload)
    assert caught.value.code == code


ACTUAL: dict[str, Any] = {"md5": MD5, "sha256": SHA256, "checksum": CRC}
STORED = Checksum(Algorithm.CRC32, CRC)
CRC_EXPECTED = Expected(algorithm=Algorithm.CRC32)


@pytest.mark.parametrize(
    ("expected", "trailers", "stored"),
    [
        (Expected(), {}, None),
        (Expected(md5=MD5, sha256=SHA256), {}, None),
        (Expected(md5=MD5, algorithm=Algorithm.CRC32, digest=CRC), {}, STORED),
        (CRC_EXPECTED, {"x-amz-checksum-crc32": b64(CRC)}, STORED),
    ],
)
def test_kept(expected: Expected, trailers: dict[str, str], stored: Checksum | None) -> None:
    assert expected.verify(**ACTUAL, trailers=trailers) == stored


@pytest.mark.parametrize(
    ("expected", "trailers", "code"),
    [
        (Expected(md5=SHA256[:16]), {}, "BadDigest"),
        (Expected(sha256=SHA256[::-1]), {}, "XAmzContentSHA256Mismatch"),
        (Expected(algorithm=Algorithm.CRC32, digest=b"0000"), {}, "BadDigest"),
        (CRC_EXPECTED, {"x-amz-checksum-crc32": "AAAAAA=="}, "BadDigest"),
        (CRC_EXPECTED, {"x-amz-checksum-crc32": "AAAA"}, "InvalidRequest"),
        (CRC_EXPECTED, {}, "InvalidRequest"),
    ],
)
def test_broken(expected: Expected, trailers: dict[str, str], code: str) -> None:
    with pytest.raises(S3Error) as caught:
        expected.verify(**ACTUAL, trailers=trailers)
    assert caught.value.code == code


def test_broken_digests_are_shown() -> None:
    with pytest.raises(S3Error) as caught:
        Expected(md5=SHA256[:16]).verify(md5=MD5)
    assert caught.value.extra == {"ExpectedDigest": b64(SHA256[:16]), "CalculatedDigest": b64(MD5)}


@pytest.mark.parametrize("expected", [Expected(md5=MD5), Expected(sha256=SHA256), CRC_EXPECTED])
def test_forgetting_to_compute_a_digest_is_a_programming_error(expected: Expected) -> None:
    with pytest.raises(ValueError, match="not computed"):
        expected.verify(trailers={"x-amz-checksum-crc32": b64(CRC)})


def test_delete_objects_needs_some_promise() -> None:
    for good in (Expected(md5=MD5), Expected(sha256=SHA256), CRC_EXPECTED):
        good.require()
    with pytest.raises(S3Error) as caught:
        Expected().require()
    assert caught.value.code == "InvalidRequest"


def test_the_claim_of_a_whole_object() -> None:
    assert claimed({"x-amz-checksum-type": "COMPOSITE"}) is None
    assert claimed({"x-amz-checksum-crc32": b64(CRC)}) == STORED
    composite = Checksum(Algorithm.CRC32, CRC, ChecksumType.COMPOSITE, 7)
    assert claimed({"x-amz-checksum-crc32": b64(CRC) + "-7"}) == composite


ALGORITHM, TYPE = "x-amz-checksum-algorithm", "x-amz-checksum-type"


@pytest.mark.parametrize(
    ("headers", "found"),
    [
        ({}, None),
        ({ALGORITHM: "CRC32"}, (Algorithm.CRC32, ChecksumType.COMPOSITE)),
        ({ALGORITHM: "crc32c", TYPE: "full_object"}, (Algorithm.CRC32C, ChecksumType.FULL_OBJECT)),
        ({ALGORITHM: "CRC64NVME"}, (Algorithm.CRC64NVME, ChecksumType.FULL_OBJECT)),
        ({ALGORITHM: "SHA256", TYPE: "COMPOSITE"}, (Algorithm.SHA256, ChecksumType.COMPOSITE)),
        ({TYPE: "COMPOSITE"}, "InvalidRequest"),
        ({ALGORITHM: "SHA256", TYPE: "FULL_OBJECT"}, "InvalidRequest"),
        ({ALGORITHM: "CRC64NVME", TYPE: "COMPOSITE"}, "InvalidRequest"),
        ({ALGORITHM: "CRC32", TYPE: "PARTIAL"}, "InvalidRequest"),
        ({ALGORITHM: "MD4"}, "InvalidRequest"),
    ],
)
def test_what_an_upload_asks_for(headers: dict[str, str], found: object) -> None:
    if not isinstance(found, str):
        assert requested(headers) == found
        return
    with pytest.raises(S3Error) as caught:
        requested(headers)
    assert caught.value.code == found


NAMES = [
    "content-md5",
    "x-amz-trailer",
    "x-amz-sdk-checksum-algorithm",
    ALGORITHM,
    TYPE,
    "x-amz-checksum-sha1",
]


@given(st.dictionaries(st.sampled_from(NAMES) | st.text(), st.text()), st.sampled_from([PLAIN, TRAILER]))
def test_any_headers_are_a_promise_or_an_s3_error(headers: dict[str, str], payload: Payload) -> None:
    for read in (lambda: expect(headers, payload), lambda: requested(headers), lambda: claimed(headers)):
        with contextlib.suppress(S3Error):
            read()
