# SPDX-License-Identifier: GPL-2.0-only
"""Law 8: anything a client sends yields an S3 answer; never a 500, a traceback, or silence."""

import asyncio
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import pytest
import uvloop
from hypothesis import given, settings
from hypothesis import strategies as st

from dgproxy.http.access import AccessKey, Credentials
from dgproxy.storage.memory import MemoryBackend
from tests.http.conftest import BUCKET, site_over
from tests.http.wire import Answer, Wire

Log = Callable[[], list[dict[str, Any]]]

METHODS = st.sampled_from(
    [*["GET", "HEAD", "PUT", "POST", "DELETE"] * 4, "OPTIONS", "PATCH", "CONNECT", "G@T", ""]
)
#: What may stand in a target or a header, and what may not.
TAME = st.text(st.sampled_from("abkxyz019/.-_~%&=+?#;:@!$'()*,"), max_size=30)
WILD = st.text(st.sampled_from('ab/%?[]{}|^`\\"<> \t\x00\x01\x7f\xa0\xff\u20ac'), max_size=30)
TEXT = st.one_of(TAME, TAME.map(quote), WILD.map(quote), TAME, TAME.map(quote), WILD.map(quote), WILD)
SUBRESOURCES = [
    "",
    "?uploads",
    "?uploadId=x",
    "?uploadId=01ARZ3NDEKTSV4RRFFQ69G5FAV&partNumber=1",
    "?partNumber=1",
    "?delete",
    "?acl",
    "?location",
    "?versions",
    "?list-type=2",
    "?list-type=2&max-keys=1&encoding-type=url",
    "?tagging",
    "?versionId=null",
    "?max-keys=99999999999",
    "?X-Amz-Signature=a&X-Amz-Algorithm=AWS4-HMAC-SHA256",
    "?AWSAccessKeyId=a&Signature=b&Expires=1",
    "?response-content-type=%0a",
    "?max-uploads=0",
    "?max-parts=0",
]
PLACES = ["/", f"/{BUCKET}", f"/{BUCKET}/k", f"/{BUCKET}/k.zip", "/missing/k", "*", "http://h/bucket/k", ""]
PATHS = st.one_of(
    st.sampled_from([*PLACES, *[f"/{BUCKET}", f"/{BUCKET}/k"] * 4]),
    TEXT.map(lambda text: "/" + text),
    TEXT.map(lambda text: f"/{BUCKET}/{text}"),
)
TARGETS = st.builds(
    lambda path, query, more: path + query + more,
    PATHS,
    st.sampled_from(SUBRESOURCES),
    st.one_of(st.just(""), TEXT),
)
NAMES = st.sampled_from(
    [
        "Range",
        "If-Match",
        "If-None-Match",
        "If-Modified-Since",
        "If-Range",
        "Content-MD5",
        "Expect",
        "Content-Type",
        "Content-Encoding",
        "x-amz-copy-source",
        "x-amz-copy-source-range",
        "x-amz-content-sha256",
        "x-amz-decoded-content-length",
        "x-amz-trailer",
        "x-amz-checksum-crc32",
        "x-amz-checksum-algorithm",
        "x-amz-checksum-type",
        "x-amz-sdk-checksum-algorithm",
        "x-amz-meta-a",
        "x-amz-acl",
        "x-amz-tagging",
        "x-amz-storage-class",
        "x-amz-metadata-directive",
        "x-amz-mp-object-size",
        "Authorization",
        "x-amz-date",
        "Date",
        "Origin",
        "Access-Control-Request-Method",
        "Connection",
        "Upgrade",
        "Transfer-Encoding",
        "Cookie",
    ]
)
VALUES = st.one_of(
    TEXT,
    st.sampled_from(
        [
            "*",
            '"x"',
            "bytes=0-1",
            "bytes=-",
            "Sat, 01 Jan 2000 00:00:00 GMT",
            f"{BUCKET}/k",
            "/missing/%zz",
            "UNSIGNED-PAYLOAD",
            "STREAMING-UNSIGNED-PAYLOAD-TRAILER",
            "STREAMING-AWS4-HMAC-SHA256-PAYLOAD",
            "aws-chunked",
            "5",
            "-1",
            "9" * 30,
            "x-amz-checksum-crc32",
            "AAAAAA==",
            "CRC32",
            "COMPOSITE",
            "100-continue",
            "chunked",
            "REPLACE",
            "upgrade",
            "websocket",
            "AWS4-HMAC-SHA256 Credential=a/b/c/s3/aws4_request, SignedHeaders=host, Signature=0",
            "private",
            "20250101T000000Z",
            "http://s3.test:9001",
            "GET",
            "=?utf-8?b?gA==?=",
        ]
    ),
)
BODIES = st.one_of(
    st.just(b""),
    st.binary(max_size=40),
    st.sampled_from(
        [
            b"<Delete><Object><Key>a</Key></Object></Delete>",
            b"<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>x</ETag></Part></CompleteMultipartUpload>",
            b"3\r\nabc\r\n0\r\n\r\n",
            b"3\r\nabc\r\n0\r\nx-amz-checksum-crc32:NSRBwg==\r\n\r\n",
            b'<!DOCTYPE a [<!ENTITY b "c">]><Delete>&b;</Delete>',
        ]
    ),
)


def check(answer: Answer, method: str) -> None:
    assert answer.status < 500 or answer.status == 501, answer
    assert answer.whole
    assert answer.headers["x-amz-request-id"]
    if answer.status >= 400 and method != "HEAD":
        answer.error()


async def send(wire: Wire, method: str, target: str, headers: list[tuple[str, str]], body: bytes) -> Answer:
    """One request; its answer, past 100 Continue."""
    lines = [f"{name}: {value}" for name, value in headers if name != "Transfer-Encoding"]
    await wire.request(f"{method} {target}", f"Content-Length: {len(body)}", *lines, body=body)
    answer = await wire.answer(method)
    return await wire.answer(method) if answer.status == 100 else answer


@pytest.mark.parametrize("credentials", [None, Credentials([AccessKey("key", "secret")])])
def test_anything_has_an_s3_answer(log: Log, credentials: Credentials | None) -> None:
    async def try_it(method: str, target: str, headers: list[tuple[str, str]], body: bytes) -> None:
        backend = MemoryBackend()
        await backend.create_bucket(BUCKET)
        async with site_over(backend, credentials) as site:
            if credentials is None:
                await site.put("k", b"0123456789")
            async with site.wire() as wire, asyncio.timeout(20):
                check(await send(wire, method, target, headers, body), method)

    @settings(max_examples=300, deadline=None)
    @given(METHODS, TARGETS, st.lists(st.tuples(NAMES, VALUES), max_size=5), BODIES)
    def anything(method: str, target: str, headers: list[tuple[str, str]], body: bytes) -> None:
        runner.run(try_it(method, target, headers, body))

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        anything()
    assert not [line for line in log() if line["level"] not in {"debug", "info"}]
