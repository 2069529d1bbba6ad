# SPDX-License-Identifier: GPL-2.0-only
from urllib.parse import parse_qsl, urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dgproxy.s3 import uri
from dgproxy.s3.errors import S3Error


@given(st.binary(max_size=300))
def test_bytes_survive_encoding(data: bytes) -> None:
    for safe in ("", "/"):
        encoded = uri.encode(data, safe=safe)
        assert uri.unescape(encoded) == data
        assert encoded.isascii()


def test_only_unreserved_characters_stay() -> None:
    every = bytes(range(256))
    kept = uri.encode(every).replace("%", "")
    assert {c for c in uri.encode(every, safe="/") if not c.isalnum()} == set("%-_.~/")
    assert uri.encode(b" +%e2") == "%20%2B%25e2"
    assert kept.isascii()


@given(st.lists(st.tuples(st.text(min_size=1), st.text())))
def test_query_pairs_read_what_forms_write(pairs: list[tuple[str, str]]) -> None:
    encoded = urlencode(pairs)
    read = [(name.decode(), value.decode()) for name, value in uri.query_pairs(encoded)]
    assert read == pairs == parse_qsl(encoded, keep_blank_values=True)


def test_query_pairs_keep_what_is_no_text() -> None:
    assert uri.query_pairs("a&b=&=c&&d=%ff%zz+e=f") == [
        (b"a", b""),
        (b"b", b""),
        (b"", b"c"),
        (b"d", b"\xff%zz e=f"),
    ]
    assert uri.first_values([(b"a", b"1"), (b"a", b"2"), (b"\xff", b"")]) == {"a": "1", "\udcff": ""}


@pytest.mark.parametrize("raw", ["%", "%1", "%g0", "a%ffb", "\udcff"])
def test_what_is_no_text_is_an_invalid_uri(raw: str) -> None:
    with pytest.raises(S3Error) as caught:
        uri.decode(raw)
    assert caught.value.code == "InvalidURI"


def test_text_that_never_came_over_a_wire_is_an_invalid_uri() -> None:
    with pytest.raises(S3Error):
        uri.wire_bytes("\ud800")


def test_raw_bytes_of_utf8_count_as_the_characters() -> None:
    assert uri.decode(b"\xc3\xa9%C3%A9".decode("utf-8", "surrogateescape")) == "éé"
    assert uri.wire_bytes("\udcff") == b"\xff"
