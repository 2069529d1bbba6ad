# SPDX-License-Identifier: GPL-2.0-only
"""Manners of work in the background: a share of a core, and way for requests.

Work reports each stretch of CPU time; `after` sleeps in proportion to it, and longer while requests are under
way. It never waits for ever: a server that is always busy is optimized slowly.
"""

import asyncio
from collections.abc import Callable
from typing import Final

#: Seconds between two looks whether requests are under way, and how long they are given way in one go.
_LOOK: Final = 0.02
_PATIENCE: Final = 1.0


def never() -> bool:
    """Nobody is waiting."""
    return False


class Rest:
    """`share` of one core at most, over 0 and up to 1; `busy` says whether requests are under way."""

    def __init__(self, share: float = 1.0, busy: Callable[[], bool] = never) -> None:
        self._pause = 1 / share - 1
        self._busy = busy

    async def after(self, seconds: float) -> None:
        """So much CPU time was spent."""
        if self._pause:
            await asyncio.sleep(seconds * self._pause)
        for _ in range(round(_PATIENCE / _LOOK)):
            if not self._busy():
                return
            await asyncio.sleep(_LOOK)
