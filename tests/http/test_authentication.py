# SPDX-License-Identifier: GPL-2.0-only
"""Credentials set: what botocore signs is let in, anything else is refused before its body is read."""

import hashlib
import os
from collections.abc import AsyncIterator, Callable
from typing import Any
from urllib.parse import urlsplit

import pytest
from botocore.auth import HmacV1QueryAuth, S3SigV4Auth, S3SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials as Keys

from dgproxy.http.access import AccessKey, Credentials
from dgproxy.storage.memory import MemoryBackend
from tests.http.conftest import BUCKET, Site, site_over
from tests.http.wire import Answer

KEYS = Keys("the-access-key", "the-secret-key")
KEY = AccessKey(KEYS.access_key, KEYS.secret_key)
LARGE = os.urandom(5 << 20)

Log = Callable[[], list[dict[str, Any]]]


@pytest.fixture
async def closed(memory: MemoryBackend, log: object) -> AsyncIterator[Site]:
    """A server with credentials."""
    async with site_over(memory, Credentials([KEY])) as site:
        yield site


def signed(
    line: str, body: bytes = b"", *, keys: Keys = KEYS, absolute: bool = False, **more: str
) -> tuple[str, list[str]]:
    """The request line and header lines as botocore signs them."""
    method, _, target = line.partition(" ")
    request = AWSRequest(method, f"http://s3.test:9000{target}", data=body, headers=more)
    S3SigV4Auth(keys, "s3", "us-east-1").add_auth(request)
    headers = [f"{name}: {value}" for name, value in request.headers.items()]
    return (f"{method} http://s3.test:9000{target}" if absolute else line), headers


def presigned(line: str, *, keys: Keys = KEYS, expires: int = 60) -> str:
    method, _, target = line.partition(" ")
    request = AWSRequest(method, f"http://s3.test:9000{target}")
    S3SigV4QueryAuth(keys, "s3", "us-east-1", expires=expires).add_auth(request)
    parts = urlsplit(request.url)
    return f"{method} {parts.path}?{parts.query}"


async def ask(site: Site, line: str, body: bytes = b"", **options: Any) -> Answer:
    line, headers = signed(line, body, **options)
    return await site.ask(line, *headers, body=body)


@pytest.mark.parametrize("key", ["plain", "a%20b/%2B", "%C3%A4", "a//b", "%28x%29~%2A%27%21"])
async def test_signed_requests(closed: Site, key: str) -> None:
    assert (await ask(closed, f"PUT /{BUCKET}/{key}", b"abc")).status == 200
    assert (await ask(closed, f"GET /{BUCKET}/{key}")).body == b"abc"
    assert (await ask(closed, f"GET /{BUCKET}/{key}", absolute=True)).body == b"abc"
    assert (await ask(closed, f"GET /{BUCKET}?list-type=2&prefix=a%20b%2F&start-after")).status == 200
    assert (await closed.ask(presigned(f"GET /{BUCKET}/{key}"))).body == b"abc"
    assert (await ask(closed, f"DELETE /{BUCKET}/{key}")).status == 204


async def test_a_presigned_put(closed: Site) -> None:
    assert (await closed.ask(presigned(f"PUT /{BUCKET}/k"), body=LARGE)).status == 200
    assert (await ask(closed, f"GET /{BUCKET}/k")).body == LARGE


def presigned_v2(line: str, *, keys: Keys = KEYS, expires: int = 60, **more: str) -> str:
    method, _, target = line.partition(" ")
    request = AWSRequest(method, f"http://s3.test:9000{target}", headers=more)
    HmacV1QueryAuth(keys, expires=expires).add_auth(request)
    parts = urlsplit(request.url)
    return f"{method} {parts.path}?{parts.query}"


async def test_urls_presigned_with_version_2(closed: Site) -> None:
    assert (await closed.ask(presigned_v2(f"PUT /{BUCKET}/a%20b"), body=b"abc")).status == 200
    assert (await closed.ask(presigned_v2(f"GET /{BUCKET}/a%20b"))).body == b"abc"
    assert (await closed.ask(presigned_v2(f"GET /{BUCKET}?list-type=2&prefix=a"))).status == 200
    target = f"GET /{BUCKET}/a%20b"
    wrong = presigned_v2(target, keys=Keys("the-access-key", "guess"))
    assert await closed.code(wrong) == (403, "SignatureDoesNotMatch")
    assert await closed.code(presigned_v2(target, keys=Keys("nobody", "x"))) == (403, "InvalidAccessKeyId")
    assert await closed.code(presigned_v2(target, expires=-5)) == (403, "AccessDenied")
    assert await closed.code(presigned_v2(target).replace("a%20b", "other")) == (403, "SignatureDoesNotMatch")


async def test_version_2_can_be_forbidden(memory: MemoryBackend, log: object) -> None:
    only_v4 = Credentials([KEY], signature_v2=False)
    async with site_over(memory, only_v4) as site:
        assert await site.code(presigned_v2(f"GET /{BUCKET}/k")) == (400, "InvalidRequest")
        assert await site.code(presigned(f"GET /{BUCKET}/k")) == (404, "NoSuchKey")


async def test_headers_that_a_presigned_url_carries_count(closed: Site) -> None:
    line = presigned(f"PUT /{BUCKET}/v4?x-amz-meta-colour=red&x-amz-storage-class=GLACIER")
    assert await closed.code(line, body=b"x") == (400, "InvalidStorageClass")
    line = presigned(f"PUT /{BUCKET}/v4?x-amz-meta-colour=red")
    assert (await closed.ask(line, body=b"x")).status == 200
    line = presigned_v2(f"PUT /{BUCKET}/v2", **{"content-type": "text/plain", "x-amz-meta-colour": "blue"})
    assert (await closed.ask(line, body=b"x")).status == 200
    v4, v2 = [await ask(closed, f"HEAD /{BUCKET}/{key}") for key in ("v4", "v2")]
    assert v4.headers["x-amz-meta-colour"] == "red"
    assert (v2.headers["x-amz-meta-colour"], v2.headers["content-type"]) == ("blue", "text/plain")


async def test_refusals(closed: Site) -> None:
    target = f"GET /{BUCKET}/k"
    assert await closed.code(target) == (403, "AccessDenied")
    assert await closed.code("GET /") == (403, "AccessDenied")
    assert await closed.code("GET /missing?acl") == (403, "AccessDenied")
    wrong = await ask(closed, target, keys=Keys("the-access-key", "guess"))
    assert (wrong.status, wrong.error()) == (403, "SignatureDoesNotMatch")
    unknown = await ask(closed, target, keys=Keys("nobody", "guess"))
    assert (unknown.status, unknown.error()) == (403, "InvalidAccessKeyId")
    _, headers = signed(target)
    assert await closed.code(f"{target}2", *headers) == (403, "SignatureDoesNotMatch")
    assert await closed.code(target, *headers, "x-amz-acl: private") == (403, "AccessDenied")
    assert await closed.code(target, "Authorization: AWS a:b") == (400, "InvalidRequest")
    assert await closed.code(presigned(target, expires=0).replace("Expires=0", "Expires=1")) == (
        403,
        "SignatureDoesNotMatch",
    )


async def test_a_body_that_was_not_signed_is_not_stored(closed: Site) -> None:
    line, headers = signed(f"PUT /{BUCKET}/k", b"abc")
    assert await closed.code(line, *headers, body=b"abd") == (400, "XAmzContentSHA256Mismatch")
    line, headers = signed(f"POST /{BUCKET}?delete", b"<Delete/>")
    assert await closed.code(line, *headers, body=b"<delete/>") == (400, "XAmzContentSHA256Mismatch")
    assert (await ask(closed, f"HEAD /{BUCKET}/k")).status == 404


async def test_who_is_refused_sends_no_body(closed: Site) -> None:
    async with closed.wire() as wire:
        await wire.request(f"PUT /{BUCKET}/k", "Content-Length: 1000", "Expect: 100-continue")
        answer = await wire.answer()
        assert answer.error() == "AccessDenied"
        assert answer.headers["connection"] == "close"


async def test_a_preflight_needs_no_signature(closed: Site) -> None:
    asked = "Access-Control-Request-Method: PUT"
    preflight = await closed.ask(f"OPTIONS /{BUCKET}/k", "Origin: http://s3.test:9001", asked)
    assert preflight.status == 200
    assert preflight.headers["access-control-allow-origin"] == "http://s3.test:9001"
    assert preflight.headers["access-control-allow-methods"] == "GET, HEAD, PUT, POST, DELETE"
    elsewhere = await closed.code(f"OPTIONS /{BUCKET}/k", "Origin: http://evil.test", asked)
    assert elsewhere == (403, "AccessForbidden")
    assert await closed.code(f"OPTIONS /{BUCKET}/k") == (400, "BadRequest")


async def test_refusals_can_be_read_by_the_built_in_browser(closed: Site) -> None:
    answer = await closed.ask("GET /", "Origin: http://s3.test:9001")
    assert answer.error() == "AccessDenied"
    assert answer.headers["access-control-allow-origin"] == "http://s3.test:9001"


async def test_no_secret_is_logged_or_answered(closed: Site, log: Log) -> None:
    target = presigned(f"GET /{BUCKET}/none")
    signature = target.partition("X-Amz-Signature=")[2]
    assert len(signature) == 64
    missing = await closed.ask(target)
    assert missing.error() == "NoSuchKey"
    tampered = await closed.ask(target.replace("/none", "/other"))
    assert tampered.error() == "SignatureDoesNotMatch"
    _, headers = signed(f"GET /{BUCKET}")
    await closed.ask(f"GET /{BUCKET}", *headers)
    shown = str(log())
    assert KEYS.secret_key not in shown + missing.body.decode() + tampered.body.decode()
    assert signature not in shown
    assert "Signature=" not in shown
    assert hashlib.sha256(b"").hexdigest() not in shown
