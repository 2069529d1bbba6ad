# SPDX-License-Identifier: GPL-2.0-only
"""Forms of windows: there and back, readable with stock tools, and harmless whatever is put in."""

import contextlib
import random
import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from dgproxy.codec import forms, frames
from dgproxy.codec.delta import (
    FILE_HEADER,
    WINDOW_MAX,
    CodecError,
    CorruptDelta,
    Level,
    SourceIndex,
    decode_window,
    encode_window,
)
from dgproxy.codec.forms import Form
from dgproxy.codec.windows import ENCODED_MAX, FileHeader, Input, Window, varint
from tests.codec import wire
from tests.codec.material import versions

MAGIC = b"\x28\xb5\x2f\xfd"


def noise(size: int, seed: int = 1) -> bytes:
    return random.Random(seed).randbytes(size)


def window_of(target: bytes, source: bytes = b"") -> bytes:
    index = SourceIndex.build(source, seed=1)
    window = encode_window(index, target)
    index.close()
    return window


# -- there and back ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", Form)
@given(pair=versions(), level=st.sampled_from(["fast", "thorough"]))
@settings(max_examples=60, deadline=None)
def test_every_form_decodes_to_the_target(form: Form, pair: tuple[bytes, bytes], level: Level) -> None:
    source, target = pair
    index = SourceIndex.build(source, seed=1)
    stored = forms.encode(index, target, form, level=level)
    index.close()
    assert forms.decode(source, stored, len(target), form) == target
    room = bytearray(len(target) + 9)
    assert forms.decode(source, stored, len(target), form, room) == target
    assert room.startswith(target)


@pytest.mark.parametrize("form", Form)
def test_in_pieces(form: Form) -> None:
    target = noise(3 << 20)
    index = SourceIndex.build(noise(1000, 2), seed=1)
    with forms.encoding(index, target, form) as pieces:
        parts = list(map(bytes, pieces))
    assert b"".join(parts) == forms.encode(index, target, form)
    with forms.encoding(index, noise(9), form, keep=True) as pieces:  # after one that had much to write
        assert forms.decode(index.source, b"".join(pieces), 9, form) == noise(9)
    with forms.encoding(index, target, form, keep=True) as pieces:
        next(pieces)  # and the others are not asked for
    assert forms.encode(index, target, form) == b"".join(parts)
    index.close()


@pytest.mark.parametrize("size", [0, 1, 1000, 1 << 17, (1 << 17) + 1, 3 << 20, WINDOW_MAX])
def test_what_does_not_compress_costs_next_to_nothing(size: int) -> None:
    window = window_of(noise(size))
    stored = forms.pack(window)
    blocks = -(-len(window) // (1 << 17))
    assert len(stored) <= len(window) + 24 + 3 * blocks
    assert forms.unpack(stored) == window


def test_a_window_that_compresses_gets_smaller() -> None:
    text = b" ".join(b"%d" % number for number in range(300_000))
    window = window_of(text)
    assert len(forms.pack(window)) < len(window) // 3
    assert len(forms.pack(window, 9)) < len(forms.pack(window, 1))


def test_literals_that_do_not_compress_leave_the_instructions_compressed() -> None:
    source = noise(4 << 20)
    target = bytearray(source)
    for at in range(0, len(target) - 600, 500):
        target[at : at + 200] = noise(200, seed=at)
    window = window_of(bytes(target), source)
    parts = Window.read(Input([window]))
    rest = len(parts.instructions) + len(parts.addresses)
    assert len(parts.data) > 1 << 20
    assert rest > 20_000
    stored = forms.pack(window)
    assert len(list(frames.split(stored))) == 2
    assert len(stored) < len(window) - rest // 3
    assert forms.unpack(stored) == window


def test_many_threads_at_once() -> None:
    windows = [window_of(noise(1000 * number) + bytes(50_000)) for number in range(40)]
    with ThreadPoolExecutor(8) as pool:
        packed = list(pool.map(forms.pack, windows))
        assert list(pool.map(forms.unpack, packed)) == windows
    assert packed == list(map(forms.pack, windows))


# -- the residual form -------------------------------------------------------------------------------------


def numbers(seed: int = 1) -> tuple[bytes, bytes]:
    """A table of numbers, and one in which every second number is a little larger."""
    rng = random.Random(seed)
    old = [rng.randrange(1 << 24) for _ in range(40_000)]
    new = [number + rng.randrange(9) * (place % 8 == 0) for place, number in enumerate(old)]
    old_bytes, new_bytes = (b"".join(n.to_bytes(4, "little") for n in table) for table in (old, new))
    return old_bytes, new_bytes


def test_residual_windows_are_smaller_where_numbers_change_a_little() -> None:
    source, target = numbers()
    index = SourceIndex.build(source, seed=1)
    stored = {form: forms.encode(index, target, form) for form in Form}
    index.close()
    assert len(stored[Form.RESIDUAL]) < 0.8 * len(stored[Form.DEFAULT])
    assert forms.is_residual(Window.read(Input([forms.unpack(stored[Form.RESIDUAL])])))
    assert forms.decode(source, stored[Form.RESIDUAL], len(target), Form.RESIDUAL) == target
    for form in Form:
        vcdiff = forms.plain(source, stored[form], form)
        assert decode_window(source, vcdiff, len(target)) == target
    assert forms.plain(source, stored[Form.RESIDUAL], Form.RESIDUAL) == forms.unpack(stored[Form.DEFAULT])


@pytest.mark.parametrize("every", [16, 64, 256])
def test_a_small_window_is_tried_in_both_forms(every: int) -> None:
    source, target = numbers()
    few = bytearray(source)
    for at in range(0, len(few), every * 4):
        few[at : at + 4] = target[at : at + 4]
    index = SourceIndex.build(source, seed=1)
    default, residual = (forms.encode(index, few, form) for form in (Form.DEFAULT, Form.RESIDUAL))
    index.close()
    assert len(residual) < len(default)
    assert forms.decode(source, residual, len(few), Form.RESIDUAL) == few


@given(versions())
@settings(max_examples=60, deadline=None)
def test_a_small_window_is_never_larger_in_residual_form(pair: tuple[bytes, bytes]) -> None:
    source, target = pair
    index = SourceIndex.build(source, seed=1)
    default, residual = (forms.encode(index, target, form) for form in (Form.DEFAULT, Form.RESIDUAL))
    index.close()
    if len(forms.unpack(default)) < 16 << 10:
        assert len(residual) <= len(default)


def test_windows_that_would_not_get_smaller_stay_plain() -> None:
    rng = random.Random(1)
    source = b" ".join(b"%x" % rng.getrandbits(40) for _ in range(50_000))
    target = bytearray(source)
    for at in range(0, len(target) - 300, 200):
        target[at : at + 30] = b"the same sentence all the time"
    index = SourceIndex.build(source, seed=1)
    stored = forms.encode(index, bytes(target), Form.RESIDUAL)
    assert stored == forms.encode(index, bytes(target), Form.DEFAULT)
    index.close()
    assert forms.decode(source, stored, len(target), Form.RESIDUAL) == target


def test_residual_windows_are_refused_outside_their_form() -> None:
    source, target = numbers()
    index = SourceIndex.build(source, seed=1)
    stored = forms.encode(index, target, Form.RESIDUAL)
    index.close()
    for form, window in ((Form.DEFAULT, stored), (Form.PLAIN, forms.unpack(stored))):
        with pytest.raises(CorruptDelta) as caught:
            forms.decode(source, window, len(target), form)
        assert caught.value.code == "VCD_E_WINDOW_FLAGS"


@pytest.mark.skipif(not shutil.which("xdelta3"), reason="xdelta3 is not installed: apt-get install xdelta3")
def test_stock_refuses_a_residual_file_at_once(tmp_path: Path) -> None:
    header = forms.unpack(forms.file_header(Form.RESIDUAL))
    (tmp_path / "delta").write_bytes(header + window_of(b"target"))
    (tmp_path / "source").write_bytes(b"")
    paths = [str(tmp_path / name) for name in ("source", "delta", "target")]
    done = subprocess.run(["xdelta3", "-d", "-s", *paths], capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert "VCDIFF input version > 0 is not supported" in done.stderr


# -- stock tools -------------------------------------------------------------------------------------------


@pytest.mark.skipif(not shutil.which("zstd"), reason="zstd is not installed: apt-get install zstd")
@pytest.mark.skipif(not shutil.which("xdelta3"), reason="xdelta3 is not installed: apt-get install xdelta3")
def test_zstd_and_xdelta3_read_the_default_form(tmp_path: Path) -> None:
    source = noise(2 << 20) + b"text " * 10_000
    target = source[1 << 20 :] + noise(700_000, 2) + b"more text " * 1000 + source[: 1 << 20]
    size = 1 << 20
    index = SourceIndex.build(source, seed=1)
    cuts = range(0, len(target), size)
    stored = [forms.encode(index, target[at : at + size], Form.DEFAULT) for at in cuts]
    index.close()
    (tmp_path / "source").write_bytes(source)
    (tmp_path / "delta").write_bytes(forms.file_header(Form.DEFAULT) + b"".join(stored))
    with (tmp_path / "plain").open("wb") as plain:
        subprocess.run(["zstd", "-dcq", str(tmp_path / "delta")], stdout=plain, check=True)
    assert (tmp_path / "plain").read_bytes().startswith(FILE_HEADER)
    subprocess.run(
        [
            "xdelta3",
            "-q",
            "-d",
            "-D",
            "-R",
            "-s",
            *(str(tmp_path / f) for f in ("source", "plain", "target")),
        ],
        check=True,
    )
    assert (tmp_path / "target").read_bytes() == target


# -- hostile input -----------------------------------------------------------------------------------------


def test_every_truncation_is_an_error() -> None:
    stored = forms.pack(window_of(noise(3000) + bytes(3000)))
    for size in range(1, len(stored)):
        with pytest.raises(CorruptDelta):
            forms.unpack(stored[:size])
    with pytest.raises(CorruptDelta):
        forms.decode(b"", b"", 6000, Form.DEFAULT)


@given(data=st.data())
@settings(max_examples=300, deadline=None)
def test_damage_is_an_error_or_harmless(data: st.DataObject) -> None:
    target = noise(2000) + b"abcabc" * 300
    stored = bytearray(forms.pack(window_of(target)))
    for _ in range(data.draw(st.integers(1, 3))):
        stored[data.draw(st.integers(0, len(stored) - 1))] ^= data.draw(st.integers(1, 255))
    with contextlib.suppress(CorruptDelta):
        assert forms.decode(b"", stored, len(target), Form.DEFAULT) == target


@given(st.binary(max_size=200))
def test_anything_is_refused_politely(data: bytes) -> None:
    for start in (b"", MAGIC, b"\x50\x2a\x4d\x18"):
        with pytest.raises(CodecError):
            forms.decode(b"", start + data, 100, Form.DEFAULT)


@pytest.mark.parametrize("claimed", [ENCODED_MAX + 1, (1 << 32) - 1])
def test_a_frame_that_claims_too_much_takes_no_memory(claimed: int) -> None:
    # Single segment with a 4-byte content size, one RLE block.
    frame = (
        MAGIC + b"\xa0" + claimed.to_bytes(4, "little") + (1 << 17 << 3 | 1 << 1 | 1).to_bytes(3, "little")
    )
    with pytest.raises(CorruptDelta, match=f"a zstd frame of {claimed} bytes"):
        forms.unpack(frame + b"x")


def test_frames_cannot_claim_too_much_together() -> None:
    frame = zstandard.compress(bytes(ENCODED_MAX - 10))
    assert len(forms.unpack(frame)) == ENCODED_MAX - 10
    with pytest.raises(CorruptDelta):
        forms.unpack(frame + zstandard.compress(bytes(11)))


def test_a_frame_of_unknown_length_is_refused() -> None:
    maker = zstandard.ZstdCompressor(write_content_size=False)
    with pytest.raises(CorruptDelta, match="unknown length"):
        forms.unpack(maker.compress(b"window"))


def test_what_follows_or_breaks_a_frame_is_named() -> None:
    stored = forms.pack(window_of(b"target"))
    with pytest.raises(CorruptDelta, match="no zstd frame where one should begin"):
        forms.unpack(stored + b"\x00" * 20)
    reserved = MAGIC + b"\x20\x01" + (1 << 3 | 3 << 1 | 1).to_bytes(3, "little") + b"x"
    with pytest.raises(CorruptDelta, match="reserved type"):
        forms.unpack(reserved)
    checked = zstandard.ZstdCompressor(write_checksum=True).compress(b"window" * 100)
    assert forms.unpack(b"\x5a\x2a\x4d\x18\x03\x00\x00\x00abc" + checked) == b"window" * 100
    with pytest.raises(CorruptDelta, match="damaged zstd frame"):
        forms.unpack(checked[:-1] + bytes([checked[-1] ^ 1]))


def test_only_windows_are_packed() -> None:
    for wrong in (b"", FILE_HEADER, window_of(b"x")[:-1]):
        with pytest.raises(CorruptDelta):
            forms.pack(wrong)


def test_streams_may_be_interleaved() -> None:
    contents = [noise(3 << 20, seed) for seed in range(3)]
    streams = [frames.stream(memoryview(zstandard.compress(content))) for content in contents]
    pieces = list(zip(*streams, strict=True))
    assert len(pieces) == 3
    assert [b"".join(each) for each in zip(*pieces, strict=True)] == contents


# -- the outside of VCDIFF ---------------------------------------------------------------------------------


@given(versions(), st.integers(1, 40))
@settings(deadline=None)
def test_window_headers_are_read_and_written_alike(pair: tuple[bytes, bytes], step: int) -> None:
    source, target = pair
    window = window_of(target, source)
    pieces = [window[at : at + step] for at in range(0, len(window), step)]
    read = Window.read(Input(pieces))
    assert read.encode() == window
    assert read.target_length == len(target)


def test_file_headers() -> None:
    assert FileHeader.read(Input([FILE_HEADER])) == FileHeader()
    full = wire.MAGIC + b"\x05\x02" + wire.varint(200) + b"n" * 200
    assert FileHeader.read(Input([full])) == FileHeader(0, 2, b"n" * 200)
    for wrong, code in {
        b"PK\x03\x04\x00": "VCD_E_MAGIC",
        wire.MAGIC + b"\x08": "VCD_E_HEADER",
        wire.MAGIC + b"\x02": "VCD_E_CODE_TABLE",
        wire.MAGIC + b"\x04" + wire.varint(1 << 30): "VCD_E_HEADER",
        wire.MAGIC + b"\x04\x05four": "VCD_E_TRUNCATED",
        wire.MAGIC: "VCD_E_TRUNCATED",
    }.items():
        with pytest.raises(CorruptDelta) as caught:
            FileHeader.read(Input([wrong]))
        assert caught.value.code == code


@pytest.mark.parametrize(
    ("window", "code"),
    [
        (wire.window(wire.add(b"abc"), length=3, encoding=ENCODED_MAX + 1), "VCD_E_WINDOW_SIZE"),
        (wire.window(wire.add(b"abc"), length=WINDOW_MAX + 1), "VCD_E_WINDOW_SIZE"),
        (wire.window(wire.add(b"abc"), length=3, data=2), "VCD_E_SECTIONS"),
        (wire.window(wire.add(b"abc"), length=3, addresses=1 << 31), "VCD_E_SECTIONS"),
        (wire.window(wire.add(b"abc"), length=3, encoding=1 << 40), "VCD_E_VARINT"),
        (wire.window(wire.add(b"abc"), length=3, encoding=4), "VCD_E_TRUNCATED"),
    ],
)
def test_framing_that_is_wrong(window: bytes, code: str) -> None:
    with pytest.raises(CorruptDelta) as caught:
        Window.read(Input([window]))
    assert caught.value.code == code


@given(st.integers(0, (1 << 63) - 1))
def test_integers(value: int) -> None:
    assert varint(value) == wire.varint(value)
    assert Input([varint(value)]).varint(63) == value
    if value >= 1 << 32:
        with pytest.raises(CorruptDelta):
            Input([varint(value)]).varint()


# -- a part of the source ----------------------------------------------------------------------------------


@pytest.mark.parametrize("form", Form)
def test_a_window_needs_no_more_than_its_segment(form: Form) -> None:
    source = noise(300_000)
    target = source[100_000:160_000] + noise(500, 2) + source[160_500:200_000]
    stored = forms.encode(SourceIndex.build(source, seed=1), target, form, position=100_000)
    begin, end = forms.segment(stored, form)
    assert 99_000 < begin <= 100_000
    assert 200_000 <= end < 201_000
    part = source[begin:end]
    assert forms.decode(part, stored, len(target), form, begins=begin) == target
    with pytest.raises(CorruptDelta):
        forms.decode(part, stored, len(target), form, begins=begin + 1)
    with pytest.raises(CorruptDelta):
        forms.decode(part[:-1], stored, len(target), form, begins=begin)


@pytest.mark.parametrize("form", Form)
def test_a_window_without_copies_needs_nothing(form: Form) -> None:
    stored = forms.encode(SourceIndex.build(noise(1000), seed=1), noise(500, 2), form)
    assert forms.segment(stored, form) == (0, 0)
    assert forms.decode(b"", stored, 500, form) == noise(500, 2)


@given(st.binary(max_size=200), st.sampled_from(Form))
def test_any_bytes_have_a_segment_or_are_refused(stored: bytes, form: Form) -> None:
    with contextlib.suppress(CorruptDelta):
        begin, end = forms.segment(stored, form)
        assert begin <= end
