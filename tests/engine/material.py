# SPDX-License-Identifier: GPL-2.0-only
"""Bytes for the engine's tests: made once, from fixed seeds, no larger than a test needs."""

import random
from functools import cache


@cache
def noise(size: int, seed: int = 0) -> bytes:
    """Bytes that nothing compresses and that resemble no other seed's."""
    return random.Random(seed).randbytes(size)


@cache
def version(size: int, number: int, seed: int = 0) -> bytes:
    """Version `number` of an artifact of about `size` bytes; all differ a little from version 0."""
    data = noise(size, seed)
    if number == 0:
        return data
    edit = random.Random(f"{seed} {number}").randbytes(max(size // 50, 16))
    place = (number * 7919) % max(size - len(edit), 1)
    return data[:place] + edit + data[place + len(edit) // 2 :]
