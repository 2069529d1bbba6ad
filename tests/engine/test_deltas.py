# SPDX-License-Identifier: GPL-2.0-only
"""Deltas and their references: who becomes what, what is kept, and what a lost or broken reference does."""

import asyncio

import pytest

from dgproxy.codec.forms import file_header
from dgproxy.engine import deltaspace, keys
from dgproxy.engine.errors import ObjectDamaged
from dgproxy.engine.manifest import WINDOW, Attributes, Reference
from dgproxy.storage.backend import Backend
from tests.engine.material import noise, version
from tests.engine.world import POLICY, Sent, World, world_over

SIZE = 60_000


async def offered(world: World, space: str = "s/") -> tuple[Reference, ...]:
    return await deltaspace.offered(world.backend, world.bucket, space)


async def test_the_first_becomes_the_reference(world: World) -> None:
    first = await world.put("s/v0.zip", version(SIZE, 0))
    (reference,) = first.references()
    assert first.storage == "direct"
    assert await offered(world) == (reference,)
    assert await world.blob(reference.blob) == version(SIZE, 0)
    (pin,) = first.pins
    assert pin.startswith(keys.users_of("s/", reference.id))
    assert await world.blob(pin) == b""
    assert sorted(await world.stored()) == sorted([reference.blob, pin, keys.references("s/")])


@pytest.mark.parametrize("size", [SIZE, 2 * WINDOW + 77])
async def test_the_next_becomes_a_delta(world: World, size: int) -> None:
    first = await world.put("s/v0.zip", version(size, 0))
    second = await world.put("s/v1.zip", version(size, 1))
    assert second.storage == "delta"
    assert second.references() == first.references()
    assert second.stored < size // 10
    stored = await world.blob(second.extents[0].blob)
    assert stored.startswith(file_header(POLICY.delta_form))
    assert len(stored) == second.stored
    assert await world.decode_stored(second) == version(size, 1)
    await world.assert_object("s/v1.zip", version(size, 1))


async def test_only_eligible_names_take_part(world: World) -> None:
    await world.put("s/v0.txt", version(SIZE, 0))
    assert await offered(world) == ()
    await world.put("s/v0.zip", version(SIZE, 0))
    plain = await world.put("s/v1.txt", version(SIZE, 1))
    assert (plain.storage, plain.references()) == ("direct", set())


async def test_deltaspaces_are_apart(world: World) -> None:
    for space in ("", "s/", "s/t/", "s//", "/"):
        first = await world.put(f"{space}v0.zip", version(SIZE, 0))
        assert (first.storage, len(first.pins)) == ("direct", 1)
    for space in ("", "s/", "s/t/", "s//", "/"):
        second = await world.put(f"{space}v1.zip", version(SIZE, 1))
        (reference,) = second.references()
        assert reference.blob == keys.reference(space, reference.id, ".bin")
    for key in await world.listed():
        await world.delete(key)
    await world.assert_clean()


@pytest.mark.parametrize("declared", [True, False])
@pytest.mark.parametrize("size", [SIZE, WINDOW, 2 * WINDOW + 77])
async def test_dissimilar_bytes_found_a_reference_while_there_is_room(
    world: World, size: int, *, declared: bool
) -> None:
    for number in range(POLICY.max_references):
        data = noise(size, number)
        manifest = await world.put(f"s/{number}.zip", Sent(data, declared=size if declared else None))
        (reference,) = manifest.references()
        assert (manifest.storage, manifest.stored, len(manifest.pins)) == ("direct", size, 1)
        assert reference in await offered(world)
        assert await world.decode_stored(manifest) == data
        assert (await world.put(f"s/{number}-1.zip", data[:-20] + b"changed")).storage == "delta"
    odd = noise(size, 99)
    manifest = await world.put("s/odd.zip", Sent(odd, declared=size if declared else None))
    assert (manifest.storage, manifest.references(), manifest.stored) == ("direct", set(), size)
    await world.assert_object("s/odd.zip", odd)
    await world.assert_exact()


async def test_an_odd_first_upload_spoils_nothing(world: World) -> None:
    """Each version is encoded against the reference it is like, whichever came first."""
    await world.put("s/odd.zip", noise(SIZE, 7))
    founder = await world.put("s/v0.zip", version(SIZE, 0))
    for number in range(1, 4):
        manifest = await world.put(f"s/v{number}.zip", version(SIZE, number))
        assert (manifest.storage, manifest.references()) == ("delta", founder.references())
        await world.assert_object(f"s/v{number}.zip", version(SIZE, number))
    await world.assert_exact()


@pytest.mark.parametrize("declared", [True, False])
async def test_given_up_midway(world: World, *, declared: bool) -> None:
    """The first windows are similar, the rest is not: what was a delta so far is written again as bytes."""
    base = version(2 * WINDOW, 0)
    await world.put("s/v0.zip", base)
    data = base[:WINDOW] + noise(WINDOW + 99, 6)
    manifest = await world.put("s/odd.zip", Sent(data, declared=len(data) if declared else None))
    assert (manifest.storage, manifest.stored) == ("direct", len(data))
    assert [window.length for window in manifest.extents[0].windows] == [WINDOW, WINDOW, 99]
    await world.assert_object("s/odd.zip", data)
    await world.assert_exact()
    similar = base + noise(WINDOW // 2, 6)
    assert (await world.put("s/even.zip", similar)).storage == "delta"
    await world.assert_object("s/even.zip", similar)


@pytest.mark.parametrize("count", [2, POLICY.max_references, POLICY.max_references + 3])
async def test_first_puts_at_once(world: World, count: int) -> None:
    """Each may become a reference; all are right, and the list stays bounded."""
    names = [f"s/v{number}.zip" for number in range(count)]
    async with asyncio.TaskGroup() as group:
        for number, key in enumerate(names):
            group.create_task(world.put(key, Sent(version(SIZE, number), pause=True, chunk=5000)))
    assert 1 <= len(await offered(world)) <= POLICY.max_references
    for number, key in enumerate(names):
        await world.assert_object(key, version(SIZE, number))
    await world.assert_exact()
    last = await world.put("s/last.zip", version(SIZE, 99))
    assert last.storage == "delta"
    for key in [*names, "s/last.zip"]:
        await world.delete(key)
    await world.assert_clean()


async def test_the_reference_outlives_its_object(world: World) -> None:
    await world.put("s/v0.zip", version(SIZE, 0))
    await world.put("s/v1.zip", version(SIZE, 1))
    await world.delete("s/v0.zip")
    await world.assert_object("s/v1.zip", version(SIZE, 1))
    assert (await world.put("s/v2.zip", version(SIZE, 2))).storage == "delta"
    await world.put("s/v1.zip", b"inline now")
    await world.assert_object("s/v2.zip", version(SIZE, 2))
    await world.assert_exact()
    await world.delete("s/v2.zip")
    await world.delete("s/v1.zip")
    await world.assert_clean()


async def test_overwriting_the_last_user_of_another_reference(world: World) -> None:
    """The writer's own hold on the deltaspace must not keep what its overwrite made idle."""
    async with asyncio.TaskGroup() as group:
        for number in range(4):
            body = Sent(version(SIZE, number), pause=True, chunk=5000)
            group.create_task(world.put(f"s/v{number}.zip", body))
    before = set(await offered(world))
    assert len(before) > 1
    for number in range(4):
        await world.put(f"s/v{number}.zip", noise(SIZE, 50 + number))
        await world.assert_exact()
    assert before.isdisjoint(await offered(world))
    for number in range(4):
        await world.delete(f"s/v{number}.zip")
    await world.assert_clean()


async def test_a_reference_left_idle_while_a_writer_was_there(world: World) -> None:
    """A delete that finds a writer at work leaves the reference to that writer, whatever it writes itself."""
    for attempt in ("kept", "refused", "another reference"):
        await world.put("s/v0.zip", version(SIZE, 0))
        await world.put("s/v1.zip", version(SIZE, 1))
        if attempt == "another reference":
            await world.backend.remove_record(world.bucket, keys.references("s/"))

        class Slow(Sent):
            async def __aiter__(self):  # type: ignore[no-untyped-def]
                yield self._data[:30_000]
                await world.delete("s/v0.zip")
                await world.delete("s/v1.zip")
                yield self._data[30_000:]

        body = Slow(noise(SIZE, 4), refuse=attempt == "refused")
        if attempt == "refused":
            with pytest.raises(Exception, match="promised"):
                await world.put("s/odd.zip", body)
        else:
            assert (await world.put("s/odd.zip", body)).storage == "direct"
        await world.assert_exact()
        await world.delete("s/odd.zip")
        await world.assert_clean()


# -- loss and damage ---------------------------------------------------------------------------------------


async def lose_a_reference(world: World) -> Reference:
    await world.put("s/v0.zip", version(SIZE, 0))
    manifest = await world.put("s/v1.zip", version(SIZE, 1))
    (reference,) = manifest.references()
    return reference


async def test_a_lost_reference_is_never_a_missing_object(backend: Backend) -> None:
    async with world_over(backend) as world:
        reference = await lose_a_reference(world)
        await backend.remove_blobs(world.bucket, [reference.blob])
    async with world_over(backend) as world:  # a new process: nothing is mapped
        for key in ("s/v0.zip", "s/v1.zip"):
            with pytest.raises(ObjectDamaged):
                await world.get(key)
            await world.head(key)
        assert await world.listed() == ["s/v0.zip", "s/v1.zip"]
        with pytest.raises(ObjectDamaged):
            await world.copy("s/v1.zip", "t/v1.zip")
        # The deltaspace goes on with a sound reference.
        assert (await world.put("s/v2.zip", version(SIZE, 2))).pins
        assert (await world.put("s/v3.zip", version(SIZE, 3))).storage == "delta"
        assert reference not in await offered(world)
        await world.assert_object("s/v2.zip", version(SIZE, 2))
        await world.assert_object("s/v3.zip", version(SIZE, 3))
        for key in await world.listed():
            await world.delete(key)
        await world.assert_clean()


@pytest.mark.parametrize("damage", ["flipped", "short", "long", "empty"])
async def test_a_damaged_reference_is_withdrawn(backend: Backend, damage: str) -> None:
    async with world_over(backend) as world:
        reference = await lose_a_reference(world)
        good = await world.blob(reference.blob)
        bad = {
            "flipped": good[:100] + bytes([good[100] ^ 1]) + good[101:],
            "short": good[:-1],
            "long": good + b"x",
            "empty": b"",
        }[damage]
        await world.overwrite_blob(reference.blob, bad)
    async with world_over(backend) as world:
        fresh = await world.put("s/v2.zip", version(SIZE, 2))
        assert fresh.pins
        assert await offered(world) == tuple(fresh.references())
        assert (await world.put("s/v3.zip", version(SIZE, 3))).references() == fresh.references()
        await world.assert_object("s/v3.zip", version(SIZE, 3))
        if damage == "long" and not backend.capabilities.maps_blobs:
            # What a window needs of a reference elsewhere is read by itself, and is right.
            await world.assert_object("s/v1.zip", version(SIZE, 1))
        else:
            with pytest.raises(ObjectDamaged):
                await world.get("s/v1.zip")
        await world.overwrite_blob(reference.blob, good)  # the operator restores it
    async with world_over(backend) as world:
        for number in range(4):
            await world.assert_object(f"s/v{number}.zip", version(SIZE, number))
            await world.delete(f"s/v{number}.zip")
        await world.assert_clean()


@pytest.mark.parametrize("data", [b"", b"{}", b"garbage" * 40])
async def test_a_damaged_list_of_references_heals(world: World, data: bytes) -> None:
    await lose_a_reference(world)
    await world.backend.write_record(world.bucket, keys.references("s/"), data)
    fresh = await world.put("s/v2.zip", version(SIZE, 2))
    assert fresh.pins
    assert await offered(world) == tuple(fresh.references())
    for number in range(3):
        await world.assert_object(f"s/v{number}.zip", version(SIZE, number))
    await world.assert_exact()
    await world.backend.write_record(world.bucket, keys.references("s/"), data)
    for number in range(3):
        await world.delete(f"s/v{number}.zip")
    await world.assert_clean()


async def test_a_list_that_is_gone_costs_bytes_only(world: World) -> None:
    await lose_a_reference(world)
    await world.backend.remove_record(world.bucket, keys.references("s/"))
    assert (await world.put("s/v2.zip", version(SIZE, 2))).pins
    for number in range(3):
        await world.assert_object(f"s/v{number}.zip", version(SIZE, number))
        await world.delete(f"s/v{number}.zip")
    await world.assert_clean()


async def test_an_index_that_does_not_fit_into_memory(backend: Backend) -> None:
    """A limit on index memory too small for a reference costs savings, not the upload."""
    async with world_over(backend, index_memory=1000) as world:
        for number in range(3):
            await world.put(f"s/v{number}.zip", version(SIZE, number))
            await world.assert_object(f"s/v{number}.zip", version(SIZE, number))
        await world.assert_exact()


async def test_many_references_with_little_memory(backend: Backend) -> None:
    """The cache drops and builds again; what is in use is never taken away."""
    async with world_over(backend, index_memory=40_000) as world:
        for space in range(6):
            await world.put(f"s{space}/v0.zip", version(SIZE, 0, space))
        async with asyncio.TaskGroup() as group:
            for number in range(1, 4):
                for space in range(6):
                    group.create_task(world.put(f"s{space}/v{number}.zip", version(SIZE, number, space)))
        for space in range(6):
            for number in range(4):
                await world.assert_object(f"s{space}/v{number}.zip", version(SIZE, number, space))


# -- sharing -----------------------------------------------------------------------------------------------


async def test_duplicates_stand_alone(world: World) -> None:
    for name in "abc":
        await world.put(f"s/{name}.zip", version(SIZE, 1))
    await world.assert_exact()
    for name in "abc":
        await world.assert_object(f"s/{name}.zip", version(SIZE, 1))
        await world.delete(f"s/{name}.zip")
        await world.assert_exact()
    await world.assert_clean()


async def test_new_attributes_keep_the_blobs(world: World) -> None:
    for number in range(2):
        key = f"s/v{number}.zip"
        await world.put(key, version(SIZE, number))
        for tag in "ab":
            await world.attributes(key, Attributes(tags={"tag": tag}))
            await world.assert_object(key, version(SIZE, number))
            await world.assert_exact()
    for number in range(2):
        await world.delete(f"s/v{number}.zip")
    await world.assert_clean()
