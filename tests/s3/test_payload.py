# SPDX-License-Identifier: GPL-2.0-only
import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dgproxy.s3.errors import S3Error
from dgproxy.s3.payload import Framing, Payload, describe

SHA256 = hashlib.sha256(b"body")
SIGNED = {"x-amz-content-sha256": "STREAMING-AWS4-HMAC-SHA256-PAYLOAD", "x-amz-decoded-content-length": "5"}
SIGNED_TRAILER = SIGNED | {"x-amz-content-sha256": "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER"}
UNSIGNED_TRAILER = SIGNED | {"x-amz-content-sha256": "STREAMING-UNSIGNED-PAYLOAD-TRAILER"}
CRC = {"x-amz-trailer": " X-Amz-Checksum-CRC32 ,"}


@pytest.mark.parametrize(
    ("headers", "payload"),
    [
        ({}, Payload(Framing.PLAIN, None, None)),
        ({"content-length": "0"}, Payload(Framing.PLAIN, 0, None)),
        (
            {"content-length": "7", "x-amz-content-sha256": "UNSIGNED-PAYLOAD"},
            Payload(Framing.PLAIN, 7, None),
        ),
        (
            {"content-length": "7", "x-amz-content-sha256": SHA256.hexdigest().upper()},
            Payload(Framing.PLAIN, 7, SHA256.digest()),
        ),
        (
            {"transfer-encoding": "chunked", "x-amz-decoded-content-length": "9"},
            Payload(Framing.PLAIN, 9, None),
        ),
        ({"content-length": "7", "content-encoding": "gzip"}, Payload(Framing.PLAIN, 7, None)),
        (SIGNED, Payload(Framing.SIGNED, 5, None)),
        (
            SIGNED | {"content-encoding": "aws-chunked", "content-length": "99"},
            Payload(Framing.SIGNED, 5, None),
        ),
        (SIGNED_TRAILER | CRC, Payload(Framing.SIGNED_TRAILER, 5, None, ("x-amz-checksum-crc32",))),
        (UNSIGNED_TRAILER | CRC, Payload(Framing.UNSIGNED_TRAILER, 5, None, ("x-amz-checksum-crc32",))),
        (UNSIGNED_TRAILER, Payload(Framing.UNSIGNED_TRAILER, 5, None)),
        # An anonymous SDK client: framed, but nobody added x-amz-content-sha256.
        (
            {"content-encoding": "gzip, AWS-chunked", "x-amz-decoded-content-length": "5"} | CRC,
            Payload(Framing.UNSIGNED_TRAILER, 5, None, ("x-amz-checksum-crc32",)),
        ),
    ],
)
def test_bodies(headers: dict[str, str], payload: Payload) -> None:
    assert describe(headers) == payload


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({"x-amz-content-sha256": ""}, "InvalidArgument"),
        ({"x-amz-content-sha256": "unsigned-payload"}, "InvalidArgument"),
        ({"x-amz-content-sha256": "0" * 63}, "InvalidArgument"),
        ({"x-amz-content-sha256": "g" * 64}, "InvalidArgument"),
        ({"x-amz-content-sha256": "STREAMING-SOMETHING-ELSE"}, "InvalidArgument"),
        ({"x-amz-content-sha256": "STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD"}, "NotImplemented"),
        ({"x-amz-content-sha256": "STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD-TRAILER"}, "NotImplemented"),
        (
            {"x-amz-content-sha256": SIGNED["x-amz-content-sha256"], "content-length": "9"},
            "MissingContentLength",
        ),
        ({"content-encoding": "aws-chunked", "content-length": "9"}, "MissingContentLength"),
        ({"content-encoding": "aws-chunked", "x-amz-content-sha256": "UNSIGNED-PAYLOAD"}, "InvalidRequest"),
        ({"content-encoding": "aws-chunked", "x-amz-content-sha256": SHA256.hexdigest()}, "InvalidRequest"),
        (SIGNED | {"x-amz-decoded-content-length": "-1"}, "InvalidArgument"),
        (SIGNED | {"x-amz-decoded-content-length": "5 "}, "InvalidArgument"),
        (SIGNED | {"x-amz-decoded-content-length": "\u0665"}, "InvalidArgument"),
        ({"content-length": "9" * 5000}, "InvalidArgument"),
        ({"content-length": ""}, "InvalidArgument"),
    ],
)
def test_a_framed_body_is_never_taken_for_a_plain_one(headers: dict[str, str], code: str) -> None:
    with pytest.raises(S3Error) as caught:
        describe(headers)
    assert caught.value.code == code


def test_a_presigned_url_can_carry_the_value() -> None:
    assert describe({"content-length": "4"}, SHA256.hexdigest()).sha256 == SHA256.digest()
    assert describe({"x-amz-decoded-content-length": "4"}, Framing.SIGNED.value).framing is Framing.SIGNED


@given(st.dictionaries(st.sampled_from([*SIGNED, *CRC, "content-length", "content-encoding"]), st.text()))
def test_any_headers_are_a_payload_or_an_s3_error(headers: dict[str, str]) -> None:
    try:
        payload = describe(headers)
    except S3Error:
        return
    assert payload.length is None or payload.length >= 0
    assert payload.framing is Framing.PLAIN or payload.length is not None
