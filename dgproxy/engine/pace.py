# SPDX-License-Identifier: GPL-2.0-only
"""A speed limit for work in the background: how many bytes a second it may read.

One `Pace` for one piece of work, however many tasks share it. A record counts as a block at least, so that
many small ones don't get past it. Nothing here knows what is read.
"""

import asyncio
import time
from collections.abc import Callable
from typing import Final

#: Bytes that a read counts as, at least: what a small one costs a disk is not its length.
LEAST: Final = 4 << 10

#: Seconds by which a reader that fell behind may catch up.
_BURST: Final = 0.25


class Pace:
    """At most `rate` bytes a second, or no limit when that is None."""

    def __init__(self, rate: float | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        self._rate = rate
        self._clock = clock
        self._due = clock()

    async def spend(self, amount: int) -> None:
        """Wait until `amount` more bytes fit."""
        if self._rate is None:
            return
        now = self._clock()
        self._due = max(self._due, now - _BURST) + max(amount, LEAST) / self._rate
        if self._due > now:
            await asyncio.sleep(self._due - now)
