# SPDX-License-Identifier: GPL-2.0-only
"""What a release series is stored with: this server, and programs people use instead.

Each takes a series and a directory of its own and leaves there what it stores. Whatever comes back out is
compared with what went in; the size of a store is the sum of its files' sizes, in bytes.
"""

import filecmp
import os
import shutil
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import boto3
from boto3.s3.transfer import TransferConfig
from botocore import UNSIGNED
from botocore.config import Config

from benchmarks.packages import run
from benchmarks.series.corpus import Series
from tests.system.harness import Server, environment

BUCKET = "series"
PREFIX = "product/"
PART = 8 << 20  # what aws-cli and boto3 cut uploads into (boto3's TransferConfig, multipart_chunksize)


class Mismatch(RuntimeError):
    """A store gave other bytes back than it was given."""


def ours(series: Series, home: Path) -> dict[str, int]:
    """Stored by this server: as single PUTs and as aws-cli sends them, and both after the optimizer."""
    whole = home / "put"
    parts = home / "parts"
    for place, part in ((whole, 5 << 30), (parts, PART)):
        with Server(place) as server:
            client = _client(server)
            client.create_bucket(Bucket=BUCKET)
            transfer = TransferConfig(multipart_threshold=part, multipart_chunksize=part)
            for version in series.versions:
                client.upload_file(str(version), BUCKET, PREFIX + version.name, Config=transfer)
            _compare(client, series, home / "back")
    found = {"dgproxy": _bucket(whole), "dgproxy in parts": _bucket(parts)}
    for place, name in ((whole, "dgproxy optimized"), (parts, "dgproxy in parts, optimized")):
        _command(place, "optimize")
        with Server(place) as server:
            _compare(_client(server), series, home / "back")
        found[name] = _bucket(place)
    return found


def _client(server: Server) -> Any:  # boto3 makes its classes as it runs
    # Signature Version 4 reads a body twice; what is stored does not depend on it.
    config = Config(signature_version=UNSIGNED, retries={"max_attempts": 1}, read_timeout=600)
    return boto3.client("s3", endpoint_url=server.url, region_name="us-east-1", config=config)


def _compare(client: Any, series: Series, back: Path) -> None:
    for version in series.versions:
        client.download_file(BUCKET, PREFIX + version.name, str(back))
        _same(version, back)


def _command(home: Path, *arguments: str) -> None:
    """Run a command of ours on a server's data directory."""
    settings: Mapping[str, str] = {"DELTAGLIDER_PROXY_DATA_DIR": str(home / "data")}
    command = ["deltaglider_proxy", *arguments]
    subprocess.run(command, env=environment(settings), check=True, stdout=subprocess.DEVNULL)


def _bucket(home: Path) -> int:
    return _size(home / "data" / "buckets" / BUCKET)


def fixed_reference(series: Series, home: Path) -> int:
    """The first version whole, and every other as a delta against it: xdelta3 -9 with LZMA."""
    first, *rest = series.versions
    shutil.copyfile(first, home / first.name)
    window = str(max(64 << 20, first.stat().st_size))
    for version in rest:
        delta, back = home / f"{version.name}.delta", home / "back"
        xdelta3 = ["xdelta3", "-q", "-f", "-D", "-B", window]
        run(*xdelta3, "-e", "-9", "-S", "lzma", "-A=", "-s", first, version, delta)
        run(*xdelta3, "-d", "-R", "-s", first, delta, back)
        _same(version, back)
    return _size(home)


def previous_version(series: Series, home: Path) -> int:
    """A chain: the first version compressed, and every other with zstd --patch-from the one before."""
    before: Path | None = None
    for version in series.versions:
        stored, back = home / f"{version.name}.zst", home / "back"
        patch = [f"--patch-from={before}"] if before else []
        run("zstd", "-q", "-f", "--long=31", *patch, version, "-o", stored)
        run("zstd", "-q", "-f", "-d", "--long=31", *patch, stored, "-o", back)
        _same(version, back)
        before = version
    return _size(home)


def restic(series: Series, home: Path) -> int:
    """A repository with one backup after each version, compressed as restic does it by itself."""
    repository, back = home / "repository", home / "back"
    settings = {
        **os.environ,
        "RESTIC_REPOSITORY": str(repository),
        "RESTIC_PASSWORD": "benchmark",
        "RESTIC_CACHE_DIR": str(home / "cache"),
    }
    run("restic", "-q", "init", env=settings)
    for version in series.versions:
        run("restic", "-q", "backup", version.name, cwd=version.parent, env=settings)
        with back.open("wb") as out:
            subprocess.run(
                ["restic", "-q", "dump", "latest", f"/{version.name}"], env=settings, stdout=out, check=True
            )
        _same(version, back)
    return _size(repository)


#: The programs the targets compare us with, by the names that records and tables use.
PEERS: dict[str, Callable[[Series, Path], int]] = {
    "xdelta3 -9, first version": fixed_reference,
    "zstd, previous version": previous_version,
    "restic": restic,
}


def _same(version: Path, back: Path) -> None:
    """Mismatch unless the file that came back is the version; it is removed."""
    if not filecmp.cmp(version, back, shallow=False):
        raise Mismatch(f"{version} came back with other bytes")
    back.unlink()


def _size(folder: Path) -> int:
    """Bytes of all files, those with several names counted once."""
    files = {path.stat().st_ino: path.stat().st_size for path in folder.rglob("*") if path.is_file()}
    return sum(files.values())
