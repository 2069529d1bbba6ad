# SPDX-License-Identifier: GPL-2.0-only
import base64
import contextlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dgproxy.s3.errors import S3Error
from dgproxy.s3.listing import (
    ListBuckets,
    ListMultipartUploads,
    ListParts,
    decode_token,
    encode_token,
    list_buckets,
    list_multipart_uploads,
    list_objects,
    list_parts,
)

READERS = {
    "max-keys": list_objects,
    "max-parts": list_parts,
    "max-uploads": list_multipart_uploads,
    "max-buckets": list_buckets,
}
KEYS = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)


def refusal(read: Any, query: dict[str, str]) -> S3Error:
    with pytest.raises(S3Error) as caught:
        read(query)
    assert caught.value.code == "InvalidArgument"
    return caught.value


def test_list_objects_v1() -> None:
    asked = list_objects({})
    assert (asked.v2, asked.prefix, asked.delimiter, asked.max_keys) == (False, "", "", 1000)
    assert (asked.after, asked.marker, asked.token, asked.url) == ("", "", None, False)
    asked = list_objects(
        {"prefix": "p/", "delimiter": "//", "marker": "p/a", "start-after": "x", "max-keys": "7"}
    )
    assert (asked.prefix, asked.delimiter, asked.max_keys) == ("p/", "//", 7)
    assert (asked.after, asked.marker, asked.start_after) == ("p/a", "p/a", "")


def test_list_objects_v2() -> None:
    two = {"list-type": "2"}
    asked = list_objects(
        two | {"start-after": "s", "marker": "m", "fetch-owner": "true", "encoding-type": "url"}
    )
    assert (asked.v2, asked.after, asked.start_after, asked.marker) == (True, "s", "s", "")
    assert (asked.fetch_owner, asked.url, asked.token) == (True, True, None)
    token = encode_token("key")
    asked = list_objects(two | {"start-after": "s", "continuation-token": token})
    assert (asked.after, asked.start_after, asked.token) == ("key", "s", token)
    asked = list_objects(two | {"start-after": "s", "continuation-token": ""})
    assert (asked.after, asked.token) == ("s", "")
    for value in ("false", "", "0"):
        assert not list_objects(two | {"fetch-owner": value}).fetch_owner


@pytest.mark.parametrize("name", READERS)
@pytest.mark.parametrize("text", ["x", "-1", "1.0", " 1", "2147483648", "9" * 5000, "\u0661", "--1", "-"])
def test_bad_counts(name: str, text: str) -> None:
    assert refusal(READERS[name], {name: text}).extra == {"ArgumentName": name, "ArgumentValue": text}


def test_counts() -> None:
    for text, found in (("0", 0), ("1", 1), ("0999", 999), ("1001", 1000), ("2147483647", 1000), ("", 1000)):
        assert list_objects({"max-keys": text}).max_keys == found
        assert list_parts({"max-parts": text}).max_parts == found
        assert list_multipart_uploads({"max-uploads": text}).max_uploads == found
    for text in ("0", "10001"):
        refusal(list_buckets, {"max-buckets": text})


@pytest.mark.parametrize("read", [list_objects, list_multipart_uploads])
def test_encoding_type(read: Any) -> None:
    assert read({"encoding-type": "URL"}).url
    assert not read({"encoding-type": ""}).url
    assert refusal(read, {"encoding-type": "xml"}).message == "Invalid Encoding Method specified in Request"


def test_list_parts() -> None:
    assert list_parts({}) == ListParts(0, 1000)
    assert list_parts({"part-number-marker": "17", "max-parts": "2"}) == ListParts(17, 2)
    for text in ("x", "-1"):
        refusal(list_parts, {"part-number-marker": text})


def test_list_multipart_uploads() -> None:
    assert list_multipart_uploads({}) == ListMultipartUploads("", "", 1000, "", "", False)
    query = {"prefix": "p", "delimiter": "/", "key-marker": "k", "upload-id-marker": "u"}
    assert list_multipart_uploads(query) == ListMultipartUploads("p", "/", 1000, "k", "u", False)
    assert list_multipart_uploads({"upload-id-marker": "u"}).upload_id_marker == ""


def test_list_buckets() -> None:
    assert list_buckets({}) == ListBuckets("", None, "")
    query = {"prefix": "p", "max-buckets": "10000", "continuation-token": encode_token("b")}
    assert list_buckets(query) == ListBuckets("p", 10000, "b")


@given(KEYS)
def test_tokens_hold_any_key_and_are_safe_in_a_query(key: str) -> None:
    token = encode_token(key)
    assert decode_token(token) == key
    assert set(token) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_=")


@given(KEYS, st.data())
def test_a_changed_token_is_refused(key: str, data: st.DataObject) -> None:
    raw = bytearray(base64.urlsafe_b64decode(encode_token(key)))
    place = data.draw(st.integers(0, len(raw) - 1))
    raw[place] ^= data.draw(st.integers(1, 255))
    refusal(list_objects, {"list-type": "2", "continuation-token": base64.urlsafe_b64encode(raw).decode()})


@pytest.mark.parametrize(
    "token", ["x", "key", "AAAA", "====", "é", "\ud800", encode_token("k") + "A", "AAAAAAE="]
)
def test_garbage_is_no_token(token: str) -> None:
    for read in (list_objects, list_buckets):
        error = refusal(read, {"list-type": "2", "continuation-token": token})
        assert error.message == "The continuation token provided is incorrect"


NAMES = [
    *READERS,
    "list-type",
    "prefix",
    "marker",
    "continuation-token",
    "encoding-type",
    "part-number-marker",
]


@given(st.dictionaries(st.sampled_from(NAMES), st.text() | st.integers().map(str)))
def test_any_query_is_read_or_refused(query: dict[str, str]) -> None:
    for read in READERS.values():
        with contextlib.suppress(S3Error):
            read(query)
