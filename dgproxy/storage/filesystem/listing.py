# SPDX-License-Identifier: GPL-2.0-only
"""A bucket's files in key order: the walk behind list_records, and the look behind list_blobs. For threads.

The entries of a directory sort as the keys below them do (`keymap`), so a walk down the tree is a walk
through the keys in UTF-8 byte order. A directory is read only when a key in it can be in the page: past
`after`, under the prefix, and in no group that was given already. One whose keys all fall into a single
common prefix (every one, when the delimiter is '/') is only asked whether it holds any.

Files come and go meanwhile: a key that is there all along is listed, one that comes or goes may be or not.
The stack of directories is a list: a key may be a thousand of them deep.
"""

import os
from collections.abc import Iterator
from itertools import islice, takewhile
from typing import NamedTuple, Protocol

from dgproxy.storage.backend import CommonPrefix, Listed, Listing
from dgproxy.storage.filesystem import keymap
from dgproxy.storage.filesystem.directories import Directories, texts_of
from dgproxy.storage.filesystem.layout import Layout
from dgproxy.storage.filesystem.records import stamp_of


class _Directory(NamedTuple):
    """A directory, and what all keys in it begin with."""

    text: str
    path: bytes

    @property
    def engines(self) -> bool:
        """Whether the engine names its files: see `keymap.encode`."""
        return not self.text.startswith(keymap.OBJECTS)

    def below(self, text: str) -> "tuple[_Directory, bool]":
        """The entry with this text as if it were a directory, and whether it is one."""
        name, is_directory = keymap.encode_entry(text, engines=self.engines)
        return _Directory(self.text + text, os.path.join(self.path, name.encode())), is_directory


class _Read(Protocol):
    """A way to read a directory."""

    def __call__(self, path: bytes, *, engines: bool) -> Iterator[str]:
        """Give the texts of its entries."""


class Lister:
    """The listings of the backend; see the contract. Each raises BucketNotFound."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self._directories = Directories()

    def list_records(self, bucket: str, prefix: str, delimiter: str, after: str, limit: int) -> Listing:
        """One page."""
        self._layout.require(bucket)
        items = list(islice(self._items(bucket, prefix, delimiter, after), limit + 1))
        return Listing(items[:limit], more=len(items) > limit)

    def list_names(self, bucket: str, prefix: str, limit: int) -> list[Listed]:
        """Files whose keys have a prefix and that lie directly in its directory."""
        self._layout.require(bucket)
        found: list[Listed] = []
        pending = [self._top(bucket, prefix)]
        while pending:
            directory = pending.pop()
            for text in texts_of(directory.path, engines=directory.engines):
                if text.endswith("/") or not _overlap(directory.text + text, prefix):
                    continue
                entry, is_directory = directory.below(text)
                if is_directory:
                    pending.append(entry)  # the rest of longer names
                elif entry.text.startswith(prefix):
                    found += _listed(entry)
                if len(found) == limit:
                    return found
        return found

    def _items(self, bucket: str, prefix: str, delimiter: str, after: str) -> Iterator[Listed | CommonPrefix]:
        def group(text: str) -> str | None:
            """The common prefix of all keys that begin with `text`, as far as `text` tells."""
            cut = text.find(delimiter, len(prefix)) if delimiter and text.startswith(prefix) else -1
            return None if cut < 0 else text[: cut + len(delimiter)]

        past = after if group(after) == after else None
        top = self._top(bucket, prefix)
        stack = [(top, self._walk(top, prefix, after))]
        while stack:
            directory, texts = stack[-1]
            text = next(texts, None)
            if text is None:
                stack.pop()
                continue
            if past is not None and (directory.text + text).startswith(past):
                continue
            entry, is_directory = directory.below(text)
            if not is_directory and entry.text == after:
                continue
            common = group(entry.text)
            if common is not None and not after.startswith(entry.text):
                if not is_directory or self._has_record(entry):
                    past = common
                    yield CommonPrefix(common)
            elif is_directory:
                stack.append((entry, self._walk(entry, prefix, after)))
            else:
                yield from _listed(entry)

    def _top(self, bucket: str, prefix: str) -> _Directory:
        """The lowest directory that holds all keys under a prefix."""
        text = prefix[: prefix.rfind("/") + 1]
        return _Directory(text, self._layout.directory(bucket, text))

    def _walk(self, directory: _Directory, prefix: str, after: str) -> Iterator[str]:
        """The texts below which keys can be in the listing; the first may be that of `after` itself."""
        inside, past = prefix[len(directory.text) :], ""
        if after.startswith(directory.text):
            past = after[len(directory.text) :]
        elif after > directory.text:
            return iter(())
        texts = self._directories.walk(directory.path, engines=directory.engines, start=max(inside, past))
        return takewhile(lambda text: _overlap(text, inside), texts)

    def _has_record(self, directory: _Directory) -> bool:
        # one look at each directory nearly always finds one; only the answer no takes the trouble of a walk
        return any(_finds_file(directory, read) for read in (texts_of, self._directories.walk))


def _listed(file: _Directory) -> Iterator[Listed]:
    """What a listing says of a file, if it is still there."""
    try:
        status = os.stat(file.path)
    except FileNotFoundError:
        return  # removed since its directory was read
    yield Listed(file.text, stamp_of(status), status.st_size)


def _finds_file(directory: _Directory, read: _Read) -> bool:
    pending = [directory]
    while pending:
        directory = pending.pop()
        for text in read(directory.path, engines=directory.engines):
            entry, is_directory = directory.below(text)
            if not is_directory:
                return True
            pending.append(entry)
    return False


def _overlap(text: str, prefix: str) -> bool:
    """Whether keys that begin with `text` may begin with `prefix`."""
    return text.startswith(prefix) or prefix.startswith(text)
