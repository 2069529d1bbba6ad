# SPDX-License-Identifier: GPL-2.0-only
"""Locks between threads, tasks and processes: byte ranges of one file that holds nothing.

A lock's name is hashed to one byte of the file, which the kernel locks for an open file description
(F_OFD_SETLK, fcntl(2)): shared or exclusive, apart even between threads of one process because each holder
opens the file anew, and gone with the holder's descriptor, so with its process. There is nothing to clean up
and no table that grows.

Two names with one hash only wait for each other. So that a thread which holds one lock and asks for another
can't meet itself there, each kind of lock has its own part of the file. No errno is mapped here.
"""

import fcntl
import os
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from enum import IntEnum
from errno import EACCES, EAGAIN
from hashlib import blake2b
from typing import Final

from dgproxy.storage.filesystem.oserrors import about

#: struct flock of 64-bit Linux: l_type, l_whence, l_start, l_len, l_pid, which must be 0 for these locks.
_FLOCK: Final = struct.Struct("@hhqqi4x")

#: Offsets are 2 bits of kind and 60 of hash, and so are positive as a signed 64-bit `off_t`.
_HASH_BITS: Final = 60


class Kind(IntEnum):
    """What a lock is for. Who needs two takes them in this order."""

    NAMED = 0
    BUCKET = 1
    KEY = 2


class Lock:
    """One byte of the lock file, and how it is wanted."""

    __slots__ = ("_offset", "_type")

    def __init__(self, kind: Kind, bucket: str, name: str = "", *, shared: bool = False) -> None:
        text = f"{len(bucket)} {bucket} {name}"
        digest = blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest()
        self._offset = kind << _HASH_BITS | int.from_bytes(digest) >> (64 - _HASH_BITS)
        self._type = fcntl.F_RDLCK if shared else fcntl.F_WRLCK

    def wanted(self) -> bytes:
        """The lock as fcntl(2) takes it."""
        return _FLOCK.pack(self._type, os.SEEK_SET, self._offset, 1, 0)


class LockFile:
    """The file whose bytes are the locks."""

    def __init__(self, path: bytes) -> None:
        self._path = path

    def open(self) -> int:
        """A descriptor to take locks with; closing it gives them back."""
        return os.open(self._path, os.O_RDWR | os.O_CLOEXEC)

    def take(self, descriptor: int, lock: Lock) -> bool:
        """Take a lock if it is free right now."""
        try:
            with about(self._path):
                fcntl.fcntl(descriptor, fcntl.F_OFD_SETLK, lock.wanted())
        except OSError as error:
            if error.errno in (EACCES, EAGAIN):
                return False
            raise
        return True

    @contextmanager
    def held(self, *locks: Lock) -> Iterator[None]:
        """Hold locks for a block of blocking code, waiting for each in turn.

        For short blocks that wait for nothing else: the thread waits in the kernel.
        """
        descriptor = self.open()
        try:
            for lock in locks:
                with about(self._path):
                    fcntl.fcntl(descriptor, fcntl.F_OFD_SETLKW, lock.wanted())
            yield
        finally:
            os.close(descriptor)
