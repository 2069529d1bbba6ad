# SPDX-License-Identifier: GPL-2.0-only
"""Statistics: what processes tell, what storage says, and what becomes of both at the same time."""

import asyncio
import random
from typing import cast

import pytest

from dgproxy.engine import bookkeeping, buckets, keys, statistics
from dgproxy.engine.ledger import NOTHING, Entries, Ledger, Numbers
from dgproxy.engine.manifest import Attributes
from dgproxy.engine.statistics import _State
from dgproxy.storage.backend import Backend, StorageError
from dgproxy.storage.memory import MemoryBackend
from tests.engine.faults import Faulty
from tests.engine.material import noise, version
from tests.engine.stopping import Host
from tests.engine.world import World, world_over

pytestmark = pytest.mark.over("far")

SIZE = 60_000


async def told(world: World) -> dict[str, Numbers]:
    await statistics.flush(world.engine)
    return {each.space: each.numbers for each in await statistics.read(world.engine, world.bucket)}


async def test_what_is_counted_where(world: World) -> None:
    await world.put("s/v0.zip", version(SIZE, 0))
    delta = await world.put("s/v1.zip", version(SIZE, 1))
    await world.copy("s/v1.zip", "t/copy.zip")
    await world.put("tiny", b"tiny")
    numbers = await told(world)
    assert (numbers["s/"].objects, numbers["s/"].blobs) == (2, SIZE + delta.stored)
    assert (numbers["t/"].objects, numbers["t/"].logical, numbers["t/"].blobs) == (1, delta.size, 0)
    assert (numbers[""].objects, numbers[""].logical, numbers[""].blobs) == (1, 4, 0)
    (s,) = await statistics.read(world.engine, world.bucket, "s")
    assert s.savings == 1 - s.numbers.stored / s.numbers.logical
    assert s.delta_ratio == delta.stored / delta.size
    whole = statistics.total(world.bucket, await statistics.read(world.engine, world.bucket))
    assert whole.numbers.objects == 4
    await world.assert_counted()


async def test_parts_count_as_soon_as_they_are_there(world: World) -> None:
    upload = await world.begin("s/x.txt")
    await world.part("s/x.txt", upload, 1, noise(SIZE))
    await world.part("s/x.txt", upload, 1, noise(2 * SIZE, 1))
    assert await told(world) == {"s/": Numbers(blobs=2 * SIZE)}
    await world.assert_counted()
    await world.abort("s/x.txt", upload)
    assert await told(world) == {}
    assert not await world.stored("statistics/")


@pytest.mark.usefixtures("hinting")
async def test_attributes_and_duplicates_change_manifests_only(world: World) -> None:
    await world.put("s/x.zip", version(SIZE, 0))
    before = (await told(world))["s/"]
    await world.attributes("s/x.zip", Attributes(metadata={"a": "b" * 1000}))
    await world.put("s/y.zip", version(SIZE, 0))
    after = (await told(world))["s/"]
    assert (after.objects, after.logical, after.blobs) == (2, 2 * SIZE, before.blobs)
    assert after.manifests > 2 * before.manifests
    await world.assert_counted()


async def test_a_bucket_made_anew_begins_with_nothing(world: World) -> None:
    await world.put("s/x.txt", noise(SIZE))
    await world.backend.remove_record(world.bucket, keys.manifest("s/x.txt"))
    await world.delete_bucket()
    assert await statistics.flush(world.engine) == set()
    await world.backend.create_bucket(world.bucket)
    await world.put("s/y.txt", noise(10_000))
    assert (await told(world))["s/"].objects == 1
    await world.assert_counted()


async def test_what_cannot_be_written_is_told_later(backend: Backend) -> None:
    faulty = Faulty(backend)
    async with world_over(faulty) as world:
        await world.put("s/x.txt", noise(SIZE))
        task = asyncio.current_task()
        assert task is not None
        faulty.arm(1, StorageError("injected"), late=False, victim=task)
        assert await statistics.flush(world.engine) == set()
        faulty.disarm()
        assert await told(world) == {"s/": await statistics.count(world.engine, world.bucket, "s/")}


@pytest.mark.parametrize("late", [False, True])
async def test_a_change_nobody_is_sure_of_is_counted(backend: Backend, late: bool) -> None:
    faulty = Faulty(backend)
    async with world_over(faulty) as world:
        await world.put("s/x.txt", b"inline")
        task = asyncio.current_task()
        assert task is not None
        faulty.arm(2, StorageError("injected"), late=late, victim=task)  # read, then remove
        with pytest.raises(StorageError):
            await world.delete("s/x.txt")
        assert faulty.struck.startswith("remove_record")
        assert await statistics.flush(world.engine) == {(world.bucket, "s/")}
        (s,) = await statistics.read(world.engine, world.bucket)
        assert s.doubtful
        assert await statistics.recount(world.engine, world.bucket, "s/")
        found = await statistics.read(world.engine, world.bucket)
        assert [(each.numbers.objects, each.doubtful) for each in found] == ([] if late else [(1, False)])


async def test_a_damaged_record_is_doubtful_until_it_is_counted(world: World) -> None:
    await world.put("s/x.txt", noise(SIZE))
    await statistics.flush(world.engine)
    place = keys.statistics("s/")
    stored = await world.backend.read_record(world.bucket, place)
    await world.backend.write_record(world.bucket, place, stored.data.replace(b'"objects":1', b'"objects":7'))
    (s,) = await statistics.read(world.engine, world.bucket)
    assert (s.doubtful, s.numbers) == (True, NOTHING)
    await world.put("s/y.txt", noise(10_000))
    assert await statistics.flush(world.engine) == {(world.bucket, "s/")}
    assert await statistics.recount(world.engine, world.bucket, "s/")
    await world.assert_counted()


@pytest.mark.parametrize(
    ("first", "last", "added", "doubtful"),
    [
        (1, 9, 0, False),  # the walk has seen it
        (20, 30, 1, False),  # it came after the walk
        (9, 10, 1, True),
        (19, 25, 1, True),
        (1, 30, 1, True),
        (12, 13, 1, True),
    ],
)
def test_entries_and_a_walk(first: int, last: int, added: int, doubtful: bool) -> None:
    """The walk was from 10 until 20."""
    state = _State(counted=(10, 20), numbers=Numbers(5))
    after = state.with_entries(Entries(first, last, Numbers(1), recent=[(10, 1)]))
    assert (after.numbers.objects, after.doubtful, after.recent) == (5 + added, doubtful, ((10, 1),))


def test_a_ledger_forgets_nothing_between_turns() -> None:
    clock = iter(range(100))
    ledger = Ledger(lambda: next(clock))
    for number in range(20):
        ledger.changed("b", "s/", 0, Numbers(1, number))
        ledger.uploaded("b", "s/x", 100, number)
    (entries,) = ledger.turn().values()
    assert (entries.change, entries.first) == (Numbers(20, 190), 0)
    assert entries.recent[-1] == (100, 19)
    assert len(entries.recent) == 16
    assert ledger.turn() == {}
    ledger.put_back("b", "s/", entries)
    ledger.doubt("b", "s/")
    assert ledger.turn()["b", "s/"].doubtful


@pytest.mark.parametrize("late", [False, True], ids=["before", "behind"])
async def test_what_a_walk_saw_of_a_write_that_came_to_nothing(late: bool) -> None:
    host = Host(MemoryBackend())
    async with world_over(cast("Backend", host)) as world:
        await buckets.create_bucket(world.engine, world.bucket)
        await world.put("s/v0.zip", version(SIZE, 0))
        await world.put("s/v1.zip", version(SIZE, 1))
        host.gate.stop_at(0, late=False)
        await world.put("s/v2.zip", version(SIZE, 2))
        for stop in range(1, host.gate.calls + 1):
            host.gate.stop_at(stop, late=late)
            write = asyncio.ensure_future(world.put(f"s/{stop}.zip", version(SIZE, 2 + stop)))
            reached = asyncio.ensure_future(host.gate.reached.wait())
            await asyncio.wait([write, reached], return_when=asyncio.FIRST_COMPLETED)
            reached.cancel()
            host.gate.stop_at(0, late=False)
            assert await statistics.recount(world.engine, world.bucket, "s/")
            write.cancel()
            await asyncio.wait([write])
            host.gate.reached.clear()
            await told(world)
            for each in await statistics.read(world.engine, world.bucket):
                if each.doubtful:
                    assert await statistics.recount(world.engine, world.bucket, "s/")
            await world.assert_counted()


@pytest.mark.parametrize("seed", range(4))
async def test_recounts_among_writers(backend: Backend, seed: int) -> None:
    """Whatever a walk sees or misses: what remains is right, or known to be doubtful."""
    chance = random.Random(seed)
    async with world_over(backend) as one, world_over(backend) as other:

        async def write(world: World) -> None:
            for _ in range(8):
                key = f"s/{chance.randrange(4)}.zip"
                if chance.random() < 0.3:
                    await world.delete(key)
                else:
                    await world.put(key, version(SIZE, chance.randrange(5)))
                if chance.random() < 0.4:
                    await statistics.flush(world.engine)

        async def count() -> None:
            for _ in range(4):
                await statistics.recount(chance.choice([one, other]).engine, one.bucket, "s/")

        await asyncio.gather(write(one), write(other), count())
        await statistics.flush(other.engine)
        await statistics.flush(one.engine)
        for each in await statistics.read(one.engine, one.bucket):
            if each.doubtful:
                assert await statistics.recount(one.engine, one.bucket, each.space)
        await one.assert_counted()


# -- processes that come and go ----------------------------------------------------------------------------


async def test_a_clean_end_leaves_numbers_and_nothing_else(world: World) -> None:
    async with bookkeeping.kept(world.engine):
        await world.put("s/x.txt", noise(SIZE))
        assert len(await world.stored(keys.LEDGERS)) == 1
    assert not await world.stored(keys.LEDGERS)
    await world.assert_counted()
    assert (await told(world))["s/"].objects == 1


async def test_a_process_that_could_not_say_that_it_keeps_numbers_tries_again(world: World) -> None:
    tried = 0

    async def announce(bucket: str) -> bool:
        nonlocal tried
        tried += 1
        return tried > 1

    world.engine.ledger.announce = announce
    for number in range(3):
        await world.put(f"s/{number}.txt", b"x")
        assert tried == min(number + 1, 2)


async def test_entries_of_the_dead_are_made_up_for(backend: Backend) -> None:
    async with world_over(backend) as dead, world_over(backend) as alive, world_over(backend) as third:
        await dead.put("s/before.txt", noise(10_000, 5))
        await statistics.flush(dead.engine)
        async with bookkeeping.kept(alive.engine):
            await alive.put("t/x.txt", noise(SIZE))
            # What a process leaves that was killed: its record, without its lock and without its entries.
            place = keys.ledger("01J00000000000000000000000")
            await backend.write_record(dead.bucket, place, b"{}")
            await dead.put("s/x.txt", noise(SIZE, 2))
            dead.engine.ledger.turn()
            await bookkeeping.make_up(third.engine)
            left = await third.stored(keys.LEDGERS)
            assert len(left) == 1, "that of the living stays"
            assert place not in left
            assert (await told(third))["s/"].objects == 2
        await third.assert_counted()


async def test_data_without_statistics_is_counted(world: World) -> None:
    await world.put("s/x.txt", noise(SIZE))
    await world.put("y.txt", b"y")
    world.engine.ledger.turn()
    assert not await statistics.is_counted(world.engine, world.bucket)
    await bookkeeping.make_up(world.engine)
    assert await statistics.is_counted(world.engine, world.bucket)
    await world.assert_counted()
    assert {each.space for each in await statistics.read(world.engine, world.bucket)} == {"", "s/"}
