# SPDX-License-Identifier: GPL-2.0-only
"""A backend that fails once: its n-th call raises, or cancels the task that works on the operation.

`late` strikes after the call took effect: an answer that got lost, or a task cancelled while a thread was
already at it. Everything before and after goes through.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from dgproxy.storage.backend import Backend, BlobReader, BlobWriter, Buffer


class Faulty:
    """`inner` with one fault. Nothing is counted until `arm`."""

    def __init__(self, inner: Backend) -> None:
        self._inner = inner
        self._left = 0
        self._fault: Exception | None = None
        self._late = False
        self._victim: asyncio.Task[Any] | None = None
        #: The name of the call that was struck.
        self.struck = ""

    def arm(self, call: int, fault: Exception | None, *, late: bool, victim: asyncio.Task[Any]) -> None:
        """Strike the call of that number, from 1; without a `fault`, cancel `victim`."""
        self._left, self._fault, self._late, self._victim, self.struck = call, fault, late, victim, ""

    def disarm(self) -> None:
        self._left = 0

    def _due(self, name: str) -> bool:
        self._left -= 1
        if self._left == 0:
            self.struck = f"{name}, due"  # and no more than that, if it raises by itself
        return self._left == 0

    async def _strike(self, name: str) -> None:
        self.struck = f"{name}, {'late' if self._late else 'early'}"
        if self._fault is not None:
            raise self._fault
        assert self._victim is not None
        self._victim.cancel()
        for _ in range(5):  # this may be a task of the victim's: the cancellation is on its way
            await asyncio.sleep(0)

    async def through(self, name: str, call: Callable[[], Awaitable[Any]]) -> Any:
        due = self._due(name)
        if due and not self._late:
            await self._strike(name)
        result = await call()
        if due and self._late:
            if name == "map_blob":
                result.close()
            await self._strike(name)
        return result

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._inner, name)
        if name == "capabilities":
            return method

        async def call(*args: Any, **kwargs: Any) -> Any:
            return await self.through(name, lambda: method(*args, **kwargs))

        return call

    @asynccontextmanager
    async def _entered(self, name: str, block: Any) -> AsyncIterator[Any]:
        due = self._due(name)
        if due and not self._late:
            await self._strike(name)
        async with block as value:
            if due and self._late:
                await self._strike(name)
            yield value

    @asynccontextmanager
    async def stage_blob(self, bucket: str, key: str) -> AsyncIterator["_Writer"]:
        async with self._entered("stage_blob", self._inner.stage_blob(bucket, key)) as blob:
            yield _Writer(self, blob)

    @asynccontextmanager
    async def open_blob(
        self, bucket: str, key: str, *, span: tuple[int, int] | None = None
    ) -> AsyncIterator["_Reader"]:
        async with self._entered("open_blob", self._inner.open_blob(bucket, key, span=span)) as blob:
            yield _Reader(self, blob)

    def lock(self, bucket: str, name: str, *, shared: bool = False) -> Any:
        return self._entered("lock", self._inner.lock(bucket, name, shared=shared))

    def try_lock(self, bucket: str, name: str) -> Any:
        return self._entered("try_lock", self._inner.try_lock(bucket, name))


class _Writer:
    def __init__(self, faulty: Faulty, inner: BlobWriter) -> None:
        self._faulty, self._inner = faulty, inner

    @property
    def size(self) -> int:
        return self._inner.size

    async def append(self, data: Buffer) -> None:
        await self._faulty.through("append", lambda: self._inner.append(data))

    async def publish(self) -> None:
        await self._faulty.through("publish", self._inner.publish)


class _Reader:
    def __init__(self, faulty: Faulty, inner: BlobReader) -> None:
        self._faulty, self._inner = faulty, inner

    @property
    def size(self) -> int:
        return self._inner.size

    async def read(self, offset: int, length: int) -> bytes:
        data: bytes = await self._faulty.through("read", lambda: self._inner.read(offset, length))
        return data
