# SPDX-License-Identifier: GPL-2.0-only
"""Windows in parts, and targets in pieces: the same bytes, without what lies ready being copied."""

import random
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dgproxy.codec.delta import (
    CorruptDelta,
    Form,
    Level,
    SourceIndex,
    decode_parts,
    decode_pieces,
    decode_window,
    encode_window,
)
from dgproxy.codec.windows import Input, Window

NOISE = random.Random(3).randbytes(300_000)


def read(window: bytes) -> Window:
    return Window.read(Input([window]))


def encode(source: bytes, target: bytes, form: Form = "default", level: Level = "fast") -> bytes:
    index = SourceIndex.build(source, seed=1)
    window = encode_window(index, target, form=form, level=level)
    index.close()
    return window


@pytest.mark.parametrize("form", ["plain", "default", "residual"])
def test_long_copies_stay_in_the_source(form: Form) -> None:
    target = NOISE[:100_000] + b"between" + NOISE[150_000:]
    parts = read(encode(NOISE, target, form)).parts
    out = bytearray(len(target))
    pieces = decode_pieces(NOISE, parts, len(target), out, residual=form == "residual")
    assert b"".join(pieces) == target
    owners = [piece.obj for piece in pieces]
    assert [owner is NOISE for owner in owners] == [True, False, True]
    assert out.count(0) >= len(out) - len(b"between")


def test_long_literals_stay_in_the_delta() -> None:
    window = encode(b"nothing like it", NOISE)
    parts = read(window).parts
    pieces = decode_pieces(b"nothing like it", parts, len(NOISE), bytearray(len(NOISE)))
    assert [piece.obj is window for piece in pieces] == [True]
    assert pieces[0] == NOISE


def test_an_empty_target_has_no_pieces() -> None:
    assert decode_pieces(b"", read(encode_window(None, b"")).parts, 0, bytearray()) == []


@given(
    seed=st.integers(0, 1 << 32),
    least=st.integers(1, 400),
    form=st.sampled_from(["plain", "default", "residual"]),
    level=st.sampled_from(["fast", "thorough"]),
)
def test_pieces_are_the_target(seed: int, least: int, form: Form, level: Level) -> None:
    """Also where the target copies from what was left elsewhere."""
    rng = random.Random(seed)
    source = rng.randbytes(3000)
    made = bytearray()
    while len(made) < 6000:
        run = rng.randrange(1, 900)
        match rng.randrange(4):
            case 0:
                made += rng.randbytes(run)
            case 1 if made:
                begin = rng.randrange(len(made))
                made += made[begin : begin + run]
            case _:
                begin = rng.randrange(3000)
                made += source[begin : begin + run]
                made[-1] ^= rng.randrange(2)
    target = bytes(made)
    window = encode(source, target, form, level)
    residual = form == "residual"
    out = bytearray(len(target))
    pieces = decode_pieces(source, read(window).parts, len(target), out, residual=residual, least=least)
    assert b"".join(pieces) == target
    assert decode_parts(source, read(window).parts, len(target), residual=residual) == target
    assert decode_window(source, window, len(target), residual=residual) == target


def test_parts_that_do_not_fit_their_header() -> None:
    window = read(encode(NOISE[:5000], NOISE[:2000] + b"new" * 50 + NOISE[2500:5000]))
    length = window.target_length
    head, data, instructions, addresses = window.parts
    for wrong, code in (
        ((head, bytes(data)[1:], instructions, addresses), "VCD_E_SECTIONS"),
        ((head, data, bytes(instructions) + b"\x01", addresses), "VCD_E_SECTIONS"),
        ((head, data, instructions, b""), "VCD_E_SECTIONS"),
        ((bytes(head) + b"\x00", data, instructions, addresses), "VCD_E_SECTIONS"),
        ((bytes(head)[:-1], data, instructions, addresses), "VCD_E_TRUNCATED"),
        ((b"", data, instructions, addresses), "VCD_E_TRUNCATED"),
        (replace(window, checksum=b"\x00" * 4).parts, "VCD_E_CHECKSUM"),
        (replace(window, target_length=length - 1).parts, "VCD_E_LENGTH"),
    ):
        for attempt in (decode_parts, decode_pieces):
            with pytest.raises(CorruptDelta) as raised:
                attempt(NOISE[:5000], wrong, length, bytearray(length))
            assert raised.value.code == code


def test_a_head_whose_length_is_not_that_of_its_parts() -> None:
    head, data, instructions, addresses = read(encode_window(None, b"abc")).parts
    longer = bytearray(head)
    longer[1] += 1  # the encoding length, after an indicator without a source
    with pytest.raises(CorruptDelta) as raised:
        decode_parts(b"", (longer, data, instructions, addresses), 3)
    assert raised.value.code == "VCD_E_SECTIONS"


def test_out_must_have_room() -> None:
    parts = read(encode_window(None, b"abc")).parts
    with pytest.raises(ValueError, match="out has 2 bytes"):
        decode_pieces(b"", parts, 3, bytearray(2))
    with pytest.raises(ValueError, match="at least 0 bytes"):
        decode_pieces(b"", parts, 3, bytearray(3), least=0)
