# SPDX-License-Identifier: GPL-2.0-only
"""DeleteBucket where the backend can't do it in one step.

Who wants to delete a bucket that looks empty claims its record, waits until no lease of a writer is left that
was given before, and looks again. An object: the record says "open" again, nothing has happened. None: what
appears in the bucket from now on is nobody's, as its writer will look at the record before he answers. So
everything goes, records before the blobs they point to, the bucket's own record last, and then the bucket.
Where one host's locks reach every writer the lock takes the claim's place.

A claim whose record has stayed the same for `leases.ABANDONED` seconds is taken over. Whoever removes
something has written the record after he listed it: what another made of the bucket since is never removed
by one who was away for long.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Final

import structlog

from dgproxy.engine import bucket_state, keys, leases
from dgproxy.engine.bucket_state import BucketState, Seen, State
from dgproxy.engine.context import Engine
from dgproxy.engine.errors import BucketClosing
from dgproxy.storage.backend import (
    Backend,
    BucketNotEmpty,
    BucketNotFound,
    Listed,
    RecordNotFound,
    StorageError,
    VersionConflict,
)

_log = structlog.get_logger(__name__)

#: What is in a bucket besides objects, in the order in which it goes: what a client configured at the end.
_ROOMS: Final = (keys.UPLOADS, keys.SPACES, keys.STATISTICS, keys.LEDGERS, keys.RUNS, keys.CONFIG)

#: Removed between two looks at the claim: a second's work for a slow store.
_PAGE: Final = 250

#: Records removed at once.
_AT_ONCE: Final = 16

#: How often others may put something into a bucket that is being deleted.
_ATTEMPTS: Final = 10

#: Seconds that one who finds another's claim waits, beyond the time after which it is taken over.
_PATIENCE: Final = 5.0

_PAUSE: Final = 0.1

#: Clocks of two hosts may run this much apart, in seconds a second: a hundred times what is usual.
_DRIFT: Final = 0.01

#: To be called between listing and removing; raises when the claim is lost.
_StillOurs = Callable[[], Awaitable[None]]


async def delete_bucket(engine: Engine, bucket: str) -> None:
    """Delete a bucket without objects, and all else that is in it.

    Raises BucketNotFound, BucketNotEmpty, BucketClosing when another is at it or writers don't let it be, and
    the storage layer's errors.
    """
    capabilities = engine.backend.capabilities
    if capabilities.whole_buckets:
        await engine.backend.delete_bucket(bucket)
        return
    for attempt in range(_ATTEMPTS):
        await asyncio.sleep(_PAUSE * attempt)
        if capabilities.exclusive_locks:
            gone = await _delete_alone(engine, bucket)
        else:
            gone = await _delete(engine, bucket)
        if gone:
            return
    raise BucketClosing(f"{bucket}: something is written to it over and over; try again")


async def _delete_alone(engine: Engine, bucket: str) -> bool:
    """One attempt while this host's locks keep every writer out."""
    await _require_no_object(engine.backend, bucket)
    async with engine.backend.try_lock(bucket, leases.lock_of_writers()) as alone:
        if not alone:
            return False
        await _require_no_object(engine.backend, bucket)
        await _empty(engine.backend, bucket, _always)
        with suppress(RecordNotFound):  # this host needs none; several did at another time
            await engine.backend.remove_record(bucket, keys.BUCKET)
        return await _drop(engine.backend, bucket)


async def _always() -> None:
    """For a lock: nobody takes it over."""


async def _delete(engine: Engine, bucket: str) -> bool:
    """One attempt by a claim on the bucket's record."""
    async with _claimed(engine, bucket) as claim:
        await _require_no_object(engine.backend, bucket)
        await claim.move("emptying")
        # A late writer that still saw "deleting" leaves its object, and it shows here; later ones take theirs
        # back by themselves.
        await _require_no_object(engine.backend, bucket)
    await _empty(engine.backend, bucket, lambda: claim.move("emptying"))
    try:
        await engine.backend.remove_record(bucket, keys.BUCKET, expect=claim.version)
    except (VersionConflict, RecordNotFound) as error:
        raise _taken_over(bucket) from error
    return await _drop(engine.backend, bucket)


@dataclass(slots=True)
class _Claim:
    """The bucket's record, written by us and at this version."""

    engine: Engine
    bucket: str
    epoch: str
    version: str

    async def move(self, state: State) -> None:
        """Write it again. Raises BucketClosing when somebody else has."""
        try:
            self.version = await bucket_state.write(
                self.engine.backend,
                self.bucket,
                state,
                self.epoch,
                self.engine.new_id(),
                expect=self.version,
            )
        except VersionConflict as error:
            raise _taken_over(self.bucket) from error


@asynccontextmanager
async def _claimed(engine: Engine, bucket: str) -> AsyncIterator[_Claim]:
    """Claim a bucket, and wait for the leases of before to end.

    When the block raises, so that nothing was given up, the bucket is what it was before.
    """
    claim, before = await _claim(engine, bucket)
    try:
        if before == "open":
            await asyncio.sleep(leases.LEASE * (1 + _DRIFT))
        yield claim
    except BucketClosing:
        raise
    except BaseException:
        await _back(claim, before)
        raise


async def _claim(engine: Engine, bucket: str) -> tuple[_Claim, State]:
    """A claim of ours, and what is to become of the bucket when it turns out not to be empty."""
    until = leases.clock() + leases.ABANDONED + _PATIENCE
    while True:
        seen = await bucket_state.read(engine.backend, bucket)
        if not leases.closing(seen.state):
            await _require_no_object(engine.backend, bucket)
        elif engine.leases.sight(bucket, seen.version) < leases.ABANDONED:
            if leases.clock() > until:
                raise BucketClosing(f"{bucket} is being deleted by another process; try again")
            await asyncio.sleep(_PAUSE)
            continue
        before, epoch = _before(seen, engine)
        claim = _Claim(engine, bucket, epoch, seen.version)
        try:
            await claim.move("deleting")
        except BucketClosing:
            continue  # somebody was faster
        return claim, before


def _before(seen: Seen, engine: Engine) -> tuple[State, str]:
    """State and epoch that a claimed bucket has when it stays."""
    match seen.state:
        case None:
            return "opening", engine.new_id()
        case BucketState(state="emptying"):
            # Some of it is gone: what is still written for what was there must not be committed.
            return "opening", engine.new_id()
        case BucketState(state="deleting", epoch=epoch):
            return "open", epoch
        case BucketState(state=state, epoch=epoch):
            return state, epoch
    raise AssertionError("the states are all there")


async def _back(claim: _Claim, before: State) -> None:
    """Give a bucket back to its writers; what fails here leaves a claim that is taken over."""
    try:
        await claim.move(before)
    except (StorageError, BucketClosing) as error:
        _log.warning(
            "a bucket stays claimed for a moment by who did not delete it",
            bucket=claim.bucket,
            error=str(error),
        )


async def _require_no_object(backend: Backend, bucket: str) -> None:
    if (await backend.list_records(bucket, keys.OBJECTS, limit=1)).items:
        raise BucketNotEmpty(f"bucket {bucket!r} has objects")


async def _empty(backend: Backend, bucket: str, still_ours: _StillOurs) -> None:
    """Remove all but the bucket's record."""
    for records in (True, False):
        for room in _ROOMS:
            after, more = "", True
            while more:
                page = await backend.list_records(bucket, room, after=after, limit=_PAGE)
                places = [item.key for item in page.items if isinstance(item, Listed)]
                after, more = places[-1] if places else "", page.more
                going = [
                    place for place in places if place.endswith(".json") is records and place != keys.BUCKET
                ]
                if records:
                    await _remove_records(backend, bucket, going, still_ours)
                elif going:
                    await still_ours()
                    await backend.remove_blobs(bucket, going)


async def _remove_records(backend: Backend, bucket: str, places: list[str], still_ours: _StillOurs) -> None:
    """Remove records as they are now: their names are used again, in a bucket made anew."""
    if not places:
        return
    found = await backend.read_records(bucket, places)
    await still_ours()

    async def remove(place: str, version: str) -> None:
        try:
            await backend.remove_record(bucket, place, expect=version)
        except (VersionConflict, RecordNotFound):
            return  # the next attempt sees it, if it is there

    versions = [(place, stored.version) for place, stored in zip(places, found, strict=True) if stored]
    for first in range(0, len(versions), _AT_ONCE):
        async with asyncio.TaskGroup() as group:
            for place, version in versions[first : first + _AT_ONCE]:
                group.create_task(remove(place, version))


async def _drop(backend: Backend, bucket: str) -> bool:
    """Have the backend remove the empty bucket; False when something came into it."""
    try:
        await backend.delete_bucket(bucket)
    except BucketNotEmpty:
        return False
    return True


def _taken_over(bucket: str) -> BucketClosing:
    return BucketClosing(f"{bucket}: another process has taken over its deletion; try again")


async def go_on(engine: Engine, bucket: str) -> bool:
    """See that a bucket that exists can be written to; False when it had been given up and is gone now.

    Raises BucketClosing, ObjectDamaged and the storage layer's errors.
    """
    if not engine.backend.capabilities.leases_needed:
        return True
    try:
        seen = await bucket_state.read(engine.backend, bucket)
        if seen.state is None:
            await engine.leases.epoch(bucket)  # here, so that no first PUT has to wait
        elif leases.closing(seen.state):
            await delete_bucket(engine, bucket)
            return False
    except BucketNotFound:
        return False
    except BucketNotEmpty:
        return True
    return True
