# SPDX-License-Identifier: GPL-2.0-only
"""Records as files: read, and compared and swapped by version. Blocking code, for threads.

A version is a hash of the content, so it needs nothing on disk beside it. Replacing is: make the new file
durable, take the key's lock, look at the current version, rename, give the lock back, make the directory
durable. The lock is held for a look and a rename, never for an fsync.

A stamp is (inode, mtime, size). A file is never changed, only replaced, so another content has another inode,
until the old one's number is free and given again; the new file's mtime is then later. mtimes may be as
coarse as two seconds, so a younger file has no stamp. (git calls this "racily clean".)

What is not here: directories, fsync and rename (`durable`), and what a record says.
"""

import os
import time
from collections.abc import Sequence
from hashlib import blake2b
from typing import Final

from dgproxy.storage.backend import (
    ABSENT,
    Buffer,
    Damaged,
    Record,
    RecordNotFound,
    VersionConflict,
)
from dgproxy.storage.filesystem.durable import Disk, RootNotFound
from dgproxy.storage.filesystem.layout import Layout, Location
from dgproxy.storage.filesystem.locks import Kind, Lock, LockFile
from dgproxy.storage.filesystem.oserrors import about

_YOUNG: Final = 2_000_000_000  # nanoseconds


class Records:
    """The record half of the backend."""

    def __init__(self, layout: Layout, disk: Disk, locks: LockFile) -> None:
        self._layout = layout
        self._disk = disk
        self._locks = locks

    def read(self, bucket: str, key: str) -> Record:
        """See the contract."""
        try:
            data, status = _read(self._layout.locate(bucket, key).path)
        except FileNotFoundError as error:
            self._layout.require(bucket)
            raise RecordNotFound(f"no {key!r} in bucket {bucket!r}") from error
        return Record(data, version_of(data), stamp_of(status))

    def read_present(self, bucket: str, keys: Sequence[str]) -> list[Record | None]:
        """Many, None for those that are not there."""
        self._layout.require(bucket)
        found: list[Record | None] = []
        for key in keys:
            try:
                found.append(self.read(bucket, key))
            except RecordNotFound:
                found.append(None)
        return found

    def write(self, bucket: str, key: str, data: Buffer, expect: str | None, durable: bool = True) -> str:
        """See the contract."""
        at = self._layout.locate(bucket, key)
        staged = self._disk.stage()
        try:
            staged.write(data)
            staged.finish(durable=durable)
            # delete_bucket takes the bucket's lock exclusively, so that no record appears while it looks
            with self._locks.held(Lock(Kind.BUCKET, bucket, shared=True), Lock(Kind.KEY, bucket, key)):
                if expect is not None and (version := _current_version(at)) != expect:
                    if version == ABSENT:
                        self._layout.require(bucket)
                    raise _conflict(bucket, key, version, expect)
                self._disk.place(staged, at.path, at.root)
        except RootNotFound as error:
            raise self._layout.not_found(bucket) from error
        finally:
            staged.discard()
        if durable:
            self._disk.settle(at.directory, at.root)
        return version_of(data)

    def remove(self, bucket: str, key: str, expect: str | None) -> None:
        """See the contract."""
        at = self._layout.locate(bucket, key)
        with self._locks.held(Lock(Kind.KEY, bucket, key)):
            if expect is not None and (version := _current_version(at)) not in (expect, ABSENT):
                raise _conflict(bucket, key, version, expect)
            try:
                self._disk.remove(at.path)
            except FileNotFoundError as error:
                self._layout.require(bucket)
                raise RecordNotFound(f"no {key!r} in bucket {bucket!r}") from error
        self._disk.prune(at.directory, at.room)
        self._disk.settle(at.directory, at.root)


def version_of(data: Buffer) -> str:
    """The version of a content."""
    return blake2b(data, digest_size=16).hexdigest()


def stamp_of(status: os.stat_result) -> str | None:
    """The stamp of a file, None while it is too young for one, or from the future."""
    if time.time_ns() - status.st_mtime_ns < _YOUNG:
        return None
    return f"{status.st_ino}:{status.st_mtime_ns}:{status.st_size}"


def _current_version(at: Location) -> str:
    try:
        return version_of(_read(at.path)[0])
    except FileNotFoundError:
        return ABSENT


def _conflict(bucket: str, key: str, version: str, expect: str) -> VersionConflict:
    return VersionConflict(f"{key!r} in bucket {bucket!r} is at version {version!r}, not {expect!r}")


def _read(path: bytes) -> tuple[bytes, os.stat_result]:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        with about(path):
            status = os.fstat(descriptor)
            pieces, rest = [], status.st_size
            while rest > 0:
                piece = os.read(descriptor, rest)
                if not piece:
                    raise Damaged(f"{os.fsdecode(path)} ends {rest} bytes early")
                pieces.append(piece)
                rest -= len(piece)
    finally:
        os.close(descriptor)
    return b"".join(pieces), status
