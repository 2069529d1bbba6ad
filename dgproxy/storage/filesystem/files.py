# SPDX-License-Identifier: GPL-2.0-only
"""Files that are read: one that is open, one that is mapped. Blocking code, for threads.

Each object owns its descriptor from the moment it exists, so that a task cancelled while a thread opens a
file still has it here to close: make the object, then `open` it in a thread, and `close` it whatever came.

What a file is for, and what it means that there is none, is for whoever opens it.
"""

import mmap
import os

from dgproxy.storage.errors import Damaged
from dgproxy.storage.filesystem.oserrors import about


class OpenFile:
    """A descriptor on a file that nobody changes."""

    def __init__(self, path: bytes) -> None:
        self._path = path
        self._descriptor = -1
        self._size = 0

    @property
    def size(self) -> int:
        """The file's length in bytes when it was opened."""
        return self._size

    def open(self) -> None:
        """Open the file. Raises FileNotFoundError, OSError."""
        self.adopt(os.open(self._path, os.O_RDONLY | os.O_CLOEXEC))

    def adopt(self, descriptor: int) -> None:
        """Be the owner of a descriptor that is open already."""
        self._descriptor = descriptor
        with about(self._path):
            self._size = os.fstat(descriptor).st_size

    def close(self) -> None:
        """Give the descriptor back; once is enough."""
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)


class MappedFile(OpenFile):
    """A MappedBlob. The open descriptor tells whether the file still has a name."""

    def __init__(self, path: bytes) -> None:
        super().__init__(path)
        self._memory: mmap.mmap | None = None
        self._view = memoryview(b"")

    @property
    def view(self) -> memoryview:
        """The file's bytes, read-only."""
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
        """Map the open file. Raises Damaged when it has another length."""
        if self._size != size:
            raise Damaged(f"{os.fsdecode(self._path)} has {self._size} bytes instead of {size}")
        if not size:
            return  # mmap(2) maps nothing
        with about(self._path):
            self._memory = mmap.mmap(self._descriptor, size, access=mmap.ACCESS_READ)
            self._view = memoryview(self._memory)
            # whoever maps a file reads all of it first, to check it; let the disk begin
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
