# SPDX-License-Identifier: GPL-2.0-only
"""Jobs done side by side, a few at a time, while the next ones are still being found."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TypeVar

__all__ = ["side_by_side"]

T = TypeVar("T")


async def side_by_side(jobs: AsyncIterator[T], work: Callable[[T], Awaitable[None]], at_once: int) -> None:
    """Do all `jobs`, `at_once` of them at a time. The first that raises ends them all, and is raised."""
    waiting: asyncio.Queue[T | None] = asyncio.Queue(at_once)

    async def worker() -> None:
        while (job := await waiting.get()) is not None:
            await work(job)

    try:
        async with asyncio.TaskGroup() as group:
            for _ in range(at_once):
                group.create_task(worker())
            async for job in jobs:
                await waiting.put(job)
            for _ in range(at_once):
                await waiting.put(None)
    except BaseExceptionGroup as errors:
        raise errors.exceptions[0] from None
