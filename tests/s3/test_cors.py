# SPDX-License-Identifier: GPL-2.0-only
"""The one origin that may call S3 from a page is the UI's; everything else is refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dgproxy.s3.cors import parse_authority, preflight_headers, ui_cors_headers, ui_origin_allowed


@pytest.mark.parametrize(
    ("origin", "host"),
    [
        ("http://localhost:9001", "localhost:9000"),
        ("https://localhost:9001", "localhost:9000"),
        ("http://127.0.0.1:9001", "127.0.0.1:9000"),
        ("http://[::1]:9001", "[::1]:9000"),
        ("http://s3.example.com:9001", "S3.Example.com:9000"),
        ("http://my_host:9001", "my_host:9000"),
        ("http://x:81", "x"),
        ("https://x:444", "x"),
        ("http://x", "x:79"),
        ("https://x", "x:442"),
        ("http://x:65535", "x:65534"),
    ],
)
def test_the_page_one_port_up_is_allowed(origin: str, host: str) -> None:
    assert ui_origin_allowed(origin, host)
    assert ui_cors_headers(origin, host)["Access-Control-Allow-Origin"] == origin


@pytest.mark.parametrize(
    ("origin", "host"),
    [
        (None, "localhost:9000"),
        ("", "localhost:9000"),
        ("null", "localhost:9000"),
        ("*", "localhost:9000"),
        ("http://localhost:9001", None),
        ("http://localhost:9001", ""),
        ("http://localhost:9000", "localhost:9000"),
        ("http://localhost:8999", "localhost:9000"),
        ("http://localhost", "localhost:9000"),
        ("http://evil:9001", "localhost:9000"),
        ("http://localhost.evil:9001", "localhost:9000"),
        ("http://evil.localhost:9001", "localhost:9000"),
        ("http://127.0.0.1:9001", "localhost:9000"),
        ("ftp://localhost:9001", "localhost:9000"),
        ("file://localhost:9001", "localhost:9000"),
        ("localhost:9001", "localhost:9000"),
        ("http://localhost:9001/", "localhost:9000"),
        ("http://localhost:9001\r\nX: y", "localhost:9000"),
        ("http://user@localhost:9001", "localhost:9000"),
        ("http://localhost:9001", "localhost:9000\r\n"),
        ("http://localhost:9001, http://evil", "localhost:9000"),
        ("http://x:65536", "x:65535"),
        ("http://x:1", "x:0"),
        ("http://x:444", "x"),
        ("https://x:81", "x"),
        ("http://x:٩٠٠١", "x:9000"),
        ("http://\N{KELVIN SIGN}:9001", "k:9000"),
    ],
)
def test_no_other_origin_is_allowed(origin: str | None, host: str | None) -> None:
    assert not ui_origin_allowed(origin, host)
    assert ui_cors_headers(origin, host) == {"Vary": "Origin"}
    assert preflight_headers(origin, host, "GET", None) is None


def test_an_allowed_answer_exposes_all_headers_and_never_asks_for_cookies() -> None:
    assert ui_cors_headers("http://h:9001", "h:9000") == {
        "Access-Control-Allow-Origin": "http://h:9001",
        "Access-Control-Expose-Headers": "*",
        "Vary": "Origin",
    }


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "POST", "DELETE"])
def test_preflight_allows_each_method_and_the_headers_asked_for(method: str) -> None:
    answer = preflight_headers(
        "http://h:9001", "h:9000", method, "authorization,x-amz-date , X-Amz-Meta-Build"
    )
    assert answer is not None
    assert answer["Access-Control-Allow-Origin"] == "http://h:9001"
    assert method in answer["Access-Control-Allow-Methods"].split(", ")
    assert answer["Access-Control-Allow-Headers"] == "authorization, x-amz-date, X-Amz-Meta-Build"
    assert "Origin" in answer["Vary"]
    assert "Access-Control-Allow-Credentials" not in answer


@pytest.mark.parametrize("method", [None, "", "get", "PATCH", "TRACE", "OPTIONS", "*", "GET, PUT"])
def test_preflight_refuses_other_methods(method: str | None) -> None:
    assert preflight_headers("http://h:9001", "h:9000", method, None) is None


@pytest.mark.parametrize("headers", ["a,,b", ",", "a b", "a\r\nSet-Cookie: x", "é", "a" * 129])
def test_preflight_refuses_what_is_no_header_name(headers: str) -> None:
    assert preflight_headers("http://h:9001", "h:9000", "GET", headers) is None


@pytest.mark.parametrize("headers", [None, ""])
def test_preflight_without_headers_names_none(headers: str | None) -> None:
    answer = preflight_headers("http://h:9001", "h:9000", "GET", headers)
    assert answer is not None
    assert "Access-Control-Allow-Headers" not in answer


@pytest.mark.parametrize(
    "host", ["", "a b", "a/b", "a:b", "a:", ":9000", "[::1", "::1", "[g]", "a:99999", "a\n", "-a"]
)
def test_a_host_of_another_shape_is_no_authority(host: str) -> None:
    assert parse_authority(host) is None


@given(st.text(), st.text(), st.text(), st.text())
def test_whatever_comes_nothing_that_could_split_a_header_goes_out(
    origin: str, host: str, method: str, headers: str
) -> None:
    answers = [ui_cors_headers(origin, host), preflight_headers(origin, host, method, headers) or {}]
    assert not any(c in value for answer in answers for value in answer.values() for c in "\r\n\0")


@given(st.integers(1, 65534), st.integers(1, 65535))
def test_only_the_next_port_is_allowed(s3: int, ui: int) -> None:
    assert ui_origin_allowed(f"http://h:{ui}", f"h:{s3}") == (ui == s3 + 1)
