# SPDX-License-Identifier: GPL-2.0-only
"""Virtual-hosted style, as boto3 asks it, beside path style."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import boto3
import pytest
from botocore.config import Config

from dgproxy.http.access import AccessKey, Credentials
from dgproxy.storage.memory import MemoryBackend
from tests.http.conftest import BUCKET, Site, site_over
from tests.http.wire import Answer, wire_to

DOMAIN = "s3.localhost"  # every name under localhost is this machine (RFC 6761, section 6.3)


@pytest.fixture
async def hosted(memory: MemoryBackend, log: object) -> AsyncIterator[Site]:
    """Open, under a domain."""
    async with site_over(memory, domain=DOMAIN) as site:
        yield site


async def ask(site: Site, host: str, line: str, *headers: str, body: bytes = b"") -> Answer:
    async with wire_to(site.port) as wire:
        lines = [f"{line} HTTP/1.1", f"Host: {host}", f"Content-Length: {len(body)}", *headers, "", ""]
        await wire.send("\r\n".join(lines).encode() + body)
        return await wire.answer(line.partition(" ")[0])


async def test_the_host_names_the_bucket(hosted: Site) -> None:
    for host in (f"{BUCKET}.{DOMAIN}", f"{BUCKET}.{DOMAIN}:{hosted.port}", f"{BUCKET}.S3.LocalHost"):
        assert (await ask(hosted, host, "PUT /a/k", body=host.encode())).status == 200
        assert (await ask(hosted, DOMAIN, f"GET /{BUCKET}/a/k")).body == host.encode()
        assert (await ask(hosted, "127.0.0.1", f"GET /{BUCKET}/a/k")).body == host.encode()
        root = (await ask(hosted, host, "GET /")).xml("ListBucketResult")
        assert [key.text for key in root.iter("Key")] == ["a/k"]
    assert (await ask(hosted, DOMAIN, "GET /")).xml("ListAllMyBucketsResult") is not None
    missing = await ask(hosted, f"missing.{DOMAIN}", "GET /k")
    assert missing.error() == "NoSuchBucket"
    assert (await ask(hosted, f"missing.{DOMAIN}", "PUT /?versioning")).error() == "NoSuchBucket"
    assert (await ask(hosted, f"BAD_ONE.{DOMAIN}", "GET /k")).error() == "InvalidBucketName"


async def test_locations(hosted: Site) -> None:
    boundary = "Content-Type: multipart/form-data; boundary=b"
    head = 'Content-Disposition: form-data; name="{}"'
    body = "".join(
        f"--b\r\n{head.format(name)}\r\n\r\n{value}\r\n" for name, value in (("key", "a b"), ("file", "x"))
    )
    answer = await ask(hosted, f"{BUCKET}.{DOMAIN}", "POST /", boundary, body=f"{body}--b--".encode())
    assert (answer.status, answer.headers["location"]) == (204, f"http://{BUCKET}.{DOMAIN}/a%20b")


async def test_without_a_domain_the_host_says_nothing(site: Site) -> None:
    root = (await ask(site, f"{BUCKET}.{DOMAIN}", "GET /")).xml("ListAllMyBucketsResult")
    assert root is not None


@pytest.mark.parametrize("version", ["s3v4", "s3"])
async def test_signed(memory: MemoryBackend, log: object, version: str) -> None:
    """Both versions; Version 2 signs the bucket of the host as a part of the path."""
    async with site_over(memory, Credentials([AccessKey("an-id", "a-secret")]), domain=DOMAIN) as site:

        def url(method: str, **parameters: Any) -> str:
            client = boto3.client(
                "s3",
                endpoint_url=f"http://{DOMAIN}:{site.port}",
                aws_access_key_id="an-id",
                aws_secret_access_key="a-secret",
                region_name="us-east-1",
                config=Config(signature_version=version, s3={"addressing_style": "virtual"}),
            )
            presigned: str = client.generate_presigned_url(method, Params={"Bucket": BUCKET, **parameters})
            return presigned

        for line, method in (("PUT", "put_object"), ("GET", "get_object")):
            target = await asyncio.to_thread(url, method, Key="a b/k")
            host, _, path = target.removeprefix("http://").partition("/")
            assert host == f"{BUCKET}.{DOMAIN}:{site.port}"
            answer = await ask(site, host, f"{line} /{path}", body=b"abc" if line == "PUT" else b"")
            assert answer.status == 200, answer
            other = await ask(site, f"other.{DOMAIN}:{site.port}", f"{line} /{path}")
            assert other.error() == "SignatureDoesNotMatch"
        assert answer.body == b"abc"
