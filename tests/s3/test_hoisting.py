# SPDX-License-Identifier: GPL-2.0-only
"""Headers that a presigned URL carries as parameters."""

import pytest

from dgproxy.s3.errors import S3Error
from dgproxy.s3.hoisting import hoisted_headers, with_hoisted

V4 = {"X-Amz-Algorithm": "AWS4-HMAC-SHA256", "X-Amz-Signature": "0"}
V2 = {"AWSAccessKeyId": "A", "Signature": "0", "Expires": "1"}


@pytest.mark.parametrize(
    ("query", "headers"),
    [
        ({"x-amz-meta-a": "1"}, {}),  # not presigned: a parameter like any other
        (V4 | {"x-amz-meta-a": "1", "prefix": "p"}, {"x-amz-meta-a": "1"}),
        (V4 | {"X-Amz-Tagging": "a=b"}, {"x-amz-tagging": "a=b"}),
        (V4 | {"x-amz-checksum-crc32": "AAAAAA==", "x-amz-sdk-checksum-algorithm": "CRC32"}, {}),
        (V4 | {"x-amz-content-sha256": "UNSIGNED-PAYLOAD", "X-Amz-Security-Token": "t"}, {}),
        (V4 | {"content-type": "text/plain"}, {}),
        (V2 | {"content-type": "text/plain", "x-amz-acl": "private"},
         {"content-type": "text/plain", "x-amz-acl": "private"}),
    ],
)  # fmt: skip
def test_what_counts_as_a_header(query: dict[str, str], headers: dict[str, str]) -> None:
    assert hoisted_headers(query) == headers


def test_both_together() -> None:
    query = V4 | {"x-amz-meta-a": "1"}
    assert with_hoisted({"host": "h"}, query) == {"host": "h", "x-amz-meta-a": "1"}
    assert with_hoisted({"x-amz-meta-a": "1"}, query) == {"x-amz-meta-a": "1"}


def test_two_values_of_one_header_are_refused() -> None:
    with pytest.raises(S3Error, match="x-amz-meta-a") as raised:
        with_hoisted({"x-amz-meta-a": "2"}, V4 | {"x-amz-meta-a": "1"})
    assert raised.value.code == "InvalidRequest"
