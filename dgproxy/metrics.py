# SPDX-License-Identifier: GPL-2.0-only
"""The numbers a server counts: defined where they arise, kept in memory that all worker processes share.

A family (`Counter`, `Gauge`, `Histogram`) is defined at import, with every value its labels can have, so each
series is one cell known in advance and counting is one addition. `share` lays a row of cells for every worker
into anonymous shared memory before the first fork; `join` gives a worker its row. A row outlives its worker:
who takes a dead one's place counts on, so no sum ever goes back (which Prometheus would take for a restart).

Only the event loop of a process writes its row, so nothing needs a lock; a reader may miss what is being
added at that moment, and never sees half a number (an aligned 8-byte store). Before `share`, and in tests, a
process counts for itself. How the numbers are shown is not decided here.
"""

import mmap
import time
from array import array
from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Final, Literal

__all__ = ["OTHER", "Counter", "Family", "Gauge", "Histogram", "Sample", "join", "read", "share", "started"]

#: The label value that stands for every value its family does not list, if it lists this one.
OTHER: Final = "other"

_Kind = Literal["counter", "gauge", "histogram"]

_families: Final[list["Family"]] = []
_cells: "array[float] | memoryview[float]" = array("d")
_rows: "list[memoryview[float]] | None" = None
_started = time.time()


@dataclass(frozen=True, slots=True)
class Sample:
    """One series' sum over all workers. A histogram's `values` are its buckets' own counts and its sum."""

    labels: tuple[str, ...]
    values: tuple[float, ...]

    @property
    def value(self) -> float:
        """The number of a counter or gauge."""
        return self.values[0]


class Family:
    """Series of one name; `labels` maps each label to all values it can have."""

    kind: _Kind
    #: Cells of one series.
    width = 1

    def __init__(self, name: str, text: str, **labels: Sequence[str]) -> None:
        self.name: Final = name
        self.text: Final = text
        self.labels: Final[Mapping[str, Sequence[str]]] = labels
        first = len(_cells)
        series = list(product(*labels.values()))
        self._places = {values: first + number * self.width for number, values in enumerate(series)}
        _define(self, len(series) * self.width)

    def samples(self, cells: Sequence[float]) -> Iterator[Sample]:
        """The series, out of what `read` gave."""
        for labels, place in self._places.items():
            yield Sample(labels, tuple(cells[place : place + self.width]))

    def _place(self, labels: tuple[str, ...]) -> int:
        """The first cell of a series. Raises KeyError for values that were not defined."""
        place = self._places.get(labels)
        if place is None:
            known = self.labels.values()
            listed = (
                value if value in values else OTHER for value, values in zip(labels, known, strict=True)
            )
            place = self._places[tuple(listed)]
        return place


class Counter(Family):
    """What only grows."""

    kind = "counter"

    def add(self, amount: float, *labels: str) -> None:
        """Count `amount` more."""
        _cells[self._place(labels)] += amount

    def now(self, *labels: str) -> float:
        """What this process has counted, for tests."""
        return _cells[self._place(labels)]


class Gauge(Family):
    """What goes up and down in each worker; the server's is the sum."""

    kind = "gauge"

    def add(self, amount: float, *labels: str) -> None:
        """Go up, or down, by `amount`."""
        _cells[self._place(labels)] += amount

    def set(self, value: float, *labels: str) -> None:
        """Be `value` from now on."""
        _cells[self._place(labels)] = value

    def reset(self) -> None:
        """Forget what a worker that died in this row had."""
        for place in self._places.values():
            _cells[place] = 0.0


class Histogram(Family):
    """How often which sizes come: a count for each bucket up to and including its bound, and the sum."""

    kind = "histogram"

    def __init__(self, name: str, text: str, bounds: Sequence[float], **labels: Sequence[str]) -> None:
        self.bounds: Final = tuple(bounds)
        self.width = len(bounds) + 2
        super().__init__(name, text, **labels)

    def observe(self, value: float, *labels: str) -> None:
        """Count one `value`."""
        place = self._place(labels)
        _cells[place + bisect_left(self.bounds, value)] += 1
        _cells[place + self.width - 1] += value


def _define(family: Family, cells: int) -> None:
    if not isinstance(_cells, array):
        raise RuntimeError(f"{family.name} is defined after the memory was laid out")  # noqa: TRY004 - no type
    _cells.extend([0.0] * cells)
    _families.append(family)


def share(workers: int) -> None:
    """Lay out the rows; once, in the process that forks the workers, after all families are defined."""
    global _rows, _started  # noqa: PLW0603 - a process has one set of numbers, like one log
    _started = time.time()
    # Rows begin on pages of their own: processes that count don't fight for a cache line.
    size = (len(_cells) * 8 // mmap.PAGESIZE + 1) * mmap.PAGESIZE
    memory = memoryview(mmap.mmap(-1, size * workers))
    _rows = [memory[size * each : size * (each + 1)].cast("d") for each in range(workers)]


def join(number: int) -> None:
    """Count in the row of worker `number` (from 1) from now on; without `share`, go on alone."""
    global _cells  # noqa: PLW0603 - see share
    if _rows is None:
        return
    _cells = _rows[number - 1]
    for family in _families:
        if isinstance(family, Gauge):
            family.reset()


def read() -> tuple[Sequence[Family], Sequence[float]]:
    """Every family, and the cells of all workers added up, for `samples`."""
    if _rows is None:
        return _families, list(_cells)
    return _families, [sum(column) for column in zip(*_rows, strict=True)]


def started() -> float:
    """When the server started, in seconds since the epoch."""
    return _started
