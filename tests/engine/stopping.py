# SPDX-License-Identifier: GPL-2.0-only
"""Hosts that a test stops at any of their calls to a storage that they share.

A host stops before a call, or when the call took effect and before its answer. Its locks are its own: what is
in the storage is all that hosts know of each other.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any, cast

from dgproxy.engine.context import Engine
from dgproxy.engine.errors import EngineError
from dgproxy.engine.leases import Leases
from dgproxy.engine.ledger import Ledger
from dgproxy.engine.offers import Offers
from dgproxy.storage.backend import Backend, StorageError
from dgproxy.storage.memory import MemoryBackend


class Gate:
    """Where a host stops: before its n-th call from now on, or behind it. Nowhere, unless told."""

    def __init__(self) -> None:
        self.calls = 0
        self._stop, self._late = 0, False
        self.reached, self.go = asyncio.Event(), asyncio.Event()
        #: Awaited before every call.
        self.stumble: Callable[[], Awaitable[None]] | None = None

    def stop_at(self, call: int, *, late: bool) -> None:
        self.calls, self._stop, self._late = 0, call, late

    async def before(self) -> int:
        if self.stumble is not None:
            await self.stumble()
        self.calls += 1
        if self.calls == self._stop and not self._late:
            await self._wait()
        return self.calls

    async def after(self, call: int) -> None:
        if call == self._stop and self._late:
            await self._wait()

    async def _wait(self) -> None:
        self.reached.set()
        await self.go.wait()


class Host:
    """A host's view of a store: its locks are its own."""

    def __init__(self, shared: MemoryBackend) -> None:
        own = MemoryBackend()
        self.gate = Gate()
        self._shared = shared
        self.capabilities = replace(
            shared.capabilities,
            exclusive_locks=False,
            digest_hints=False,
            maps_blobs=False,
            whole_buckets=False,
        )
        self.lock, self.try_lock = own.lock, own.try_lock

    @asynccontextmanager
    async def stage_blob(self, bucket: str, key: str) -> AsyncIterator[Any]:
        await self.gate.after(await self.gate.before())
        async with self._shared.stage_blob(bucket, key) as blob:
            yield _Writer(blob, self.gate)

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._shared, name)
        if name in ("open_blob", "map_blob"):
            return method

        async def call(*args: Any, **options: Any) -> Any:
            number = await self.gate.before()
            try:
                return await method(*args, **options)
            finally:
                await self.gate.after(number)

        return call


def engine_on(host: Host, other: Engine) -> Engine:
    """An engine of the host's own, with the threads and the memory of another: made in a moment."""
    backend = cast("Backend", host)
    return replace(
        other,
        backend=backend,
        offers=Offers(),
        ledger=Ledger(other.now),
        leases=Leases(backend, other.new_id),
    )


class _Writer:
    def __init__(self, blob: Any, gate: Gate) -> None:
        self._blob, self._gate = blob, gate
        self.append = blob.append

    @property
    def size(self) -> int:
        return cast("int", self._blob.size)

    async def publish(self) -> None:
        number = await self._gate.before()
        await self._blob.publish()
        await self._gate.after(number)


async def outcome(call: Awaitable[object]) -> Exception | None:
    """What a client is told instead of a result, if anything."""
    try:
        await call
    except (EngineError, StorageError) as error:
        return error
    return None


async def either(task: asyncio.Future[Any], reached: asyncio.Event | None, turns: int = 3000) -> None:
    """Let a task run to its end, to where it stops, or to where it waits for the other."""
    for _ in range(turns):
        if task.done() or (reached is not None and reached.is_set()):
            return
        await asyncio.sleep(0)
