# SPDX-License-Identifier: GPL-2.0-only
"""Blobs as files: one being staged, one that is open, one that is mapped.

Each object owns its descriptors from the moment they exist, so that a task cancelled while a thread opens a
file still has it here to close: make the object, then `open` it in a thread, and `close` it whatever came.
Methods that are `async` keep the contract's promises; the others block, except the properties.

fsync and rename are `durable`'s business, names are `layout`'s.
"""

import mmap
import os
from contextlib import suppress

from dgproxy.storage.backend import Buffer, Damaged, RecordNotFound, StorageError
from dgproxy.storage.filesystem.durable import Disk, RootNotFound, Staged
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


class _Opened:
    """A descriptor on a blob's file."""

    def __init__(self, layout: Layout, bucket: str, key: str) -> None:
        self._layout = layout
        self._bucket = bucket
        self._key = key
        self._path = layout.locate(bucket, key).path
        self._descriptor = -1
        self._size = 0

    def open(self) -> None:
        """Open the file. Raises RecordNotFound, BucketNotFound."""
        try:
            self._descriptor = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError as error:
            self._layout.require(self._bucket)
            raise RecordNotFound(f"no {self._key!r} in bucket {self._bucket!r}") from error
        with about(self._path):
            self._size = os.fstat(self._descriptor).st_size

    def close(self) -> None:
        """Give the descriptor back; once is enough."""
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)


class OpenBlob(_Opened):
    """A BlobReader."""

    def __init__(self, layout: Layout, threads: IOThreads, bucket: str, key: str) -> None:
        super().__init__(layout, bucket, key)
        self._threads = threads

    @property
    def size(self) -> int:
        """The blob's length in bytes."""
        return self._size

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


class MappedFile(_Opened):
    """A MappedBlob. The open descriptor tells whether the file still has a name."""

    def __init__(self, layout: Layout, bucket: str, key: str) -> None:
        super().__init__(layout, bucket, key)
        self._memory: mmap.mmap | None = None
        self._view = memoryview(b"")

    @property
    def view(self) -> memoryview:
        """The blob's bytes, read-only."""
        return self._view

    @property
    def removed(self) -> bool:
        """Whether the file has no name any more."""
        return os.fstat(self._descriptor).st_nlink == 0

    @property
    def intact(self) -> bool:
        """Whether the file still has the length that is mapped: the rest would be a SIGBUS (mmap(2))."""
        return os.fstat(self._descriptor).st_size == self._size

    def map(self, size: int) -> None:
        """Open and map the file. Raises RecordNotFound, BucketNotFound, Damaged."""
        self.open()
        if self._size != size:
            raise Damaged(f"{os.fsdecode(self._path)} has {self._size} bytes instead of {size}")
        if not size:
            return  # mmap(2) maps nothing
        with about(self._path):
            self._memory = mmap.mmap(self._descriptor, size, access=mmap.ACCESS_READ)
            self._view = memoryview(self._memory)
            # whoever maps a blob reads all of it first, to check it; let the disk begin
            self._memory.madvise(mmap.MADV_WILLNEED)

    def close(self) -> None:
        """Unmap and close. Raises BufferError, and changes nothing, while a slice of `view` is in use."""
        if self._memory is not None:
            self._view.release()
            try:
                self._memory.close()
            except BufferError:
                self._view = memoryview(self._memory)
                raise
            self._memory = None
        super().close()
