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


@cache
def text(size: int, number: int) -> bytes:
    """Version `number` of words that compress about as source code does; all are much like version 0."""
    dice = random.Random(1)
    words = [dice.randbytes(dice.randint(2, 9)).hex().encode() for _ in range(500)]
    lines = [b" ".join(dice.choices(words, k=8)) for _ in range(size // 60 + 1)]
    change = random.Random(number)
    for _ in range(len(lines) // 50 if number else 0):
        lines[change.randrange(len(lines))] = b" ".join(change.choices(words, k=8))
    data = b"\n".join(lines)
    return (data + data)[:size]
