# SPDX-License-Identifier: GPL-2.0-only
"""Real files for benchmarks: packages by registry, name and version, and what is made of one.

`Packages(directory).file("pypi numpy 2.3.0")` fetches a package once, with the registry's own client (pip,
npm, apt-get); a recipe turns it into the file that is measured. Whether it is the expected file is the
caller's to check: it has the hashes.
"""

import gzip
import hashlib
import io
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO, cast

CHUNK = 1 << 20


def run(*command: str | Path, **options: Any) -> None:
    """Run a program to its good end, quietly."""
    subprocess.run([str(part) for part in command], check=True, stdout=subprocess.DEVNULL, **options)


def sha256(path: Path) -> str:
    """In hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


class Packages:
    """Packages as their registries give them, kept in one directory."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def file(self, name: str) -> Path:
        """The file of "registry package version"."""
        registry, package, version = name.split()
        home = self.directory / f"{registry}-{package}-{version.replace(':', '_')}"
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


#: What a definition calls them: each writes a package, changed or not, to a file.
RECIPES: dict[str, Recipe] = {
    "package": _package,
    "gunzip": _gunzip,
    "member": _member,
    "debs": _debs,
    "untangle": _untangle,
}
