# SPDX-License-Identifier: GPL-2.0-only
"""Pages of other origins: the configuration of a bucket, preflights, and what answers say."""

import pytest

from dgproxy.http.access import AccessKey, Credentials
from dgproxy.s3.bucket_cors import for_origins
from dgproxy.storage.memory import MemoryBackend
from tests.http.conftest import BUCKET, Site, site_over

RULES = b"""<CORSConfiguration>
  <CORSRule>
    <ID>pages</ID>
    <AllowedOrigin>https://app.test</AllowedOrigin>
    <AllowedOrigin>https://*.pages.test</AllowedOrigin>
    <AllowedMethod>GET</AllowedMethod>
    <AllowedMethod>PUT</AllowedMethod>
    <AllowedHeader>content-type</AllowedHeader>
    <AllowedHeader>X-Amz-*</AllowedHeader>
    <ExposeHeader>ETag</ExposeHeader>
    <MaxAgeSeconds>3000</MaxAgeSeconds>
  </CORSRule>
  <CORSRule><AllowedOrigin>*</AllowedOrigin><AllowedMethod>HEAD</AllowedMethod></CORSRule>
</CORSConfiguration>"""
ENABLED = "CORS is not enabled for this bucket"


def asking(origin: str, method: str, headers: str = "") -> list[str]:
    more = [f"Access-Control-Request-Headers: {headers}"] if headers else []
    return [f"Origin: {origin}", f"Access-Control-Request-Method: {method}", *more]


async def configure(site: Site) -> None:
    assert (await site.ask(f"PUT /{BUCKET}?cors", body=RULES)).status == 200


async def test_configuration(any_site: Site) -> None:
    assert await any_site.code(f"GET /{BUCKET}?cors") == (404, "NoSuchCORSConfiguration")
    assert (await any_site.ask(f"DELETE /{BUCKET}?cors")).status == 204
    await configure(any_site)
    stored = await any_site.ask(f"GET /{BUCKET}?cors")
    root = stored.xml("CORSConfiguration")
    assert [element.text for element in root.iter("AllowedOrigin")] == [
        "https://app.test",
        "https://*.pages.test",
        "*",
    ]
    assert (root.findtext("CORSRule/ID"), root.findtext("CORSRule/MaxAgeSeconds")) == ("pages", "3000")
    assert (await any_site.ask(f"PUT /{BUCKET}?cors", body=stored.body)).status == 200
    assert (await any_site.ask(f"GET /{BUCKET}?cors")).body == stored.body
    assert (await any_site.ask(f"GET /{BUCKET}?list-type=2")).xml("ListBucketResult").find("Contents") is None
    assert (await any_site.ask(f"DELETE /{BUCKET}?cors")).status == 204
    assert await any_site.code(f"GET /{BUCKET}?cors") == (404, "NoSuchCORSConfiguration")


async def test_a_configuration_goes_with_its_bucket(any_site: Site) -> None:
    await configure(any_site)
    assert (await any_site.ask(f"DELETE /{BUCKET}")).status == 204
    assert await any_site.code(f"GET /{BUCKET}?cors") == (404, "NoSuchBucket")
    assert await any_site.code(f"PUT /{BUCKET}?cors", body=RULES) == (404, "NoSuchBucket")
    assert await any_site.code(f"DELETE /{BUCKET}?cors") == (404, "NoSuchBucket")
    await any_site.ask(f"PUT /{BUCKET}", body=b"")
    assert await any_site.code(f"GET /{BUCKET}?cors") == (404, "NoSuchCORSConfiguration")


RULE = "<CORSRule><AllowedOrigin>{}</AllowedOrigin><AllowedMethod>{}</AllowedMethod>{}</CORSRule>"


@pytest.mark.parametrize(
    ("content", "code"),
    [
        ("", "MalformedXML"),
        ("<CORSRule/>", "MalformedXML"),
        ("<CORSRule><AllowedOrigin>*</AllowedOrigin></CORSRule>", "MalformedXML"),
        ("<Other/>", "MalformedXML"),
        (RULE.format("*", "GET", "<Other/>"), "MalformedXML"),
        (RULE.format("*", "GET", "<MaxAgeSeconds>x</MaxAgeSeconds>"), "MalformedXML"),
        (RULE.format("*", "GET", "<ID>a</ID><ID>b</ID>"), "MalformedXML"),
        (RULE.format("*", "GET", "<ExposeHeader>a&#10;b: c</ExposeHeader>"), "MalformedXML"),
        (RULE.format("*", "GET", "") * 101, "MalformedXML"),
        (RULE.format("*", "PATCH", ""), "InvalidRequest"),
        (RULE.format("https://*.*", "GET", ""), "InvalidRequest"),
        (RULE.format("*", "GET", "<AllowedHeader>*-*</AllowedHeader>"), "InvalidRequest"),
    ],
)
async def test_wrong_configurations(site: Site, content: str, code: str) -> None:
    await configure(site)
    document = f"<CORSConfiguration>{content}</CORSConfiguration>".encode()
    assert await site.code(f"PUT /{BUCKET}?cors", body=document) == (400, code)
    assert b"pages" in (await site.ask(f"GET /{BUCKET}?cors")).body


async def test_preflights(memory: MemoryBackend, log: object) -> None:
    async with site_over(memory) as site:
        await configure(site)
    async with site_over(memory, Credentials([AccessKey("a", "secret")])) as site:  # none is signed
        line = f"OPTIONS /{BUCKET}/k"
        for origin in ("https://app.test", "https://x.pages.test"):
            answer = await site.ask(line, *asking(origin, "PUT", "Content-Type, x-amz-meta-a"))
            assert answer.status == 200
            assert answer.headers["access-control-allow-origin"] == origin
            assert answer.headers["access-control-allow-methods"] == "GET, PUT"
            assert answer.headers["access-control-allow-headers"] == "content-type, x-amz-meta-a"
            assert answer.headers["access-control-expose-headers"] == "ETag"
            assert answer.headers["access-control-max-age"] == "3000"
            assert "Access-Control-Request-Headers" in answer.headers["vary"]
        anyone = await site.ask(line, *asking("http://elsewhere.test", "HEAD"))
        assert anyone.headers["access-control-allow-origin"] == "*"
        assert "access-control-allow-credentials" not in anyone.headers
        for refused in (
            asking("https://pages.test", "GET"),
            asking("https://app.test.evil", "GET"),
            asking("https://app.test", "DELETE"),
            asking("https://app.test", "PUT", "authorization"),
            asking("http://elsewhere.test", "HEAD", "content-type"),
        ):
            answer = await site.ask(line, *refused)
            assert (answer.status, answer.error()) == (403, "AccessForbidden"), refused
            assert ENABLED not in answer.body.decode()
        for place in ("/missing/k", "/", "/UPPER"):
            answer = await site.ask(f"OPTIONS {place}", *asking("https://app.test", "GET"))
            assert answer.error() == "AccessForbidden"
            assert ENABLED in answer.body.decode()
        assert await site.code(line, "Origin: https://app.test") == (400, "BadRequest")


async def test_answers(site: Site) -> None:
    await configure(site)
    await site.put("k", b"abc")
    for key, status in (("k", 200), ("none", 404)):
        answer = await site.ask(f"GET /{BUCKET}/{key}", "Origin: https://app.test")
        assert answer.status == status
        assert answer.headers["access-control-allow-origin"] == "https://app.test"
        assert answer.headers["access-control-expose-headers"] == "ETag"
        assert answer.headers["vary"].startswith("Origin")
    for headers in (("Origin: https://evil.test",), ()):
        answer = await site.ask(f"GET /{BUCKET}/k", *headers)
        assert answer.status == 200
        assert "access-control-allow-origin" not in answer.headers
        assert answer.headers["vary"] == "Origin"
    ui = await site.ask(f"GET /{BUCKET}/k", "Origin: http://s3.test:9001")
    assert ui.headers["access-control-expose-headers"] == "*"


async def test_the_default(memory: MemoryBackend, log: object) -> None:
    async with site_over(memory, default_cors=for_origins(["https://*.pages.test"])) as site:
        line, asked = f"OPTIONS /{BUCKET}/k", asking("https://a.pages.test", "DELETE", "authorization")
        assert (await site.ask(line, *asked)).headers["access-control-allow-headers"] == "authorization"
        assert (await site.ask(line, *asking("https://evil.test", "GET"))).status == 403
        await configure(site)
        assert (await site.ask(line, *asked)).status == 403, "the bucket's own rules stand in for the default"
