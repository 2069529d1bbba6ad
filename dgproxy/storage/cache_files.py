# SPDX-License-Identifier: GPL-2.0-only
"""The files of a cache directory: found, filled, made room for. Blocking code, for threads.

    locks                       one byte range for each file that is being filled, and one for making room
    <sha256>                    a whole file, checked; its mtime is when it was last asked for
    <sha256>.<length>.<random>  one being filled, locked (flock(2)) by who fills it: so far with what has
                                arrived, in the end with so many bytes

Promises that a file has its name only after its bytes matched it, on the disk and not just in memory; that
one being filled only grows; that a file in use is the last to be removed; that what a dead process leaves is
removed by the next that makes room; and that a file with any other name is left alone. Everything holds
between processes. A file that is open is locked shared, so whether it is in use is a question to the kernel,
and nothing has to be counted.

Waiting for others, and asking for bytes, is `cache`'s business.
"""

import fcntl
import hashlib
import mmap
import os
import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final, NamedTuple

from dgproxy.storage.backend import Buffer, Damaged
from dgproxy.storage.filesystem.files import MappedFile, OpenFile
from dgproxy.storage.filesystem.locks import Kind, Lock, LockFile
from dgproxy.storage.filesystem.oserrors import about, storage_errors

_FILE_MODE: Final = 0o600
_LOCKS: Final = b"locks"
_WHOLE: Final = re.compile(rb"[0-9a-f]{64}")
_UNDER_WAY: Final = re.compile(
    rb"[0-9a-f]{64}\.(?:([0-9]+)\.)?[0-9a-f]{16}"
)  # without one: an older version's


class CachedFile(MappedFile):
    """A MappedBlob out of the cache, in use until it is closed."""

    def hold(self) -> bool:
        """Say that the open file is in use; False when it has been removed before that."""
        with about(self._path):
            fcntl.flock(self._descriptor, fcntl.LOCK_SH)
        return not self.removed

    def share(self, other: "CachedFile", length: int) -> None:
        """Map what `other` has open, whether it still has a name or not."""
        self.adopt(os.dup(other._descriptor))
        self.map(length)


class UncheckedBytes(OpenFile):
    """Bytes of a file in the directory that nobody has checked."""

    def __init__(self, path: bytes) -> None:
        super().__init__(path)
        self._memory: mmap.mmap | None = None
        self.view = memoryview(b"")

    def map_arrived(self, begin: int, end: int) -> bool:
        """Map some of a file that is being filled; False when it is not there, or has not got so far."""
        try:
            self.open()
        except FileNotFoundError:
            return False
        if self.size < end:
            return False
        self.map(begin, end)
        return True

    def map(self, begin: int, end: int) -> None:
        """Map bytes of the open file, which has them."""
        if begin < end:  # mmap(2) maps no nothing, and only from a page on
            ahead = begin % mmap.ALLOCATIONGRANULARITY
            with about(self._path):
                self._memory = mmap.mmap(
                    self._descriptor, end - begin + ahead, access=mmap.ACCESS_READ, offset=begin - ahead
                )
            self.view = memoryview(self._memory)[ahead:]

    def close(self) -> None:
        """Unmap and close. Raises BufferError while a slice of `view` is in use."""
        self.view.release()
        if self._memory is not None:
            self._memory.close()
        super().close()


class NamelessFile(UncheckedBytes):
    """A file that is gone when it is closed."""

    def make(self) -> None:
        """Make it; `path` is free, and only for a moment."""
        with about(self._path):
            self.adopt(os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, _FILE_MODE))
            os.unlink(self._path)

    def append(self, data: Buffer) -> None:
        """Add bytes."""
        with memoryview(data) as rest, about(self._path):
            while rest.nbytes:
                written = os.pwrite(self._descriptor, rest, self._size)
                self._size += written
                rest = rest[written:]  # noqa: PLW2901 - what is left of it

    def map_all(self) -> None:
        """Map what was added."""
        self.map(0, self._size)


class UnderWay(NamedTuple):
    """A file being filled, and the bytes that have arrived."""

    arrived: int
    path: bytes


class _Entry(NamedTuple):
    """A whole file; they go in their order."""

    in_use: bool
    used: int
    path: bytes
    size: int


class CacheFiles:
    """A cache directory, which this process shares with others; `limit` in bytes.

    The limit is for what is kept: files in use come on top where it does not hold them.
    """

    def __init__(self, directory: Path, limit: int) -> None:
        self._directory = os.fsencode(directory.absolute())
        self._limit = limit
        self.locks = LockFile(os.path.join(self._directory, _LOCKS))

    def create(self) -> None:
        """Make the directory on first use and clear what the dead left. Raises StorageError and the like."""
        with storage_errors():
            os.makedirs(self._directory, mode=0o700, exist_ok=True)
            os.close(os.open(os.path.join(self._directory, _LOCKS), os.O_RDWR | os.O_CREAT, _FILE_MODE))
            with self._alone():
                self._make_room(0)

    def path(self, sha256: str) -> bytes:
        """Where a whole file is, or would be."""
        return os.path.join(self._directory, sha256.encode())

    def nameless(self) -> NamelessFile:
        """A file of this directory, to be made."""
        return NamelessFile(self.path("0" * 64) + f".{secrets.token_hex(8)}".encode())

    def find(self, file: CachedFile, length: int) -> bool:
        """Map a whole file. One of another length than it must have is removed, as if it were not there."""
        while True:
            try:
                file.open()
            except FileNotFoundError:
                return False
            if file.hold():
                break
            file.close()
        os.utime(file._descriptor)
        try:
            file.map(length)
        except Damaged:
            with suppress(FileNotFoundError):
                os.unlink(file._path)
            file.close()
            return False
        return True

    def forget(self, sha256: str) -> None:
        """Remove a file: its bytes have turned out to be others."""
        with suppress(FileNotFoundError):
            os.unlink(self.path(sha256))

    def under_way(self, sha256: str) -> list[UnderWay]:
        """The files that somebody fills, or did when it died, with these bytes."""
        found = []
        for path in self._names(_UNDER_WAY, sha256.encode()):
            with suppress(FileNotFoundError):
                found.append(UnderWay(os.stat(path).st_size, path))
        return sorted(found)

    def empty(self) -> None:
        """Remove everything that is not in use."""
        with self._alone():
            for entry in self._entries():
                if not entry.in_use:
                    self._evict(entry)

    def start(self, sha256: str, length: int) -> tuple[bytes, int]:
        """Make room for a file and begin it: its path and its descriptor, locked."""
        path = self.path(sha256) + f".{length}.{secrets.token_hex(8)}".encode()
        with self._alone():  # before its lock it would look like a leftover
            self._make_room(length)
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, _FILE_MODE)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX)
            except BaseException:
                os.close(descriptor)
                raise
        return path, descriptor

    # -- within --------------------------------------------------------------------------------------------

    @contextmanager
    def _alone(self) -> Iterator[None]:
        with self.locks.held(Lock(Kind.BUCKET, "")):
            yield

    def _make_room(self, length: int) -> None:
        """Remove what was not used for longest, and only then what is in use, until `length` fits."""
        entries = self._entries()
        total = length + self._under_way() + sum(entry.size for entry in entries)
        for entry in sorted(entries):
            if total <= self._limit:
                return
            self._evict(entry)
            total -= entry.size

    def _names(self, shape: re.Pattern[bytes], start: bytes = b"") -> list[bytes]:
        with os.scandir(self._directory) as entries:
            return [
                entry.path
                for entry in entries
                if entry.name.startswith(start) and shape.fullmatch(entry.name)
            ]

    def _entries(self) -> list[_Entry]:
        """The whole files."""
        entries = []
        for path in self._names(_WHOLE):
            with suppress(FileNotFoundError), _opened(path) as descriptor:
                status = os.fstat(descriptor)
                in_use = not _lock_alone(descriptor)
                entries.append(_Entry(in_use, status.st_mtime_ns, path, status.st_size))
        return entries

    def _under_way(self) -> int:
        """The bytes that files being filled have or will have; what nobody fills any more is removed."""
        total = 0
        for path in self._names(_UNDER_WAY):
            with suppress(FileNotFoundError), _opened(path) as descriptor:
                if _lock_alone(descriptor):
                    os.unlink(path)
                else:
                    total += max(os.fstat(descriptor).st_size, _to_be(path))
        return total

    @staticmethod
    def _evict(entry: _Entry) -> None:
        with suppress(FileNotFoundError), _opened(entry.path) as descriptor:
            # Who opens it at this moment finds it locked, waits, and then sees that it has no name.
            if entry.in_use or _lock_alone(descriptor):
                os.unlink(entry.path)


class Filling:
    """A file on its way into the cache. Make it, `begin` it in a thread, and `discard` it whatever came."""

    def __init__(self, files: CacheFiles, name: str, sha256: str, length: int) -> None:
        self._files = files
        self._name = name
        self._sha256 = sha256
        self._length = length
        self._digest = hashlib.sha256()
        self._done = 0
        self._path = b""
        self._descriptor = -1

    def begin(self) -> None:
        """Make room and open the file."""
        self._path, self._descriptor = self._files.start(self._sha256, self._length)

    @property
    def state(self) -> UnderWay:
        """Where the file is, and how much of it."""
        return UnderWay(self._done, self._path)

    def append(self, data: Buffer) -> None:
        """Add bytes. Raises Damaged when they are more than there must be."""
        with memoryview(data) as rest, about(self._path):
            if self._done + rest.nbytes > self._length:
                raise Damaged(f"{self._name} is longer than {self._length} bytes")
            self._digest.update(rest)
            while rest.nbytes:
                written = os.pwrite(self._descriptor, rest, self._done)
                self._done += written
                rest = rest[written:]  # noqa: PLW2901 - what is left of it

    def finish(self, file: CachedFile) -> None:
        """Check the bytes, give the file its name and map it as `file`. Raises Damaged."""
        if self._done != self._length:
            raise Damaged(f"{self._name} has {self._done} bytes instead of {self._length}")
        if self._digest.hexdigest() != self._sha256:
            raise Damaged(f"{self._name} does not match its SHA-256")
        with about(self._path):
            os.fsync(self._descriptor)
            os.rename(self._path, self._files.path(self._sha256))
        file.adopt(os.dup(self._descriptor))
        file.hold()  # and if it has been removed again: it is open
        file.map(self._length)

    def discard(self) -> None:
        """Close the file, and remove it while it has no name in the cache."""
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            with suppress(FileNotFoundError):
                os.unlink(self._path)
            os.close(descriptor)


def _to_be(path: bytes) -> int:
    """How long a file being filled will be."""
    shape = _UNDER_WAY.fullmatch(os.path.basename(path))
    return int(shape[1] or 0) if shape is not None else 0


@contextmanager
def _opened(path: bytes) -> Iterator[int]:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        with about(path):
            yield descriptor
    finally:
        os.close(descriptor)


def _lock_alone(descriptor: int) -> bool:
    """Take a file's lock if nobody has it in use."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
