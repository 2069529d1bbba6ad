# SPDX-License-Identifier: GPL-2.0-only
"""The data directory: made, recognised, refused, owned and cleaned."""

import os
import stat
import subprocess
from pathlib import Path

import pytest

from dgproxy.storage.backend import StorageError
from dgproxy.storage.filesystem import FilesystemBackend, claim

FORMAT = b"DeltaGlider Proxy data directory, format 1\n"


def test_made_on_first_use(tmp_path: Path) -> None:
    data_dir = tmp_path / "data"
    for _ in range(2):
        with claim(data_dir):
            FilesystemBackend.open(data_dir)
        assert sorted(path.name for path in data_dir.iterdir()) == [
            "buckets",
            "format",
            "lock",
            "locks",
            "staging",
        ]
        assert (data_dir / "format").read_bytes() == FORMAT
        assert stat.S_IMODE(data_dir.stat().st_mode) == 0o700


@pytest.mark.parametrize(
    "names", [[], ["lost+found/"], [".Trash-0/", ".keep"], ["staging/", "lock"], ["buckets/"]]
)
def test_an_empty_directory_will_do(tmp_path: Path, names: list[str]) -> None:
    for name in names:
        (tmp_path / name).mkdir() if name.endswith("/") else (tmp_path / name).touch()
    FilesystemBackend.open(tmp_path)
    assert (tmp_path / "format").read_bytes() == FORMAT


@pytest.mark.parametrize("name", ["notes.txt", "bucket", "buckets/bucket"])
def test_a_directory_with_something_else_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / name).mkdir(parents=True)
    before = sorted(tmp_path.rglob("*"))
    for opening in (lambda: FilesystemBackend.open(tmp_path), lambda: claim(tmp_path).__enter__()):
        with pytest.raises(StorageError, match=r"no file 'format'.*give an empty directory"):
            opening()
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize(
    "said", [b"", b"DeltaGlider Proxy data directory, format 2\n", FORMAT + b"x", b"\xff" * 9999]
)
def test_an_unknown_format_is_refused(tmp_path: Path, said: bytes) -> None:
    with claim(tmp_path):
        pass
    (tmp_path / "format").write_bytes(said)
    (tmp_path / "staging/left").touch()
    for opening in (lambda: FilesystemBackend.open(tmp_path), lambda: claim(tmp_path).__enter__()):
        with pytest.raises(StorageError, match="not a data directory this version can read"):
            opening()
    assert (tmp_path / "staging/left").exists()


def test_a_path_that_cannot_be_a_directory(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for data_dir in (tmp_path / "file", tmp_path / "none" / "data", tmp_path / "file" / "data"):
        with pytest.raises(StorageError, match=r"No such file|Not a directory"):
            FilesystemBackend.open(data_dir)


def test_a_claim_empties_staging(tmp_path: Path) -> None:
    with claim(tmp_path):
        pass
    deep = tmp_path / "staging" / "tree"
    subprocess.run(["mkdir", "-p", f"{deep}/{'d/' * 1200}"], check=True)  # deeper than Python recurses
    (deep / "file").touch()
    (tmp_path / "staging" / "file").touch()
    os.symlink("/etc", tmp_path / "staging" / "link")
    FilesystemBackend.open(tmp_path)
    assert len(os.listdir(tmp_path / "staging")) == 3
    with claim(tmp_path):
        assert os.listdir(tmp_path / "staging") == []
    assert os.path.exists("/etc/passwd")


def test_a_claim_ends_with_its_block(tmp_path: Path) -> None:
    for _ in range(3):
        with pytest.raises(ZeroDivisionError), claim(tmp_path, wait=0):
            raise ZeroDivisionError
