# SPDX-License-Identifier: GPL-2.0-only
"""The optimizer: less space, the same objects, and no client that notices."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace

import pytest

from dgproxy.engine import deltaspace, keys, names
from dgproxy.engine.errors import ObjectNotFound
from dgproxy.engine.hints import content_digest
from dgproxy.engine.manifest import Manifest
from dgproxy.engine.optimizer.measure import stretches_of
from dgproxy.engine.optimizer.plan import Costs, choose, confirmed, spread
from dgproxy.engine.optimizer.run import optimize
from dgproxy.engine.optimizer.work import Outcome
from dgproxy.engine.pace import Pace
from dgproxy.engine.policy import MIN_PART
from dgproxy.engine.rest import Rest
from dgproxy.storage.backend import Listed
from tests.engine.material import noise, version
from tests.engine.world import MIB, World


async def run(world: World, rest: Rest | None = None) -> list[Outcome]:
    outcomes: list[Outcome] = []
    done = await optimize(world.engine, world.bucket, "", outcomes.append, rest=rest or Rest(), pace=Pace())
    assert done
    return outcomes


async def size(world: World) -> int:
    page = await world.backend.list_records(world.bucket, "deltaspaces/", limit=100_000)
    blobs = [item for item in page.items if isinstance(item, Listed) and not item.key.endswith(".json")]
    return sum(item.size for item in blobs)


def visible(manifest: Manifest) -> tuple[object, ...]:
    """All that a client sees of an object besides its bytes."""
    shown = manifest.etag, manifest.created, manifest.size, manifest.attributes, manifest.parts
    return *shown, manifest.checksums, manifest.checksum_type, manifest.upload


def one_reference(world: World) -> World:
    """So that the first upload decides about the rest, as bad as can be."""
    policy = replace(world.engine.policy, max_references=1)
    return World(replace(world.engine, policy=policy), world.bucket)


def drifting(count: int, step: int = 20_000, length: int = 400_000) -> list[bytes]:
    """Versions each of which differs from the one before in a new place."""
    data = bytearray(noise(length, 77))
    versions = []
    for number in range(count):
        place = number * step % (length - step)
        data[place : place + step] = noise(step, 1000 + number)
        versions.append(bytes(data))
    return versions


async def put_all(world: World, objects: Mapping[str, bytes]) -> dict[str, Manifest]:
    return {key: await world.put(key, data) for key, data in objects.items()}


async def assert_same(world: World, objects: Mapping[str, bytes], before: Mapping[str, Manifest]) -> None:
    for key, data in objects.items():
        await world.assert_object(key, data)
        assert visible(await world.head(key)) == visible(before[key])
    await world.assert_exact()


POISONED = {"s/0.zip": noise(300_000, 5)} | {f"s/v{n}.zip": version(400_000, n) for n in range(6)}
DRIFT = {f"s/v{number:02d}.zip": data for number, data in enumerate(drifting(24))}


#: Three products in one directory, which a server with one reference alone can't tell apart.
MIXED = {f"s/v{n}{a}.zip": version(200_000, n, seed=20 + a) for n in range(4) for a in range(3)}


@pytest.mark.parametrize(("objects", "share"), [(MIXED, 0.6), (DRIFT, 0.85)])
async def test_better_references_take_less_space(
    world: World, objects: Mapping[str, bytes], share: float
) -> None:
    before = await put_all(one_reference(world), objects)
    taken = await size(world)
    (outcome,) = await run(world)
    assert (outcome.before, outcome.after) == (taken, await size(world))
    assert outcome.after < share * outcome.before
    assert outcome.rewritten
    assert not outcome.failed
    await assert_same(world, objects, before)


async def test_a_reference_is_sought_by_more_than_the_beginning(world: World) -> None:
    """Two objects that begin apart and go on alike, as zip files whose first member is new."""
    rest = noise(5 * MIB, 3)
    other = noise(9 * MIB, 2)
    before = await put_all(
        world, {"s/a.zip": noise(4 * MIB, 1) + rest, "s/b.zip": other, "s/b2.zip": other + b"2"}
    )
    late = noise(4 * MIB, 4) + rest
    policy = replace(world.engine.policy, delta_suffixes=())
    before |= await put_all(World(replace(world.engine, policy=policy), world.bucket), {"s/c.zip": late})
    (outcome,) = await run(world)
    assert outcome.after < outcome.before - 4 * MIB
    await assert_same(world, {"s/c.zip": late}, before)


def test_a_plan_that_samples_made_is_confirmed_by_whole_objects() -> None:
    """What the samples promise of a new reference, the objects themselves have to keep."""
    costs = Costs([100.0, 100.0], [[70.0, 70.0], [0.0, 10.0]], [100.0, 100.0], [70.0, 70.0], 1.0)
    assert choose(costs, [0], 4) == (1,)
    assert confirmed(costs, (1,), [0], [0.0, 10.0], [70.0, 70.0])
    assert not confirmed(costs, (1,), [0], [0.0, 100.0], [50.0, 50.0])
    assert not confirmed(costs, (1,), [0], [0.0, 91.0], [50.0, 50.0])  # 4.5 % less: not worth it
    assert confirmed(replace(costs, others=100.0), (1,), [0], [0.0, 100.0], [50.0, 50.0])


@pytest.mark.parametrize("objects", [MIXED, DRIFT])
async def test_a_second_run_finds_nothing_to_do(world: World, objects: Mapping[str, bytes]) -> None:
    await put_all(one_reference(world), objects)
    assert (await run(world))[0].changed
    again = await run(world)
    assert not any(outcome.changed for outcome in again)
    before = {place: await world.blob(place) for place in [*await world.stored("objects/")]}
    assert await run(world) == []
    assert before == {place: await world.blob(place) for place in [*await world.stored("objects/")]}
    assert await deltaspace.optimized(world.backend, world.bucket, "s/")
    await world.put("s/new.zip", version(400_000, 40))
    (outcome,) = await run(world)
    assert outcome.objects == len(objects) + 1
    assert outcome.rewritten <= 1


async def test_what_is_offered_afterwards_is_what_was_chosen(world: World) -> None:
    await put_all(one_reference(world), POISONED)
    await run(world)
    offered = await deltaspace.offered(world.backend, world.bucket, "s/")
    assert 1 <= len(offered) <= world.engine.policy.max_references
    manifest = await world.put("s/next.zip", version(400_000, 9))
    assert manifest.storage == "delta"
    assert manifest.stored < 60_000


async def test_references_that_nobody_needs_go(world: World) -> None:
    await put_all(one_reference(world), DRIFT)
    before = {place for place in await world.stored() if names.is_reference(place)}
    (outcome,) = await run(world)
    after = {place for place in await world.stored() if names.is_reference(place)}
    assert outcome.references_retired == len(before - after) > 0


async def test_the_thorough_form_alone(world: World) -> None:
    """References that are right already: deltas get smaller, nothing else changes."""
    text = bytes(b"abcdefghijklmnop"[byte % 16] for byte in range(256))
    objects = {f"s/v{n}.zip": version(3 * MIB, n).translate(text) for n in range(4)}
    before = await put_all(world, objects)
    outcomes = await run(world)
    assert all(outcome.references_made == 0 for outcome in outcomes)
    assert all(outcome.after <= outcome.before for outcome in outcomes)
    await assert_same(world, objects, before)


async def test_multipart_objects_keep_their_parts(world: World) -> None:
    await world.put("s/0.zip", noise(100_000, 3))
    alone = one_reference(world)
    parts = [version(MIN_PART, number) for number in range(2)]
    before = {"s/m.zip": await alone.upload("s/m.zip", *parts)}
    for number in range(4):
        key = f"s/v{number}.zip"
        before[key] = await alone.put(key, version(MIN_PART, number))
    objects = {"s/m.zip": b"".join(parts)} | {f"s/v{n}.zip": version(MIN_PART, n) for n in range(4)}
    (outcome,) = await run(world)
    assert outcome.after < outcome.before
    await assert_same(world, objects, before)


async def test_nothing_alike_stays_as_it_is(world: World) -> None:
    objects = {f"s/{number}.zip": noise(60_000, number) for number in range(6)}
    before = await put_all(world, objects)
    (outcome,) = await run(world)
    assert outcome.after <= outcome.before + 100
    assert outcome.references_made == 0
    await assert_same(world, objects, before)


async def test_bytes_that_are_there_twice_are_shared(world: World) -> None:
    data = noise(200_000, 1)
    first = await world.put("s/1.zip", data)
    await world.backend.remove_blobs(world.bucket, [keys.hint("s/", content_digest(first))])
    second = await world.put("s/2.zip", data)
    if second.blobs() & first.blobs():
        pytest.skip("shared without a hint")
    (outcome,) = await run(world)
    assert outcome.shared == 1
    shared = await world.head("s/2.zip")
    assert shared.blobs() == (await world.head("s/1.zip")).blobs()
    await assert_same(world, {"s/1.zip": data, "s/2.zip": data}, {"s/1.zip": first, "s/2.zip": second})
    assert not any(each.changed for each in await run(world))
    await world.delete("s/1.zip")
    await world.assert_object("s/2.zip", data)
    await world.delete("s/2.zip")
    await world.assert_clean()


async def test_objects_that_take_no_part_are_left_alone(world: World) -> None:
    await world.put("s/1.txt", noise(50_000, 1))
    await world.put("s/tiny.zip", b"tiny")
    assert await run(world) == []


async def test_an_object_that_is_damaged_is_reported_and_left(world: World) -> None:
    await put_all(one_reference(world), POISONED)
    manifest = await world.head("s/v3.zip")
    blob = manifest.extents[0].blob
    whole = await world.blob(blob)
    await world.overwrite_blob(blob, whole[:-10] + b"0123456789")
    (outcome,) = await run(world)
    assert outcome.failed >= 1
    assert await world.head("s/v3.zip") == manifest
    await world.overwrite_blob(blob, whole)
    assert await world.get("s/v3.zip") == POISONED["s/v3.zip"]


async def test_only_one_at_a_time(world: World) -> None:
    async with world.backend.lock(world.bucket, "optimizer"):
        outcomes: list[Outcome] = []
        assert not await optimize(world.engine, world.bucket, "", outcomes.append, rest=Rest(), pace=Pace())


async def test_only_the_deltaspaces_asked_for(world: World) -> None:
    for space in ("a/", "ab/", "b/", "a/c/"):
        await put_all(one_reference(world), {space + key[2:]: data for key, data in POISONED.items()})
    outcomes: list[Outcome] = []
    await optimize(world.engine, world.bucket, "a", outcomes.append, rest=Rest(), pace=Pace())
    assert [outcome.deltaspace for outcome in outcomes] == ["a/", "a/c/", "ab/"]


# -- clients meanwhile -------------------------------------------------------------------------------------


class Meddling(Rest):
    """Something that a client does at the n-th rest."""

    def __init__(self, number: int, act: Callable[[], Awaitable[object]]) -> None:
        super().__init__()
        self.left = number
        self._act = act

    async def after(self, seconds: float) -> None:
        self.left -= 1
        if self.left == 0:
            await self._act()


@pytest.mark.parametrize("number", [1, 5, 20, 60, 100, 110, 120, 130, 140, 150])
@pytest.mark.parametrize("act", ["overwrite", "delete", "tag"])
async def test_a_client_wins(world: World, act: str, number: int) -> None:
    objects = dict(MIXED)
    await put_all(one_reference(world), objects)
    names = sorted(objects)

    async def meddle() -> None:
        for key in names:
            if act == "delete":
                await world.delete(key)
            elif act == "tag":
                await world.attributes(key, (await world.head(key)).attributes)
            else:
                await world.put(key, noise(20_000, len(key)))

    rest = Meddling(number, meddle)
    await run(world, rest)
    assert rest.left <= 0, "nothing happened"
    for key, data in objects.items():
        if act == "delete":
            with pytest.raises(ObjectNotFound):
                await world.head(key)
        else:
            await world.assert_object(key, data if act == "tag" else noise(20_000, len(key)))
    await world.assert_exact()
    for key in names:
        await world.delete(key)
    await world.assert_clean()


async def test_uploads_while_it_runs(world: World) -> None:
    objects = dict(MIXED)
    await put_all(one_reference(world), objects)

    async def upload() -> None:
        for number in range(20):
            key = f"s/w{number % 4}.zip"
            objects[key] = version(300_000, number)
            await world.put(key, objects[key])
            await asyncio.sleep(0)

    async with asyncio.TaskGroup() as group:
        group.create_task(upload())
        group.create_task(run(world))
    for key, data in objects.items():
        await world.assert_object(key, data)
    await world.assert_exact()
    for key in objects:
        await world.delete(key)
    await world.assert_clean()


async def test_it_rests_in_proportion() -> None:
    clock = asyncio.get_running_loop().time
    began = clock()
    await Rest(0.25).after(0.05)
    assert clock() - began > 0.14
    waiting = iter([True] * 3 + [False] * 100)
    began = clock()
    await Rest(1.0, lambda: next(waiting)).after(1)
    assert 0.05 < clock() - began < 0.5


# -- decisions ---------------------------------------------------------------------------------------------


def test_the_set_that_takes_least_is_chosen() -> None:
    costs = Costs(
        whole=[100.0, 100.0, 100.0],
        deltas=[[90, 90, 90, 90], [5, 5, 90, 90], [90, 90, 5, 5]],
        alone=[100.0] * 4,
        now=[90.0] * 4,
        weight=10,
    )
    assert choose(costs, [0], 4) == (1, 2)
    assert choose(costs, [0], 1) in [(1,), (2,)]
    assert choose(costs, [1, 2], 4) == (1, 2)
    settled = replace(costs, now=[5.0] * 4)
    assert choose(settled, [1, 2], 4) is None
    assert choose(replace(costs, weight=0.1, whole=[10.0, 100.0, 100.0]), [0], 4) is None


def test_without_candidates_nothing_is_chosen() -> None:
    assert choose(Costs([], [], [], [], 0), [], 4) is None


def test_spread() -> None:
    assert spread(3, 5) == [0, 1, 2]
    assert spread(100, 5) == [0, 24, 49, 74, 99]
    assert len(set(spread(21, 20))) == 20


@pytest.mark.parametrize("length", [1, 512 << 10, (3 * 512) << 10, 10 * MIB])
def test_stretches_lie_in_the_object(length: int) -> None:
    found = stretches_of(length)
    assert all(0 <= start < stop <= length for start, stop in found)
    assert found[0][0] == 0
    assert found[-1][1] == length


async def test_a_reference_of_another_deltaspace_is_not_offered(world: World) -> None:
    """What a copy shares lies where it was first."""
    data = noise(9_000, 2)
    await world.put("a.zip", data)
    await world.copy("a.zip", "s/1.zip")
    await world.put("s/2.zip", data)
    await run(world)
    for key in ("a.zip", "s/1.zip", "s/2.zip"):
        await world.assert_object(key, data)
        await world.delete(key)
    await world.assert_clean()


def test_more_than_four_references_are_found_one_by_one() -> None:
    deltas = [[1.0 if place == number else 100.0 for place in range(8)] for number in range(8)]
    costs = Costs([100.0] * 8, deltas, [100.0] * 8, [100.0] * 8, weight=10)
    chosen = choose(costs, [], 6)
    assert chosen is not None
    assert len(chosen) == 6
    assert choose(costs, [], 64) == tuple(range(8))


def test_references_that_are_no_candidates_count_as_they_are() -> None:
    costs = Costs([100.0], [[50.0]], [100.0], [50.0], weight=1)
    assert choose(costs, [0], 4) is None
    assert choose(replace(costs, others=100.0), [0], 4) == (0,)
