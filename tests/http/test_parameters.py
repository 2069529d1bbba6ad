# SPDX-License-Identifier: GPL-2.0-only
"""Parameters and headers of the operations, each asked of a running server as raw bytes.

What they mean is tested case by case in `tests/s3`; here it is seen that each one reaches its operation.
"""

import base64
import hashlib
import zlib
from urllib.parse import quote

import pytest
from awscrt import checksums as crt

from dgproxy.engine import policy
from tests.http.conftest import BUCKET, Site
from tests.http.wire import Answer

K = f"/{BUCKET}/k"


def base64_of(data: bytes) -> str:
    return base64.b64encode(data).decode()


def texts(answer: Answer, root: str, path: str) -> list[str | None]:
    return [element.text for element in answer.xml(root).findall(path)]


# -- listings ------------------------------------------------------------------------------------------------

KEYS = ("a--1", "a--2", "a-1", "b c+d", "\n", "ä")


@pytest.fixture
async def filled(site: Site) -> Site:
    for key in KEYS:
        await site.put(quote(key), b"x")
    return site


@pytest.mark.parametrize(
    ("query", "keys", "prefixes"),
    [
        ("", sorted(KEYS), []),
        ("prefix=a-", ["a--1", "a--2", "a-1"], []),
        ("prefix=%0A", ["\n"], []),
        ("prefix=none", [], []),
        ("delimiter=--", ["\n", "a-1", "b c+d", "ä"], ["a--"]),
        ("delimiter=-&prefix=a-", ["a-1"], ["a--"]),
        ("delimiter=%C3%A4", sorted(KEYS)[:-1], ["ä"]),
        ("delimiter=", sorted(KEYS), []),
        ("max-keys=2", ["\n", "a--1"], []),
        ("max-keys=0", [], []),
        ("list-type=2&start-after=a-1", ["b c+d", "ä"], []),
        ("list-type=2&start-after=a-1&prefix=a-", [], []),
        ("list-type=2&start-after=a--&delimiter=--", ["a-1", "b c+d", "ä"], []),
        ("marker=a-1", ["b c+d", "ä"], []),
        ("marker=a--&delimiter=--", ["a-1", "b c+d", "ä"], []),
        ("marker=nothing", ["ä"], []),
        ("versions&key-marker=a-1", ["b c+d", "ä"], []),
        ("versions&key-marker=a-1&version-id-marker=null", ["b c+d", "ä"], []),
    ],
)
async def test_what_is_listed(filled: Site, query: str, keys: list[str], prefixes: list[str]) -> None:
    answer = await filled.ask(f"GET /{BUCKET}?{query}")
    root, path = (
        ("ListVersionsResult", "Version") if "versions" in query else ("ListBucketResult", "Contents")
    )
    assert texts(answer, root, f"{path}/Key") == keys
    assert texts(answer, root, "CommonPrefixes/Prefix") == prefixes


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("max-keys=5000", {"MaxKeys": "1000", "IsTruncated": "false", "Marker": None, "Name": BUCKET}),
        ("max-keys=2", {"MaxKeys": "2", "IsTruncated": "true", "NextMarker": None}),
        ("max-keys=2&delimiter=/", {"IsTruncated": "true", "NextMarker": "a--1", "Delimiter": "/"}),
        ("marker=a%2Bb&encoding-type=url", {"Marker": "a%2Bb", "EncodingType": "url"}),
        ("prefix=b+c%2Bd&encoding-type=url", {"Prefix": "b c+d", "Contents/Key": "b%20c%2Bd"}),
        ("list-type=2&prefix=b+c%2Bd&encoding-type=url", {"Prefix": "b%20c%2Bd", "KeyCount": "1"}),
        ("list-type=2&max-keys=2", {"KeyCount": "2", "IsTruncated": "true", "ContinuationToken": None}),
        ("list-type=2&start-after=x+y&encoding-type=url", {"StartAfter": "x%20y", "NextMarker": None}),
        ("list-type=2", {"Contents/Owner": None, "Contents/StorageClass": "STANDARD"}),
        ("list-type=2&fetch-owner=true", {"Contents/Owner/DisplayName": "deltaglider_proxy"}),
        ("", {"Contents/Owner/DisplayName": "deltaglider_proxy", "KeyCount": None}),
    ],
)
async def test_what_a_listing_says_of_itself(
    filled: Site, query: str, expected: dict[str, str | None]
) -> None:
    answer = await filled.ask(f"GET /{BUCKET}?{query}", "x-amz-optional-object-attributes: RestoreStatus")
    root = answer.xml("ListBucketResult")
    assert {path: root.findtext(path) or None for path in expected} == expected


async def test_a_token_goes_before_start_after(filled: Site) -> None:
    first = (await filled.ask(f"GET /{BUCKET}?list-type=2&max-keys=2")).xml("ListBucketResult")
    token = quote(first.findtext("NextContinuationToken") or "")
    await filled.ask(f"DELETE /{BUCKET}/a--1")  # the token's own key
    answer = await filled.ask(f"GET /{BUCKET}?list-type=2&continuation-token={token}&start-after=z")
    assert texts(answer, "ListBucketResult", "Contents/Key") == sorted(KEYS)[2:]


async def test_uploads_that_are_listed(site: Site) -> None:
    uploads: list[str] = []
    for key in ("a/1", "a/2", "a/2", "b", "c d"):
        answer = await site.ask(f"POST /{BUCKET}/{quote(key)}?uploads", body=b"")
        uploads.append(answer.xml("InitiateMultipartUploadResult").findtext("UploadId") or "")
    first = min(uploads[1:3])  # of one millisecond, either may be

    async def listed(query: str) -> tuple[list[str | None], list[str | None], str | None, str | None]:
        answer = await site.ask(f"GET /{BUCKET}?uploads{query}")
        root = answer.xml("ListMultipartUploadsResult")
        keys = texts(answer, "ListMultipartUploadsResult", "Upload/Key")
        prefixes = texts(answer, "ListMultipartUploadsResult", "CommonPrefixes/Prefix")
        return keys, prefixes, root.findtext("NextKeyMarker"), root.findtext("NextUploadIdMarker")

    assert await listed("") == (["a/1", "a/2", "a/2", "b", "c d"], [], None, None)
    assert await listed("&prefix=a/") == (["a/1", "a/2", "a/2"], [], None, None)
    assert await listed("&delimiter=/") == (["b", "c d"], ["a/"], None, None)
    assert await listed("&key-marker=a/2") == (["b", "c d"], [], None, None)
    assert await listed(f"&key-marker=a/2&upload-id-marker={first}") == (
        ["a/2", "b", "c d"],
        [],
        None,
        None,
    )
    assert await listed(f"&upload-id-marker={first}&max-uploads=2") == (
        ["a/1", "a/2"],
        [],
        "a/2",
        first,
    )
    assert await listed("&key-marker=b&encoding-type=url") == (["c%20d"], [], None, None)


async def test_parts_that_are_listed(site: Site) -> None:
    upload = (await site.ask(f"POST {K}?uploads", body=b"")).xml("InitiateMultipartUploadResult")
    target = f"{K}?uploadId={upload.findtext('UploadId')}"
    for number in (1, 5, 10000):
        await site.ask(f"PUT {target}&partNumber={number}", body=b"%d" % number)
    first = (await site.ask(f"GET {target}&max-parts=2")).xml("ListPartsResult")
    assert [each.text for each in first.findall("Part/PartNumber")] == ["1", "5"]
    for path, text in (("IsTruncated", "true"), ("NextPartNumberMarker", "5"), ("MaxParts", "2")):
        assert first.findtext(path) == text
    last = (await site.ask(f"GET {target}&part-number-marker=5")).xml("ListPartsResult")
    assert [each.text for each in last.findall("Part/PartNumber")] == ["10000"]
    assert (last.findtext("PartNumberMarker"), last.findtext("IsTruncated")) == ("5", "false")
    assert last.findtext("Part/ETag") == f'"{hashlib.md5(b"10000").hexdigest()}"'


# -- content and metadata ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("headers", "name", "value"),
    [
        ((), "content-type", "binary/octet-stream"),
        (("Content-Type: ",), "content-type", "binary/octet-stream"),
        (("Content-Type: a/b; c=d",), "content-type", "a/b; c=d"),
        (("Cache-Control: no-store",), "cache-control", "no-store"),
        (("Content-Disposition: inline",), "content-disposition", "inline"),
        (("Content-Encoding: gzip",), "content-encoding", "gzip"),
        (("Content-Language: de, en",), "content-language", "de, en"),
        (("Expires: 0",), "expires", "0"),
        (("X-AMZ-META-Mixed-Case: Value",), "x-amz-meta-mixed-case", "Value"),
        (("x-amz-meta-a: 1", "x-amz-meta-A: 2"), "x-amz-meta-a", "1,2"),
        (("x-amz-meta-a: ",), "x-amz-meta-a", ""),
        (("x-amz-meta-a: =?UTF-8?Q?=C3=A4?=",), "x-amz-meta-a", "=?UTF-8?B?w6Q=?="),
        (("x-amz-meta-a: ä",), "x-amz-meta-a", "=?UTF-8?B?w6Q=?="),
        (("x-amz-meta-a: \udce4",), "x-amz-meta-a", "=?UTF-8?B?w6Q=?="),  # Latin-1
        (("x-amz-storage-class: STANDARD",), "x-amz-storage-class", None),
    ],
)
async def test_headers_that_come_back(
    site: Site, headers: tuple[str, ...], name: str, value: str | None
) -> None:
    await site.put("k", b"x", *headers)
    for method in ("GET", "HEAD"):
        assert (await site.ask(f"{method} {K}")).headers.get(name) == value


async def test_all_response_overrides(site: Site) -> None:
    await site.put("k", b"x", "Content-Language: de")
    names = ("type", "language", "disposition", "encoding")
    query = "&".join(f"response-content-{name}=x-{name}" for name in names)
    query += "&response-cache-control=x-cache&response-expires=x-expires"
    for method in ("GET", "HEAD"):
        headers = (await site.ask(f"{method} {K}?{query}")).headers
        assert [headers[f"content-{name}"] for name in names] == [f"x-{name}" for name in names]
        assert (headers["cache-control"], headers["expires"]) == ("x-cache", "x-expires")


@pytest.mark.parametrize(
    ("header", "code"),
    [
        ("x-amz-website-redirect-location: /x", "NotImplemented"),
        ("x-amz-object-lock-mode: GOVERNANCE", "NotImplemented"),
        ("x-amz-object-lock-legal-hold: ON", "NotImplemented"),
        ("x-amz-object-lock-legal-hold: OFF", None),
        ("x-amz-grant-read: id=1", "NotImplemented"),
        ("x-amz-acl: bucket-owner-full-control", None),
        ("x-amz-storage-class: REDUCED_REDUNDANCY", "InvalidStorageClass"),
        ("x-amz-write-offset-bytes: 1", "NotImplemented"),
        ("x-amz-request-payer: requester", None),
        ("x-amz-checksum-xxhash64: AAAAAAAAAAA=", "InvalidRequest"),
        ("x-amz-sdk-checksum-algorithm: CRC32", "InvalidRequest"),
        ("x-amz-meta-a: \x7f", "BadRequest"),
    ],
)
async def test_headers_that_are_refused_or_harmless(site: Site, header: str, code: str | None) -> None:
    answer = await site.ask(f"PUT {K}", header, body=b"x")
    assert (answer.error() if answer.status >= 300 else None) == code
    assert (await site.ask(f"HEAD {K}")).status == (200 if code is None else 404)


# -- checksums -----------------------------------------------------------------------------------------------

DIGESTS = {
    "crc32": base64_of(zlib.crc32(b"abc").to_bytes(4, "big")),
    "crc32c": base64_of(crt.crc32c(b"abc").to_bytes(4, "big")),
    "crc64nvme": base64_of(crt.crc64nvme(b"abc").to_bytes(8, "big")),
    "sha1": base64_of(hashlib.sha1(b"abc").digest()),
    "sha256": base64_of(hashlib.sha256(b"abc").digest()),
}


@pytest.mark.parametrize("name", DIGESTS)
@pytest.mark.parametrize("in_trailer", [False, True])
async def test_each_checksum(any_site: Site, name: str, in_trailer: bool) -> None:
    header = f"x-amz-checksum-{name}"

    async def put(data: bytes) -> Answer:
        if not in_trailer:
            return await any_site.ask(f"PUT {K}", f"{header}: {DIGESTS[name]}", body=data)
        body = b"%x\r\n%b\r\n0\r\n%b:%b\r\n\r\n" % (len(data), data, header.encode(), DIGESTS[name].encode())
        return await any_site.ask(
            f"PUT {K}",
            "x-amz-content-sha256: STREAMING-UNSIGNED-PAYLOAD-TRAILER",
            f"x-amz-trailer: {header}",
            f"x-amz-decoded-content-length: {len(data)}",
            body=body,
        )

    assert (await put(b"abd")).error() == "BadDigest"
    assert await any_site.code(f"GET {K}") == (404, "NoSuchKey")
    stored = await put(b"abc")
    assert (stored.headers[header], stored.headers["x-amz-checksum-type"]) == (DIGESTS[name], "FULL_OBJECT")
    assert header not in (await any_site.ask(f"GET {K}")).headers
    for method in ("GET", "HEAD"):
        shown = (await any_site.ask(f"{method} {K}", "x-amz-checksum-mode: ENABLED")).headers
        assert (shown[header], shown["x-amz-checksum-type"]) == (DIGESTS[name], "FULL_OBJECT")


# -- copies --------------------------------------------------------------------------------------------------

OLD, LATER = "Sat, 01 Jan 2000 00:00:00 GMT", "Fri, 01 Jan 2100 00:00:00 GMT"


@pytest.mark.parametrize(
    ("conditions", "status"),
    [
        ({"if-match": "ETAG"}, 200),
        ({"if-match": "x"}, 412),
        ({"if-none-match": "x"}, 200),
        ({"if-none-match": "ETAG"}, 412),
        ({"if-modified-since": OLD}, 200),
        ({"if-modified-since": LATER}, 412),
        ({"if-unmodified-since": LATER}, 200),
        ({"if-unmodified-since": OLD}, 412),
        ({"if-match": "ETAG", "if-unmodified-since": OLD}, 200),
        ({"if-none-match": "ETAG", "if-modified-since": OLD}, 412),
    ],
)
async def test_conditions_of_a_copy_source(site: Site, conditions: dict[str, str], status: int) -> None:
    etag = (await site.put("k", b"abc")).headers["etag"]
    upload = (await site.ask(f"POST /{BUCKET}/parts?uploads", body=b"")).xml("InitiateMultipartUploadResult")
    part = f"/{BUCKET}/parts?partNumber=1&uploadId={upload.findtext('UploadId')}"
    headers = [f"x-amz-copy-source-{name}: {text.replace('ETAG', etag)}" for name, text in conditions.items()]
    for target in (f"/{BUCKET}/copy", part):
        assert (await site.ask(f"PUT {target}", f"x-amz-copy-source: {BUCKET}/k", *headers)).status == status
    itself = ("x-amz-metadata-directive: REPLACE", f"x-amz-copy-source: {BUCKET}/k")
    assert (await site.ask(f"PUT {K}", *itself, *headers)).status == status


@pytest.mark.parametrize(
    "key", ["a b+c", "?versionId=x", "%41", "/lead", "a//b", "ä/\n", "..", "a/../b", "k" * 1024]
)
async def test_source_keys_of_any_spelling(site: Site, key: str) -> None:
    assert len(key.encode()) <= 1024
    await site.put(quote(key, safe=""), key.encode())
    for version in ("", "?versionId=null"):
        for source in (f"/{BUCKET}/{quote(key)}{version}", f"{BUCKET}/{quote(key, safe='')}{version}"):
            assert (await site.ask(f"PUT /{BUCKET}/copy", f"x-amz-copy-source: {source}")).status == 200
            assert (await site.ask(f"GET /{BUCKET}/copy")).body == key.encode()


async def test_a_source_that_needs_parts(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is larger than a PUT may be is copied in parts; onto itself it moves no bytes."""
    await site.put("k", b"x" * 2000)
    monkeypatch.setattr(policy, "MAX_PUT", 1000)
    source = f"x-amz-copy-source: {BUCKET}/k"
    assert await site.code(f"PUT /{BUCKET}/copy", source) == (400, "InvalidRequest")
    assert (await site.ask(f"PUT {K}", source, "x-amz-metadata-directive: REPLACE")).status == 200
    upload = (await site.ask(f"POST /{BUCKET}/copy?uploads", body=b"")).xml("InitiateMultipartUploadResult")
    part = f"/{BUCKET}/copy?partNumber=1&uploadId={upload.findtext('UploadId')}"
    assert await site.code(f"PUT {part}", source) == (400, "EntityTooLarge")
    assert (await site.ask(f"PUT {part}", source, "x-amz-copy-source-range: bytes=0-999")).status == 200


@pytest.mark.parametrize("name", ["if-match", "if-none-match"])
async def test_conditions_of_a_copy_target(site: Site, name: str) -> None:
    await site.put("k", b"abc")
    source = f"x-amz-copy-source: {BUCKET}/k"
    code = (412, "PreconditionFailed")
    assert await site.code(f"PUT {K}2", source, "If-Match: *") == code
    assert (await site.ask(f"PUT {K}2", source, "If-None-Match: *")).status == 200
    value = '"x"' if name == "if-match" else "*"
    assert await site.code(f"PUT {K}2", source, f"{name}: {value}") == code


# -- deletes, and versions of what has none ------------------------------------------------------------------


async def test_batch_delete_parameters(site: Site) -> None:
    await site.put("a", b"x")

    async def delete(content: str, *headers: str) -> Answer:
        body = f"<Delete>{content}</Delete>".encode()
        proof = f"x-amz-checksum-crc32: {base64_of(zlib.crc32(body).to_bytes(4, 'big'))}"
        return await site.ask(f"POST /{BUCKET}?delete", *(headers or (proof,)), body=body)

    item = "<Object><Key>a</Key><VersionId>null</VersionId></Object>"
    assert (await delete(item, "X-Nothing: x")).error() == "InvalidRequest"
    twice = await delete(item + item)
    assert texts(twice, "DeleteResult", "Deleted/Key") == ["a", "a"]
    quiet = await delete(f"<Quiet>true</Quiet>{item}<Object><Key>a</Key><ETag>x</ETag></Object>")
    assert texts(quiet, "DeleteResult", "Deleted/Key") == []
    assert texts(quiet, "DeleteResult", "Error/Code") == ["NoSuchKey"]
    assert (await delete(item * 1001)).error() == "MalformedXML"
    assert len((await delete(item * 1000)).xml("DeleteResult")) == 1000


@pytest.mark.parametrize("version", ["null", "x", "", "A" * 32])
async def test_the_only_version_is_null(site: Site, version: str) -> None:
    await site.put("k", b"x")
    codes = {"x": (400, "InvalidArgument"), "": (400, "InvalidArgument"), "A" * 32: (404, "NoSuchVersion")}
    for line in (f"GET {K}", f"DELETE {K}"):
        answer = await site.ask(f"{line}?versionId={version}")
        if version == "null":
            assert answer.status in (200, 204)
        else:
            assert (answer.status, answer.error()) == codes[version]


async def test_if_range(site: Site) -> None:
    etag = (await site.put("k", b"abc")).headers["etag"]
    part = await site.ask(f"GET {K}", "Range: bytes=1-1", f"If-Range: {etag}")
    assert (part.status, part.body) == (206, b"b")
    whole = await site.ask(f"GET {K}", "Range: bytes=1-1", 'If-Range: "x"')
    assert (whole.status, whole.body) == (200, b"abc")


# -- what errors say beside their code ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "headers", "extra"),
    [
        (f"GET /{BUCKET}/none", (), {"Key": "none", "Resource": f"/{BUCKET}/none"}),
        ("GET /missing/k", (), {"BucketName": "missing"}),
        ("PUT /a_b", (), {"BucketName": "a_b"}),
        (f"GET /{BUCKET}/" + "k" * 1025, (), {"Size": "1025", "MaxSizeAllowed": "1024"}),
        (f"GET {K}?uploadId=gone", (), {"UploadId": "gone"}),
        (f"GET {K}", ("Range: bytes=9-",), {"RangeRequested": "bytes=9-", "ActualObjectSize": "1"}),
        (f"GET {K}", ('If-Match: "x"',), {"Condition": "If-Match"}),
        (f"GET {K}?partNumber=2", (), {"ActualPartCount": "1"}),
        (f"GET /{BUCKET}?max-keys=x", (), {"ArgumentName": "max-keys", "ArgumentValue": "x"}),
        (f"PUT {K}", ("x-amz-storage-class: X",), {"StorageClassRequested": "X"}),
        (f"PUT {K}", ("x-amz-acl: public-read",), {"Header": "x-amz-acl"}),
        (f"POST {K}", (), {"Method": "POST", "ResourceType": "OBJECT"}),
        (f"GET {K}?versionId=" + "v" * 32, (), {"VersionId": "v" * 32}),
    ],
)
async def test_what_errors_say(
    site: Site, line: str, headers: tuple[str, ...], extra: dict[str, str]
) -> None:
    await site.put("k", b"x")
    root = (await site.ask(line, *headers, body=b"")).xml("Error")
    assert {name: root.findtext(name) for name in extra} == extra


async def test_what_errors_say_of_parts(site: Site) -> None:
    upload = (await site.ask(f"POST {K}?uploads", body=b"")).xml("InitiateMultipartUploadResult")
    upload_id = upload.findtext("UploadId") or ""
    parts = ""
    for number in (1, 2):
        answer = await site.ask(f"PUT {K}?partNumber={number}&uploadId={upload_id}", body=b"abc")
        parts += f"<Part><PartNumber>{number}</PartNumber><ETag>{answer.headers['etag']}</ETag></Part>"
    document = f"<CompleteMultipartUpload>{parts}</CompleteMultipartUpload>"
    small = (await site.ask(f"POST {K}?uploadId={upload_id}", body=document.encode())).xml("Error")
    assert [small.findtext(name) for name in ("Code", "PartNumber", "ProposedSize", "MinSizeAllowed")] == [
        "EntityTooSmall",
        "1",
        "3",
        str(5 << 20),
    ]
    wrong = document.replace("<PartNumber>2", "<PartNumber>3").encode()
    invalid = (await site.ask(f"POST {K}?uploadId={upload_id}", body=wrong)).xml("Error")
    assert [invalid.findtext(name) for name in ("Code", "PartNumber", "UploadId")] == [
        "InvalidPart",
        "3",
        upload_id,
    ]


# -- buckets -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("place", ["us-east-1", "eu-central-1", ""])
async def test_any_location_is_accepted(site: Site, place: str) -> None:
    body = f"<CreateBucketConfiguration><LocationConstraint>{place}</LocationConstraint>"
    answer = await site.ask("PUT /another-one", body=f"{body}</CreateBucketConfiguration>".encode())
    assert (answer.status, answer.headers["location"]) == (200, "/another-one")
    location = await site.ask("GET /another-one?location")
    assert location.xml("LocationConstraint").text is None


@pytest.mark.parametrize(
    "content", ["<Location/>", "<Bucket/>", "<Tags><Tag><Key>a</Key><Value>b</Value></Tag></Tags>"]
)
async def test_creations_that_are_refused(site: Site, content: str) -> None:
    body = f"<CreateBucketConfiguration>{content}</CreateBucketConfiguration>".encode()
    assert await site.code("PUT /another-one", body=body) == (501, "NotImplemented")


async def test_a_bucket_goes_with_its_uploads(any_site: Site) -> None:
    upload = (await any_site.ask(f"POST {K}?uploads", body=b"")).xml("InitiateMultipartUploadResult")
    target = f"{K}?uploadId={upload.findtext('UploadId')}"
    assert (await any_site.ask(f"PUT {target}&partNumber=1", body=b"x")).status == 200
    assert (await any_site.ask(f"DELETE /{BUCKET}")).status == 204
    await any_site.ask(f"PUT /{BUCKET}", body=b"")
    assert await any_site.code(f"GET {target}") == (404, "NoSuchUpload")


async def test_complete_again_with_its_condition(any_site: Site) -> None:
    upload = (await any_site.ask(f"POST {K}?uploads", body=b"")).xml("InitiateMultipartUploadResult")
    target = f"{K}?uploadId={upload.findtext('UploadId')}"
    etag = (await any_site.ask(f"PUT {target}&partNumber=1", body=b"x")).headers["etag"]
    part = f"<Part><PartNumber>1</PartNumber><ETag>{etag}</ETag></Part>"
    body = f"<CompleteMultipartUpload>{part}</CompleteMultipartUpload>".encode()
    for _ in range(2):  # its own object does not stand in its way
        assert (await any_site.ask(f"POST {target}", "If-None-Match: *", body=body)).status == 200
