# SPDX-License-Identifier: GPL-2.0-only
"""Whether what clients saw of one key is what one register could have shown them.

A history is linearizable when each operation can be given one moment between its call and its answer, so that
all of them, one after the other, explain every answer (Herlihy and Wing, "Linearizability: a correctness
condition for concurrent objects", 1990). An operation whose answer is not known may have no moment at all, or
one while whoever was asked could still do it: a request that timed out may still be on its way.

The search is just-in-time linearization (Lowe, "Testing for linearizability", 2017), which is Wing and Gong's
with memory: the history is read in the order of its events, holding every *configuration* it allows, that is
what the register holds, and which operations have had their moment. An operation gets its moment when its
answer makes it necessary. Three things keep configurations few. What changes nothing has its moment as soon
as its answer would be right: that never hurts. What was never answered is used only where it makes another
answer right, and of those that would do the same, the one for which it is too late first. And a configuration
that has used more of the unanswered than another, and is the same otherwise, is dropped.

No requests, no clocks and no S3 in here.
"""

import math
from collections.abc import Iterable, Iterator, Sequence, Set
from dataclasses import dataclass
from typing import Final, Literal


@dataclass(frozen=True)
class Value:
    """What a register may hold: who wrote it, and the etags it may be seen with (None: nobody knows)."""

    write: str
    etags: frozenset[str] | None

    @classmethod
    def of(cls, write: str, etag: str) -> "Value":
        return cls(write, frozenset({etag}))


#: A value of which it is known that no answer shows it, and one of which that is known but for its etag.
HIDDEN = Value("(never seen)", frozenset())
UNNAMED = Value("(never seen by name)", None)

#: None: the register is empty.
State = Value | None


@dataclass(frozen=True)
class Need:
    """What must be in the register at an operation's moment."""

    kind: Literal["anything", "nothing", "something", "write", "etag", "another etag"]
    #: A write's name, or etags of which it is one.
    of: frozenset[str] = frozenset()

    def met_by(self, state: State) -> bool:
        """Whether the answer would be right; where that can't be told, it is."""
        if self.kind == "anything":
            return True
        if state is None:
            return self.kind == "nothing"
        if self.kind == "nothing":
            return False
        if self.kind == "write":
            return state.write in self.of
        if self.kind == "something" or state.etags is None:
            return True
        return (not state.etags.isdisjoint(self.of)) == (self.kind == "etag")


ANYTHING = Need("anything")
NOTHING = Need("nothing")
SOMETHING = Need("something")


def a_write(write: str) -> Need:
    return Need("write", frozenset({write}))


def an_etag(*etags: str) -> Need:
    return Need("etag", frozenset(etags))


def another_etag(etag: str) -> Need:
    return Need("another etag", frozenset({etag}))


@dataclass(frozen=True)
class Operation:
    """One call and its answer. Times are of one clock for all threads; no two events have the same."""

    kind: str
    called: float
    #: Where the answer is not known: when it was too late for it, math.inf for never.
    answered: float
    need: Need
    #: Whether it changes the register, and to what.
    writes: bool = False
    value: State = None
    known: bool = True


@dataclass(frozen=True)
class Violation:
    """The operation that no order of moments explains, and what there could have been instead."""

    operation: Operation
    possible: tuple[State, ...]
    #: What went on at the time, for people.
    around: tuple[Operation, ...]

    def __str__(self) -> str:
        held = ", ".join("nothing" if state is None else state.write for state in self.possible)
        lines = [f"{shown(self.operation)}: not explained by any order; there could be {held}"]
        return "\n    ".join([*lines, *map(shown, self.around)])


def shown(operation: Operation) -> str:
    """One line for people."""
    need = operation.need
    words = f"{operation.called:.3f}..{operation.answered:.3f} {operation.kind}"
    if need != ANYTHING:
        words += f" [{need.kind} {' '.join(sorted(need.of))}]"
    if operation.writes:
        words += f" := {operation.value.write if operation.value else 'nothing'}"
    return words


def check(operations: Sequence[Operation]) -> Violation | None:
    """The first operation on a register, empty in the beginning, that nothing explains; None: all is well."""
    return _Check(operations, thorough=False).run() and _Check(operations, thorough=True).run()


#: Seconds before a violation that are shown with it.
_AROUND: Final = 10.0


@dataclass(frozen=True)
class _Configuration:
    """A state, and by number which operations that are under way have had their moment."""

    state: State
    done: frozenset[int] = frozenset()
    #: Of those that were never answered.
    spent: frozenset[int] = frozenset()


#: Operations that were never answered are alike when they need and do the same.
_Likeness = tuple[Need, State]


class _Check:
    """One reading of a history. `thorough` looks at longer chains of unanswered operations, and is slower."""

    def __init__(self, operations: Sequence[Operation], *, thorough: bool) -> None:
        self._operations = sorted(operations, key=lambda each: each.called)
        self._thorough = thorough
        seen: set[str] = set()
        for each in operations:
            seen |= each.need.of
        self._seen = seen
        #: Numbers of what is under way: reads, writes, and the unanswered writes by likeness.
        self._reads: set[int] = set()
        self._writes: set[int] = set()
        self._unanswered: dict[_Likeness, list[int]] = {}

    def run(self) -> Violation | None:
        configurations = {_Configuration(None)}
        for number, ends in self._events():
            operation = self._operations[number]
            if not ends:
                self._begin(number)
                if operation.known:
                    configurations = {self._settled(each) for each in configurations}
                continue
            if not operation.known:
                configurations = self._too_late(number, configurations)
                continue
            found: set[_Configuration] = set()
            for each in configurations:
                found |= {each} if number in each.done else self._explaining(each, number)
            if not found:
                return self._violation(number, configurations)
            self._reads.discard(number)
            self._writes.discard(number)
            configurations = self._pruned(
                _Configuration(each.state, each.done - {number}, each.spent) for each in found
            )
        return None

    def _events(self) -> Iterator[tuple[int, bool]]:
        """Each operation's number where it is called, and again, with True, where it is answered."""
        numbered = list(enumerate(self._operations))
        events = [(each.called, number, False) for number, each in numbered]
        events += [(each.answered, number, True) for number, each in numbered if each.answered < math.inf]
        for _, number, ends in sorted(events):
            yield number, ends

    def _begin(self, number: int) -> None:
        operation = self._operations[number]
        if operation.known:
            (self._writes if operation.writes else self._reads).add(number)
        elif operation.writes:
            likeness = operation.need, self._left_by(operation)
            self._unanswered.setdefault(likeness, []).append(number)

    def _too_late(self, number: int, configurations: set[_Configuration]) -> set[_Configuration]:
        """An unanswered operation had its moment by now, or never."""
        found = set(configurations)
        for each in configurations:
            if number not in each.spent:
                found |= self._explaining(each, number)
        self._used_up({number})
        return self._pruned(_Configuration(each.state, each.done, each.spent - {number}) for each in found)

    def _used_up(self, used: Set[int]) -> None:
        """Nobody can use these any more."""
        for likeness, numbers in list(self._unanswered.items()):
            left = [each for each in numbers if each not in used]
            if left:
                self._unanswered[likeness] = left
            else:
                del self._unanswered[likeness]

    def _left_by(self, operation: Operation) -> State:
        """What is there after it; values that nobody sees are all the same."""
        value = operation.value
        if operation.known or value is None or value.write in self._seen:
            return value
        if value.etags is None:
            return UNNAMED
        return value if value.etags & self._seen else HIDDEN

    def _settled(self, configuration: _Configuration) -> _Configuration:
        """The same after all reads under way that are right at this moment."""
        state, done = configuration.state, configuration.done
        right = {each for each in self._reads - done if self._operations[each].need.met_by(state)}
        return _Configuration(state, done | right, configuration.spent) if right else configuration

    def _explaining(self, start: _Configuration, number: int) -> set[_Configuration]:
        """What may come of `start` by the operation's moment, and those of others before it if need be."""
        found: set[_Configuration] = set()
        seen = {start}
        left = [start]
        while left:
            for following in self._following(left.pop(), number):
                if following in seen:
                    continue
                seen.add(following)
                if number in following.done or number in following.spent:
                    found.add(following)
                else:
                    left.append(following)
        return found

    def _following(self, configuration: _Configuration, wanted: int) -> Iterator[_Configuration]:
        """What may come next: a write under way, or an unanswered one that is of use, or is wanted."""
        state, done, spent = configuration.state, configuration.done, configuration.spent
        for each in self._writes - done:
            operation = self._operations[each]
            if operation.need.met_by(state):
                yield self._settled(_Configuration(operation.value, done | {each}, spent))
        for (need, value), numbers in self._unanswered.items():
            if not need.met_by(state):
                continue
            if wanted in numbers:
                yield self._settled(_Configuration(value, done, spent | {wanted}))
            left = [each for each in numbers if each not in spent]
            if left and self._is_of_use(configuration, value):
                first = min(left, key=lambda each: self._operations[each].answered)
                yield self._settled(_Configuration(value, done, spent | {first}))

    def _is_of_use(self, configuration: _Configuration, value: State) -> bool:
        """Whether something is possible with this value in the register that is not possible now."""

        def helps(need: Need) -> bool:
            return need.met_by(value) and not need.met_by(configuration.state)

        waiting = (self._reads | self._writes) - configuration.done
        if any(helps(self._operations[each].need) for each in waiting):
            return True
        return any(
            helps(need)
            for need, left in self._unanswered
            if self._thorough or (left is not None and left is not HIDDEN)
        )

    def _pruned(self, configurations: Iterable[_Configuration]) -> set[_Configuration]:
        """Without those that have spent more than another that is the same otherwise."""
        alike: dict[tuple[State, frozenset[int]], list[frozenset[int]]] = {}
        for each in configurations:
            alike.setdefault((each.state, each.done), []).append(each.spent)
        everywhere: frozenset[int] | None = None
        kept: list[tuple[State, frozenset[int], frozenset[int]]] = []
        for (state, done), all_spent in alike.items():
            least: list[frozenset[int]] = []
            for spent in sorted(all_spent, key=len):
                if not any(other <= spent for other in least):
                    least.append(spent)
                    everywhere = spent if everywhere is None else everywhere & spent
            kept += [(state, done, spent) for spent in least]
        used_up = everywhere or frozenset()
        self._used_up(used_up)  # by every configuration: nobody needs to remember them
        return {_Configuration(state, done, spent - used_up) for state, done, spent in kept}

    def _violation(self, number: int, configurations: set[_Configuration]) -> Violation:
        operation = self._operations[number]
        around = [
            each
            for each in self._operations
            if each.called < operation.answered and each.answered > operation.called - _AROUND
        ]
        states = {each.state for each in configurations}
        possible = sorted(states, key=lambda state: "" if state is None else state.write)
        return Violation(operation, tuple(possible), tuple(around[-25:]))
