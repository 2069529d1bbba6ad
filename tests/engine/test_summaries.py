# SPDX-License-Identifier: GPL-2.0-only
"""Summaries: only under the stamp they were read with, and only so many."""

from dgproxy.engine.summaries import Summaries, Summary


def summary(size: int) -> Summary:
    return Summary(size, "etag", 1, (), "FULL_OBJECT", "direct", size, ())


def test_only_the_same_stamp_is_known() -> None:
    known = Summaries()
    known.put("b", "k", "1", summary(1))
    assert known.get("b", "k", "1") == summary(1)
    assert known.get("b", "k", "2") is None
    assert known.get("b", "k", None) is None
    assert known.get("c", "k", "1") is None
    known.put("b", "k", "2", summary(2))
    assert known.get("b", "k", "1") is None
    assert known.get("b", "k", "2") == summary(2)


def test_without_a_stamp_nothing_is_remembered() -> None:
    known = Summaries()
    known.put("b", "k", None, summary(1))
    assert known.get("b", "k", None) is None


def test_bounded_and_least_recently_used_goes_first() -> None:
    known = Summaries(entries=3)
    for key in "abc":
        known.put("b", key, "1", summary(1))
    assert known.get("b", "a", "1")
    known.put("b", "d", "1", summary(1))
    assert known.get("b", "b", "1") is None
    assert all(known.get("b", key, "1") for key in "acd")
