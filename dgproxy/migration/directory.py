# SPDX-License-Identifier: GPL-2.0-only
"""A directory as a place: every regular file below it, under its path. Links are not followed.

A file that changes while it is read is Unreadable.
"""

import asyncio
import errno
import os
import stat
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import BinaryIO, Final

from dgproxy.migration.places import CHUNK, Head, SourceError, Stored, Unreadable
from dgproxy.storage.backend import Buffer

__all__ = ["ATTRIBUTE", "Directory"]

#: The extended attribute in which DeltaGlider Proxy keeps what it knows about a file.
ATTRIBUTE: Final = "user.dg.metadata"

_MISSING: Final = frozenset({errno.ENODATA, errno.ENOTSUP})


class Directory:
    """See `places.Place`."""

    def __init__(self, top: Path) -> None:
        self._top = top

    @property
    def name(self) -> str:
        """Its path."""
        return str(self._top)

    async def directories(self) -> AsyncIterator[tuple[str, list[Stored]]]:
        """Depth first."""
        pending = [""]
        while pending:
            space = pending.pop()
            files, below = await asyncio.to_thread(self._look, space)
            pending += reversed(below)
            if files:
                yield space, files

    async def head(self, key: str) -> Head | None:
        """Size and date of a file, and its extended attribute."""
        return await asyncio.to_thread(self._head, key)

    @asynccontextmanager
    async def open(self, key: str, etag: str = "") -> AsyncIterator["_OpenFile"]:
        """Files have no etag: the version is the one that is there."""
        opened = await asyncio.to_thread(self._open, key)
        try:
            yield opened
        finally:
            opened.file.close()

    async def tags(self, key: str) -> Mapping[str, str]:
        """Files have none."""
        return {}

    # -- in threads ----------------------------------------------------------------------------------------

    def _look(self, space: str) -> tuple[list[Stored], list[str]]:
        files, below = [], []
        try:
            with os.scandir(self._top / space) as entries:
                for entry in entries:
                    status, key = entry.stat(follow_symlinks=False), f"{space}{entry.name}"
                    if stat.S_ISDIR(status.st_mode):
                        below.append(f"{key}/")
                    elif stat.S_ISREG(status.st_mode):
                        files.append(Stored(key, status.st_size, _milliseconds(status)))
        except OSError as error:
            raise SourceError(f"{error.filename}: {error.strerror}") from error
        return sorted(files, key=lambda each: each.key), sorted(below)

    def _head(self, key: str) -> Head | None:
        path = self._top / key
        try:
            status = path.stat(follow_symlinks=False)
            return _head(status, _attribute(path)) if stat.S_ISREG(status.st_mode) else None
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise Unreadable(f"{path}: {error.strerror}") from error

    def _open(self, key: str) -> "_OpenFile":
        path = self._top / key
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
            file = os.fdopen(descriptor, "rb", buffering=0)
            try:
                return _OpenFile(path, file, _head(os.fstat(descriptor), _attribute(descriptor)))
            except BaseException:
                file.close()
                raise
        except OSError as error:
            raise Unreadable(f"{path}: {error.strerror}") from error


class _OpenFile:
    """See `places.Opened`."""

    def __init__(self, path: Path, file: BinaryIO, head: Head) -> None:
        self.head = head
        self.file = file
        self._path = path

    async def __aiter__(self) -> AsyncIterator[Buffer]:
        left = self.head.size
        while left and (chunk := await asyncio.to_thread(self._read, min(left, CHUNK))):
            left -= len(chunk)
            yield chunk
        status = await asyncio.to_thread(os.fstat, self.file.fileno())
        if left or (status.st_size, _milliseconds(status)) != (self.head.size, self.head.time):
            raise Unreadable(f"{self._path}: it changed while it was read")

    def _read(self, size: int) -> bytes:
        try:
            return self.file.read(size)
        except OSError as error:
            raise Unreadable(f"{self._path}: {error.strerror}") from error


def _attribute(file: Path | int) -> bytes | None:
    if not hasattr(os, "getxattr"):
        return None
    try:
        return os.getxattr(file, ATTRIBUTE)
    except OSError as error:
        if error.errno in _MISSING:
            return None
        raise


def _head(status: os.stat_result, attribute: bytes | None) -> Head:
    return Head(status.st_size, _milliseconds(status), attribute=attribute)


def _milliseconds(status: os.stat_result) -> int:
    return status.st_mtime_ns // 1_000_000
