# SPDX-License-Identifier: GPL-2.0-only
"""One step ahead: its result, its error, and that it never outlives its block."""

import asyncio

import pytest

from dgproxy.engine.ahead import Ahead


async def give(value: int) -> int:
    await asyncio.sleep(0)
    return value


async def test_results_in_turn() -> None:
    async with Ahead[int]() as ahead:
        for value in range(3):
            ahead.start(give(value))
            assert await ahead.result() == value


async def test_only_one_at_a_time() -> None:
    async with Ahead[int]() as ahead:
        ahead.start(give(1))
        with pytest.raises(RuntimeError, match="already"):
            ahead.start(give(2))
        assert await ahead.result() == 1
        with pytest.raises(RuntimeError, match="no step"):
            await ahead.result()


async def test_error_appears_where_the_result_is_asked_for() -> None:
    async def fail() -> int:
        raise KeyError("it")

    async with Ahead[int]() as ahead:
        ahead.start(fail())
        await asyncio.sleep(0)
        with pytest.raises(KeyError, match="it"):
            await ahead.result()


@pytest.mark.parametrize("error", [None, KeyError, asyncio.CancelledError])
async def test_nothing_outlives_the_block(error: type[BaseException] | None) -> None:
    ended = False

    async def slow() -> int:
        nonlocal ended
        try:
            await asyncio.sleep(60)
        finally:
            await asyncio.sleep(0.01)  # what it holds takes its time to let go
            ended = True
        return 0

    async def block() -> None:
        async with Ahead[int]() as ahead:
            ahead.start(slow())
            await asyncio.sleep(0)
            if error is not None:
                raise error

    if error is None:
        await block()
    else:
        with pytest.raises(error):
            await block()
    assert ended


async def test_cancelled_twice_it_still_waits() -> None:
    ended = asyncio.Event()

    async def slow() -> int:
        try:
            await asyncio.sleep(60)
        finally:
            for _ in range(5):
                try:
                    await asyncio.sleep(0.002)
                except asyncio.CancelledError:
                    continue
            ended.set()
        return 0

    async def block() -> None:
        async with Ahead[int]() as ahead:
            ahead.start(slow())
            await ahead.result()

    task = asyncio.create_task(block())
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    for _ in range(3):
        task.cancel()
        await asyncio.sleep(0.001)
    await asyncio.gather(task, return_exceptions=True)
    assert task.cancelled()
    assert ended.is_set()


async def test_its_end_can_be_waited_for() -> None:
    async def fail() -> int:
        raise KeyError("it")

    async with Ahead[int]() as ahead:
        with pytest.raises(RuntimeError, match="no step"):
            await ahead.ended()
        ahead.start(give(1))
        assert await ahead.ended() is None
        assert await ahead.result() == 1
        ahead.start(fail())
        assert isinstance(await ahead.ended(), KeyError)
        with pytest.raises(KeyError, match="it"):
            await ahead.result()
