# SPDX-License-Identifier: GPL-2.0-only
"""Whether one body becomes a reference of its deltaspace, and which one leaves the offer for it.

What was spent on the references so far is read off the names and sizes of the deltas in storage, only when
something depends on it. What follows from it is decided in `engine.renewal`.
"""

from typing import Final

from dgproxy.engine import keys, names, renewal
from dgproxy.engine.context import Engine
from dgproxy.engine.manifest import Reference
from dgproxy.engine.renewal import Spent, Use
from dgproxy.storage.backend import Listed

#: Deltas that are looked at for a reference: the latest of those in so many pages.
_PAGE: Final = 1000
_PAGES: Final = 4


class Founding:
    """The question for one body for `key`, with the references `offered` at the moment.

    `leaves` is the answer's other half: the id of the reference that makes room, or None.
    """

    def __init__(self, engine: Engine, bucket: str, key: str, offered: list[Reference]) -> None:
        self._engine = engine
        self._bucket = bucket
        self._key = key
        self._offered = offered
        self.leaves: str | None = None

    @property
    def has_room(self) -> bool:
        """Whether the deltaspace offers fewer references than it may."""
        return len(self._offered) < self._engine.policy.max_references

    async def by_misfit(self) -> bool:
        """Whether a body that fits no reference becomes one. Raises the storage layer's errors."""
        if self.has_room:
            return True
        # The last digits of an id are random.
        leaving = renewal.unneeded(await self._spent(), int.from_bytes(self._engine.new_id()[-4:].encode()))
        self.leaves = None if leaving is None else leaving.id
        return leaving is not None

    async def by_drift(self, reference: Reference, length: int, size: int) -> bool:
        """Whether a body of `length` bytes becomes a reference, although its delta would have `size`.

        Raises the storage layer's errors.
        """
        if size < renewal.MATTERS * renewal.price(reference, length):
            return False
        spent = await self._spent()
        if not renewal.renews(keys.readable(self._key), length, size, reference, spent):
            return False
        self._make_room(spent)
        return True

    async def by_decision(self) -> bool:
        """That it becomes one was decided before: only who leaves is open."""
        self._make_room(await self._spent())
        return True

    def _make_room(self, spent: list[Spent]) -> None:
        if not self.has_room:
            self.leaves = renewal.stalest(spent).id

    async def _spent(self) -> list[Spent]:
        return [Spent(reference, await self._uses(reference)) for reference in self._offered]

    async def _uses(self, reference: Reference) -> tuple[Use, ...]:
        """The deltas against a reference; pins are empty."""
        prefix = keys.users_of(keys.space_of(self._key), reference.id)
        after, found = "", tuple[Use, ...]()
        for _ in range(_PAGES):
            page = await self._engine.backend.list_records(
                self._bucket, prefix, delimiter="/", after=after, limit=_PAGE
            )
            listed = [item for item in page.items if isinstance(item, Listed)]
            uses = tuple(Use(*names.use_of(item.key, prefix), item.size) for item in listed if item.size)
            found = (found + uses)[-_PAGE:]
            if not page.more or not listed:
                break
            after = listed[-1].key
        return found
