# SPDX-License-Identifier: GPL-2.0-only
"""Artifacts to store: pairs of versions, real ones from PyPI and synthetic ones that need no network.

The real ones are wheels, pinned by SHA-256 and fetched by pip, as they are (`.zip`: a wheel is one) or
unpacked into a `.tar`, where far more repeats from version to version. They are kept in a cache directory
between runs.
"""

import hashlib
import io
import os
import random
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

CACHE = Path(os.environ.get("DGPROXY_TEST_CACHE") or Path.home() / ".cache" / "deltaglider-proxy-tests")


@dataclass(frozen=True)
class Wheel:
    """One file of a release on PyPI."""

    project: str
    version: str
    sha256: str
    #: pip's idea of the platform it is for; empty for pure Python.
    platform: str = ""

    def fetch(self) -> Path:
        """The file, from the cache or by pip; skips the test when the registry can't be reached."""
        path = CACHE / f"{self.project}-{self.version}.whl"
        if path.exists() and digest(path) == self.sha256:
            return path
        CACHE.mkdir(parents=True, exist_ok=True)
        folder = CACHE / f"{path.name}.{os.getpid()}"
        pin = folder / "requirements.txt"
        folder.mkdir()
        pin.write_text(f"{self.project}=={self.version} --hash=sha256:{self.sha256}\n")
        chosen = ["--platform", self.platform, "--python-version", "3.11"] if self.platform else []
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:"]
        command += [*chosen, "--require-hashes", "-d", str(folder), "-r", str(pin)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)
        found = list(folder.glob("*.whl"))
        if done.returncode == 0 and found:
            found[0].replace(path)
        for left in folder.iterdir():
            left.unlink()
        folder.rmdir()
        if done.returncode != 0:
            pytest.skip(f"pip can't fetch {self.project} {self.version}: {done.stderr.strip()[-300:]}")
        return path


def digest(path: Path) -> str:
    """SHA-256 of a file, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def unpacked(wheel: Path) -> Path:
    """The wheel's members as a tar, the same bytes each time; made once."""
    path = wheel.with_suffix(".tar")
    if not path.exists():
        staged = path.with_name(f"{path.name}.{os.getpid()}")
        with zipfile.ZipFile(wheel) as source, tarfile.open(staged, "w", format=tarfile.GNU_FORMAT) as target:
            for member in source.infolist():
                entry = tarfile.TarInfo(member.filename)
                entry.size = member.file_size
                target.addfile(entry, io.BytesIO(source.read(member)))
        staged.replace(path)
    return path


@dataclass(frozen=True)
class Pair:
    """Two consecutive versions of one artifact."""

    suffix: str
    first: bytes
    second: bytes
    #: The second version is stored in less than this share of its size; stock xdelta3 needs about half of it.
    ratio: float


def generate(seed: int, size: int) -> bytes:
    """`size` bytes that repeat nowhere; the same for a seed."""
    return random.Random(seed).randbytes(size)


def next_version(first: bytes, seed: int) -> bytes:
    """What a release does to an archive: small edits all over, files replaced, bytes moved and added."""
    dice = random.Random(seed)
    second = bytearray(first)
    for _ in range(max(4, len(first) >> 18)):
        at = dice.randrange(len(second))
        second[at : at + 16] = dice.randbytes(dice.randrange(8, 24))
    for _ in range(4):
        at, length = dice.randrange(len(second)), len(first) // 200
        second[at : at + length] = dice.randbytes(length)
    cut = dice.randrange(len(second))
    return bytes(second[cut:] + second[:cut]) + dice.randbytes(len(first) // 200)


_SCIPY = (
    Wheel(
        "scipy",
        "1.16.2",
        "f5db5ba6188d698ba7abab982ad6973265b74bb40a1efe1821b58c87f73892b9",
        "manylinux2014_x86_64",
    ),
    Wheel(
        "scipy",
        "1.16.3",
        "0151a0749efeaaab78711c78422d413c583b8cdd2011a3c1d6c794938ee9fdb2",
        "manylinux2014_x86_64",
    ),
)
_NETWORKX = (
    Wheel("networkx", "3.4.1", "e30a87b48c9a6a7cc220e732bffefaee585bdb166d13377734446ce1a0620eed"),
    Wheel("networkx", "3.4.2", "df5d4365b724cf81b8c6a7312509d0c22386097011ad1abe274afd5e9d3bbc5f"),
)


def _real(wheels: tuple[Wheel, Wheel], suffix: str, ratio: float) -> Callable[[], Pair]:
    def make() -> Pair:
        paths = [wheel.fetch() for wheel in wheels]
        first, second = (unpacked(path) if suffix == ".tar" else path for path in paths)
        return Pair(suffix, first.read_bytes(), second.read_bytes(), ratio)

    return make


def _synthetic(size: int) -> Callable[[], Pair]:
    def make() -> Pair:
        first = generate(size, size)
        return Pair(".tar", first, next_version(first, size + 1), 0.1)

    return make


#: By name; over 20 MB (the aws-cli sends parts from 8 MB on) and under 8 MB (one PUT).
LARGE: dict[str, Callable[[], Pair]] = {
    "synthetic 24 MB": _synthetic(24_000_000),
    "scipy.zip 36 MB": _real(_SCIPY, ".zip", 0.6),
    "scipy.tar 120 MB": _real(_SCIPY, ".tar", 0.08),
}
SMALL: dict[str, Callable[[], Pair]] = {
    "synthetic 5 MB": _synthetic(5_000_000),
    "networkx.zip 1.7 MB": _real(_NETWORKX, ".zip", 0.15),
    "networkx.tar 6.9 MB": _real(_NETWORKX, ".tar", 0.01),
}
