# SPDX-License-Identifier: GPL-2.0-only
"""The residual form: differences between two copies on one diagonal, and nothing else."""

import random
import zlib

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dgproxy.codec.delta import (
    CorruptDelta,
    Level,
    SourceIndex,
    decode_window,
    encode_window,
    to_plain,
    to_residual,
)
from tests.codec import rfc3284
from tests.codec.material import versions
from tests.codec.wire import add, copy, run, window

relaxed = settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.too_slow])
SRC = bytes(range(100))


def expected(source: bytes, data: bytes, limit: int = 1 << 20) -> bytes | None:
    try:
        rest = rfc3284.Bytes(data)
        target = rfc3284.decode_window(source, rest, limit, residual=True)
    except rfc3284.Invalid:
        return None
    return None if rest else target


def outcome(source: bytes, data: bytes, length: int) -> bytes | None:
    try:
        return bytes(decode_window(source, data, length, residual=True))
    except CorruptDelta:
        return None


@relaxed
@given(versions(), st.integers(0, 5000), st.sampled_from(("fast", "thorough")))
def test_all_forms_give_the_target_and_each_other(
    pair: tuple[bytes, bytes], position: int, level: Level
) -> None:
    source, target = pair
    index = SourceIndex.build(source, seed=1)
    plain = encode_window(index, target, level=level, position=position)
    default = encode_window(index, target, form="default", level=level, position=position)
    residual = encode_window(index, target, form="residual", level=level, position=position)
    assert decode_window(source, plain, len(target)) == target
    assert decode_window(source, default, len(target)) == target
    assert decode_window(source, residual, len(target), residual=True) == target
    assert expected(source, residual) == target
    assert to_plain(source, residual) == default
    assert to_residual(source, default) == residual


def test_copies_on_one_diagonal_have_one_address() -> None:
    rng = random.Random(5)
    source = rng.randbytes(1 << 16)
    target = bytearray(source[9000:50_000])
    for _ in range(300):
        target[rng.randrange(len(target))] = 1
    index = SourceIndex.build(source, seed=1)
    plain = encode_window(index, target)
    default = encode_window(index, target, form="default")
    assert len(plain) < len(default)
    assert len(zlib.compress(default)) < len(zlib.compress(plain)) - 200


def test_numbers_that_all_changed_a_little() -> None:
    """Nearly no byte run is equal; the hint finds the diagonal, and the differences are small numbers."""
    rng = random.Random(4)
    source = rng.randbytes(200_000)
    target = bytes((byte + rng.choice((0, 0, 0, 1, 2))) % 256 for byte in source)
    index = SourceIndex.build(bytes(1000) + source)
    window = encode_window(index, target, form="residual", position=1000)
    assert sum(window.count(small) for small in (b"\0", b"\1", b"\2")) > 0.9 * len(target) * 0.5
    assert decode_window(bytes(1000) + source, window, len(target), residual=True) == target


#: instructions, and what the residual form makes of them where it differs from the plain one
RULE = {
    "between two copies on one diagonal": (
        [copy(4, 0), add(b"\1\1"), copy(4, 6)],
        SRC[:4] + b"\5\6" + SRC[6:10],
    ),
    "two adds": ([copy(4, 0), add(b"\1"), add(b"\1"), copy(4, 6)], SRC[:4] + b"\5\6" + SRC[6:10]),
    "modulo 256": ([copy(4, 0), add(b"\xfe"), copy(4, 5)], SRC[:4] + b"\2" + SRC[5:9]),
    "more than eight": (
        [copy(4, 0), add(b"\1" * 40), copy(4, 44)],
        SRC[:4] + bytes(range(5, 45)) + SRC[44:48],
    ),
    "empty copies count": ([copy(0, 4), add(b"\1"), copy(0, 5), add(b"!")], b"\5!"),
    "an empty add is nothing": ([copy(4, 0), add(b""), copy(4, 4), add(b"!")], SRC[:8] + b"!"),
    "a third copy": (
        [copy(4, 0), add(b"\1"), copy(4, 5), add(b"\1"), copy(4, 10)],
        SRC[:4] + b"\5" + SRC[5:9] + b"\12" + SRC[10:14],
    ),
    "another diagonal": ([copy(4, 0), add(b"\1\1"), copy(4, 7)], SRC[:4] + b"\1\1" + SRC[7:11]),
    "before the first copy": ([add(b"\1"), copy(4, 1)], b"\1" + SRC[1:5]),
    "after the last": ([copy(4, 0), add(b"\1")], SRC[:4] + b"\1"),
    "a run between": ([copy(4, 0), add(b"\1"), run(b"x", 2), copy(4, 7)], SRC[:4] + b"\1xx" + SRC[7:11]),
    "a copy from the target between": (
        [copy(4, 0), add(b"\1"), copy(2, 90), copy(4, 7)],
        SRC[:4] + b"\1" + SRC[:2] + SRC[7:11],
    ),
    "a copy from the target after": ([copy(4, 0), add(b"\1"), copy(4, 90)], SRC[:4] + b"\1" + SRC[:4]),
}


@pytest.mark.parametrize(("instructions", "target"), RULE.values(), ids=RULE)
def test_rule(instructions: list[tuple[bytes, bytes, bytes]], target: bytes) -> None:
    data = window(*instructions, length=len(target), source=(90, 0), target=target)
    assert decode_window(SRC, data, len(target), residual=True) == target
    assert expected(SRC, data) == target
    plain = to_plain(SRC, data)
    assert decode_window(SRC, plain, len(target)) == target
    assert to_residual(SRC, plain) == data


@settings(deadline=None, max_examples=300)
@given(st.lists(st.tuples(st.integers(0, 255), st.binary(max_size=2)), max_size=40), st.binary(max_size=60))
def test_random_programs_are_judged_as_by_the_reference_decoder(
    program: list[tuple[int, bytes]], addresses: bytes
) -> None:
    codes = b"".join(bytes([code]) + more for code, more in program)
    for length in (0, 50, 300):
        data = window((SRC * 2, codes, addresses), length=length, source=(90, 5))
        assert outcome(SRC, data, length) == expected(SRC, data)


@settings(deadline=None, max_examples=300, suppress_health_check=[HealthCheck.too_slow])
@given(versions(2000), st.data())
def test_damage_is_judged_as_by_the_reference_decoder(pair: tuple[bytes, bytes], data: st.DataObject) -> None:
    source, target = pair
    index = SourceIndex.build(source, seed=1)
    damaged = bytearray(encode_window(index, target, form="residual"))
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(damaged) - 1))
        damaged[at] = data.draw(st.integers(0, 255))
    result = outcome(source, bytes(damaged), len(target))
    wanted = expected(source, bytes(damaged))
    assert result == (wanted if wanted is None or len(wanted) == len(target) else None)


@pytest.mark.parametrize("form", [to_plain, to_residual])
def test_what_cannot_be_converted(form: object) -> None:
    for broken, code in (
        (window(copy(4, 97), length=4, source=(200, 0)), "VCD_E_SOURCE_END"),
        (window(add(b"ab"), length=3), "VCD_E_UNDERRUN"),
        (window(add(b"ab"), length=2) + b"x", "VCD_E_TRAILING"),
        (b"", "VCD_E_TRUNCATED"),
    ):
        with pytest.raises(CorruptDelta) as caught:
            form(SRC, broken)  # type: ignore[operator]
        assert caught.value.code == code
