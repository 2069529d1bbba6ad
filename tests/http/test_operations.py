# SPDX-License-Identifier: GPL-2.0-only
"""Each operation over each backend: what it does, and each refusal it has."""

import base64
import hashlib
from urllib.parse import quote

import pytest

from dgproxy.s3.xml import MAX_DOCUMENT
from dgproxy.s3.xml.elements import OWNER_ID
from tests.http.conftest import BUCKET, LIMIT, Site
from tests.http.wire import Answer

#: A store with its own ways beside those that have none.
pytestmark = pytest.mark.over("seaweedfs")

MIB = 1 << 20
PART = bytes(range(256)) * (5 * MIB // 256)


def md5(body: bytes) -> str:
    return base64.b64encode(hashlib.md5(body).digest()).decode()


# -- buckets -------------------------------------------------------------------------------------------------


async def test_buckets(any_site: Site) -> None:
    created = await any_site.ask("PUT /another-one", body=b"")
    assert created.status == 200
    assert created.headers["location"] == "/another-one"
    assert (await any_site.ask("PUT /another-one", body=b"")).status == 200
    assert (await any_site.ask("HEAD /another-one")).headers["x-amz-bucket-region"] == "us-east-1"
    root = (await any_site.ask("GET /")).xml("ListAllMyBucketsResult")
    assert [name.text for name in root.iter("Name")] == ["another-one", BUCKET]
    location = (await any_site.ask("GET /another-one?location")).xml("LocationConstraint")
    assert location.text is None
    assert (await any_site.ask("DELETE /another-one")).status == 204
    assert await any_site.code("DELETE /another-one") == (404, "NoSuchBucket")


async def test_a_large_document_is_checked_like_a_small_one(site: Site) -> None:
    """Past 64 KiB it is hashed and parsed on a worker thread; what that raises is still the answer."""
    await site.put("k", b"x")
    objects = "".join(f"<Object><Key>{'k' * 200}{number}</Key></Object>" for number in range(999))
    document = f"<Delete>{objects}<Object><Key>k</Key></Object></Delete>".encode()
    assert len(document) > 128 << 10
    line, proof = f"POST /{BUCKET}?delete", "Content-MD5: " + md5(document)
    assert await site.code(line, "Content-MD5: " + md5(b"other"), body=document) == (400, "BadDigest")
    assert await site.code(line, "Content-MD5: " + md5(document[1:]), body=document[1:]) == (
        400,
        "MalformedXML",
    )
    assert (await site.ask(f"HEAD /{BUCKET}/k")).status == 200
    assert len((await site.ask(line, proof, body=document)).xml("DeleteResult")) == 1000
    assert (await site.ask(f"HEAD /{BUCKET}/k")).status == 404


async def test_buckets_are_listed_in_pages(any_site: Site) -> None:
    for name in ("aaa", "aab", "abc"):
        await any_site.ask(f"PUT /{name}", body=b"")
    seen, token = [], ""
    while True:
        page = await any_site.ask(f"GET /?max-buckets=1&prefix=a{token}")
        root = page.xml("ListAllMyBucketsResult")
        seen += [name.text for name in root.iter("Name")]
        following = root.findtext("ContinuationToken")
        if following is None:
            break
        token = "&continuation-token=" + quote(following)
    assert seen == ["aaa", "aab", "abc"]


async def test_buckets_of_a_region(site: Site) -> None:
    def regions(answer: Answer) -> list[str | None]:
        buckets = answer.xml("ListAllMyBucketsResult").iter("Bucket")
        return [bucket.findtext("BucketRegion") for bucket in buckets]

    assert regions(await site.ask("GET /")) == [None]
    assert regions(await site.ask("GET /?prefix=b")) == ["us-east-1"]
    assert regions(await site.ask("GET /?bucket-region=us-east-1")) == ["us-east-1"]
    assert regions(await site.ask("GET /?bucket-region=eu-west-1")) == []


async def test_who_means_the_buckets_of_somebody_else_is_refused(site: Site) -> None:
    await site.put("k", b"x", "x-amz-expected-bucket-owner: " + OWNER_ID)
    for line in (f"GET /{BUCKET}/k", f"HEAD /{BUCKET}", f"DELETE /{BUCKET}/k", f"GET /{BUCKET}"):
        answer = await site.ask(line, "x-amz-expected-bucket-owner: 111122223333")
        assert answer.status == 403
    copy = (f"x-amz-copy-source: {BUCKET}/k", "x-amz-source-expected-bucket-owner: 111122223333")
    assert await site.code(f"PUT /{BUCKET}/copy", *copy) == (403, "AccessDenied")
    assert (await site.ask(f"GET /{BUCKET}/k")).body == b"x"


@pytest.mark.parametrize(
    ("line", "headers", "body", "expected"),
    [
        ("PUT /AB", (), b"", (400, "InvalidBucketName")),
        ("PUT /good-one", (), b"<a>", (400, "MalformedXML")),
        ("PUT /good-one", (), b"x" * (MAX_DOCUMENT + 1), (400, "MaxMessageLengthExceeded")),
        ("PUT /good-one", ("Content-MD5: " + md5(b"other"),), b"", (400, "BadDigest")),
        ("PUT /good-one", ("x-amz-bucket-object-lock-enabled: true",), b"", (501, "NotImplemented")),
        ("PUT /good-one", ("x-amz-acl: public-read",), b"", (501, "NotImplemented")),
        ("PUT /good-one", ("x-amz-acl: anything",), b"", (400, "InvalidArgument")),
        ("HEAD /missing", (), None, (404, None)),
        ("GET /missing", (), None, (404, "NoSuchBucket")),
        ("GET /missing?max-keys=0", (), None, (404, "NoSuchBucket")),
        ("GET /missing?list-type=2", (), None, (404, "NoSuchBucket")),
        ("GET /missing?location", (), None, (404, "NoSuchBucket")),
        ("GET /missing?uploads", (), None, (404, "NoSuchBucket")),
        ("GET /missing?acl", (), None, (404, "NoSuchBucket")),
        ("PUT /missing?versioning", (), b"", (404, "NoSuchBucket")),
        ("GET /AB?acl", (), None, (400, "InvalidBucketName")),
        (f"PUT /{BUCKET}?acl", (), b"", (400, "MissingSecurityHeader")),
        (f"PUT /{BUCKET}?versioning", (), b"", (501, "NotImplemented")),
        (f"POST /{BUCKET}", (), b"", (412, "RequestIsNotMultiPartContent")),
        ("POST /", (), b"", (405, "MethodNotAllowed")),
        ("GET /?max-buckets=0", (), None, (400, "InvalidArgument")),
        (f"GET /{BUCKET}?max-keys=-1", (), None, (400, "InvalidArgument")),
        (f"GET /{BUCKET}?list-type=3", (), None, (400, "InvalidArgument")),
        (f"GET /{BUCKET}?list-type=2&continuation-token=x", (), None, (400, "InvalidArgument")),
        (f"GET /{BUCKET}?encoding-type=x", (), None, (400, "InvalidArgument")),
        (f"GET /{BUCKET}?uploads&max-uploads=x", (), None, (400, "InvalidArgument")),
    ],
)
async def test_refusals_about_buckets(
    site: Site, line: str, headers: tuple[str, ...], body: bytes | None, expected: tuple[int, str | None]
) -> None:
    answer = await site.ask(line, *headers, body=body)
    assert (answer.status, answer.error() if expected[1] else None) == expected


async def test_a_bucket_with_an_object_stays(any_site: Site) -> None:
    await any_site.put("k", b"")
    assert await any_site.code(f"DELETE /{BUCKET}") == (409, "BucketNotEmpty")
    await any_site.ask(f"DELETE /{BUCKET}/k")
    assert (await any_site.ask(f"DELETE /{BUCKET}")).status == 204


# -- listings ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", ["", "list-type=2&"])
async def test_listings(any_site: Site, version: str) -> None:
    for key in ("a", "b/1", "b/2", "c"):
        await any_site.put(key, key.encode())
    seen: list[str | None] = []
    after = ""
    while True:
        page = await any_site.ask(f"GET /{BUCKET}?{version}delimiter=/&max-keys=1{after}")
        root = page.xml("ListBucketResult")
        seen += [each.text for each in root.findall("Contents/Key") + root.findall("CommonPrefixes/Prefix")]
        if root.findtext("IsTruncated") == "false":
            break
        name, value = ("continuation-token", "NextContinuationToken") if version else ("marker", "NextMarker")
        after = f"&{name}=" + quote(root.findtext(value) or "")
    assert seen == ["a", "b/", "c"]
    root = (await any_site.ask(f"GET /{BUCKET}?{version}prefix=b/")).xml("ListBucketResult")
    assert [each.text for each in root.findall("Contents/Size")] == ["3", "3"]
    assert root.findtext("Contents/ETag") == f'"{hashlib.md5(b"b/1").hexdigest()}"'
    empty = (await any_site.ask(f"GET /{BUCKET}?{version}max-keys=0")).xml("ListBucketResult")
    assert (empty.findtext("IsTruncated"), empty.find("Contents")) == ("false", None)


# -- objects -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("key", ["a.txt", "a.zip"])
@pytest.mark.parametrize("size", [0, 1, 8192, 8193, 5 * MIB])
async def test_an_object_goes_in_and_out(any_site: Site, key: str, size: int) -> None:
    body = PART[:size]
    etag = f'"{hashlib.md5(body).hexdigest()}"'
    put = await any_site.put(
        key, body, "Content-Type: text/x", "x-amz-meta-Some: thing", "Cache-Control: no-store"
    )
    assert put.headers["etag"] == etag
    assert put.headers["content-length"] == "0"
    get = await any_site.ask(f"GET /{BUCKET}/{key}")
    assert get.status == 200
    assert get.body == body
    expected = {
        "etag": etag,
        "content-length": str(size),
        "content-type": "text/x",
        "cache-control": "no-store",
        "x-amz-meta-some": "thing",
        "accept-ranges": "bytes",
        "x-amz-storage-type": put.headers["x-amz-storage-type"],
    }
    assert expected.items() <= get.headers.items()
    assert "content-range" not in get.headers


async def test_the_second_version_is_a_delta(any_site: Site) -> None:
    assert (await any_site.put("v1.zip", PART)).headers["x-amz-storage-type"] == "direct"
    second = PART[:100_000] + b"something else" + PART[100_000:]
    assert (await any_site.put("v2.zip", second)).headers["x-amz-storage-type"] == "delta"
    assert (await any_site.ask(f"GET /{BUCKET}/v2.zip")).body == second
    part = await any_site.ask(f"GET /{BUCKET}/v2.zip", "Range: bytes=99990-100030")
    assert part.body == second[99990:100031]


@pytest.mark.parametrize(
    ("header", "status", "start", "stop"),
    [
        ("bytes=0-0", 206, 0, 1),
        ("bytes=2-", 206, 2, 10),
        ("bytes=-3", 206, 7, 10),
        ("bytes=-99", 206, 0, 10),
        ("bytes=5-99", 206, 5, 10),
        ("bytes=0-1,3-4", 200, 0, 10),
        ("lines=0-1", 200, 0, 10),
        ("bytes=4-2", 200, 0, 10),
    ],
)
async def test_ranges(site: Site, header: str, status: int, start: int, stop: int) -> None:
    await site.put("k", b"0123456789")
    for method in ("GET", "HEAD"):
        answer = await site.ask(f"{method} /{BUCKET}/k", f"Range: {header}")
        assert answer.status == status
        assert answer.headers["content-length"] == str(stop - start)
        expected = f"bytes {start}-{stop - 1}/10" if status == 206 else None
        assert answer.headers.get("content-range") == expected
        assert answer.body == (b"0123456789"[start:stop] if method == "GET" else b"")


async def test_conditions_of_reads(site: Site) -> None:
    etag = (await site.put("k", b"abc")).headers["etag"]
    modified = (await site.ask(f"HEAD /{BUCKET}/k")).headers["last-modified"]
    for header, status in [
        (f"If-Match: {etag}", 200),
        ('If-Match: "x"', 412),
        (f"If-None-Match: {etag}", 304),
        ('If-None-Match: "x"', 200),
        (f"If-Modified-Since: {modified}", 304),
        (f"If-Unmodified-Since: {modified}", 200),
        ("If-Unmodified-Since: Sat, 01 Jan 2000 00:00:00 GMT", 412),
    ]:
        for method in ("GET", "HEAD"):
            answer = await site.ask(f"{method} /{BUCKET}/k", header)
            assert answer.status == status, header
            if status == 412 and method == "GET":
                assert answer.error() == "PreconditionFailed"


async def test_part_of_an_object_of_one_put(site: Site) -> None:
    await site.put("k", b"abc")
    await site.put("empty", b"")
    whole = await site.ask(f"GET /{BUCKET}/k?partNumber=1")
    assert (whole.status, whole.headers["content-range"]) == (206, "bytes 0-2/3")
    assert await site.code(f"GET /{BUCKET}/k?partNumber=2") == (416, "InvalidPartNumber")
    assert await site.code(f"GET /{BUCKET}/k?partNumber=0") == (400, "InvalidArgument")
    assert await site.code(f"GET /{BUCKET}/k?partNumber=1", "Range: bytes=0-1") == (400, "InvalidRequest")
    empty = await site.ask(f"GET /{BUCKET}/empty?partNumber=1")
    assert (empty.status, empty.headers.get("content-range"), empty.body) == (200, None, b"")


async def test_response_headers_can_be_asked_for_and_not_injected(site: Site) -> None:
    await site.put("k", b"abc")
    target = f"/{BUCKET}/k?response-content-type=a/b&response-content-disposition=" + quote(
        'attachment; filename="ä"'
    )
    answer = await site.ask(f"GET {target}")
    assert answer.headers["content-type"] == "a/b"
    assert answer.headers["content-disposition"] == 'attachment; filename="ä"'
    injected = f"GET /{BUCKET}/k?response-content-type=a%0D%0ASet-Cookie:%20b"
    assert await site.code(injected) == (400, "InvalidArgument")


@pytest.mark.parametrize(
    ("line", "headers", "body", "expected"),
    [
        ("PUT /missing/k", (), b"x", (404, "NoSuchBucket")),
        ("PUT /missing/k", ("x-amz-tagging: a=b",), b"x", (404, "NoSuchBucket")),
        ("GET /missing/k", (), None, (404, "NoSuchBucket")),
        ("DELETE /missing/k", (), None, (404, "NoSuchBucket")),
        (f"GET /{BUCKET}/none", (), None, (404, "NoSuchKey")),
        (f"GET /{BUCKET}/" + "k" * 1025, (), None, (400, "KeyTooLongError")),
        (f"PUT /{BUCKET}/k", ("x-amz-tagging: a=b&a=c",), b"x", (400, "InvalidArgument")),
        (f"PUT /{BUCKET}/k", ("x-amz-tagging: a=%00",), b"x", (400, "InvalidTag")),
        (f"PUT /{BUCKET}/k", ("x-amz-server-side-encryption: AES256",), b"x", (501, "NotImplemented")),
        (f"PUT /{BUCKET}/k", ("x-amz-storage-class: GLACIER",), b"x", (400, "InvalidStorageClass")),
        (f"PUT /{BUCKET}/k", ("x-amz-meta-a: " + "x" * 2050,), b"x", (400, "MetadataTooLarge")),
        (f"PUT /{BUCKET}/k", ("Content-MD5: x",), b"x", (400, "InvalidDigest")),
        (f"PUT /{BUCKET}/k", ("Content-MD5: " + md5(b"y"),), b"x", (400, "BadDigest")),
        (
            f"PUT /{BUCKET}/k",
            ("x-amz-content-sha256: " + "0" * 64,),
            b"x",
            (400, "XAmzContentSHA256Mismatch"),
        ),
        (f"PUT /{BUCKET}/k", ("x-amz-content-sha256: x",), b"x", (400, "InvalidArgument")),
        (f"PUT /{BUCKET}/k", ("x-amz-checksum-crc32: AAAAAA==",), b"x", (400, "BadDigest")),
        (f"PUT /{BUCKET}/k", ("x-amz-checksum-crc32: AA==",), b"x", (400, "InvalidRequest")),
        (f"PUT /{BUCKET}/k", ("Content-Encoding: aws-chunked",), b"x", (411, "MissingContentLength")),
        (f"PUT /{BUCKET}/k", (), None, (411, "MissingContentLength")),
        (f"PUT /{BUCKET}/k", ('If-Match: "x"',), b"x", (404, "NoSuchKey")),
        (f"PUT /{BUCKET}/k", ("If-Match: *",), b"x", (412, "PreconditionFailed")),
        (f"PUT /{BUCKET}/k", ("If-None-Match: ",), b"x", (501, "NotImplemented")),
        (f"PUT /{BUCKET}/k", ("If-Unmodified-Since: x",), b"x", (501, "NotImplemented")),
        (f"DELETE /{BUCKET}/k", ("If-Match: *",), None, (404, "NoSuchKey")),
        (f"DELETE /{BUCKET}/k", ("x-amz-if-match-size: 1",), None, (501, "NotImplemented")),
        (f"PUT /{BUCKET}/k?versionId=x", (), b"x", (400, "InvalidArgument")),
        (f"GET /{BUCKET}/k?versionId={'v' * 32}", (), None, (404, "NoSuchVersion")),
        (f"PUT /{BUCKET}/k?partNumber=1", (), b"x", (400, "InvalidArgument")),
        (f"PUT /{BUCKET}/k?unheard-of", (), b"x", (501, "NotImplemented")),
        (f"GET /{BUCKET}/k?acl&tagging", (), None, (400, "InvalidArgument")),
        (f"POST /{BUCKET}/k", (), b"", (405, "MethodNotAllowed")),
        (f"OPTIONS /{BUCKET}/k", (), None, (400, "BadRequest")),
        (
            f"OPTIONS /{BUCKET}/k",
            ("Origin: http://evil", "Access-Control-Request-Method: GET"),
            None,
            (403, "AccessForbidden"),
        ),
    ],
)
async def test_refusals_about_objects(
    site: Site, line: str, headers: tuple[str, ...], body: bytes | None, expected: tuple[int, str]
) -> None:
    assert await site.code(line, *headers, body=body) == expected
    if line.startswith("PUT /bucket"):
        assert await site.code(f"GET /{BUCKET}/k") == (404, "NoSuchKey")


async def test_conditional_writes(any_site: Site) -> None:
    etag = (await any_site.put("k", b"1", "If-None-Match: *")).headers["etag"]
    target = f"PUT /{BUCKET}/k"
    assert await any_site.code(target, "If-None-Match: *", body=b"2") == (412, "PreconditionFailed")
    assert await any_site.code(target, 'If-Match: "x"', body=b"2") == (412, "PreconditionFailed")
    assert await any_site.code(target, f"If-None-Match: {etag}", body=b"2") == (412, "PreconditionFailed")
    await any_site.put("k", b"2", f"If-Match: {etag}", 'If-None-Match: "x"')
    assert await any_site.code(target, f"If-Match: {etag}", body=b"3") == (412, "PreconditionFailed")
    await any_site.put("k", b"2", "If-Match: *")
    assert await any_site.code(f"DELETE /{BUCKET}/k", f"If-Match: {etag}") == (412, "PreconditionFailed")
    assert (await any_site.ask(f"DELETE /{BUCKET}/k", "If-Match: *")).status == 204


SSE_C = "x-amz-server-side-encryption-customer-algorithm: AES256"


@pytest.mark.parametrize(
    ("line", "header", "expected"),
    [
        (f"GET /{BUCKET}/k", SSE_C, (400, "InvalidRequest")),
        (f"GET /{BUCKET}/k?attributes", SSE_C, (400, "InvalidRequest")),
        (f"PUT /{BUCKET}/k", SSE_C, (501, "NotImplemented")),
        (f"PUT /{BUCKET}/k", "x-amz-server-side-encryption: AES256", (501, "NotImplemented")),
        (f"PUT /{BUCKET}/k?partNumber=1&uploadId=x", SSE_C, (400, "InvalidRequest")),
        (f"POST /{BUCKET}/k?uploads", SSE_C, (501, "NotImplemented")),
        (f"POST /{BUCKET}/k?uploadId=x", SSE_C, (400, "InvalidRequest")),
        (f"DELETE /{BUCKET}/k?uploadId=x", "x-amz-if-match-initiated-time: x", (501, "NotImplemented")),
        ("PUT /another-one", "x-amz-bucket-namespace: account-regional", (501, "NotImplemented")),
    ],
)
async def test_headers_that_ask_for_what_is_not_here(
    site: Site, line: str, header: str, expected: tuple[int, str]
) -> None:
    await site.put("k", b"x")
    assert await site.code(line, header, body=b"") == expected
    assert (await site.ask(f"HEAD /{BUCKET}/k", SSE_C)).status == 400
    copy = (f"x-amz-copy-source: {BUCKET}/k", "x-amz-copy-source-server-side-encryption-customer-key: x")
    assert await site.code(f"PUT /{BUCKET}/c?partNumber=1&uploadId=x", *copy) == (400, "InvalidRequest")


async def test_a_body_in_transfer_chunks(any_site: Site) -> None:
    head = (f"PUT /{BUCKET}/k", "Transfer-Encoding: chunked", "x-amz-decoded-content-length: 6")
    for chunks, code in [
        (b"3\r\nabc\r\n3\r\ndef\r\n0\r\n\r\n", None),
        (b"2\r\nab\r\n0\r\n\r\n", "IncompleteBody"),
        (b"9\r\nabcdefghi\r\n0\r\n\r\n", "InvalidRequest"),
    ]:
        async with any_site.wire() as wire:
            await wire.request(*head, body=chunks)
            answer = await wire.answer()
            assert (None if answer.status == 200 else answer.error()) == code
    assert (await any_site.ask(f"GET /{BUCKET}/k")).body == b"abcdef"


async def test_an_aws_chunked_body(any_site: Site) -> None:
    frames = b"3\r\nabc\r\n0\r\nx-amz-checksum-crc32:NSRBwg==\r\n\r\n"
    headers = (
        "x-amz-content-sha256: STREAMING-UNSIGNED-PAYLOAD-TRAILER",
        "Content-Encoding: gzip,aws-chunked",
        "x-amz-trailer: x-amz-checksum-crc32",
    )
    put = await any_site.put("k", frames, *headers, "x-amz-decoded-content-length: 3")
    assert put.headers["x-amz-checksum-crc32"] == "NSRBwg=="
    get = await any_site.ask(f"GET /{BUCKET}/k", "x-amz-checksum-mode: ENABLED")
    assert (get.body, get.headers["content-encoding"]) == (b"abc", "gzip")
    assert get.headers["x-amz-checksum-crc32"] == "NSRBwg=="
    wrong = frames.replace(b"NSRB", b"AAAA")
    target = f"PUT /{BUCKET}/other"
    assert await any_site.code(target, *headers, "x-amz-decoded-content-length: 3", body=wrong) == (
        400,
        "BadDigest",
    )
    short = await any_site.code(target, *headers, "x-amz-decoded-content-length: 4", body=frames)
    assert short == (400, "IncompleteBody")


async def test_too_large(site: Site) -> None:
    answer = await site.ask(f"PUT /{BUCKET}/k", body=bytes(LIMIT + 1))
    assert (answer.status, answer.error()) == (400, "EntityTooLarge")
    assert answer.xml("Error").findtext("MaxSizeAllowed") == str(LIMIT)


# -- copies --------------------------------------------------------------------------------------------------


async def test_copies(any_site: Site) -> None:
    await any_site.put(quote("a b/ä"), b"abc", "x-amz-meta-a: 1", "Content-Type: text/x")
    source = f"x-amz-copy-source: /{BUCKET}/{quote('a b/ä')}"
    copied = await any_site.ask(f"PUT /{BUCKET}/copy", source, body=b"")
    assert copied.xml("CopyObjectResult").findtext("ETag") == f'"{hashlib.md5(b"abc").hexdigest()}"'
    get = await any_site.ask(f"GET /{BUCKET}/copy")
    assert (get.body, get.headers["x-amz-meta-a"], get.headers["content-type"]) == (b"abc", "1", "text/x")
    replaced = await any_site.ask(
        f"PUT /{BUCKET}/copy", source, "x-amz-metadata-directive: REPLACE", "x-amz-meta-b: 2", body=b""
    )
    assert replaced.status == 200
    head = (await any_site.ask(f"HEAD /{BUCKET}/copy")).headers
    assert (head.get("x-amz-meta-a"), head["x-amz-meta-b"]) == (None, "2")


async def test_a_copy_onto_itself_changes_attributes_or_nothing(any_site: Site) -> None:
    etag = (await any_site.put("k", b"abc", "x-amz-meta-a: 1")).headers["etag"]
    source = f"x-amz-copy-source: {BUCKET}/k"
    assert await any_site.code(f"PUT /{BUCKET}/k", source, body=b"") == (400, "InvalidRequest")
    directive = "x-amz-metadata-directive: REPLACE"
    assert (await any_site.ask(f"PUT /{BUCKET}/k", source, directive, body=b"")).status == 200
    get = await any_site.ask(f"GET /{BUCKET}/k")
    assert (get.body, get.headers["etag"], get.headers.get("x-amz-meta-a")) == (b"abc", etag, None)


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        (("x-amz-copy-source: bucket/none",), (404, "NoSuchKey")),
        (("x-amz-copy-source: missing/k",), (404, "NoSuchBucket")),
        (("x-amz-copy-source: bucket",), (400, "InvalidArgument")),
        (("x-amz-copy-source: %zz/k",), (400, "InvalidArgument")),
        (("x-amz-copy-source: bucket/k", "x-amz-metadata-directive: X"), (400, "InvalidArgument")),
        (("x-amz-copy-source: bucket/k", 'x-amz-copy-source-if-match: "x"'), (412, "PreconditionFailed")),
        (("x-amz-copy-source: bucket/k", "x-amz-copy-source-if-none-match: *"), (412, "PreconditionFailed")),
        (("x-amz-copy-source: bucket/k", "x-amz-acl: public-read"), (501, "NotImplemented")),
    ],
)
async def test_refusals_about_copies(site: Site, headers: tuple[str, ...], expected: tuple[int, str]) -> None:
    await site.put("k", b"abc")
    assert await site.code(f"PUT /{BUCKET}/copy", *headers, body=b"") == expected


# -- batches -------------------------------------------------------------------------------------------------


async def test_batch_delete(any_site: Site) -> None:
    for key in ("a", "b&<", "c"):
        await any_site.put(quote(key), b"x")
    body = (
        b"<Delete><Object><Key>a</Key></Object><Object><Key>b&amp;&lt;</Key></Object>"
        b'<Object><Key>c</Key><ETag>"x"</ETag></Object><Object><Key>none</Key></Object></Delete>'
    )
    answer = await any_site.ask(f"POST /{BUCKET}?delete", f"Content-MD5: {md5(body)}", body=body)
    root = answer.xml("DeleteResult")
    assert [each.text for each in root.findall("Deleted/Key")] == ["a", "b&<", "none"]
    assert [(e.findtext("Key"), e.findtext("Code")) for e in root.findall("Error")] == [
        ("c", "PreconditionFailed")
    ]
    assert (await any_site.ask(f"GET /{BUCKET}/c")).body == b"x"


@pytest.mark.parametrize(
    ("line", "body", "proof", "expected"),
    [
        (f"POST /{BUCKET}?delete", b"<Delete/>", True, (400, "MalformedXML")),
        (f"POST /{BUCKET}?delete", b"<Delete", True, (400, "MalformedXML")),
        (f"POST /{BUCKET}?delete", b"", True, (400, "MissingRequestBodyError")),
        (
            f"POST /{BUCKET}?delete",
            b"<Delete><Object><Key>a</Key></Object></Delete>",
            False,
            (400, "InvalidRequest"),
        ),
        (
            "POST /missing?delete",
            b"<Delete><Object><Key>a</Key></Object></Delete>",
            True,
            (404, "NoSuchBucket"),
        ),
    ],
)
async def test_refusals_about_batches(
    site: Site, line: str, body: bytes, proof: bool, expected: tuple[int, str]
) -> None:
    headers = (f"Content-MD5: {md5(body)}",) if proof else ()
    assert await site.code(line, *headers, body=body) == expected


# -- multipart -----------------------------------------------------------------------------------------------


async def begin(site: Site, key: str, *headers: str) -> str:
    answer = await site.ask(f"POST /{BUCKET}/{key}?uploads", *headers, body=b"")
    upload_id = answer.xml("InitiateMultipartUploadResult").findtext("UploadId")
    assert upload_id
    return upload_id


def part_list(*etags: str, first: int = 1) -> bytes:
    parts = "".join(
        f"<Part><PartNumber>{number}</PartNumber><ETag>{etag}</ETag></Part>"
        for number, etag in enumerate(etags, first)
    )
    return f"<CompleteMultipartUpload>{parts}</CompleteMultipartUpload>".encode()


async def test_multipart(any_site: Site) -> None:
    upload_id = await begin(any_site, "dir/%C3%A4.bin", "x-amz-meta-a: 1")
    target = f"/{BUCKET}/dir/%C3%A4.bin"
    await any_site.put("source", b"0123456789")
    etags = []
    for number, body in ((1, PART), (2, b"end")):
        part = await any_site.ask(f"PUT {target}?partNumber={number}&uploadId={upload_id}", body=body)
        assert part.status == 200
        etags.append(part.headers["etag"])
    copied = await any_site.ask(
        f"PUT {target}?partNumber=2&uploadId={upload_id}",
        f"x-amz-copy-source: {BUCKET}/source",
        "x-amz-copy-source-range: bytes=2-4",
        body=b"",
    )
    etags[1] = copied.xml("CopyPartResult").findtext("ETag") or ""
    listed = (await any_site.ask(f"GET {target}?uploadId={upload_id}&max-parts=1")).xml("ListPartsResult")
    assert [each.text for each in listed.findall("Part/PartNumber")] == ["1"]
    assert (listed.findtext("IsTruncated"), listed.findtext("NextPartNumberMarker")) == ("true", "1")
    none = (await any_site.ask(f"GET {target}?uploadId={upload_id}&max-parts=0")).xml("ListPartsResult")
    assert none.findtext("IsTruncated") == "false"
    uploads = (await any_site.ask(f"GET /{BUCKET}?uploads")).xml("ListMultipartUploadsResult")
    assert uploads.findtext("Upload/Key") == "dir/ä.bin"
    for _ in range(2):  # asked again it gives the same answer
        done = await any_site.ask(f"POST {target}?uploadId={upload_id}", body=part_list(*etags))
        root = done.xml("CompleteMultipartUploadResult")
        assert root.findtext("Location") == f"http://s3.test:9000{target}"
        assert (root.findtext("ETag") or "").endswith('-2"')
    get = await any_site.ask(f"GET {target}")
    assert (get.body, get.headers["x-amz-meta-a"]) == (PART + b"234", "1")
    second = await any_site.ask(f"GET {target}?partNumber=2")
    assert (second.status, second.body, second.headers["x-amz-mp-parts-count"]) == (206, b"234", "2")


async def test_complete_without_a_usable_host(site: Site) -> None:
    for host in ("", "Host: ]:x\r\n"):
        upload_id = await begin(site, "k")
        part = await site.ask(f"PUT /{BUCKET}/k?partNumber=1&uploadId={upload_id}", body=b"abc")
        body = part_list(part.headers["etag"])
        async with site.wire() as wire:
            head = (
                f"POST /{BUCKET}/k?uploadId={upload_id} HTTP/1.0\r\n{host}Content-Length: {len(body)}\r\n\r\n"
            )
            await wire.send(head.encode() + body)
            assert (await wire.answer()).status == 200


async def test_abort(any_site: Site) -> None:
    upload_id = await begin(any_site, "k")
    await any_site.ask(f"PUT /{BUCKET}/k?partNumber=1&uploadId={upload_id}", body=PART)
    assert (await any_site.ask(f"DELETE /{BUCKET}/k?uploadId={upload_id}")).status == 204
    assert await any_site.code(f"DELETE /{BUCKET}/k?uploadId={upload_id}") == (404, "NoSuchUpload")
    assert await any_site.code(f"GET /{BUCKET}/k?uploadId={upload_id}") == (404, "NoSuchUpload")


async def test_refusals_about_multipart(site: Site) -> None:
    upload_id = await begin(site, "k")
    target = f"/{BUCKET}/k"

    async def complete(body: bytes, *headers: str) -> tuple[int, str]:
        return await site.code(f"POST {target}?uploadId={upload_id}", *headers, body=body)

    async def part(number: str, body: bytes, *headers: str) -> tuple[int, str]:
        return await site.code(f"PUT {target}?partNumber={number}&uploadId={upload_id}", *headers, body=body)

    etags = []
    for number in (1, 2):
        stored = await site.ask(f"PUT {target}?partNumber={number}&uploadId={upload_id}", body=b"small")
        etags.append(stored.headers["etag"])
    assert await part("0", b"x") == (400, "InvalidArgument")
    assert await part("10001", b"x") == (400, "InvalidArgument")
    assert await part("1", b"", "x-amz-copy-source: bucket/none") == (404, "NoSuchKey")
    assert await site.code(f"PUT {target}?uploadId={upload_id}", body=b"x") == (400, "InvalidArgument")
    assert await site.code(f"PUT {target}?partNumber=1&uploadId=x", body=b"x") == (404, "NoSuchUpload")
    assert await site.code(f"POST {target}?uploadId=x", body=part_list("x")) == (404, "NoSuchUpload")
    other = f"POST /{BUCKET}/other?uploadId={upload_id}"
    assert await site.code(other, body=part_list(*etags)) == (404, "NoSuchUpload")
    assert await complete(b"") == (400, "MalformedXML")
    assert await complete(part_list()) == (400, "MalformedXML")
    assert await complete(part_list("x")) == (400, "InvalidPart")
    assert await complete(part_list(etags[0], first=3)) == (400, "InvalidPart")
    assert await complete(part_list(*etags)) == (400, "EntityTooSmall")
    assert await complete(part_list(etags[1], first=2) + b"<") == (400, "MalformedXML")
    assert await complete(part_list(etags[0]), "x-amz-mp-object-size: 4") == (400, "InvalidRequest")
    assert await complete(part_list(etags[0]), 'If-Match: "x"') == (404, "NoSuchKey")
    assert await site.code(f"POST {target}?uploads", "x-amz-checksum-type: X", body=b"") == (
        400,
        "InvalidRequest",
    )
    assert await site.code(f"POST {target}?uploads", "x-amz-tagging: a=b&a", body=b"") == (
        400,
        "InvalidArgument",
    )
    assert await site.code("POST /missing/k?uploads", body=b"") == (404, "NoSuchBucket")
    upside_down = part_list(etags[1], first=2)[:-26] + part_list(etags[0])[25:]
    assert await complete(upside_down) == (400, "InvalidPartOrder")
    assert (await site.ask(f"POST {target}?uploadId={upload_id}", body=part_list(etags[0]))).status == 200
