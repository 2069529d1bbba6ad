# SPDX-License-Identifier: GPL-2.0-only
"""Where an import reads from, as the rest of it sees that: keys with bytes, one directory after the other.

A place promises that bytes it gives in one reading are of one version of an object, and says in two classes
what went wrong: with one object (Unreadable, and the others go on), or with the place (SourceError, the end).
What the keys and bytes mean is not known here; `directory` and `bucket` are the places there are.
"""

from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Protocol

from dgproxy.storage.backend import Buffer

__all__ = ["CHUNK", "Head", "Opened", "Place", "SourceError", "Stored", "Unreadable", "space_of"]

#: Bytes that are read at once.
CHUNK = 1 << 20


class Unreadable(Exception):
    """One object can't be read, or isn't what it should be; why."""


class SourceError(Exception):
    """The place as a whole can't be read; why."""


@dataclass(frozen=True, slots=True)
class Stored:
    """A key as a listing shows it; size in bytes, time in milliseconds since the epoch.

    `etag` is without quotes, '' where the place has none.
    """

    key: str
    size: int
    time: int
    etag: str = ""


@dataclass(frozen=True, slots=True)
class Head:
    """What a place says about the bytes of a key.

    `headers` are those of an answer to HEAD, names in lower case. `attribute` is what a program has written
    beside the bytes: the extended attribute `user.dg.metadata`. `has_md5`: the etag is the MD5 of the bytes.
    """

    size: int
    time: int
    etag: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    attribute: bytes | None = None
    has_md5: bool = False


class Opened(Protocol):
    """Bytes that are being read, and what goes with them."""

    @property
    def head(self) -> Head:
        """Of exactly these bytes."""

    def __aiter__(self) -> AsyncIterator[Buffer]:
        """The bytes, once. Raises Unreadable."""


class Place(Protocol):
    """A bucket or a directory."""

    @property
    def name(self) -> str:
        """How messages call it."""

    def directories(self) -> AsyncIterator[tuple[str, list[Stored]]]:
        """Every prefix up to a '/' that has keys, with these, sorted by key. Raises SourceError."""

    async def head(self, key: str) -> Head | None:
        """What is said about a key; None when there is no such key. Raises Unreadable."""

    def open(self, key: str, etag: str = "") -> AbstractAsyncContextManager[Opened]:
        """Read a key; with `etag`, that version of it. Raises Unreadable."""

    async def tags(self, key: str) -> Mapping[str, str]:
        """The tags of a key. Raises Unreadable."""


def space_of(key: str) -> str:
    """The directory of a key: all up to and including its last '/'."""
    return key[: key.rfind("/") + 1]
