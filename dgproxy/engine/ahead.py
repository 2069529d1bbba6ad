# SPDX-License-Identifier: GPL-2.0-only
"""One step ahead: the next window is worked on while this one travels.

At most one coroutine runs ahead; leaving the block cancels it and waits for its end, so nothing outlives its
request. Its exception appears where its result is asked for, and is dropped only when the block is left by
another one.
"""

import asyncio
from collections.abc import Coroutine
from types import TracebackType
from typing import Any, Generic, Self, TypeVar

T = TypeVar("T")


class Ahead(Generic[T]):
    """`start` a step, do something else, then take its `result`."""

    def __init__(self) -> None:
        self._task: asyncio.Task[T] | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def start(self, step: Coroutine[Any, Any, T]) -> None:
        """Begin `step`; the one before must have been taken."""
        if self._task is not None:
            step.close()
            raise RuntimeError("a step is already under way")
        self._task = asyncio.create_task(step)

    async def ended(self) -> BaseException | None:
        """Wait for the end of the step under way; what it raised, which `result` still raises."""
        if self._task is None:
            raise RuntimeError("no step is under way")
        await asyncio.wait([self._task])
        return self._task.exception()

    async def result(self) -> T:
        """Wait for the step under way and take what it gives."""
        if self._task is None:
            raise RuntimeError("no step is under way")
        result = await self._task
        self._task = None
        return result
