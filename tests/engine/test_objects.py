# SPDX-License-Identifier: GPL-2.0-only
"""Objects: what was stored comes back, at every boundary, and what was refused leaves nothing."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, cast

import pytest

from dgproxy.engine import delete, put
from dgproxy.engine.commit import may_be_current
from dgproxy.engine.errors import ObjectDamaged, ObjectNotFound, ObjectTooLarge
from dgproxy.engine.listing import ListedObject, list_objects
from dgproxy.engine.manifest import WINDOW, Attributes, Manifest
from dgproxy.engine.policy import INLINE_LIMIT, Policy
from dgproxy.storage.backend import Backend, BucketNotEmpty, BucketNotFound, Record
from tests.engine.material import noise, version
from tests.engine.world import BodyRefused, Sent, World, span, world_over

EDGES = [0, 1, INLINE_LIMIT - 1, INLINE_LIMIT, INLINE_LIMIT + 1, WINDOW - 1, WINDOW, WINDOW + 1]
#: Both kinds of names: the second takes part in its deltaspace.
KEYS = ["d/x.txt", "d/x.zip"]


class Refused(Exception):
    """A condition that does not hold."""


def refuse(_current: Manifest | None) -> None:
    raise Refused


def only_if_absent(current: Manifest | None) -> None:
    if current is not None:
        raise Refused


@pytest.mark.parametrize("size", EDGES)
@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize("declared", [True, False])
async def test_boundaries(world: World, key: str, size: int, *, declared: bool) -> None:
    data = noise(size, 1)
    await world.put("d/first.zip", noise(20_000))
    manifest = await world.put(key, Sent(data, declared=size if declared else None))
    assert manifest.size == size
    assert (manifest.inline is not None) == (size <= INLINE_LIMIT)
    await world.assert_object(key, data)
    await world.assert_exact()
    await world.delete(key)
    await world.delete("d/first.zip")
    await world.assert_clean()


async def test_ranges(world: World) -> None:
    """Every shape of range, of a direct object, a delta, an inline one and one of several extents."""
    first = version(2 * WINDOW + 1000, 0)
    second = version(2 * WINDOW + 1000, 1)
    small = noise(100)
    await world.put("r/v1.zip", first)
    assert (await world.put("r/v2.zip", second)).storage == "delta"
    await world.put("r/small.zip", small)
    parts = [second[: 5 << 20], second[5 << 20 :]]
    await world.upload("r/parts.zip", *parts)
    chance = random.Random(1)
    for key, data in [
        ("r/v1.zip", first),
        ("r/v2.zip", second),
        ("r/small.zip", small),
        ("r/parts.zip", second),
    ]:
        size = len(data)
        places = (0, 1, WINDOW, 5 << 20, size - 1, size)
        edges = sorted({place for place in places if place <= size})
        spans = [(a, b) for a in edges for b in edges if a <= b]
        spans += [(p - 1, p + 1) for p in edges if 0 < p < size]
        spans += [(place, chance.randrange(place, size)) for place in chance.sample(range(size), 3)]
        for start, stop in spans:
            assert await world.get(key, span(start, stop)) == data[start:stop]


async def test_overwrite_and_delete(world: World) -> None:
    for data in (noise(50_000), noise(10), version(50_000, 1), noise(70_000, 3), b"", noise(50_000)):
        manifest = await world.put("o/x.zip", data)
        await world.assert_object("o/x.zip", data)
        await world.assert_exact()
        assert await world.head("o/x.zip") == manifest
    await world.delete("o/x.zip")
    await world.assert_object("o/x.zip", None)
    await world.delete("o/x.zip")  # no error, as in S3
    await world.assert_clean()


async def test_delete_is_of_one_key(world: World) -> None:
    for key in ("a", "a/", "a/b", "a/b/c.zip"):
        await world.put(key, noise(9000))
    await world.delete("a/")
    assert await world.listed() == ["a", "a/b", "a/b/c.zip"]


async def test_deleting_many(world: World) -> None:
    names = [f"m{number % 3}/{number}.zip" for number in range(12)]
    for number, key in enumerate(names):
        await world.put(key, version(30_000, number))

    def allow(current: Manifest | None) -> None:
        if current is not None and current.key == names[5]:
            raise Refused

    wanted = [(key, allow) for key in [*names, "absent"]]
    outcomes = await delete.delete_objects(world.engine, world.bucket, wanted, Refused)
    assert [outcome.key for outcome in outcomes] == [*names, "absent"]
    assert [outcome.key for outcome in outcomes if outcome.error is not None] == [names[5]]
    assert await world.listed() == [names[5]]
    await world.assert_exact()
    await world.delete(names[5])
    await world.assert_clean()


async def test_an_empty_bucket_can_go(world: World) -> None:
    await world.put("a/v1.zip", noise(20_000))
    upload = await world.begin("a/v2.zip")
    await world.part("a/v2.zip", upload, 1, noise(20_000))
    with pytest.raises(BucketNotEmpty):
        await world.delete_bucket()
    await world.delete("a/v1.zip")
    await world.delete_bucket()  # an unfinished upload is no object
    for attempt in (world.put("a", b""), world.put("a", noise(10_000)), world.get("a"), world.delete("a")):
        with pytest.raises(BucketNotFound):
            await attempt
    with pytest.raises(BucketNotFound):
        await world.listed()
    with pytest.raises(BucketNotFound):
        await world.begin("a")
    for attempt in (world.abort("a", upload), world.complete("a", upload, []), world.abort("a", "nonsense")):
        with pytest.raises(BucketNotFound):
            await attempt


# -- what is refused ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize("size", [100, 20_000, 2 * WINDOW + 5])
@pytest.mark.parametrize("storage", ["first", "delta"])
async def test_a_body_that_fails_stores_nothing(world: World, key: str, size: int, storage: str) -> None:
    data = version(size, 1)
    old = None
    if storage == "delta":
        old = noise(30_000, 9)
        await world.put("d/first.zip", version(size, 0) if size > INLINE_LIMIT else noise(20_000))
    if old is not None:
        await world.put(key, old)
    before = await world.stored(), await world.listed()
    bad = [
        Sent(data, fail_at=0),
        Sent(data, fail_at=size - 1),
        Sent(data, fail_at=size),
        Sent(data, fail_at=size, declared=None),
        Sent(data, refuse=True),
        Sent(data, refuse=True, declared=None),
        Sent(data, declared=size + 1),
        Sent(data, declared=size + WINDOW),
        Sent(data, declared=size - 1),
        Sent(data, declared=size // 2),
        Sent(data, declared=0),
    ]
    for body in bad:
        with pytest.raises((BodyRefused, ValueError)):
            await world.put(key, body)
        assert (await world.stored(), await world.listed()) == before
    await world.assert_object(key, old)
    await world.delete(key)
    await world.delete("d/first.zip")
    await world.assert_clean()


@pytest.mark.parametrize("key", KEYS)
async def test_too_large(backend: Backend, key: str) -> None:
    async with world_over(backend, Policy((".zip",), 0.5, max_object_size=WINDOW + 10)) as world:
        await world.put(key, noise(WINDOW + 10))
        before = await world.stored()
        for declared in (WINDOW + 11, None):
            with pytest.raises(ObjectTooLarge):
                await world.put(key, Sent(noise(WINDOW + 11), declared=declared))
        assert await world.stored() == before
        await world.assert_object(key, noise(WINDOW + 10))


# -- conditions --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize("size", [100, 20_000])
async def test_conditions(world: World, key: str, size: int) -> None:
    data = noise(size)
    with pytest.raises(Refused):
        await world.put(key, data, allow=refuse)
    await world.assert_clean()
    await world.put(key, data, allow=only_if_absent)
    before = await world.stored()
    with pytest.raises(Refused):
        await world.put(key, noise(size, 1), allow=only_if_absent)
    with pytest.raises(Refused):
        await world.delete(key, allow=refuse)
    assert await world.stored() == before
    await world.assert_object(key, data)
    await world.delete(key, allow=lambda current: None if current is not None else refuse(current))
    with pytest.raises(Refused):
        await world.delete(key, allow=lambda current: None if current is not None else refuse(current))
    await world.assert_clean()


async def test_a_condition_is_asked_before_the_body_is_read(world: World) -> None:
    with pytest.raises(Refused):
        await world.put("c/x.zip", Sent(noise(20_000), fail_at=0), allow=refuse)


# -- attributes and copies ---------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [100, 20_000])
async def test_attributes(world: World, size: int) -> None:
    attributes = Attributes({"content-type": "a/b"}, {"m": "é"}, {"t": "1"})
    first = await world.put("t/x.zip", Sent(noise(size), checksums={"crc32": "AAAAAA=="}), attributes)
    assert (first.attributes, first.checksums) == (attributes, {"crc32": "AAAAAA=="})
    before = await world.stored()
    second = await world.attributes("t/x.zip", Attributes(metadata={"m": "2"}))
    assert second.attributes == Attributes(metadata={"m": "2"})
    assert second.generation > first.generation or second.created >= first.created
    assert (second.etag, second.checksums, second.extents) == (first.etag, first.checksums, first.extents)
    assert await world.stored() == before  # not a byte moved, not a blob lost
    await world.assert_object("t/x.zip", noise(size))
    await world.delete("t/x.zip")
    await world.assert_clean()
    with pytest.raises(ObjectNotFound):
        await world.attributes("t/x.zip", attributes)


async def test_copy(world: World) -> None:
    data = version(60_000, 1)
    await world.put("a/v0.zip", version(60_000, 0))
    source = await world.put("a/v1.zip", Sent(data, checksums={"crc32": "AAAAAA=="}), Attributes({"x": "y"}))
    assert source.storage == "delta"
    copied = await world.copy("a/v1.zip", "b/v1.zip")
    assert copied.storage == "delta"
    assert (copied.attributes, copied.checksums) == (source.attributes, source.checksums)
    again = await world.copy("a/v1.zip", "a/v2.zip", lambda _: Attributes())
    assert (again.storage, again.attributes) == ("delta", Attributes())
    part = await world.copy("a/v1.zip", "a/part.zip", plan=lambda m: (5, m.size - 5))
    assert part.checksums == {}  # those of the whole say nothing about a part
    await world.copy("a/v1.zip", "a/v1.zip")  # onto itself
    for key in ("a/v0.zip", "a/v1.zip"):
        await world.delete(key)
    await world.assert_object("a/v2.zip", data)
    await world.assert_object("b/v1.zip", data)
    await world.assert_object("a/part.zip", data[5:-5])
    await world.assert_exact()
    for key in ("a/v2.zip", "a/part.zip", "b/v1.zip"):
        await world.delete(key)
    await world.assert_clean()
    with pytest.raises(ObjectNotFound):
        await world.copy("a/v1.zip", "b/v1.zip")


async def test_copy_needs_no_more_memory_than_there_is(backend: Backend) -> None:
    """Copies that together want more than the budget take turns; none waits for itself."""
    async with world_over(backend, transfer_memory=10_000_000) as world:
        data = version(WINDOW + 9, 1)
        await world.put("a/v0.zip", version(WINDOW + 9, 0))
        await world.put("a/v1.zip", data)
        async with asyncio.TaskGroup() as group:
            for number in range(4):
                group.create_task(world.copy("a/v1.zip", f"a/c{number}.zip"))
        for number in range(4):
            await world.assert_object(f"a/c{number}.zip", data)
        assert world.engine.budget.free == world.leasable


# -- listing and damage ------------------------------------------------------------------------------------


async def test_listing_agrees_with_the_objects(world: World) -> None:
    keys = sorted(["a", "a/", "a/b.zip", "a.zip", "é/x", "日本", "z" * 250, "..", "a//b"], key=str.encode)
    for number, key in enumerate(keys):
        await world.put(key, noise(number * 3000))
    for limit in (1, 2, 4, 1000):
        assert await world.listed(limit=limit) == keys
    assert await world.listed("a/") == ["a/", "a//b", "a/b.zip"]
    for number, key in enumerate(keys):
        await world.assert_object(key, noise(number * 3000))
        await world.put(key, noise(number * 3000 + 1))  # a cached summary must not survive this
        await world.assert_object(key, noise(number * 3000 + 1))


class _Overtaken:
    """A backend on which, once, objects come and go between a page of names and a look at their manifests."""

    def __init__(self, inner: Backend, between: Callable[[], Awaitable[object]]) -> None:
        self._inner = inner
        self._between: Callable[[], Awaitable[object]] | None = between

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    async def read_records(self, bucket: str, keys: Sequence[str]) -> list[Record | None]:
        between, self._between = self._between, None
        if between is not None:
            await between()
        return await self._inner.read_records(bucket, keys)


@pytest.mark.parametrize(
    ("gone", "shown"), [("ab", "cd"), ("abcd", "e"), ("bcde", "a"), ("b", "a"), ("abcde", "")]
)
async def test_a_page_ends_with_what_it_shows(world: World, gone: str, shown: str) -> None:
    for key in "abcde":
        await world.put(key, noise(10))

    async def delete() -> None:
        for key in gone:
            await world.delete(key)

    overtaken = world.over(cast("Backend", _Overtaken(world.backend, delete)))
    page = await list_objects(overtaken.engine, world.bucket, prefix="", delimiter="", after="", limit=2)
    assert "".join(item.key for item in page.items if isinstance(item, ListedObject)) == shown
    assert page.last == shown[-1:]
    assert page.more == (shown not in {"e", ""})
    for key in gone:
        await world.put(key, noise(20))
    following = await list_objects(
        overtaken.engine, world.bucket, prefix="", delimiter="", after=page.last, limit=9
    )
    rest = "abcde"["abcde".find(shown[-1:]) + len(shown[-1:]) :]
    assert "".join(item.key for item in following.items if isinstance(item, ListedObject)) == rest


@pytest.mark.parametrize("size", [100, 20_000])
async def test_a_damaged_manifest_is_an_error_until_it_is_replaced(world: World, size: int) -> None:
    await world.put("x.zip", noise(size))
    record = await world.backend.read_record(world.bucket, "objects/x.zip")
    broken = bytearray(record.data)
    broken[len(broken) // 2] ^= 1
    await world.backend.write_record(world.bucket, "objects/x.zip", bytes(broken))
    for attempt in (world.get("x.zip"), world.head("x.zip"), world.put("x.zip", b"", allow=only_if_absent)):
        with pytest.raises(ObjectDamaged):
            await attempt
    await world.put("x.zip", b"new")
    await world.assert_object("x.zip", b"new")


async def test_a_manifest_under_the_wrong_key_is_damage(world: World) -> None:
    await world.put("x", b"x")
    record = await world.backend.read_record(world.bucket, "objects/x")
    await world.backend.write_record(world.bucket, "objects/y", record.data)
    with pytest.raises(ObjectDamaged, match="belongs to the key 'x'"):
        await world.get("y")


@pytest.mark.parametrize("number", [0, 1])
async def test_flipped_bytes_never_get_out(world: World, number: int) -> None:
    """Law 3, over a reference's object and a delta: flip any byte of a blob, and no wrong one comes out."""
    key, data = f"f/v{number}.zip", version(20_000, number)
    for each in range(number + 1):
        await world.put(f"f/v{each}.zip", version(20_000, each))
    blob = (await world.head(key)).extents[0].blob
    stored = await world.blob(blob)
    chance = random.Random(number)
    found = 0
    for place in [*range(12), *(chance.randrange(len(stored)) for _ in range(30))]:
        broken = bytearray(stored)
        broken[place] ^= 1 << chance.randrange(8)
        await world.overwrite_blob(blob, bytes(broken))
        try:
            assert await world.get(key) == data  # a delta's file header is in no window: the object is whole
        except ObjectDamaged:
            found += 1
    assert found >= 25
    for length in (len(stored) - 1, len(stored) // 2, 0):
        await world.overwrite_blob(blob, stored[:length])
        with pytest.raises(ObjectDamaged):
            await world.get(key)
    await world.backend.remove_blobs(world.bucket, [blob])
    with pytest.raises(ObjectDamaged):
        await world.get(key)


async def test_tags_are_no_new_generation(world: World) -> None:
    data = noise(50_000)
    manifest = await world.put("d/x.zip", data, Attributes(metadata={"m": "1"}))
    tagged = await put.replace_tags(world.engine, world.bucket, "d/x.zip", {"t": "1"})
    assert tagged.attributes == Attributes(metadata={"m": "1"}, tags={"t": "1"})
    assert (tagged.generation, tagged.created) == (manifest.generation, manifest.created)
    assert await world.head("d/x.zip") == tagged
    await world.assert_object("d/x.zip", data)
    with pytest.raises(ObjectNotFound):
        await put.replace_tags(world.engine, world.bucket, "d/none", {})


async def test_new_attributes_do_not_hide_that_a_write_took_place(world: World) -> None:
    """A PUT whose commit raised must keep its blobs when a copy onto itself came between."""
    manifest = await world.put("d/x.txt", noise(50_000))
    await world.attributes("d/x.txt", Attributes(metadata={"m": "2"}))
    assert await may_be_current(world.engine, world.bucket, manifest)
    await world.put("d/x.txt", noise(50_000, 1))
    assert not await may_be_current(world.engine, world.bucket, manifest)
