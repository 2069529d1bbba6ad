# SPDX-License-Identifier: GPL-2.0-only
"""The corpus: pairs of versions, from package registries by name and version, or made up from a seed.

`Corpus(directory).pair(definition)` gives two files, made when they are not there, and refuses any whose
SHA-256 is not the one of the definitions. Packages are fetched with the registries' own clients (pip, npm,
apt-get) into `downloads`; the recipes need dpkg-deb and mke2fs.
"""

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.codec import dump, image
from benchmarks.packages import RECIPES, Packages, run, sha256


@dataclass(frozen=True)
class Pair:
    """Two versions of a file."""

    name: str
    what: str
    old: Path
    new: Path


class Corpus:
    """The pairs in one directory: `<pair>/old` and `<pair>/new`."""

    def __init__(self, directory: Path, expected: dict[str, dict[str, str]], python: Path) -> None:
        """`expected`: SHA-256 by pair and version. `python`: an interpreter with numpy."""
        self.directory, self.expected, self.python = directory, expected, python
        self.packages = Packages(directory / "downloads")

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
                image.write(self.packages.file(definition["old"][0]), scratch)
            case recipe:
                for version in ("old", "new"):
                    packages = [self.packages.file(name) for name in definition[version]]
                    with (scratch / version).open("wb") as out:
                        for package in packages:
                            RECIPES[recipe](package, out, definition)


@contextmanager
def scratch_directory(where: Path | None) -> Iterator[Path]:
    """A directory for results, in memory where the system has such a place."""
    shared = Path("/dev/shm")
    parent = where or (shared if shared.is_dir() and os.access(shared, os.W_OK) else None)
    with tempfile.TemporaryDirectory(prefix="bench-codec-", dir=parent) as scratch:
        yield Path(scratch)
