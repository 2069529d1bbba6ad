# SPDX-License-Identifier: GPL-2.0-only
"""Locks of a lock file for tasks: held across awaits, tried and never waited for in a thread.

A waiter costs a timer, and a lock goes with its block, its task or its process.
"""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from dgproxy.storage.filesystem.locks import Lock, LockFile
from dgproxy.storage.filesystem.threads import IOThreads

#: Seconds between two tries for a lock that is taken: doubled from the first to the second.
_FIRST_PAUSE: Final = 0.001
_LONGEST_PAUSE: Final = 0.025


class Attempt:
    """A try for a lock, and the descriptor that holds it if it came about."""

    def __init__(self, file: LockFile, lock: Lock) -> None:
        self._file = file
        self._lock = lock
        self._descriptor = -1

    def take(self) -> bool:
        """Try once; in a thread."""
        if self._descriptor < 0:
            self._descriptor = self._file.open()
        return self._file.take(self._descriptor, self._lock)

    def give_back(self) -> None:
        """Let go at once: closing an unchanged, local file does not touch the disk."""
        if self._descriptor >= 0:
            os.close(self._descriptor)


@asynccontextmanager
async def held(file: LockFile, threads: IOThreads, lock: Lock) -> AsyncIterator[None]:
    """Wait for a lock and hold it for the block."""
    wanted = Attempt(file, lock)
    pause = _FIRST_PAUSE
    try:
        while not await threads.call(wanted.take):
            await asyncio.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)
        yield
    finally:
        wanted.give_back()


@asynccontextmanager
async def held_if_free(file: LockFile, threads: IOThreads, lock: Lock) -> AsyncIterator[bool]:
    """Hold a lock for the block if it is free right now: True, else False."""
    wanted = Attempt(file, lock)
    try:
        yield await threads.call(wanted.take)
    finally:
        wanted.give_back()
