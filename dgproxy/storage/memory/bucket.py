# SPDX-License-Identifier: GPL-2.0-only
"""One bucket of the memory backend: its records and blobs by key, and their listing in key order."""

from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice

from dgproxy.storage.backend import CommonPrefix, Listed


@dataclass(frozen=True, slots=True, eq=False)
class Entry:
    """A record or a blob; two are the same only if they are one."""

    data: bytes
    version: str


@dataclass(slots=True, eq=False)
class Held:
    """What a bucket holds; `created` in milliseconds since the epoch."""

    created: int
    entries: dict[str, Entry] = field(default_factory=dict)
    #: The keys of `entries`, sorted: code point order of text is byte order of its UTF-8.
    keys: list[str] = field(default_factory=list)

    def put(self, key: str, entry: Entry) -> None:
        """Add an entry, or replace the one that has this key."""
        if key not in self.entries:
            insort(self.keys, key)
        self.entries[key] = entry

    def drop(self, key: str) -> None:
        """Remove an entry. Raises KeyError."""
        del self.entries[key]
        del self.keys[bisect_left(self.keys, key)]

    def under(self, prefix: str, after: str = "") -> Iterator[str]:
        """The keys with this prefix that come after `after`."""
        start = max(bisect_left(self.keys, prefix), bisect_right(self.keys, after))
        for key in islice(self.keys, start, None):
            if not key.startswith(prefix):
                return
            yield key

    def items(self, prefix: str, delimiter: str, after: str) -> Iterator[Listed | CommonPrefix]:
        """The same as a listing has them, those with the delimiter behind the prefix rolled up."""

        def rolled(key: str) -> str | None:
            cut = key.find(delimiter, len(prefix)) if delimiter and key.startswith(prefix) else -1
            return None if cut < 0 else key[: cut + len(delimiter)]

        past = after if rolled(after) == after else None
        for key in self.under(prefix, after):
            if past is not None and key.startswith(past):
                continue
            past = rolled(key)
            yield self.listed(key) if past is None else CommonPrefix(past)

    def listed(self, key: str) -> Listed:
        """An entry as a listing has it. Raises KeyError."""
        entry = self.entries[key]
        return Listed(key, entry.version, len(entry.data))
