# SPDX-License-Identifier: GPL-2.0-only
"""Keys to paths and back, as pure functions."""

import itertools
from typing import Any

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from dgproxy.storage.errors import StorageError
from dgproxy.storage.filesystem import keymap
from tests.storage import keys as odd

ROOMS = st.sampled_from(["objects/", "deltaspaces/", "uploads/"])
ENDS = ["", ".delta", ".bin", ".zst", ".json", ".pin", ".meta", ".met%61"]
KEYS = st.builds(lambda room, text, end: room + text + end, ROOMS, odd.texts(), st.sampled_from(ENDS))
ODD = [room + key for room in ("objects/", "deltaspaces/") for key in odd.ODD]


def decode(path: str) -> str:
    """Walk a path down as a listing does."""
    *directories, name = path.split("/")
    key = ""
    for directory in directories:
        text = keymap.decode_directory(directory)
        assert text is not None
        assert keymap.encode_entry(text, engines=False) == (directory, True)
        key += text
    text = keymap.decode_file(name, engines=not key.startswith("objects/"))
    assert text is not None
    return key + text


def check_path(path: str) -> None:
    assert len(path.encode()) <= keymap.LONGEST_PATH
    *directories, name = path.split("/")
    for part in [*directories, name]:
        assert 0 < len(part.encode()) <= 255
        assert part not in (".", "..")
        assert not any(ord(character) < 32 or ord(character) == 127 for character in part)
    assert name.endswith(keymap.SUFFIXES)
    assert not any(directory.endswith(keymap.SUFFIXES) for directory in directories)


@given(KEYS)
def test_round_trip(key: str) -> None:
    path = keymap.encode(key)
    check_path(path)
    assert decode(path) == key


@pytest.mark.parametrize("key", ODD, ids=lambda key: f"{key[:20]!a}-{len(key)}")
def test_odd_keys(key: str) -> None:
    test_round_trip.hypothesis.inner_test(key)  # type: ignore[attr-defined]


@given(KEYS, KEYS)
def test_apart(one: str, other: str) -> None:
    assume(one != other)
    assert keymap.encode(one) != keymap.encode(other)


def insert(tree: dict[str, Any], path: str, key: str) -> None:
    *directories, name = path.split("/")
    for directory in directories:
        tree = tree.setdefault(directory, {})
        assert isinstance(tree, dict), f"{directory!r} is a file and a directory"
    assert name not in tree, f"{name!r} is two keys' or a directory"
    tree[name] = key


def walk(tree: dict[str, Any], engines: bool) -> list[str]:
    entries = []
    for name, below in tree.items():
        is_directory = isinstance(below, dict)
        text = keymap.decode_directory(name) if is_directory else keymap.decode_file(name, engines=engines)
        assert text is not None
        entries.append((text, below))
    texts = [text for text, _ in entries]
    assert len(set(texts)) == len(texts), "a tie has no order"
    found = []
    for _, below in sorted(entries, key=lambda entry: entry[0]):
        found += walk(below, engines) if isinstance(below, dict) else [below]
    return found


@given(ROOMS, st.lists(st.tuples(odd.texts(), st.sampled_from(ENDS)).map("".join), unique=True, max_size=40))
@example(
    "objects/", ["b" * 238, "b" * 238 + "!", "b" * 238 + "/", "b" * 238 + "0", "b" * 237, "b" * 237 + "é"]
)
@example("deltaspaces/", ["a.bin", "a.bin/b.bin", "a.bin.meta", "a", "a.meta", "a/", "a-", "a0"])
@example("objects/", odd.ODD)
def test_files_and_directories_are_apart_and_walk_in_order(room: str, names: list[str]) -> None:
    tree: dict[str, Any] = {}
    for name in names:
        insert(tree, keymap.encode(room + name), room + name)
    assert walk(tree, room != "objects/") == sorted((room + name for name in names), key=str.encode)


@given(st.text(max_size=12).filter(lambda name: name not in ("", ".", "..") and "/" not in name))
@example("%2f.meta")
@example("a.met%61")
@example("%.meta")
@example("a.bin.meta")
@example("%~")
@example("b" * 238 + "%~")
@example("b" * 237 + "%~")
@example("b" * 239 + "%~")
def test_a_name_is_ours_in_one_way_or_not_at_all(name: str) -> None:
    """What decodes is written back as it was; so no file shows under a key that does not read it."""
    for room, engines in (("objects/", False), ("deltaspaces/", True)):
        text = keymap.decode_file(name, engines=engines)
        if text is not None:
            assert keymap.encode(room + text) == room + name
            assert keymap.encode_entry(text, engines=engines) == (name, False)
    text = keymap.decode_directory(name)
    if text is not None:
        assert keymap.encode_entry(text, engines=True) == (name, True)
        inside = keymap.encode(f"objects/{text}x")
        assert inside == f"objects/{name}/x.meta"


@pytest.mark.parametrize(
    "name",
    [
        *["a", "a~", "a.bin", ".a.meta.swp", ".meta", "%.meta.meta", "..meta", "...meta", "\n.meta"],
        *["%41.meta", "%ff.meta", "%2e.meta", "b" * 238 + ".meta"],
    ],
)
def test_strangers_among_manifests(name: str) -> None:
    assert keymap.decode_file(name, engines=False) is None


@pytest.mark.parametrize(
    "name", ["a.meta", "a%", "%2e", "%41", "b" * 238, "b" * 237 + "%~", "b" * 239 + "%~"]
)
def test_strangers_among_directories(name: str) -> None:
    assert keymap.decode_directory(name) is None


def test_what_a_reader_of_the_disk_sees() -> None:
    for key, path in {
        "objects/releases/v2.zip": "objects/releases/v2.zip.meta",
        "objects/a": "objects/a.meta",
        "objects/a.meta": "objects/a.meta.meta",
        "objects/a.meta/b": "objects/a.met%61/b.meta",
        "objects/": "objects/%.meta",
        "objects/a/": "objects/a/%.meta",
        "objects//a": "objects/%/a.meta",
        "objects/../a": "objects/%2E./a.meta",
        "objects/.": "objects/%2E.meta",
        "objects/100%": "objects/100%25.meta",
        "objects/日本/版": "objects/日本/版.meta",
        "objects/x.json": "objects/x.json.meta",
        "deltaspaces/releases/references.json": "deltaspaces/releases/references.json",
        "deltaspaces/x.bin/1-v1.zip.delta": "deltaspaces/x.bi%6E/1-v1.zip.delta",
        "objects/" + "b" * 240: "objects/" + "b" * 238 + "%~/bb.meta",
    }.items():
        assert keymap.encode(key) == path


@pytest.mark.parametrize("filler", ["\x01", "%", "/", "./", "../", ".meta/", "é", "x", "\x01/", "\U0001f600"])
def test_the_longest_keys_fit(filler: str) -> None:
    """The bound that `data_dir` is checked against, with the longest names the engine makes around a key."""
    for pad in range(4):
        text = "x" * pad + filler * odd.LONGEST
        key = text.encode()[: odd.LONGEST].decode(errors="ignore")
        check_path(keymap.encode("objects/" + key))
        space = key[: key.rfind("/") + 1] or key[:-2] + "/"
        check_path(keymap.encode(f"deltaspaces/{space}{'0' * 26}-{'0' * 26}-{'n' * 80}.reference.bin"))


@pytest.mark.parametrize("key", ["", "a", "objects/\ud800", "objects/\udfff/a"])
def test_text_that_is_no_key(key: str) -> None:
    with pytest.raises(StorageError):
        keymap.encode(key)


@pytest.mark.parametrize("bucket", ["abc", "a.b-c", "a.json", "x_Y", "..", "日本"])
def test_buckets(bucket: str) -> None:
    name = keymap.encode_bucket(bucket)
    assert keymap.decode_bucket(name) == bucket
    assert "/" not in name
    assert name not in (".", "..")


@pytest.mark.parametrize("bucket", ["a/b", "/", "b" * 238, "\ud800"])
def test_text_that_is_no_bucket(bucket: str) -> None:
    with pytest.raises(StorageError):
        keymap.encode_bucket(bucket)


def test_every_character_has_one_name() -> None:
    characters = [chr(code) for code in itertools.chain(range(0xD800), range(0xE000, 0x110000, 7))]
    for character in characters:
        if character != "/":
            assert decode(keymap.encode(f"objects/{character}")) == f"objects/{character}"
