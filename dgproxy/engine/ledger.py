# SPDX-License-Identifier: GPL-2.0-only
"""The ledger of one process: how the contents of each deltaspace changed since it was last asked.

Whoever changes storage says so here, right after the change; `engine.statistics` adds it all up in records.
An entry says when the change began and that it is over by now: so who counts the storage meanwhile can tell
what it has seen from what it has not. What is not known for sure is put down as a doubt, and counted anew.

Blob bytes belong to the deltaspace the blob lies in, logical and manifest bytes to that of the object. No
I/O, and nothing here is ever waited for.
"""

from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import msgspec

from dgproxy.engine import ids, keys, names
from dgproxy.storage.backend import (
    AccessRefused,
    BucketNotFound,
    OutOfSpace,
    RecordNotFound,
    VersionConflict,
)

#: Uploads of which the sizes are kept, newest last.
RECENT = 16


class Numbers(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a deltaspace holds, or how that changed: objects, and bytes.

    `logical`: as clients see the objects; `manifests`: their records; `blobs`: everything else that is
    stored, references and the parts of unfinished uploads included.
    """

    objects: int = 0
    logical: int = 0
    manifests: int = 0
    blobs: int = 0

    def __add__(self, other: "Numbers") -> "Numbers":
        return Numbers(
            self.objects + other.objects,
            self.logical + other.logical,
            self.manifests + other.manifests,
            self.blobs + other.blobs,
        )

    def __sub__(self, other: "Numbers") -> "Numbers":
        return Numbers(
            self.objects - other.objects,
            self.logical - other.logical,
            self.manifests - other.manifests,
            self.blobs - other.blobs,
        )

    @property
    def stored(self) -> int:
        """Bytes in storage."""
        return self.manifests + self.blobs


NOTHING = Numbers()


@dataclass(slots=True)
class Entries:
    """What happened in one deltaspace between `first` and `last`, in milliseconds since the epoch."""

    first: int
    last: int
    change: Numbers = NOTHING
    doubtful: bool = False
    #: Length and stored bytes of uploads that became deltas.
    recent: list[tuple[int, int]] = field(default_factory=list)

    def add(self, other: "Entries") -> None:
        """Put later entries behind these."""
        self.first, self.last = min(self.first, other.first), max(self.last, other.last)
        self.change += other.change
        self.doubtful |= other.doubtful
        self.recent = [*self.recent, *other.recent][-RECENT:]


#: Entries by bucket and deltaspace.
Page = dict[tuple[str, str], Entries]


#: Told of the bucket before its first entry is made; whether it could be noted. If not, it is told again.
Announce = Callable[[str], Awaitable[bool]]


class Ledger:
    """The entries of one process since the last `turn`."""

    def __init__(self, now: Callable[[], int]) -> None:
        self._now = now
        self._page: Page = {}
        self._announced: set[str] = set()
        #: Set by who keeps the books of this process.
        self.announce: Announce | None = None

    async def open(self, bucket: str) -> None:
        """To be called before storage is changed: from now on a death of the process loses entries."""
        if self.announce is not None and bucket not in self._announced and await self.announce(bucket):
            self._announced.add(bucket)

    def changed(self, bucket: str, space: str, began: int, change: Numbers) -> None:
        """A change that began at `began` is done."""
        self._enter(bucket, space, Entries(began, self._now(), change))

    @contextmanager
    def unless_certain(self, bucket: str, space: str) -> Iterator[None]:
        """Put down a doubt when the block fails in a way that leaves open what was changed."""
        try:
            yield
        except (VersionConflict, RecordNotFound, BucketNotFound, OutOfSpace, AccessRefused):
            raise
        except BaseException:
            self.doubt(bucket, space)
            raise

    def uploaded(self, bucket: str, key: str, length: int, stored: int) -> None:
        """An upload became a delta of so many bytes."""
        now = self._now()
        self._enter(bucket, keys.space_of(key), Entries(now, now, recent=[(length, stored)]))

    def published(self, bucket: str, blob: str, size: int) -> None:
        """A blob has come to stay; it may have been there since its id was made."""
        began = ids.created(names.blob_id(blob))
        self.changed(bucket, names.space_of_blob(blob), began, Numbers(blobs=size))

    def withdrawn(self, bucket: str, blob: str) -> None:
        """A blob that never came to stay is gone; who counted meanwhile may have seen it."""
        self.changed(bucket, names.space_of_blob(blob), ids.created(names.blob_id(blob)), NOTHING)

    def doubt(self, bucket: str, space: str) -> None:
        """Something may have changed."""
        now = self._now()
        self._enter(bucket, space, Entries(now, now, doubtful=True))

    def turn(self) -> Page:
        """Take all entries, and begin anew."""
        page, self._page = self._page, {}
        return page

    def put_back(self, bucket: str, space: str, entries: Entries) -> None:
        """Keep entries that could not be added up."""
        self._enter(bucket, space, entries)

    def _enter(self, bucket: str, space: str, entries: Entries) -> None:
        place = (bucket, space)
        if place in self._page:
            self._page[place].add(entries)
        else:
            self._page[place] = entries
