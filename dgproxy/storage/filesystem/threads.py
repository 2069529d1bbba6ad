# SPDX-License-Identifier: GPL-2.0-only
"""The way from the event loop to the disk: blocking calls, in threads of the backend's own.

Promises that a call which has begun is over when `call` returns or raises, cancellation included: whatever
buffer, descriptor or staged file it works on is the caller's again, and the caller's `finally` sees what it
did. A call still waiting for a thread when its task is cancelled never begins. An OSError comes out as a
storage error. Nothing here knows what the calls do.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import ParamSpec, TypeVar

from dgproxy.storage.filesystem.oserrors import storage_errors

_P = ParamSpec("_P")
_T = TypeVar("_T")


class IOThreads:
    """At most `size` blocking calls at once; no thread exists before the first call."""

    def __init__(self, size: int, name: str) -> None:
        self._pool = ThreadPoolExecutor(size, thread_name_prefix=name)

    async def call(self, function: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> _T:
        """Run `function` in a thread and wait for its end."""
        work = self._submit(function, *args, **kwargs)
        over = asyncio.wrap_future(work)
        try:
            return await asyncio.shield(over)
        except asyncio.CancelledError:
            if not work.cancel():
                await _outlast(over)
            raise

    async def finish(self, function: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> _T:
        """Run `function` as `call` does, but in any case: for what must be put in order."""
        over = asyncio.wrap_future(self._submit(function, *args, **kwargs))
        try:
            return await asyncio.shield(over)
        except asyncio.CancelledError:
            await _outlast(over)
            raise

    def _submit(self, function: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> Future[_T]:
        def run() -> _T:
            with storage_errors():
                return function(*args, **kwargs)

        return self._pool.submit(run)

    async def close(self) -> None:
        """Wait for the calls under way and end the threads."""
        await asyncio.to_thread(self._pool.shutdown)


async def _outlast(over: "asyncio.Future[_T]") -> None:
    """Wait for the end of `over` however often this task is cancelled meanwhile."""
    while not over.done():
        try:
            await asyncio.wait([over])
        except asyncio.CancelledError:
            continue  # the caller raises its own when the call is over
    if not over.cancelled():
        over.exception()  # looked at: the cancelled task has no more use for it
