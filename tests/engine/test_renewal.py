# SPDX-License-Identifier: GPL-2.0-only
"""Renewing: when a deltaspace gets another reference, and which one leaves for it."""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dgproxy.engine import deltaspace, keys, names
from dgproxy.engine.ids import new_id
from dgproxy.engine.manifest import Reference
from dgproxy.engine.renewal import MATTERS, Spent, Use, price, renews, stalest, unneeded
from dgproxy.storage.backend import Backend, Listed
from tests.engine.material import noise, version
from tests.engine.world import MIB, POLICY, World, world_over

LENGTH = 1_000_000
SIZE = 60_000


def reference(at: int, cost: int = LENGTH) -> Reference:
    return Reference(new_id(at), "blob", LENGTH, "", stored=cost)


# -- the rule over a series --------------------------------------------------------------------------------


@dataclass
class Series:
    """A deltaspace as the rule sees it: objects as numbers, a distance between any two, and nothing else."""

    #: The share of an object that a delta against another takes.
    distance: Callable[[int, int], float]
    most: int = 4
    stored: int = 0
    references: int = 0
    offered: list[Spent] = field(default_factory=list)
    numbers: dict[str, int] = field(default_factory=dict)
    clock: int = 0

    def found(self, number: int) -> None:
        self.references += 1
        self.clock += 1
        made = reference(self.clock)
        self.numbers[made.id] = number
        self.stored += LENGTH
        if len(self.offered) == self.most:
            leaving = stalest(self.offered)
            self.offered = [each for each in self.offered if each.reference != leaving]
        self.offered.append(Spent(made))

    def put(self, number: int) -> None:
        if not self.offered:
            return self.found(number)
        self.clock += 1
        sizes = {
            round(LENGTH * self.distance(self.numbers[each.reference.id], number)): each
            for each in self.offered
        }
        size = min(sizes)
        spent = sizes[size]
        if size >= MATTERS * LENGTH and renews(f"v{number}", LENGTH, size, spent.reference, self.offered):
            return self.found(number)
        self.stored += size
        use = Use(new_id(self.clock), f"v{number}", size)
        self.offered[self.offered.index(spent)] = replace(spent, uses=(*spent.uses, use))
        return None


def total(distance: Callable[[int, int], float], numbers: Sequence[int]) -> tuple[Series, float]:
    """What a series takes, by what it takes against its first object alone."""
    series = Series(distance)
    for number in numbers:
        series.put(number)
    fixed = LENGTH + sum(LENGTH * distance(numbers[0], number) for number in numbers[1:])
    return series, series.stored / fixed


@pytest.mark.parametrize("renewed", [0.02, 0.04, 0.06, 0.1])
def test_drift(renewed: float) -> None:
    """40 versions, each with a share of its members new: the further apart, the less is the same."""
    series, share = total(lambda one, other: 1 - (1 - renewed) ** abs(one - other), range(40))
    print(f"{renewed}: {share:.2f} of one fixed reference, {series.references} references")
    assert share <= 0.6


def test_drift_over_a_long_time() -> None:
    _, share = total(lambda one, other: 1 - 0.96 ** abs(one - other), range(1000))
    assert share <= 0.3


@pytest.mark.parametrize("each", [0.0, 0.01, 0.1, 0.3])
def test_what_is_always_as_far_never_costs_much_more(each: float) -> None:
    """No reference is better than another: what was tried must not be tried again and again."""
    for length in (8, 20, 40, 200):
        series, share = total(lambda one, other: each if one != other else 0.0, range(length))
        assert series.references <= 2
        assert share <= (
            1.0 if length * each < 4 else 1.2
        )  # one trial, bought when four times that was spent


def test_an_odd_first_version_is_replaced() -> None:
    """Everything is as far from the first as can be for a delta, and near to each other."""
    series, share = total(lambda one, other: 0.4 if min(one, other) == 0 else 0.01, range(40))
    assert series.references == 2
    assert share <= 0.6


def test_two_lines_in_one_directory() -> None:
    """Builds for two platforms, half the same: each gets its reference, whichever came first."""
    series, share = total(lambda one, other: 0.4 if (one - other) % 2 else 0.01, range(40))
    assert series.references == 2
    assert share <= 0.6


@given(st.integers(0, 1 << 30), st.integers(2, 60))
def test_never_much_worse_than_a_fixed_reference(seed: int, length: int) -> None:
    """Whatever the distances are: at most one reference bought for nothing each time the price was spent."""
    dice = random.Random(seed)
    distances = {
        (one, other): dice.choice([0.001, 0.05, 0.2, 0.45]) for other in range(60) for one in range(other)
    }
    _, share = total(lambda one, other: distances[min(one, other), max(one, other)], range(length))
    assert share <= 2


# -- its parts ---------------------------------------------------------------------------------------------


def test_the_price_is_that_of_the_reference() -> None:
    assert price(reference(1, LENGTH // 4), 2 * LENGTH) == LENGTH // 2
    assert price(Reference("1", "blob", LENGTH, ""), LENGTH) == LENGTH
    assert price(Reference("1", "blob", 0, ""), LENGTH) == 0


def test_parts_of_an_upload_are_one_object_and_what_is_replaced_does_not_count() -> None:
    spent = Spent(reference(1), (Use("1", "a", 10), Use("2", "b", 20), Use("3", "a", 30)))
    assert sorted(spent.objects()) == [20, 40]
    assert spent.objects(without="a") == [20]
    assert spent.last == "3"


def test_the_stalest_leaves() -> None:
    spent = [Spent(reference(number)) for number in range(4)]
    assert stalest(spent) == spent[0].reference
    spent[0] = replace(spent[0], uses=(Use(new_id(9), "a", 1),))
    assert stalest(spent) == spent[1].reference


def test_an_unused_one_is_unneeded_then_a_stale_one() -> None:
    spent = [Spent(reference(number)) for number in range(4)]
    assert {unneeded(spent, draw) for draw in range(4)} == {each.reference for each in spent}
    for number in range(3):
        spent[number] = replace(spent[number], uses=(Use(new_id(10 + number), "a", 1),))
        assert unneeded(spent, 7) in {each.reference for each in spent[number + 1 :]}
    spent[3] = replace(spent[3], uses=(Use(new_id(20), "a", 1),))
    assert unneeded(spent, 7) is None
    spent[3] = replace(spent[3], uses=tuple(Use(new_id(30 + number), "a", 1) for number in range(16)))
    assert unneeded(spent, 7) in {each.reference for each in spent[:3]}
    assert unneeded([], 7) is None


# -- in an engine ------------------------------------------------------------------------------------------


def drifting(number: int, size: int = SIZE, seed: int = 0) -> bytes:
    """Version `number`: of 50 members, two get a new content in each version."""
    member = size // 50
    last = [
        max((v for v in range(1, number + 1) if (7 * v + place) % 25 == 0), default=0) for place in range(50)
    ]
    return b"".join(noise(member, 1000 * seed + 100_000 * v + place) for place, v in enumerate(last))


async def stored_bytes(world: World) -> int:
    page = await world.backend.list_records(world.bucket, "deltaspaces/", limit=10_000)
    blobs = [item for item in page.items if isinstance(item, Listed) and not item.key.endswith(".json")]
    return sum(blob.size for blob in blobs)


async def offered(world: World, space: str = "s/") -> tuple[Reference, ...]:
    return await deltaspace.offered(world.backend, world.bucket, space)


@pytest.mark.parametrize("upload", ["put", "multipart"])
async def test_a_drifting_series(world: World, upload: str) -> None:
    size = SIZE if upload == "put" else 11 * MIB
    count = 40 if upload == "put" else 12
    fixed = 0
    for number in range(count):
        data, key = drifting(number, size), f"s/v{number}.zip"
        if upload == "put":
            await world.put(key, data)
        else:
            await world.upload(key, data[: 5 * MIB], data[5 * MIB :])
        first = drifting(0, size)
        member = size // 50
        fixed += member * sum(
            number == 0 or data[at : at + member] != first[at : at + member]
            for at in range(0, 50 * member, member)
        )
    assert 1 < len(await offered(world)) <= POLICY.max_references
    share = await stored_bytes(world) / fixed
    print(f"{upload}: {share:.2f} of one fixed reference")
    assert share <= (0.6 if upload == "put" else 0.9)  # of 12 versions, seven of which are before the first
    for number in range(count):
        await world.assert_object(f"s/v{number}.zip", drifting(number, size))
    await world.assert_exact()
    for number in range(count):
        await world.delete(f"s/v{number}.zip")
    await world.assert_clean()


@pytest.mark.parametrize("size", [9_000, SIZE])
async def test_a_poisoned_deltaspace_recovers(world: World, size: int) -> None:
    """Four odd files first: the versions of a product get their reference all the same."""
    for number in range(4):
        await world.put(f"s/odd{number}.zip", noise(size, 50 + number))
    assert len(await offered(world)) == 4
    for number in range(8):
        stored = await world.put(f"s/v{number}.zip", version(SIZE, number))
        assert stored.storage == ("delta" if number else "direct")
    assert len(await offered(world)) == 4
    for number in range(4):
        await world.assert_object(f"s/odd{number}.zip", noise(size, 50 + number))
    for number in range(8):
        await world.assert_object(f"s/v{number}.zip", version(SIZE, number))
    await world.assert_exact()
    for key in await world.listed():
        await world.delete(key)
    await world.assert_clean()


async def test_more_products_than_references(world: World) -> None:
    """Some go without; the others keep what they have, and nothing is lost by it.

    Which ones is chance: of 42 that could be deltas, 16 to 21 were in a hundred runs.
    """
    stored = {"delta": 0, "direct": 0}
    for number in range(8):
        for seed in range(6):
            stored[(await world.put(f"s/p{seed}-{number}.zip", version(SIZE, number, seed))).storage] += 1
    assert stored["delta"] >= 2 * 6
    assert len(await offered(world)) == 4
    await world.assert_exact()


async def test_who_leaves_the_offer_stays_in_storage(backend: Backend) -> None:
    async with world_over(backend, replace(POLICY, max_references=1)) as world:
        for number in range(20):
            await world.put(f"s/v{number}.zip", drifting(number))
        (left,) = await offered(world)
        founders = set()
        for number in range(20):
            manifest = await world.head(f"s/v{number}.zip")
            founders |= manifest.references()
            await world.assert_object(f"s/v{number}.zip", drifting(number))
        assert len(founders) > 1
        assert left in founders
        await world.assert_exact()
        for number in range(20):
            await world.delete(f"s/v{number}.zip")
        await world.assert_clean()


async def test_uses_are_read_off_names(world: World) -> None:
    users = keys.users_of("s/", "0" * 26)
    for name in ("v1.zip", "a.delta.zip", "x"):
        for suffix in (".delta", ".delta.zst", ".residual.zst"):
            found = names.use_of(keys.delta(f"s/{name}", "0" * 26, "1" * 26, suffix), users)
            assert found == ("1" * 26, name.partition(".delta")[0])
