# SPDX-License-Identifier: GPL-2.0-only
"""How much a delta against a reference would save, guessed from samples of one window.

Two signs, because they see different things: places of the window whose bytes stand somewhere in the
reference, and the difference to the same offset of the reference compressing better than the bytes do, which
is how numbers that all changed a little look (model weights: 0 % of the first sign, 70 % saved). A third of
a millisecond where nothing is alike, so that every reference can be asked, and at several windows; two where
much is. Pure functions, for a worker thread.
"""

from collections.abc import Sequence
from typing import Final

from dgproxy.codec import frames
from dgproxy.codec.delta import SourceIndex, difference

#: The shortest window that something is said of, in bytes.
_SHORTEST: Final = 48

#: Places that are looked up first; all are where one of those is found. Of windows that have a tenth in the
#: source, in pieces, one in 25 is missed by that, and of those that have a quarter one in 5000.
_FIRST: Final = 30

#: Stretches that are compared with the same offset, and their length in bytes.
_STRETCHES: Final = 8
_STRETCH: Final = 16 << 10

#: Windows that compress better than this are nearly empty: that two such differ little says nothing.
_EMPTY: Final = 0.02


def sketch_memory(length: int) -> int:
    """Bytes for an index of a source of `length` bytes that is good for no more than this: 1 in 1 KiB."""
    return length // 128 + 4096


def likenesses(indexes: Sequence[SourceIndex], window: memoryview, position: int, places: int) -> list[float]:
    """The `likeness` of a window to each of several sources."""
    return [likeness(index, window, position, places) for index in indexes]


def likeness(index: SourceIndex, window: memoryview, position: int, places: int) -> float:
    """The share of `window` that a delta would save, 0 to 1; `position` is its offset in its object.

    `places`: how many are looked up; the first sign is the share of them that is found.
    """
    if len(window) < _SHORTEST:
        return 0.0
    found = index.similarity(window, min(_FIRST, places))
    if found and places > _FIRST:
        found = index.similarity(window, places)
    return found if found > 0.5 else max(found, _nearly_same(index.source, window, position))


def _nearly_same(source: memoryview, window: memoryview, position: int) -> float:
    """How much smaller the difference to the source at the same offset gets than the window itself."""
    there = source[position : position + len(window)]
    if len(there) < len(window):
        window = window[: len(there)]
    if len(window) < _SHORTEST:
        return 0.0
    ours, theirs = (b"".join(_spread(each, _STRETCHES, _STRETCH)) for each in (window, there))
    alone = frames.share(memoryview(ours))
    if alone < _EMPTY:
        return 0.0
    return max(0.0, 1 - frames.share(memoryview(difference(ours, theirs))) / alone)


def _spread(data: memoryview, count: int, length: int) -> list[memoryview]:
    """`count` stretches of `length` bytes evenly spread over `data`, or all of it where that is shorter."""
    if count * length >= len(data):
        return [data]
    step = (len(data) - length) // max(count - 1, 1)
    return [data[at * step : at * step + length] for at in range(count)]
