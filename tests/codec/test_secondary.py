# SPDX-License-Identifier: GPL-2.0-only
"""Sections compressed by the stock tool with DJW and FGK, and damaged ones."""

import random
import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dgproxy.codec.delta import CorruptDelta, SectionReader
from tests.codec import rfc3284
from tests.codec.wire import PLAIN, varint

STOCK = shutil.which("xdelta3")
COMPRESSORS = {"djw": 1, "fgk": 16}


def texts(seed: int, kind: str, size: int) -> bytes:
    rng = random.Random(seed)
    if kind == "words":
        return b" ".join(b"%x" % rng.getrandbits(rng.choice((4, 12, 30))) for _ in range(size // 5))
    if kind == "all bytes":
        return bytes(int(rng.gauss(128, 40)) % 256 for _ in range(size)) + bytes(range(256)) * 2
    if kind == "mixed":
        return b"".join(texts(seed + i, ("words", "all bytes")[i % 2], size // 6) for i in range(6))
    return bytes(rng.choice(b"ab") for _ in range(size))


def opened(delta: bytes, compressor: int) -> tuple[bytes, int]:
    """The file without secondary compression, and how many sections had it."""
    rest = rfc3284.Bytes(delta)
    assert rest.take(6) == b"\xd6\xc3\xc4\x00" + bytes([5, compressor])
    rest.take(rest.integer())
    readers = [SectionReader(compressor) for _ in range(3)]
    out = PLAIN
    count = 0
    while rest:
        indicator = rest.byte()
        head = bytes([indicator])
        if indicator & 1:
            head += varint(rest.integer()) + varint(rest.integer(64))
        body = rfc3284.Bytes(rest.take(rest.integer()))
        target, compressed = body.integer(), body.byte()
        sizes = [body.integer() for _ in range(3)]
        adler = body.take(4) if indicator & 4 else b""
        sections = []
        for number, size in enumerate(sizes):
            section = rfc3284.Bytes(body.take(size))
            if compressed >> number & 1:
                length = section.integer()
                count += 1
                sections.append(bytes(readers[number].read(section.take(len(section)), length)))
            else:
                sections.append(section.take(size))
        plain = varint(target) + b"\0" + b"".join(varint(len(section)) for section in sections)
        plain += adler + b"".join(sections)
        out += head + varint(len(plain)) + plain
    return out, count


@pytest.mark.skipif(STOCK is None, reason="xdelta3 is not installed: apt-get install xdelta3")
@pytest.mark.parametrize("compressor", COMPRESSORS)
@pytest.mark.parametrize("kind", ["words", "all bytes", "mixed", "two letters"])
@pytest.mark.parametrize("size", [400, 5000, 300_000])
def test_what_stock_compressed(tmp_path: Path, compressor: str, kind: str, size: int) -> None:
    source = texts(1, kind, size // 2)
    target = source[: size // 4] + texts(2, kind, size) + source
    (tmp_path / "source").write_bytes(source)
    (tmp_path / "target").write_bytes(target)
    assert STOCK
    files = [tmp_path / "source", tmp_path / "target", tmp_path / "delta"]
    command = [STOCK, "-q", "-f", "-D", "-e", "-S", compressor, "-W", "65536", "-s", *map(str, files)]
    subprocess.run(command, check=True, capture_output=True, timeout=60)
    plain, count = opened(files[2].read_bytes(), COMPRESSORS[compressor])
    assert rfc3284.decode(source, plain, len(target)) == target
    assert count > 0 or size == 400  # stock leaves what gets no smaller


def test_other_compressors_are_refused() -> None:
    for compressor in (0, 2, 3, 17, 255):
        with pytest.raises(CorruptDelta) as caught:
            SectionReader(compressor)
        assert caught.value.code == "VCD_E_SECONDARY"


@pytest.mark.parametrize("compressor", COMPRESSORS.values())
@settings(deadline=None, max_examples=500)
@given(section=st.binary(max_size=300), size=st.integers(0, 3000))
def test_any_bytes_are_a_section_or_refused(compressor: int, section: bytes, size: int) -> None:
    reader = SectionReader(compressor)
    try:
        result = reader.read(section, size)
    except CorruptDelta as error:
        code = error.code
        with pytest.raises(RuntimeError, match="VCD_E_STATE"):
            reader.read(section, size)
    else:
        code = "VCD_OK"
        assert len(result) == size
    assert code in ("VCD_OK", "VCD_E_COMPRESSED", "VCD_E_TRUNCATED")


def test_a_section_that_claims_too_much_takes_no_memory() -> None:
    with pytest.raises(ValueError, match="a section has at most"):
        SectionReader(1).read(b"x", 1 << 40)


def test_fgk_by_hand() -> None:
    """Eight bits for the first unseen symbol; then the root's children are the unseen (0) and it (1)."""
    bits = "01100001" + "1" + "0" + "01100001"  # "a", "a", and number 97 of the 255 left: "b"
    packed = bytes(int(bits[at : at + 8].ljust(8, "0")[::-1], 2) for at in range(0, len(bits), 8))
    assert SectionReader(16).read(packed, 3) == b"aab"
    with pytest.raises(CorruptDelta, match="VCD_E_COMPRESSED"):
        SectionReader(16).read(packed, 1)
