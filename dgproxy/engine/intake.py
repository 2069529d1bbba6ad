# SPDX-License-Identifier: GPL-2.0-only
"""A body on its way in: from bytes that arrive to bytes that are published.

`take` turns one body (an object, or a part of one) into inline bytes or one extent, in memory of a few
windows. While one window is worked on, the next fills. What was published belongs to the caller only once it
says `keep`; leaving the block without that removes it, whatever the reason. No manifest is read or written
here: what arrived becomes an object in `engine.commit`.
"""

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

import structlog

from dgproxy.codec.delta import SourceIndex
from dgproxy.engine import deltaspace, keys
from dgproxy.engine.ahead import Ahead
from dgproxy.engine.body import Body, Digests
from dgproxy.engine.commit import discard_blobs
from dgproxy.engine.context import Engine
from dgproxy.engine.errors import ObjectDamaged
from dgproxy.engine.incoming import Incoming
from dgproxy.engine.manifest import Extent, Reference
from dgproxy.engine.policy import INLINE_LIMIT, memory_for
from dgproxy.engine.staging import Staging

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Taken:
    """What became of a body: `inline` bytes or one `extent`, and what is known about it.

    `pins` is not empty when the extent is a new reference, to be offered once its object exists.
    """

    digests: Digests
    checksums: dict[str, str]
    keep: Callable[[], None]
    inline: bytes | None = None
    extent: Extent | None = None
    pins: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Arrival:
    """A body of which the first window is here, and where it is going."""

    engine: Engine
    bucket: str
    key: str
    body: Body
    incoming: Incoming
    first: memoryview

    def staging(self) -> Staging:
        return Staging(self.engine, self.bucket, self.key, self.body.size)

    async def store(self, staging: Staging) -> Digests:
        """Send every window through: one in work while the next one fills."""
        async with Ahead[None]() as work:
            window = self.first
            while window:
                if work.started:
                    await work.result()
                work.start(self._work(staging, window))
                window = await self.incoming.window()
            if work.started:
                await work.result()
        return self.incoming.digests()

    async def _work(self, staging: Staging, window: memoryview) -> None:
        async with Ahead[None]() as digest:
            digest.start(self.engine.workers.run(self.incoming.digest, window))
            await staging.add(window)
            await digest.result()


@asynccontextmanager
async def take(
    engine: Engine, bucket: str, key: str, body: Body, *, whole_object: bool, limit: int
) -> AsyncIterator[Taken]:
    """Store a body's bytes, at most `limit`, for `key`.

    Only a `whole_object` may go inline or become a reference. Raises ObjectTooLarge, Overloaded, the storage
    layer's errors, and whatever the body itself raises.
    """
    async with AsyncExitStack() as stack:
        if not body.memory_is_leased:
            await stack.enter_async_context(engine.budget.lease(memory_for(body.size)))
        incoming = Incoming(body, limit)
        arrival = _Arrival(engine, bucket, key, body, incoming, await incoming.window())
        if whole_object and len(arrival.first) <= INLINE_LIMIT:
            yield _inline(arrival)
        elif engine.policy.eligible(key):
            yield await stack.enter_async_context(_eligible(arrival, whole_object=whole_object))
        else:
            yield await stack.enter_async_context(_raw(arrival))


def _inline(arrival: _Arrival) -> Taken:
    """Small enough for the manifest, and for the event loop to hash."""
    arrival.incoming.digest(arrival.first)
    digests = arrival.incoming.digests()
    checksums = arrival.body.verify(digests)
    return Taken(digests, checksums, keep=lambda: None, inline=bytes(arrival.first))


@asynccontextmanager
async def _raw(arrival: _Arrival) -> AsyncIterator[Taken]:
    """Stored whole, outside the deltaspace's references."""
    async with arrival.staging() as staging:
        await staging.begin_raw()
        digests = await arrival.store(staging)
        checksums = arrival.body.verify(digests)
        yield Taken(digests, checksums, staging.keep, extent=await staging.finish())


@asynccontextmanager
async def _eligible(arrival: _Arrival, *, whole_object: bool) -> AsyncIterator[Taken]:
    """Part of the deltaspace: a delta where a reference is offered, else the first reference itself."""
    engine, bucket, space = arrival.engine, arrival.bucket, keys.space_of(arrival.key)
    in_use: list[str] = []
    try:
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(deltaspace.writing(engine.backend, bucket, space))
            chosen = await _choose(engine, stack, bucket, space)
            if chosen is not None:
                in_use.append(chosen[0].id)
            staging = await stack.enter_async_context(arrival.staging())
            if chosen is None and whole_object:
                reference_id = engine.new_id()
                await staging.begin_reference(reference_id)
                digests = await arrival.store(staging)
                checksums = arrival.body.verify(digests)
                extent, pin = await staging.finish_reference(reference_id, digests.sha256.hex())
                yield Taken(digests, checksums, staging.keep, extent=extent, pins=(pin,))
                return
            if chosen is None:
                await staging.begin_raw()
            else:
                await staging.begin_delta(*chosen)
            digests = await arrival.store(staging)
            checksums = arrival.body.verify(digests)
            yield Taken(digests, checksums, staging.keep, extent=await staging.finish())
    finally:
        # While the deltaspace's lock was held here, others may have had to leave references behind.
        await discard_blobs(engine, bucket, (), {space: in_use})


async def _choose(
    engine: Engine, stack: AsyncExitStack, bucket: str, space: str
) -> tuple[Reference, SourceIndex] | None:
    """The reference to encode against, leased until the stack unwinds.

    A damaged or missing one is taken off the list, so that the next upload starts a sound one.
    """
    for reference in await deltaspace.offered(engine.backend, bucket, space):
        try:
            return reference, await stack.enter_async_context(engine.references.indexed(bucket, reference))
        except ObjectDamaged as error:
            _log.error(
                "reference damaged; no longer offered",
                bucket=bucket,
                reference=reference.blob,
                error=str(error),
            )
            await deltaspace.withdraw(engine.backend, bucket, space, reference.id)
    return None
