# SPDX-License-Identifier: GPL-2.0-only
"""A cache of immutable bytes in files on a local disk, shared by the processes of a host.

For bytes that are needed as memory and are not there as a file: a reference that is stored compressed, or in
an object store. A file is known by the SHA-256 of its bytes, so nothing in here can be out of date.

Promises:

- What is mapped had its SHA-256 checked when it arrived. Bytes that don't match are asked for once more, then
  they are `Damaged`. Who finds out later that a file's bytes are others (a disk forgets) says `forget`.
- Bytes are asked for once, however many requests of however many processes wait for them. A request that is
  cancelled takes nothing from the others. A process that makes no progress is waited for no longer.
- Who can do without is told when fetching failed a moment ago (`failed_lately`), so that it is not tried for
  every request, nor given up for good.
- Who need not wait for the end can look at what has arrived (`arriving`), whichever process fetches it. Those
  bytes are unchecked, and it is said so.
- The directory's size stays within its limit, except for what is in use at the moment.
- Nothing blocks the event loop.

What the bytes are, and where they come from, is not known here.
"""

import asyncio
from collections import OrderedDict
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final, NamedTuple, Self

import structlog

from dgproxy.storage.backend import Buffer, Busy, Damaged, OutOfSpace
from dgproxy.storage.cache_arrivals import Arriving, Fetch
from dgproxy.storage.cache_files import CachedFile, CacheFiles, Filling, UnderWay
from dgproxy.storage.filesystem.locks import Kind, Lock, LockFile
from dgproxy.storage.filesystem.threads import IOThreads
from dgproxy.storage.filesystem.waiting import Attempt

__all__ = ["Append", "CachedFile", "FileCache", "Fill"]

#: Adds bytes to a file that is being filled; the caller may reuse them once this returns.
Append = Callable[[Buffer], Awaitable[None]]

#: Appends all bytes of a file. It may outlive the request that gave it and be called twice, so whatever it
#: reads from is opened within.
Fill = Callable[[Append], Awaitable[None]]

_THREADS: Final = 4

#: Files filled at once by a process: each has a connection and a piece or two of its bytes in memory.
_FILLS: Final = 8

#: Seconds between two looks at what another process fills: doubled from the first to the second.
_FIRST_PAUSE: Final = 0.001
_LONGEST_PAUSE: Final = 0.05

#: Seconds without progress after which another process counts as stopped, and its work is done here.
_PATIENCE: Final = 10.0

#: Seconds that bytes rest whose fetch failed: doubled with each failure, from the first to the second.
_REST: Final = 5.0
_LONGEST_REST: Final = 300.0

#: Bytes of which it is remembered that their fetch failed.
_REMEMBERED: Final = 1024

_log = structlog.get_logger(__name__)


class _Failed(NamedTuple):
    """How often a fetch has failed since one succeeded, and when it did last (loop's clock)."""

    times: int
    at: float


class FileCache:
    """A cache directory as one process uses it. Made by `open`, ended by `aclose`."""

    def __init__(self, files: CacheFiles) -> None:
        self._files = files
        self._threads = IOThreads(_THREADS, "cache")
        self._at_once = asyncio.Semaphore(_FILLS)
        self._fetches: dict[str, Fetch] = {}
        self._failed: OrderedDict[str, _Failed] = OrderedDict()

    @classmethod
    def open(cls, directory: Path, limit: int) -> Self:
        """Open a cache directory of at most `limit` bytes, made on first use; blocks, for start-up.

        Raises StorageError and the like.
        """
        files = CacheFiles(directory, limit)
        files.create()
        return cls(files)

    @property
    def locks(self) -> LockFile:
        """A file of locks for the processes that share the directory; those for named things are free."""
        return self._files.locks

    async def aclose(self) -> None:
        """Give up what is being fetched; what is mapped stays mapped."""
        tasks = [fetch.task for fetch in self._fetches.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._threads.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    @asynccontextmanager
    async def mapped(self, name: str, length: int, sha256: str, fill: Fill) -> AsyncIterator[memoryview]:
        """The bytes of `map` for a block, which keeps no slice of them."""
        file = await self.map(name, length, sha256, fill)
        try:
            yield file.view
        finally:
            file.close()

    async def map(self, name: str, length: int, sha256: str, fill: Fill) -> CachedFile:
        """Map the `length` bytes whose SHA-256 (hex) is `sha256`, which `fill` gives if they are not there.

        `name` is for messages. The caller closes what is returned. Raises Damaged when what `fill` gives is
        not that, Busy when the disk has no room, what `fill` raises, and StorageError.
        """
        file = await self.find(length, sha256)
        if file is None:
            async with self.arriving(name, length, sha256, fill) as arriving:
                file = await arriving.whole()
        return file

    async def find(self, length: int, sha256: str) -> CachedFile | None:
        """Map the bytes if they are there. The caller closes what is returned. Raises StorageError."""
        file = CachedFile(self._files.path(sha256))
        try:
            if await self._threads.call(self._files.find, file, length):
                return file
        except BaseException:
            await self._threads.finish(file.close)
            raise
        return None

    def is_arriving(self, sha256: str) -> bool:
        """Whether this process has these bytes on their way."""
        return sha256 in self._fetches

    def failed_lately(self, sha256: str) -> bool:
        """Whether fetching these bytes failed so short a time ago that who can do without them should."""
        failed = self._failed.get(sha256)
        if failed is None:
            return False
        return asyncio.get_running_loop().time() < failed.at + _rest(failed.times)

    @asynccontextmanager
    async def arriving(self, name: str, length: int, sha256: str, fill: Fill) -> AsyncIterator[Arriving]:
        """The bytes of `map` while they arrive, for a block; the first to ask begins to fetch them.

        They go on arriving when the block is left.
        """
        fetch = self._fetches.get(sha256)
        if fetch is None:
            fetch = self._fetches[sha256] = Fetch()
            fetch.task = asyncio.create_task(self._fetch(fetch, name, length, sha256, fill))
            fetch.task.add_done_callback(lambda _: self._over(sha256))
        with fetch.awaited():
            yield Arriving(fetch, self._threads, self._files.path(sha256), length)

    @asynccontextmanager
    async def apart(self, fill: Fill) -> AsyncIterator[memoryview]:
        """What `fill` appends, as memory for a block: in a file that nobody else finds, unchecked.

        It comes on top of the cache's limit. Raises what `fill` raises, Busy when the disk has no room.
        """
        file = self._files.nameless()

        async def append(data: Buffer) -> None:
            await self._threads.call(file.append, data)

        try:
            try:
                await self._threads.call(file.make)
                await fill(append)
                await self._threads.call(file.map_all)
            except OutOfSpace as error:
                raise Busy(f"the cache directory's disk has no room: {error}") from error
            yield file.view
        finally:
            await self._threads.finish(file.close)

    async def forget(self, sha256: str) -> None:
        """Remove a file whose bytes turned out to be wrong; whoever maps it next has it fetched again."""
        await self._threads.call(self._files.forget, sha256)

    # -- within --------------------------------------------------------------------------------------------

    def _over(self, sha256: str) -> None:
        fetch = self._fetches.pop(sha256)
        if not fetch.task.cancelled():
            before = self._failed.pop(sha256, _Failed(0, 0))
            if fetch.task.exception():
                now = asyncio.get_running_loop().time()
                self._failed[sha256] = _Failed(before.times + 1, now)
                if len(self._failed) > _REMEMBERED:
                    self._failed.popitem(last=False)
        fetch.let_go()

    async def _fetch(self, fetch: Fetch, name: str, length: int, sha256: str, fill: Fill) -> CachedFile:
        file = CachedFile(self._files.path(sha256))
        turn = Attempt(self._files.locks, Lock(Kind.KEY, "", sha256))
        try:
            async with self._at_once:
                # Another process may have filled it between the last look and the turn.
                if await self._wait(fetch, turn, file, sha256, length) or await self._threads.call(
                    self._files.find, file, length
                ):
                    return file
                try:
                    await self._fill(fetch, file, name, length, sha256, fill)
                except (Damaged, OutOfSpace) as error:
                    _log.warning("filling the cache once more", name=name, error=str(error))
                    if isinstance(error, OutOfSpace):
                        await self._threads.call(self._files.empty)
                    await self._fill(fetch, file, name, length, sha256, fill)
        except OutOfSpace as error:
            await self._threads.finish(file.close)
            raise Busy(f"the cache directory's disk has no room for {name}: {error}") from error
        except BaseException:
            await self._threads.finish(file.close)
            raise
        finally:
            turn.give_back()
        return file

    async def _wait(self, fetch: Fetch, turn: Attempt, file: CachedFile, sha256: str, length: int) -> bool:
        """Wait for this process's turn to fill a file, or for another that does; then it is mapped: True."""
        clock = asyncio.get_running_loop().time
        pause, before, since = _FIRST_PAUSE, list[UnderWay](), clock()
        while not await self._threads.call(turn.take):
            await asyncio.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)
            if await self._threads.call(self._files.find, file, length):
                return True
            now = await self._threads.call(self._files.under_way, sha256)
            if now != before:
                before, since = now, clock()
                fetch.has_got(max(now, default=UnderWay(0, b"")))
            elif clock() - since > _PATIENCE:
                break
        return False

    async def _fill(
        self, fetch: Fetch, file: CachedFile, name: str, length: int, sha256: str, fill: Fill
    ) -> None:
        filling = Filling(self._files, name, sha256, length)

        async def append(data: Buffer) -> None:
            await self._threads.call(filling.append, data)
            fetch.has_got(filling.state)

        try:
            await self._threads.call(filling.begin)
            fetch.has_got(filling.state)
            await fill(append)
            await self._threads.call(filling.finish, file)
        finally:
            await self._threads.finish(filling.discard)


def _rest(times: int) -> float:
    """Seconds to let be what has failed so many times."""
    return float(min(_REST * 2 ** min(times - 1, 30), _LONGEST_REST))
