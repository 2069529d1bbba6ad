# SPDX-License-Identifier: GPL-2.0-only
"""The corpus: pairs of versions, from package registries by name and version, or made up from a seed.

`Corpus(directory).pair(definition)` gives two files, made when they are not there, and refuses any whose
SHA-256 is not the one of the definitions. Packages are fetched with the registries' own clients (pip, npm,
apt-get) into `downloads`; the recipes need dpkg-deb and mke2fs.
"""

import gzip
import hashlib
import io
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, cast

from benchmarks.codec import dump, image

CHUNK = 1 << 20


@dataclass(frozen=True)
class Pair:
    """Two versions of a file."""

    name: str
    what: str
    old: Path
    new: Path


def run(*command: str | Path, **options: Any) -> None:
    """Run a program to its good end, quietly."""
    subprocess.run([str(part) for part in command], check=True, stdout=subprocess.DEVNULL, **options)


def sha256(path: Path) -> str:
    """In hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


class Corpus:
    """The pairs in one directory: `<pair>/old` and `<pair>/new`."""

    def __init__(self, directory: Path, expected: dict[str, dict[str, str]], python: Path) -> None:
        """`expected`: SHA-256 by pair and version. `python`: an interpreter with numpy."""
        self.directory, self.expected, self.python = directory, expected, python
        self.downloads = directory / "downloads"

    def pair(self, definition: dict[str, Any]) -> Pair:
        """Both files of a pair, made if need be, and checked."""
        home = self.directory / definition["name"]
        pair = Pair(definition["name"], definition["what"], home / "old", home / "new")
        if not (pair.old.exists() and pair.new.exists()):
            print(f"making {pair.name}", file=sys.stderr)
            home.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(dir=home) as scratch:
                self._make(definition, Path(scratch))
                for version in ("old", "new"):
                    (Path(scratch) / version).replace(home / version)
        for version, path in (("old", pair.old), ("new", pair.new)):
            expected = self.expected.get(pair.name, {}).get(version)
            if expected and (found := sha256(path)) != expected:
                raise ValueError(f"{path} has SHA-256 {found}, not the one of the definitions: remove it")
        return pair

    # -- recipes: each leaves `old` and `new` in `scratch` -------------------------------------------------

    def _make(self, definition: dict[str, Any], scratch: Path) -> None:
        match definition["recipe"]:
            case "dump":
                dump.write(scratch)
            case "weights":
                module = Path(__file__).with_name("weights.py")
                run(self.python, module, definition["change"], scratch)
            case "image":
                image.write(self._package(definition["old"][0]), scratch)
            case recipe:
                for version in ("old", "new"):
                    packages = [self._package(name) for name in definition[version]]
                    with (scratch / version).open("wb") as out:
                        for package in packages:
                            RECIPES[recipe](package, out, definition)

    # -- packages ------------------------------------------------------------------------------------------

    def _package(self, name: str) -> Path:
        """The file of "registry package version"."""
        registry, package, version = name.split()
        home = self.downloads / f"{registry}-{package}-{version.replace(':', '_')}"
        if not home.exists():
            home.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(dir=home.parent) as scratch:
                getattr(self, f"_from_{registry}")(package, version, scratch)
                shutil.copytree(scratch, home)
        (found,) = home.iterdir()
        return found

    def _from_pypi(self, package: str, version: str, folder: str) -> None:
        platforms = [f"--platform=manylinux_2_{minor}_x86_64" for minor in (28, 27, 17)]
        run(
            sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:",
            "--python-version=3.11", "--implementation=cp", *platforms, "--platform=manylinux2014_x86_64",
            "--dest", folder, f"{package}=={version}",
        )  # fmt: skip

    def _from_npm(self, package: str, version: str, folder: str) -> None:
        run("npm", "pack", "--silent", f"{package}@{version}", cwd=folder)

    def _from_debian(self, package: str, version: str, folder: str) -> None:
        # As root apt would download as another user, who may not write here.
        run("apt-get", "download", "-qq", "-o", "APT::Sandbox::User=root", f"{package}={version}", cwd=folder)


Recipe = Callable[[Path, BinaryIO, dict[str, Any]], None]


def _package(package: Path, out: BinaryIO, _: dict[str, Any]) -> None:
    with package.open("rb") as file:
        shutil.copyfileobj(file, out, CHUNK)


def _gunzip(package: Path, out: BinaryIO, _: dict[str, Any]) -> None:
    with gzip.open(package) as file:
        shutil.copyfileobj(cast("BinaryIO", file), out, CHUNK)


def _member(package: Path, out: BinaryIO, definition: dict[str, Any]) -> None:
    with tarfile.open(package) as archive:
        member = archive.extractfile(definition["member"])
        assert member is not None
        shutil.copyfileobj(member, out, CHUNK)


def _debs(package: Path, out: BinaryIO, _: dict[str, Any]) -> None:
    out.flush()
    subprocess.run(["dpkg-deb", "--fsys-tarfile", package], stdout=out, check=True)


def _untangle(package: Path, out: BinaryIO, _: dict[str, Any]) -> None:
    """A zip's files, in its order, as a tar without times."""
    with (
        zipfile.ZipFile(package) as archive,
        tarfile.open(fileobj=out, mode="w", format=tarfile.GNU_FORMAT) as tar,
    ):
        for item in archive.infolist():
            if not item.is_dir():
                content = archive.read(item)
                entry = tarfile.TarInfo(item.filename)
                entry.size, entry.mtime, entry.mode = len(content), 0, 0o644
                tar.addfile(entry, io.BytesIO(content))


RECIPES: dict[str, Recipe] = {
    "package": _package,
    "gunzip": _gunzip,
    "member": _member,
    "debs": _debs,
    "untangle": _untangle,
}


@contextmanager
def scratch_directory(where: Path | None) -> Iterator[Path]:
    """A directory for results, in memory where the system has such a place."""
    shared = Path("/dev/shm")
    parent = where or (shared if shared.is_dir() and os.access(shared, os.W_OK) else None)
    with tempfile.TemporaryDirectory(prefix="bench-codec-", dir=parent) as scratch:
        yield Path(scratch)
