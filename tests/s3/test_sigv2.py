# SPDX-License-Identifier: GPL-2.0-only
"""Version 2 URLs as boto3 makes them."""

from datetime import UTC, datetime, timedelta
from typing import Any
from unittest import mock
from urllib.parse import parse_qs, quote, urlsplit

import boto3
import pytest
from botocore.auth import HmacV1QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials
from hypothesis import given
from hypothesis import strategies as st

from dgproxy.s3.claim import is_presigned_v2
from dgproxy.s3.errors import S3Error
from dgproxy.s3.sigv2 import authenticate

ACCESS_KEY, SECRET = "AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
NOW = datetime(2013, 5, 24, tzinfo=UTC)
HOST = ("Host", "h:9000")
Headers = list[tuple[str, str]]


def presign(method: str, path: str, headers: dict[str, str] | None = None, *, expires: int = 3600) -> str:
    request = AWSRequest(method, f"http://h:9000{path}", headers or {})
    with mock.patch("botocore.auth.time.time", return_value=NOW.timestamp()):
        HmacV1QueryAuth(Credentials(ACCESS_KEY, SECRET), expires).add_auth(request)
    split = urlsplit(request.url)
    return f"{split.path}?{split.query}"


def check(method: str, target: str, headers: Headers, now: datetime = NOW, **kw: Any) -> str:
    path, _, query = target.partition("?")
    found = authenticate(method, path, query, headers, secret_of={ACCESS_KEY: SECRET}.get, now=now, **kw)
    assert found.presigned
    assert found.content_sha256 == "UNSIGNED-PAYLOAD"
    return found.access_key


def refusal(method: str, target: str, headers: Headers, now: datetime = NOW, **kw: Any) -> S3Error:
    with pytest.raises(S3Error) as caught:
        check(method, target, headers, now, **kw)
    return caught.value


def test_the_published_example() -> None:
    # User Guide, "Query string request authentication alternative".
    target = (
        "/photos/puppy.jpg?AWSAccessKeyId=AKIAIOSFODNN7EXAMPLE"
        "&Signature=NpgCjnDzrM%2BWFzoENXmpNDUsSn8%3D&Expires=1175139620"
    )
    when = datetime(2007, 3, 29, 3, 40, 20, tzinfo=UTC)
    assert check("GET", target, [HOST], when, host_bucket="johnsmith") == ACCESS_KEY
    assert refusal("GET", target, [HOST], when).code == "SignatureDoesNotMatch"


@pytest.mark.parametrize(
    ("operation", "method", "parameters", "headers"),
    [
        ("get_object", "GET", {}, []),
        ("head_object", "HEAD", {}, []),
        ("delete_object", "DELETE", {}, []),
        ("get_object", "GET", {"ResponseContentDisposition": 'attachment; filename="a b+c.zip"'}, []),
        ("put_object", "PUT", {}, []),
        ("put_object", "PUT", {"ContentType": "text/plain"}, [("Content-Type", "text/plain")]),
        ("put_object", "PUT", {"Metadata": {"a": "1", "b": "x y"}, "ACL": "private"}, []),
        ("upload_part", "PUT", {"PartNumber": 3, "UploadId": "u+/="}, []),
    ],
)
def test_what_boto3_presigns_by_default(
    operation: str, method: str, parameters: dict[str, Any], headers: Headers
) -> None:
    client = boto3.client(
        "s3",
        endpoint_url="http://h:9000",
        aws_access_key_id=ACCESS_KEY,
        aws_secret_access_key=SECRET,
        region_name="us-east-1",
        config=Config(signature_version="s3"),
    )
    url = urlsplit(
        client.generate_presigned_url(
            operation, Params={"Bucket": "bucket", "Key": "d/a b+c\u00e9", **parameters}
        )
    )
    assert is_presigned_v2({name: values[0] for name, values in parse_qs(url.query).items()})
    now = datetime.now(UTC)
    target = f"{url.path}?{url.query}"
    assert check(method, target, [HOST, *headers], now) == ACCESS_KEY
    assert (
        refusal(method, target, [HOST, *headers], now + timedelta(hours=2)).message == "Request has expired"
    )
    assert refusal("POST", target, [HOST, *headers], now).code == "SignatureDoesNotMatch"
    assert (
        refusal(method, target, [HOST, *headers, ("x-amz-meta-a", "2")], now).code == "SignatureDoesNotMatch"
    )


KEYS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=30)


@given(KEYS, st.dictionaries(st.sampled_from(["partNumber", "uploadId", "uploads", "prefix"]), KEYS))
def test_any_key_and_parameters(key: str, query: dict[str, str]) -> None:
    path = f"/bucket/{quote(key, safe='/~')}"
    if query:
        path += "?" + "&".join(f"{name}={quote(value, safe='')}" for name, value in query.items())
    target = presign("GET", path)
    assert check("GET", target, [HOST]) == ACCESS_KEY
    assert refusal("GET", target.replace("/bucket/", "/bucket2/"), [HOST]).code == "SignatureDoesNotMatch"
    assert refusal("GET", target + "&acl", [HOST]).code == "SignatureDoesNotMatch"


def test_headers_count_where_they_are() -> None:
    target = presign("PUT", "/b/k", {"x-amz-meta-a": "1", "Content-Type": "text/plain"})
    assert "x-amz-meta-a=1" in target
    assert check("PUT", target, [HOST])
    assert check("PUT", target, [HOST, ("X-Amz-Meta-A", " 1 "), ("Content-Type", "text/plain")])
    for header in (("X-Amz-Meta-A", "2"), ("Content-Type", "text/html"), ("Content-MD5", "x")):
        assert refusal("PUT", target, [HOST, header]).code == "SignatureDoesNotMatch"


@pytest.mark.parametrize("expires", ["", "x", "-1", "1.5", "9" * 5000, "\u0661"])
def test_bad_expiry(expires: str) -> None:
    target = f"/b/k?AWSAccessKeyId={ACCESS_KEY}&Signature=s&Expires={quote(expires)}"
    assert refusal("GET", target, [HOST]).code == "AccessDenied"
    assert refusal("GET", f"/b/k?AWSAccessKeyId={ACCESS_KEY}&Signature=s", [HOST]).code == "AccessDenied"


def test_an_unknown_key() -> None:
    target = presign("GET", "/b/k").replace(ACCESS_KEY, "AKIANOBODY")
    assert refusal("GET", target, [HOST]).code == "InvalidAccessKeyId"


def test_a_mismatch_shows_what_was_signed() -> None:
    extra = refusal("GET", presign("PUT", "/b/k"), [HOST]).extra
    assert extra["StringToSign"].startswith("GET\n\n\n")
    assert bytes.fromhex(extra["StringToSignBytes"]).decode() == extra["StringToSign"]


@given(
    st.text(max_size=20),
    st.text(max_size=20),
    st.text(max_size=40),
    st.lists(st.tuples(st.text(), st.text())),
)
def test_any_request_is_refused_with_an_s3_error(
    method: str, path: str, query: str, headers: Headers
) -> None:
    claim = f"AWSAccessKeyId={ACCESS_KEY}&Signature=s&Expires=2000000000&{query}"
    assert refusal(method, f"{path.replace('?', '')}?{claim}", headers).status in (400, 403)
