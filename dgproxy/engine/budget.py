# SPDX-License-Identifier: GPL-2.0-only
"""Memory for bodies in flight, counted before it is taken (law 6).

A request leases what it will hold and waits its turn, first come first served; who does not get its share in
time is told so (`Overloaded`) instead of the process being killed for memory. One budget per process. It
counts promises, not allocations: whoever leases must not hold more.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from dgproxy import timing
from dgproxy.engine import measures
from dgproxy.engine.errors import Overloaded


class Budget:
    """`limit` bytes, and the seconds a request waits for its share."""

    def __init__(self, limit: int, patience: float = 20.0) -> None:
        self._limit = limit
        self._free = limit
        self._patience = patience
        self._queue: deque[tuple[int, asyncio.Future[None]]] = deque()
        measures.transfer_memory_limit.set(limit)

    @property
    def free(self) -> int:
        """Bytes not leased."""
        return self._free

    @asynccontextmanager
    async def lease(self, amount: int) -> AsyncIterator[None]:
        """Hold `amount` bytes for the block; more than the whole budget counts as the whole budget.

        Raises Overloaded when they do not come free in time.
        """
        amount = min(amount, self._limit)
        if amount:  # who needs nothing waits for nobody
            await self._take(amount)
        measures.transfer_memory_leased.add(amount)
        try:
            yield
        finally:
            measures.transfer_memory_leased.add(-amount)
            self._free += amount
            self._hand_out()

    async def _take(self, amount: int) -> None:
        if not self._queue and amount <= self._free:
            self._free -= amount
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        entry = (amount, turn)
        self._queue.append(entry)
        measures.transfer_waiting.add(1)
        try:
            with timing.stage("wait"):
                async with asyncio.timeout(self._patience):
                    await turn
        except BaseException as error:
            if turn.done() and not turn.cancelled():  # handed over in the same moment
                self._free += amount
            elif entry in self._queue:
                self._queue.remove(entry)
            self._hand_out()
            if isinstance(error, TimeoutError):
                raise Overloaded("too many bodies in flight for the configured transfer memory") from error
            raise
        finally:
            measures.transfer_waiting.add(-1)

    def _hand_out(self) -> None:
        while self._queue and self._queue[0][0] <= self._free:
            amount, turn = self._queue.popleft()
            if not turn.done():  # its task was not cancelled a moment ago
                self._free -= amount
                turn.set_result(None)
