# SPDX-License-Identifier: GPL-2.0-only
"""Keys as they are in an object store: apart, in order, and harmless."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from dgproxy.storage.s3 import keymap
from tests.storage import keys as odd

_anything = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
_dotted = st.text('./}~!"a-|[\\]\ufffd\uffff', max_size=7)
texts = st.one_of(odd.texts(), _anything, _dotted)


def encode(text: str) -> str:
    return keymap.encode(f"objects/{text}")


@pytest.mark.parametrize(
    ("key", "encoded"),
    [
        ("objects/releases/v2.zip", "objects/releases.~/v2.zip!"),
        ("deltaspaces/references.json", "deltaspaces/references.json!"),
        ("objects/a//b", "objects/a.~/.~/b!"),
        ("objects/a/", "objects/a.~/!"),
        ("objects/..", "objects/..!"),
        ("objects/a b!.~", 'objects/a"20b"21.}~!'),
    ],
)
def test_examples(key: str, encoded: str) -> None:
    assert keymap.encode(key) == encoded


@given(texts)
def test_decoded(text: str) -> None:
    assert keymap.decode(encode(text)) == f"objects/{text}"


@given(texts)
def test_harmless(text: str) -> None:
    *directories, last = encode(text).split("/")[1:]
    assert all(name.endswith(".~") for name in directories)
    assert last.endswith("!")
    assert not {"", ".", ".."} & {*directories, last}
    assert not set(map(chr, range(0x21))) & set(encode(text))
    assert not {"\\", "\ufffe", "\uffff"} & set(encode(text))


@given(texts, texts)
@example("a.", "a/")
@example("a", "a/b")
@example("a", "a.~")
@example("a.}", "a.~")
@example(".\ufffe", ".\uffff")
def test_the_same_order(one: str, other: str) -> None:
    """Byte by byte as in S3, and name by name as in a tree."""
    if one == other:
        return
    right = one.encode() < other.encode()
    first, second = encode(one), encode(other)
    assert first != second
    assert (first.encode() < second.encode()) == right
    assert ([name.encode() for name in first.split("/")] < [n.encode() for n in second.split("/")]) == right


@given(texts, texts)
@example("a/b", "a.")
@example("a.\U0010ffff", "a.")
@example("b", "a\U0010ffff")
@example("a\ue000", "a\ud7ff")
def test_prefixes(text: str, prefix: str) -> None:
    start = keymap.encode_prefix(f"objects/{prefix}")
    under = text.startswith(prefix)
    key = encode(text)
    begins = key.startswith(start.text) and not (start.beyond and key.startswith(start.beyond))
    assert begins == under
    end = keymap.after_all_under(f"objects/{prefix}")
    if under:
        assert key.encode() < end.encode()
    elif text.encode() > prefix.encode():
        assert key.encode() > end.encode()


@given(texts, texts)
def test_common_prefixes(directory: str, rest: str) -> None:
    key = encode(f"{directory}/{rest}")
    start = keymap.encode_prefix(f"objects/{directory}/").text
    assert key.startswith(start)
    assert start.endswith("/")
    assert keymap.decode_directory(start) == f"objects/{directory}/"
