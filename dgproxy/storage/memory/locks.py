# SPDX-License-Identifier: GPL-2.0-only
"""The memory backend's locks: shared or exclusive, by name, among the tasks of one event loop."""

import asyncio

_EXCLUSIVE = -1


class Locks:
    """Taken and released without awaiting; only `take` waits. No order among those who wait."""

    def __init__(self) -> None:
        self._holders: dict[tuple[str, str], int] = {}
        self._waiting: list[asyncio.Future[None]] = []

    async def take(self, name: tuple[str, str], *, shared: bool) -> None:
        """Wait for a lock and take it."""
        while not self.try_take(name, shared=shared):
            freed = asyncio.get_running_loop().create_future()
            self._waiting.append(freed)
            await freed

    def try_take(self, name: tuple[str, str], *, shared: bool) -> bool:
        """Take a lock if it is free for that."""
        holders = self._holders.get(name, 0)
        if holders == _EXCLUSIVE or (holders and not shared):
            return False
        self._holders[name] = holders + 1 if shared else _EXCLUSIVE
        return True

    def release(self, name: tuple[str, str]) -> None:
        """Give back a lock that was taken."""
        if self._holders[name] > 1:
            self._holders[name] -= 1
        else:
            del self._holders[name]
        waiting, self._waiting = self._waiting, []
        for freed in waiting:
            if not freed.done():
                freed.set_result(None)
