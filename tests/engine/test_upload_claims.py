# SPDX-License-Identifier: GPL-2.0-only
"""Who ends an upload on several hosts, when each of them may stand still at any moment, for any time.

A claim is taken over at once here: who stands still does so for longer than any lease. Whatever comes of it,
every object that is there can be read, before gc and behind it, and gc leaves nothing that nobody needs.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

import pytest

from dgproxy.engine import buckets, ending
from dgproxy.engine import complete as completion
from dgproxy.engine.errors import Contended, ObjectNotFound, PartInvalid, UploadNotFound
from dgproxy.engine.gc import Finding, Options, collect
from dgproxy.engine.gc_uploads import collect_uploads
from dgproxy.engine.pace import Pace
from dgproxy.engine.parts import PartRecord
from dgproxy.storage.memory import MemoryBackend
from tests.backends import BUCKET
from tests.engine.material import noise
from tests.engine.stopping import Host, engine_on, outcome
from tests.engine.world import World, world_over

PARTS = [noise(10_000, 1), noise(9_000, 2)]
AGAIN, OVER = noise(10_000, 3), noise(11_000, 4)

#: What ending an upload that another has ended, or is about to end, may say.
REFUSED = (UploadNotFound, PartInvalid, Contended)

KEY = "a/m.bin"


@dataclass
class Several:
    """Hosts over one store, and an upload of two parts there."""

    hosts: list[Host]
    worlds: list[World]
    upload: str
    parts: list[PartRecord]

    async def complete(self, number: int) -> None:
        await self.worlds[number].complete(KEY, self.upload, self.parts)

    async def abort(self, number: int) -> None:
        await self.worlds[number].abort(KEY, self.upload)

    async def part(self, number: int) -> None:
        """The first part once more, with other bytes."""
        await self.worlds[number].part(KEY, self.upload, 1, AGAIN)

    async def over(self, number: int) -> None:
        await self.worlds[number].put(KEY, OVER)

    async def delete(self, number: int) -> None:
        await self.worlds[number].delete(KEY)

    async def refused(self, number: int) -> None:
        """A Complete that changes nothing, and gives the upload back."""
        wanted = [completion.WantedPart(9, "0" * 32)]
        world = self.worlds[number]
        await completion.complete(world.engine, BUCKET, KEY, self.upload, wanted, _never)

    async def complete_again(self, number: int) -> None:
        """With the parts that are there now."""
        await self.worlds[number].complete(KEY, self.upload)


def _never(*_: object) -> completion.Checksums:
    raise AssertionError("not asked")


Step = Callable[[Several, int], Awaitable[None]]

#: What others do while one stands still.
SCRIPTS: dict[str, Sequence[Step]] = {
    "abort": [Several.abort],
    "complete": [Several.complete],
    "complete, delete": [Several.complete, Several.delete],
    "complete, put": [Several.complete, Several.over],
    "put, abort": [Several.over, Several.abort, Several.delete],
    "refused, part, complete": [Several.refused, Several.part, Several.complete_again],
    "refused, part, abort, put": [Several.refused, Several.part, Several.abort, Several.over],
}

FIRST: dict[str, Step] = {"complete": Several.complete, "abort": Several.abort, "part": Several.part}


async def several(some: World, *, over: bool) -> Several:
    """Made in a moment, with the threads and the memory of another world; with an object there, or none."""
    shared = MemoryBackend()
    hosts = [Host(shared) for _ in range(3)]
    engines = [engine_on(host, some.engine) for host in hosts]
    worlds = [World(engine) for engine in engines]
    await buckets.create_bucket(engines[2], BUCKET)
    for world in worlds:
        await world.put("another", b"x")
    if over:
        await worlds[2].put(KEY, OVER)
    upload = await worlds[2].begin(KEY)
    parts = [await worlds[2].part(KEY, upload, number, data) for number, data in enumerate(PARTS, 1)]
    return Several(hosts, worlds, upload, parts)


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every claim counts as left behind, and a part may be small."""
    monkeypatch.setattr(ending, "_LEASE", -1)
    monkeypatch.setattr(completion, "MIN_PART", 1)


async def until(task: asyncio.Task[Exception | None], host: Host) -> None:
    """Let a task run to its end, or to where its host stops."""
    reached = asyncio.ensure_future(host.gate.reached.wait())
    both: list[asyncio.Future[Any]] = [task, reached]
    await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
    reached.cancel()


async def gc(world: World) -> list[Finding]:
    """One that collects what it finds, after a grace period in which nobody stands still."""
    found: list[Finding] = []
    options = Options(delete=True, older_than=-60, uploads_older_than=-60, grace=0)
    await collect_uploads(world.engine, BUCKET, options, found.append, pace=Pace())
    await collect(world.engine, BUCKET, options, found.append, pace=Pace())
    return found


async def assert_sound(several: Several) -> bytes | None:
    """Which bytes the object has; they can be read, and so they can when gc has been there."""
    world = several.worlds[2]
    before = await read(world)
    assert before in (None, OVER, b"".join(PARTS), AGAIN + PARTS[1])
    await gc(world)
    assert await read(world) == before
    await world.delete(KEY)
    await world.delete("another")
    await gc(world)
    assert [key for key in await world.stored() if "references.json" not in key] == []
    assert await world.everything("uploads/") == []
    return before


async def read(world: World) -> bytes | None:
    try:
        return await world.get(KEY)
    except ObjectNotFound:
        return None


@pytest.mark.parametrize("over", [False, True], ids=["absent", "there"])
@pytest.mark.parametrize("late", [False, True], ids=["before", "behind"])
@pytest.mark.parametrize("script", SCRIPTS)
@pytest.mark.parametrize("first", FIRST)
async def test_one_stands_still(first: str, script: str, late: bool, over: bool) -> None:
    """At each of its calls, while another does a number of things; then it goes on."""
    async with world_over(MemoryBackend()) as some:
        for stop in range(1, 100):
            each = await several(some, over=over)
            host = each.hosts[0]
            host.gate.stop_at(stop, late=late)
            running = asyncio.create_task(outcome(FIRST[first](each, 0)))
            await until(running, host)
            stopped = not running.done()
            told = [await outcome(step(each, 1)) for step in SCRIPTS[script]]
            host.gate.go.set()
            told.append(await running)
            try:
                assert all(end is None or isinstance(end, REFUSED) for end in told), told
                await assert_sound(each)
            except BaseException as error:
                error.add_note(f"stopped at {stop}; told {told}")
                raise
            if not stopped:
                return
        pytest.fail("it never came to its end")


ENDS: dict[str, Step] = {"complete": Several.complete, "abort": Several.abort}
BETWEEN: dict[str, Sequence[Step]] = {
    "nothing": [],
    "delete": [Several.delete],
    "complete, delete": [Several.complete, Several.delete],
}


@pytest.mark.parametrize("script", BETWEEN)
@pytest.mark.parametrize("order", [(0, 1), (1, 0)], ids=["first", "second"])
@pytest.mark.parametrize("second", ENDS)
@pytest.mark.parametrize("first", ENDS)
async def test_two_stand_still(first: str, second: str, order: tuple[int, int], script: str) -> None:
    """Each at each of its calls, a third does something, and they go on one after the other."""
    async with world_over(MemoryBackend()) as some:
        stops = [await calls_of(some, ENDS[name]) for name in (first, second)]
        for stop in range(1, stops[0] + 1):
            for then in range(1, stops[1] + 1):
                each = await several(some, over=False)
                running = []
                for number, (name, at) in enumerate(((first, stop), (second, then))):
                    each.hosts[number].gate.stop_at(at, late=False)
                    running.append(asyncio.create_task(outcome(ENDS[name](each, number))))
                    await until(running[-1], each.hosts[number])
                told = [await outcome(step(each, 2)) for step in BETWEEN[script]]
                for number in order:
                    each.hosts[number].gate.go.set()
                    told.append(await running[number])
                try:
                    assert all(end is None or isinstance(end, REFUSED) for end in told), told
                    await assert_sound(each)
                except BaseException as error:
                    error.add_note(f"stopped at {stop} and {then}; told {told}")
                    raise


async def calls_of(some: World, step: Step) -> int:
    each = await several(some, over=False)
    each.hosts[0].gate.stop_at(0, late=False)
    await step(each, 0)
    return each.hosts[0].gate.calls


@pytest.mark.parametrize("late", [False, True], ids=["before", "behind"])
async def test_who_lost_an_upload_takes_nothing_from_it(late: bool) -> None:
    """Abort stands still at each of its calls: it ends the upload, or that goes on with all its parts."""
    ends = set()
    async with world_over(MemoryBackend()) as some:
        for stop in range(1, await calls_of(some, Several.abort) + 1):
            each = await several(some, over=False)
            host = each.hosts[0]
            host.gate.stop_at(stop, late=late)
            aborting = asyncio.create_task(outcome(each.abort(0)))
            await until(aborting, host)
            await outcome(each.refused(1))
            await outcome(each.part(1))
            host.gate.go.set()
            aborted = await aborting
            assert aborted is None or isinstance(aborted, Contended)
            completed = await outcome(each.complete_again(1))
            assert (completed is None) == (aborted is not None), (stop, aborted, completed)
            assert await assert_sound(each) == (None if aborted is None else AGAIN + PARTS[1])
            ends.add(type(aborted))
    assert len(ends) == 2
