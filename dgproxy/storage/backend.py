# SPDX-License-Identifier: GPL-2.0-only
"""The backend contract: where records and blobs live, and what the engine may rely on.

A **record** is a small document (a manifest, an upload's state) replaced whole, listed, and compared and
swapped by version. A **blob** is an immutable run of bytes, written once under a name never used again.
Keys are '/'-separated UTF-8 text of at least two parts inside one bucket, built by `engine.keys`; a backend
must keep any two of them apart, for every legal S3 key they embed. A key is a record's or a blob's for ever;
a listing shows what is there under a prefix, whichever it is. Objects' records, and nothing else, are under
`objects/`.

What every backend promises (`tests/storage/contract.py` runs it):

- A write is visible whole or not at all, and durable before the call returns (as far as the configured
  durability says). What was staged and not published leaves nothing visible.
- `write_record` and `remove_record` with an `expect` are atomic against every other process that uses the
  same storage. Two writers with the same expectation have one winner.
- Nothing ever creates a bucket but `create_bucket`; in a bucket that is gone everything is `BucketNotFound`.
- A listing is in UTF-8 byte order of the keys and shows only what was published.
- An open blob reads its old bytes to the end even when it is removed meanwhile.
- Only the classes of `storage.errors` are raised. "Could not find out" is never `RecordNotFound`.
- Methods never block the event loop.

What differs between backends is a field of `Capabilities`, never the caller's `isinstance`. Nothing here
knows manifests, deltas or S3's HTTP side.
"""

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Final, Protocol

from dgproxy.storage.errors import (
    AccessRefused,
    BucketExists,
    BucketNotEmpty,
    BucketNotFound,
    Busy,
    Damaged,
    KeyTooLong,
    OutOfSpace,
    RecordNotFound,
    StorageError,
    Unavailable,
    VersionConflict,
)

__all__ = [
    "ABSENT",
    "AccessRefused",
    "Backend",
    "BlobReader",
    "BlobWriter",
    "Bucket",
    "BucketExists",
    "BucketNotEmpty",
    "BucketNotFound",
    "Buffer",
    "Busy",
    "Capabilities",
    "CommonPrefix",
    "Damaged",
    "KeyTooLong",
    "Listed",
    "Listing",
    "MappedBlob",
    "OutOfSpace",
    "Record",
    "RecordNotFound",
    "StorageError",
    "Unavailable",
    "VersionConflict",
]

Buffer = bytes | bytearray | memoryview

#: `expect` value: the record must not exist yet.
ABSENT: Final = ""


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What the engine must know about a backend to choose its way; stated, never guessed."""

    name: str
    #: `expect` is enforced atomically; without it a client's If-Match on a write answers 501.
    conditional_writes: bool
    #: `lock` and `try_lock` exclude every process that may write: one host owns the storage.
    exclusive_locks: bool
    #: A small record more for each object costs next to nothing; where each is a request it does.
    digest_hints: bool
    #: `map_blob` works: blobs are files of this host, or memory.
    maps_blobs: bool = True
    #: Bytes of memory that a blob being written holds at most, besides what `append` is given.
    write_memory: int = 0
    #: `delete_bucket` looks, empties and removes in one step against every other call. Elsewhere it removes
    #: what has nothing in it, and can't be relied on when something is written meanwhile.
    whole_buckets: bool = True

    @property
    def leases_needed(self) -> bool:
        """Whether nothing but the bucket's record keeps writers from who deletes it: see `engine.leases`."""
        return not (self.whole_buckets or self.exclusive_locks)


@dataclass(frozen=True, slots=True)
class Bucket:
    """A bucket and its creation time in milliseconds since the epoch."""

    name: str
    created: int


@dataclass(frozen=True, slots=True)
class Record:
    """A record's bytes, its version for `expect`, and the stamp a listing shows for the same content.

    `stamp` is None when the backend cannot promise that the next change alters it; do not cache then.
    """

    data: bytes
    version: str
    stamp: str | None


@dataclass(frozen=True, slots=True)
class Listed:
    """One record or blob in a listing, and its length in bytes."""

    key: str
    stamp: str | None
    size: int


@dataclass(frozen=True, slots=True)
class CommonPrefix:
    """All keys that share `prefix`, which ends with the listing's delimiter, rolled into one item."""

    prefix: str


@dataclass(frozen=True, slots=True)
class Listing:
    """One page; `more` says that the next page, asked with `after` = the last item, is not empty."""

    items: Sequence[Listed | CommonPrefix]
    more: bool


class BlobWriter(Protocol):
    """A blob being staged. Leaving its `async with` before `publish` has returned removes it.

    That holds for a `publish` that was cancelled or raised, too: what nobody was told of does not stay.
    """

    @property
    def size(self) -> int:
        """Bytes appended so far."""

    async def append(self, data: Buffer) -> None:
        """Append; the caller may reuse `data` once this returns. Raises OutOfSpace and the like."""

    async def publish(self) -> None:
        """Make the blob durable and visible under its key. Called at most once, last."""


class BlobReader(Protocol):
    """An open blob; its `async with` closes it."""

    @property
    def size(self) -> int:
        """The blob's length in bytes."""

    async def read(self, offset: int, length: int) -> Buffer:
        """Exactly `length` bytes from `offset`; `Damaged` when the blob is shorter."""


class MappedBlob(Protocol):
    """A whole blob as memory."""

    @property
    def view(self) -> memoryview:
        """The blob's bytes, read-only, valid until `close`."""

    @property
    def removed(self) -> bool:
        """The blob no longer has a name in storage: nothing new should be built on it."""

    @property
    def intact(self) -> bool:
        """The blob still has the length it was mapped with; reading past a shorter one can't be survived."""

    def close(self) -> None:
        """Give the memory back. Raises BufferError while someone still holds a slice of `view`."""


class Backend(Protocol):
    """The contract; see the module's text for what holds across methods."""

    @property
    def capabilities(self) -> Capabilities:
        """What this backend can do."""

    # -- buckets -------------------------------------------------------------------------------------------

    async def create_bucket(self, bucket: str) -> None:
        """Create; BucketExists when it is there."""

    async def delete_bucket(self, bucket: str) -> None:
        """Remove a bucket. Raises BucketNotFound, BucketNotEmpty.

        Where buckets are whole (`Capabilities`) it has no records under `objects/`, and all its garbage and
        unfinished uploads go with it, atomically against a concurrent `write_record`. Elsewhere it has
        nothing at all; `engine.deletion` sees to that.
        """

    async def head_bucket(self, bucket: str) -> Bucket:
        """Raises BucketNotFound."""

    async def list_buckets(self) -> list[Bucket]:
        """All buckets, by name."""

    # -- records -------------------------------------------------------------------------------------------

    async def read_record(self, bucket: str, key: str) -> Record:
        """Raises RecordNotFound, BucketNotFound."""

    async def read_records(self, bucket: str, keys: Sequence[str]) -> list[Record | None]:
        """Many at once, in the order of `keys`; None where there certainly is none."""

    async def write_record(
        self, bucket: str, key: str, data: bytes, *, expect: str | None = None, durable: bool = True
    ) -> str:
        """Create or replace; returns the new version.

        `expect`: None (any state), ABSENT, or the version that must be current; else VersionConflict. What is
        not `durable` is as whole and visible as any, but a power cut may take it back, or leave it cut short:
        for what may be lost.
        """

    async def remove_record(self, bucket: str, key: str, *, expect: str | None = None) -> None:
        """Raises RecordNotFound when there is none, VersionConflict when it is at another version."""

    async def list_records(
        self, bucket: str, prefix: str, *, delimiter: str = "", after: str = "", limit: int = 1000
    ) -> Listing:
        """Up to `limit` items whose keys start with `prefix`, in key order, from past `after`.

        `prefix` names at least the first part of the keys, with its '/': a listing is of one room.
        `delimiter` (any text) rolls keys that contain it behind the prefix into one CommonPrefix. `after` is
        a full key or a common prefix; when it is itself a common prefix of this listing, everything under it
        is past. `limit` >= 1.
        """

    # -- blobs ---------------------------------------------------------------------------------------------

    def stage_blob(self, bucket: str, key: str) -> AbstractAsyncContextManager[BlobWriter]:
        """Begin writing a blob. Raises BucketNotFound, on entry or later, in `publish` at the latest."""

    def open_blob(
        self, bucket: str, key: str, *, span: tuple[int, int] | None = None
    ) -> AbstractAsyncContextManager[BlobReader]:
        """Raises RecordNotFound, BucketNotFound on entry.

        `span` is what will be read, from one offset to another, in order; None is all of it. That is a hint:
        anything can be read, and a backend far away has the span on its way by then.
        """

    async def map_blob(self, bucket: str, key: str, size: int) -> MappedBlob:
        """Map a blob of exactly `size` bytes; Damaged when it has another length.

        Only where blobs are mapped (`Capabilities`); elsewhere `storage.cache` does it.
        """

    async def list_blobs(self, bucket: str, prefix: str, limit: int) -> list[Listed]:
        """Up to `limit` blobs and records directly under `prefix`'s last '/', in any order.

        `prefix` reads "<directory>/<start of name>"; nothing deeper is looked at. Cheap for a small limit.
        """

    async def remove_blobs(self, bucket: str, keys: Sequence[str]) -> None:
        """Remove; a missing one is fine. The first failure is raised after all were tried."""

    # -- what is staged ------------------------------------------------------------------------------------

    async def list_staged(self, older_than: float) -> list[Listed]:
        """What is staged in any bucket and was not touched for that many seconds: who staged it is gone.

        The key is the backend's own name for it.
        """

    async def remove_staged(self, keys: Sequence[str]) -> None:
        """Remove what `list_staged` named; a missing one is fine."""

    # -- locks ---------------------------------------------------------------------------------------------

    def lock(self, bucket: str, name: str, *, shared: bool = False) -> AbstractAsyncContextManager[None]:
        """Wait for a lock between all processes on this storage; dies with its process.

        Not reentrant. Names are free text, apart for each bucket, and the bucket need not exist.
        """

    def try_lock(self, bucket: str, name: str) -> AbstractAsyncContextManager[bool]:
        """The exclusive lock if it is free right now: True inside the block, else False."""
