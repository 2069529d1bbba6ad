# SPDX-License-Identifier: GPL-2.0-only
"""How far a long command has come, and how it ended, for whoever looks at the server's pages meanwhile.

gc, verify and optimize are processes of their own; storage is all they share with a server. So each keeps a
record in the bucket it works on, written anew once a second at most, and holds a lock of the same name. At
the end the record goes, and another with the outcome takes the place of the run before. A record that is
there while its lock is free was left by a process that died. Where processes share no locks, one that was
not written for long enough says so: even a run that gets no further writes it now and then.

A run never fails for want of its record, which may be lost. What is worked on is not decided here.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Final, Literal

import msgspec
import structlog

from dgproxy.engine import keys, notes, record
from dgproxy.engine.ahead import Ahead
from dgproxy.engine.context import Engine
from dgproxy.engine.errors import BucketClosing, EngineError, ObjectDamaged
from dgproxy.storage.backend import BucketNotFound, Record, RecordNotFound, StorageError

_log = structlog.get_logger(__name__)

Command = Literal["gc", "verify", "optimize"]
COMMANDS: Final[tuple[Command, ...]] = ("gc", "verify", "optimize")

State = Literal["running", "ended", "failed", "stopped", "died"]

#: Seconds between two looks at whether there is something to write, and between two writes of the same.
_TURN: Final = 1.0
_SIGN_OF_LIFE: Final = 20.0

#: Milliseconds without one after which a process on another host is taken for dead.
_SILENCE: Final = 120_000


class Run(msgspec.Struct, kw_only=True):
    """A run of a command over a bucket, or its keys with a prefix; times in milliseconds since the epoch.

    `options` are those that tell one run from another, as they are typed. `done` and `total` count `unit`;
    `total` is None when it is not known. `result` says in words what came out, or what went wrong.
    """

    format: int = 1
    command: Command
    options: str = ""
    prefix: str = ""
    unit: Literal["objects", "bytes"] = "objects"
    done: int = 0
    total: int | None = None
    began: int = 0
    updated: int = 0
    state: State = "running"
    result: str = ""

    def advance(self, amount: int) -> None:
        """So much more is done."""
        self.done += amount


@asynccontextmanager
async def recorded(engine: Engine, bucket: str, run: Run) -> AsyncIterator[None]:
    """Keep a record of `run`, of which the block sets `done` and `result`.

    While another process runs the same command on the bucket, that one's is the record there is.
    """
    run.began = run.updated = engine.now()
    async with engine.backend.try_lock(bucket, _lock(run.command)) as alone:
        if not alone:
            yield
            return
        async with Ahead[None]() as writing:
            over = asyncio.Event()
            writing.start(_keep(engine, bucket, run, over))
            try:
                yield
                run.state = "ended"
            except (StorageError, EngineError) as error:
                run.state, run.result = "failed", str(error)
                raise
            except asyncio.CancelledError:
                run.state = "stopped"
                raise
            except Exception:
                run.state, run.result = "failed", "a mistake in the program"
                raise
            finally:
                over.set()
                await writing.result()  # a write under way must not come after the end
                await _end(engine, bucket, run)


async def _keep(engine: Engine, bucket: str, run: Run, over: asyncio.Event) -> None:
    """Write what changed, once a second."""
    written: tuple[int, int | None] | None = None
    while not over.is_set():
        now = engine.now()
        if written != (run.done, run.total) or now - run.updated >= _SIGN_OF_LIFE * 1000:
            written, run.updated = (run.done, run.total), now
            if not await _write(engine, bucket, keys.running(run.command), run):
                return
        with suppress(TimeoutError):
            await asyncio.wait_for(over.wait(), _TURN)


async def _end(engine: Engine, bucket: str, run: Run) -> None:
    run.updated = engine.now()
    if await _write(engine, bucket, keys.last_run(run.command), run):
        try:
            await engine.backend.remove_record(bucket, keys.running(run.command))
        except RecordNotFound:
            pass  # it ended before its first second
        except StorageError as error:
            _log.warning("a run that has ended looks as if its process died", bucket=bucket, error=str(error))


async def _write(engine: Engine, bucket: str, place: str, run: Run) -> bool:
    try:
        await notes.write(engine, bucket, place, record.encode(run), durable=False)
    except BucketNotFound:
        return False  # deleted since
    except (StorageError, BucketClosing) as error:
        _log.warning("the Health page does not show this run", bucket=bucket, error=str(error))
        return False
    return True


async def read(engine: Engine, bucket: str) -> list[Run]:
    """The runs that are under way in a bucket, or died, and the last of each command that came to its end.

    Raises BucketNotFound and the storage layer's errors. A record that is damaged is as if it were lost.
    """
    places = [place(command) for command in COMMANDS for place in (keys.running, keys.last_run)]
    found = []
    for place, stored in zip(places, await engine.backend.read_records(bucket, places), strict=True):
        run = _decoded(f"{bucket}/{place}", stored)
        if run is None:
            continue
        if run.state == "running" and not await _lives(engine, bucket, run):
            run.state = "died"
        found.append(run)
    return found


def _decoded(what: str, stored: Record | None) -> Run | None:
    if stored is None:
        return None
    try:
        return record.decode(stored.data, Run, what)
    except ObjectDamaged as error:
        _log.warning("a run is not shown", error=str(error))
        return None


async def _lives(engine: Engine, bucket: str, run: Run) -> bool:
    if not engine.backend.capabilities.exclusive_locks:
        return engine.now() - run.updated < _SILENCE
    async with engine.backend.try_lock(bucket, _lock(run.command)) as free:
        return not free


def _lock(command: Command) -> str:
    return f"run {command}"
