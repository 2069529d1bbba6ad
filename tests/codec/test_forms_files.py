# SPDX-License-Identifier: GPL-2.0-only
"""Delta files of every form, in memory: many windows, many threads, cut anywhere, and bombs."""

import contextlib
import random
import resource
import shutil
import subprocess
import tracemalloc
from pathlib import Path

import pytest
import zstandard

from dgproxy.codec import files, forms
from dgproxy.codec.delta import FILE_HEADER, CorruptDelta, SourceIndex
from dgproxy.codec.forms import Form
from dgproxy.codec.windows import FileHeader, Input
from tests.codec import wire
from tests.codec.test_forms import numbers

WINDOW = 70_000


@pytest.fixture(scope="module")
def pair() -> tuple[bytes, bytes]:
    """Numbers that change a little, and text that moves."""
    old, new = numbers()
    rng = random.Random(2)
    text = b" ".join(b"%d" % rng.randrange(10**9) for _ in range(20_000))
    return old + text, new + text[50_000:] + text[:50_000]


def encode(pair: tuple[bytes, bytes], form: Form, threads: int = 2) -> list[bytes]:
    """The delta; with several threads each window is one piece."""
    index = SourceIndex.build(pair[0], seed=1)
    target = memoryview(pair[1])
    parts = list(map(bytes, files.encode(index, target, form, window_size=WINDOW, threads=threads)))
    index.close()
    return parts


def decode(source: bytes, delta: bytes, threads: int = 1) -> bytes:
    return b"".join(map(bytes, files.decode(source, delta, threads=threads)))


@pytest.mark.parametrize("form", Form)
def test_threads_change_nothing(pair: tuple[bytes, bytes], form: Form) -> None:
    parts = encode(pair, form)
    assert len(parts) == 1 + -(-len(pair[1]) // WINDOW)
    assert encode(pair, form, threads=4) == parts
    delta = b"".join(parts)
    assert b"".join(encode(pair, form, threads=1)) == delta
    assert decode(pair[0], delta) == decode(pair[0], delta, threads=4) == pair[1]


@pytest.mark.parametrize("form", Form)
def test_descriptions(pair: tuple[bytes, bytes], form: Form) -> None:
    parts = encode(pair, form)
    found = files.describe(b"".join(parts))
    assert found.form is form
    assert found.windows == found.checked == len(parts) - 1
    assert found.target_length == len(pair[1])
    assert len(pair[0]) - 1000 < found.source_length <= len(pair[0])
    assert (0 < found.residual < found.windows) == (form is Form.RESIDUAL)
    assert found.compressed == 0


def test_progress_reaches_the_end(pair: tuple[bytes, bytes]) -> None:
    index = SourceIndex.build(pair[0], seed=1)
    done: list[int] = []
    target = memoryview(pair[1])
    pieces = files.encode(index, target, Form.DEFAULT, window_size=WINDOW, progress=done.append)
    delta = b"".join(map(bytes, pieces))
    index.close()
    assert sum(done) == len(pair[1])
    done.clear()
    for _ in files.decode(pair[0], delta, progress=done.append):
        pass
    assert sum(done) == len(delta)


@pytest.mark.parametrize("form", Form)
def test_cuts_are_errors_but_between_windows(pair: tuple[bytes, bytes], form: Form) -> None:
    parts = encode(pair, form)
    delta = b"".join(parts)
    between = [sum(map(len, parts[: count + 1])) for count in range(1, len(parts))]
    for place, end in enumerate(between, 1):
        assert decode(pair[0], delta[:end]) == pair[1][: place * WINDOW]
    cuts = random.Random(1)
    for size in [0, 1, 4, len(parts[0]), *(cuts.randrange(len(delta)) for _ in range(40))]:
        # A window's second frame may be missing: then the window is cut, not the frame.
        if size not in between:
            with pytest.raises(CorruptDelta):
                decode(pair[0], delta[:size])


def test_residual_files_have_a_version_of_their_own(pair: tuple[bytes, bytes]) -> None:
    header = FileHeader.read(Input([forms.unpack(forms.file_header(Form.RESIDUAL))]))
    assert header == FileHeader(version=ord("R"))
    parts = encode(pair, Form.RESIDUAL)
    with pytest.raises(CorruptDelta) as caught:
        decode(pair[0], forms.file_header(Form.DEFAULT) + b"".join(parts[1:]))
    assert caught.value.code == "VCD_E_WINDOW_FLAGS"


@pytest.mark.parametrize("threads", [1, 3])
def test_an_iterator_may_be_left_early(pair: tuple[bytes, bytes], threads: int) -> None:
    delta = b"".join(encode(pair, Form.DEFAULT))
    found = files.decode(pair[0], delta, threads=threads)
    assert bytes(next(found)) == pair[1][:WINDOW]
    found.close()


@pytest.mark.skipif(not shutil.which("xdelta3"), reason="xdelta3 is not installed: apt-get install xdelta3")
@pytest.mark.parametrize("compressor", ["lzma", "djw", "fgk"])
def test_damage_in_compressed_sections(pair: tuple[bytes, bytes], tmp_path: Path, compressor: str) -> None:
    for name, content in zip(("old", "new"), pair, strict=True):
        (tmp_path / name).write_bytes(content)
    paths = [str(tmp_path / name) for name in ("old", "new", "delta")]
    subprocess.run(["xdelta3", "-q", "-e", "-S", compressor, "-W", "16384", "-s", *paths], check=True)
    delta = (tmp_path / "delta").read_bytes()
    assert files.describe(delta).compressed > 3
    assert decode(pair[0], delta) == pair[1]
    rng = random.Random(3)
    for _ in range(150):
        damaged = bytearray(delta)
        for _ in range(rng.randrange(1, 4)):
            damaged[rng.randrange(30, len(delta))] ^= rng.randrange(1, 256)
        with contextlib.suppress(CorruptDelta):
            decode(pair[0], bytes(damaged))
    for _ in range(50):
        with contextlib.suppress(CorruptDelta):
            decode(pair[0], delta[: rng.randrange(len(delta))])


def test_a_bomb_is_opened_a_piece_at_a_time() -> None:
    """1 GiB of application header, and then of windows, in frames of a few hundred KB."""
    maker = zstandard.ZstdCompressor().compressobj()
    zeros = bytes(1 << 24)
    head = FILE_HEADER[:4] + b"\x04" + wire.varint(1 << 31)
    bombs = [maker.compress(head)]
    bombs += [maker.compress(zeros) for _ in range(64)]
    bombs.append(maker.flush())
    bomb = b"".join(bombs)
    assert len(bomb) < 1 << 20
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(CorruptDelta, match="an application header of 2147483648 bytes"):
        decode(b"", bomb)
    # Windows of a megabyte that a few bytes stand for: each is made in the same room.
    window = wire.window(wire.run(b"x", 1 << 20), length=1 << 20)
    many = zstandard.compress(FILE_HEADER + window * 500)
    tracemalloc.start()
    assert sum(len(part) for part in files.decode(b"", many)) == 500 << 20
    assert tracemalloc.get_traced_memory()[1] < 40 << 20
    tracemalloc.stop()
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100 << 10  # KiB
