# SPDX-License-Identifier: GPL-2.0-only
"""Many calls at once, a bounded number of them: all are over when it returns or raises."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import TypeVar

_A = TypeVar("_A")
_T = TypeVar("_T")


async def together(call: Callable[[_A], Awaitable[_T]], items: Iterable[_A], at_once: int) -> list[_T]:
    """What `call` returns for each item, in their order. The first failure ends them all and is raised."""
    turns = asyncio.Semaphore(at_once)

    async def turn(item: _A) -> _T:
        async with turns:
            return await call(item)

    tasks = [asyncio.create_task(turn(item)) for item in items]
    try:
        return await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
