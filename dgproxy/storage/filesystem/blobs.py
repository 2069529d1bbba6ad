# SPDX-License-Identifier: GPL-2.0-only
"""Blobs as files: one being staged, one that is open, one that is mapped.

Each object owns its descriptors from the moment they exist, as `files` has it. Methods that are `async` keep
the contract's promises; the others block, except the properties.

fsync and rename are `durable`'s business, names are `layout`'s.
"""

import os
from contextlib import suppress

from dgproxy.storage.backend import Buffer, Damaged, RecordNotFound, StorageError
from dgproxy.storage.filesystem.durable import Disk, RootNotFound, Staged
from dgproxy.storage.filesystem.files import MappedFile, OpenFile
from dgproxy.storage.filesystem.layout import Layout
from dgproxy.storage.filesystem.oserrors import about
from dgproxy.storage.filesystem.threads import IOThreads


class StagedBlob:
    """A BlobWriter."""

    def __init__(self, layout: Layout, disk: Disk, threads: IOThreads, bucket: str, key: str) -> None:
        self._layout = layout
        self._disk = disk
        self._threads = threads
        self._bucket = bucket
        self._at = layout.locate(bucket, key)
        self._staged: Staged | None = None
        self._whole = True
        self._placed = False
        self._published = False
        self._size = 0

    @property
    def size(self) -> int:
        """Bytes appended so far."""
        return self._size

    async def append(self, data: Buffer) -> None:
        """See the contract."""
        self._whole = False  # until all of it is written
        await self._threads.call(self._opened.write, data)
        self._whole = True
        self._size += len(data)

    async def publish(self) -> None:
        """See the contract."""
        if not self._whole:
            raise StorageError("a blob can't be published after an append that failed")
        await self._threads.call(self._place)
        self._published = True

    def open(self) -> None:
        """Begin. Raises BucketNotFound."""
        self._layout.require(self._bucket)
        self._staged = self._disk.stage()

    async def close(self) -> None:
        """Remove what was not published, or not known to be: its key is nobody else's."""
        if not self._published:
            await self._threads.finish(self._discard)

    @property
    def _opened(self) -> Staged:
        if self._staged is None:
            raise ValueError("the blob is not open")
        return self._staged

    def _place(self) -> None:
        staged = self._opened
        staged.finish()
        try:
            self._disk.place(staged, self._at.path, self._at.root)
        except RootNotFound as error:
            raise self._layout.not_found(self._bucket) from error
        self._placed = True
        self._disk.settle(self._at.directory, self._at.root)

    def _discard(self) -> None:
        if self._staged is not None:
            self._staged.discard()
        if self._placed:
            with suppress(FileNotFoundError):
                self._disk.remove(self._at.path)
            self._disk.prune(self._at.directory, self._at.room)


class OpenBlob(OpenFile):
    """A BlobReader."""

    def __init__(self, layout: Layout, threads: IOThreads, bucket: str, key: str) -> None:
        super().__init__(layout.locate(bucket, key).path)
        self._threads = threads

    async def read(self, offset: int, length: int) -> bytes:
        """See the contract."""
        return await self._threads.call(self._read, offset, length)

    def _read(self, offset: int, length: int) -> bytes:
        pieces: list[bytes] = []
        with about(self._path):
            while length > 0:
                piece = os.pread(self._descriptor, length, offset) if offset < self._size else b""
                if not piece:
                    raise Damaged(f"{os.fsdecode(self._path)} ends at {offset}, {length} bytes early")
                pieces.append(piece)
                offset += len(piece)
                length -= len(piece)
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)


def open_blob(layout: Layout, bucket: str, key: str, blob: OpenFile) -> None:
    """Open a blob's file. Raises RecordNotFound, BucketNotFound."""
    try:
        blob.open()
    except FileNotFoundError as error:
        layout.require(bucket)
        raise RecordNotFound(f"no {key!r} in bucket {bucket!r}") from error


def map_blob(layout: Layout, bucket: str, key: str, size: int, blob: MappedFile) -> None:
    """Open and map a blob's file. Raises RecordNotFound, BucketNotFound, Damaged."""
    open_blob(layout, bucket, key, blob)
    blob.map(size)
