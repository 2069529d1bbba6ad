# SPDX-License-Identifier: GPL-2.0-only
"""Multipart uploads through boto3: any order, overwritten, copied, listed, aborted, completed twice."""

import hashlib
from typing import Any

import pytest

from tests.system.artifacts import generate, next_version
from tests.system.clients import S3Client, get
from tests.system.harness import Server
from tests.system.test_boto3 import header, refused

PART = 5 << 20
FIRST = generate(3, 2 * PART + 100_000)
SECOND = next_version(FIRST, 4)


def pieces(data: bytes) -> list[bytes]:
    return [data[at : at + PART] for at in range(0, len(data), PART)]


def md5_n(parts: list[bytes]) -> str:
    """The etag of a multipart object: MD5 of the parts' MD5s, and their number."""
    return f'"{hashlib.md5(b"".join(hashlib.md5(part).digest() for part in parts)).hexdigest()}-{len(parts)}"'


def begin(s3: S3Client, bucket: str, key: str, **more: Any) -> dict[str, Any]:
    """Arguments that name a new upload."""
    return {
        "Bucket": bucket,
        "Key": key,
        "UploadId": s3.create_multipart_upload(Bucket=bucket, Key=key, **more)["UploadId"],
    }


def send(s3: S3Client, upload: dict[str, Any], number: int, data: bytes) -> dict[str, Any]:
    """Upload a part; its entry for Complete."""
    etag = s3.upload_part(**upload, PartNumber=number, Body=data)["ETag"]
    assert etag == f'"{hashlib.md5(data).hexdigest()}"'
    return {"PartNumber": number, "ETag": etag}


def complete(s3: S3Client, upload: dict[str, Any], parts: list[dict[str, Any]]) -> Any:
    return s3.complete_multipart_upload(**upload, MultipartUpload={"Parts": parts})


def store(s3: S3Client, bucket: str, key: str, data: bytes) -> None:
    upload = begin(s3, bucket, key)
    complete(s3, upload, [send(s3, upload, n, part) for n, part in enumerate(pieces(data), 1)])


def test_out_of_order_and_overwritten(server: Server, s3: S3Client, bucket: str) -> None:
    store(s3, bucket, "r/v1.tar", FIRST)
    upload = begin(s3, bucket, "r/v2.tar", Metadata={"build": "2"}, ContentType="application/x-tar")
    send(s3, upload, 9, generate(1, PART))  # replaced below
    send(s3, upload, 4, generate(2, PART))  # never named by Complete
    first, second, third = pieces(SECOND)[0], pieces(SECOND)[1], b"".join(pieces(SECOND)[2:])
    parts = [send(s3, upload, 10, third), send(s3, upload, 2, first), send(s3, upload, 9, second)]
    assert refused(s3.head_object, Bucket=bucket, Key="r/v2.tar") == (404, "404"), "nothing before Complete"
    parts.sort(key=lambda part: int(part["PartNumber"]))
    etag = md5_n([first, second, third])
    assert complete(s3, upload, parts)["ETag"] == etag

    for answer in (
        s3.head_object(Bucket=bucket, Key="r/v2.tar"),
        get(s3, bucket, "r/v2.tar"),
    ):
        assert (answer["ETag"], answer["ContentLength"]) == (etag, len(SECOND))
        assert (answer["Metadata"], answer["ContentType"]) == ({"build": "2"}, "application/x-tar")
        assert header(answer, "x-amz-storage-type") == "delta"
    assert get(s3, bucket, "r/v2.tar")["Body"] == SECOND
    assert [item["ETag"] for item in s3.list_objects_v2(Bucket=bucket, Prefix="r/v2")["Contents"]] == [etag]
    across = get(s3, bucket, "r/v2.tar", Range=f"bytes={PART - 10}-{PART + 9}")
    assert across["Body"] == SECOND[PART - 10 : PART + 10]
    assert get(s3, bucket, "r/v2.tar", PartNumber=2)["Body"] == second
    stored = sum(server.files(bucket).values())
    assert stored < len(FIRST) * 1.2, (
        "the replaced part and the unused one are gone, the second version is a delta"
    )


def test_complete_twice_gives_the_same_answer(s3: S3Client, bucket: str) -> None:
    upload = begin(s3, bucket, "k.tar")
    parts = [send(s3, upload, 1, FIRST[:PART]), send(s3, upload, 2, b"end")]
    etag = complete(s3, upload, parts)["ETag"]
    assert complete(s3, upload, parts)["ETag"] == etag
    assert get(s3, bucket, "k.tar")["Body"] == FIRST[:PART] + b"end"


def test_complete_refuses(s3: S3Client, bucket: str) -> None:
    upload = begin(s3, bucket, "k.tar")
    one, two = send(s3, upload, 1, b"too small to be followed"), send(s3, upload, 2, b"end")
    wrong = {"PartNumber": 1, "ETag": f'"{"0" * 32}"'}
    missing = {"PartNumber": 3, "ETag": two["ETag"]}
    for parts, code in (
        ([one, two], "EntityTooSmall"),
        ([two, one], "InvalidPartOrder"),
        ([wrong], "InvalidPart"),
        ([one, missing], "InvalidPart"),
        ([], "MalformedXML"),
    ):
        assert refused(complete, s3=s3, upload=upload, parts=parts) == (400, code)
    assert refused(s3.upload_part, **upload, PartNumber=10_001, Body=b"") == (400, "InvalidArgument")
    assert refused(s3.upload_part, **{**upload, "UploadId": "no-such"}, PartNumber=1, Body=b"") == (
        404,
        "NoSuchUpload",
    )
    assert complete(s3, upload, [two])["ETag"] == md5_n([b"end"]), (
        "a refused Complete leaves the upload as it was"
    )


def test_abort(server: Server, s3: S3Client, bucket: str) -> None:
    upload = begin(s3, bucket, "k.tar")
    part = send(s3, upload, 1, FIRST[:PART])
    s3.abort_multipart_upload(**upload)
    assert server.files(bucket) == {}
    assert refused(s3.list_parts, **upload) == (404, "NoSuchUpload")
    assert refused(s3.abort_multipart_upload, **upload) == (404, "NoSuchUpload")
    assert refused(s3.upload_part, **upload, PartNumber=1, Body=b"x") == (404, "NoSuchUpload")
    assert refused(complete, s3=s3, upload=upload, parts=[part]) == (404, "NoSuchUpload")
    assert refused(s3.head_object, Bucket=bucket, Key="k.tar") == (404, "404")


def test_overwriting_multipart_leaves_nothing_behind(server: Server, s3: S3Client, bucket: str) -> None:
    store(s3, bucket, "r/v1.tar", FIRST)
    store(s3, bucket, "r/v2.tar", SECOND)
    before = server.files(bucket)
    store(s3, bucket, "r/v2.tar", SECOND)
    after = server.files(bucket)
    assert len(after) == len(before)
    assert abs(sum(after.values()) - sum(before.values())) < 4096
    s3.delete_object(Bucket=bucket, Key="r/v1.tar")
    assert get(s3, bucket, "r/v2.tar")["Body"] == SECOND


def test_upload_part_copy(s3: S3Client, bucket: str) -> None:
    store(s3, bucket, "r/v1.tar", FIRST)
    s3.put_object(Bucket=bucket, Key="r/v2.tar", Body=SECOND)
    upload = begin(s3, bucket, "joined.tar")
    parts = []
    for number, (key, start, stop) in enumerate(
        (("r/v1.tar", 5, PART + 5), ("r/v2.tar", 0, PART), ("r/v1.tar", 7, 8)), 1
    ):
        copied = s3.upload_part_copy(
            **upload,
            PartNumber=number,
            CopySource=f"{bucket}/{key}",
            CopySourceRange=f"bytes={start}-{stop - 1}",
        )
        parts.append({"PartNumber": number, "ETag": copied["CopyPartResult"]["ETag"]})
    expected = [FIRST[5 : PART + 5], SECOND[:PART], FIRST[7:8]]
    assert complete(s3, upload, parts)["ETag"] == md5_n(expected)
    assert get(s3, bucket, "joined.tar")["Body"] == b"".join(expected)

    whole = begin(s3, bucket, "whole.tar")
    etag = s3.upload_part_copy(**whole, PartNumber=1, CopySource=f"{bucket}/r/v2.tar")["CopyPartResult"][
        "ETag"
    ]
    outside = {"CopySource": f"{bucket}/r/v2.tar", "CopySourceRange": f"bytes=0-{len(SECOND)}"}
    assert refused(s3.upload_part_copy, **whole, PartNumber=2, **outside)[0] in (400, 416)
    complete(s3, whole, [{"PartNumber": 1, "ETag": etag}])
    assert get(s3, bucket, "whole.tar")["Body"] == SECOND


@pytest.mark.parametrize("size", [1, 2, 1000])
def test_list_parts_pages(s3: S3Client, bucket: str, size: int) -> None:
    upload = begin(s3, bucket, "k.tar")
    bodies = {number: b"%d" % number for number in (1, 2, 11, 100, 10_000)}
    for number, body in bodies.items():
        send(s3, upload, number, body)
    pages = list(s3.get_paginator("list_parts").paginate(**upload, PaginationConfig={"PageSize": size}))
    parts = [part for page in pages for part in page["Parts"]]
    assert all(len(page["Parts"]) <= size for page in pages)
    assert [(part["PartNumber"], part["Size"], part["ETag"]) for part in parts] == [
        (number, len(body), f'"{hashlib.md5(body).hexdigest()}"') for number, body in bodies.items()
    ]


def test_list_uploads_pages(s3: S3Client, bucket: str) -> None:
    keys = ["a/1", "a/2", "a/2", "b", "c/x", "c/y", "ü &"]
    begun = [(upload["Key"], upload["UploadId"]) for upload in (begin(s3, bucket, key) for key in keys)]
    pages = s3.get_paginator("list_multipart_uploads")
    for size in (1, 2, 1000):
        listed = [
            (upload["Key"], upload["UploadId"])
            for page in pages.paginate(Bucket=bucket, PaginationConfig={"PageSize": size})
            for upload in page.get("Uploads", ())
        ]
        assert [key for key, _ in listed] == keys
        assert sorted(listed) == sorted(begun)
    page = s3.list_multipart_uploads(Bucket=bucket, Prefix="a/")
    assert [upload["Key"] for upload in page["Uploads"]] == ["a/1", "a/2", "a/2"]
    page = s3.list_multipart_uploads(Bucket=bucket, Delimiter="/")
    assert [entry["Prefix"] for entry in page["CommonPrefixes"]] == ["a/", "c/"]
    assert [upload["Key"] for upload in page["Uploads"]] == ["b", "ü &"]


def test_transfer_manager_uses_parallel_parts(s3: S3Client, bucket: str, tmp_path: Any) -> None:
    """upload_file and download_file with their defaults: 8 MB parts on ten threads, ranged reads back."""
    for number, data in enumerate((FIRST, SECOND), 1):
        (tmp_path / "up").write_bytes(data)
        s3.upload_file(str(tmp_path / "up"), bucket, f"t/v{number}.tar")
        s3.download_file(bucket, f"t/v{number}.tar", str(tmp_path / "down"))
        assert (tmp_path / "down").read_bytes() == data
