# SPDX-License-Identifier: GPL-2.0-only
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dgproxy.s3.errors import S3Error
from dgproxy.s3.ranges import content_range, parse, parse_copy_source_range

WHOLE = None
REFUSED = "InvalidRange"


@pytest.mark.parametrize(
    ("header", "size", "found"),
    [
        (None, 10, WHOLE),
        ("bytes=0-", 10, (0, 10)),
        ("bytes=0-0", 10, (0, 1)),
        ("bytes=3-5", 10, (3, 6)),
        ("bytes=9-", 10, (9, 10)),
        ("bytes=5-99", 10, (5, 10)),
        ("bytes=-3", 10, (7, 10)),
        ("bytes=-99", 10, (0, 10)),
        ("Bytes=1-2 ", 10, (1, 3)),
        ("bytes=10-", 10, REFUSED),
        ("bytes=10-20", 10, REFUSED),
        ("bytes=-0", 10, REFUSED),
        ("bytes=0-", 0, REFUSED),
        ("bytes=0-0", 0, REFUSED),
        ("bytes=40-50", 0, REFUSED),
        ("bytes=-0", 0, REFUSED),
        # RFC 9110 calls this satisfiable, but there is no Content-Range for nothing.
        ("bytes=-5", 0, WHOLE),
        ("bytes=5-3", 10, WHOLE),
        ("bytes=0-1,3-4", 10, WHOLE),
        ("bytes=-", 10, WHOLE),
        ("bytes=", 10, WHOLE),
        ("bytes=a-b", 10, WHOLE),
        ("bytes=--1", 10, WHOLE),
        ("bytes=1-2-3", 10, WHOLE),
        ("bytes 1-2", 10, WHOLE),
        ("items=1-2", 10, WHOLE),
        ("bytes=\u0661-\u0662", 10, WHOLE),
        ("bytes=" + "9" * 5000 + "-", 10, WHOLE),
        ("", 10, WHOLE),
    ],
)
def test_range(header: str | None, size: int, found: tuple[int, int] | str | None) -> None:
    if found != REFUSED:
        assert parse(header, size) == found
        return
    with pytest.raises(S3Error) as caught:
        parse(header, size)
    assert (caught.value.code, caught.value.status) == ("InvalidRange", 416)
    assert caught.value.extra == {"RangeRequested": header, "ActualObjectSize": str(size)}
    assert caught.value.headers == {"Content-Range": f"bytes */{size}"}


def test_content_range() -> None:
    assert content_range(0, 1, 10) == "bytes 0-0/10"
    assert content_range(3, 10, 10) == "bytes 3-9/10"


@pytest.mark.parametrize(
    ("header", "found"),
    [
        (None, None),
        ("bytes=0-9", (0, 10)),
        ("bytes=3-3", (3, 4)),
        ("bytes=0-10", "InvalidRange"),
        ("bytes=10-10", "InvalidRange"),
        ("bytes=5-3", "InvalidArgument"),
        ("bytes=0-", "InvalidArgument"),
        ("bytes=-3", "InvalidArgument"),
        ("0-2", "InvalidArgument"),
        ("bytes=0", "InvalidArgument"),
        ("bytes=hello-world", "InvalidArgument"),
        ("bytes=0-bar", "InvalidArgument"),
        ("bytes=0-2,3-5", "InvalidArgument"),
        ("", "InvalidArgument"),
    ],
)
def test_copy_source_range(header: str | None, found: tuple[int, int] | str | None) -> None:
    if not isinstance(found, str):
        assert parse_copy_source_range(header, 10) == found
        return
    with pytest.raises(S3Error) as caught:
        parse_copy_source_range(header, 10)
    assert caught.value.code == found


HEADERS = st.text() | st.from_regex(re.compile(r"bytes=[0-9]{0,3}-[0-9]{0,3}(,[0-9]-)?"), fullmatch=True)


@given(HEADERS, st.integers(0, 1000))
def test_any_range_is_within_the_object_or_refused(header: str, size: int) -> None:
    for read in (parse, parse_copy_source_range):
        try:
            found = read(header, size)
        except S3Error:
            continue
        if found is not None:
            start, stop = found
            assert 0 <= start < stop <= size


@given(st.data(), st.integers(1, 1000))
def test_every_range_can_be_asked_for(data: st.DataObject, size: int) -> None:
    start = data.draw(st.integers(0, size - 1))
    stop = data.draw(st.integers(start + 1, size))
    assert parse(f"bytes={start}-{stop - 1}", size) == (start, stop)
    assert parse_copy_source_range(f"bytes={start}-{stop - 1}", size) == (start, stop)
    assert parse(f"bytes=-{size - start}", size) == (start, size)
