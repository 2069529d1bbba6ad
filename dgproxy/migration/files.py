# SPDX-License-Identifier: GPL-2.0-only
"""A directory as the target of an export: each object a file under its key, with the object's date.

A file takes its name when it is complete and on the disk. What has no place in a directory is Unwritable:
keys with empty parts, `.` or `..`, names that are too long, a key where another needs a directory. Headers,
metadata and tags have no place either.
"""

import asyncio
import errno
import os
import secrets
import stat
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing, contextmanager
from pathlib import Path
from typing import BinaryIO, Final

from dgproxy.engine.manifest import Manifest
from dgproxy.engine.reading import Reading
from dgproxy.migration.places import CHUNK
from dgproxy.migration.reading import holds
from dgproxy.migration.targets import Unwritable, Verdict

__all__ = ["Files"]

#: What `link` answers on file systems without hard links.
_NO_LINKS: Final = frozenset({errno.EPERM, errno.ENOTSUP, errno.ENOSYS})


class Files:
    """See `targets.Target`; made where it is not there."""

    def __init__(self, top: Path) -> None:
        self._top = top

    async def look(self, manifest: Manifest, *, checksum: bool) -> Verdict:
        """By size and date, as rsync does."""
        return await asyncio.to_thread(self._look, manifest, checksum=checksum)

    async def compare(self, reading: Reading) -> bool:
        """By what the manifest says of the windows: the object is not read, the file is."""
        path = self._path(reading.manifest.key)
        with _explained(path), await asyncio.to_thread(path.open, "rb") as file:
            async with aclosing(_chunks(file)) as chunks:
                return await holds(reading.manifest, chunks)

    async def write(self, reading: Reading, *, overwrite: bool) -> None:
        """By way of a file `.….part` beside it."""
        manifest, path = reading.manifest, self._path(reading.manifest.key)
        with _explained(path):
            await asyncio.to_thread(path.parent.mkdir, parents=True, exist_ok=True)
            if manifest.key.endswith("/"):
                return
            part = path.with_name(f".{secrets.token_hex(8)}.part")
            try:
                with await asyncio.to_thread(part.open, "xb") as file:
                    async for data in reading:
                        await asyncio.to_thread(file.write, data)
                    await asyncio.to_thread(_finish, file, manifest)
                await asyncio.to_thread(_publish, part, path, overwrite=overwrite)
            finally:
                await asyncio.to_thread(part.unlink, missing_ok=True)

    def _look(self, manifest: Manifest, *, checksum: bool) -> Verdict:
        path = self._path(manifest.key)
        if manifest.key.endswith("/"):
            if manifest.size:
                raise Unwritable("its key ends in '/', and it is not empty: a directory can't hold that")
            return "same" if path.parent.is_dir() else "absent"
        try:
            status = path.stat(follow_symlinks=False)
        except (FileNotFoundError, NotADirectoryError):
            return "absent"
        except OSError as error:
            raise Unwritable(f"{path}: {error.strerror}") from error
        if not stat.S_ISREG(status.st_mode):
            raise Unwritable(f"{path} is there and no regular file")
        if status.st_size != manifest.size:
            return "differs"
        same_date = status.st_mtime_ns // 1_000_000 == manifest.created
        return "same" if same_date and not checksum else "unsure"

    def _path(self, key: str) -> Path:
        """Where an object goes; of a key that ends in '/', a name within its directory."""
        *directories, name = key.split("/")
        if any(part in ("", ".", "..") for part in directories) or name in (".", ".."):
            raise Unwritable("its key has a part that is empty, '.' or '..': no file has such a path")
        if "\0" in key:
            raise Unwritable("its key has a NUL: no file has such a name")
        return self._top.joinpath(*directories, name or ".keep")


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise Unwritable(f"{error.filename or path}: {error.strerror or error}") from error


async def _chunks(file: BinaryIO) -> AsyncGenerator[bytes, None]:
    while chunk := await asyncio.to_thread(file.read, CHUNK):
        yield chunk


def _finish(file: BinaryIO, manifest: Manifest) -> None:
    file.flush()
    if file.tell() != manifest.size:
        raise OSError(errno.EIO, f"{file.tell()} bytes were written, of {manifest.size}")
    nanoseconds = manifest.created * 1_000_000
    os.utime(file.fileno(), ns=(nanoseconds, nanoseconds))
    os.fsync(file.fileno())


def _publish(part: Path, path: Path, *, overwrite: bool) -> None:
    if overwrite:
        part.replace(path)
    else:
        try:
            path.hardlink_to(part)
        except OSError as error:
            if error.errno not in _NO_LINKS:
                raise
            if path.exists():
                raise FileExistsError(errno.EEXIST, "it was written meanwhile", str(path)) from error
            part.replace(path)
    descriptor = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
