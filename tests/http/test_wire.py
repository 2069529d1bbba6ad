# SPDX-License-Identifier: GPL-2.0-only
"""HTTP as it stands on the wire: what is sent when, what ends a connection, and what is no HTTP at all."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.http.conftest import BUCKET, Site

Log = Callable[[], list[dict[str, Any]]]


# -- Expect: 100-continue ------------------------------------------------------------------------------------


async def test_continue_is_sent_once_when_the_body_is_wanted(site: Site) -> None:
    async with site.wire() as wire:
        await wire.request(f"PUT /{BUCKET}/k", "Content-Length: 3", "Expect: 100-continue")
        assert (await wire.answer()).status == 100
        await wire.send(b"a")
        assert await wire.silent()
        await wire.send(b"bc")
        assert (await wire.answer()).status == 200
        await wire.request(f"GET /{BUCKET}/k")
        assert (await wire.answer()).body == b"abc"


@pytest.mark.parametrize(
    ("line", "headers", "code"),
    [
        ("PUT /missing/k", (), "NoSuchBucket"),
        (f"PUT /{BUCKET}/k", ("x-amz-storage-class: GLACIER",), "InvalidStorageClass"),
        (f"PUT /{BUCKET}/k?partNumber=1&uploadId=none", (), "NoSuchUpload"),
        (f"PUT /{BUCKET}/k?retention", (), "NotImplemented"),
    ],
)
async def test_a_refusal_comes_instead_of_continue(
    site: Site, line: str, headers: tuple[str, ...], code: str
) -> None:
    async with site.wire() as wire:
        await wire.request(line, *headers, "Content-Length: 3", "Expect: 100-continue")
        answer = await wire.answer()
        assert answer.error() == code
        assert answer.headers["connection"] == "close"


async def test_an_entity_too_large_is_refused_before_its_body(site: Site) -> None:
    async with site.wire() as wire:
        await wire.request(f"PUT /{BUCKET}/k", f"Content-Length: {6 << 30}", "Expect: 100-continue")
        answer = await wire.answer()
        assert answer.status == 400
        assert answer.error() == "EntityTooLarge"


async def test_no_continue_for_http_1_0_nor_for_no_body(site: Site) -> None:
    async with site.wire() as wire:
        await wire.request(
            f"PUT /{BUCKET}/k", "Content-Length: 3", "Expect: 100-continue", body=b"abc", version="1.0"
        )
        assert (await wire.answer()).status == 200
        assert await wire.closed()
    async with site.wire() as wire:
        await wire.request(f"PUT /{BUCKET}/k", "Content-Length: 0", "Expect: 100-continue")
        assert (await wire.answer()).status == 200


@pytest.mark.parametrize(
    "line", [f"GET /{BUCKET}", "GET /", f"OPTIONS /{BUCKET}", "OPTIONS *", "CONNECT h:1"]
)
async def test_another_expectation_is_not_a_failure_of_its_own(site: Site, line: str) -> None:
    answer = await site.ask(line, "Expect: something-else")
    assert answer.status == 200 or answer.error() in {"BadRequest", "InvalidURI"}


async def test_an_answer_without_continue_ends_the_connection(site: Site) -> None:
    # The client may or may not send its body now: nobody could tell it from the next request.
    async with site.wire() as wire:
        await wire.request(f"GET /{BUCKET}", "Content-Length: 10", "Expect: 100-continue")
        answer = await wire.answer()
        assert answer.status == 200
        assert answer.headers["connection"] == "close"


# -- refusals before the body, keep-alive, pipelining --------------------------------------------------------


async def test_a_refusal_is_read_even_if_the_client_sends_everything_first(site: Site) -> None:
    async with site.wire() as wire:
        await wire.request("PUT /missing/k", f"Content-Length: {8 << 20}", body=b"x" * (8 << 20))
        answer = await wire.answer()
        assert answer.error() == "NoSuchBucket"
        assert answer.headers["connection"] == "close"
        assert await wire.closed()


async def test_what_follows_an_unread_body_is_never_taken_for_a_request(site: Site) -> None:
    async with site.wire() as wire:
        await wire.request("PUT /missing/k", "Content-Length: 1000000", body=b"x" * 10)
        assert (await wire.answer()).error() == "NoSuchBucket"
        await wire.request(f"DELETE /{BUCKET}")
        await wire.writer.drain()
        wire.writer.write_eof()
        assert await wire.closed()
    assert (await site.ask(f"HEAD /{BUCKET}")).status == 200


async def test_pipelined_requests_are_answered_in_order(site: Site) -> None:
    async with site.wire() as wire:
        for number in range(5):
            await wire.request(f"PUT /{BUCKET}/{number}", "Content-Length: 1", body=b"%d" % number)
            await wire.request(f"GET /{BUCKET}/{number}")
            await wire.request(f"GET /{BUCKET}/none{number}")
        for number in range(5):
            assert (await wire.answer()).status == 200
            assert (await wire.answer()).body == b"%d" % number
            assert (await wire.answer()).error() == "NoSuchKey"


async def test_http_1_0(site: Site) -> None:
    await site.put("k", b"abc")
    async with site.wire() as wire:
        await wire.send(f"GET /{BUCKET}/k HTTP/1.0\r\n\r\n".encode())
        assert (await wire.answer()).body == b"abc"
        assert await wire.closed()
    async with site.wire() as wire:
        for _ in range(2):
            await wire.send(f"GET /{BUCKET}/k HTTP/1.0\r\nConnection: keep-alive\r\n\r\n".encode())
            answer = await wire.answer()
            assert answer.body == b"abc"
            assert answer.headers["connection"] == "keep-alive"


# -- shapes of answers ---------------------------------------------------------------------------------------


async def test_head_has_the_headers_of_get(site: Site) -> None:
    await site.put("k", b"abc", "Content-Type: text/plain", "x-amz-meta-a: b")
    get, head = await site.ask(f"GET /{BUCKET}/k"), await site.ask(f"HEAD /{BUCKET}/k")
    varying = {"x-amz-request-id", "x-amz-id-2", "date"}
    assert {k: v for k, v in get.headers.items() if k not in varying} == {
        k: v for k, v in head.headers.items() if k not in varying
    }
    assert head.headers["content-length"] == "3"


async def test_a_refused_head_has_no_body_and_an_id(site: Site) -> None:
    async with site.wire() as wire:
        await wire.request(f"HEAD /{BUCKET}/none")
        answer = await wire.answer("HEAD")
        assert answer.status == 404
        assert answer.headers["x-amz-request-id"]
        assert answer.headers["content-type"] == "application/xml"
        # A body would be read as the next answer.
        await wire.request(f"HEAD /{BUCKET}")
        assert (await wire.answer("HEAD")).status == 200


async def test_no_content_has_neither_length_nor_type(site: Site) -> None:
    answer = await site.ask(f"DELETE /{BUCKET}/none")
    assert answer.status == 204
    assert not {"content-length", "content-type", "transfer-encoding"} & answer.headers.keys()
    assert answer.headers["x-amz-request-id"]


async def test_not_modified_is_bare(site: Site) -> None:
    etag = (await site.put("k", b"abc", "Cache-Control: max-age=9")).headers["etag"]
    answer = await site.ask(f"GET /{BUCKET}/k", f"If-None-Match: {etag}")
    assert answer.status == 304
    assert answer.headers["cache-control"] == "max-age=9"
    assert answer.headers["etag"] == etag
    assert "last-modified" in answer.headers
    assert not {"content-length", "content-type", "transfer-encoding"} & answer.headers.keys()


async def test_not_satisfiable_says_the_size(site: Site) -> None:
    await site.put("k", b"abc")
    answer = await site.ask(f"GET /{BUCKET}/k", "Range: bytes=3-")
    assert (answer.status, answer.error()) == (416, "InvalidRange")
    assert answer.headers["content-range"] == "bytes */3"
    assert answer.xml("Error").findtext("ActualObjectSize") == "3"


async def test_every_answer_has_its_own_id_and_our_name(site: Site) -> None:
    ids = set()
    for line in ("GET /", "HEAD /none-such", f"DELETE /{BUCKET}/k", "OPTIONS *", f"PUT /{BUCKET}?acl"):
        answer = await site.ask(line)
        assert answer.headers["server"].startswith("DeltaGliderProxy/")
        assert answer.headers["x-amz-id-2"]
        ids.add(answer.headers["x-amz-request-id"])
    assert len(ids) == 5


# -- targets -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "key",
    [
        "a%0Ab",
        "a%0D%0Ab",
        "%00",
        "%7F",
        "a//b",
        "/a",
        "a/",
        "..",
        "a/../b",
        "%E2%82%AC",
        "{x}",
        "a+b",
        "%2F",
        "a%2Fb",
    ],
)
async def test_any_key_is_one_object(any_site: Site, key: str) -> None:
    await any_site.put(key, b"it")
    assert (await any_site.ask(f"GET /{BUCKET}/{key}")).body == b"it"
    listed = await any_site.ask(f"GET /{BUCKET}?list-type=2&encoding-type=url")
    assert len(listed.xml("ListBucketResult").findall("Contents")) == 1
    assert (await any_site.ask(f"DELETE /{BUCKET}/{key}")).status == 204
    assert await any_site.code(f"GET /{BUCKET}/{key}") == (404, "NoSuchKey")


async def test_absolute_form(site: Site) -> None:
    await site.put("k", b"abc")
    assert (await site.ask(f"GET http://user:secret@elsewhere:1/{BUCKET}/k")).body == b"abc"
    assert await site.code(f"GET http://elsewhere/{BUCKET}/none") == (404, "NoSuchKey")


@pytest.mark.parametrize("target", ["/bucket/%", "/bucket/%zz", "/bucket/%ff", "/%C3"])
async def test_targets_that_are_no_text(site: Site, target: str) -> None:
    assert await site.code(f"GET {target}") == (400, "InvalidURI")


@pytest.mark.parametrize(
    "method", ["PATCH", "TRACE", "PROPFIND", "LOCK", "MKCOL", "CONNECT", "PURGE", "SOURCE", "QUERY"]
)
async def test_methods_that_s3_has_not(site: Site, method: str) -> None:
    assert await site.code(f"{method} /{BUCKET}/k") == (405, "MethodNotAllowed")


# -- what is no HTTP -----------------------------------------------------------------------------------------

GARBAGE = {
    "TLS": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", "BadRequest"),
    "a method nobody has": (b"FROBNICATE / HTTP/1.1\r\nHost: h\r\n\r\n", "BadRequest"),
    "a small method": (b"get / HTTP/1.1\r\nHost: h\r\n\r\n", "BadRequest"),
    "another version": (b"GET / HTTP/1.2\r\nHost: h\r\n\r\n", "BadRequest"),
    "no host": (b"GET / HTTP/1.1\r\n\r\n", "BadRequest"),
    "two hosts": (b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", "BadRequest"),
    "raw bytes": (b"GET /bucket/\xff\xfe HTTP/1.1\r\nHost: h\r\n\r\n", "BadRequest"),
    "a target of its own": (b"GET bucket HTTP/1.1\r\nHost: h\r\n\r\n", "BadRequest"),
    "a header without name": (b"GET / HTTP/1.1\r\nHost: h\r\n: x\r\n\r\n", "BadRequest"),
    "a header with control": (b"GET / HTTP/1.1\r\nHost: h\r\nX: a\x01\r\n\r\n", "BadRequest"),
    "both lengths": (
        b"PUT /bucket/k HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
        "BadRequest",
    ),
    "two lengths": (
        b"PUT /bucket/k HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        "BadRequest",
    ),
    "no length": (b"PUT /bucket/k HTTP/1.1\r\nHost: h\r\nContent-Length: x\r\n\r\n", "BadRequest"),
    "an endless length": (
        b"PUT /bucket/k HTTP/1.1\r\nHost: h\r\nContent-Length: " + b"9" * 40 + b"\r\n\r\n",
        "BadRequest",
    ),
    "a long line": (
        b"GET /" + b"a" * 17000 + b" HTTP/1.1\r\nHost: h\r\n\r\n",
        "RequestHeaderSectionTooLarge",
    ),
    "a long header": (
        b"GET / HTTP/1.1\r\nHost: h\r\nX: " + b"a" * 17000 + b"\r\n\r\n",
        "RequestHeaderSectionTooLarge",
    ),
    "many headers": (
        b"GET / HTTP/1.1\r\nHost: h\r\n" + b"X: a\r\n" * 200 + b"\r\n",
        "RequestHeaderSectionTooLarge",
    ),
}


@pytest.mark.parametrize("name", GARBAGE)
async def test_what_is_no_http_gets_an_s3_error_and_the_end(site: Site, log: Log, name: str) -> None:
    data, code = GARBAGE[name]
    async with site.wire() as wire:
        await wire.send(data)
        answer = await wire.answer()
        assert (answer.status, answer.error()) == (400, code)
        assert answer.headers["server"].startswith("DeltaGliderProxy/")
        assert await wire.closed()
    assert [(line["event"], line["status"], line["code"]) for line in log()] == [("request", 400, code)]


async def test_what_could_not_be_parsed_is_not_shown_back(site: Site) -> None:
    async with site.wire() as wire:
        await wire.send(b"GET / HTTP/1.1\r\nHost: h\r\nAuthorization: sesame\x01\r\n\r\n")
        assert b"sesame" not in (await wire.answer()).body


async def test_garbage_after_a_request(site: Site) -> None:
    async with site.wire() as wire:
        await wire.request("GET /")
        assert (await wire.answer()).status == 200
        await wire.send(b"\x00\x01\x02\r\n\r\n")
        assert (await wire.answer()).error() == "BadRequest"
        assert await wire.closed()


@pytest.mark.parametrize("protocol", ["websocket", "h2c"])
async def test_an_upgrade_is_declined(site: Site, protocol: str) -> None:
    async with site.wire() as wire:
        for _ in range(2):
            await wire.request(
                f"PUT /{BUCKET}/k",
                "Connection: upgrade",
                f"Upgrade: {protocol}",
                "Content-Length: 3",
                body=b"abc",
            )
            assert (await wire.answer()).status == 200
            await wire.request(f"GET /{BUCKET}/k")
            assert (await wire.answer()).body == b"abc"


@pytest.mark.parametrize("version", [" HTTP/0.9", " HTTP/2.0", ""])
async def test_other_versions_of_http(site: Site, version: str) -> None:
    async with site.wire() as wire:
        await wire.send(f"GET /{version}\r\nHost: h\r\n\r\n".encode())
        assert (await wire.answer()).error() == "BadRequest"


# -- the log -------------------------------------------------------------------------------------------------


async def test_one_line_a_request_without_its_query(site: Site, log: Log) -> None:
    await site.ask(
        f"GET http://user:secret@h/{BUCKET}/k?X-Amz-Signature=secret&X-Amz-Credential=secret",
        "Authorization: secret",
    )
    [line] = log()
    assert line["event"] == "request"
    assert (line["method"], line["operation"], line["path"]) == ("GET", "GetObject", f"/{BUCKET}/k")
    assert (line["status"], line["code"]) == (404, "NoSuchKey")
    assert "secret" not in str(line)


async def test_what_a_client_does_wrong_is_no_error_of_the_server(site: Site, log: Log) -> None:
    for line in (f"GET /{BUCKET}?acl", f"PUT /{BUCKET}/k?tagging", f"GET /{BUCKET}/%", "BREW /pot"):
        await site.ask(line)
    assert {line["level"] for line in log()} == {"info"}
