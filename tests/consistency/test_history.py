# SPDX-License-Identifier: GPL-2.0-only
"""From calls and answers to registers: copies, listings, what was lost, and what is wrong in itself."""

import pytest

from tests.consistency.contents import Content, Recipe
from tests.consistency.history import History, Page, in_order
from tests.consistency.register import NOTHING

FIRST, SECOND = (Content.of(Recipe(seed, 500, artifact=False)) for seed in (1, 2))
PARTS = Content.of(Recipe(3, 900, artifact=False), 400)


@pytest.fixture
def history() -> History:
    history = History()
    for name, content in (("first", FIRST), ("second", SECOND), ("parts", PARTS)):
        history.will_write(name, content.etag, content)
    history.will_write("copy", None)
    return history


def put(history: History, key: str, write: str) -> None:
    history.wrote(history.begin("PUT", key), write)


def get(history: History, key: str, write: str, etag: str) -> None:
    history.saw(history.begin("GET", key), write, etag)


def page(
    history: History, found: dict[str, str], prefix: str = "", after: str = "", *, cut: bool = False
) -> None:
    history.listed(history.begin("LIST", ""), Page(prefix, after, found, cut))


def test_all_is_well(history: History) -> None:
    put(history, "k", "first")
    get(history, "k", "first", FIRST.etag)
    page(history, {"k": FIRST.etag})
    history.wrote(history.begin("DELETE", "k"), None)
    history.refused(history.begin("GET", "k"), NOTHING)
    page(history, {})
    assert history.violations() == []
    assert history.calls == 6


def test_a_stale_listing(history: History) -> None:
    put(history, "k", "first")
    put(history, "k", "second")
    page(history, {"k": FIRST.etag})
    assert "LIST" in history.violations()[0]


def test_a_page_that_leaves_a_key_out(history: History) -> None:
    put(history, "a", "first")
    put(history, "b", "second")
    page(history, {"b": SECOND.etag}, after="a")
    page(history, {"a": FIRST.etag}, cut=True)
    page(history, {}, prefix="c")
    assert history.violations() == []
    page(history, {"b": SECOND.etag})
    assert history.violations()[0].startswith("a: ")


def test_a_listing_shows_a_key_that_nobody_wrote(history: History) -> None:
    page(history, {"k": FIRST.etag})
    assert len(history.violations()) == 1


def groups(history: History, shown: set[str], found: dict[str, str] | None = None, after: str = "") -> None:
    """A page by "/" that is cut behind its last item."""
    history.listed(history.begin("LIST", ""), Page("", after, found or {}, True, "/", frozenset(shown)))


def test_common_prefixes(history: History) -> None:
    put(history, "a/1", "first")
    put(history, "a/2", "first")
    put(history, "b/1", "first")
    put(history, "c", "second")
    groups(history, {"a/", "b/"}, {"c": SECOND.etag})
    groups(history, {"a/"})
    groups(history, {"b/"}, after="a/")
    history.wrote(history.begin("DELETE", "a/1"), None)
    groups(history, {"a/", "b/"})
    history.wrote(history.begin("DELETE", "a/2"), None)
    groups(history, {"b/"})
    assert history.violations() == []


@pytest.mark.parametrize("left_out", ["a/", "b/"])
def test_a_common_prefix_that_is_left_out(history: History, left_out: str) -> None:
    for key in ("a/1", "a/2", "b/1", "c/1"):
        put(history, key, "first")
    groups(history, {"a/", "b/", "c/"} - {left_out})
    assert history.violations()[0].startswith(f"{left_out}1: ")


@pytest.mark.parametrize("keys", [["a/1"], ["a/1", "a/2"]])
def test_a_common_prefix_without_an_object(history: History, keys: list[str]) -> None:
    for key in keys:
        put(history, key, "first")
    deleting = history.begin("DELETE", keys[-1])
    for key in keys[:-1]:
        history.wrote(history.begin("DELETE", key), None)
    groups(history, {"a/"})
    history.wrote(deleting, None)
    assert history.violations() == [], "the last may have gone after the listing"
    groups(history, {"a/"})
    assert any(each.startswith("a/: ") for each in history.violations())


def test_a_common_prefix_that_somebody_may_have_made(history: History) -> None:
    """By a write without an answer, or by one that was under way."""
    groups(history, {"a/"})
    assert len(history.violations()) == 1
    history = History()
    history.will_write("first", FIRST.etag, FIRST)
    put(history, "a/1", "first")
    history.wrote(history.begin("DELETE", "a/1"), None)
    history.wrote(history.begin("DELETE", "a/2"), None)
    history.lost(history.begin("PUT", "a/2"), "first")
    groups(history, {"a/"})
    assert history.violations() == []


def test_what_a_listing_shows_of_a_key() -> None:
    page = Page("a/", "a/b.", {}, True, ".", frozenset({"a/d."}))
    assert page.shows("a/b.c.d") == "a/b."
    assert page.shows("a/b") == "a/b"
    assert [key for key in ("a/a", "a/b.c", "a/c", "a/d.e", "a/e", "b") if page.covers(key)] == [
        "a/c",
        "a/d.e",
    ]
    assert page.in_form([], ["a/d."], 1)
    assert not page.in_form([], ["a/d."], 0)
    assert not page.in_form([], [], 1), "more, and none of it"
    assert not page.in_form([], ["a/b."], 1), "once more"
    assert not page.in_form(["a/d.e"], [], 1), "not rolled up"
    assert not page.in_form([], ["a/d.e."], 1)
    assert not page.in_form(["b"], [], 1)


def test_a_copy_has_what_its_source_had(history: History) -> None:
    put(history, "source", "first")
    history.copied(history.begin("COPY", "k"), "copy", "source", FIRST.etag)
    get(history, "k", "copy", FIRST.etag)
    assert history.violations() == []
    put(history, "source", "second")
    history.will_write("late", None)
    history.copied(history.begin("COPY", "k"), "late", "source", FIRST.etag)
    assert history.violations()[0].startswith("source: ")


def test_a_copy_of_parts_has_the_md5_of_its_bytes(history: History) -> None:
    put(history, "source", "parts")
    history.copied(history.begin("COPY", "k"), "copy", "source", PARTS.md5)
    get(history, "k", "copy", PARTS.md5)
    assert history.violations() == []


def test_what_a_lost_copy_took_is_known_once_it_is_seen(history: History) -> None:
    put(history, "source", "first")
    call = history.begin("COPY", "k")
    history.copy_lost(call, "copy", "source")
    put(history, "source", "second")
    get(history, "k", "copy", SECOND.etag)
    assert history.violations() == [], "it may have taken place late"
    get(history, "k", "copy", FIRST.etag)
    assert "has etag" in history.violations()[0]


def test_a_lost_copy_that_took_what_was_not_there(history: History) -> None:
    put(history, "source", "first")
    history.copy_lost(history.begin("COPY", "k"), "copy", "source")
    get(history, "k", "copy", SECOND.etag)
    assert history.violations()[0].startswith("source: ")


def test_an_object_of_nobody(history: History) -> None:
    get(history, "k", "who?", FIRST.etag)
    assert "nobody wrote" in history.violations()[0]


def test_what_failed_did_not_happen(history: History) -> None:
    history.failed(history.begin("PUT", "k"))
    get(history, "k", "first", FIRST.etag)
    assert len(history.violations()) == 1


def test_what_was_lost_may_have_happened(history: History) -> None:
    history.lost(history.begin("PUT", "k"), "first")
    history.lost(history.begin("GET", "k"), writes=False)
    get(history, "k", "first", FIRST.etag)
    assert history.violations() == []


def test_order() -> None:
    assert in_order(["a", "a/b", "b", "é"])
    assert not in_order(["b", "a"])
    assert not in_order(["a", "a"])
