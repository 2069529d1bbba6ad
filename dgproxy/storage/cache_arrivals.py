# SPDX-License-Identifier: GPL-2.0-only
"""A file on its way into the cache, as those who wait for it in one process share it.

A `Fetch` is kept by the cache while somebody fetches the file, here or in another process; each of those
who want it has an `Arriving`. Bytes that have arrived are unchecked, and given as such; the whole file is
checked. The last one who waits closes what was mapped for all. Who fetches, and what becomes of failures, is
for `storage.cache`.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

from dgproxy.storage.cache_files import CachedFile, UncheckedBytes, UnderWay
from dgproxy.storage.filesystem.threads import IOThreads

__all__ = ["Arriving", "Fetch"]


class Fetch:
    """A file on its way, kept open until everyone who waits for it has mapped it."""

    task: "asyncio.Task[CachedFile]"

    def __init__(self) -> None:
        self.state = UnderWay(0, b"")
        self._waiting = 0
        self._news = asyncio.Event()

    def has_got(self, state: UnderWay) -> None:
        """What has arrived, and where it is."""
        self.state = state
        self._tell()

    async def reached(self, end: int) -> None:
        """Wait until so many bytes are there, or it is over."""
        while self.state.arrived < end and not self.task.done():
            await self._news.wait()

    @contextmanager
    def awaited(self) -> Iterator[None]:
        """Somebody wants it, for a block."""
        self._waiting += 1
        try:
            yield
        finally:
            self._waiting -= 1
            self.let_go()

    def let_go(self) -> None:
        """Close the file once it is there and nobody waits; its error, if nobody did, is nobody's."""
        if self.task.done():
            self._tell()
            if not self._waiting and not self.task.cancelled() and not self.task.exception():
                self.task.result().close()

    def _tell(self) -> None:
        news, self._news = self._news, asyncio.Event()
        news.set()


class Arriving:
    """A file on its way, for one of those who want it: what has arrived, and the whole when it is there."""

    def __init__(self, fetch: Fetch, threads: IOThreads, path: bytes, length: int) -> None:
        self._fetch = fetch
        self._threads = threads
        self._path = path
        self._length = length

    @property
    def arrived(self) -> int:
        """How many of its first bytes are there. It can begin once more, when they turned out to be wrong."""
        return self._fetch.state.arrived

    @property
    def over(self) -> bool:
        """Whether it is there, or failed: `whole` waits for nothing."""
        return self._fetch.task.done()

    async def reached(self, end: int) -> None:
        """Wait until so many bytes are there, or it is over."""
        await self._fetch.reached(end)

    @asynccontextmanager
    async def stretch(self, begin: int, end: int) -> AsyncIterator[memoryview | None]:
        """Bytes that have arrived, for a block, unchecked; None when they are not there any more."""
        # It may have got its name a moment ago.
        files = [UncheckedBytes(path) for path in (self._fetch.state.path, self._path)]
        try:
            for file in files:
                if await self._threads.call(file.map_arrived, begin, end):
                    yield file.view
                    break
            else:
                yield None
        finally:
            for file in files:
                await self._threads.finish(file.close)

    async def whole(self) -> CachedFile:
        """The file, checked, when it is there; the caller closes it. Raises what `FileCache.map` does."""
        file = CachedFile(self._path)
        try:
            fetched = await asyncio.shield(self._fetch.task)
            await self._threads.call(file.share, fetched, self._length)
        except BaseException:
            await self._threads.finish(file.close)
            raise
        return file
