# SPDX-License-Identifier: GPL-2.0-only
"""Browser uploads: forms as boto3 presigns them, in both versions, and every way to be refused."""

import os
from collections.abc import AsyncIterator, Mapping
from typing import Any

import boto3
import pytest
from botocore.config import Config

from dgproxy.http.access import AccessKey, Credentials
from dgproxy.storage.memory import MemoryBackend
from tests.http.conftest import BUCKET, Site, site_over
from tests.http.wire import Answer

KEY = AccessKey("the-access-key", "the-secret-key")
KEYS = Credentials([KEY])
BOUNDARY = "----xYzZY"
TYPE = f"Content-Type: multipart/form-data; boundary={BOUNDARY}"


@pytest.fixture
async def closed(memory: MemoryBackend, log: object) -> AsyncIterator[Site]:
    """A server with credentials."""
    async with site_over(memory, KEYS) as site:
        yield site


def form(fields: Mapping[str, str], file: bytes, filename: str = "f.txt") -> bytes:
    parts = "".join(
        f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
        for name, value in fields.items()
    )
    head = f'Content-Disposition: form-data; name="file"; filename="{filename}"\r\nContent-Type: x/y'
    return f"{parts}--{BOUNDARY}\r\n{head}\r\n\r\n".encode() + file + f"\r\n--{BOUNDARY}--\r\n".encode()


async def post(
    site: Site, fields: Mapping[str, str], file: bytes = b"abc", filename: str = "f.txt"
) -> Answer:
    return await site.ask(f"POST /{BUCKET}", TYPE, body=form(fields, file, filename))


def presigned(
    version: str,
    key: str = "k",
    fields: Mapping[str, str] | None = None,
    conditions: list[Any] | None = None,
    *,
    secret: str = KEY.secret,
    access_key: str = KEY.id,
    expires: int = 60,
) -> dict[str, str]:
    """The fields of a form as boto3 makes them."""
    client = boto3.client(
        "s3",
        endpoint_url="http://s3.test:9000",
        aws_access_key_id=access_key,
        aws_secret_access_key=secret,
        region_name="us-east-1",
        config=Config(signature_version=version),
    )
    made = client.generate_presigned_post(
        BUCKET, key, Fields=dict(fields or {}), Conditions=conditions, ExpiresIn=expires
    )
    return dict(made["fields"])


VERSIONS = pytest.mark.parametrize("version", ["s3v4", "s3"])


@VERSIONS
async def test_a_form_stores_an_object(closed: Site, version: str) -> None:
    own = {"Content-Type": "text/plain", "x-amz-meta-m": "1", "acl": "private"}
    fields = presigned(version, "dir/${filename}", own, [{name: value} for name, value in own.items()])
    data = os.urandom(3 << 20)
    answer = await post(closed, fields, data, "C:\\dir\\ä.bin")
    assert (answer.status, answer.body) == (204, b"")
    line = presigned_get("dir/%C3%A4.bin")
    stored = await closed.ask(line)
    assert stored.body == data
    assert stored.headers["content-type"] == "text/plain"
    assert stored.headers["x-amz-meta-m"] == "1"
    assert stored.headers["etag"] == answer.headers["etag"]


def presigned_get(key: str) -> str:
    from tests.http.test_authentication import presigned as url

    return url(f"GET /{BUCKET}/{key}")


@VERSIONS
async def test_refusals_of_signatures(closed: Site, version: str) -> None:
    async def refusal(fields: Mapping[str, str]) -> tuple[int, str]:
        answer = await post(closed, fields)
        return answer.status, answer.error()

    good = presigned(version)
    assert await refusal(presigned(version, secret="guess")) == (403, "SignatureDoesNotMatch")
    assert await refusal(presigned(version, access_key="nobody")) == (403, "InvalidAccessKeyId")
    assert await refusal(presigned(version, expires=-1)) == (403, "AccessDenied")
    assert await refusal({"key": "k"}) == (403, "AccessDenied")
    other_policy = presigned(version, "other")["policy"]
    assert await refusal({**good, "policy": other_policy}) == (403, "SignatureDoesNotMatch")
    assert await refusal({**good, "key": "other"}) == (403, "AccessDenied")
    assert await refusal({**good, "x-amz-meta-m": "1"}) == (403, "AccessDenied")
    for name in good.keys() - {"key", "policy"}:
        assert (await refusal({each: good[each] for each in good if each != name}))[0] in (400, 403), name
    elsewhere = await closed.ask("POST /elsewhere", TYPE, body=form(good, b"x"))
    assert elsewhere.error() == "AccessDenied"
    assert (await closed.ask(presigned_get("k"))).error() == "NoSuchKey"


async def test_version_2_can_be_forbidden(memory: MemoryBackend, log: object) -> None:
    async with site_over(memory, Credentials([KEY], signature_v2=False)) as site:
        assert (await post(site, presigned("s3"))).error() == "InvalidArgument"
        assert (await post(site, presigned("s3v4"))).status == 204


async def test_only_a_form_goes_without_a_signed_head(closed: Site) -> None:
    body = form(presigned("s3v4"), b"x")
    for line in (f"POST /{BUCKET}?delete", f"POST /{BUCKET}/k?uploads", f"PUT /{BUCKET}/k", "POST /?x"):
        assert await closed.code(line, TYPE, body=body) == (403, "AccessDenied")


async def test_sizes(closed: Site) -> None:
    def fields() -> dict[str, str]:
        return presigned("s3v4", conditions=[["content-length-range", 2, 4]])

    assert (await post(closed, fields(), b"x")).error() == "EntityTooSmall"
    assert (await post(closed, fields(), b"x" * 5)).error() == "EntityTooLarge"
    assert (await closed.ask(presigned_get("k"))).error() == "NoSuchKey"
    for size in (2, 4):
        assert (await post(closed, fields(), b"x" * size)).status == 204


# -- what an open server does with a form --------------------------------------------------------------------


async def test_answers(any_site: Site) -> None:
    created = await post(any_site, {"key": "a b", "success_action_status": "201"})
    assert created.status == 201
    root = created.xml("PostResponse")
    assert root.findtext("Key") == "a b"
    assert root.findtext("Bucket") == BUCKET
    assert root.findtext("ETag") == created.headers["etag"]
    assert root.findtext("Location") == f"http://s3.test:9000/{BUCKET}/a%20b" == created.headers["location"]
    assert (await post(any_site, {"key": "k", "success_action_status": "200"})).status == 200
    assert (await post(any_site, {"key": "k", "success_action_status": "404"})).status == 204
    redirected = await post(any_site, {"key": "a b", "success_action_redirect": "http://x.test/p?q=1"})
    etag = created.headers["etag"].replace('"', "%22")
    expected = f"http://x.test/p?q=1&bucket={BUCKET}&key=a+b&etag={etag}"
    assert (redirected.status, redirected.headers["location"]) == (303, expected)
    for url in ("javascript:alert(1)", "//x.test", "http://", "http://x.test/\u00e4", "http://[x/"):
        assert (await post(any_site, {"key": "k", "success_action_redirect": url})).status == 204, url


async def test_digests_and_tags(any_site: Site) -> None:
    tagging = "<Tagging><TagSet><Tag><Key>a</Key><Value>1</Value></Tag></TagSet></Tagging>"
    good = {"key": "k", "x-amz-checksum-crc32": "NSRBwg==", "tagging": tagging}
    assert (await post(any_site, good)).headers["x-amz-checksum-crc32"] == "NSRBwg=="
    assert (await any_site.ask(f"HEAD /{BUCKET}/k")).headers["x-amz-tagging-count"] == "1"
    wrong = await post(any_site, {"key": "new", "x-amz-checksum-crc32": "AAAAAA=="})
    assert wrong.error() == "BadDigest"
    assert (
        await post(any_site, {"key": "new", "Content-MD5": "1B2M2Y8AsgTpgAmY7PhCfg=="})
    ).error() == "BadDigest"
    assert (await any_site.ask(f"HEAD /{BUCKET}/new")).status == 404


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, (400, "UserKeyMustBeSpecified")),
        ({"key": ""}, (400, "InvalidArgument")),
        ({"key": "k" * 1025}, (400, "KeyTooLongError")),
        ({"key": "k", "policy": "x"}, (400, "InvalidPolicyDocument")),
        ({"key": "k", "acl": "public-read"}, (501, "NotImplemented")),
        ({"key": "k", "x-amz-meta-m": "x" * 2050}, (400, "MetadataTooLarge")),
        ({"key": "k", "x-amz-storage-class": "GLACIER"}, (400, "InvalidStorageClass")),
        ({"key": "k", "x": "x" * 21_000}, (400, "MaxPostPreDataLengthExceededError")),
    ],
)
async def test_refusals(site: Site, fields: dict[str, str], expected: tuple[int, str]) -> None:
    answer = await post(site, fields)
    assert (answer.status, answer.error()) == expected


async def test_a_form_that_ends_early_stores_nothing(site: Site) -> None:
    body = form({"key": "k"}, b"x" * 100_000)
    assert await site.code(f"POST /{BUCKET}", TYPE, body=body[:-50]) == (400, "IncompleteBody")
    assert await site.code("POST /missing", TYPE, body=body) == (404, "NoSuchBucket")
    assert (await site.ask(f"HEAD /{BUCKET}/k")).status == 404
