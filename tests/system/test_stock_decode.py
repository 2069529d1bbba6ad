# SPDX-License-Identifier: GPL-2.0-only
"""What is stored can be read without a server: reference and delta become the object again.

Debian's xdelta3 reads the plain form, and the default one behind `zstd -dc`; for the residual form it takes
our command.
"""

import gzip
import io
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.system import artifacts
from tests.system.artifacts import Pair, digest
from tests.system.clients import boto3_client, need
from tests.system.harness import Server


def stored_tgz() -> Pair:
    """Archives with gzip's magic that yet repeat each other: deflate level 0 stores bytes as they are."""

    def pack(data: bytes) -> bytes:
        packed = io.BytesIO()
        with gzip.GzipFile(fileobj=packed, mode="wb", compresslevel=0, mtime=0) as file:
            file.write(data)
        return packed.getvalue()

    first = artifacts.generate(11, 3_000_000)
    return Pair(".tgz", pack(first), pack(artifacts.next_version(first, 12)), 0.2)


PAIRS: dict[str, Callable[[], Pair]] = {
    "stored tgz": stored_tgz,
    **artifacts.SMALL,
    "scipy.tar 120 MB": artifacts.LARGE["scipy.tar 120 MB"],
}


@pytest.fixture(scope="module", params=["plain", "default", "residual"])
def server(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Iterator[Server]:
    form = {"DELTAGLIDER_PROXY_DELTA_FORM": request.param}
    with Server(tmp_path_factory.mktemp("server"), form) as started:
        yield started


@pytest.mark.parametrize("name", PAIRS)
def test_what_is_stored_decodes_without_a_server(server: Server, tmp_path: Path, name: str) -> None:
    pair = PAIRS[name]()
    s3 = boto3_client(server)
    space = f"{name.replace(' ', '-')}/"
    s3.put_object(Bucket="default", Key=f"{space}v1{pair.suffix}", Body=pair.first)
    s3.put_object(Bucket="default", Key=f"{space}v2{pair.suffix}", Body=pair.second)
    s3.close()

    folder = server.data / "buckets" / "default" / "deltaspaces" / space
    (stored,) = folder.glob("*.reference.bin*")
    reference = stored
    if stored.suffix == ".zst":
        reference = tmp_path / stored.stem
        subprocess.run([zstd(), "-d", "-q", "-o", str(reference), str(stored)], check=True, timeout=60)
    form = server.settings["DELTAGLIDER_PROXY_DELTA_FORM"]
    suffix = {"plain": ".delta", "default": ".delta.zst", "residual": ".residual.zst"}[form]
    (delta,) = folder.glob(f"*{suffix}")
    assert delta.name.startswith(stored.name.partition(".")[0] + "-")
    assert delta.name.endswith(f"-v2{pair.suffix}{suffix}")
    assert reference.read_bytes() == pair.first
    print(f"{name}, {form}: {delta.stat().st_size} bytes for {len(pair.second)}")

    target, rebuilt = tmp_path / "target", tmp_path / "rebuilt"
    target.write_bytes(pair.second)
    for command in COMMANDS[form](delta, reference, rebuilt, pair.suffix == ".tgz"):
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stderr
        assert digest(rebuilt) == digest(target)


def zstd() -> str:
    return need(shutil.which("zstd"), "zstd (the Debian package)")


def stock(delta: Path, reference: Path, rebuilt: Path, looks_compressed: bool) -> Iterator[list[str]]:
    """Debian's xdelta3. Without -D it unpacks a source that looks compressed: not what the delta is for."""
    xdelta3 = need(shutil.which("xdelta3"), "xdelta3 (the Debian package)")
    for options in (["-D", "-R"], *([] if looks_compressed else [[]])):
        yield [xdelta3, "-d", "-f", *options, "-s", str(reference), str(delta), str(rebuilt)]


def unpacked_first(
    delta: Path, reference: Path, rebuilt: Path, looks_compressed: bool
) -> Iterator[list[str]]:
    """The same behind `zstd -dc`."""
    plain = rebuilt.with_name("plain")
    with plain.open("wb") as file:
        subprocess.run([zstd(), "-dc", str(delta)], stdout=file, check=True, timeout=60)
    yield from stock(plain, reference, rebuilt, looks_compressed)


def ours(delta: Path, reference: Path, rebuilt: Path, looks_compressed: bool) -> Iterator[list[str]]:
    """Our own program."""
    decode = [sys.executable, "-m", "dgproxy", "delta", "decode", "-f"]
    yield [*decode, "-s", str(reference), str(delta), str(rebuilt)]


COMMANDS = {"plain": stock, "default": unpacked_first, "residual": ours}
