# SPDX-License-Identifier: GPL-2.0-only
"""When a deltaspace gets another reference, and which one leaves the offer for it: pure decisions.

Deltas grow as versions drift away from their reference. The rule is that of renting or buying: deltas are the
rent, a new reference the price. What the deltas against a reference have cost beyond the best of them is what
a better reference could have saved; once that reaches the price, it is paid. Nothing is remembered for it:
the sizes of the deltas that exist say what was spent.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from dgproxy.engine.manifest import Reference

#: Deltas below this share of the price are never asked about: 30 of them and more would have to be in vain.
MATTERS: Final = 0.03

#: A reference that all deltas are equally far from is replaced on trial, once they have cost this many times
#: the price; one that came of that needs deltas of this share of those before, or it was in vain.
_TRIAL: Final = 4.0
_BETTER: Final = 0.75

#: Uses of a deltaspace's references that make one stale which is not among them.
_RECENT: Final = 16


@dataclass(frozen=True, slots=True)
class Use:
    """A delta: the id of its blob, the readable piece of its object's name, and its bytes."""

    id: str
    name: str
    size: int


@dataclass(frozen=True, slots=True)
class Spent:
    """What the deltas against an offered reference take, oldest first."""

    reference: Reference
    uses: tuple[Use, ...] = ()

    @property
    def last(self) -> str:
        """The id of what was stored last with it: a ULID, so ids sort by time."""
        return max((use.id for use in self.uses), default=self.reference.id)

    def objects(self, without: str = "") -> list[int]:
        """Bytes of each object, parts added up; `without` the one of that name, which is being replaced."""
        sizes: dict[str, int] = {}
        for use in self.uses:
            sizes[use.name] = sizes.get(use.name, 0) + use.size
        sizes.pop(without, None)
        return list(sizes.values())


def price(reference: Reference, length: int) -> int:
    """About what `length` bytes like those of `reference` take as a reference of their own."""
    return round(length * reference.cost / max(reference.length, 1))


def renews(name: str, length: int, size: int, of: Reference, spent: Sequence[Spent]) -> bool:
    """Whether an object of `length` bytes, whose delta against `of` has `size`, becomes a reference instead.

    `spent` is what has been spent on all offered references.
    """
    sizes = [*_spent_on(of, spent).objects(without=name), size]
    more = price(of, length) - size
    excess = sum(sizes) - len(sizes) * min(sizes)
    return excess >= more or (sum(sizes) >= _TRIAL * more and not _tried_in_vain(of, sizes, spent))


def _tried_in_vain(of: Reference, sizes: Sequence[int], spent: Sequence[Spent]) -> bool:
    """Whether a reference from before `of` served no worse, so that another one would not help either."""
    before = [each for each in spent if each.reference.id < of.id and each.uses]
    if not before:
        return False
    latest = max(before, key=lambda each: each.reference.id).objects()
    return sum(sizes) / len(sizes) > _BETTER * sum(latest) / len(latest)


def _spent_on(reference: Reference, spent: Iterable[Spent]) -> Spent:
    return next((each for each in spent if each.reference.id == reference.id), Spent(reference))


def stalest(spent: Sequence[Spent]) -> Reference:
    """The reference that leaves for one that renews another: the one not used for longest."""
    return min(spent, key=lambda each: each.last).reference


def unneeded(spent: Sequence[Spent], draw: int) -> Reference | None:
    """The reference that leaves for one that fits none: an unused or stale one, if there is any.

    Of several the one that `draw`, any number, decides: so no order of uploads is the worst.
    """
    unused = [each.reference for each in spent if not each.uses]
    if not unused:
        ids = sorted((use.id for each in spent for use in each.uses), reverse=True)
        recent = set(ids[:_RECENT])
        unused = [each.reference for each in spent if not recent.intersection(use.id for use in each.uses)]
    return unused[draw % len(unused)] if unused else None
