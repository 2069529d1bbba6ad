# SPDX-License-Identifier: GPL-2.0-only
"""Choosing: which reference a body is encoded against, whether at all, and what makes it change its mind."""

import threading
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dgproxy.codec.delta import SourceIndex
from dgproxy.engine import choice
from dgproxy.engine.likeness import likeness, likenesses, sketch_memory
from dgproxy.engine.manifest import WINDOW, Reference
from dgproxy.engine.policy import EQUAL, FITS, PLACES, PLACES_LATER, closest
from dgproxy.storage.backend import Backend, Buffer
from tests.engine.material import noise, text, version
from tests.engine.world import POLICY, Sent, World, world_over

SIZE = 60_000


def sketched(source: bytes) -> SourceIndex:
    return SourceIndex.build(source, max_memory=sketch_memory(len(source)))


def reference(number: int, name: str) -> Reference:
    return Reference(f"{number:026d}", "blob", 1, "", name=name)


# -- likeness ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("places", [PLACES, PLACES_LATER])
@pytest.mark.parametrize("share", [0.0, 0.25, 0.5, 0.75, 1.0])
@pytest.mark.parametrize("size", [40_000, WINDOW])
def test_likeness_is_about_the_share_that_is_the_same(size: int, share: float, places: int) -> None:
    """Wherever it stands in the reference, and in pieces."""
    source = noise(6 * WINDOW if size == WINDOW else size, 1)
    piece = 4_000
    window = b"".join(
        source[at : at + piece] if (at // piece) % 4 < 4 * share else noise(piece, at)
        for at in range(0, size, piece)
    )
    index = sketched(source)
    assert likeness(index, memoryview(window), 0, places) == pytest.approx(share, abs=0.12)
    index.close()


def test_numbers_that_all_changed_a_little() -> None:
    """No 16 bytes of it stand in the reference, and yet a delta saves most of it."""
    source = noise(WINDOW, 1)
    window = bytearray(source)
    for at in range(0, len(window), 4):
        window[at] = at & 0xFF
    index = sketched(source)
    assert likeness(index, memoryview(window), 0, PLACES) > 0.5
    assert likeness(index, memoryview(noise(WINDOW, 2)), 0, PLACES) == 0
    index.close()


@pytest.mark.parametrize("window", [b"", b"x", bytes(47), bytes(48), bytes(WINDOW)])
def test_windows_that_say_nothing(window: bytes) -> None:
    for source in (b"", bytes(100), bytes(WINDOW), noise(WINDOW)):
        index = sketched(source)
        assert likeness(index, memoryview(window), 0, PLACES) == 0
        assert likeness(index, memoryview(window), 2 * WINDOW, PLACES) == 0
        index.close()


def test_all_sources_are_asked_at_once() -> None:
    sources = [noise(2 * WINDOW, seed) for seed in range(3)]
    window = sources[1][:WINDOW]
    indexes = [sketched(source) for source in sources]
    assert likenesses(indexes, memoryview(window), 0, PLACES) == [0, pytest.approx(1, abs=0.05), 0]
    assert likenesses([], memoryview(window), 0, PLACES) == []
    for index in indexes:
        index.close()


def test_a_tenth_in_one_piece_is_never_missed() -> None:
    """The first places are as far apart as that, and all are asked about when one of those is found."""
    source = noise(4 * WINDOW, 1)
    index = sketched(source)
    tenth = WINDOW // 10
    for number in range(20):
        window = bytearray(noise(WINDOW, 100 + number))
        at = number * (WINDOW - tenth) // 19
        window[at : at + tenth] = source[at + 1000 : at + 1000 + tenth]
        assert likeness(index, memoryview(window), 0, PLACES) == pytest.approx(0.1, abs=0.02)
    index.close()


@given(st.data())
def test_likeness_of_anything(data: st.DataObject) -> None:
    source = data.draw(st.binary(max_size=3000))
    cut = data.draw(st.integers(0, len(source)))
    window = source[cut:] + data.draw(st.binary(max_size=500))
    index = sketched(source)
    found = likeness(
        index, memoryview(window), data.draw(st.integers(0, 4000)), data.draw(st.integers(1, 300))
    )
    assert 0 <= found <= 1
    index.close()


# -- the closest -------------------------------------------------------------------------------------------


def test_most_is_taken_if_it_is_enough() -> None:
    one, two = reference(1, "a-1.zip"), reference(2, "b-1.zip")
    assert closest([], "a-2.zip", FITS) is None
    assert closest([(one, FITS / 2), (two, 0.0)], "a-2.zip", FITS) is None
    assert closest([(one, FITS), (two, 0.9)], "a-2.zip", FITS) is two
    assert closest([(one, 0.9), (two, 0.9 - 2 * EQUAL)], "b-2.zip", FITS) is one


def test_names_decide_among_equals_and_versions_do_not_count() -> None:
    linux, windows = reference(1, "app-1.0.0-linux.tar"), reference(2, "app-1.0.0-windows.tar")
    for name, expected in (("app-1.2.7-linux.tar", linux), ("app-1.2.7-windows.tar", windows)):
        assert closest([(linux, 0.9), (windows, 0.91)], name, FITS) is expected
    old, new = reference(1, "app-9.tar"), reference(2, "app-10.tar")
    assert closest([(old, 0.91), (new, 0.9)], "app-9.tar", FITS) is new
    assert closest([(new, 0.9), (old, 0.91)], "app-9.tar", FITS) is new


# -- bodies ------------------------------------------------------------------------------------------------


async def test_each_product_has_its_reference(world: World) -> None:
    founders = [
        (await world.put(f"s/{seed}-0.zip", version(SIZE, 0, seed))).references() for seed in range(3)
    ]
    for number in range(1, 4):
        for seed in range(3):
            stored = await world.put(f"s/{seed}-{number}.zip", version(SIZE, number, seed))
            assert (stored.storage, stored.references()) == ("delta", founders[seed])


@pytest.mark.parametrize("declared", [True, False])
async def test_a_start_like_nothing(world: World, *, declared: bool) -> None:
    """The first window differs, the rest is the reference: it turns into a delta on the way."""
    same = noise(6 * WINDOW, 1)
    first = await world.put("s/v0.zip", same)
    data = noise(WINDOW, 2) + same[WINDOW // 2 :]
    stored = await world.put("s/v1.zip", Sent(data, declared=len(data) if declared else None))
    assert (stored.storage, stored.references()) == ("delta", first.references())
    assert stored.stored < WINDOW * 11 // 10
    assert await world.decode_stored(stored) == data
    await world.assert_object("s/v1.zip", data)
    await world.assert_exact()


async def test_a_start_like_the_reference_and_nothing_after_it(world: World) -> None:
    same = noise(2 * WINDOW, 1)
    await world.put("s/v0.zip", same)
    data = same[:WINDOW] + noise(6 * WINDOW, 2)
    stored = await world.put("s/v1.zip", data)
    assert (stored.storage, len(stored.pins)) == ("direct", 1)
    await world.assert_object("s/v1.zip", data)
    await world.assert_exact()


async def test_a_middle_like_the_reference(world: World) -> None:
    """Whole, a delta, whole again: what could not be known before costs time, never bytes."""
    same = noise(2 * WINDOW, 1)
    await world.put("s/v0.zip", same)
    data = noise(WINDOW, 2) + same[:WINDOW] + noise(6 * WINDOW, 3)
    stored = await world.put("s/v1.zip", data)
    assert (stored.storage, stored.stored) == ("direct", len(data))
    await world.assert_object("s/v1.zip", data)
    await world.assert_exact()


async def test_what_fits_nothing_loads_no_index(world: World) -> None:
    for number in range(POLICY.max_references):
        await world.put(f"s/{number}.zip", noise(2 * WINDOW, number))
    stored = await world.put("s/odd.zip", noise(4 * WINDOW, 99))
    assert stored.storage == "direct"
    entries = world.engine.references._entries.values()
    assert [entry.index for entry in entries] == [None] * POLICY.max_references
    assert sum(entry.nbytes for entry in entries) < 1_000_000


async def test_what_fits_nothing_is_told_by_few_places(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each look asks each reference once, for few places: that is what makes an unlike object cheap."""
    for number in range(POLICY.max_references):
        await world.put(f"s/{number}.zip", noise(2 * WINDOW, number))
    asked: list[int] = []
    similarity = SourceIndex.similarity

    def counted(index: SourceIndex, sample: memoryview, places: int = 1024) -> float:
        asked.append(places)
        return similarity(index, sample, places)

    monkeypatch.setattr(SourceIndex, "similarity", counted)
    stored = await world.put("s/odd.zip", noise(6 * WINDOW, 99))
    assert stored.storage == "direct"
    looks = 2  # windows 0 and 1; at window 3 half of it is stored whole, too much for a delta to be kept
    assert len(asked) == looks * POLICY.max_references
    assert max(asked) <= PLACES // 8


async def test_the_next_window_arrives_while_a_reference_is_chosen(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = noise(2 * WINDOW, 1)
    first = await world.put("s/v0.zip", source)
    arrives = threading.Event()

    class Watched(Sent):
        async def __aiter__(self) -> AsyncIterator[Buffer]:
            received = 0
            async for chunk in super().__aiter__():
                received += len(chunk)
                yield chunk
                if received > WINDOW:
                    arrives.set()

    def waits(*asked: Any) -> list[float]:
        assert arrives.wait(20), "nothing arrives before the choice is made"
        return likenesses(*asked)

    monkeypatch.setattr(choice, "likenesses", waits)
    data = source[1000:] + b"new"
    stored = await world.put("s/v1.zip", Watched(data))
    assert (stored.storage, stored.references()) == ("delta", first.references())
    assert await world.get("s/v1.zip") == data


async def test_a_damaged_reference_is_not_asked_but_the_others_are(backend: Backend) -> None:
    async with world_over(backend) as world:
        gone = await world.put("s/a-0.zip", noise(SIZE, 1))
        kept = await world.put("s/b-0.zip", version(SIZE, 0))
        (lost,) = gone.references()
        await backend.remove_blobs(world.bucket, [lost.blob])
    async with world_over(backend) as world:
        stored = await world.put("s/b-1.zip", version(SIZE, 1))
        assert (stored.storage, stored.references()) == ("delta", kept.references())


async def test_compressed_parts_of_both_kinds(backend: Backend) -> None:
    """Text that turns into a delta on the way, against a reference that is stored compressed."""
    async with world_over(backend, replace(POLICY, max_references=1)) as world:
        await world.put("s/v0.zip", text(3 * WINDOW, 0))
        data = text(WINDOW, 0)[::-1] + text(3 * WINDOW, 1)
        stored = await world.put("s/v1.zip", data)
        assert stored.storage == "delta"
        await world.assert_object("s/v1.zip", data)
