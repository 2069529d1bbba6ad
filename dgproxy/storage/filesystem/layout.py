# SPDX-License-Identifier: GPL-2.0-only
"""The data directory: what stands where in it, whose format it is, and which server owns it.

    format          one line that names the format; written last, so its presence says that the rest is there
    lock            flock(2)ed by the server that owns the directory, for as long as it or a child lives
    locks           the bytes of `locks.LockFile`
    staging/        files and trees that are not there yet, or not any more
    buckets/<bucket>/bucket.json
    buckets/<bucket>/objects/…, deltaspaces/…, uploads/…      as `keymap` says

Promises that a directory which holds something else, or a format this program does not know, is refused
before anything is written to it. What is in a bucket's files is not known here.
"""

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final, NamedTuple

from dgproxy.storage.errors import BucketNotFound, StorageError
from dgproxy.storage.filesystem import keymap
from dgproxy.storage.filesystem.durable import Disk
from dgproxy.storage.filesystem.oserrors import storage_errors

_FORMAT: Final = b"DeltaGlider Proxy data directory, format 1\n"

#: What may be in a directory that has no format yet: leavings of a first start that was cut short, and what
#: mkfs makes. Hidden files of others do no harm either.
_HARMLESS: Final = frozenset({"format", "lock", "locks", "staging", "buckets", "cache", "lost+found"})

#: The longest path below a bucket and in the bucket's own name must fit with the data directory's into
#: PATH_MAX (limits.h), which counts the NUL at the end. S3 bucket names have 63 characters at most.
_LONGEST_DATA_DIR: Final = 4096 - 1 - len("/buckets/") - 63 - len("/") - keymap.LONGEST_PATH


class Location(NamedTuple):
    """Where a key's file is: its path, the directory that stays when all in it go, and the bucket's."""

    path: bytes
    room: bytes
    root: bytes

    @property
    def directory(self) -> bytes:
        """The directory the file is in."""
        return os.path.dirname(self.path)


class Layout:
    """The paths in a data directory."""

    def __init__(self, data_dir: Path) -> None:
        top = os.fsencode(data_dir.absolute())
        if len(top) > _LONGEST_DATA_DIR:
            raise StorageError(
                f"the path of the data directory is over {_LONGEST_DATA_DIR} bytes: {data_dir}"
            )
        self.data_dir = top
        self.format = os.path.join(top, b"format")
        self.lock = os.path.join(top, b"lock")
        self.locks = os.path.join(top, b"locks")
        self.staging = os.path.join(top, b"staging")
        self.buckets = os.path.join(top, b"buckets")

    def bucket(self, bucket: str) -> bytes:
        """A bucket's directory, there or not."""
        return os.path.join(self.buckets, keymap.encode_bucket(bucket).encode())

    def locate(self, bucket: str, key: str) -> Location:
        """Where a key's file is, or would be."""
        root = self.bucket(bucket)
        path = keymap.encode(key).encode()
        return Location(os.path.join(root, path), os.path.join(root, path.partition(b"/")[0]), root)

    def directory(self, bucket: str, prefix: str) -> bytes:
        """The directory, '/' at its end, of the keys that start with `prefix`, which ends in a '/'."""
        return os.path.join(self.bucket(bucket), keymap.encode_directory(prefix).encode())

    def require(self, bucket: str) -> None:
        """Raises BucketNotFound."""
        try:
            os.stat(self.bucket(bucket))
        except FileNotFoundError as error:
            raise self.not_found(bucket) from error

    def not_found(self, bucket: str) -> BucketNotFound:
        """The error for a bucket whose directory is not there.

        Raises OSError when the directory of buckets is not there either: an unmounted disk is not empty.
        """
        os.stat(self.buckets)
        return BucketNotFound(f"no bucket {bucket!r}")

    def disk(self, *, strict: bool) -> Disk:
        """The door to this directory."""
        return Disk(self.staging, self.buckets, strict=strict)


def open_layout(data_dir: Path) -> Layout:
    """The layout of a data directory, made on first use.

    Raises StorageError when it is not ours or of an unknown format, AccessRefused and the like.
    """
    layout = Layout(data_dir)
    with storage_errors():
        if not os.path.lexists(layout.format):
            _create(layout)
        with open(layout.format, "rb") as file:
            found = file.read(len(_FORMAT) + 100)
    if found != _FORMAT:
        raise StorageError(
            f"{data_dir} is not a data directory this version can read: its file 'format' says "
            f"{found.decode(errors='replace').strip()!r}, not {_FORMAT.decode().strip()!r}"
        )
    return layout


def _create(layout: Layout) -> None:
    with suppress(FileExistsError):
        os.mkdir(layout.data_dir, 0o700)  # only this one: a path with more missing is rather a mistake
    name = os.fsdecode(layout.data_dir)
    strangers = {entry for entry in os.listdir(name) if not entry.startswith(".")} - _HARMLESS
    if strangers:
        raise StorageError(f"{name} has no file 'format', but {min(strangers)!r}: give an empty directory")
    if os.path.isdir(layout.buckets) and os.listdir(layout.buckets):
        raise StorageError(
            f"{name} has buckets, but no file 'format': restore it, or give an empty directory"
        )
    for directory in (layout.staging, layout.buckets):
        os.makedirs(directory, mode=0o750, exist_ok=True)
    for file in (layout.lock, layout.locks):
        os.close(os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640))
    disk = layout.disk(strict=True)
    disk.settle(layout.data_dir, layout.data_dir)
    disk.settle(os.path.dirname(layout.data_dir), os.path.dirname(layout.data_dir))
    disk.write(layout.format, _FORMAT, layout.data_dir)


@contextmanager
def claim(data_dir: Path, *, wait: float = 5.0) -> Iterator[None]:
    """Own a data directory for a block: no other server can, nor while a process forked in it lives.

    Empties staging, so it belongs before the first worker. Raises StorageError when another server still has
    the directory after `wait` seconds: as long as a server that is being replaced may need to end.
    """
    layout = open_layout(data_dir)
    with storage_errors():
        descriptor = os.open(layout.lock, os.O_RDWR | os.O_CLOEXEC)
    try:
        with storage_errors():
            _own(descriptor, data_dir, wait)
            layout.disk(strict=True).clean_staging()
        yield
    finally:
        os.close(descriptor)


def _own(descriptor: int, data_dir: Path, wait: float) -> None:
    until = time.monotonic() + wait
    while True:
        try:
            return fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            if time.monotonic() >= until:
                raise StorageError(f"another server uses the data directory {data_dir}") from error
        time.sleep(0.05)
