# SPDX-License-Identifier: GPL-2.0-only
"""Directories in key order, and what is remembered of them."""

import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from unittest import mock

import pytest

from dgproxy.storage.filesystem import directories
from dgproxy.storage.filesystem.directories import Directories


def texts(directory: Directories, path: Path, start: str = "") -> list[str]:
    return list(directory.walk(bytes(path), engines=False, start=start))


def let_it_settle() -> None:
    """Wait until a change of a directory has another mtime than what went before."""
    time.sleep(0.03)


@pytest.fixture
def reads() -> Iterator[list[bytes]]:
    """The directories that were read from the disk."""
    seen: list[bytes] = []
    real = directories.scan

    def scan(path: bytes) -> Iterator["os.DirEntry[bytes]"]:
        seen.append(path)
        return real(path)

    with mock.patch.object(directories, "scan", scan):
        yield seen


def test_sorted_from_a_text_on(tmp_path: Path) -> None:
    for name in ("b.meta", "a.meta", "c.meta", "stranger"):
        (tmp_path / name).touch()
    (tmp_path / "a").mkdir()
    (tmp_path / ("x" * 238 + "%~")).mkdir()
    names = Directories()
    everything = ["a", "a/", "b", "c", "x" * 238]
    for start, first in 2 * list({
        "": 0, "a": 0, "a/": 1, "a/b/c": 1, "a0": 2, "b": 2, "bb": 3, "d": 4, "x" * 238 + "y": 4, "y": 5,
    }.items()):  # fmt: skip
        let_it_settle()
        assert texts(names, tmp_path, start) == everything[first:], start
    assert texts(names, tmp_path / "none") == []


@pytest.mark.parametrize("chunk", [2, 3, 7, 1000])
def test_chunks_meet(tmp_path: Path, chunk: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(directories, "_CHUNK", chunk)
    names = sorted({f"{i % 5}{'a' * (i % 7)}" for i in range(40)} | {"0a/", "3/", "9/"})
    for name in names:
        (tmp_path / name).mkdir() if name.endswith("/") else (tmp_path / f"{name}.meta").touch()
    read = Directories()
    for start in ["", "0", "0a/x", "2aaaa", "3/b", "9/", "99"]:
        found = texts(read, tmp_path, start)
        assert found == [
            name for name in names if name >= start or (name.endswith("/") and start.startswith(name))
        ]


def test_an_unchanged_directory_is_read_once(tmp_path: Path, reads: list[bytes]) -> None:
    for i in range(10):
        (tmp_path / f"{i}.meta").touch()
    let_it_settle()
    names = Directories()
    for start in ("", "3", "9", ""):
        assert texts(names, tmp_path, start) == [str(i) for i in range(10) if str(i) >= start]
    assert len(reads) == 1


@pytest.mark.parametrize("settled", [False, True])
def test_every_change_is_seen(tmp_path: Path, settled: bool) -> None:
    names = Directories()
    there: set[str] = set()
    for i in range(400):
        name = str(i * 7919 % 37)
        path = tmp_path / f"{name}.meta"
        if name in there and i % 3:
            path.unlink()
            there.remove(name)
        else:
            path.touch()
            there.add(name)
        if settled and i % 40 == 0:
            let_it_settle()
        assert texts(names, tmp_path) == sorted(there)
        assert texts(names, tmp_path) == sorted(there)


def test_a_directory_made_anew_is_another(tmp_path: Path) -> None:
    names = Directories()
    for i in range(5):
        (tmp_path / "d").mkdir()
        (tmp_path / "d" / f"{i}.meta").touch()
        let_it_settle()
        assert texts(names, tmp_path / "d") == [str(i)]
        (tmp_path / "d" / f"{i}.meta").unlink()
        (tmp_path / "d").rmdir()
        assert texts(names, tmp_path / "d") == []


def test_room_is_bounded(tmp_path: Path, reads: list[bytes], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(directories, "_ROOM", 50)
    paths = [tmp_path / str(i) for i in range(20)]
    for path in paths:
        path.mkdir()
        for i in range(9):
            (path / f"{i}.meta").touch()
    let_it_settle()
    names = Directories()
    for path in paths:
        assert len(texts(names, path)) == 9
    assert len(names._kept) == 5
    assert names._room == 0
    reads.clear()
    for path in reversed(paths):
        assert len(texts(names, path)) == 9
    assert len(reads) == 15


def test_many_threads(tmp_path: Path) -> None:
    for i in range(300):
        (tmp_path / f"{i:03}.meta").touch()
    names, stop, wrong = Directories(), threading.Event(), []
    always = {f"{i:03}" for i in range(300)}

    def read() -> None:
        while not stop.is_set():
            found = texts(names, tmp_path)
            if found != sorted(found) or not always <= set(found):
                wrong.append(found)

    threads = [threading.Thread(target=read) for _ in range(4)]
    for thread in threads:
        thread.start()
    for i in range(200):
        (tmp_path / f"x{i}.meta").touch()
        (tmp_path / "new").touch()
        (tmp_path / "new").rename(tmp_path / f"{i:03}.meta")
    stop.set()
    for thread in threads:
        thread.join()
    assert not wrong
