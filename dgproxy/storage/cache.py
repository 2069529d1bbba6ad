# SPDX-License-Identifier: GPL-2.0-only
"""A cache of immutable bytes in files on a local disk, shared by the processes of a host.

For bytes that are needed as memory and are not there as a file: a reference that is stored compressed, or in
an object store. A file is known by the SHA-256 of its bytes, so nothing in here can be out of date.

Promises:

- What is mapped had its SHA-256 checked when it arrived. Bytes that don't match are asked for once more, then
  they are `Damaged`. Who finds out later that a file's bytes are others (a disk forgets) says `forget`.
- Bytes are asked for once, however many requests of however many processes wait for them. A request that is
  cancelled takes nothing from the others. A process that makes no progress is waited for no longer.
- The directory's size stays within its limit, except for what is in use at the moment.
- Nothing blocks the event loop.

What the bytes are, and where they come from, is not known here.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final, Self

import structlog

from dgproxy.storage.backend import Buffer, Busy, Damaged, OutOfSpace
from dgproxy.storage.cache_files import CachedFile, CacheFiles, Filling
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

_log = structlog.get_logger(__name__)


class FileCache:
    """A cache directory as one process uses it. Made by `open`, ended by `aclose`."""

    def __init__(self, files: CacheFiles) -> None:
        self._files = files
        self._threads = IOThreads(_THREADS, "cache")
        self._at_once = asyncio.Semaphore(_FILLS)
        self._fetches: dict[str, _Fetch] = {}

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
        file = CachedFile(self._files.path(sha256))
        try:
            if not await self._threads.call(self._files.find, file, length):
                await self._fetched(file, name, length, sha256, fill)
        except BaseException:
            await self._threads.finish(file.close)
            raise
        return file

    async def forget(self, sha256: str) -> None:
        """Remove a file whose bytes turned out to be wrong; whoever maps it next has it fetched again."""
        await self._threads.call(self._files.forget, sha256)

    # -- within --------------------------------------------------------------------------------------------

    async def _fetched(self, file: CachedFile, name: str, length: int, sha256: str, fill: Fill) -> None:
        """Map as `file` what is being fetched; the first to ask begins that."""
        fetch = self._fetches.get(sha256)
        if fetch is None:
            task = asyncio.create_task(self._fetch(name, length, sha256, fill))
            fetch = self._fetches[sha256] = _Fetch(task)
            task.add_done_callback(lambda _: self._over(sha256))
        async with fetch.awaited() as fetched:
            await self._threads.call(file.share, fetched, length)

    def _over(self, sha256: str) -> None:
        self._fetches.pop(sha256).let_go()

    async def _fetch(self, name: str, length: int, sha256: str, fill: Fill) -> CachedFile:
        file = CachedFile(self._files.path(sha256))
        turn = Attempt(self._files.locks, Lock(Kind.KEY, "", sha256))
        try:
            async with self._at_once:
                # Another process may have filled it between the last look and the turn.
                if await self._wait(turn, file, sha256, length) or await self._threads.call(
                    self._files.find, file, length
                ):
                    return file
                try:
                    await self._fill(file, name, length, sha256, fill)
                except (Damaged, OutOfSpace) as error:
                    _log.warning("filling the cache once more", name=name, error=str(error))
                    if isinstance(error, OutOfSpace):
                        await self._threads.call(self._files.empty)
                    await self._fill(file, name, length, sha256, fill)
        except OutOfSpace as error:
            await self._threads.finish(file.close)
            raise Busy(f"the cache directory's disk has no room for {name}: {error}") from error
        except BaseException:
            await self._threads.finish(file.close)
            raise
        finally:
            turn.give_back()
        return file

    async def _wait(self, turn: Attempt, file: CachedFile, sha256: str, length: int) -> bool:
        """Wait for this process's turn to fill a file, or for another that does; then it is mapped: True."""
        clock = asyncio.get_running_loop().time
        pause, progress, since = _FIRST_PAUSE, None, clock()
        while not await self._threads.call(turn.take):
            await asyncio.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)
            if await self._threads.call(self._files.find, file, length):
                return True
            now = await self._threads.call(self._files.progress, sha256)
            if now != progress:
                progress, since = now, clock()
            elif clock() - since > _PATIENCE:
                break
        return False

    async def _fill(self, file: CachedFile, name: str, length: int, sha256: str, fill: Fill) -> None:
        filling = Filling(self._files, name, sha256, length)

        async def append(data: Buffer) -> None:
            await self._threads.call(filling.append, data)

        try:
            await self._threads.call(filling.begin)
            await fill(append)
            await self._threads.call(filling.finish, file)
        finally:
            await self._threads.finish(filling.discard)


class _Fetch:
    """A file on its way, kept open until everyone who waits for it has mapped it."""

    def __init__(self, task: "asyncio.Task[CachedFile]") -> None:
        self.task = task
        self._waiting = 0

    @asynccontextmanager
    async def awaited(self) -> AsyncIterator[CachedFile]:
        """The file, when it is there."""
        self._waiting += 1
        try:
            yield await asyncio.shield(self.task)
        finally:
            self._waiting -= 1
            self.let_go()

    def let_go(self) -> None:
        """Close the file once it is there and nobody waits; its error, if nobody did, is nobody's."""
        if self.task.done() and not self._waiting and not self.task.cancelled() and not self.task.exception():
            self.task.result().close()
