# SPDX-License-Identifier: GPL-2.0-only
"""boto3 with default settings: every operation on objects and buckets that we claim, one after the other."""

import base64
import hashlib
import time
import urllib.error
import urllib.request
import zlib
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.system.artifacts import generate, next_version
from tests.system.clients import S3Client, boto3_client, get
from tests.system.harness import Server

FIRST = generate(7, 5_000_000)
SECOND = next_version(FIRST, 8)


def refused(call: Callable[..., Any], /, **arguments: Any) -> tuple[int, str]:
    """Status and code of the error that a call must end with."""
    with pytest.raises(ClientError) as caught:
        call(**arguments)
    answer = caught.value.response
    assert header(answer, "x-amz-request-id") == answer["ResponseMetadata"]["RequestId"]
    return answer["ResponseMetadata"]["HTTPStatusCode"], answer["Error"]["Code"]


def header(answer: Any, name: str) -> str:
    value = answer["ResponseMetadata"]["HTTPHeaders"][name]
    assert isinstance(value, str)
    return value


@pytest.fixture
def versions(s3: S3Client, bucket: str) -> str:
    """`r/v1.tar` (direct, the reference) and `r/v2.tar` (delta); returns the bucket."""
    for key, data, kind in (("r/v1.tar", FIRST, "direct"), ("r/v2.tar", SECOND, "delta")):
        answer = s3.put_object(Bucket=bucket, Key=key, Body=data)
        assert header(answer, "x-amz-storage-type") == kind
        assert answer["ETag"] == f'"{hashlib.md5(data).hexdigest()}"'
    return bucket


def test_put_get_head(s3: S3Client, versions: str) -> None:
    for key, data, kind in (("r/v1.tar", FIRST, "direct"), ("r/v2.tar", SECOND, "delta")):
        got, head = get(s3, versions, key), s3.head_object(Bucket=versions, Key=key)
        assert got["Body"] == data
        for answer in (got, head):
            assert header(answer, "x-amz-storage-type") == kind
            assert answer["ContentLength"] == len(data)
            assert answer["ETag"] == f'"{hashlib.md5(data).hexdigest()}"'
            assert abs(answer["LastModified"] - datetime.now(UTC)) < timedelta(minutes=2)
            assert answer["AcceptRanges"] == "bytes"
    assert refused(s3.get_object, Bucket=versions, Key="r/v3.tar") == (404, "NoSuchKey")
    assert refused(s3.head_object, Bucket=versions, Key="r/v3.tar") == (404, "404")


@pytest.mark.parametrize("size", [0, 1, 8191, 8192, 8193, (4 << 20) - 1, 4 << 20, (4 << 20) + 1])
@pytest.mark.parametrize("suffix", [".zip", ".txt"])
def test_sizes(s3: S3Client, bucket: str, size: int, suffix: str) -> None:
    """Empty, inside the manifest, around a window's edge; twice, so that the second may be a delta."""
    for number in (1, 2):
        data = generate(number if suffix == ".txt" else 1, size)
        s3.put_object(Bucket=bucket, Key=f"s/{number}{suffix}", Body=data)
        assert get(s3, bucket, f"s/{number}{suffix}")["Body"] == data


def test_headers_and_metadata_come_back(s3: S3Client, bucket: str) -> None:
    expires = datetime(2040, 1, 2, 3, 4, 5, tzinfo=UTC)
    s3.put_object(
        Bucket=bucket,
        Key="h.zip",
        Body=FIRST[:20_000],
        ContentType="application/zip",
        ContentEncoding="gzip",
        ContentLanguage="de",
        ContentDisposition='attachment; filename="h.zip"',
        CacheControl="max-age=60",
        Expires=expires,
        Metadata={"build": "17", "Mixed-Case": "Value With  Spaces"},
    )
    for answer in (s3.head_object(Bucket=bucket, Key="h.zip"), get(s3, bucket, "h.zip")):
        assert answer["ContentType"] == "application/zip"
        assert answer["ContentEncoding"] == "gzip"
        assert answer["ContentLanguage"] == "de"
        assert answer["ContentDisposition"] == 'attachment; filename="h.zip"'
        assert answer["CacheControl"] == "max-age=60"
        assert header(answer, "expires") == "Mon, 02 Jan 2040 03:04:05 GMT"
        assert answer["Metadata"] == {"build": "17", "mixed-case": "Value With  Spaces"}
    s3.put_object(Bucket=bucket, Key="h.zip", Body=b"new")
    plain = s3.head_object(Bucket=bucket, Key="h.zip")
    assert plain["Metadata"] == {}
    assert plain["ContentType"] == "binary/octet-stream"
    assert "CacheControl" not in plain
    other = get(s3, bucket, "h.zip", ResponseContentType="text/x", ResponseCacheControl="no-store")
    assert (other["ContentType"], other["CacheControl"]) == ("text/x", "no-store")


@pytest.mark.parametrize(
    ("asked", "start", "stop"),
    [
        ("bytes=0-0", 0, 1),
        ("bytes=0-1023", 0, 1024),
        ("bytes=4194303-4194304", 4194303, 4194305),
        ("bytes=1000-", 1000, None),
        ("bytes=-1", -1, None),
        ("bytes=-99999999", 0, None),
        ("bytes=4999999-99999999", 4999999, None),
        ("bytes=2000000-4500000", 2000000, 4500001),
    ],
)
def test_range(s3: S3Client, versions: str, asked: str, start: int, stop: int | None) -> None:
    for key, data in (("r/v1.tar", FIRST), ("r/v2.tar", SECOND)):
        answer = get(s3, versions, key, Range=asked)
        expected = data[start:stop]
        assert answer["ResponseMetadata"]["HTTPStatusCode"] == 206
        assert answer["Body"] == expected
        at = start if start >= 0 else len(data) + start
        assert answer["ContentRange"] == f"bytes {at}-{at + len(expected) - 1}/{len(data)}"
        head = s3.head_object(Bucket=versions, Key=key, Range=asked)
        assert (head["ResponseMetadata"]["HTTPStatusCode"], head["ContentLength"]) == (206, len(expected))


def test_range_outside_or_unreadable(s3: S3Client, versions: str) -> None:
    assert refused(s3.get_object, Bucket=versions, Key="r/v2.tar", Range="bytes=99999999-") == (
        416,
        "InvalidRange",
    )
    assert refused(s3.get_object, Bucket=versions, Key="r/v2.tar", Range="bytes=-0") == (416, "InvalidRange")
    for whole in ("bytes=5-2", "lines=1-2", "bytes=1-2,5-6", "bytes=x"):
        answer = get(s3, versions, "r/v2.tar", Range=whole)
        assert answer["ResponseMetadata"]["HTTPStatusCode"] == 200
        assert answer["Body"] == SECOND


def test_conditional_reads(s3: S3Client, versions: str) -> None:
    head = s3.head_object(Bucket=versions, Key="r/v2.tar")
    etag, at = head["ETag"], head["LastModified"]
    target: dict[str, Any] = {"Bucket": versions, "Key": "r/v2.tar"}
    earlier, later = at - timedelta(hours=1), at + timedelta(seconds=1)
    for passes in (
        {"IfMatch": etag},
        {"IfMatch": "*"},
        {"IfNoneMatch": '"x"'},
        {"IfModifiedSince": earlier},
        {"IfMatch": etag, "IfUnmodifiedSince": earlier},  # RFC 9110, 13.2.2: the etag decides
    ):
        assert get(s3, versions, "r/v2.tar", **passes)["Body"] == SECOND
        assert s3.head_object(**target, **passes)["ETag"] == etag
    for call, missed in ((s3.get_object, "PreconditionFailed"), (s3.head_object, "412")):
        assert refused(call, **target, IfMatch='"x"') == (412, missed)
        assert refused(call, **target, IfUnmodifiedSince=earlier) == (412, missed)
        assert refused(call, **target, IfNoneMatch=etag) == (304, "304")
        assert refused(call, **target, IfNoneMatch=f'"x", {etag}') == (304, "304")
        assert refused(call, **target, IfModifiedSince=later) == (304, "304")


def test_conditional_writes(s3: S3Client, versions: str) -> None:
    target: dict[str, Any] = {"Bucket": versions, "Key": "r/v2.tar"}
    etag = s3.head_object(**target)["ETag"]
    assert refused(s3.put_object, **target, Body=b"x", IfNoneMatch="*") == (412, "PreconditionFailed")
    assert refused(s3.put_object, **target, Body=b"x", IfMatch='"x"') == (412, "PreconditionFailed")
    assert refused(s3.put_object, Bucket=versions, Key="r/none", Body=b"x", IfMatch=etag) == (
        404,
        "NoSuchKey",
    )
    assert get(s3, versions, "r/v2.tar")["Body"] == SECOND
    assert s3.put_object(**target, Body=FIRST, IfMatch=etag)["ETag"] != etag
    s3.put_object(Bucket=versions, Key="r/new.zip", Body=b"x", IfNoneMatch="*")


def test_copy(s3: S3Client, versions: str) -> None:
    s3.put_object(Bucket=versions, Key="m.tar", Body=SECOND, Metadata={"a": "1"}, ContentType="text/a")
    for key in ("r/copy of v2.tar", "elsewhere/v2.tar", "elsewhere/v2.txt"):
        result = s3.copy_object(Bucket=versions, Key=key, CopySource={"Bucket": versions, "Key": "m.tar"})
        assert result["CopyObjectResult"]["ETag"] == f'"{hashlib.md5(SECOND).hexdigest()}"'
        got = get(s3, versions, key)
        assert got["Body"] == SECOND
        assert (got["Metadata"], got["ContentType"]) == ({"a": "1"}, "text/a")
    itself: dict[str, Any] = {"Bucket": versions, "Key": "m.tar", "CopySource": f"{versions}/m.tar"}
    assert refused(s3.copy_object, **itself) == (400, "InvalidRequest")
    s3.copy_object(**itself, MetadataDirective="REPLACE", Metadata={"b": "2"}, ContentType="text/b")
    got = get(s3, versions, "m.tar")
    assert (got["Body"], got["Metadata"], got["ContentType"]) == (SECOND, {"b": "2"}, "text/b")
    assert refused(s3.copy_object, Bucket=versions, Key="c", CopySource=f"{versions}/no") == (
        404,
        "NoSuchKey",
    )
    assert refused(s3.copy_object, Bucket=versions, Key="c", CopySource="no-such-bucket/no") == (
        404,
        "NoSuchBucket",
    )
    unlike = {"Bucket": versions, "Key": "c", "CopySource": f"{versions}/m.tar", "CopySourceIfMatch": '"x"'}
    assert refused(s3.copy_object, **unlike) == (412, "PreconditionFailed")


def test_delete(s3: S3Client, versions: str) -> None:
    s3.delete_object(Bucket=versions, Key="r/v1.tar")
    s3.delete_object(Bucket=versions, Key="r/v1.tar")
    assert refused(s3.get_object, Bucket=versions, Key="r/v1.tar") == (404, "NoSuchKey")
    assert get(s3, versions, "r/v2.tar")["Body"] == SECOND
    s3.put_object(Bucket=versions, Key="r/", Body=b"")
    s3.delete_object(Bucket=versions, Key="r/")
    assert s3.head_object(Bucket=versions, Key="r/v2.tar")["ContentLength"] == len(SECOND), (
        "r/ is a key, not a tree"
    )
    answer = s3.delete_objects(
        Bucket=versions, Delete={"Objects": [{"Key": "r/v2.tar"}, {"Key": "never <&> was"}]}
    )
    assert sorted(item["Key"] for item in answer["Deleted"]) == ["never <&> was", "r/v2.tar"]
    assert "Errors" not in answer


KEYS = sorted(
    [
        "a",
        "a/",
        "a/b",
        "a/b/c",
        "a-b",
        "a.meta",
        "b//c",
        ".hidden",
        "ä",
        "zz/1",
        "zz/2",
        "雪 &<>'\"+%2F",
        "\U0001f600",
        "\ufffd",
    ],
    key=str.encode,
)


def test_listing(s3: S3Client, bucket: str) -> None:
    for key in KEYS:
        s3.put_object(Bucket=bucket, Key=key, Body=key.encode())
    for operation in ("list_objects_v2", "list_objects"):
        pages = s3.get_paginator(operation)
        for size in (1, 3, 1000):
            items = [
                item
                for page in pages.paginate(Bucket=bucket, PaginationConfig={"PageSize": size})
                for item in page.get("Contents", ())
            ]
            assert [item["Key"] for item in items] == KEYS
            assert [item["Size"] for item in items] == [len(key.encode()) for key in KEYS]
            assert [item["ETag"] for item in items] == [
                f'"{hashlib.md5(k.encode()).hexdigest()}"' for k in KEYS
            ]
        for size in (1, 2, 1000):
            found: list[str] = []
            for page in pages.paginate(Bucket=bucket, Delimiter="/", PaginationConfig={"PageSize": size}):
                assert len(page.get("Contents", ())) + len(page.get("CommonPrefixes", ())) <= size
                found += [item["Key"] for item in page.get("Contents", ())]
                found += [item["Prefix"] for item in page.get("CommonPrefixes", ())]
            assert sorted(found, key=str.encode) == [
                ".hidden",
                "a",
                "a-b",
                "a.meta",
                "a/",
                "b/",
                "zz/",
                "ä",
                *KEYS[-3:],
            ]
    assert [i["Key"] for i in s3.list_objects_v2(Bucket=bucket, StartAfter="a/b")["Contents"]] == KEYS[
        KEYS.index("a/b") + 1 :
    ]
    assert [i["Key"] for i in s3.list_objects_v2(Bucket=bucket, Prefix="a/b")["Contents"]] == ["a/b", "a/b/c"]
    none = s3.list_objects_v2(Bucket=bucket, MaxKeys=0)
    assert (none["KeyCount"], none["IsTruncated"]) == (0, False)
    for key in KEYS:
        assert get(s3, bucket, key)["Body"] == key.encode()


def test_buckets(s3: S3Client, bucket: str) -> None:
    assert bucket in [item["Name"] for item in s3.list_buckets()["Buckets"]]
    s3.head_bucket(Bucket=bucket)
    assert s3.get_bucket_location(Bucket=bucket)["LocationConstraint"] is None
    s3.create_bucket(Bucket=bucket)
    assert refused(s3.head_bucket, Bucket="no-such-bucket") == (404, "404")
    assert refused(s3.delete_bucket, Bucket="no-such-bucket") == (404, "NoSuchBucket")
    assert refused(s3.put_object, Bucket="no-such-bucket", Key="x", Body=b"") == (404, "NoSuchBucket")
    assert refused(s3.list_objects_v2, Bucket="no-such-bucket") == (404, "NoSuchBucket")
    s3.put_object(Bucket=bucket, Key=".only", Body=b"")
    assert refused(s3.delete_bucket, Bucket=bucket) == (409, "BucketNotEmpty")
    assert get(s3, bucket, ".only")["Body"] == b""


def test_checksums(server: Server, s3: S3Client, bucket: str) -> None:
    """What is sent is checked, kept and given back; a wrong one stores nothing."""
    data = FIRST[:30_000]
    crc32 = base64.b64encode(zlib.crc32(data).to_bytes(4, "big")).decode()
    sha256 = base64.b64encode(hashlib.sha256(data).digest()).decode()
    assert s3.put_object(Bucket=bucket, Key="k", Body=data)["ChecksumCRC32"] == crc32, "boto3's default"
    assert s3.head_object(Bucket=bucket, Key="k", ChecksumMode="ENABLED")["ChecksumCRC32"] == crc32
    assert get(s3, bucket, "k")["ChecksumCRC32"] == crc32
    for algorithm in ("CRC32", "CRC32C", "CRC64NVME", "SHA1", "SHA256"):
        s3.put_object(Bucket=bucket, Key="k", Body=data, ChecksumAlgorithm=algorithm)
        answer = get(s3, bucket, "k", ChecksumMode="ENABLED")
        assert f"Checksum{algorithm}" in answer
        assert answer["Body"] == data
    once = boto3_client(server, retries={"max_attempts": 0})  # botocore tries BadDigest again and again
    for wrong in (
        {"ChecksumCRC32": base64.b64encode(b"0000").decode()},
        {"ChecksumSHA256": base64.b64encode(b"0" * 32).decode()},
        {"ContentMD5": base64.b64encode(b"0" * 16).decode()},
    ):
        assert refused(once.put_object, Bucket=bucket, Key="k", Body=b"other", **wrong) == (400, "BadDigest")
    undecodable = refused(once.put_object, Bucket=bucket, Key="k", Body=b"other", ContentMD5="?")
    assert undecodable == (400, "InvalidDigest")
    once.close()
    assert get(s3, bucket, "k", ChecksumMode="ENABLED")["ChecksumSHA256"] == sha256


def fetch(method: str, url: str, body: bytes | None = None) -> tuple[int, bytes]:
    request = urllib.request.Request(url, data=body, method=method)
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read()


def test_presigned(server: Server, versions: str) -> None:
    signer = boto3_client(server, signature_version="s3v4")
    target = {"Bucket": versions, "Key": "r/v2.tar"}
    url = signer.generate_presigned_url("get_object", Params=target, ExpiresIn=60)
    assert fetch("GET", url) == (200, SECOND)
    put = signer.generate_presigned_url(
        "put_object", Params={"Bucket": versions, "Key": "r/ü +.tar"}, ExpiresIn=60
    )
    assert fetch("PUT", put, FIRST)[0] == 200
    assert get(signer, versions, "r/ü +.tar")["Body"] == FIRST
    if server.authenticated:
        forged = url.replace("v2.tar", "v1.tar")
        status, said = fetch("GET", forged)
        assert (status, b"<Code>SignatureDoesNotMatch</Code>" in said) == (403, True)
        late = signer.generate_presigned_url("get_object", Params=target, ExpiresIn=1)
        long = signer.generate_presigned_url("get_object", Params=target, ExpiresIn=7 * 86400 + 1)
        assert fetch("GET", long)[0] == 400, "seven days are the most"
        time.sleep(2.5)
        status, said = fetch("GET", late)
        assert (status, b"<Code>AccessDenied</Code>" in said) == (403, True)
    signer.close()


def test_what_is_not_there_says_so(s3: S3Client, versions: str) -> None:
    """Never a 200 for something that is not stored."""
    assert refused(
        s3.put_bucket_lifecycle_configuration, Bucket=versions, LifecycleConfiguration={"Rules": []}
    ) == (
        501,
        "NotImplemented",
    )
    assert refused(s3.put_object, Bucket=versions, Key="e", Body=b"", ServerSideEncryption="aws:kms") == (
        501,
        "NotImplemented",
    )
