# SPDX-License-Identifier: GPL-2.0-only
"""fsync of directories, shared by all threads that need it at the same time.

An fsync answers for every change made before it began. So a thread that comes while one runs can't use it,
but all that come meanwhile can share the next. Promises that a call returns only after an fsync of its
directory which began after the call did, and raises its error if that failed. Nothing about files here.
"""

import os
import threading
from concurrent.futures import Future

from dgproxy.storage.filesystem.oserrors import about


class _Directory:
    """One directory's syncs: at most one runs, at most one is gathering callers."""

    __slots__ = ("callers", "gathering", "turn")

    def __init__(self) -> None:
        self.callers = 0
        self.turn = threading.Lock()
        self.gathering: Future[None] | None = None


class DirectorySync:
    """Call it with a directory's path. Raises OSError."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._directories: dict[bytes, _Directory] = {}

    def __call__(self, path: bytes) -> None:
        """Sync a directory, alone or with others."""
        with self._guard:
            directory = self._directories.setdefault(path, _Directory())
            directory.callers += 1
            first = directory.gathering is None
            if directory.gathering is None:
                directory.gathering = Future()
            shared = directory.gathering
        try:
            if first:
                self._lead(path, directory, shared)
            shared.result()
        finally:
            with self._guard:
                directory.callers -= 1
                if not directory.callers:
                    del self._directories[path]

    def _lead(self, path: bytes, directory: _Directory, shared: "Future[None]") -> None:
        with directory.turn:
            with self._guard:
                directory.gathering = None  # whoever comes from here on may have changed what is not synced
            try:
                _fsync(path)
            except BaseException as error:
                shared.set_exception(error)
                raise
            shared.set_result(None)


def _fsync(path: bytes) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        with about(path):
            os.fsync(descriptor)
    finally:
        os.close(descriptor)
