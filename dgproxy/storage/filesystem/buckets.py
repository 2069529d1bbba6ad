# SPDX-License-Identifier: GPL-2.0-only
"""Buckets as directories: they come and go in one rename each. Blocking code, for threads.

A bucket is there when its directory is; `bucket.json` in it says since when. It is built in staging and
renamed into place, and renamed back into staging to be removed, so that a crash leaves it whole, absent, or
garbage in staging. What is in a bucket's files is not known here.
"""

import json
import os
import time
from contextlib import suppress
from typing import Final

from dgproxy.storage.backend import Bucket, BucketExists, BucketNotEmpty, BucketNotFound, Damaged
from dgproxy.storage.filesystem import keymap
from dgproxy.storage.filesystem.durable import Disk
from dgproxy.storage.filesystem.layout import Layout
from dgproxy.storage.filesystem.locks import Kind, Lock, LockFile
from dgproxy.storage.filesystem.trees import has_file, remove_tree

_RECORD: Final = b"bucket.json"
_ATTEMPTS: Final = 3


class Buckets:
    """The bucket half of the backend; see the contract."""

    def __init__(self, layout: Layout, disk: Disk, locks: LockFile) -> None:
        self._layout = layout
        self._disk = disk
        self._locks = locks

    def create(self, bucket: str) -> None:
        """Raises BucketExists."""
        record = {"format": 1, "created": time.time_ns() // 1_000_000}
        try:
            self._disk.create_tree(self._layout.bucket(bucket), {_RECORD: json.dumps(record).encode()})
        except FileExistsError as error:
            raise BucketExists(f"bucket {bucket!r} exists") from error

    def delete(self, bucket: str) -> None:
        """Raises BucketNotFound, BucketNotEmpty."""
        root = self._layout.bucket(bucket)
        self._layout.require(bucket)
        self._refuse_objects(bucket, root)  # first without the lock: this may be long, writers need not wait
        with self._locks.held(Lock(Kind.BUCKET, bucket)):
            self._refuse_objects(bucket, root)
            try:
                garbage = self._disk.take_away(root)
            except FileNotFoundError as error:
                raise self._layout.not_found(bucket) from error
        self._disk.settle(self._layout.buckets, self._layout.buckets)
        with suppress(OSError):  # the bucket is gone; what is left of it goes at the next start
            remove_tree(garbage)

    def head(self, bucket: str) -> Bucket:
        """Raises BucketNotFound; Damaged when the bucket is there, but not what it should say."""
        path = os.path.join(self._layout.bucket(bucket), _RECORD)
        try:
            record = json.loads(self._read(bucket, path))
        except ValueError as error:
            raise Damaged(f"{os.fsdecode(path)} is not JSON") from error
        match record:
            case {"format": 1, "created": int(created)}:
                return Bucket(bucket, created)
        raise Damaged(f"{os.fsdecode(path)} does not say what a bucket's record says")

    def _read(self, bucket: str, path: bytes) -> bytes:
        for _ in range(_ATTEMPTS):
            try:
                with open(path, "rb") as file:
                    return file.read()
            except FileNotFoundError:
                self._layout.require(bucket)  # when it is there it was, perhaps, deleted and created since
        raise Damaged(f"{os.fsdecode(path)} is missing")

    def list_all(self) -> list[Bucket]:
        """All, by name."""
        buckets = []
        for name in self._names():
            with suppress(BucketNotFound):  # deleted since
                buckets.append(self.head(name))
        return buckets

    def _names(self) -> list[str]:
        with os.scandir(self._layout.buckets) as entries:
            directories = [entry.name for entry in entries if entry.is_dir(follow_symlinks=False)]
        names = (keymap.decode_bucket(name.decode(errors="replace")) for name in directories)
        return sorted(name for name in names if name is not None)

    def _refuse_objects(self, bucket: str, root: bytes) -> None:
        if has_file(os.path.join(root, keymap.OBJECTS.encode())):
            raise BucketNotEmpty(f"bucket {bucket!r} has objects")
