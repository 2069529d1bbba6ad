# SPDX-License-Identifier: GPL-2.0-only
"""A set of very many ids in little memory: 12 to 24 bytes each, 36 while it grows.

It keeps 64 bits of each, in one flat open-addressing table. So `in` may say yes for an id that was never
added (for one in 10^13, with a million in the set), and never no for one that was: right for "is this in
use?", where a wrong yes keeps a blob and a wrong no would lose one.
"""

from array import array
from hashlib import blake2b
from typing import Final

_FIRST: Final = 1 << 10
_BITS: Final = (1 << 64) - 1

#: Crockford's digits, which ULIDs have, to those that int() knows.
_DIGITS: Final = str.maketrans("0123456789ABCDEFGHJKMNPQRSTVWXYZ", "0123456789ABCDEFGHIJKLMNOPQRSTUV")


def of_id(text: str) -> int:
    """64 bits of a ULID: the last 13 digits, which are random (`engine.ids`)."""
    return int(text[-13:].translate(_DIGITS), 32) & _BITS


def of_text(text: str) -> int:
    """64 bits of any text."""
    return int.from_bytes(blake2b(text.encode(), digest_size=8).digest())


class Fingerprints:
    """64-bit numbers, added and asked for."""

    def __init__(self) -> None:
        self._slots = array("Q", bytes(8 * _FIRST))
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def __contains__(self, number: int) -> bool:
        return self._slots[self._place(self._slots, number or 1)] != 0

    def add(self, number: int) -> None:
        """Take a number in; one that is there already changes nothing."""
        number = number or 1  # 0 is an empty slot
        place = self._place(self._slots, number)
        if self._slots[place]:
            return
        self._slots[place] = number
        self._count += 1
        if 3 * self._count > 2 * len(self._slots):
            self._grow()

    @staticmethod
    def _place(slots: "array[int]", number: int) -> int:
        """Where a number is, or belongs: the first slot from its own on that has it or is empty."""
        mask = len(slots) - 1
        place = number & mask
        while slots[place] and slots[place] != number:
            place = (place + 1) & mask
        return place

    def _grow(self) -> None:
        larger = array("Q", bytes(2 * 8 * len(self._slots)))
        for number in self._slots:
            if number:
                larger[self._place(larger, number)] = number
        self._slots = larger
