# SPDX-License-Identifier: GPL-2.0-only
"""The budget: first come first served, told in time, and never a byte lost."""

import asyncio
import random

import pytest

from dgproxy.engine.budget import Budget
from dgproxy.engine.errors import Overloaded


async def settle() -> None:
    """Let every task that can run do so."""
    for _ in range(10):
        await asyncio.sleep(0)


async def test_lease_is_given_back() -> None:
    budget = Budget(100)
    async with budget.lease(30), budget.lease(70):
        assert budget.free == 0
    with pytest.raises(KeyError):
        async with budget.lease(100):
            raise KeyError
    assert budget.free == 100


async def test_more_than_all_is_all() -> None:
    budget = Budget(100)
    async with budget.lease(1000):
        assert budget.free == 0
    assert budget.free == 100


async def test_first_come_first_served() -> None:
    """A large request is not starved by small ones that would fit before it."""
    budget = Budget(100)
    order: list[int] = []

    async def request(amount: int) -> None:
        async with budget.lease(amount):
            order.append(amount)

    async with asyncio.TaskGroup() as group, budget.lease(60):
        for amount in (90, 10, 20):
            group.create_task(request(amount))
            await settle()
        assert order == []
    assert order == [90, 10, 20]
    assert budget.free == 100


async def test_nothing_waits_for_nothing() -> None:
    """A request that holds no memory, such as a GET of an inline object, is not refused for lack of it."""
    budget = Budget(100, patience=0.01)
    async with budget.lease(100):
        waiting = asyncio.create_task(budget.lease(1).__aenter__())
        await settle()
        async with budget.lease(0):
            pass
        with pytest.raises(Overloaded):
            await waiting
    assert budget.free == 100


async def test_who_waits_too_long_is_told() -> None:
    budget = Budget(100, patience=0.01)
    async with budget.lease(50):
        with pytest.raises(Overloaded):
            async with budget.lease(51):
                pytest.fail("there is no room")
        async with budget.lease(50):
            pass
    assert budget.free == 100


async def test_one_that_gives_up_lets_the_next_through() -> None:
    budget = Budget(100)
    async with budget.lease(50):
        large = asyncio.create_task(budget.lease(80).__aenter__())
        await settle()
        entered = asyncio.Event()

        async def small() -> None:
            async with budget.lease(40):
                entered.set()

        waiting = asyncio.create_task(small())
        await settle()
        assert not entered.is_set()
        large.cancel()
        await settle()
        assert entered.is_set()
        await waiting
    assert budget.free == 100


@pytest.mark.parametrize("steps", range(8))
@pytest.mark.parametrize("release_first", [True, False])
async def test_cancelled_while_it_is_handed_over(steps: int, *, release_first: bool) -> None:
    budget = Budget(100)
    held = budget.lease(100)
    await held.__aenter__()
    waiting = asyncio.create_task(budget.lease(60).__aenter__())
    await asyncio.sleep(0)
    if release_first:
        await held.__aexit__(None, None, None)
        waiting.cancel()
    else:
        waiting.cancel()
        await held.__aexit__(None, None, None)
    for _ in range(steps):
        await asyncio.sleep(0)
        waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    await settle()
    assert budget.free == (100 if waiting.cancelled() else 40)


@pytest.mark.parametrize("seed", range(30))
async def test_any_mix_leaves_nothing(seed: int) -> None:
    chance = random.Random(seed)
    budget = Budget(100, patience=0.003)
    held = 0

    async def request(amount: int) -> None:
        nonlocal held
        async with budget.lease(amount):
            held += amount
            assert held <= 100
            try:
                await asyncio.sleep(chance.choice([0, 0, 0.001, 0.004]))
            finally:
                held -= amount

    tasks = []
    for _ in range(60):
        tasks.append(asyncio.create_task(request(chance.randint(1, 100))))
        if chance.random() < 0.4:
            await asyncio.sleep(0)
        if chance.random() < 0.3:
            chance.choice(tasks).cancel()
    ends = await asyncio.gather(*tasks, return_exceptions=True)
    assert all(end is None or isinstance(end, (Overloaded, asyncio.CancelledError)) for end in ends)
    assert budget.free == 100
    async with budget.lease(100):
        pass
