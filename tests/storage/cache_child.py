# SPDX-License-Identifier: GPL-2.0-only
"""What the cache's tests run in processes of their own: `python -m tests.storage.cache_child <what> …`."""

import asyncio
import hashlib
import random
import sys
from pathlib import Path

from dgproxy.storage.cache import Append, FileCache


def content(number: int) -> bytes:
    return random.Random(number).randbytes(50_000 + number)


async def read(directory: Path, limit: str, seed: str) -> None:
    """Read twelve files, several at once, in its own order; says how many were asked for, and wrong."""
    asked = wrong = 0
    order = random.Random(seed).sample(range(12), 12)

    async def one(cache: FileCache, number: int) -> None:
        nonlocal wrong
        data = content(number)

        async def fill(append: Append) -> None:
            nonlocal asked
            asked += 1
            for start in range(0, len(data), 10_000):
                await append(data[start : start + 10_000])
                await asyncio.sleep(0.005)

        async with cache.mapped(str(number), len(data), hashlib.sha256(data).hexdigest(), fill) as view:
            wrong += view != data

    async with FileCache.open(directory, int(limit)) as cache:
        for start in range(0, 12, 4):
            await asyncio.gather(*(one(cache, number) for number in order[start : start + 4]))
    print(asked, wrong)


async def stall(directory: Path) -> None:
    """Begin to fill a file and never get on."""
    data = b"z" * 100_000

    async def fill(append: Append) -> None:
        await append(data[:1000])
        print("begun", flush=True)
        await asyncio.sleep(600)

    async with FileCache.open(directory, 1 << 20) as cache:
        await cache.map("stalled", len(data), hashlib.sha256(data).hexdigest(), fill)


if __name__ == "__main__":
    asyncio.run(globals()[sys.argv[1]](Path(sys.argv[2]), *sys.argv[3:]))
