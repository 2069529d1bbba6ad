# SPDX-License-Identifier: GPL-2.0-only
import random
import zlib

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dgproxy.codec.delta import (
    FILE_HEADER,
    WINDOW_MAX,
    CorruptDelta,
    Decoder,
    Encoder,
    Form,
    SourceIndex,
    decode_window,
    encode_window,
)
from dgproxy.codec.windows import Input, Window
from tests.codec import rfc3284
from tests.codec.material import decode, encode, pieces, versions

relaxed = settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.too_slow])


@relaxed
@given(versions(), st.integers(1, 20000), st.integers(1, 9000), st.integers(0, 2**32))
def test_any_chunking_gives_the_same_delta_and_the_same_bytes(
    pair: tuple[bytes, bytes], window_size: int, most: int, seed: int
) -> None:
    source, target = pair
    cuts = random.Random(seed)
    index = SourceIndex.build(source)
    encoder = Encoder(index, window_size)
    delta = b"".join([encoder.update(piece) for piece in pieces(target, cuts, most)]) + encoder.finish()
    windows = [
        encode_window(index, target[at : at + window_size], position=at)
        for at in range(0, len(target), window_size)
    ]
    assert delta == FILE_HEADER + (b"".join(windows) or encode_window(index, b""))
    decoder = Decoder(source, len(target))
    assert b"".join([decoder.update(piece) for piece in pieces(delta, cuts, most)]) == target
    decoder.finish()
    assert rfc3284.decode(source, delta, len(target)) == target


def test_byte_by_byte() -> None:
    source = random.Random(3).randbytes(5000)
    target = source[:1000] + b"new" * 30 + bytes(300) + source[900:]
    index = SourceIndex.build(source)
    encoder = Encoder(index, 1500)
    delta = b"".join(encoder.update(target[i : i + 1]) for i in range(len(target))) + encoder.finish()
    assert decode(source, delta) == target
    decoder = Decoder(source, len(target))
    assert b"".join(decoder.update(delta[i : i + 1]) for i in range(len(delta))) == target
    decoder.finish()


@pytest.mark.parametrize("target", [b"", b"x", bytes(15), bytes(16), bytes(100_000), b"0123456789abcde"])
@pytest.mark.parametrize("source", [b"", b"x", b"0123456789abcdef", bytes(4096)])
def test_small_and_constant(source: bytes, target: bytes) -> None:
    delta = encode(source, target)
    assert decode(source, delta) == target
    assert rfc3284.decode(source, delta, len(target)) == target


def test_without_an_index_nothing_is_copied() -> None:
    target = random.Random(1).randbytes(3000)
    window = encode_window(None, target)
    assert len(window) > 3000
    assert window[0] == 4  # Adler-32, no source segment
    assert decode_window(b"", window, 3000) == target


def test_the_window_is_what_the_wire_rules_ask_for() -> None:
    source = random.Random(1).randbytes(1 << 20)
    target = source[600_000:700_000] + b"!" + source[650_000:660_000]
    index = SourceIndex.build(source)
    window = rfc3284.Bytes(encode_window(index, target))
    assert window.byte() == 5  # source segment and Adler-32
    assert (window.integer(), window.integer(64)) == (100_000, 600_000)  # no wider than the copies
    encoding = window.integer()
    assert len(window) == encoding
    assert window.integer() == len(target)
    assert window.byte() == 0
    window.take(3)  # the three section sizes, one byte each
    assert int.from_bytes(window.take(4), "big") == zlib.adler32(target)


def test_largest_window() -> None:
    source = random.Random(1).randbytes(1 << 20)
    index = SourceIndex.build(source)
    target = source * 16
    window = encode_window(index, target)
    assert len(target) == WINDOW_MAX
    assert decode_window(source, window, WINDOW_MAX) == target
    with pytest.raises(ValueError, match="VCD_E_ARGUMENT"):
        encode_window(index, target + b"x")


def test_decode_into_a_buffer() -> None:
    window = encode_window(None, b"hello")
    room = bytearray(b"........")
    view = decode_window(b"", window, 5, room)
    assert view == b"hello"
    assert room == b"hello..."
    with pytest.raises(ValueError, match="out has 4 bytes"):
        decode_window(b"", window, 5, bytearray(4))
    with pytest.raises((BufferError, ValueError)):
        decode_window(b"", window, 5, b"readonly")


@pytest.mark.parametrize("length", [0, 4, 6])
def test_window_of_another_length(length: int) -> None:
    with pytest.raises(CorruptDelta) as caught:
        decode_window(b"", encode_window(None, b"hello"), length)
    assert caught.value.code == "VCD_E_LENGTH"


def test_output_limit() -> None:
    delta = encode(b"", b"x" * 1000, 100)
    assert decode(b"", delta, 1000) == b"x" * 1000
    with pytest.raises(CorruptDelta) as caught:
        decode(b"", delta, 999)
    assert caught.value.code == "VCD_E_OUTPUT_LIMIT"


def test_streams_end_once() -> None:
    encoder = Encoder(None)
    delta = encoder.update(b"abc") + encoder.finish()
    with pytest.raises(RuntimeError):
        encoder.update(b"d")
    with pytest.raises(RuntimeError):
        encoder.finish()
    encoder.close()
    decoder = Decoder(b"", 3)
    assert decoder.update(delta) == b"abc"
    decoder.finish()
    with pytest.raises(RuntimeError):
        decoder.finish()
    with pytest.raises(RuntimeError):
        decoder.update(b"d")
    decoder.close()


def test_a_failed_decoder_stays_failed() -> None:
    decoder = Decoder(b"", 10)
    with pytest.raises(CorruptDelta):
        decoder.update(b"nonsense")
    with pytest.raises(RuntimeError, match="VCD_E_STATE"):
        decoder.update(FILE_HEADER)


@pytest.mark.parametrize("size", [0, WINDOW_MAX + 1])
def test_window_size_out_of_range(size: int) -> None:
    with pytest.raises(ValueError, match="VCD_E_ARGUMENT"):
        Encoder(None, size)


def test_windows_come_one_at_a_time() -> None:
    delta = encode(b"", random.Random(2).randbytes(10_000), 1000)
    decoder = Decoder(b"", 10_000)
    assert [len(window) for window in decoder.windows(delta)] == [1000] * 10


def test_short_copies_from_far_away_are_given_up() -> None:
    """They would save a few bytes and make stock decoders read all over the source."""
    rng = random.Random(8)
    source = rng.randbytes(80 << 20)
    far = source[70_000_000:70_000_020]  # at a multiple of the stride, so it would be found
    index = SourceIndex.build(source, seed=1)
    target = source[1000:50_000] + far + source[60_000:90_000]
    window = encode_window(index, target)
    assert decode_window(source, window, len(target)) == target
    assert far in window
    assert rfc3284.Bytes(window[1:]).integer() < 100_000  # the source segment's length


def test_long_copies_from_far_away_are_kept() -> None:
    source = random.Random(8).randbytes(80 << 20)
    target = source[1000:50_000] + source[70_000_000:70_000_500]
    window = encode_window(SourceIndex.build(source), target)
    assert len(window) < 100
    assert decode_window(source, window, len(target)) == target


@relaxed
@given(versions(), st.integers(1, 20000), st.integers(1, 9000), st.integers(0, 2**32))
def test_the_thorough_level_under_any_chunking(
    pair: tuple[bytes, bytes], window_size: int, most: int, seed: int
) -> None:
    source, target = pair
    cuts = random.Random(seed)
    encoder = Encoder(SourceIndex.build(source), window_size, level="thorough")
    delta = b"".join([encoder.update(piece) for piece in pieces(target, cuts, most)]) + encoder.finish()
    assert decode(source, delta) == target
    assert rfc3284.decode(source, delta, len(target)) == target


def test_the_thorough_level_copies_what_the_fast_one_does_not() -> None:
    rng = random.Random(6)
    source = rng.randbytes(300_000)
    words = [rng.randbytes(9) for _ in range(20)]
    nearby = b"".join(source[at : at + 14] + b"!" for at in range(100_300, 101_000, 20))
    target = source[:100_000] + nearby + b"".join(rng.choices(words, k=500)) + source[101_000:]
    index = SourceIndex.build(source, seed=1)
    fast = encode_window(index, target)
    thorough = encode_window(index, target, level="thorough")
    assert decode_window(source, thorough, len(target)) == target
    assert len(fast) > 4500
    assert len(thorough) < 2200


def test_unrelated_data_passes_and_what_follows_is_still_found() -> None:
    rng = random.Random(7)
    source = rng.randbytes(400_000)
    target = rng.randbytes(2_000_000) + source[5000:300_000]
    window = encode_window(SourceIndex.build(source, seed=1), target)
    assert decode_window(source, window, len(target)) == target
    assert len(window) < 2_000_100


def test_a_copy_that_begins_before_what_is_summed_up() -> None:
    """The checksum is made 256 KiB at a time; here a copy begins and ends just before the first end."""
    source = random.Random(9).randbytes(1 << 19)
    end = 256 << 10
    target = bytearray(byte ^ 0xFF for byte in source[: end - 7]) + source[end - 7 :]
    target[end - 3] ^= 0xFF
    index = SourceIndex.build(source, seed=1)
    window = encode_window(index, target)
    assert decode_window(source, window, len(target)) == target
    assert len(window) < end + 100


def test_random_literals_are_searched_for_what_is_nearby() -> None:
    rng = random.Random(11)
    source = rng.randbytes(1 << 20)
    part = 400_000
    torn = bytearray()  # every 60 bytes, 12 of the source from not quite here
    while len(torn) < part:
        at = part + len(torn) + 1000 + rng.randrange(500)
        torn += rng.randbytes(48) + source[at : at + 12]
    target = source[:part] + torn + source[2 * part :]
    index = SourceIndex.build(source)
    window = encode_window(index, target)
    index.close()
    assert decode_window(source, window, len(target)) == target
    assert rfc3284.decode(source, FILE_HEADER + window, len(target)) == target
    assert len(window) < 0.95 * len(torn)


def test_what_is_new_or_no_chance_is_not_searched() -> None:
    rng = random.Random(12)
    source = rng.randbytes(1 << 20)
    text = b"".join(rng.choice((b"this ", b"that ", b"and ", b"other ")) for _ in range(60_000))
    for new in (text, rng.randbytes(900_000)):
        target = source[:200_000] + new
        index = SourceIndex.build(source)
        assert decode_window(source, encode_window(index, target), len(target)) == target
        index.close()


@pytest.mark.parametrize("form", ["plain", "default", "residual"])
def test_a_few_changed_bytes_become_copies_where_they_can(form: Form) -> None:
    source = random.Random(13).randbytes(1 << 20)
    target = bytearray(source)
    changed = 0
    for at in range(10_000, 1_000_000, 50_000):  # bytes that stand a little before
        target[at : at + 16] = source[at - 50 : at - 34]
        changed += 16
    index = SourceIndex.build(source)
    window = encode_window(index, target, form=form)
    index.close()
    assert decode_window(source, window, len(target), residual=form == "residual") == target
    assert len(Window.read(Input([window])).data) < changed / 4
