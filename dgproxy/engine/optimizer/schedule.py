# SPDX-License-Identifier: GPL-2.0-only
"""When the optimizer runs in a server: once a day, in certain hours, in one of the worker processes.

Each worker tries for one lock; who has it leads for as long as it lives. Nothing that goes wrong here reaches
a request: it is logged, and tried again the next day. Where other hosts may write to the same storage nobody
leads, because no lock is theirs, too.
"""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

import structlog

from dgproxy.engine import measures
from dgproxy.engine.context import Engine
from dgproxy.engine.errors import EngineError
from dgproxy.engine.optimizer.run import optimize
from dgproxy.engine.optimizer.work import Outcome
from dgproxy.engine.pace import Pace
from dgproxy.engine.rest import Rest
from dgproxy.storage.backend import BucketNotFound, StorageError

_log = structlog.get_logger(__name__)

#: Seconds between two looks at the clock, or for a lead that has become free.
_LOOK: Final = 60.0

#: Seconds from one round to the next, at least: less than a day, so that a round may begin earlier each day.
_ROUND: Final = 20 * 3600.0

#: Bytes of records and samples read a second: a disk does that beside its work.
_RATE: Final = 50 << 20


@dataclass(frozen=True, slots=True)
class Hours:
    """Hours of the day, local time, from the beginning of `first` to that of `last`; may span midnight."""

    first: int
    last: int

    def include(self, hour: int) -> bool:
        """Whether this hour (0 to 23) is one of them; with equal ends all are."""
        if self.first < self.last:
            return self.first <= hour < self.last
        return hour >= self.first or hour < self.last

    def now(self) -> bool:
        """Whether the present one is."""
        return self.include(time.localtime().tm_hour)


@asynccontextmanager
async def optimizing(engine: Engine, hours: Hours, rest: Rest) -> AsyncIterator[None]:
    """Optimize in the background for the block."""
    if not engine.backend.capabilities.exclusive_locks:
        yield
        return
    async with asyncio.TaskGroup() as group:
        leading = group.create_task(_try_to_lead(engine, hours, rest))
        try:
            yield
        finally:
            leading.cancel()


async def _try_to_lead(engine: Engine, hours: Hours, rest: Rest) -> None:
    while True:
        await asyncio.sleep(_LOOK)
        try:
            async with engine.backend.try_lock("", "optimizer") as alone:
                if alone:
                    await _lead(engine, hours, rest)
        except StorageError as error:
            _log.error("optimizer stopped; it goes on later", error=str(error))


async def _lead(engine: Engine, hours: Hours, rest: Rest) -> None:
    """Do a round a day."""
    last = float("-inf")
    while True:
        if hours.now() and time.monotonic() - last >= _ROUND:
            done = True
            measures.optimizer_running.set(1)
            try:
                done = await run_round(engine, hours, rest)
            except StorageError:
                raise
            except Exception:  # noqa: BLE001 - a mistake of ours must not reach a request
                _log.exception("optimizer failed; please report this")
            finally:
                measures.optimizer_running.set(0)
            if done:
                measures.optimizer_rounds.add(1)
                last = time.monotonic()
        await asyncio.sleep(_LOOK)


async def run_round(engine: Engine, hours: Hours, rest: Rest) -> bool:
    """Optimize every bucket; False when the hours ended before that was done."""
    for bucket in await engine.backend.list_buckets():
        try:
            await optimize(engine, bucket.name, "", _logged, rest=rest, pace=Pace(_RATE), go_on=hours.now)
        except BucketNotFound:
            continue  # deleted since
        except (StorageError, EngineError) as error:
            _log.error("bucket not optimized", bucket=bucket.name, error=str(error))
        if not hours.now():
            return False
    return True


def _logged(outcome: Outcome) -> None:
    measures.optimizer_deltaspaces.add(1)
    measures.optimizer_rewritten.add(outcome.rewritten)
    measures.optimizer_saved_bytes.add(max(0, outcome.before - outcome.after))
    measures.optimizer_failed.add(outcome.failed)
    if outcome.changed or outcome.failed:
        _log.info(
            "optimized",
            bucket=outcome.bucket,
            deltaspace=outcome.deltaspace,
            before=outcome.before,
            after=outcome.after,
            rewritten=outcome.rewritten,
            references_made=outcome.references_made,
            references_retired=outcome.references_retired,
            shared=outcome.shared,
            failed=outcome.failed,
        )
