# SPDX-License-Identifier: GPL-2.0-only
"""What keeps a writer from being told "done" of an object that a DeleteBucket elsewhere takes along.

Where one host's locks reach every writer, a lock does it. Elsewhere a writer looks at the bucket's record
(`engine.bucket_state`), and what it saw holds for a lease of `LEASE` seconds from when the look *began*.
Whoever wants to delete the bucket says so in the record, and removes nothing before all leases of before are
over. A commit starts within `FRESH` of a look; when its answer comes within `LEASE` of that, a deleter's
listing will show it, else the record is looked at again before anyone is told. All durations are measured on
the one host that uses them. docs/SCALING.md has the proof, and what it takes for granted.

Epochs tie the blobs of a write to its commit: the epoch is that of a look before the first blob is published,
and must be the same at the commit; it changes whenever what is in the bucket is given up.

Deleting is the business of `engine.deletion`. Nothing here removes anything.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import NamedTuple
from weakref import WeakValueDictionary

from dgproxy.engine import bucket_state
from dgproxy.engine.bucket_state import BucketState, Seen
from dgproxy.engine.errors import BucketClosing
from dgproxy.storage.backend import ABSENT, Backend, BucketNotFound, VersionConflict

#: Seconds that a look is good for the start of a commit, and for its end. Between the two is time for a slow
#: write of a small record with a repetition; a deleter waits for the longer one.
FRESH = 2.0
LEASE = 3.0

#: Seconds for a DeleteBucket of the store's own that has found a bucket empty to be over: stores that look
#: first and then delete do that in milliseconds. Only who finds a bucket without a record waits for it.
GUARD = 2.0

#: Seconds that a record of somebody who deletes stays as it is until he counts as dead.
ABANDONED = 15.0

#: Seconds that a writer waits for what becomes of a bucket that is being deleted: his wait and a listing.
_PATIENCE = 5.0

_PAUSE = 0.1


def clock() -> float:
    """Seconds that also pass while the machine is suspended, which those of time.monotonic don't."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


class _Look(NamedTuple):
    """The record said "open", some time after the look `began`."""

    epoch: str
    began: float


class Leases:
    """What one process knows of the buckets it writes to."""

    def __init__(self, backend: Backend, new_id: Callable[[], str]) -> None:
        self._backend = backend
        self._new_id = new_id
        self._looks: dict[str, _Look] = {}
        self._sights: dict[str, tuple[str, float]] = {}
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    @property
    def _needed(self) -> bool:
        return self._backend.capabilities.leases_needed

    async def epoch(self, bucket: str) -> str:
        """The epoch in which a write begins, '' where no leases are needed.

        Raises BucketNotFound, BucketClosing, and the storage layer's errors.
        """
        return (await self._look(bucket, clock() - FRESH)).epoch if self._needed else ""

    async def renew(self, bucket: str, epoch: str) -> float:
        """Have a look that a commit may start with; when it began.

        Raises BucketNotFound when the bucket has been given up since `epoch` was asked for, BucketClosing
        when somebody is at it, and the storage layer's errors.
        """
        return (await self._look(bucket, clock() - FRESH, epoch)).began if self._needed else 0.0

    async def confirm(self, bucket: str, epoch: str, began: float) -> None:
        """A commit that a look of then allowed has its answer: see that whoever deletes must have seen it.

        Raises what `renew` raises; then nobody may be told that the write succeeded.
        """
        if self._needed and (answered := clock()) - began > LEASE:
            await self._look(bucket, answered, epoch)

    def sight(self, bucket: str, version: str) -> float:
        """For how many seconds this process has seen the record at this version and no other."""
        known = self._sights.get(bucket)
        if known is None or known[0] != version:
            known = self._sights[bucket] = (version, clock())
        return clock() - known[1]

    async def _look(self, bucket: str, since: float, epoch: str = "") -> _Look:
        """A look that began at `since` or later, in the given epoch if any."""
        until = clock() + _PATIENCE
        async with self._locks.setdefault(bucket, asyncio.Lock()):
            look = self._looks.get(bucket)
            if look is None or look.began < since:
                self._looks.pop(bucket, None)
                try:
                    look = await self._look_now(bucket, epoch, until)
                except BucketNotFound:
                    self._sights.pop(bucket, None)
                    raise
                self._looks[bucket] = look
                self._sights.pop(bucket, None)
        if epoch not in ("", look.epoch):
            raise _gone(bucket)
        return look

    async def _look_now(self, bucket: str, epoch: str, until: float) -> _Look:
        while True:
            began = clock()
            seen = await bucket_state.read(self._backend, bucket)
            if seen.state is not None and seen.state.state == "open":
                return _Look(seen.state.epoch, began)
            if epoch and (seen.state is None or seen.state.state != "deleting"):
                raise _gone(bucket)
            opened = await self._open(bucket, seen)
            if opened is not None:
                return opened
            if clock() > until:
                raise BucketClosing(f"{bucket} is being deleted; try again")
            await asyncio.sleep(_PAUSE)

    async def _open(self, bucket: str, seen: Seen) -> _Look | None:
        """Open a bucket that waits for it; None when it has to be looked at again."""
        began = clock()
        if seen.state is None:
            # Whoever has just removed the record may have the store delete the bucket: see GUARD.
            await self._swap(bucket, "opening", self._new_id(), ABSENT)
            return None
        if seen.state.state == "emptying":
            raise BucketClosing(
                f"{bucket} is being deleted; where that was broken off, DeleteBucket or CreateBucket goes on"
            )
        waited = self.sight(bucket, seen.version)
        if waited < {"new": 0.0, "opening": GUARD, "deleting": ABANDONED}[seen.state.state]:
            return None
        opened = await self._swap(bucket, "open", seen.state.epoch, seen.version)
        return _Look(seen.state.epoch, began) if opened else None

    async def _swap(self, bucket: str, state: bucket_state.State, epoch: str, expect: str) -> bool:
        try:
            await bucket_state.write(self._backend, bucket, state, epoch, self._new_id(), expect=expect)
        except VersionConflict:
            return False
        return True


def _gone(bucket: str) -> BucketNotFound:
    return BucketNotFound(f"{bucket} was deleted during the write")


def closing(state: BucketState | None) -> bool:
    """Whether somebody deletes the bucket, or did."""
    return state is not None and state.state in ("deleting", "emptying")


def lock_of_writers() -> str:
    """The name of the lock that writers share and who deletes the bucket has alone, where locks do it."""
    return "writers of the bucket"


@asynccontextmanager
async def writing(backend: Backend, leases: Leases, bucket: str) -> AsyncIterator[str]:
    """The block in which something is published and then committed; the epoch for its commit.

    Raises what `Leases.epoch` raises.
    """
    capabilities = backend.capabilities
    if capabilities.exclusive_locks and not capabilities.whole_buckets:
        async with backend.lock(bucket, lock_of_writers(), shared=True):
            yield ""
    else:
        yield await leases.epoch(bucket)
