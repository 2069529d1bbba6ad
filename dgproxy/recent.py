# SPDX-License-Identifier: GPL-2.0-only
"""The last failures of all workers, for whoever looks at the server without its log.

Like `metrics`: `share` lays a ring of fixed slots for every worker into shared memory, `join` gives a worker
its ring, and before that a process keeps its own. A slot is a length, a CRC-32 and JSON, so a reader who
comes while it is written sees that and passes over it. The log remains the whole story.
"""

import json
import mmap
import struct
import zlib
from typing import Any, Final

__all__ = ["join", "note", "read", "share"]

_SLOTS: Final = 32
_SLOT: Final = 1024
_HEAD: Final = struct.Struct("<II")

_rings: list[memoryview] = [memoryview(bytearray(_SLOTS * _SLOT))]
_own = _rings[0]
_next = 0


def share(workers: int) -> None:
    """Lay out the rings; once, before the first fork."""
    global _rings  # noqa: PLW0603 - a process has one memory of its failures
    size = _SLOTS * _SLOT
    memory = memoryview(mmap.mmap(-1, size * workers))
    _rings = [memory[size * each : size * (each + 1)] for each in range(workers)]


def join(number: int) -> None:
    """Write into the ring of worker `number` (from 1); a dead one's entries stay a while."""
    global _own, _next  # noqa: PLW0603 - see share
    if number <= len(_rings):
        _own = _rings[number - 1]
        _next = max(range(_SLOTS), key=lambda slot: (_load(_own, slot) or {"time": 0.0})["time"]) + 1


def note(entry: dict[str, Any]) -> None:
    """Remember a failure; `entry` has its "time" (seconds since the epoch) and is cut when it is too long."""
    global _next  # noqa: PLW0603 - see share
    room = _SLOT - _HEAD.size
    text = json.dumps(entry).encode()
    if len(text) > room:
        text = json.dumps({name: _cut(value) for name, value in entry.items()}).encode()[:room]
    at = _next % _SLOTS * _SLOT
    _next += 1
    _own[at : at + _HEAD.size + len(text)] = _HEAD.pack(len(text), zlib.crc32(text)) + text


def read() -> list[dict[str, Any]]:
    """What all workers remember, the newest first."""
    entries = [entry for ring in _rings for slot in range(_SLOTS) if (entry := _load(ring, slot))]
    return sorted(entries, key=lambda entry: -entry["time"])


def _load(ring: memoryview, slot: int) -> dict[str, Any] | None:
    at = slot * _SLOT
    length, crc = _HEAD.unpack_from(ring, at)
    text = bytes(ring[at + _HEAD.size : at + _HEAD.size + min(length, _SLOT)])
    if not length or zlib.crc32(text) != crc:
        return None
    try:
        entry: dict[str, Any] = json.loads(text)
    except ValueError:  # cut
        return None
    return entry


def _cut(value: object) -> object:
    return value[:100] + "…" if isinstance(value, str) and len(value) > 100 else value
