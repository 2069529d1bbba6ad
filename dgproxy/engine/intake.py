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

from dgproxy.codec import frames
from dgproxy.engine import deltaspace, keys, measures
from dgproxy.engine.ahead import Ahead
from dgproxy.engine.body import Body, Digests
from dgproxy.engine.choice import Choice
from dgproxy.engine.commit import discard_blobs
from dgproxy.engine.context import Engine
from dgproxy.engine.founding import Founding
from dgproxy.engine.incoming import Incoming
from dgproxy.engine.manifest import Extent
from dgproxy.engine.policy import INLINE_LIMIT, memory_to_store
from dgproxy.engine.staging import Staging


@dataclass(frozen=True, slots=True)
class Taken:
    """What became of a body: `inline` bytes or one `extent`, and what is known about it.

    `pins` is not empty when the extent is a new reference, to be offered once its object exists, in place of
    the one that `leaves` (an id) if there is no room.
    """

    digests: Digests
    checksums: dict[str, str]
    keep: Callable[[], None]
    inline: bytes | None = None
    extent: Extent | None = None
    pins: tuple[str, ...] = ()
    leaves: str | None = None


@dataclass(slots=True)
class _Plan:
    """What may become of a body that takes part in its deltaspace.

    It is encoded against the reference that `choice` finds for a window, the first or a later one, and stored
    whole until then. With a `founding` it may become a reference, with `renews` it does when stored whole.
    """

    choice: Choice | None = None
    founding: Founding | None = None
    renews: bool = False

    async def founds(self) -> bool:
        """Whether the body, stored whole, is a new reference."""
        if self.founding is None:
            return False
        return await (self.founding.by_decision() if self.renews else self.founding.by_misfit())

    async def settle(self, staging: Staging) -> None:
        """The body is staged: make a reference of a delta that shows that one is due."""
        if self.founding is not None and staging.reference is not None and staging.worth_keeping:
            self.renews = await self.founding.by_drift(staging.reference, staging.length, staging.size)
            if self.renews:
                await staging.turn_whole()


@dataclass(slots=True)
class _Arrival:
    """A body of which the first window is here, until all of it is staged, and where it is going."""

    engine: Engine
    bucket: str
    key: str
    body: Body
    incoming: Incoming
    first: memoryview

    async def staging(self, plan: _Plan) -> Staging:
        """Where it will be staged; whether it compresses is asked of its first window."""
        share = 1.0
        if self.engine.policy.compression and self.first:
            share = await self.engine.workers.run(frames.share, self.first)
        whole = self.engine.policy.whole_coding(share)
        return Staging(self.engine, self.bucket, self.key, self.body.size, whole, plan.founds)

    async def taken(self, staging: Staging, plan: _Plan) -> Taken:
        """Store the body and ask its sender whether it is right."""
        digests = await self._store(staging, plan.choice)
        checksums = self.body.verify(digests)
        await plan.settle(staging)
        extent, pins = await staging.finish(digests.sha256.hex())
        leaves = None if plan.founding is None else plan.founding.leaves
        return Taken(digests, checksums, staging.keep, extent=extent, pins=pins, leaves=leaves)

    async def _store(self, staging: Staging, choice: Choice | None) -> Digests:
        """Send every window through: one in work while the next one fills."""
        async with Ahead[None]() as work:
            work.start(self._work(staging, choice, self.first, 0))
            number = 1
            while window := await self.incoming.window():
                await work.result()
                work.start(self._work(staging, choice, window, number))
                number += 1
            await work.result()
        # The commit may read an object of the same bytes, which takes as much memory again.
        self.first = memoryview(b"")
        self.incoming.close()
        return self.incoming.digests()

    async def _work(self, staging: Staging, choice: Choice | None, window: memoryview, number: int) -> None:
        async with Ahead[None]() as digest:
            digest.start(self.engine.workers.run(self.incoming.digest, window))
            if number == 0:
                await self._begin(staging, choice)
            elif choice is not None and not staging.is_delta:
                await self._look_again(staging, choice, window, number)
            if window:
                await staging.add(window)
            await digest.result()

    async def _begin(self, staging: Staging, choice: Choice | None) -> None:
        chosen = None if choice is None else await choice.of(self.first, 0)
        if chosen is None:
            await staging.begin_whole()
        else:
            await staging.begin_delta(*chosen)

    async def _look_again(self, staging: Staging, choice: Choice, window: memoryview, number: int) -> None:
        """A body whose start is like no reference may go on like one."""
        if self.engine.policy.looks_again(number, staging.size, self.body.size):
            chosen = await choice.of(window, staging.length)
            if chosen is not None:
                await staging.turn_delta(*chosen)


@asynccontextmanager
async def take(
    engine: Engine,
    bucket: str,
    key: str,
    body: Body,
    *,
    whole_object: bool,
    limit: int,
    as_reference: bool | None = None,
) -> AsyncIterator[Taken]:
    """Store a body's bytes, at most `limit`, for `key`.

    Only a `whole_object` may go inline or become a reference. `as_reference` is what is known of it already:
    it fits no offered reference (False), or it renews one (True). Raises ObjectTooLarge, Overloaded, the
    storage layer's errors, and whatever the body itself raises.
    """
    async with AsyncExitStack() as stack:
        if not body.memory_is_leased:
            memory = memory_to_store(body.size, engine.backend.capabilities.write_memory)
            await stack.enter_async_context(engine.budget.lease(memory))
        incoming = Incoming(body, limit)
        arrival = _Arrival(engine, bucket, key, body, incoming, await incoming.window())
        if whole_object and len(arrival.first) <= INLINE_LIMIT:
            yield _inline(arrival)
        else:
            taken = _blob(arrival, whole_object=whole_object, as_reference=as_reference)
            yield await stack.enter_async_context(taken)


def _inline(arrival: _Arrival) -> Taken:
    """Small enough for the manifest, and for the event loop to hash."""
    arrival.incoming.digest(arrival.first)
    digests = arrival.incoming.digests()
    checksums = arrival.body.verify(digests)
    measures.taken_in("inline", digests.size, digests.size)
    return Taken(digests, checksums, keep=lambda: None, inline=bytes(arrival.first))


@asynccontextmanager
async def _blob(arrival: _Arrival, *, whole_object: bool, as_reference: bool | None) -> AsyncIterator[Taken]:
    """Too large for the manifest: a blob, written under the deltaspace's lock.

    The lock is held until a record points to the blob or the blob is gone, so that whoever gets it
    exclusively knows: a blob that no record points to is garbage.
    """
    engine, bucket, space = arrival.engine, arrival.bucket, keys.space_of(arrival.key)
    in_use: list[str] = []
    try:
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(deltaspace.writing(engine.backend, bucket, space))
            plan = _Plan()
            if engine.policy.eligible(arrival.key):
                offered = list(
                    await engine.offers.of(engine.backend, bucket, space, await engine.leases.epoch(bucket))
                )
                if as_reference is None:
                    plan.choice = Choice(engine, bucket, arrival.key, offered, stack, in_use)
                if whole_object:
                    plan.founding = Founding(engine, bucket, arrival.key, offered)
                    plan.renews = bool(as_reference)
            staging = await stack.enter_async_context(await arrival.staging(plan))
            yield await arrival.taken(staging, plan)
    finally:
        # While the deltaspace's lock was held here, others may have had to leave references behind.
        await discard_blobs(engine, bucket, (), {space: in_use})
