# SPDX-License-Identifier: GPL-2.0-only
"""Ids and storage keys."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dgproxy.codec.forms import Form
from dgproxy.engine import codecs, keys, names
from dgproxy.engine.ids import is_id, new_id

DELTA_SUFFIXES = [codecs.delta_in(form).suffix for form in Form]
object_keys = st.text(st.characters(codec="utf-8"), min_size=1, max_size=300)


@given(st.integers(0, (1 << 48) - 1), st.integers(0, (1 << 48) - 1))
def test_ids_sort_by_time(one: int, other: int) -> None:
    first, second = new_id(one), new_id(other)
    assert is_id(first)
    assert len(first) == 26
    if one != other:
        assert (first < second) == (one < other)


def test_ids_of_one_moment_differ() -> None:
    assert len({new_id(5) for _ in range(1000)}) == 1000


def test_the_ulid_of_the_specification() -> None:
    assert new_id(1469918176385)[:10] == "01ARYZ6S41"  # the example of the ULID specification's README


@pytest.mark.parametrize(
    "text",
    [
        "",
        "0" * 25,
        "0" * 27,
        "8" + "0" * 25,
        "0" * 25 + "I",
        "0" * 25 + "a",
        "../" + "0" * 23,
        "0" * 26 + "\n",
    ],
)
def test_what_is_no_id(text: str) -> None:
    assert not is_id(text)


@given(object_keys)
def test_every_blob_is_in_its_deltaspace(key: str) -> None:
    space, reference, blob = keys.space_of(key), new_id(1), new_id(2)
    assert key.startswith(space)
    assert "/" not in key[len(space) :]
    room = f"deltaspaces/{space}"
    names = [keys.pin(key, reference, blob), keys.delta(key, reference, blob, ".residual.zst")]
    names += [keys.whole(key, blob, ".bin.zst"), keys.reference(space, reference, ".bin.zst")]
    names.append(keys.references(space))
    for name in names:
        assert name.startswith(room)
        assert "/" not in name[len(room) :]
        assert len(name[len(room) :].encode()) <= 200
    users = [name for name in names if name.startswith(keys.users_of(space, reference))]
    assert users == names[:2]  # the pin and the delta keep a reference, nothing else does
    assert keys.object_key(keys.manifest(key)) == key


@given(object_keys)
def test_a_blobs_name_says_what_keeps_it(key: str) -> None:
    space, reference, blob = keys.space_of(key), new_id(1), new_id(2)
    whole = [keys.whole(key, blob, suffix) for suffix in (".bin", ".bin.zst")]
    deltas = [keys.delta(key, reference, blob, suffix) for suffix in DELTA_SUFFIXES]
    for each in [*whole, *deltas]:
        pin = names.pin_of(each, "elsewhere/x", new_id(3))
        assert (names.blob_id(each), names.pinned_id(pin), names.space_of_blob(pin)) == (blob, blob, space)
        assert pin.startswith(names.pins_of(each))
        assert (names.is_reference(each), names.stem(each)) == (False, each)
    raw = keys.raw_reference(space, reference)
    assert {names.reference_of(each) for each in whole} == {None}
    assert {names.reference_of(each) for each in deltas} == {raw}
    for each in (raw, keys.reference(space, reference, ".bin.zst")):
        assert (names.blob_id(each), names.is_reference(each)) == (reference, True)
        assert each.startswith(names.stem(each))
        assert all(delta.startswith(names.pins_of(each)) for delta in deltas)
        assert keys.pin(key, reference, blob).startswith(names.pins_of(each))


def test_parts_sort_as_their_numbers() -> None:
    numbers = [1, 2, 9, 10, 99, 100, 9999, 10_000]
    assert sorted(keys.part("U", number) for number in numbers) == [keys.part("U", n) for n in numbers]
