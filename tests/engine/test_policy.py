# SPDX-License-Identifier: GPL-2.0-only
"""Decisions: each rule of `engine.policy` at its edges."""

from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dgproxy.codec.forms import Form
from dgproxy.engine.manifest import WINDOW, Codec, Extent, Reference
from dgproxy.engine.policy import (
    INLINE_LIMIT,
    MAX_OBJECT,
    MAX_PUT,
    REFERENCE_LIMIT,
    Policy,
    may_be_reference,
    memory_for,
    mostly_against,
    storage_type,
)

ratios = st.floats(0, 1)
sizes = st.integers(0, MAX_PUT)


def extent(codec: Codec) -> Extent:
    return Extent("blob", codec, 1, 1, ())


@pytest.mark.parametrize(
    ("key", "eligible"),
    [
        ("a/v1.zip", True),
        ("V1.ZIP", True),
        (".zip", True),
        ("v1.zip.asc", False),
        ("zip", False),
        ("", False),
    ],
)
def test_eligible_by_suffix(key: str, *, eligible: bool) -> None:
    assert Policy((".tar", ".zip"), 0.5).eligible(key) is eligible


def test_star_is_every_key_and_nothing_is_none() -> None:
    assert Policy(("*",), 0.5).eligible("anything")
    assert not Policy((), 0.5).eligible("v1.zip")


@given(ratios, sizes, sizes)
def test_hopeless_is_never_wrong(ratio: float, delta: int, declared: int) -> None:
    """A delta given up midway could not have been kept, however little the rest had cost."""
    policy = Policy(("*",), ratio)
    if policy.hopeless(delta, declared):
        assert not policy.keeps_delta(delta, declared)
    assert not policy.hopeless(delta, None)


def test_ratio_is_a_strict_bound() -> None:
    policy = Policy(("*",), 0.5)
    assert policy.keeps_delta(49, 100)
    assert not policy.keeps_delta(50, 100)
    assert not policy.keeps_delta(0, 0)


def test_limits() -> None:
    assert Policy((), 0.5).put_limit() == MAX_PUT
    assert Policy((), 0.5).object_limit() == MAX_OBJECT
    assert Policy((), 0.5, 100).put_limit() == 100
    assert Policy((), 0.5, 1 << 60).object_limit() == MAX_OBJECT
    assert Policy((), 0.5, MAX_PUT + 1).put_limit() == MAX_PUT
    assert Policy((), 0.5, MAX_PUT + 1).object_limit() == MAX_PUT + 1


@given(st.none() | st.integers(0, MAX_OBJECT))
def test_memory_is_bounded(size: int | None) -> None:
    assert 0 <= memory_for(size) <= 3 * WINDOW
    if size is not None and size <= WINDOW:
        assert memory_for(size) <= 2 * size


def test_one_delta_makes_a_delta() -> None:
    assert storage_type([]) == "direct"
    assert storage_type([extent("raw"), extent("zstd")]) == "direct"
    for form in Form:
        assert storage_type([extent("raw"), extent(form.value)]) == "delta"


@pytest.mark.parametrize(
    ("size", "eligible", "may"),
    [(REFERENCE_LIMIT, True, True), (REFERENCE_LIMIT + 1, True, False), (INLINE_LIMIT + 1, False, False)],
)
def test_what_may_be_taken_in_again(size: int, *, eligible: bool, may: bool) -> None:
    assert may_be_reference(size, eligible=eligible) is may


def test_mostly_against_the_reference_of_most_bytes() -> None:
    one, two = (Reference(name, name, 100, "") for name in "12")
    delta = partial(Extent, "blob", "residual-zstd", stored=1, windows=())
    whole = Extent("blob", "raw", 900, 900, (), two)
    assert mostly_against([]) is None
    assert mostly_against([whole]) is None
    extents = [
        delta(length=50, reference=one),
        delta(length=40, reference=two),
        delta(length=20, reference=two),
    ]
    assert mostly_against([whole, *extents]) == two
    assert mostly_against(extents[:2]) == one
