# SPDX-License-Identifier: GPL-2.0-only
"""Decisions of the optimizer, as pure functions of what was measured: no I/O, no state, no clock."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Final

#: A deltaspace gets other references when that saves this share of it: less is what samples err by.
WORTH: Final = 0.05

#: An object is written anew for this share of its stored bytes.
WORTH_WRITING: Final = 0.01

#: Objects that are measured, and those of them that are asked whether they would be a good reference.
SAMPLES: Final = 12
CANDIDATES: Final = 8

#: References that are there already and are candidates, too: the most used.
PRESENT: Final = 12

#: Sets of up to this size are all tried, some ten thousand; larger ones grow from the best of them.
_TRIED: Final = 4


def spread(count: int, most: int) -> list[int]:
    """Up to `most` of the numbers 0 to `count` - 1, evenly spread, the first and the last among them."""
    if count <= most:
        return list(range(count))
    return [place * (count - 1) // (most - 1) for place in range(most)]


@dataclass(frozen=True, slots=True)
class Costs:
    """What was measured of a deltaspace, in bytes.

    `whole[c]` is what candidate c takes as a reference, `deltas[c][s]` what sample s takes against it and
    `alone[s]` without any; `now[s]` is what it takes against the reference it has. `weight` is how many
    objects each sample stands for.
    """

    whole: Sequence[float]
    deltas: Sequence[Sequence[float]]
    alone: Sequence[float]
    now: Sequence[float]
    weight: float
    #: What references take that are there and no candidates.
    others: float = 0.0

    def total(self, chosen: Sequence[int]) -> float:
        """What the deltaspace takes with these candidates as its references."""
        objects = (
            min([alone, *(self.deltas[candidate][sample] for candidate in chosen)])
            for sample, alone in enumerate(self.alone)
        )
        return sum(self.whole[candidate] for candidate in chosen) + self.weight * sum(objects)

    def total_now(self, references: Sequence[int]) -> float:
        """What it takes as it is, these candidates being its references."""
        whole = sum(self.whole[candidate] for candidate in references)
        return whole + self.others + self.weight * sum(self.now)


def choose(costs: Costs, present: Sequence[int], most: int) -> tuple[int, ...] | None:
    """The candidates that should be the references, at most `most`; None when those `present` may stay.

    A tenth of a second of work at most: for a worker thread.
    """
    candidates = range(len(costs.whole))
    sets = [chosen for size in range(1, min(most, _TRIED) + 1) for chosen in combinations(candidates, size)]
    if not sets:
        return None

    def order(chosen: tuple[int, ...]) -> tuple[float, tuple[int, ...]]:
        return costs.total(chosen), chosen

    best: tuple[int, ...] = min(sets, key=order)
    while len(best) < most:
        larger = [(*best, candidate) for candidate in candidates if candidate not in best]
        grown = min(larger, key=order, default=best)
        if costs.total(grown) >= costs.total(best):
            break
        best = grown
    return best if costs.total(best) < (1 - WORTH) * costs.total_now(present) else None


def confirmed(
    costs: Costs,
    chosen: Sequence[int],
    present: Sequence[int],
    taken: Sequence[float],
    stored: Sequence[float],
) -> bool:
    """Whether `chosen` still saves enough by what the samples really take with it and `stored` now, in bytes.

    What resembles a reference in one place and not in another makes samples err, in zip files above all.
    """
    then = sum(costs.whole[candidate] for candidate in chosen) + costs.weight * sum(taken)
    now = sum(costs.whole[candidate] for candidate in present) + costs.others + costs.weight * sum(stored)
    return then < (1 - WORTH) * now


def worth_writing_below(stored: int) -> int:
    """Bytes below which an object that takes `stored` is worth being written anew."""
    return int((1 - WORTH_WRITING) * stored)


def worth_retiring(more: int, reference: int) -> bool:
    """Whether a reference goes when its last users take so much `more` without it."""
    return more < reference
