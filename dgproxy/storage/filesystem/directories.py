# SPDX-License-Identifier: GPL-2.0-only
"""Directories read in key order, and remembered while they don't change. For any number of threads.

An entry is given as its *text*: what it adds to the keys below it (`keymap.decode_file`, `decode_directory`).
Names that `keymap` would not have written are not ours and not given.

A page of a listing takes a thousand entries of a directory that may have a hundred thousand, and the next
page the thousand behind them. So the sorted texts of a directory are kept, in a fixed room for all of them,
for as long as its inode and mtime are what they were: a file that comes, goes or is replaced changes the
mtime. Two changes within one tick of the kernel's clock may leave one mtime, so what is read within a tick of
the last change is not kept.

readdir(3) does not say what becomes of a name that is replaced while a directory is read. ext4 and XFS show
it; tmpfs and others may show neither the old file nor the new. So a directory that changed is read again and
what any look showed counts: to be missed, a key must be replaced at the wrong moment of every look.
"""

import os
import threading
import time
from bisect import bisect_left, bisect_right
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass
from heapq import nsmallest
from itertools import islice
from typing import Final

from dgproxy.storage.filesystem import keymap
from dgproxy.storage.filesystem.trees import scan

#: Entries of one directory read at a time. One that has more is read again for the next so many.
_CHUNK: Final = 100_000

#: Entries of all directories together that are kept, at some 100 bytes each.
_ROOM: Final = 400_000

#: Looks at a directory that keeps changing.
_LOOKS: Final = 4

#: The kernel's longest tick (CONFIG_HZ=100) in nanoseconds.
_TICK: Final = 10_000_000

#: A directory's inode and mtime; None when it is gone.
_Stamp = tuple[int, int] | None


@dataclass(frozen=True, slots=True)
class _Chunk:
    """The sorted texts of a directory from `start` on, the directory that `start` is below included."""

    start: str
    texts: list[str]
    stamp: _Stamp  # what is read is right while the directory has it; None: right by now, but not to be kept

    @property
    def last(self) -> bool:
        return len(self.texts) < _CHUNK

    def covers(self, start: str) -> bool:
        return self.start <= start and (self.last or start <= self.texts[-1])


class Directories:
    """Read directories; a directory is given by its path and whether `engines` name its files."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._kept: OrderedDict[bytes, _Chunk] = OrderedDict()
        self._room = _ROOM

    def walk(self, path: bytes, *, engines: bool, start: str = "") -> Iterator[str]:
        """The texts of a directory's entries, sorted, from `start` or the directory it is below on."""
        chunk = self._chunk(path, start, engines=engines)
        first = bisect_left(chunk.texts, start)
        if first and _is_below(start, chunk.texts[first - 1], engines=engines):
            first -= 1
        while True:
            yield from islice(chunk.texts, first, None)
            if chunk.last:
                return
            done = chunk.texts[-1]
            chunk = self._chunk(path, done + "\0", engines=engines)
            first = bisect_right(chunk.texts, done)

    def _chunk(self, path: bytes, start: str, *, engines: bool) -> _Chunk:
        stamp = _stamp(path)
        with self._guard:
            kept = self._kept.get(path)
            if kept is not None and kept.stamp == stamp and kept.covers(start):
                self._kept.move_to_end(path)
                return kept
        chunk = _read(path, start, engines=engines)
        if chunk.stamp is not None:
            self._keep(path, chunk)
        return chunk

    def _keep(self, path: bytes, new: _Chunk) -> None:
        with self._guard:
            self._room += _size(self._kept.pop(path, None)) - _size(new)
            self._kept[path] = new
            while self._room < 0:
                _, old = self._kept.popitem(last=False)
                self._room += _size(old)


def texts_of(path: bytes, *, engines: bool) -> Iterator[str]:
    """The texts of a directory's entries as one look shows them, in no order; none when it is gone."""
    for entry in scan(path):
        try:
            name = entry.name.decode()
        except UnicodeDecodeError:
            continue
        if entry.is_dir(follow_symlinks=False):
            text = keymap.decode_directory(name)
        else:
            text = keymap.decode_file(name, engines=engines)
        if text is not None:
            yield text


def _read(path: bytes, start: str, *, engines: bool) -> _Chunk:
    def wanted(text: str) -> bool:
        return text >= start or _is_below(start, text, engines=engines)

    seen: set[str] = set()
    for look in range(_LOOKS):
        stamp, began = _stamp(path), time.time_ns()
        seen.update(nsmallest(_CHUNK, filter(wanted, texts_of(path, engines=engines))))
        if stamp == _stamp(path) and (stamp is None or began - stamp[1] > _TICK):
            return _Chunk(start, sorted(seen)[:_CHUNK], stamp if look == 0 else None)
    return _Chunk(start, sorted(seen)[:_CHUNK], None)


def _is_below(start: str, text: str, *, engines: bool) -> bool:
    """Whether a text is a directory's, and another the beginning of keys below it."""
    return start.startswith(text) and keymap.encode_entry(text, engines=engines)[1]


def _stamp(path: bytes) -> _Stamp:
    try:
        status = os.stat(path)
    except FileNotFoundError:
        return None
    return status.st_ino, status.st_mtime_ns


def _size(chunk: _Chunk | None) -> int:
    """What is kept, in entries; an empty directory takes memory, too."""
    return 0 if chunk is None else 1 + len(chunk.texts)
