# SPDX-License-Identifier: GPL-2.0-only
"""The release series: each a directory of versions, in the order in which they are stored.

Real packages come through `benchmarks.packages`; the drifting series is made from a seed, all of its
randomness being SHAKE-128 (FIPS 202), so that every machine has the same bytes. A series is checked by the
SHA-256 over all of its versions before it is used.
"""

import hashlib
import sys
import tarfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

from benchmarks.packages import CHUNK, RECIPES, Packages


@dataclass(frozen=True)
class Series:
    """Versions of one directory, oldest first."""

    name: str
    what: str
    versions: tuple[Path, ...]

    @property
    def size(self) -> int:
        """Bytes of all versions."""
        return sum(path.stat().st_size for path in self.versions)


class Corpus:
    """The series in one directory, and their packages in another, which other benchmarks may share."""

    def __init__(self, directory: Path, downloads: Path, definitions: dict[str, Any]) -> None:
        self.directory, self.definitions = directory, definitions
        self.packages = Packages(downloads)

    def series(self, definition: dict[str, Any]) -> Series:
        """A series, made if need be, and checked. ValueError when it is not the expected one."""
        home = self.directory / definition["name"]
        if not home.exists():
            print(f"making {definition['name']}", file=sys.stderr)
            scratch = self.directory / f"{definition['name']}.part"
            scratch.mkdir(parents=True, exist_ok=True)
            for number, write in enumerate(self._versions(definition), 1):
                with (scratch / f"v{number:02d}{definition['suffix']}").open("wb") as out:
                    write(out)
            scratch.replace(home)
        series = Series(definition["name"], definition["what"], tuple(sorted(home.iterdir())))
        expected = self.definitions["sha256"].get(series.name)
        if expected and (found := digest(series)) != expected:
            raise ValueError(f"{home} has SHA-256 {found}, not the one of the definitions: remove it")
        return series

    def _versions(self, definition: dict[str, Any]) -> Iterator[Callable[[BinaryIO], object]]:
        """What writes each version to a file."""
        made_up = self.definitions["drift"]
        if "odd" in definition:
            odd = _shake(f"{made_up['seed']}/odd", definition["odd"])
            yield lambda out: out.write(odd)
        if definition["recipe"] == "drift":
            for version in range(made_up["versions"]):
                yield partial(_write_archive, made_up, version)
        for name in definition.get("packages", ()):
            yield partial(_write_package, self.packages.file(name), definition)


def _write_package(package: Path, definition: dict[str, Any], out: BinaryIO) -> None:
    RECIPES[definition["recipe"]](package, out, definition)


def digest(series: Series) -> str:
    """SHA-256 (hex) of all versions one after the other."""
    found = hashlib.sha256()
    for path in series.versions:
        with path.open("rb") as file:
            while chunk := file.read(CHUNK):
                found.update(chunk)
    return found.hexdigest()


# -- the drifting series -----------------------------------------------------------------------------------


def _shake(label: str, length: int) -> bytes:
    return hashlib.shake_128(label.encode()).digest(length)


def _write_archive(made_up: dict[str, Any], version: int, out: BinaryIO) -> None:
    """A tar of the members as they are in this version; half are text, half incompressible."""
    for number in range(made_up["members"]):
        label = f"{made_up['seed']}/{number}/{_revision(made_up, number, version)}"
        content = _text(made_up, label) if number % 2 else _shake(label, made_up["size"])
        header = tarfile.TarInfo(f"product/part{number:04d}")
        header.size = len(content)
        out.write(header.tobuf(tarfile.USTAR_FORMAT) + content + bytes(-len(content) % 512))
    out.write(bytes(1024))


def _revision(made_up: dict[str, Any], number: int, version: int) -> int:
    """The latest version, up to this one, that renewed the member."""
    for candidate in range(version, 0, -1):
        draw = int.from_bytes(_shake(f"{made_up['seed']}/{number}/{candidate}/renewed", 4), "big") / (1 << 32)
        if draw < made_up["renewed"]:
            return candidate
    return 0


def _text(made_up: dict[str, Any], label: str) -> bytes:
    """Words of two to nine letters from a vocabulary of 256."""
    vocabulary = _shake(f"{made_up['seed']}/vocabulary", 256 * 10)
    words = [
        bytes(97 + letter % 26 for letter in vocabulary[at : at + 2 + vocabulary[at + 9] % 8]) + b" "
        for at in range(0, len(vocabulary), 10)
    ]
    size: int = made_up["size"]
    return b"".join(map(words.__getitem__, _shake(label, size // 3 + 1)))[:size]
