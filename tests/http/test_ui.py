# SPDX-License-Identifier: GPL-2.0-only
"""The UI's port: what it serves, how it is cached, and what it never serves."""

import asyncio
import gzip
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient

from dgproxy.http.ui import ui_application

Client = TestClient[web.Request, web.Application]
Start = Callable[[web.Application], Awaitable[Client]]

SCRIPT = b"console.log('hello');" * 50


@pytest.fixture
def ui_dir(tmp_path: Path) -> Path:
    built = tmp_path / "ui-dist"
    (built / "assets").mkdir(parents=True)
    (built / "index.html").write_text("<!doctype html><title>it</title>")
    (built / "favicon.svg").write_text("<svg/>")
    (built / "assets" / "index-abc.js").write_bytes(SCRIPT)
    (built / "assets" / "index-abc.js.gz").write_bytes(gzip.compress(SCRIPT))
    (tmp_path / "secret.txt").write_text("secret")
    (built / "link.txt").symlink_to(tmp_path / "secret.txt")
    return built


async def no_status(request: web.BaseRequest) -> web.StreamResponse:
    """What is asked under /_/ is not the page's."""
    return web.Response(text=f"status of {request.path}")


@pytest.fixture
async def client(ui_dir: Path, aiohttp_client: Start) -> Client:
    return await aiohttp_client(ui_application(ui_dir, no_status))


@pytest.mark.parametrize("path", ["/", "/index.html"])
async def test_index_is_always_asked_for_again(client: Client, path: str) -> None:
    answer = await client.get(path)
    assert answer.status == 200
    assert await answer.text() == "<!doctype html><title>it</title>"
    assert answer.content_type == "text/html"
    assert answer.headers["Cache-Control"] == "no-cache"


async def test_hashed_assets_are_kept_for_ever_and_sent_compressed(client: Client) -> None:
    answer = await client.get("/assets/index-abc.js")
    assert answer.headers["Content-Encoding"] == "gzip"
    assert answer.headers["Vary"] == "Accept-Encoding"
    assert answer.headers["Content-Type"] == "text/javascript; charset=utf-8"
    assert "immutable" in answer.headers["Cache-Control"]
    assert await answer.read() == SCRIPT


async def test_without_accept_encoding_an_asset_comes_plain(client: Client) -> None:
    answer = await client.get("/assets/index-abc.js", headers={"Accept-Encoding": "identity"})
    assert "Content-Encoding" not in answer.headers
    assert await answer.read() == SCRIPT


async def test_an_unchanged_file_is_304(client: Client) -> None:
    etag = (await client.get("/favicon.svg")).headers["ETag"]
    again = await client.get("/favicon.svg", headers={"If-None-Match": etag})
    assert again.status == 304
    assert again.headers["ETag"] == etag
    assert etag.startswith('W/"')
    assert await again.read() == b""
    changed = await client.get("/favicon.svg", headers={"If-None-Match": '"other"'})
    assert changed.status == 200


async def test_head_has_the_length_and_no_body(client: Client) -> None:
    answer = await client.head("/favicon.svg")
    assert answer.status == 200
    assert answer.headers["Content-Length"] == "6"
    assert await answer.read() == b""


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE"])
async def test_other_methods_are_405(client: Client, method: str) -> None:
    answer = await client.request(method, "/")
    assert answer.status == 405
    assert answer.headers["Allow"] == "GET, HEAD"


@pytest.mark.parametrize(
    "path",
    [
        "/nothing",
        "/assets",
        "/assets/",
        "/link.txt",
        "/assets/index-abc.js.gz",
        "/../secret.txt",
        "/%2e%2e/secret.txt",
        "/..%2fsecret.txt",
        "/assets/..%2f..%2fsecret.txt",
        "/assets/%2e%2e/%2e%2e/secret.txt",
        "//etc/passwd",
        "/%00",
        "/index.html/",
    ],
)
async def test_anything_else_is_a_plain_404(client: Client, path: str) -> None:
    # A raw connection: HTTP clients tidy paths up before they send them.
    reader, writer = await asyncio.open_connection(client.host, client.port)
    writer.write(f"GET {path} HTTP/1.1\r\nHost: h:9001\r\nConnection: close\r\n\r\n".encode())
    answer = (await reader.read()).decode()
    writer.close()
    await writer.wait_closed()
    assert answer.startswith("HTTP/1.1 404 ")
    assert answer.endswith("\r\n\r\nNot found.\n")
    assert "X-Content-Type-Options: nosniff" in answer


@pytest.mark.parametrize(
    ("host", "sources"),
    [
        ("localhost:9001", "http://localhost:9000"),
        ("[::1]:9001", "http://[::1]:9000"),
        ("S3.example.com:9001", "http://s3.example.com:9000"),
        ("example.com", "http://example.com:79 https://example.com:442"),
    ],
)
async def test_the_page_may_talk_to_its_own_s3_endpoint_only(client: Client, host: str, sources: str) -> None:
    answer = await client.get("/", headers={"Host": host})
    policy = dict(part.strip().split(" ", 1) for part in answer.headers["Content-Security-Policy"].split(";"))
    assert policy["connect-src"] == f"'self' {sources}"
    assert policy["default-src"] == "'none'"
    assert policy["img-src"] == "'self' blob:", "previews are blobs"
    assert policy["script-src"] == policy["style-src"] == "'self'"
    assert policy["frame-ancestors"] == "'none'"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Referrer-Policy"] == "no-referrer"


@pytest.mark.parametrize("host", ["a; script-src *", "a b", "evil/", "h:port", "h:0", "h:99999", "u@h:9001"])
async def test_a_host_that_is_none_is_400_and_not_in_the_policy(client: Client, host: str) -> None:
    answer = await client.get("/", headers={"Host": host})
    assert answer.status == 400
    assert "connect-src 'self';" in answer.headers["Content-Security-Policy"]


async def test_without_a_build_the_page_says_how_to_build(tmp_path: Path, aiohttp_client: Start) -> None:
    client = await aiohttp_client(ui_application(tmp_path / "ui-dist", no_status))
    answer = await client.get("/")
    assert answer.status == 200
    assert "make ui" in await answer.text()
    assert answer.headers["Cache-Control"] == "no-cache"
    assert (await client.get("/assets/index-abc.js")).status == 404


async def test_what_is_under_the_status_prefix_is_the_servers(client: Client) -> None:
    assert await (await client.get("/_/ready?x")).text() == "status of /_/ready"
    assert (await client.get("/_")).status == 404
