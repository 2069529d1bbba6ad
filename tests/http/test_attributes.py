# SPDX-License-Identifier: GPL-2.0-only
"""Tags and GetObjectAttributes, over each backend."""

import asyncio
import base64
import hashlib
import random
import zlib

import pytest
from lxml import etree

from tests.http.conftest import BUCKET, Site
from tests.http.wire import Answer

K = f"/{BUCKET}/k"
PART = random.Random(4).randbytes(5 << 20)  # what does not compress by itself


def crc32(data: bytes) -> str:
    return base64.b64encode(zlib.crc32(data).to_bytes(4, "big")).decode()


def sha1(data: bytes) -> str:
    return base64.b64encode(hashlib.sha1(data).digest()).decode()


async def tags_of(site: Site, path: str = K) -> dict[str | None, str | None]:
    root = (await site.ask(f"GET {path}?tagging")).xml("Tagging")
    return {tag.findtext("Key"): tag.findtext("Value") for tag in root.iter("Tag")}


def tagging(**tags: str) -> bytes:
    content = "".join(f"<Tag><Key>{key}</Key><Value>{value}</Value></Tag>" for key, value in tags.items())
    return f"<Tagging><TagSet>{content}</TagSet></Tagging>".encode()


async def test_tags_of_an_object(any_site: Site) -> None:
    await any_site.put("k", b"abc", "x-amz-tagging: b=%C3%A4+x&a=1", "x-amz-meta-m: kept")
    assert list((await tags_of(any_site)).items()) == [("a", "1"), ("b", "ä x")]
    head = await any_site.ask(f"HEAD {K}")
    assert head.headers["x-amz-tagging-count"] == "2"
    assert (await any_site.ask(f"GET {K}")).headers["x-amz-tagging-count"] == "2"

    await asyncio.sleep(1.1)  # Last-Modified has seconds
    assert (await any_site.ask(f"PUT {K}?tagging", body=tagging(c="3"))).status == 200
    assert await tags_of(any_site) == {"c": "3"}
    tagged = await any_site.ask(f"GET {K}")
    assert tagged.body == b"abc"
    assert tagged.headers["x-amz-tagging-count"] == "1"
    for name in ("etag", "last-modified", "x-amz-meta-m"):
        assert tagged.headers[name] == head.headers[name], name

    assert (await any_site.ask(f"DELETE {K}?tagging")).status == 204
    assert await tags_of(any_site) == {}
    assert "x-amz-tagging-count" not in (await any_site.ask(f"HEAD {K}")).headers
    await any_site.put("k", b"new")
    assert await tags_of(any_site) == {}


async def test_tagging_a_stored_delta_moves_nothing(any_site: Site) -> None:
    reference, version = PART, PART[:-1] + b"x"
    await any_site.put("a.zip", reference)
    await any_site.put("b.zip", version)
    for key in ("a.zip", "b.zip"):
        answer = await any_site.ask(f"PUT /{BUCKET}/{key}?tagging", body=tagging(stage="released"))
        assert answer.status == 200
    assert (await any_site.ask(f"GET /{BUCKET}/a.zip")).body == reference
    assert (await any_site.ask(f"GET /{BUCKET}/b.zip")).body == version
    assert (await any_site.ask(f"HEAD /{BUCKET}/b.zip")).headers["x-amz-storage-type"] == "delta"


async def test_tags_of_copies(any_site: Site) -> None:
    await any_site.put("k", b"abc", "x-amz-tagging: a=1")
    source = f"x-amz-copy-source: {BUCKET}/k"
    replace, tagged = "x-amz-tagging-directive: REPLACE", "x-amz-tagging: b=2"
    metadata = "x-amz-metadata-directive: REPLACE"
    for headers, expected in (
        ((source,), {"a": "1"}),
        ((source, metadata), {"a": "1"}),
        ((source, tagged), {"a": "1"}),
        ((source, replace, tagged), {"b": "2"}),
        ((source, replace, tagged, metadata), {"b": "2"}),
        ((source, replace), {}),
    ):
        assert (await any_site.ask(f"PUT /{BUCKET}/copy", *headers)).status == 200
        assert await tags_of(any_site, f"/{BUCKET}/copy") == expected, headers
    assert (await any_site.ask(f"PUT {K}", source, metadata)).status == 200
    assert await tags_of(any_site) == {"a": "1"}
    assert (await any_site.ask(f"PUT {K}", source, metadata, replace, tagged)).status == 200
    assert await tags_of(any_site) == {"b": "2"}
    wrong = await any_site.code(f"PUT {K}", source, "x-amz-tagging-directive: x")
    assert wrong == (400, "InvalidArgument")


async def test_tags_of_an_upload(any_site: Site) -> None:
    upload = await create(any_site, "x-amz-tagging: a=1")
    etag = (await any_site.ask(f"PUT {K}?partNumber=1&uploadId={upload}", body=b"x")).headers["etag"]
    assert (await complete(any_site, upload, [etag])).status == 200
    assert await tags_of(any_site) == {"a": "1"}


@pytest.mark.parametrize(
    ("line", "body", "expected"),
    [
        (f"GET /{BUCKET}/none?tagging", None, (404, "NoSuchKey")),
        (f"PUT /{BUCKET}/none?tagging", tagging(a="1"), (404, "NoSuchKey")),
        (f"DELETE /{BUCKET}/none?tagging", None, (404, "NoSuchKey")),
        ("GET /missing/k?tagging", None, (404, "NoSuchBucket")),
        ("PUT /missing/k?tagging", tagging(a="1"), (404, "NoSuchBucket")),
        (f"PUT {K}?tagging", b"", (400, "MalformedXML")),
        (f"PUT {K}?tagging", tagging(**{f"k{number}": "v" for number in range(11)}), (400, "InvalidTag")),
        (f"PUT {K}?tagging&versionId={'v' * 32}", tagging(a="1"), (404, "NoSuchVersion")),
    ],
)
async def test_tagging_refusals(site: Site, line: str, body: bytes | None, expected: tuple[int, str]) -> None:
    await site.put("k", b"x", "x-amz-tagging: old=1")
    assert await site.code(line, body=body) == expected
    assert await tags_of(site) == {"old": "1"}


# -- GetObjectAttributes -------------------------------------------------------------------------------------

ALL = "x-amz-object-attributes: ETag,Checksum,ObjectParts,StorageClass,ObjectSize"


async def create(site: Site, *headers: str) -> str:
    answer = await site.ask(f"POST {K}?uploads", *headers, body=b"")
    return answer.xml("InitiateMultipartUploadResult").findtext("UploadId") or ""


async def complete(site: Site, upload: str, etags: list[str], *headers: str) -> Answer:
    parts = "".join(
        f"<Part><PartNumber>{number}</PartNumber><ETag>{etag}</ETag></Part>"
        for number, etag in enumerate(etags, 1)
    )
    body = f"<CompleteMultipartUpload>{parts}</CompleteMultipartUpload>".encode()
    return await site.ask(f"POST {K}?uploadId={upload}", *headers, body=body)


async def test_attributes_of_one_put(any_site: Site) -> None:
    put = await any_site.put("k", b"abc", f"x-amz-checksum-crc32: {crc32(b'abc')}")
    answer = await any_site.ask(f"GET {K}?attributes", ALL)
    root = answer.xml("GetObjectAttributesResponse")
    assert root.findtext("ETag") == put.headers["etag"].strip('"')
    assert root.findtext("ObjectSize") == "3"
    assert root.findtext("StorageClass") == "STANDARD"
    assert root.findtext("Checksum/ChecksumCRC32") == crc32(b"abc")
    assert root.findtext("Checksum/ChecksumType") == "FULL_OBJECT"
    assert root.find("ObjectParts") is None
    assert answer.headers["last-modified"] == (await any_site.ask(f"HEAD {K}")).headers["last-modified"]
    only = (await any_site.ask(f"GET {K}?attributes", "x-amz-object-attributes: ObjectSize")).xml(
        "GetObjectAttributesResponse"
    )
    assert [child.tag for child in only] == ["ObjectSize"]


@pytest.mark.parametrize("checksums", [True, False])
async def test_attributes_of_an_upload(any_site: Site, checksums: bool) -> None:
    upload = await create(any_site, *(["x-amz-checksum-algorithm: CRC32"] if checksums else []))
    etags = []
    for number, data in enumerate((PART, PART, b"end"), 1):
        proof = [f"x-amz-checksum-crc32: {crc32(data)}"] if checksums else []
        line = f"PUT {K}?partNumber={number}&uploadId={upload}"
        etags.append((await any_site.ask(line, *proof, body=data)).headers["etag"])
    assert (await complete(any_site, upload, etags)).status == 200
    paging = ("x-amz-max-parts: 1", "x-amz-part-number-marker: 1")
    root = (await any_site.ask(f"GET {K}?attributes", ALL, *paging)).xml("GetObjectAttributesResponse")
    assert root.findtext("ObjectParts/PartsCount") == "3"
    parts = [(part.findtext("PartNumber"), part.findtext("Size")) for part in root.iter("Part")]
    assert parts == ([("2", str(len(PART)))] if checksums else [])
    if checksums:
        assert root.findtext("ObjectParts/IsTruncated") == "true"
        assert root.findtext("ObjectParts/NextPartNumberMarker") == "2"
        assert root.findtext("ObjectParts/Part/ChecksumCRC32") == crc32(PART)
        assert (root.findtext("Checksum/ChecksumCRC32") or "").endswith("-3")
        assert root.findtext("Checksum/ChecksumType") == "COMPOSITE"


@pytest.mark.parametrize(
    ("line", "headers", "expected"),
    [
        (f"GET {K}?attributes", (), (400, "InvalidRequest")),
        (f"GET {K}?attributes", ("x-amz-object-attributes: ,",), (400, "InvalidRequest")),
        (f"GET {K}?attributes", ("x-amz-object-attributes: Etag",), (400, "InvalidArgument")),
        (f"GET {K}?attributes", (ALL, "x-amz-max-parts: x"), (400, "InvalidArgument")),
        (f"GET /{BUCKET}/none?attributes", (ALL,), (404, "NoSuchKey")),
        ("GET /missing/k?attributes", (ALL,), (404, "NoSuchBucket")),
    ],
)
async def test_attributes_refusals(
    site: Site, line: str, headers: tuple[str, ...], expected: tuple[int, str]
) -> None:
    await site.put("k", b"x")
    assert await site.code(line, *headers) == expected


async def test_a_copy_shows_its_checksum(site: Site) -> None:
    await site.put("k", b"abc", f"x-amz-checksum-crc32: {crc32(b'abc')}")
    copied = await site.ask(f"PUT /{BUCKET}/copy", f"x-amz-copy-source: {BUCKET}/k")
    assert copied.xml("CopyObjectResult").findtext("ChecksumCRC32") == crc32(b"abc")


async def test_a_copy_with_a_checksum_of_its_own(any_site: Site) -> None:
    """x-amz-checksum-algorithm: computed from the bytes, also of a copy onto itself."""
    await any_site.put("k", PART, f"x-amz-checksum-sha1: {sha1(PART)}", "x-amz-meta-a: 1")
    source, wanted = f"x-amz-copy-source: {BUCKET}/k", "x-amz-checksum-algorithm: crc32"
    copied = await any_site.ask(f"PUT /{BUCKET}/copy", source, wanted)
    assert copied.xml("CopyObjectResult").findtext("ChecksumCRC32") == crc32(PART)
    itself = await any_site.ask(f"PUT {K}", source, wanted, "x-amz-metadata-directive: REPLACE")
    assert itself.xml("CopyObjectResult").findtext("ChecksumCRC32") == crc32(PART)
    for key in ("k", "copy"):
        got = await any_site.ask(f"GET /{BUCKET}/{key}", "x-amz-checksum-mode: ENABLED")
        assert (got.body, got.headers["x-amz-checksum-crc32"]) == (PART, crc32(PART))
        assert got.headers["x-amz-checksum-type"] == "FULL_OBJECT"
        assert ("x-amz-meta-a" in got.headers) == (key == "copy")
    code = await any_site.code(f"PUT /{BUCKET}/copy", source, "x-amz-checksum-algorithm: XXHASH64")
    assert code == (400, "InvalidRequest")
    assert await any_site.code(f"PUT {K}", source, wanted) == (400, "InvalidRequest")


@pytest.mark.parametrize("kind", ["COMPOSITE", "FULL_OBJECT"])
async def test_an_announced_checksum_is_computed_where_a_client_gives_none(any_site: Site, kind: str) -> None:
    await any_site.put("source", b"0123456789")
    upload = await create(any_site, "x-amz-checksum-algorithm: CRC32", f"x-amz-checksum-type: {kind}")
    first = await any_site.ask(f"PUT {K}?partNumber=1&uploadId={upload}", body=PART)
    assert first.headers["x-amz-checksum-crc32"] == crc32(PART)
    source = (f"x-amz-copy-source: {BUCKET}/source", "x-amz-copy-source-range: bytes=2-4")
    second = await any_site.ask(f"PUT {K}?partNumber=2&uploadId={upload}", *source)
    result = second.xml("CopyPartResult")
    assert result.findtext("ChecksumCRC32") == crc32(b"234")

    other = f"x-amz-checksum-sha1: {sha1(b'x')}"
    line = f"PUT {K}?partNumber=3&uploadId={upload}"
    assert await any_site.code(line, other, body=b"x") == (400, "InvalidRequest")
    etags = [first.headers["etag"], result.findtext("ETag") or ""]
    wrong = "COMPOSITE" if kind == "FULL_OBJECT" else "FULL_OBJECT"
    refused = await complete(any_site, upload, etags, f"x-amz-checksum-type: {wrong}")
    assert (refused.status, refused.error()) == (400, "BadDigest")
    done = await complete(any_site, upload, etags, f"x-amz-checksum-type: {kind}")
    text = done.xml("CompleteMultipartUploadResult").findtext("ChecksumCRC32") or ""
    assert (text == crc32(PART + b"234")) if kind == "FULL_OBJECT" else text.endswith("-2")

    for number, data in ((1, PART), (2, b"234")):
        part = await any_site.ask(f"GET {K}?partNumber={number}", "x-amz-checksum-mode: ENABLED")
        assert (part.status, part.body) == (206, data)
        assert part.headers["x-amz-checksum-crc32"] == crc32(data)
        assert part.headers["x-amz-checksum-type"] == kind
    whole = await any_site.ask(f"HEAD {K}", "x-amz-checksum-mode: ENABLED")
    assert whole.headers["x-amz-checksum-crc32"] == text
    ranged = await any_site.ask(f"HEAD {K}", "x-amz-checksum-mode: ENABLED", "Range: bytes=0-9")
    assert "x-amz-checksum-crc32" not in ranged.headers


async def test_listings_show_which_checksums_there_are(site: Site) -> None:
    await site.put("with", b"abc", "x-amz-checksum-crc32: NSRBwg==")
    await site.put("without", b"abc")
    for query, item in (("list-type=2", "Contents"), ("", "Contents"), ("versions", "Version")):
        answer = await site.ask(f"GET /{BUCKET}?{query}")
        root = etree.fromstring(answer.body)
        found = [
            (each.findtext("{*}ChecksumAlgorithm"), each.findtext("{*}ChecksumType"))
            for each in root.iter(f"{{*}}{item}")
        ]
        assert found == [("CRC32", "FULL_OBJECT"), (None, None)]


async def test_listings_show_the_checksum_that_was_announced(any_site: Site) -> None:
    plain = await create(any_site)
    upload = await create(any_site, "x-amz-checksum-algorithm: CRC32", "x-amz-checksum-type: FULL_OBJECT")
    shown = {}
    for listed in (
        (await any_site.ask(f"GET /{BUCKET}?uploads")).xml("ListMultipartUploadsResult").iter("Upload")
    ):
        shown[listed.findtext("UploadId")] = (
            listed.findtext("ChecksumAlgorithm"),
            listed.findtext("ChecksumType"),
        )
    assert shown == {plain: (None, None), upload: ("CRC32", "FULL_OBJECT")}
    proof = f"x-amz-checksum-crc32: {crc32(b'x')}"
    await any_site.ask(f"PUT {K}?partNumber=1&uploadId={upload}", proof, body=b"x")
    root = (await any_site.ask(f"GET {K}?uploadId={upload}")).xml("ListPartsResult")
    assert (root.findtext("ChecksumAlgorithm"), root.findtext("ChecksumType")) == ("CRC32", "FULL_OBJECT")
    assert root.findtext("Part/ChecksumCRC32") == crc32(b"x")
