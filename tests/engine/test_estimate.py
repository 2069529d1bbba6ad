# SPDX-License-Identifier: GPL-2.0-only
"""estimate: the figure is what an upload stores, and nothing is left of finding it out."""

from collections.abc import AsyncIterator, Mapping

import pytest

from dgproxy.engine.estimate import Failure, Item, Savings, estimate
from dgproxy.storage.backend import Listed
from dgproxy.storage.memory import MemoryBackend
from tests.backends import Far
from tests.engine.material import noise, version
from tests.engine.world import BUCKET, MIB, BodyRefused, Sent, World, world_over


def items(objects: Mapping[str, bytes]) -> list[Item]:
    return [Item(key, len(data), lambda data=data: Sent(data)) for key, data in objects.items()]  # type: ignore[misc]


async def estimated(world: World, space: str, objects: Mapping[str, bytes]) -> Savings:
    failures: list[Failure] = []
    seen: list[int] = []
    found = await estimate(
        world.engine,
        world.bucket,
        space,
        items(objects),
        refused=(BodyRefused,),
        failed=failures.append,
        watch=seen.append,
    )
    assert not failures
    assert sum(seen) == sum(map(len, objects.values()))
    return found


async def uploaded(objects: Mapping[str, bytes], *, hints: bool) -> int:
    """What a later upload of the same objects stores: every byte in the bucket."""
    backend = MemoryBackend() if hints else Far()
    await backend.create_bucket(BUCKET)
    async with world_over(backend) as world:
        for key, data in objects.items():
            await world.put(key, data)
        page = [
            item
            for room in ("objects/", "deltaspaces/")
            for item in (await backend.list_records(BUCKET, room, limit=100_000)).items
        ]
        return sum(item.size for item in page if isinstance(item, Listed))


DRIFT = {f"s/v{number}.zip": version(600_000, number) for number in range(8)}
SERIES: dict[str, dict[str, bytes]] = {
    "versions": DRIFT,
    "versions and other things": DRIFT | {"s/n.txt": noise(300_000, 1), "s/tiny": b"tiny", "s/empty": b""},
    "nothing alike": {f"s/{number}.zip": noise(200_000, number) for number in range(6)},
    "two products": {f"s/{a}{n}.zip": version(500_000, n, seed=a) for n in range(4) for a in (1, 2)},
    "a poisoned first": {"s/0.zip": noise(9_000, 99)} | DRIFT,
    "duplicates": DRIFT | {f"s/w{number}.zip": version(600_000, number) for number in range(8)},
    "large": {f"s/{n}.zip": version(9 * MIB, n) for n in range(2)},
    "many tiny": {f"s/{number}": bytes([number]) * number for number in range(200)},
}


@pytest.mark.parametrize("name", SERIES)
async def test_the_figure_is_what_an_upload_stores(world: World, name: str) -> None:
    objects = SERIES[name]
    found = await estimated(world, "s/", objects)
    assert found.objects == len(objects)
    assert found.logical == sum(map(len, objects.values()))
    stored = await uploaded(objects, hints=world.backend.capabilities.digest_hints)
    assert found.stored == pytest.approx(stored, rel=0.01)
    await world.assert_clean()


async def test_one_deltaspace_after_the_other(world: World) -> None:
    first = await estimated(world, "s/", DRIFT)
    again = await estimated(world, "s/", DRIFT)
    assert first.stored == pytest.approx(again.stored, rel=0.01)
    total = Savings("all")
    total.add(first)
    total.add(again)
    assert total.share == pytest.approx(first.share, rel=0.01)
    await world.assert_clean()


async def test_what_cannot_be_read_is_left_out(world: World) -> None:
    failures: list[Failure] = []
    broken = Item("s/x.zip", 100_000, lambda: Sent(noise(100_000, 3), fail_at=50_000))
    found = await estimate(
        world.engine,
        world.bucket,
        "s/",
        [*items(DRIFT), broken],
        refused=(BodyRefused,),
        failed=failures.append,
    )
    assert failures == [Failure("s/x.zip", "broken off")]
    assert found.objects == len(DRIFT)
    await world.assert_clean()


async def test_temporary_storage_holds_references_only(world: World) -> None:
    """Beside records: other blobs are cut to nothing as soon as they are counted."""
    largest = 0

    async def look() -> None:
        nonlocal largest
        page = await world.backend.list_records(world.bucket, "deltaspaces/", limit=1000)
        largest = max(largest, sum(item.size for item in page.items if isinstance(item, Listed)))

    class Looking(Sent):
        async def __aiter__(self) -> AsyncIterator[bytes]:
            await look()
            async for chunk in super().__aiter__():
                yield bytes(chunk)

    objects = {f"s/{number}.txt": noise(100_000, number) for number in range(20)}
    each = [Item(key, len(data), lambda data=data: Looking(data)) for key, data in objects.items()]  # type: ignore[misc]
    await estimate(world.engine, world.bucket, "s/", each, refused=(), failed=lambda _: None)
    assert largest < 20_000


def test_savings_of_nothing() -> None:
    assert Savings("x").share == 0
