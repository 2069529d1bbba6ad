# SPDX-License-Identifier: GPL-2.0-only
"""Routing: the table of S3's own model, then every rule that is not in it."""

from typing import Any
from urllib.parse import quote

import botocore.session
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dgproxy.s3 import unconfigured
from dgproxy.s3.errors import S3Error
from dgproxy.s3.operation import Body, CopySource, Operation, Request
from dgproxy.s3.routing import parse
from dgproxy.s3.target import parse_copy_source

SERVICE = botocore.session.get_session().get_service_model("s3")
VERSION = "3sL4kqtJlcpXroDTDmJqrmSpXd3dIbrHY"


def refusal(method: str, target: str, headers: dict[str, str] | None = None, **kw: Any) -> S3Error:
    with pytest.raises(S3Error) as caught:
        parse(method, target, headers or {}, **kw)
    return caught.value


@pytest.mark.parametrize("name", SERVICE.operation_names)
def test_every_operation_of_s3_is_routed_or_refused_by_name(name: str) -> None:
    model = SERVICE.operation_model(name)
    members = model.input_shape.members if model.input_shape else {}
    required = model.input_shape.required_members if model.input_shape else []
    query = [
        f"{shape.serialization['name']}={'1' if member == 'PartNumber' else 'x'}"
        for member, shape in members.items()
        if shape.serialization.get("location") == "querystring" and member in required
    ]
    path = model.http["requestUri"].replace("{Bucket}", "bucket").replace("{Key+}", "key")
    target = path + ("&" if "?" in path else "?") + "&".join([*query, f"x-id={name}"])
    headers = {
        shape.serialization["name"].lower(): "bucket/key"
        for member, shape in members.items()
        if shape.serialization.get("location") == "header" and member in required
    }
    # The two that S3 calls deprecated are its older names for the same request.
    renamed = name + "Configuration" if name in ("GetBucketLifecycle", "GetBucketNotification") else name
    if renamed in {operation.value for operation in Operation}:
        assert parse(model.http["method"], target, headers).operation is Operation(renamed)
    elif name not in ("ListDirectoryBuckets", "WriteGetObjectResponse"):
        # ListDirectoryBuckets and WriteGetObjectResponse live on other hosts.
        assert refusal(model.http["method"], target, headers).code == "NotImplemented"


def test_operations_know_what_they_do() -> None:
    assert Operation("UploadPart") is Operation.UPLOAD_PART
    assert {operation.value for operation in Operation if operation.body is Body.OBJECT} == {
        "PostObject",
        "PutObject",
        "UploadPart",
    }
    reads = {operation.value for operation in Operation if not operation.writes}
    assert all(name.startswith(("List", "Get", "Head")) for name in reads)
    assert len(Operation) == 31 + len(unconfigured.OPERATIONS) + len(unconfigured.REMOVALS)


@pytest.mark.parametrize(
    ("raw", "key"),
    [
        ("k", "k"),
        ("a/b/", "a/b/"),
        ("/a", "/a"),
        ("a//b", "a//b"),
        ("../x/./y", "../x/./y"),
        ("a%2Fb", "a/b"),
        ("a%252Fb", "a%2Fb"),
        ("a+b", "a+b"),
        ("a%20b%2B", "a b+"),
        ("%C3%A9", "é"),
        ("é", "é"),
        ("%00%1f", "\x00\x1f"),
        ("a;b=c,d:e@f", "a;b=c,d:e@f"),
        ("a%3Fb", "a?b"),
        ("*'()!~", "*'()!~"),
    ],
)
def test_the_path_is_decoded_once_and_not_normalised(raw: str, key: str) -> None:
    for target in (f"/bucket/{raw}", f"http://host:9000/bucket/{raw}?x-id=GetObject"):
        request = parse("GET", target, {})
        assert (request.operation, request.bucket, request.key) == (Operation.GET_OBJECT, "bucket", key)
        assert request.raw_path == f"/bucket/{raw}"


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=200))
def test_any_key_survives_its_encoding(key: str) -> None:
    for raw in (quote(key, safe="/"), quote(key, safe="")):
        assert parse("PUT", f"/bucket/{raw}", {}).key == key


@pytest.mark.parametrize(
    ("method", "target", "operation", "bucket", "key"),
    [
        ("GET", "/", "ListBuckets", "", ""),
        ("GET", "", None, "", ""),
        ("GET", "http://h", "ListBuckets", "", ""),
        ("GET", "/?prefix=a&max-buckets=3", "ListBuckets", "", ""),
        ("GET", "/bucket", "ListObjects", "bucket", ""),
        ("GET", "/bucket/", "ListObjects", "bucket", ""),
        ("GET", "/bucket/?list-type=2&prefix=a%2Fb", "ListObjectsV2", "bucket", ""),
        ("GET", "/bucket?location", "GetBucketLocation", "bucket", ""),
        ("GET", "/bucket?location=", "GetBucketLocation", "bucket", ""),
        ("GET", "/bucket?uploads&prefix=x", "ListMultipartUploads", "bucket", ""),
        ("HEAD", "/bucket", "HeadBucket", "bucket", ""),
        ("POST", "/bucket?delete", "DeleteObjects", "bucket", ""),
        ("GET", "/bucket/k?partNumber=2", "GetObject", "bucket", "k"),
        ("GET", "/bucket/k?versionId=null", "GetObject", "bucket", "k"),
        ("GET", "/bucket/k?response-content-type=a&X-Amz-Expires=3&custom", "GetObject", "bucket", "k"),
        ("GET", "/bucket/k?uploadId=u", "ListParts", "bucket", "k"),
        ("PUT", "/bucket/k?uploadId=u&partNumber=3", "UploadPart", "bucket", "k"),
        ("PUT", "/bucket/k?X-Amz-Signature=", "PutObject", "bucket", "k"),
        ("POST", "/bucket/k?uploads", "CreateMultipartUpload", "bucket", "k"),
        ("POST", "/bucket/k?uploads=", "CreateMultipartUpload", "bucket", "k"),
        ("POST", "/bucket/k?uploadId=u", "CompleteMultipartUpload", "bucket", "k"),
        ("DELETE", "/bucket/k?uploadId=u", "AbortMultipartUpload", "bucket", "k"),
        ("DELETE", "/bucket/a/", "DeleteObject", "bucket", "a/"),
    ],
)
def test_routes(method: str, target: str, operation: str | None, bucket: str, key: str) -> None:
    if operation is None:
        assert refusal(method, target).code == "InvalidURI"
        return
    request = parse(method, target, {})
    assert (request.operation.value, request.bucket, request.key) == (operation, bucket, key)


@pytest.mark.parametrize(
    ("method", "target", "code"),
    [
        ("GET", "/bucket/%", "InvalidURI"),
        ("GET", "/bucket/%zz", "InvalidURI"),
        ("GET", "/bucket/%ff", "InvalidURI"),
        ("GET", "/bucket/\udcff", "InvalidURI"),
        ("GET", "/bucket?prefix=%ff", "InvalidURI"),
        ("GET", "/bucket/" + "a" * 1025, "KeyTooLongError"),
        ("GET", "bucket/key", "InvalidURI"),
        ("OPTIONS", "*", "InvalidURI"),
        ("GET", "//key", "InvalidBucketName"),
        ("GET", "/_health", "InvalidBucketName"),
        ("GET", "/AB", "InvalidBucketName"),
        ("PUT", "/..%2Fetc", "InvalidBucketName"),
        ("PUT", "/xn--bucket", "InvalidBucketName"),
        ("POST", "/", "MethodNotAllowed"),
        ("PATCH", "/bucket/k", "MethodNotAllowed"),
        ("POST", "/bucket/k", "MethodNotAllowed"),
        ("PUT", "/bucket?uploads", "MethodNotAllowed"),
        ("PUT", "/bucket?location", "MethodNotAllowed"),
        ("HEAD", "/bucket?location", "MethodNotAllowed"),
        ("DELETE", "/bucket/k?uploads", "MethodNotAllowed"),
        ("HEAD", "/bucket/k?acl", "MethodNotAllowed"),
        ("PUT", "/bucket?logging", "NotImplemented"),
        ("PUT", "/bucket?versioning", "NotImplemented"),
        ("PUT", "/bucket/k?retention", "NotImplemented"),
        ("PUT", "/bucket/k?retention=", "NotImplemented"),
        ("PUT", "/bucket/k?somethingNew", "NotImplemented"),
        ("DELETE", "/bucket?somethingNew=", "NotImplemented"),
        ("GET", "/bucket?acl&policy", "InvalidArgument"),
        ("POST", "/bucket/k?uploads&uploadId=u", "InvalidArgument"),
        ("GET", "/bucket?list-type=3", "InvalidArgument"),
        ("PUT", "/bucket/k?partNumber=1", "InvalidArgument"),
        ("PUT", "/bucket/k?uploadId=u", "InvalidArgument"),
        ("GET", "/bucket/k?versionId=", "InvalidArgument"),
        ("GET", "/bucket/k?versionId=1", "InvalidArgument"),
        ("DELETE", f"/bucket/k?versionId={VERSION}", "NoSuchVersion"),
        ("OPTIONS", "/bucket/k", "MethodNotAllowed"),
    ],
)
def test_refusals(method: str, target: str, code: str) -> None:
    assert refusal(method, target).code == code


def test_method_not_allowed_says_what_is() -> None:
    error = refusal("POST", "/bucket/k")
    assert error.headers["Allow"] == "DELETE, GET, HEAD, PUT"
    assert error.extra == {"Method": "POST", "ResourceType": "OBJECT"}


def test_the_first_of_a_repeated_parameter_counts() -> None:
    query = parse("GET", "/bucket?prefix=a+b&prefix=c&delimiter=%2B&&=x&marker", {}).query
    assert query == {"prefix": "a b", "delimiter": "+", "": "x", "marker": ""}


@pytest.mark.parametrize(
    ("value", "bucket", "key"),
    [
        ("bucket/key", "bucket", "key"),
        ("/bucket/key", "bucket", "key"),
        ("bucket%2Fa%2Fb", "bucket", "a/b"),
        ("bucket//a", "bucket", "/a"),
        ("bucket/a%20b+c%2Bd", "bucket", "a b c+d"),
        ("bucket/%C3%A9?versionId=null", "bucket", "é"),
        ("bucket/a?b", "bucket", "a?b"),
        ("bucket/\u00e9", "bucket", "é"),
    ],
)
def test_copy_sources(value: str, bucket: str, key: str) -> None:
    assert parse_copy_source(value) == CopySource(bucket, key)
    request = parse("PUT", "/other/target", {"x-amz-copy-source": value})
    assert (request.operation, request.source) == (Operation.COPY_OBJECT, CopySource(bucket, key))
    request = parse("PUT", "/other/target?partNumber=1&uploadId=u", {"x-amz-copy-source": value})
    assert (request.operation, request.source) == (Operation.UPLOAD_PART_COPY, CopySource(bucket, key))


@pytest.mark.parametrize(
    ("value", "code"),
    [
        ("", "InvalidArgument"),
        ("/", "InvalidArgument"),
        ("bucket", "InvalidArgument"),
        ("bucket/", "InvalidArgument"),
        ("bucket/%zz", "InvalidArgument"),
        ("bucket/%ff", "InvalidArgument"),
        ("bucket/\udcff", "InvalidArgument"),
        ("bucket/k?versionId=1", "InvalidArgument"),
        (f"bucket/k?versionId={VERSION}", "NoSuchVersion"),
        ("B/k", "InvalidBucketName"),
        ("bucket/" + "k" * 1025, "KeyTooLongError"),
    ],
)
def test_bad_copy_sources(value: str, code: str) -> None:
    assert refusal("PUT", "/bucket/k", {"x-amz-copy-source": value}).code == code


def test_a_copy_source_matters_on_put_only() -> None:
    assert parse("GET", "/bucket/k", {"x-amz-copy-source": "x"}).operation is Operation.GET_OBJECT


@pytest.mark.parametrize(
    ("host", "target", "bucket", "key"),
    [
        ("my.bucket.s3.example.org:9000", "/a/b", "my.bucket", "a/b"),
        ("BUCKET.S3.example.org", "/", "bucket", ""),
        ("s3.example.org", "/bucket/k", "bucket", "k"),
        (".s3.example.org", "/bucket/k", "bucket", "k"),
        ("127.0.0.1:9000", "/bucket/k", "bucket", "k"),
        ("bucket.s3.example.org", "/other/k", "bucket", "other/k"),
    ],
)
def test_virtual_hosted_style(host: str, target: str, bucket: str, key: str) -> None:
    request = parse("GET", target, {"host": host}, domain="s3.example.org")
    assert (request.bucket, request.key) == (bucket, key)


METHODS = st.sampled_from(["GET", "PUT", "POST", "DELETE", "HEAD", "OPTIONS", "PATCH", "x"])


@given(
    METHODS,
    st.text(max_size=80) | st.text("/?&=%2fFaAcl+;ü\udc80", max_size=40),
    st.none() | st.text(max_size=40),
)
def test_any_request_line_is_a_request_or_an_s3_error(method: str, target: str, source: str | None) -> None:
    headers = {} if source is None else {"x-amz-copy-source": source}
    for prefix in ("", "/", "/bucket/", "/bucket?"):
        try:
            request = parse(method, prefix + target, headers)
        except S3Error:
            continue
        assert isinstance(request, Request)
        assert len(request.key.encode()) <= 1024
