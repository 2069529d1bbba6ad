# SPDX-License-Identifier: GPL-2.0-only
"""What a long command leaves for the Health page: while it runs, when it ends, when it dies."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace

import pytest

from dgproxy.engine import keys, runs
from dgproxy.engine.runs import Run
from dgproxy.storage.backend import AccessRefused, Backend, StorageError
from tests.backends import BUCKET
from tests.engine.world import World, world_over


async def found(world: World) -> list[tuple[str, str, int, int | None, str]]:
    return [
        (run.command, run.state, run.done, run.total, run.result)
        for run in await runs.read(world.engine, BUCKET)
    ]


async def until(holds: Callable[[], Awaitable[bool]]) -> None:
    """Wait; the test's time-out is the limit."""
    while True:
        if await holds():
            return
        await asyncio.sleep(0.02)


async def shown(world: World, done: int) -> None:
    """Wait until a running one has come so far."""

    async def has() -> bool:
        return any(each[1:3] == ("running", done) for each in await found(world))

    await until(has)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runs, "_TURN", 0.01)


async def test_from_its_beginning_to_its_end(backend: Backend) -> None:
    async with world_over(backend) as one, world_over(backend) as other:
        run = Run(command="verify", options="--data", total=3)
        async with runs.recorded(one.engine, BUCKET, run):
            await shown(other, 0)
            run.advance(2)
            await shown(other, 2)
            run.result = "3 objects: all sound"
        assert await found(other) == [("verify", "ended", 2, 3, "3 objects: all sound")]
        [kept] = await runs.read(other.engine, BUCKET)
        assert kept.began <= kept.updated
        assert kept.options == "--data"


async def test_the_last_end_stays_while_the_next_one_runs(world: World) -> None:
    for result in ("first", "second"):
        run = Run(command="gc")
        async with runs.recorded(world.engine, BUCKET, run):
            run.result = result
    async with runs.recorded(world.engine, BUCKET, Run(command="gc")):
        await shown(world, 0)
        assert await found(world) == [("gc", "running", 0, None, ""), ("gc", "ended", 0, None, "second")]
    assert [each[1] for each in await found(world)] == ["ended"]


@pytest.mark.parametrize(
    ("error", "state", "result"),
    [
        (StorageError("no such disk"), "failed", "no such disk"),
        (ZeroDivisionError("x"), "failed", "a mistake in the program"),
        (asyncio.CancelledError(), "stopped", ""),
    ],
)
async def test_ends_that_are_none(world: World, error: BaseException, state: str, result: str) -> None:
    with pytest.raises(type(error)):
        async with runs.recorded(world.engine, BUCKET, Run(command="optimize")):
            raise error
    assert await found(world) == [("optimize", state, 0, None, result)]


async def test_one_that_died(world: World) -> None:
    async with runs.recorded(world.engine, BUCKET, Run(command="gc")):
        await shown(world, 0)
        left = (await world.engine.backend.read_record(BUCKET, keys.running("gc"))).data
    await world.engine.backend.write_record(BUCKET, keys.running("gc"), left)
    assert [each[1] for each in await found(world)] == ["died", "ended"]
    async with runs.recorded(world.engine, BUCKET, Run(command="gc")):
        await shown(world, 0)
    assert [each[1] for each in await found(world)] == ["ended"], "the next one takes its place"


async def test_one_that_died_where_no_locks_are_shared(
    backend: Backend, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backend, "capabilities", replace(backend.capabilities, exclusive_locks=False))
    later = 0
    async with world_over(backend) as world:
        now = world.engine.now
        engine = replace(world.engine, now=lambda: now() + later)
        async with runs.recorded(world.engine, BUCKET, Run(command="verify")):
            await shown(world, 0)
            later = 100_000
            assert [run.state for run in await runs.read(engine, BUCKET)] == ["running"]
            later = 130_000
            assert [run.state for run in await runs.read(engine, BUCKET)] == ["died"]


async def test_a_sign_of_life_without_progress(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runs, "_SIGN_OF_LIFE", 0.05)
    async with runs.recorded(world.engine, BUCKET, Run(command="verify")):
        await shown(world, 0)
        [first] = await runs.read(world.engine, BUCKET)

        async def is_later() -> bool:
            return (await runs.read(world.engine, BUCKET))[0].updated > first.updated

        await until(is_later)


async def test_two_at_once_do_not_get_into_each_others_way(backend: Backend) -> None:
    async with world_over(backend) as one, world_over(backend) as other:
        async with runs.recorded(one.engine, BUCKET, Run(command="verify", total=1)):
            await shown(one, 0)
            second = Run(command="verify", total=2)
            async with runs.recorded(other.engine, BUCKET, second):
                second.result = "never seen"
            assert await found(one) == [("verify", "running", 0, 1, "")]
        assert await found(one) == [("verify", "ended", 0, 1, "")]


async def test_the_work_is_done_even_where_nothing_can_be_written(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refused(*_: object, **__: object) -> str:
        raise AccessRefused("read only")

    with monkeypatch.context() as patch:
        patch.setattr(world.engine.backend, "write_record", refused)
        run = Run(command="verify")
        async with runs.recorded(world.engine, BUCKET, run):
            await asyncio.sleep(0.05)
        assert run.state == "ended"
    assert await found(world) == []


async def test_a_damaged_record_is_as_if_lost(world: World) -> None:
    await world.engine.backend.write_record(BUCKET, keys.last_run("gc"), b"{}")
    assert await found(world) == []


async def test_a_bucket_that_goes_away(world: World) -> None:
    async with runs.recorded(world.engine, BUCKET, Run(command="verify")):
        await shown(world, 0)
        await world.delete_bucket()
    await world.engine.backend.create_bucket(BUCKET)
    assert await found(world) == []
