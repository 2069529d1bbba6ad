# SPDX-License-Identifier: GPL-2.0-only
"""Pages of ListMultipartUploads: one after the other they show everything, once, in order."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dgproxy.s3.listing import ListMultipartUploads
from dgproxy.s3.uploads import page_of_uploads

EVERYTHING = ListMultipartUploads("", "", 1000, "", "", url=False)
UPLOADS = [("a/1", "1"), ("a/1", "2"), ("a/2", "3"), ("b", "4"), ("b", "5"), ("c/x/y", "6")]


@pytest.mark.parametrize(
    ("asked", "uploads", "prefixes", "more"),
    [
        ({}, ["1", "2", "3", "4", "5", "6"], [], False),
        ({"max_uploads": 0}, [], [], False),
        ({"max_uploads": 6}, ["1", "2", "3", "4", "5", "6"], [], False),
        ({"max_uploads": 2}, ["1", "2"], [], True),
        ({"prefix": "a/"}, ["1", "2", "3"], [], False),
        ({"prefix": "d"}, [], [], False),
        ({"delimiter": "/"}, ["4", "5"], ["a/", "c/"], False),
        ({"delimiter": "/", "max_uploads": 1}, [], ["a/"], True),
        ({"delimiter": "/", "key_marker": "a/"}, ["4", "5"], ["c/"], False),
        ({"delimiter": "/", "prefix": "c/"}, [], ["c/x/"], False),
        ({"key_marker": "a/1"}, ["3", "4", "5", "6"], [], False),
        ({"key_marker": "a/1", "upload_id_marker": "1"}, ["2", "3", "4", "5", "6"], [], False),
        ({"upload_id_marker": "3"}, ["1", "2", "3", "4", "5", "6"], [], False),
    ],
    ids=str,
)
def test_what_a_page_shows(
    asked: dict[str, str | int], uploads: list[str], prefixes: list[str], more: bool
) -> None:
    page = page_of_uploads(replace(EVERYTHING, **asked), UPLOADS)
    assert ([upload for _, upload in page.uploads], page.prefixes, page.more) == (uploads, prefixes, more)


@given(
    st.lists(st.text("ab/é", min_size=1, max_size=6), max_size=12),
    st.text("ab/", max_size=2),
    st.sampled_from(["", "/", "a", "b/"]),
    st.integers(1, 4),
)
def test_pages_add_up(names: list[str], prefix: str, delimiter: str, most: int) -> None:
    uploads = [(name, f"{number:02}") for number, name in enumerate(sorted(names, key=str.encode))]
    everything = replace(EVERYTHING, prefix=prefix, delimiter=delimiter)
    whole = page_of_uploads(everything, uploads)
    found: list[tuple[str, str]] = []
    prefixes: list[str] = []
    asked = replace(everything, max_uploads=most)
    more = True
    while more:
        page = page_of_uploads(asked, uploads)
        more = page.more
        assert 0 < len(page.uploads) + len(page.prefixes) <= most or not more
        found += page.uploads
        prefixes += page.prefixes
        # What the answer names as the next markers: the last item, whichever kind it is of.
        last = max([*page.uploads, *((each, "") for each in page.prefixes)], key=_place, default=("", ""))
        asked = replace(asked, key_marker=last[0], upload_id_marker=last[1])
    assert (found, prefixes) == (whole.uploads, whole.prefixes)


def _place(item: tuple[str, str]) -> tuple[bytes, str]:
    return item[0].encode(), item[1]
