# SPDX-License-Identifier: GPL-2.0-only
"""A disk that forgets: what would be left of a directory if the power went out right now.

While a `ForgetfulDisk` is on, calls that change the file system are done for real and noted. The worst that
POSIX allows is assumed: a file has the content of its last fsync, a directory the entries of its last fsync,
and whatever came after that is lost. (A real file system keeps more, in an order it does not promise.)
"""

import os
import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from unittest import mock

_REAL = {
    name: getattr(os, name)
    for name in ("open", "close", "write", "fsync", "rename", "mkdir", "unlink", "rmdir")
}


class _Node:
    """A file or a directory: as it is, and as it would be after a power cut."""

    def __init__(self, is_directory: bool) -> None:
        self.now: Any = {} if is_directory else b""
        self.kept: Any = {} if is_directory else None
        self.changes = self.kept_changes = 0
        self.is_directory = is_directory

    def change(self) -> None:
        self.changes += 1

    def durable(self) -> bool:
        return self.changes == self.kept_changes and (
            not self.is_directory or all(node.durable() for node in self.now.values())
        )


class ForgetfulDisk:
    """The tree under `root`, which must be empty. Hold `lock` to see one moment of it."""

    def __init__(self, root: str) -> None:
        self.lock = threading.RLock()
        self._prefix = os.fsencode(root)
        self._root = _Node(is_directory=True)
        self._open: dict[int, _Node] = {}

    def after_power_cut(self, path: str) -> bytes | None:
        """A file's content, None when there is no such file."""
        node: _Node | None = self._root
        for name in os.fsencode(path).split(b"/"):
            node = node.kept.get(name) if node is not None else None
        if node is not None:
            assert node.kept is not None, f"{path} has a name, but its content was not synced"
        return None if node is None else bytes(node.kept)

    @contextmanager
    def on(self) -> Iterator[None]:
        doubles: dict[str, Callable[..., Any]] = {
            name: getattr(self, f"_{name}") for name in _REAL if name != "open"
        }
        with mock.patch.multiple(os, open=self._open_file, **doubles):
            yield

    # -- the tree ------------------------------------------------------------------------------------------

    def _names(self, path: Any) -> list[bytes] | None:
        path = os.path.normpath(os.fsencode(path))
        if path == self._prefix:
            return []
        return path[len(self._prefix) + 1 :].split(b"/") if path.startswith(self._prefix + b"/") else None

    def _node(self, path: Any) -> _Node | None:
        names = self._names(path)
        if names is None:
            return None
        node = self._root
        for name in names:
            node = node.now[name]
        return node

    def _parent(self, path: Any) -> tuple[_Node, bytes] | None:
        names = self._names(path)
        if not names:
            return None
        node = self._root
        for name in names[:-1]:
            node = node.now[name]
        return node, names[-1]

    # -- the calls -----------------------------------------------------------------------------------------

    @staticmethod
    def _dawdle() -> None:
        if random.random() < 0.3:
            time.sleep(random.random() * 0.001)

    def _open_file(self, path: Any, flags: int, *args: Any, **kwargs: Any) -> int:
        with self.lock:
            descriptor: int = _REAL["open"](path, flags, *args, **kwargs)
            parent = self._parent(path) if flags & os.O_CREAT else None
            if parent is not None and parent[1] not in parent[0].now:
                parent[0].now[parent[1]] = _Node(is_directory=False)
                parent[0].change()
            if (node := self._node(path)) is not None:
                self._open[descriptor] = node
            return descriptor

    def _close(self, descriptor: int) -> None:
        with self.lock:
            self._open.pop(descriptor, None)
            _REAL["close"](descriptor)

    def _write(self, descriptor: int, data: Any) -> int:
        with self.lock:
            written: int = _REAL["write"](descriptor, data)
            if (node := self._open.get(descriptor)) is not None:
                node.now += bytes(data[:written])
                node.change()
            return written

    def _fsync(self, descriptor: int) -> None:
        self._dawdle()
        with self.lock:
            node = self._open.get(descriptor, _Node(is_directory=True))  # ours, or one outside
            snapshot, changes = node.now.copy() if node.is_directory else node.now, node.changes
        self._dawdle()
        _REAL["fsync"](descriptor)
        with self.lock:
            if changes >= node.kept_changes:
                node.kept, node.kept_changes = snapshot, changes

    def _rename(self, source: Any, target: Any) -> None:
        self._dawdle()
        with self.lock:
            _REAL["rename"](source, target)
            (old, name), (new, new_name) = (
                self._parent(source) or (None, b""),
                self._parent(target) or (None, b""),
            )
            assert old is not None
            assert new is not None
            node = old.now.pop(name)
            if b"staging" not in target:
                assert node.durable(), f"{target!r} is published before its content is durable"
            new.now[new_name] = node
            old.change()
            new.change()

    def _mkdir(self, path: Any, mode: int = 0o777) -> None:
        self._dawdle()
        with self.lock:
            _REAL["mkdir"](path, mode)
            if (parent := self._parent(path)) is not None:
                parent[0].now[parent[1]] = _Node(is_directory=True)
                parent[0].change()

    def _unlink(self, path: Any) -> None:
        self._remove("unlink", path)

    def _rmdir(self, path: Any) -> None:
        self._remove("rmdir", path)

    def _remove(self, call: str, path: Any) -> None:
        self._dawdle()
        with self.lock:
            _REAL[call](path)
            if (parent := self._parent(path)) is not None:
                del parent[0].now[parent[1]]
                parent[0].change()
