# SPDX-License-Identifier: GPL-2.0-only
"""The judge: what one register could have shown is accepted, anything else is refused.

By histories made of a register at work, by histories of any kind against every order there is, and by the
cases that matter written out.
"""

import itertools
import math
from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.consistency.register import (
    ANYTHING,
    NOTHING,
    SOMETHING,
    Need,
    Operation,
    State,
    Value,
    a_write,
    an_etag,
    another_etag,
    check,
)

A, B, C = (Value.of(name, f"etag-{name}") for name in "abc")


def write(value: State, called: float, answered: float = math.inf, need: Need = ANYTHING) -> Operation:
    known = answered < math.inf
    return Operation("write", called, answered, need, writes=True, value=value, known=known)


def lost(value: State, called: float, too_late: float, need: Need = ANYTHING) -> Operation:
    return Operation("write", called, too_late, need, writes=True, value=value, known=False)


def read(state: State, called: float, answered: float) -> Operation:
    return Operation("read", called, answered, NOTHING if state is None else a_write(state.write))


def said(need: Need, called: float, answered: float) -> Operation:
    return Operation("read", called, answered, need)


# -- cases ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "history",
    [
        [],
        [read(None, 1, 2)],
        [write(A, 1, 2), read(A, 3, 4), write(None, 5, 6), read(None, 7, 8)],
        # two at once: either may come last, and a reader beside them sees either, or what was before
        [write(A, 1, 5), write(B, 2, 6), read(A, 7, 8)],
        [write(A, 1, 5), write(B, 2, 6), read(B, 7, 8)],
        [write(A, 1, 2), write(B, 3, 8), read(A, 4, 5), read(B, 6, 7)],
        # without an answer it may happen, or not, or late
        [write(A, 1, 2), write(B, 3), read(A, 4, 5), read(A, 6, 7), read(B, 8, 9)],
        [write(A, 1, 2), write(B, 3), read(A, 4, 5), write(C, 6, 7), read(C, 8, 9), read(B, 10, 11)],
        [write(A, 1, 2), write(None, 3), read(None, 4, 5)],
        [write(A, 1, 2), lost(B, 3, 6), read(A, 4, 5), read(B, 7, 8)],
        [write(A, 1, 2), lost(B, 3, 6), read(A, 4, 5), read(A, 7, 8)],
        # one creation wins; what nobody saw may have been there all the same
        [write(A, 1, 5, NOTHING), said(SOMETHING, 2, 6), read(A, 7, 8)],
        [write(A, 1, math.inf, NOTHING), said(SOMETHING, 2, 6), write(None, 7, 8), read(None, 9, 10)],
        # a chain of what was never answered: deleted, created
        [
            write(A, 1, 2),
            write(None, 3),
            write(B, 4, math.inf, NOTHING),
            read(B, 5, 6),
        ],
        [
            write(A, 1, 2),
            write(None, 3),
            write(B, 4, math.inf, NOTHING),
            said(another_etag("etag-a"), 5, 6),
        ],
        # compare and swap
        [
            write(A, 1, 2),
            write(B, 3, 4, an_etag("etag-a")),
            said(another_etag("etag-a"), 5, 6),
            read(B, 7, 8),
        ],
    ],
)
def test_accepted(history: list[Operation]) -> None:
    assert check(history) is None


@pytest.mark.parametrize(
    ("history", "culprit"),
    [
        ([read(A, 1, 2)], 0),
        ([write(A, 1, 2), read(None, 3, 4)], 1),
        ([write(A, 1, 2), write(B, 3, 4), read(A, 5, 6)], 2),
        # new, then old again
        ([write(A, 1, 2), write(B, 3, 10), read(B, 4, 5), read(A, 6, 7)], 3),
        # what was never answered happens once at most
        ([write(A, 1), read(A, 2, 3), write(B, 4, 5), read(B, 6, 7), read(A, 8, 9)], 4),
        ([write(A, 1, 2), write(None, 3), read(None, 4, 5), write(B, 6, 7), read(None, 8, 9)], 4),
        # nor when it is too late for it
        ([write(A, 1, 2), lost(B, 3, 6), read(A, 7, 8), read(B, 9, 10)], 3),
        # not before its call
        ([read(A, 1, 2), write(A, 3)], 0),
        # two winners
        ([write(A, 1, 5, NOTHING), write(B, 2, 6, NOTHING)], 1),
        ([write(A, 1, 2), write(B, 3, 6, an_etag("etag-a")), write(C, 4, 7, an_etag("etag-a"))], 2),
        # refused although there was nothing, or the right thing
        ([write(A, 1, 2), write(None, 3, 4), said(SOMETHING, 5, 6)], 2),
        ([write(A, 1, 2), said(another_etag("etag-a"), 3, 4)], 1),
        # a listing's etag
        ([write(A, 1, 2), write(B, 3, 4), said(an_etag("etag-a"), 5, 6)], 2),
    ],
)
def test_refused(history: list[Operation], culprit: int) -> None:
    violation = check(history)
    assert violation is not None
    assert violation.operation is history[culprit]
    assert str(violation)


def test_a_value_of_unknown_etag_may_have_any() -> None:
    copied = Value("copy", None)
    assert check([write(copied, 1, 2), said(an_etag("etag-a"), 3, 4)]) is None
    assert check([write(copied, 1, 2), write(None, 3, 4), said(an_etag("etag-a"), 5, 6)]) is not None


# -- against every order there is ----------------------------------------------------------------------------


def explained(operations: Sequence[Operation]) -> bool:
    """The definition itself: some order of all that was answered, and some of the rest, is right."""
    known = [each for each in operations if each.known]
    unknown = [each for each in operations if not each.known]
    return any(
        _fits(order)
        for count in range(len(unknown) + 1)
        for some in itertools.combinations(unknown, count)
        for order in itertools.permutations([*known, *some])
    )


def _fits(order: Sequence[Operation]) -> bool:
    state: State = None
    for place, operation in enumerate(order):
        if any(later.answered < operation.called for later in order[place + 1 :]):
            return False
        if not operation.need.met_by(state):
            return False
        if operation.writes:
            state = operation.value
    return True


VALUES = st.sampled_from([A, B, C])
NEEDS = st.sampled_from(
    [ANYTHING, ANYTHING, NOTHING, SOMETHING, an_etag("etag-a"), another_etag("etag-a"), an_etag("etag-b")]
)


@st.composite
def histories(draw: st.DrawFn, most: int = 6) -> list[Operation]:
    """Anything at all, likely or not; each value is written once."""
    count = draw(st.integers(1, most))
    times = draw(st.permutations(range(2 * count)))
    fresh = iter([A, B, C])
    made = []
    for number in range(count):
        called, answered = sorted(times[2 * number : 2 * number + 2])
        kind = draw(st.sampled_from(["write", "delete", "read", "said"]))
        value = next(fresh, None) if kind == "write" else None
        if kind in ("write", "delete"):
            make = draw(st.sampled_from([write, lost]))
            end = draw(st.sampled_from([float(answered), math.inf]))
            made.append(make(value, called, end, draw(NEEDS)))
        elif kind == "read":
            made.append(read(draw(st.one_of(st.none(), VALUES)), called, answered))
        else:
            made.append(said(draw(NEEDS), called, answered))
    return made


@settings(max_examples=400, deadline=None)
@given(histories())
def test_as_the_definition_has_it(history: list[Operation]) -> None:
    violation = check(history)
    assert (violation is None) == explained(history), violation


# -- a register at work --------------------------------------------------------------------------------------


@st.composite
def works(draw: st.DrawFn) -> list[Operation]:
    """What clients of one register see: operations overlap, some are never answered."""
    state: State = None
    made = []
    for number in range(draw(st.integers(5, 60))):
        moment = 10.0 * number + 5
        called = moment - draw(st.floats(1, 40))
        answered = moment + draw(st.floats(1, 40))
        if state is not None and draw(st.integers(0, 2)) == 0:
            made.append(said(a_write(state.write), called, answered))
        elif draw(st.booleans()):
            need = SOMETHING if state is not None else NOTHING
            made.append(said(need, called, answered))
        else:
            unanswered, happens = draw(st.integers(0, 4)) == 0, draw(st.booleans())
            value = None if draw(st.integers(0, 3)) == 0 else Value.of(f"w{number}", f"e{number}")
            made.append((lost if unanswered else write)(value, called, answered))
            if happens or not unanswered:
                state = value
    return made


@settings(max_examples=150, deadline=None)
@given(works())
def test_a_register_is_one(history: list[Operation]) -> None:
    violation = check(history)
    assert violation is None, str(violation)


@settings(max_examples=150, deadline=None)
@given(works(), st.data())
def test_a_changed_history_is_none(history: list[Operation], data: st.DataObject) -> None:
    """At the end: a value that was overwritten for certain shows up again, or one that nobody wrote."""
    end = 10.0 * len(history) + 100
    last = Value.of("last", "last")
    stale = [each.value for each in history if each.writes and each.known and each.value is not None]
    other = data.draw(st.sampled_from([*stale, None, Value.of("nobody's", "nobody's")]))
    quiet = [each for each in history if each.known]
    ended = [write(last, end, end + 1), read(last, end + 2, end + 3)]
    assert check([*history, *ended]) is None
    assert check([*quiet, *ended, read(other, end + 4, end + 5)]) is not None
    assert check([*quiet, *ended, replace(read(last, -2, -1))]) is not None
