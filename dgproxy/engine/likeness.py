# SPDX-License-Identifier: GPL-2.0-only
"""How much a delta against a reference would save, guessed from samples of one window.

Two signs, because they see different things: places of the window whose bytes stand somewhere in the
reference, and the difference to the same offset of the reference compressing better than the bytes do, which
is how numbers that all changed a little look (model weights: 0 % of the first sign, 70 % saved). A
millisecond for each sign where nothing is alike, less where much is. Pure functions, for a worker thread.
"""

from typing import Final

from dgproxy.codec import frames
from dgproxy.codec.delta import SourceIndex

#: What `SourceIndex` takes for each block of its source, and the shortest stretch it can look for.
_BLOCK: Final = 8
_SHORTEST: Final = 48

#: Bytes of a stretch in which places are looked up, at least: many short ones see more than few long ones.
_PROBE: Final = 512

#: Stretches that are compared with the same offset, and their length in bytes.
_STRETCHES: Final = 8
_STRETCH: Final = 16 << 10

#: Windows that compress better than this are nearly empty: that two such differ little says nothing.
_EMPTY: Final = 0.02


def sketch_memory(length: int) -> int:
    """Bytes for an index of a source of `length` bytes that is good for no more than this: 1 in 1 KiB."""
    return length // 128 + 4096


def likeness(index: SourceIndex, window: memoryview, position: int, places: int) -> float:
    """The share of `window` that a delta would save, 0 to 1; `position` is its offset in its object.

    `places`: about how many are looked up; the first sign is their mean.
    """
    if len(window) < _SHORTEST:
        return 0.0
    found = _found(index, window, places)
    return found if found > 0.5 else max(found, _nearly_same(index.source, window, position))


def _found(index: SourceIndex, window: memoryview, places: int) -> float:
    """How many of `places` places stand in the source; those in constant stretches say nothing."""
    spacing = max(_BLOCK * len(index.source) // index.nbytes, _SHORTEST) + _SHORTEST
    length = min(max(_PROBE, spacing), len(window))
    count = max(places * spacing // length, 1)
    shares = [
        index.similarity(stretch) for stretch in _spread(window, count, length) if not _is_constant(stretch)
    ]
    return sum(shares) / len(shares) if shares else 0.0


def _nearly_same(source: memoryview, window: memoryview, position: int) -> float:
    """How much smaller the difference to the source at the same offset gets than the window itself."""
    there = source[position : position + len(window)]
    if len(there) < len(window):
        window = window[: len(there)]
    if len(window) < _SHORTEST:
        return 0.0
    ours, theirs = (b"".join(_spread(each, _STRETCHES, _STRETCH)) for each in (window, there))
    # Exclusive or stands in for subtraction: one operation on two long integers.
    difference = int.from_bytes(ours, "little") ^ int.from_bytes(theirs, "little")
    alone = frames.share(memoryview(ours))
    if alone < _EMPTY:
        return 0.0
    return max(0.0, 1 - frames.share(memoryview(difference.to_bytes(len(ours), "little"))) / alone)


def _spread(data: memoryview, count: int, length: int) -> list[memoryview]:
    """`count` stretches of `length` bytes evenly spread over `data`, or all of it where that is shorter."""
    if count * length >= len(data):
        return [data]
    step = (len(data) - length) // max(count - 1, 1)
    return [data[at * step : at * step + length] for at in range(count)]


def _is_constant(stretch: memoryview) -> bool:
    return stretch == bytes(stretch[:1]) * len(stretch)
