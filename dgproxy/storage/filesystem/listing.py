# SPDX-License-Identifier: GPL-2.0-only
"""A bucket's files in key order: the walk behind list_records, and the look behind list_blobs. For threads.

Directories are read one at a time and sorted by what their entries add to a key (see `keymap`), which makes a
walk down the tree a walk through the keys in UTF-8 byte order. A directory is read only when a key in it can
be in the page: past `after`, under the prefix, and not in a group that was given already. One whose keys all
fall into a single common prefix (every one, when the delimiter is '/') is only asked whether it holds any.

Files come and go meanwhile: a key that is there all along is listed, one that comes or goes may be or not.
A name that `keymap` would not have written is not ours and not shown. The stack of open directories is a
list: a key may be a thousand directories deep.
"""

import os
import time
from collections.abc import Iterator
from heapq import nsmallest
from itertools import islice
from operator import attrgetter
from typing import Final, NamedTuple

from dgproxy.storage.backend import CommonPrefix, Listed, Listing
from dgproxy.storage.filesystem import keymap
from dgproxy.storage.filesystem.layout import Layout
from dgproxy.storage.filesystem.records import stamp_of
from dgproxy.storage.filesystem.trees import scan

#: Entries of one directory held at a time. A listing that needs more reads the directory again.
_CHUNK: Final = 4096

#: How often a directory that keeps changing is read.
_LOOKS: Final = 4

#: Two changes within the kernel's clock tick, 10 ms at the most, can have one mtime.
_TICK: Final = 10_000_000


class _Entry(NamedTuple):
    """A file and its key, or a directory and what all keys in it begin with."""

    text: str
    path: bytes
    is_directory: bool


def list_records(layout: Layout, bucket: str, prefix: str, delimiter: str, after: str, limit: int) -> Listing:
    """One page, see the contract. Raises BucketNotFound."""
    layout.require(bucket)
    items = list(islice(_items(layout, bucket, prefix, delimiter, after), limit + 1))
    return Listing(items[:limit], more=len(items) > limit)


def list_names(layout: Layout, bucket: str, prefix: str, limit: int) -> list[str]:
    """Keys directly in the directory of `prefix`, see list_blobs in the contract. Raises BucketNotFound."""
    layout.require(bucket)
    names: list[str] = []
    pending = [_top(layout, bucket, prefix)]
    while pending and len(names) < limit:
        directory = pending.pop()
        for entry in _entries(directory):
            if not entry.is_directory:
                if entry.text.startswith(prefix):
                    names.append(entry.text)
            elif not entry.text.endswith("/") and _overlap(entry.text, prefix):
                pending.append(entry)  # the rest of longer names
            if len(names) == limit:
                break
    return names


def _items(
    layout: Layout, bucket: str, prefix: str, delimiter: str, after: str
) -> Iterator[Listed | CommonPrefix]:
    def group(text: str) -> str | None:
        """The common prefix of all keys that begin with `text`, as far as `text` tells."""
        cut = text.find(delimiter, len(prefix)) if delimiter and text.startswith(prefix) else -1
        return None if cut < 0 else text[: cut + len(delimiter)]

    past = after if group(after) == after else None
    stack = [_in_order(_top(layout, bucket, prefix), prefix, after)]
    while stack:
        entry = next(stack[-1], None)
        if entry is None:
            stack.pop()
        elif past is not None and entry.text.startswith(past):
            continue
        elif (common := group(entry.text)) is not None and not after.startswith(entry.text):
            if not entry.is_directory or _has_record(entry):
                past = common
                yield CommonPrefix(common)
        elif entry.is_directory:
            stack.append(_in_order(entry, prefix, after))
        else:
            try:
                yield Listed(entry.text, stamp_of(os.stat(entry.path)))
            except FileNotFoundError:
                continue  # removed since its directory was read


def _top(layout: Layout, bucket: str, prefix: str) -> _Entry:
    """The lowest directory that holds all keys under a prefix."""
    text = prefix[: prefix.rfind("/") + 1]
    return _Entry(text, layout.directory(bucket, text), is_directory=True)


def _in_order(directory: _Entry, prefix: str, after: str) -> Iterator[_Entry]:
    """What of a directory can be in a listing, in key order, in memory that its size does not decide."""
    given: str | None = None

    def matters(entry: _Entry) -> bool:
        if given is not None and entry.text <= given:
            return False
        if entry.is_directory:
            return (entry.text > after or after.startswith(entry.text)) and _overlap(entry.text, prefix)
        return entry.text > after and entry.text.startswith(prefix)

    while True:
        chunk: dict[str, _Entry] = {}
        for _ in _looks(directory.path):
            for entry in nsmallest(_CHUNK, filter(matters, _entries(directory)), key=attrgetter("text")):
                chunk.setdefault(entry.text, entry)
        found = nsmallest(_CHUNK, chunk.values(), key=attrgetter("text"))
        yield from found
        if len(found) < _CHUNK:
            return
        given = found[-1].text


def _has_record(directory: _Entry) -> bool:
    pending = [directory]
    while pending:
        directory = pending.pop()
        below: dict[bytes, _Entry] = {}
        for _ in _looks(directory.path):
            for entry in _entries(directory):
                if not entry.is_directory:
                    return True
                below[entry.path] = entry
        pending += below.values()
    return False


def _looks(path: bytes) -> Iterator[None]:
    """Read a directory once for each of these, and count what any of them shows.

    readdir(3) does not say what becomes of a name that is replaced meanwhile. ext4 and XFS show it; tmpfs and
    others may show neither the old file nor the new. So a directory that changed is read again: what is
    replaced often enough to be missed every time would be a marvel.
    """
    for _ in range(_LOOKS):
        began = time.time_ns()
        before = _changed(path)
        yield
        if before == _changed(path) and began - before > _TICK:
            return


def _changed(path: bytes) -> int:
    try:
        return os.stat(path).st_mtime_ns
    except FileNotFoundError:
        return 0


def _overlap(text: str, prefix: str) -> bool:
    """Whether keys that begin with `text` may begin with `prefix`."""
    return text.startswith(prefix) or prefix.startswith(text)


def _entries(directory: _Entry) -> Iterator[_Entry]:
    """The entries of a directory that are ours, in no order; none when it is gone."""
    engines = not directory.text.startswith(keymap.OBJECTS)
    for found in scan(directory.path):
        is_directory = found.is_dir(follow_symlinks=False)
        try:
            name = found.name.decode()
        except UnicodeDecodeError:
            continue
        text = keymap.decode_directory(name) if is_directory else keymap.decode_file(name, engines=engines)
        if text is not None:
            yield _Entry(directory.text + text, found.path, is_directory)
