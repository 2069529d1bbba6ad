# SPDX-License-Identifier: GPL-2.0-only
"""Deltas that break one rule each, named by it, and deltas that look odd and are right."""

import random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dgproxy.codec.delta import CorruptDelta, Decoder, decode_window, encode_window
from tests.codec import rfc3284
from tests.codec.material import decode, encode, versions
from tests.codec.wire import MAGIC, PLAIN, add, copy, run, varint, window

SRC = bytes(range(100))
HI = add(b"hi")


def raw(codes: bytes, addresses: bytes = b"", data: bytes = b"") -> tuple[bytes, bytes, bytes]:
    return data, codes, addresses


INVALID = {
    # file header
    "magic": (b"\xd6\xc3\xc5\x00\x00", "VCD_E_MAGIC"),
    "version S of open-vcdiff": (b"\xd6\xc3\xc4S\x00", "VCD_E_VERSION"),
    "reserved header bit": (MAGIC + b"\x08", "VCD_E_HEADER"),
    "custom code table": (MAGIC + b"\x02", "VCD_E_CODE_TABLE"),
    "unknown secondary compressor": (MAGIC + b"\x01\x03", "VCD_E_SECONDARY"),
    "application header of 2^32 bytes": (MAGIC + b"\x04" + varint(1 << 32), "VCD_E_VARINT"),
    "application header with an endless size": (MAGIC + b"\x04" + b"\x80" * 6, "VCD_E_VARINT"),
    "application header cut": (MAGIC + b"\x04\x05abc", "VCD_E_TRUNCATED"),
    "no window": (PLAIN, "VCD_E_TRUNCATED"),
    # window header
    "reserved window bit": (PLAIN + window(HI, length=2, indicator=8), "VCD_E_WINDOW_FLAGS"),
    "window from the target": (PLAIN + b"\x02\x01\x00", "VCD_E_VCD_TARGET"),
    "window from source and target": (PLAIN + b"\x03\x01\x00", "VCD_E_VCD_TARGET"),
    "segment of 2^32": (PLAIN + window(HI, length=2, source=(1 << 32, 0)), "VCD_E_SEGMENT"),
    "segment and target reach 2^32": (
        PLAIN + window(HI, length=2, source=((1 << 32) - 2, 0)),
        "VCD_E_SEGMENT",
    ),
    "segment offset near 2^64": (PLAIN + window(HI, length=2, source=(9, (1 << 64) - 1)), "VCD_E_SEGMENT"),
    "segment offset past 2^64": (PLAIN + window(HI, length=2, source=(9, 1 << 64)), "VCD_E_VARINT"),
    "encoding length too large to be true": (PLAIN + b"\x00" + varint((1 << 25) + 1), "VCD_E_WINDOW_SIZE"),
    "encoding length past 2^32": (PLAIN + b"\x00" + varint(1 << 32), "VCD_E_VARINT"),
    "encoding length one short": (PLAIN + window(HI, length=2, encoding=8), "VCD_E_SECTIONS"),
    "encoding length one long": (PLAIN + window(HI, length=2, encoding=10), "VCD_E_TRUNCATED"),
    "target of 16 MiB and one": (
        PLAIN + window(run(b"x", (1 << 24) + 1), length=(1 << 24) + 1),
        "VCD_E_WINDOW_SIZE",
    ),
    "compressed data section": (PLAIN + window(HI, length=2, delta_indicator=1), "VCD_E_SECONDARY"),
    "data section counted long": (PLAIN + window(HI, length=2, data=3), "VCD_E_SECTIONS"),
    "sections that wrap 2^32 together": (
        PLAIN + window(HI, length=2, data=0xFFFFFFFF, instructions=0xFFFFFFFF),
        "VCD_E_SECTIONS",
    ),
    "data taken for an instruction": (PLAIN + window(HI, length=2, data=1, instructions=3), "VCD_E_OVERRUN"),
    "wrong checksum": (PLAIN + window(HI, length=2, adler=1), "VCD_E_CHECKSUM"),
    # instructions
    "more than the window holds": (PLAIN + window(HI, length=1), "VCD_E_OVERRUN"),
    "less than the window holds": (PLAIN + window(HI, length=3), "VCD_E_UNDERRUN"),
    "no instructions": (PLAIN + window(length=1), "VCD_E_UNDERRUN"),
    "run of 4 GiB": (PLAIN + window(run(b"x", 0xFFFFFFFF), length=16), "VCD_E_OVERRUN"),
    "run past 2^32": (PLAIN + window(run(b"x", 1 << 32), length=16), "VCD_E_VARINT"),
    "instruction size cut": (PLAIN + window(raw(b"\x01\x80"), length=2), "VCD_E_TRUNCATED"),
    "add without data": (PLAIN + window(raw(b"\x03", data=b"h"), length=2), "VCD_E_DATA"),
    "run without data": (PLAIN + window(raw(b"\x00\x02"), length=2), "VCD_E_DATA"),
    "data left over": (PLAIN + window(raw(b"\x03", data=b"hi!"), length=2), "VCD_E_DATA"),
    "copy without address": (PLAIN + window(raw(b"\x14"), length=4, source=(9, 0)), "VCD_E_ADDRESSES"),
    "same copy without address": (PLAIN + window(raw(b"\x74"), length=4, source=(9, 0)), "VCD_E_ADDRESSES"),
    "addresses left over": (
        PLAIN + window(raw(b"\x14", b"\0\0"), length=4, source=(9, 0)),
        "VCD_E_ADDRESSES",
    ),
    "address past 2^32": (PLAIN + window(copy(4, 1 << 32), length=4, source=(9, 0)), "VCD_E_VARINT"),
    "copy from here": (PLAIN + window(copy(4, 9), length=4, source=(9, 0)), "VCD_E_ADDRESS"),
    "copy from nothing": (PLAIN + window(copy(4, 0), length=4), "VCD_E_ADDRESS"),
    "copy from before the start": (
        PLAIN + window(raw(b"\x24", varint(10)), length=4, source=(9, 0)),
        "VCD_E_ADDRESS",
    ),
    "near address past here": (
        PLAIN + window(copy(4, 8), raw(b"\x34", varint(9)), length=8, source=(12, 0)),
        "VCD_E_ADDRESS",
    ),
    "near address past 2^32": (
        PLAIN + window(copy(4, 8), raw(b"\x34", varint(0xFFFFFFFF)), length=8, source=(12, 0)),
        "VCD_E_ADDRESS",
    ),
    "copy across source and target": (PLAIN + window(copy(4, 6), length=4, source=(9, 0)), "VCD_E_STRADDLE"),
    "copy past the end of the source": (
        PLAIN + window(copy(4, 97), length=4, source=(200, 0)),
        "VCD_E_SOURCE_END",
    ),
    "segment beyond the source": (
        PLAIN + window(copy(4, 0), length=4, source=(9, 1 << 40)),
        "VCD_E_SOURCE_END",
    ),
    "empty copy from nowhere": (PLAIN + window(copy(0, 9), HI, length=2, source=(9, 0)), "VCD_E_ADDRESS"),
    # ends
    "cut inside a window header": (PLAIN + window(HI, length=2)[:3], "VCD_E_TRUNCATED"),
    "cut inside a window": (PLAIN + window(HI, length=2)[:-1], "VCD_E_TRUNCATED"),
    "a byte follows": (PLAIN + window(HI, length=2) + b"\x04", "VCD_E_TRUNCATED"),
}

VALID = {
    "empty window": (window(length=0), b""),
    "empty windows around": (window(length=0) + window(HI, length=2) + window(length=0), b"hi"),
    "empty add": (window(add(b""), HI, add(b""), length=2), b"hi"),
    "empty run": (window(run(b"x", 0), HI, length=2), b"hi"),
    "empty copy": (window(copy(0, 3), HI, length=2, source=(9, 0)), b"hi"),
    "overlapping copy": (window(HI, copy(7, 0), length=9), b"hihihihih"),
    "overlapping copy of one byte": (window(add(b"ab"), copy(5, 1), length=7), b"abbbbbb"),
    "segment past the end, untouched": (window(copy(4, 0), length=4, source=(200, 96)), SRC[96:]),
    "with and without source and checksum": (
        window(HI, length=2, target=b"hi") + window(copy(4, 1), length=4, source=(9, 7)),
        b"hi" + SRC[8:12],
    ),
    "source offsets that go back": (
        window(copy(4, 0), length=4, source=(4, 50)) + window(copy(4, 0), length=4, source=(4, 3)),
        SRC[50:54] + SRC[3:7],
    ),
    "cache untouched says address 0": (
        window(raw(b"\x34", b"\x02"), raw(b"\x74", b"\x02"), length=8, source=(9, 0)),
        SRC[2:6] + SRC[2:6],
    ),
    "size with leading zeros": (window(raw(b"\x01\x80\x80\x02", data=b"hi"), length=2), b"hi"),
}


@pytest.mark.parametrize(("delta", "code"), INVALID.values(), ids=INVALID)
@pytest.mark.parametrize("step", [1, 7, 1 << 30])
def test_broken_rule_is_named(delta: bytes, code: str, step: int) -> None:
    decoder = Decoder(SRC, 1 << 30)
    with pytest.raises(CorruptDelta) as caught:  # noqa: PT012 - where in the stream it is noticed is not the point
        for at in range(0, len(delta), step):
            decoder.update(delta[at : at + step])
        decoder.finish()
    assert caught.value.code == code
    with pytest.raises(rfc3284.Invalid):
        rfc3284.decode(SRC, delta, 1 << 30)


@pytest.mark.parametrize(("windows", "target"), VALID.values(), ids=VALID)
@pytest.mark.parametrize("header", [b"\x00", b"\x01\x02", b"\x04\x00", b"\x04\x04a\x00/b", b"\x05\x10\x01/"])
def test_unusual_but_right(windows: bytes, target: bytes, header: bytes) -> None:
    assert decode(SRC, MAGIC + header + windows) == target
    assert rfc3284.decode(SRC, MAGIC + header + windows, 1 << 30) == target


def test_one_window_means_one() -> None:
    two = window(HI, length=2) * 2
    for wrong, code in ((two, "VCD_E_TRAILING"), (b"", "VCD_E_TRUNCATED"), (two[:5], "VCD_E_TRUNCATED")):
        with pytest.raises(CorruptDelta) as caught:
            decode_window(b"", wrong, 2)
        assert caught.value.code == code


def _outcome(source: bytes, delta: bytes, limit: int) -> bytes | None:
    try:
        return decode(source, delta, limit)
    except CorruptDelta:
        return None


def _expected(source: bytes, delta: bytes, limit: int) -> bytes | None:
    try:
        return rfc3284.decode(source, delta, limit)
    except rfc3284.Invalid:
        return None


@pytest.fixture(scope="module")
def sample() -> tuple[bytes, bytes, bytes]:
    rng = random.Random(5)
    source = rng.randbytes(3000)
    target = source[100:900] + rng.randbytes(40) + bytes(200) + source[:500] + b"end"
    return source, target, encode(source, target, 700)


def test_every_truncation_is_an_error_or_a_prefix(sample: tuple[bytes, bytes, bytes]) -> None:
    source, target, delta = sample
    whole_windows = 0
    for size in range(len(delta)):
        result = _outcome(source, delta[:size], len(target))
        assert result == _expected(source, delta[:size], len(target))
        if result is not None:
            assert target.startswith(result)  # VCDIFF has no end mark
            whole_windows += 1
    assert whole_windows == 2


def test_every_flipped_bit_is_an_error_or_harmless(sample: tuple[bytes, bytes, bytes]) -> None:
    source, target, delta = sample
    for at in range(len(delta)):
        for bit in range(8):
            damaged = bytearray(delta)
            damaged[at] ^= 1 << bit
            result = _outcome(source, bytes(damaged), 1 << 20)
            assert result == _expected(source, bytes(damaged), 1 << 20)
            # Only a checksum switched off by the flip can let wrong bytes through.
            assert result in (None, target) or len(damaged) == len(delta)


def test_every_flip_in_a_checked_window_is_found(sample: tuple[bytes, bytes, bytes]) -> None:
    source, _, _ = sample
    target = source[100:300] + b"between" + source[400:450]
    good = window(copy(200, 100), add(b"between"), copy(50, 400), length=257, source=(3000, 0), target=target)
    assert decode_window(source, good, 257) == target
    for at in range(1, len(good)):
        for bit in range(8):
            damaged = bytearray(good)
            damaged[at] ^= 1 << bit
            try:
                result = decode_window(source, damaged, 257)
            except CorruptDelta:
                continue
            assert result == target


@settings(deadline=None, max_examples=300, suppress_health_check=[HealthCheck.too_slow])
@given(versions(2000), st.data())
def test_damage_is_judged_as_by_the_reference_decoder(pair: tuple[bytes, bytes], data: st.DataObject) -> None:
    source, target = pair
    delta = bytearray(encode(source, target, 512))
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(delta) - 1))
        delta[at : at + data.draw(st.integers(0, 2))] = data.draw(st.binary(max_size=3))
        if not delta:
            break
    assert _outcome(source, bytes(delta), 4000) == _expected(source, bytes(delta), 4000)


@settings(deadline=None, max_examples=300)
@given(st.lists(st.tuples(st.integers(0, 255), st.binary(max_size=2)), max_size=40), st.binary(max_size=60))
def test_random_programs_are_judged_as_by_the_reference_decoder(
    program: list[tuple[int, bytes]], addresses: bytes
) -> None:
    codes = b"".join(bytes([code]) + more for code, more in program)
    for length in (0, 50, 300):
        delta = PLAIN + window((SRC * 2, codes, addresses), length=length, source=(90, 5))
        assert _outcome(SRC, delta, 1 << 20) == _expected(SRC, delta, 1 << 20)


def test_encode_window_never_emits_what_it_would_refuse() -> None:
    rng = random.Random(9)
    for size in (1, 4, 5, 127, 128, 16383, 16384):
        target = rng.randbytes(size)
        assert decode_window(b"", encode_window(None, target), size) == target
