# SPDX-License-Identifier: GPL-2.0-only
"""RFC 9110, section 13.2.2, as a table; then the forms that writes have."""

import contextlib
import dataclasses
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dgproxy.s3.conditions import WriteCondition, check_copy_source, check_read, if_range, write_condition
from dgproxy.s3.dates import http_date
from dgproxy.s3.errors import S3Error

MODIFIED = 1_700_000_000_789
SAME, BEFORE, AFTER = (http_date(MODIFIED + shift) for shift in (0, -1000, 1000))
MULTIPART = "d41d8cd98f00b204e9800998ecf8427e-12"

#: If-Match, If-None-Match, If-Modified-Since, If-Unmodified-Since -> status
READS = [
    (None, None, None, None, 200),
    ('"e"', None, None, None, 200),
    ("e", None, None, None, 200),
    ('W/"e"', None, None, None, 200),
    ('"x", "e"', None, None, None, 200),
    ("x,e", None, None, None, 200),
    ("*", None, None, None, 200),
    ('"x"', None, None, None, 412),
    ("x", None, None, None, 412),
    ("", None, None, None, 412),
    ('"e,x"', None, None, None, 412),
    (None, '"e"', None, None, 304),
    (None, "e", None, None, 304),
    (None, 'W/"e"', None, None, 304),
    (None, '"x",W/"e"', None, None, 304),
    (None, "*", None, None, 304),
    (None, '"x"', None, None, 200),
    (None, None, SAME, None, 304),
    (None, None, AFTER, None, 304),
    (None, None, BEFORE, None, 200),
    (None, None, "nonsense", None, 200),
    (None, None, None, SAME, 200),
    (None, None, None, AFTER, 200),
    (None, None, None, BEFORE, 412),
    (None, None, None, "nonsense", 200),
    # If-Match leaves no say to If-Unmodified-Since, If-None-Match none to If-Modified-Since.
    ('"e"', None, None, BEFORE, 200),
    ('"x"', None, None, AFTER, 412),
    (None, '"x"', SAME, None, 200),
    (None, '"e"', BEFORE, None, 304),
    # The first pair is judged first.
    ('"x"', '"e"', None, None, 412),
    ('"e"', '"e"', None, None, 304),
    ('"e"', None, SAME, None, 304),
    (None, '"e"', None, BEFORE, 412),
    ('"e"', '"x"', SAME, BEFORE, 200),
]
NAMES = ("if-match", "if-none-match", "if-modified-since", "if-unmodified-since")


@pytest.mark.parametrize("row", READS)
def test_reads(row: tuple[str | int | None, ...]) -> None:
    headers = {name: str(value) for name, value in zip(NAMES, row, strict=False) if value is not None}
    if row[4] == 200:
        check_read(headers, "e", MODIFIED)
        return
    with pytest.raises(S3Error) as caught:
        check_read(headers, "e", MODIFIED)
    assert caught.value.status == row[4]
    if row[4] == 304:
        assert not caught.value.has_body
        assert caught.value.headers == {"ETag": '"e"', "Last-Modified": SAME}
    else:
        assert caught.value.extra["Condition"] in ("If-Match", "If-Unmodified-Since")


@pytest.mark.parametrize("row", READS)
def test_a_copy_fails_where_a_read_fails_or_has_nothing_new(row: tuple[str | int | None, ...]) -> None:
    values = zip(NAMES, row, strict=False)
    headers = {f"x-amz-copy-source-{name}": str(value) for name, value in values if value is not None}
    check_read(headers, "e", MODIFIED)
    if row[4] == 200:
        check_copy_source(headers, "e", MODIFIED)
        return
    with pytest.raises(S3Error) as caught:
        check_copy_source(headers, "e", MODIFIED)
    assert caught.value.code == "PreconditionFailed"
    assert caught.value.extra["Condition"] in headers


def test_multipart_etags() -> None:
    check_read({"if-match": f'"{MULTIPART}"'}, MULTIPART, MODIFIED)
    with pytest.raises(S3Error):
        check_read({"if-match": f'"{MULTIPART}"'}, MULTIPART.partition("-")[0], MODIFIED)


@pytest.mark.parametrize(
    ("validator", "counts"),
    [
        (None, True),
        ('"e"', True),
        ("e", True),
        ('"x"', False),
        ('W/"e"', False),
        ("", False),
        (SAME, True),
        (BEFORE, False),
        (AFTER, False),
        ("Sun, 99 Nov", False),
    ],
)
def test_if_range(validator: str | None, counts: bool) -> None:
    headers = {} if validator is None else {"if-range": validator}
    assert if_range(headers, "e", MODIFIED) is counts


ABSENT, EXISTS = WriteCondition(none_match=("*",)), WriteCondition(match=("*",))
IS_E, IS_NOT_E = WriteCondition(match=("e",)), WriteCondition(none_match=("e",))
BOTH = WriteCondition(match=("e", "f"), none_match=("f",))


@pytest.mark.parametrize(
    ("headers", "put", "delete"),
    [
        ({}, None, None),
        ({"if-none-match": "*"}, ABSENT, "if-none-match"),
        ({"if-none-match": " * "}, ABSENT, "if-none-match"),
        ({"if-none-match": '"e"'}, IS_NOT_E, "if-none-match"),
        ({"if-none-match": ""}, "if-none-match", "if-none-match"),
        ({"if-match": '"e"'}, IS_E, IS_E),
        ({"if-match": "e"}, IS_E, IS_E),
        ({"if-match": "*"}, EXISTS, EXISTS),
        ({"if-match": '"e","f"', "if-none-match": "f"}, BOTH, "if-none-match"),
        ({"if-match": ""}, "if-match", "if-match"),
        ({"if-modified-since": SAME}, "if-modified-since", "if-modified-since"),
        ({"if-unmodified-since": SAME}, "if-unmodified-since", "if-unmodified-since"),
        ({"x-amz-if-match-size": "1"}, "x-amz-if-match-size", "x-amz-if-match-size"),
    ],
)
def test_writes(headers: dict[str, str], put: object, delete: object) -> None:
    for deleting, expected in ((False, put), (True, delete)):
        if isinstance(expected, str):
            with pytest.raises(S3Error) as caught:
                write_condition(headers, deleting=deleting)
            assert (caught.value.code, caught.value.extra) == ("NotImplemented", {"Header": expected})
            continue
        found = write_condition(headers, deleting=deleting)
        if isinstance(expected, WriteCondition):
            assert found == dataclasses.replace(expected, deleting=deleting)
        else:
            assert found is None


@pytest.mark.parametrize(
    ("condition", "current", "code"),
    [
        (ABSENT, None, None),
        (ABSENT, "e", "PreconditionFailed"),
        (EXISTS, "e", None),
        (EXISTS, None, "PreconditionFailed"),
        (dataclasses.replace(EXISTS, deleting=True), None, "NoSuchKey"),
        (IS_E, "e", None),
        (IS_E, "f", "PreconditionFailed"),
        (IS_E, None, "NoSuchKey"),
        (IS_NOT_E, None, None),
        (IS_NOT_E, "e", "PreconditionFailed"),
        (IS_NOT_E, "f", None),
        (BOTH, "e", None),
        (BOTH, "f", "PreconditionFailed"),
        (BOTH, "g", "PreconditionFailed"),
        (BOTH, None, "NoSuchKey"),
    ],
)
def test_judging_a_write(condition: WriteCondition, current: str | None, code: str | None) -> None:
    if code is None:
        condition.check(current)
        return
    with pytest.raises(S3Error) as caught:
        condition.check(current)
    assert caught.value.code == code


@given(st.dictionaries(st.sampled_from([*NAMES, "if-range"]), st.text() | st.text('"*W/e, ')))
def test_any_headers_are_a_decision(headers: dict[str, str]) -> None:
    copy = {f"x-amz-copy-source-{name}": value for name, value in headers.items()}
    assert if_range(headers, "e", MODIFIED) in (True, False)
    for decide in (
        lambda: check_read(headers, "e", MODIFIED),
        lambda: check_copy_source(copy, "e", MODIFIED),
        lambda: write_condition(headers),
    ):
        with contextlib.suppress(S3Error):
            decide()


@pytest.mark.parametrize("piece", [" ", '"', "W/", ",", 'a"', " ,"])
def test_a_hostile_etag_list_costs_no_more_than_its_length(piece: str) -> None:
    # Catastrophic backtracking would take minutes here; the bound only tells milliseconds from those.
    begin = time.process_time()
    with contextlib.suppress(S3Error):
        check_read({"if-match": piece * 30_000 + "\x00"}, "e", MODIFIED)
    assert time.process_time() - begin < 5
