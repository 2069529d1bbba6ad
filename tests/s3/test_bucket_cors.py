# SPDX-License-Identifier: GPL-2.0-only
"""Which rule allows what, and the configuration as XML both ways."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dgproxy.s3 import xml
from dgproxy.s3.bucket_cors import METHODS, Rule, allow, for_origins, requested_headers
from dgproxy.s3.errors import CODES, S3Error
from tests.s3.test_xml import received, sent

TEXT = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E, exclude_characters="*"), min_size=1)
RULES = st.builds(
    Rule,
    origins=st.lists(TEXT, min_size=1, max_size=3).map(tuple),
    methods=st.lists(st.sampled_from(METHODS), min_size=1, max_size=3).map(tuple),
    headers=st.lists(TEXT, max_size=3).map(tuple),
    expose=st.lists(TEXT, max_size=3).map(tuple),
    max_age=st.none() | st.integers(0, 10**9 - 1),
    id=st.just("") | TEXT,
)


def shown(rule: Rule) -> dict[str, Any]:
    """As botocore has it."""
    fields = {
        "ID": rule.id,
        "AllowedOrigins": list(rule.origins),
        "AllowedMethods": list(rule.methods),
        "AllowedHeaders": list(rule.headers),
        "ExposeHeaders": list(rule.expose),
    }
    age = {} if rule.max_age is None else {"MaxAgeSeconds": rule.max_age}
    return {name: value for name, value in fields.items() if value} | age


@given(st.lists(RULES, min_size=1, max_size=3))
def test_xml_both_ways(rules: list[Rule]) -> None:
    assert xml.parse_cors(xml.render_cors(rules)) == rules
    as_botocore = [shown(rule) for rule in rules]
    assert received("GetBucketCors", xml.render_cors(rules)) == {"CORSRules": as_botocore}
    body = sent("PutBucketCors", Bucket="b", CORSConfiguration={"CORSRules": as_botocore})
    assert xml.parse_cors(body) == rules


@given(st.binary())
def test_anything_is_rules_or_an_error(data: bytes) -> None:
    for body in (data, b"<CORSConfiguration><CORSRule>" + data + b"</CORSRule></CORSConfiguration>"):
        with pytest.raises(S3Error) as refused:
            xml.parse_cors(body)
        assert refused.value.code in CODES


@pytest.mark.parametrize(
    ("pattern", "origin", "allowed"),
    [
        ("*", "null", True),
        ("https://a.test", "https://a.test", True),
        ("https://a.test", "https://a.test:8443", False),
        ("https://a.test", "http://a.test", False),
        ("https://*.a.test", "https://x.y.a.test", True),
        ("https://*.a.test", "https://a.test", False),
        ("https://*.a.test", "https://x.a.test.evil", False),
        ("a*a", "a", False),
        ("a*a", "aa", True),
    ],
)
def test_origins(pattern: str, origin: str, *, allowed: bool) -> None:
    answer = allow([Rule((pattern,), ("GET",))], origin, "GET")
    assert answer.get("Access-Control-Allow-Origin") == (
        ("*" if pattern == "*" else origin) if allowed else None
    )


def test_the_first_rule_that_allows_all_of_it_counts() -> None:
    rules = [
        Rule(("*",), ("GET",), ("x-a",), id="1"),
        Rule(("https://a.test",), ("GET", "PUT"), ("X-*",), max_age=1),
    ]
    assert allow(rules, "https://a.test", "GET", ["x-a"])["Access-Control-Allow-Origin"] == "*"
    assert allow(rules, "https://a.test", "GET", ["x-a", "x-b"])["Access-Control-Max-Age"] == "1"
    assert allow(rules, "https://a.test", "PUT")["Access-Control-Allow-Credentials"] == "true"
    assert allow(rules, "https://a.test", "PUT", ["y"]) == {}
    assert allow(rules, "https://b.test", "PUT") == {}


def test_requested_headers() -> None:
    assert requested_headers(None) == []
    assert requested_headers(" X-A ,b,, ") == ["x-a", "b"]


def test_default_rules() -> None:
    assert for_origins([]) == []
    assert allow(for_origins(["*"]), "https://a.test", "DELETE", ["authorization"])
