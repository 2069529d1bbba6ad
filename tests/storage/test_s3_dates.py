# SPDX-License-Identifier: GPL-2.0-only
"""Dates in a store's answers: what is read fast is what botocore reads, and what it refuses is refused."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest
from botocore.utils import parse_timestamp
from hypothesis import given
from hypothesis import strategies as st

from dgproxy.storage.s3 import dates
from dgproxy.storage.s3.dates import read_date

DATES = st.timedeltas(timedelta(days=1), timedelta(days=365 * 130)).map(
    lambda since: datetime(1970, 1, 1, tzinfo=UTC) + since
)


def same(written: Any) -> None:
    """Both read it, as the same time in the same zone, or both refuse it."""
    try:
        expected = parse_timestamp(written)
    except ValueError:
        with pytest.raises(ValueError, match=r"."):
            read_date(written)
    else:
        assert read_date(written) == expected
        assert read_date(written).utcoffset() == expected.utcoffset()


@given(DATES, st.sampled_from(["seconds", "milliseconds", "microseconds"]))
def test_dates_in_xml(date: datetime, precision: str) -> None:
    for zone in ("Z", "+00:00", "+02:00", ""):
        same(date.replace(tzinfo=None).isoformat("T", precision) + zone)


@given(st.from_regex(dates._IN_XML, fullmatch=True))
def test_what_only_looks_like_a_date_in_xml(written: str) -> None:
    same(written)


@given(DATES, st.sampled_from(["GMT", "UTC", "+0000", "-0000", "+0200"]))
def test_dates_in_headers(date: datetime, zone: str) -> None:
    written = format_datetime(date, usegmt=True)
    assert read_date(written) == date.replace(microsecond=0)
    same(written.replace("GMT", zone))


@given(
    st.sampled_from(["Mon", "Sun", "Day"]),
    st.integers(0, 39),
    st.sampled_from(["Jan", "Feb", "Dec", "Mai"]),
    st.integers(1970, 2100),
    st.integers(0, 29),
    st.integers(0, 69),
)
def test_what_only_looks_like_a_date_in_headers(
    weekday: str, day: int, month: str, year: int, hour: int, minute: int
) -> None:
    same(f"{weekday}, {day:02} {month} {year} {hour:02}:{minute:02}:00 GMT")


@pytest.mark.parametrize("written", ["2026-11-23T04:00:00.123Z", "Mon, 23 Nov 2026 04:00:00 GMT"])
def test_what_stores_write_is_not_left_to_botocore(written: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(dates, "parse_timestamp")
    assert read_date(written).utcoffset() == timedelta(0)


@pytest.mark.parametrize(
    "written", ["", "soon", "2026-13-01T00:00:00Z", "1795406400", "Nov 23 2026 04:00", 1795406400, 1.5]
)
def test_anything_else_is_left_to_botocore(written: Any) -> None:
    same(written)
