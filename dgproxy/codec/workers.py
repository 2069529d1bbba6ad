# SPDX-License-Identifier: GPL-2.0-only
"""The worker threads: where hashing and the codec run, so that the event loop never does.

Promises: at most `threads` calls run at once; a call that has begun is waited for even when the task that
asked for it is cancelled, because it still holds that task's buffers; a call that has not begun is dropped.
hashlib and the codec release the GIL, so threads are cores here. Nothing that waits (disk, network, locks)
belongs on these threads.
"""

import asyncio
import functools
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import Final, ParamSpec, Self, TypeVar

from dgproxy.metrics import Gauge

P = ParamSpec("P")
T = TypeVar("T")

_threads: Final = Gauge("deltaglider_codec_threads", "Threads that hash, encode and decode.")
_calls: Final = Gauge(
    "deltaglider_codec_calls",
    "Calls to those threads, running and waiting; beyond their number it is a queue.",
)


class Workers:
    """A bounded pool; `async with` ends it after its last call."""

    def __init__(self, threads: int) -> None:
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="codec")
        _threads.set(threads)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await asyncio.to_thread(self._pool.shutdown)

    async def run(self, call: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """Run `call` on a worker thread and give its result or its exception."""
        begun = self._pool.submit(call, *args, **kwargs)
        result = asyncio.wrap_future(begun)
        _calls.add(1)
        try:
            return await asyncio.shield(result)
        except asyncio.CancelledError:
            if not begun.cancel():
                await _settled(result)
            raise
        finally:
            _calls.add(-1)

    async def timed(self, call: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> tuple[T, float]:
        """`run`, and the seconds that the call itself took."""
        return await self.run(_timed, functools.partial(call, *args, **kwargs))


def _timed(call: Callable[[], T]) -> tuple[T, float]:
    began = time.perf_counter()
    result = call()
    return result, time.perf_counter() - began


async def _settled(result: asyncio.Future[T]) -> None:
    """Wait until the thread is done, however often the waiting task is cancelled meanwhile."""
    while not result.done():
        try:
            await asyncio.wait([result])
        except asyncio.CancelledError:
            continue
    result.exception()
