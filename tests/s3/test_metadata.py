# SPDX-License-Identifier: GPL-2.0-only
import json
from email.header import decode_header, make_header

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dgproxy.s3.errors import S3Error
from dgproxy.s3.metadata import (
    MAX_USER_METADATA,
    Metadata,
    override_headers,
    parse,
    refuse_unsupported,
    replaces_metadata,
    response_headers,
)

OCTETS = {"Content-Type": "binary/octet-stream"}


@pytest.mark.parametrize(
    ("headers", "content", "user"),
    [
        ([], OCTETS, {}),
        ([("Content-Type", "")], OCTETS, {}),
        ([("content-type", "text/plain")], {"Content-Type": "text/plain"}, {}),
        (
            [
                ("CACHE-CONTROL", "no-cache"),
                ("Expires", "whenever"),
                ("Content-Language", "de"),
                ("Range", "x"),
            ],
            {"Cache-Control": "no-cache", "Expires": "whenever", "Content-Language": "de", **OCTETS},
            {},
        ),
        ([("Content-Encoding", "aws-chunked")], OCTETS, {}),
        ([("Content-Encoding", "gzip,aws-chunked")], {"Content-Encoding": "gzip", **OCTETS}, {}),
        ([("Content-Encoding", "AWS-Chunked, gzip, br")], {"Content-Encoding": "gzip,br", **OCTETS}, {}),
        (
            [("Content-Encoding", "gzip"), ("Content-Encoding", "br")],
            {"Content-Encoding": "gzip,br", **OCTETS},
            {},
        ),
        ([("Content-Disposition", 'a; f="\u00e9"')], {"Content-Disposition": 'a; f="\u00e9"', **OCTETS}, {}),
        ([("Content-Disposition", "caf\udce9")], {"Content-Disposition": "caf\u00e9", **OCTETS}, {}),
        ([("X-Amz-Meta-Some-Name", "Value")], OCTETS, {"some-name": "Value"}),
        ([("x-amz-meta-a", "1"), ("X-AMZ-META-A", "2")], OCTETS, {"a": "1,2"}),
        ([("x-amz-meta-a", "")], OCTETS, {"a": ""}),
        ([("x-amz-meta-a", "\u00e9")], OCTETS, {"a": "\u00e9"}),
        ([("x-amz-meta-a", "\udce9")], OCTETS, {"a": "\u00e9"}),
        ([("x-amz-meta-a", "=?UTF-8?B?w6k=?=")], OCTETS, {"a": "\u00e9"}),
        ([("x-amz-meta-a", "=?utf-8?q?a_=C3=A9?=")], OCTETS, {"a": "a \u00e9"}),
        ([("x-amz-meta-a", "=?UTF-8?B?w6k=?= \t=?iso-8859-1?Q?=E9?= x")], OCTETS, {"a": "\u00e9\u00e9 x"}),
        ([("x-amz-meta-a", "=?UTF-8?B?!!?=")], OCTETS, {"a": "=?UTF-8?B?!!?="}),
        ([("x-amz-meta-a", "=?UTF-8?B?/w==?=")], OCTETS, {"a": "=?UTF-8?B?/w==?="}),
        ([("x-amz-meta-a", "=?utf-7?B?w6k=?=")], OCTETS, {"a": "=?utf-7?B?w6k=?="}),
    ],
)
def test_what_is_stored(
    headers: list[tuple[str, str]], content: dict[str, str], user: dict[str, str]
) -> None:
    assert parse(headers) == Metadata(content, user)


def test_the_limit_counts_names_and_values_in_utf8() -> None:
    assert len(parse([("x-amz-meta-ab", "\u00e9" * 1023)]).user["ab"]) == 1023
    with pytest.raises(S3Error) as caught:
        parse([("x-amz-meta-abc", "\u00e9" * 1023)])
    assert caught.value.code == "MetadataTooLarge"
    assert caught.value.extra == {"Size": "2049", "MaxSizeAllowed": str(MAX_USER_METADATA)}
    assert parse([("Content-Disposition", "x" * 4000)])


@pytest.mark.parametrize("value", ["a\r\nX-Evil: 1", "a\x00", "\x7f", "a\x1b", "\ud800"])
def test_what_http_cannot_carry_is_refused(value: str) -> None:
    for read in (
        lambda: parse([("x-amz-meta-a", value)]),
        lambda: parse([("Cache-Control", value)]),
        lambda: override_headers({"response-content-type": value}),
    ):
        with pytest.raises(S3Error) as caught:
            read()
        assert caught.value.code == "InvalidArgument"


def test_what_comes_back() -> None:
    content = {"Content-Type": "text/plain", "Expires": "0"}
    user = {"plain": "a b", "wide": "\u00e9", "control": "a\r\nb", "empty": ""}
    assert response_headers(content, user) == {
        **content,
        "x-amz-meta-plain": "a b",
        "x-amz-meta-wide": "=?UTF-8?B?w6k=?=",
        "x-amz-meta-control": "=?UTF-8?B?YQ0KYg==?=",
        "x-amz-meta-empty": "",
    }


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=300))
def test_any_text_comes_back_as_ascii_that_means_the_same(text: str) -> None:
    (sent,) = response_headers({}, {"a": text}).values()
    assert sent.isascii()
    assert sent.isprintable()
    assert parse([("x-amz-meta-a", sent)]).user["a"] == (
        parse([("x-amz-meta-a", text)]).user["a"] if text == sent else text
    )
    if sent != text:
        assert str(make_header(decode_header(sent))) == text


def test_overrides() -> None:
    query = {
        "response-content-type": "a/b",
        "response-expires": "x",
        "response-content-language": "",
        "prefix": "p",
    }
    query["response-content-disposition"] = 'attachment; filename="\u00e9"'
    assert override_headers(query) == {
        "Content-Type": "a/b",
        "Expires": "x",
        "Content-Disposition": 'attachment; filename="\u00e9"',
    }


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({}, None),
        ({"x-amz-storage-class": "STANDARD"}, None),
        ({"x-amz-storage-class": "GLACIER"}, "InvalidStorageClass"),
        ({"x-amz-acl": "private"}, None),
        ({"x-amz-acl": "bucket-owner-full-control"}, None),
        ({"x-amz-acl": "public-read"}, "NotImplemented"),
        ({"x-amz-grant-read": "id=1"}, "NotImplemented"),
        ({"X-Amz-Grant-Read": "id=1"}, "NotImplemented"),
        ({"x-amz-website-redirect-location": "/"}, "NotImplemented"),
        ({"x-amz-object-lock-legal-hold": "OFF"}, None),
        ({"x-amz-object-lock-legal-hold": "ON"}, "NotImplemented"),
        ({"x-amz-object-lock-mode": "GOVERNANCE"}, "NotImplemented"),
        ({"x-amz-bucket-object-lock-enabled": "false"}, None),
        ({"x-amz-bucket-object-lock-enabled": "True"}, "NotImplemented"),
        ({"x-amz-object-ownership": "BucketOwnerEnforced"}, None),
        ({"x-amz-object-ownership": "ObjectWriter"}, "NotImplemented"),
        ({"x-amz-server-side-encryption": "AES256"}, "NotImplemented"),
        ({"x-amz-server-side-encryption-customer-key": "k"}, "NotImplemented"),
        ({"x-amz-copy-source-server-side-encryption-customer-key": "k"}, "NotImplemented"),
        ({"x-amz-write-offset-bytes": "0"}, "NotImplemented"),
        (
            {"x-amz-meta-acl": "x", "x-amz-request-payer": "requester", "x-amz-expected-bucket-owner": "1"},
            None,
        ),
    ],
)
def test_what_is_not_done_is_refused(headers: dict[str, str], code: str | None) -> None:
    if code is None:
        refuse_unsupported(headers)
        return
    with pytest.raises(S3Error) as caught:
        refuse_unsupported(headers)
    assert caught.value.code == code
    assert next(iter(headers)).lower() in caught.value.extra.values() or code == "InvalidStorageClass"


def test_the_metadata_directive() -> None:
    assert not replaces_metadata({})
    assert not replaces_metadata({"x-amz-metadata-directive": "COPY"})
    assert replaces_metadata({"x-amz-metadata-directive": "REPLACE"})
    with pytest.raises(S3Error) as caught:
        replaces_metadata({"x-amz-metadata-directive": "replace"})
    assert caught.value.code == "InvalidArgument"


NAMES = st.sampled_from(["Content-Type", "content-encoding", "Expires", "x-amz-meta-", "X-Amz-Meta-A"])
WORDS = st.lists(
    st.sampled_from(["=?UTF-8?B?", "=?iso-8859-1?q?", "?=", " ", "w6k=", "=E9"]) | st.text(), max_size=6
)


@given(
    st.lists(st.tuples(NAMES | st.text(max_size=20), st.text(max_size=60) | WORDS.map("".join)), max_size=6)
)
def test_any_headers_are_stored_and_sent_back_or_refused(headers: list[tuple[str, str]]) -> None:
    try:
        stored = parse(headers)
    except S3Error:
        return
    assert json.loads(json.dumps(stored.user).encode()) == stored.user
    for value in response_headers(stored.content, stored.user).values():
        assert not set(value.encode()) & (set(range(32)) - {9})
