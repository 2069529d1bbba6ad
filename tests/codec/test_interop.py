# SPDX-License-Identifier: GPL-2.0-only
"""Both ways with the stock tool (Debian's xdelta3 3.0.11), which must be run with -D -R on raw bytes."""

import gzip
import mmap
import random
import shutil
import subprocess
from pathlib import Path

import pytest

from dgproxy.codec.delta import (
    FILE_HEADER,
    WINDOW_MAX,
    CorruptDelta,
    Encoder,
    Level,
    SourceIndex,
    encode_window,
    to_plain,
)
from tests.codec.material import decode, encode

STOCK = shutil.which("xdelta3")
pytestmark = pytest.mark.skipif(STOCK is None, reason="xdelta3 is not installed: apt-get install xdelta3")


def stock(*args: str | Path) -> None:
    assert STOCK
    subprocess.run([STOCK, "-q", "-f", *map(str, args)], check=True, capture_output=True, timeout=60)


def words(seed: int, count: int) -> bytes:
    rng = random.Random(seed)
    return b" ".join(b"%x" % rng.getrandbits(rng.choice((4, 12, 30))) for _ in range(count))


def edited(source: bytes, seed: int) -> bytes:
    rng = random.Random(seed)
    out = bytearray(source)
    for _ in range(40):
        at = rng.randrange(len(out))
        out[at : at + rng.randrange(60)] = words(rng.randrange(1000), rng.randrange(40))
    at = rng.randrange(len(out))
    return bytes(out[at:] + bytes(5000) + out[:at] + out[:700] * 3)


PAIRS = {
    "text": (words(1, 60_000), edited(words(1, 60_000), 2)),
    "binary": (random.Random(1).randbytes(900_000), edited(random.Random(1).randbytes(900_000), 3)),
    "unrelated": (random.Random(1).randbytes(50_000), random.Random(2).randbytes(70_000)),
    "same": (words(5, 9000), words(5, 9000)),
    "no source": (b"", words(5, 9000)),
    "zeros": (bytes(100_000), bytes(300_000)),
    "gzip magic": (
        gzip.compress(words(6, 20_000), mtime=0),
        gzip.compress(edited(words(6, 20_000), 7), mtime=0),
    ),
}


@pytest.fixture(params=PAIRS, ids=PAIRS)
def pair(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[bytes, bytes]:
    source, target = PAIRS[request.param]
    (tmp_path / "source").write_bytes(source)
    (tmp_path / "target").write_bytes(target)
    return source, target


@pytest.mark.parametrize("window_size", [1000, 1 << 17, WINDOW_MAX])
@pytest.mark.parametrize("level", ["fast", "thorough"])
def test_stock_reads_ours(pair: tuple[bytes, bytes], tmp_path: Path, window_size: int, level: Level) -> None:
    source, target = pair
    (tmp_path / "delta").write_bytes(encode(source, target, window_size, level))
    stock("-d", "-D", "-R", "-s", tmp_path / "source", tmp_path / "delta", tmp_path / "result")
    assert (tmp_path / "result").read_bytes() == target


def test_stock_reads_what_was_residual(pair: tuple[bytes, bytes], tmp_path: Path) -> None:
    source, target = pair
    index = SourceIndex.build(source)
    windows = [
        to_plain(source, encode_window(index, target[at : at + 65536], form="residual", position=at))
        for at in range(0, len(target), 65536)
    ]
    (tmp_path / "delta").write_bytes(FILE_HEADER + b"".join(windows))
    stock("-d", "-D", "-R", "-s", tmp_path / "source", tmp_path / "delta", tmp_path / "result")
    assert (tmp_path / "result").read_bytes() == target


@pytest.mark.parametrize(
    "options", ["-1", "-3", "-9", "-n", "-A=", "-A=some/name//other", "-3 -W 16384", "-9 -n -W 65536", "-0"]
)
def test_we_read_stock(pair: tuple[bytes, bytes], tmp_path: Path, options: str) -> None:
    source, target = pair
    arguments = options.split()
    stock(
        "-e",
        "-D",
        "-S",
        "none",
        *arguments,
        "-s",
        tmp_path / "source",
        tmp_path / "target",
        tmp_path / "delta",
    )
    assert decode(source, (tmp_path / "delta").read_bytes()) == target


@pytest.mark.parametrize("compressor", ["lzma", "djw", "fgk"])
def test_secondary_compression_is_named(tmp_path: Path, compressor: str) -> None:
    source, target = PAIRS["text"]
    (tmp_path / "source").write_bytes(source)
    (tmp_path / "target").write_bytes(target)
    stock("-e", "-D", "-S", compressor, "-s", tmp_path / "source", tmp_path / "target", tmp_path / "delta")
    with pytest.raises(CorruptDelta) as caught:
        decode(source, (tmp_path / "delta").read_bytes())
    assert caught.value.code == "VCD_E_SECONDARY"


def test_stock_reads_an_empty_target(tmp_path: Path) -> None:
    (tmp_path / "source").write_bytes(b"anything")
    (tmp_path / "delta").write_bytes(encode(b"anything", b""))
    stock("-d", "-D", "-R", "-s", tmp_path / "source", tmp_path / "delta", tmp_path / "result")
    assert (tmp_path / "result").read_bytes() == b""


def test_source_segments_past_4_gib(tmp_path: Path) -> None:
    """A sparse source of 5 GiB with two islands: 64-bit offsets, and copies too far apart for one window."""
    low, high = random.Random(1).randbytes(500_000), random.Random(2).randbytes(800_000)
    size = 5 << 30
    path = tmp_path / "source"
    with path.open("wb") as file:
        file.write(low)
        file.seek(size - len(high))
        file.write(high)
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as source:
        source.madvise(mmap.MADV_RANDOM)  # and a coarse index, so that most of the hole is never read
        index = SourceIndex.build(source, max_memory=1 << 20)
        target = high[1000:] + b"between" + low
        encoder = Encoder(index)
        delta = encoder.update(target) + encoder.finish()
        index.close()
        # One window cannot reach both islands; the larger copy stays.
        assert len(low) <= len(delta) < len(low) + 3000
        assert decode(source, delta) == target  # type: ignore[arg-type]
    (tmp_path / "delta").write_bytes(delta)
    stock("-d", "-D", "-R", "-s", path, tmp_path / "delta", tmp_path / "result")
    assert (tmp_path / "result").read_bytes() == target
