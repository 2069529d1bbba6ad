# SPDX-License-Identifier: GPL-2.0-only
"""Memory of windows: used again once nobody has any of it, and few of it kept."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from dgproxy.codec import rooms
from dgproxy.codec.delta import (
    WINDOW_MAX,
    WINDOW_SIZE,
    SourceIndex,
    decode_window,
    encode_window,
    window_room,
)

MARK = b"left by who had it before"


@pytest.fixture(autouse=True)
def none_spare() -> Iterator[None]:
    """What others had does not matter."""
    rooms._spare.clear()
    yield
    rooms._spare.clear()


@pytest.mark.parametrize("size", [0, 1, (1 << 20) - 1, 1 << 20, WINDOW_SIZE, WINDOW_SIZE + 1, WINDOW_MAX])
def test_a_room_is_as_large_as_asked(size: int) -> None:
    room = window_room(size)
    assert (len(room), room.format, room.itemsize, room.readonly) == (size, "B", 1, False)
    room[:] = b"x" * size


@pytest.mark.parametrize("size", [-1, WINDOW_MAX + 1, 1 << 40])
def test_no_room_is_larger_than_a_window(size: int) -> None:
    with pytest.raises(ValueError, match="a window has"):
        window_room(size)


def test_a_room_is_used_again_when_no_part_of_it_is_left() -> None:
    room = window_room(WINDOW_SIZE)
    room[: len(MARK)] = MARK
    parts = [room[7:], memoryview(room)[100:200], room.toreadonly()]
    del room
    while parts:
        assert not rooms._spare
        assert bytes(window_room(WINDOW_SIZE)[: len(MARK)]) == bytes(len(MARK))  # another one
        rooms._spare.clear()
        parts.pop()
    assert len(rooms._spare) == 1
    assert bytes(window_room(1 << 20)[: len(MARK)]) == MARK
    assert len(rooms._spare) == 1


def test_few_are_kept() -> None:
    lent = [window_room(WINDOW_SIZE) for _ in range(3 * rooms.KEPT)]
    assert not rooms._spare
    lent.clear()
    assert len(rooms._spare) == rooms.KEPT


def test_small_and_huge_ones_are_not_kept() -> None:
    lent = [window_room(size) for size in (0, 1000, WINDOW_SIZE + 1, WINDOW_MAX)]
    lent.clear()
    assert not rooms._spare


def test_no_two_have_the_same_one() -> None:
    """However many threads ask and let go at once."""
    start = threading.Barrier(8)

    def use(number: int) -> bool:
        start.wait()
        right = True
        for turn in range(200):
            mine = [window_room(WINDOW_SIZE) for _ in range(1 + turn % 3)]
            for room in mine:
                room[:2] = bytes((number, turn))
            right = right and all(bytes(room[:2]) == bytes((number, turn)) for room in mine)
        return right

    with ThreadPoolExecutor(8) as threads:
        assert all(threads.map(use, range(8)))
    assert len(rooms._spare) <= rooms.KEPT


def test_what_was_in_a_room_is_not_in_a_window() -> None:
    source = bytes(range(256)) * 4096 * 3
    target = source[1000:] + b"new" * 400_000
    with memoryview(encode_window(SourceIndex.build(source), target)) as delta:
        for filling in (b"\x00", b"\xff"):
            window_room(WINDOW_SIZE)[:] = filling * WINDOW_SIZE
            assert decode_window(source, delta, len(target), window_room(len(target))) == target
