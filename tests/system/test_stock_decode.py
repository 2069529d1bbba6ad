# SPDX-License-Identifier: GPL-2.0-only
"""What is stored can be read without us: Debian's xdelta3 turns reference and delta back into the object."""

import gzip
import io
import shutil
import subprocess
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


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with Server(tmp_path_factory.mktemp("server")) as started:
        yield started


@pytest.mark.parametrize("name", PAIRS)
def test_stock_xdelta3_decodes_what_is_stored(server: Server, tmp_path: Path, name: str) -> None:
    xdelta3 = need(shutil.which("xdelta3"), "xdelta3 (the Debian package)")
    pair = PAIRS[name]()
    s3 = boto3_client(server)
    space = f"{name.replace(' ', '-')}/"
    s3.put_object(Bucket="default", Key=f"{space}v1{pair.suffix}", Body=pair.first)
    s3.put_object(Bucket="default", Key=f"{space}v2{pair.suffix}", Body=pair.second)
    s3.close()

    folder = server.data / "buckets" / "default" / "deltaspaces" / space
    (reference,) = folder.glob("*.reference.bin")
    (delta,) = folder.glob("*.delta")
    assert delta.name.startswith(reference.name.removesuffix(".reference.bin") + "-")
    assert delta.name.endswith(f"-v2{pair.suffix}.delta")
    assert reference.read_bytes() == pair.first
    print(f"{name}: {delta.stat().st_size} bytes for {len(pair.second)}")

    target, rebuilt = tmp_path / "target", tmp_path / "rebuilt"
    target.write_bytes(pair.second)
    # Without -D xdelta3 unpacks a source that looks compressed, and the delta is not against that.
    for options in (["-D", "-R"], *([] if pair.suffix == ".tgz" else [[]])):
        command = [xdelta3, "-d", "-f", *options, "-s", str(reference), str(delta), str(rebuilt)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stderr
        assert digest(rebuilt) == digest(target)
