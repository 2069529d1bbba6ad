# SPDX-License-Identifier: GPL-2.0-only
"""When statistics are written and when they are counted: the background work of one process.

Every few seconds the ledger goes into the records, and what is doubtful is counted anew. Before its first
entry of a bucket a process leaves a record there, and takes it away at its end when all entries are written;
meanwhile it holds a lock of the same name. So whoever finds the record and can have the lock knows that a
process died with entries nobody has seen, and counts that bucket.

Where processes share no locks, nobody can tell; there `deltaglider_proxy stats --recount` counts.
"""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Final

import msgspec
import structlog

from dgproxy.engine import inventory, keys, notes, record, statistics
from dgproxy.engine.ahead import Ahead
from dgproxy.engine.context import Engine
from dgproxy.engine.errors import EngineError
from dgproxy.engine.pace import Pace
from dgproxy.storage.backend import RecordNotFound, StorageError

_log = structlog.get_logger(__name__)

#: Seconds between two entries of the ledger into the records.
_TURN: Final = 5.0

#: Seconds until something that was still doubtful is counted again.
_AGAIN: Final = 60.0

#: Bytes a second that counting in the background reads.
_RATE: Final = 20e6

#: Locks are of a bucket; those of processes are of none.
_NO_BUCKET: Final = ""


class _Open(msgspec.Struct, frozen=True):
    """The record: when the process began to keep numbers of this bucket, in milliseconds since the epoch."""

    since: int


@asynccontextmanager
async def kept(engine: Engine) -> AsyncIterator[None]:
    """Keep the statistics of what `engine` does in the block."""
    process, opened = engine.new_id(), set[str]()

    async def announce(bucket: str) -> bool:
        try:
            data = record.encode(_Open(engine.now()))
            await notes.write(engine, bucket, keys.ledger(process), data)
            opened.add(bucket)
        except StorageError as error:
            _log.warning("statistics may be lost if this process dies", bucket=bucket, error=str(error))
            return False
        return True

    async with AsyncExitStack() as stack:
        if engine.backend.capabilities.exclusive_locks:
            await stack.enter_async_context(engine.backend.lock(_NO_BUCKET, _lock(process)))
            engine.ledger.announce = announce
        try:
            async with Ahead[None]() as keeping:
                keeping.start(_keep(engine, process))
                yield
        finally:
            await _close(engine, process, opened)


async def _close(engine: Engine, process: str, opened: set[str]) -> None:
    """Write what is left. What can't be written, or is doubtful, is as if the process had died."""
    doubtful = {bucket for bucket, _ in await statistics.flush(engine)}
    doubtful |= {bucket for bucket, _ in engine.ledger.turn()}
    for bucket in sorted(opened - doubtful):
        await _remove(engine, bucket, keys.ledger(process))


async def _keep(engine: Engine, process: str) -> None:
    if engine.backend.capabilities.exclusive_locks:
        await make_up(engine, process)
    due: dict[tuple[str, str], float] = {}
    while True:
        await asyncio.sleep(_TURN)
        for place in await statistics.flush(engine):
            due.setdefault(place, 0.0)
        for (bucket, space), when in list(due.items()):
            if when <= time.monotonic():
                due[bucket, space] = time.monotonic() + _AGAIN
                if await _recount(engine, bucket, space):
                    del due[bucket, space]


async def _recount(engine: Engine, bucket: str, space: str) -> bool:
    try:
        return await statistics.recount(engine, bucket, space, Pace(_RATE))
    except (StorageError, EngineError) as error:
        _log.warning("deltaspace not counted", bucket=bucket, space=space, error=str(error))
        return False


async def make_up(engine: Engine, process: str = "") -> None:
    """Count the buckets in which a process died with entries, and those that were never counted."""
    try:
        for bucket in await engine.backend.list_buckets():
            await _make_up(engine, bucket.name, process)
    except (StorageError, EngineError) as error:
        _log.warning("statistics not made up for", error=str(error))


async def _make_up(engine: Engine, bucket: str, process: str) -> None:
    async with engine.backend.try_lock(bucket, "recount") as alone:
        if not alone:
            return  # another process is at it
        dead = await _dead(engine, bucket, process)
        if dead or not await statistics.is_counted(engine, bucket):
            _log.info("statistics are counted anew", bucket=bucket, processes_that_died=len(dead))
            await statistics.recount_all(engine, bucket, pace=Pace(_RATE))
        else:
            for known in await statistics.read(engine, bucket):
                if known.doubtful:
                    await statistics.recount(engine, bucket, known.space, Pace(_RATE))
        for place in dead:
            await _remove(engine, bucket, place)


async def _dead(engine: Engine, bucket: str, process: str) -> list[str]:
    """The records of processes that left them and are no more."""
    found = []
    async for item in inventory.listed(engine.backend, bucket, keys.LEDGERS):
        other = keys.name_of(item.key).removesuffix(".json")
        if other != process:
            async with engine.backend.try_lock(_NO_BUCKET, _lock(other)) as gone:
                if gone:
                    found.append(item.key)
    return found


async def _remove(engine: Engine, bucket: str, place: str) -> None:
    try:
        await engine.backend.remove_record(bucket, place)
    except RecordNotFound:
        return
    except StorageError as error:
        _log.warning("the bucket will be counted again", bucket=bucket, error=str(error))


def _lock(process: str) -> str:
    return f"ledger {process}"
