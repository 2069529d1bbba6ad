# SPDX-License-Identifier: GPL-2.0-only
from datetime import UTC, datetime
from email.utils import formatdate, parsedate_to_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dgproxy.s3.dates import http_date, iso8601, parse_http_date, parse_timestamp

#: RFC 9110's own example, in its three forms.
EXAMPLE = 784111777_000
MILLISECONDS = st.integers(-62135596800_000, 253402300799_999)


@pytest.mark.parametrize(
    "text",
    [
        "Sun, 06 Nov 1994 08:49:37 GMT",
        "Sunday, 06-Nov-94 08:49:37 GMT",
        "Sun Nov  6 08:49:37 1994",
        "Sun, 06 Nov 1994 08:49:37 +0000",
        " Sun, 06 Nov 1994 08:49:37 UTC ",
    ],
)
def test_the_three_forms(text: str) -> None:
    assert parse_http_date(text) == EXAMPLE


@pytest.mark.parametrize(
    "text",
    [
        "",
        "0",
        "yesterday",
        "Sun, 31 Feb 1994 08:49:37 GMT",
        "Sun, 06 Nov 1994 24:49:37 GMT",
        "Sun, 06 Now 1994 08:49:37 GMT",
        "Sun, 06 Nov 1994 08:49:37 CET",
        "1994-11-06T08:49:37Z",
        "Sun, \u0660\u0666 Nov 1994 08:49:37 GMT",
        "Sun, 06 Nov 0000 08:49:37 GMT",
    ],
)
def test_no_date(text: str) -> None:
    assert parse_http_date(text) is None


def test_two_digit_years_and_leap_seconds() -> None:
    assert parse_http_date("Sunday, 06-Nov-68 08:49:37 GMT") == parse_http_date(
        "Sun, 06 Nov 2068 08:49:37 GMT"
    )
    assert parse_http_date("Sunday, 06-Nov-69 08:49:37 GMT") == parse_http_date(
        "Sun, 06 Nov 1969 08:49:37 GMT"
    )
    assert parse_http_date("Sat, 31 Dec 2016 23:59:60 GMT") == 1483228799_000


@given(MILLISECONDS)
def test_formats_agree_with_the_standard_library(time: int) -> None:
    seconds = time // 1000
    when = datetime.fromtimestamp(seconds, UTC)
    assert iso8601(time) == f"{when.isoformat()[:19]}.{time % 1000:03}Z"
    assert parse_http_date(http_date(time)) == seconds * 1000
    assert parsedate_to_datetime(http_date(time)) == when or when.year < 1000
    if seconds >= 0:
        assert http_date(time) == formatdate(seconds, usegmt=True)


@given(st.integers(0, 253402300799).map(lambda seconds: datetime.fromtimestamp(seconds, UTC)))
def test_timestamps(time: datetime) -> None:
    text = time.strftime("%Y%m%dT%H%M%SZ")
    assert parse_timestamp(text) == time


@pytest.mark.parametrize(
    "text", ["", "20130524", "20130524T000000", "20130532T000000Z", "19691231T235959Z", "\u0662" * 8]
)
def test_no_timestamp(text: str) -> None:
    assert parse_timestamp(text) is None


@given(st.text(max_size=40))
def test_any_text_is_a_date_or_none(text: str) -> None:
    assert parse_http_date(text) is None or isinstance(parse_http_date(text), int)
    assert parse_timestamp(text) is None
