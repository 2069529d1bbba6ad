# SPDX-License-Identifier: GPL-2.0-only
"""The optimizer in a server: when it runs, and that nothing of it outlives or disturbs the server."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest
from structlog.testing import capture_logs

from dgproxy.engine.optimizer import schedule
from dgproxy.engine.optimizer.schedule import Hours, optimizing, run_round
from dgproxy.engine.rest import Rest
from dgproxy.storage.backend import Listed, StorageError
from tests.engine.material import version
from tests.engine.world import World

ALWAYS = Hours(0, 24)


def test_hours() -> None:
    assert [hour for hour in range(24) if Hours(1, 5).include(hour)] == [1, 2, 3, 4]
    assert [hour for hour in range(24) if Hours(22, 2).include(hour)] == [0, 1, 22, 23]
    assert all(ALWAYS.include(hour) for hour in range(24))


async def populate(world: World) -> None:
    """A deltaspace in which there is something to do."""
    worse = World(replace(world.engine, policy=replace(world.engine.policy, max_references=1)))
    for number in range(8):
        await worse.put(f"s/{number}.zip", version(100_000, number // 2, seed=number % 2))


async def stored(world: World) -> int:
    page = await world.backend.list_records(world.bucket, "deltaspaces/", limit=1000)
    return sum(item.size for item in page.items if isinstance(item, Listed))


async def test_a_round_goes_over_every_bucket(world: World) -> None:
    await world.backend.create_bucket("other")
    await populate(world)
    before = await stored(world)
    assert await run_round(world.engine, ALWAYS, Rest())
    assert await stored(world) < 0.7 * before


async def test_a_round_ends_with_its_hours(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    await populate(world)
    before = await stored(world)
    monkeypatch.setattr(Hours, "now", lambda _: False)
    assert not await run_round(world.engine, ALWAYS, Rest())
    assert await stored(world) == before


async def test_it_leads_when_nobody_else_does(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(schedule, "_LOOK", 0.02)
    await populate(world)
    before = await stored(world)
    async with world.backend.lock("", "optimizer"), optimizing(world.engine, ALWAYS, Rest()):
        await asyncio.sleep(0.3)
        assert await stored(world) == before
    async with optimizing(world.engine, ALWAYS, Rest()), asyncio.timeout(30):
        while await stored(world) >= 0.7 * before:  # noqa: ASYNC110 - a state of the storage
            await asyncio.sleep(0.05)
    async with world.backend.try_lock("", "optimizer") as alone:
        assert alone, "who ends gives its lead back"


class Failing:
    """A backend that can't even list its buckets."""

    def __init__(self, inner: Any, error: Exception) -> None:
        self._inner = inner
        self._error = error
        self.times = 0
        self.thrice = asyncio.Event()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    async def list_buckets(self) -> Any:
        self.times += 1
        if self.times == 3:
            self.thrice.set()
        raise self._error


async def test_an_error_stops_nothing_but_the_round(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(schedule, "_LOOK", 0.02)
    backend = Failing(world.backend, StorageError("EIO"))
    engine = world.over(backend).engine
    async with optimizing(engine, ALWAYS, Rest()), asyncio.timeout(20):
        await backend.thrice.wait()


async def test_a_mistake_of_ours_waits_for_the_next_day(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(schedule, "_LOOK", 0.01)
    backend = Failing(world.backend, KeyError("a mistake"))
    engine = world.over(backend).engine
    with capture_logs() as logged:
        async with optimizing(engine, ALWAYS, Rest()):
            await asyncio.sleep(0.3)
    assert backend.times == 1
    assert [line["event"] for line in logged] == ["optimizer failed; please report this"]


async def test_where_others_may_write_nobody_leads(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(schedule, "_LOOK", 0.01)

    class Elsewhere:
        def __init__(self, inner: Any) -> None:
            self._inner = inner

        def __getattr__(self, name: str) -> Any:
            assert name == "capabilities"
            return replace(self._inner.capabilities, exclusive_locks=False)

    engine = world.over(Elsewhere(world.backend)).engine
    async with optimizing(engine, ALWAYS, Rest()):
        await asyncio.sleep(0.1)
