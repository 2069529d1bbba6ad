# SPDX-License-Identifier: GPL-2.0-only
"""Every call and its answer, by any number of threads, and what they say of each key's register.

A call is begun before anything is sent and ended once its answer is read:

- `wrote`, `saw`, `refused`, `listed`: the answer says what the register held, or holds from then on;
- `lost`: no answer, or one of 5xx. A write may have happened, or happen later: soon, where there was an
  answer, else as long as the proxy lives that was asked (`died`);
- `failed`: the answer says that nothing was done, and not why.

Every write has a name of its own, which its object carries as metadata; so an answer tells whose bytes it
shows. Bytes, lengths and etags are compared at once, what `register` decides when all is over. What a COPY
took is known only from its answer, or from those who see its object later.
"""

import bisect
import itertools
import math
import threading
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, Literal

from tests.consistency.contents import Content
from tests.consistency.register import (
    ANYTHING,
    NOTHING,
    SOMETHING,
    Need,
    Operation,
    Value,
    a_write,
    an_etag,
    check,
)

#: Seconds for which a request to the store may outlive whoever sent it: the meddler holds some back.
GRACE: Final = 10.0

Outcome = Literal["done", "refused", "unknown", "failed"]


@dataclass(frozen=True)
class Call:
    """A call that is under way."""

    kind: str
    key: str
    at: float


@dataclass(frozen=True)
class Page:
    """A page of a listing: what was asked, and key -> etag as answered, in that order.

    With a delimiter it has `groups`, common prefixes, too; then `after` is where the page before ended, which
    may be one of them.
    """

    prefix: str
    after: str
    found: Mapping[str, str]
    truncated: bool
    delimiter: str = ""
    groups: frozenset[str] = frozenset()
    #: What the next page is asked with.
    token: str = ""

    def shows(self, key: str) -> str:
        """What a listing like this shows of a key that is there: itself, or a common prefix."""
        rest = key.removeprefix(self.prefix)
        start, delimiter, _ = rest.partition(self.delimiter) if self.delimiter else (rest, "", "")
        return f"{self.prefix}{start}{delimiter}" if delimiter else key

    @property
    def last(self) -> str:
        """Where it ends."""
        return max({*self.found, *self.groups}, default="")

    def covers(self, key: str) -> bool:
        """Whether a key that was there had to be on it, by itself or as a common prefix."""
        shown = self.shows(key)
        within = not self.truncated or shown <= self.last
        return key.startswith(self.prefix) and self.after < shown and within

    def in_form(self, keys: Sequence[str], groups: Sequence[str], most: int) -> bool:
        """Whether an answer with these keys and common prefixes is one to what was asked, at most so many."""
        shown = {*keys, *groups}
        return (
            in_order(keys)
            and in_order(groups)
            and len(keys) + len(groups) <= most
            and (bool(shown) or not self.truncated)
            and all(each.startswith(self.prefix) and each > self.after for each in shown)
            and all(self.shows(key) == key for key in keys)
            and all(self.shows(group) == group for group in groups)
        )

    def looks(self, covered: Sequence[str]) -> Iterator[tuple[str, Need]]:
        """What it says of single keys: of those it shows, and of those known by then that it covers."""
        for key, etag in self.found.items():
            yield key, an_etag(etag)
        under = Counter(map(self.shows, covered))
        for key in covered:
            shown = self.shows(key)
            if shown not in self.groups and key not in self.found:
                yield key, NOTHING
            elif shown in self.groups and under[shown] == 1:
                yield key, SOMETHING


class Presence:
    """When a key may have had an object, by its writes and deletes alone."""

    def __init__(self, operations: Sequence[Operation]) -> None:
        changes = [each for each in operations if each.writes]
        writes = sorted((each.called, each.answered) for each in changes if each.value is not None)
        deletes = sorted(
            (each.answered, each.called) for each in changes if each.value is None and each.known
        )
        self._begun = [called for called, _ in writes]
        #: Of the first write, the first two and so on: when all of them were over; so when deletes began.
        self._over = list(itertools.accumulate((answered for _, answered in writes), max))
        self._deleted = [answered for answered, _ in deletes]
        self._latest = list(itertools.accumulate((called for _, called in deletes), max))

    def possible(self, begin: float, end: float) -> bool:
        """Whether at any moment between these.

        Some write had begun by the end, and not all of those were over when a delete began that was over at
        the begin.
        """
        writes, deletes = bisect.bisect_left(self._begun, end), bisect.bisect_left(self._deleted, begin)
        return bool(writes) and (not deletes or self._over[writes - 1] > self._latest[deletes - 1])


@dataclass(frozen=True)
class _Lost:
    """A write without an answer: its operation, and the proxies that may still be at it."""

    key: str
    operation: Operation
    asked: frozenset[int]


@dataclass(frozen=True)
class _Sighting:
    etag: str
    at: float


@dataclass
class History:
    """All there is to know of a run."""

    #: Etag -> the bytes that have it.
    contents: dict[str, Content] = field(default_factory=dict)
    counts: Counter[tuple[str, Outcome]] = field(default_factory=Counter)
    #: What was wrong in itself: wrong bytes, an answer that no request can have.
    wrong: list[str] = field(default_factory=list)
    _etags: dict[str, str | None] = field(default_factory=dict)
    _operations: list[tuple[str, Operation]] = field(default_factory=list)
    _lost: list[_Lost] = field(default_factory=list)
    _deaths: list[tuple[float, int]] = field(default_factory=list)
    _copies: list[tuple[str, str, Operation]] = field(default_factory=list)
    _pages: list[tuple[Call, float, Page]] = field(default_factory=list)
    _seen: dict[str, _Sighting] = field(default_factory=dict)
    _last: float = 0.0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    # -- recording -----------------------------------------------------------------------------------------

    def will_write(self, write: str, etag: str | None, content: Content | None = None) -> None:
        """Name a write before it is sent; a COPY has no etag yet."""
        with self._lock:
            self._etags[write] = etag
            if content is not None:
                # A copy of a multipart object has the MD5 of its bytes for an etag.
                self.contents[content.etag] = self.contents[content.md5] = content

    def begin(self, kind: str, key: str) -> Call:
        """A call is about to be sent."""
        with self._lock:
            return Call(kind, key, self._now())

    def died(self, proxy: int) -> None:
        """All processes of a proxy are gone, and what they had in hand."""
        with self._lock:
            self._deaths.append((self._now(), proxy))

    def wrote(self, call: Call, write: str | None, need: Need = ANYTHING) -> None:
        """Its write took place; None: a delete."""
        self._end(call, "done", need, writes=True, write=write)

    def copied(self, call: Call, write: str, source: str, etag: str, need: Need = ANYTHING) -> None:
        """The bytes of `source`, which then had that etag, are at the call's key."""
        if etag not in self.contents:
            self.complain(f"{call.kind} {call.key}: etag {etag}, which no write had")
            return
        self.sighted(write, etag)
        if source == call.key:
            self.wrote(call, write, self._etag_of_source(etag))
            return
        self.wrote(call, write, need)
        with self._lock:
            self._operations.append((source, self._reading(call, self._now(), self._etag_of_source(etag))))

    def saw(self, call: Call, write: str, etag: str) -> None:
        """The object of a write was there."""
        self.sighted(write, etag)
        self._end(call, "done", a_write(write))

    def refused(self, call: Call, need: Need, key: str | None = None) -> None:
        """Nothing was done, because of what was at its key (or another: the source of a copy)."""
        self._end(call, "refused", need, key=key)

    def listed(self, call: Call, page: Page) -> None:
        """A page was read."""
        with self._lock:
            self.counts[call.kind, "done"] += 1
            self._pages.append((call, self._now(), page))

    def lost(
        self,
        call: Call,
        write: str | None = None,
        need: Need = ANYTHING,
        *,
        asked: Iterable[int] = (),
        writes: bool = True,
    ) -> None:
        """Nobody knows what became of it; the proxies that were `asked` have not said that they are done."""
        with self._lock:
            self.counts[call.kind, "unknown"] += 1
            if writes:  # an answer that was not read says nothing
                value = None if write is None else Value(write, None)
                too_late = self._now() + GRACE
                operation = Operation(call.kind, call.at, too_late, need, True, value, known=False)
                self._lost.append(_Lost(call.key, operation, frozenset(asked)))

    def copy_lost(
        self, call: Call, write: str, source: str, need: Need = ANYTHING, *, asked: Iterable[int] = ()
    ) -> None:
        """The same of a copy."""
        self.lost(call, write, need, asked=asked)
        with self._lock:
            self._copies.append((write, source, self._reading(call, math.inf, ANYTHING)))

    def failed(self, call: Call) -> None:
        """Nothing was done."""
        with self._lock:
            self.counts[call.kind, "failed"] += 1

    def count(self, kind: str, outcome: Outcome) -> None:
        """A call that no register shows: the parts of an upload."""
        with self._lock:
            self.counts[kind, outcome] += 1

    def sighted(self, write: str, etag: str) -> None:
        """The object of a write was seen with this etag."""
        with self._lock:
            if write not in self._etags:
                self.wrong.append(f"an object of {write!r}, which nobody wrote, etag {etag}")
                return
            if self._etags[write] is None:
                self._etags[write] = etag
                self._seen[write] = _Sighting(etag, self._now())
            if self._etags[write] != etag:
                self.wrong.append(f"the object of {write} has etag {etag}, not {self._etags[write]}")

    def complain(self, sentence: str) -> None:
        """Something is wrong in itself."""
        with self._lock:
            self.wrong.append(sentence)

    @property
    def calls(self) -> int:
        """Calls that were sent and have ended."""
        with self._lock:
            return sum(count for (_, outcome), count in self.counts.items() if outcome != "failed")

    # -- judging -------------------------------------------------------------------------------------------

    def operations(self) -> dict[str, list[Operation]]:
        """By key, what happened to its register; everything has ended."""
        found: dict[str, list[Operation]] = {}
        for key, operation in self._operations:
            found.setdefault(key, []).append(self._resolved(operation))
        for each in self._lost:
            found.setdefault(each.key, []).append(self._resolved(self._ended(each)))
        for write, source, reading in self._copies:
            sighting = self._seen.get(write)
            if sighting is not None and sighting.etag in self.contents:
                need = self._etag_of_source(sighting.etag)
                took = Operation(reading.kind, reading.called, sighting.at, need)
                found.setdefault(source, []).append(took)
        first = {key: min(each.called for each in each_key) for key, each_key in found.items()}
        for call, answered, page in self._pages:
            covered = [key for key, began in first.items() if began < answered and page.covers(key)]
            for key, need in page.looks(covered):
                found.setdefault(key, []).append(Operation(call.kind, call.at, answered, need))
        return found

    def violations(self) -> list[str]:
        """All that is wrong, in words."""
        found = list(self.wrong)
        by_key = self.operations()
        for key, operations in sorted(by_key.items()):
            violation = check(operations)
            if violation is not None:
                found.append(f"{key}: {violation}")
        return found + list(self._baseless(by_key))

    def _baseless(self, by_key: Mapping[str, list[Operation]]) -> Iterator[str]:
        """Common prefixes that were listed when nothing can have been under them.

        Which of several keys made one appear nobody knows, so no register shows this: it is decided by their
        writes and deletes alone. A group of one key is a look at that, besides.
        """
        presences = {key: Presence(operations) for key, operations in by_key.items()}
        for call, answered, page in self._pages:
            unexplained = set(page.groups)
            for key, presence in presences.items() if unexplained else ():
                if key.startswith(page.prefix) and presence.possible(call.at, answered):
                    unexplained.discard(page.shows(key))
            for group in sorted(unexplained):
                listing = (
                    f"{call.at:.3f}..{answered:.3f} {call.kind} of {page.prefix!r} by {page.delimiter!r}"
                )
                yield f"{group}: {listing} shows it; not explained by any object under it"

    def _end(
        self,
        call: Call,
        outcome: Outcome,
        need: Need,
        *,
        writes: bool = False,
        write: str | None = None,
        key: str | None = None,
    ) -> None:
        with self._lock:
            self.counts[call.kind, outcome] += 1
            value = None if write is None else Value(write, None)  # its etags when all is over
            operation = Operation(call.kind, call.at, self._now(), need, writes, value)
            self._operations.append((call.key if key is None else key, operation))

    def _now(self) -> float:
        """Seconds, never the same twice; the lock is held."""
        self._last = max(time.monotonic(), math.nextafter(self._last, math.inf))
        return self._last

    def _ended(self, lost: _Lost) -> Operation:
        """The operation with the time when it was too late for it."""
        too_late = lost.operation.answered
        for proxy in lost.asked:
            deaths = [at for at, who in self._deaths if who == proxy and at > lost.operation.called]
            too_late = max(too_late, min(deaths, default=math.inf) + GRACE)
        return replace(lost.operation, answered=too_late)

    def _reading(self, call: Call, answered: float, need: Need) -> Operation:
        return Operation(f"{call.kind} from", call.at, answered, need)

    def _etag_of_source(self, etag: str) -> Need:
        """What a copy's source was: an object of the same bytes, perhaps with a multipart etag."""
        content = self.contents[etag]
        return an_etag(content.md5, content.etag)

    def _resolved(self, operation: Operation) -> Operation:
        if operation.value is None:
            return operation
        write = operation.value.write
        etag = self._etags.get(write)
        return replace(operation, value=Value(write, None if etag is None else frozenset({etag})))


def in_order(keys: Iterable[str]) -> bool:
    """Whether a listing's keys ascend, none twice, in the order of their UTF-8 bytes."""
    encoded = [key.encode() for key in keys]
    return all(first < second for first, second in itertools.pairwise(encoded))
