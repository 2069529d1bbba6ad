# SPDX-License-Identifier: GPL-2.0-only
"""Records that are sound and stand in another's place: as a disk, or an operator, may put them.

Each says whose it is, so what was meant for another is damage: an error, never taken for the right one, and
never a reason to say that there is nothing (laws 3 and 4).
"""

import pytest

from dgproxy.engine import deltaspace, keys, uploads
from dgproxy.engine.errors import ObjectDamaged
from dgproxy.engine.parts import parts_of
from dgproxy.storage.backend import RecordNotFound
from tests.engine.material import noise
from tests.engine.world import World


async def misplace(world: World, source: str, target: str) -> None:
    """Put a copy of one record in another's place."""
    stored = await world.backend.read_record(world.bucket, source)
    await world.backend.write_record(world.bucket, target, stored.data)


async def test_a_manifest(world: World) -> None:
    await world.put("a.txt", b"a")
    await world.put("b.txt", b"b")
    await misplace(world, keys.manifest("a.txt"), keys.manifest("b.txt"))
    with pytest.raises(ObjectDamaged, match=r"belongs to the key 'a\.txt'"):
        await world.get("b.txt")
    with pytest.raises(ObjectDamaged):
        await world.listed()


@pytest.mark.parametrize("other", ["of another key", "of the same key"])
async def test_an_upload(world: World, other: str) -> None:
    mine = await world.begin("a.zip")
    theirs = await world.begin("a.zip" if other == "of the same key" else "b.zip")
    await misplace(world, keys.upload(theirs), keys.upload(mine))
    with pytest.raises(ObjectDamaged, match=f"belongs to the upload {theirs}"):
        await uploads.find(world.engine, world.bucket, "a.zip", mine)
    with pytest.raises(ObjectDamaged):
        await uploads.uploads_of(world.engine, world.bucket)


async def test_a_part_in_another_ones_place(world: World) -> None:
    upload = await world.begin("a.zip")
    parts = [await world.part("a.zip", upload, number, noise(20_000, number)) for number in (1, 2)]
    await misplace(world, keys.part(upload, 2), keys.part(upload, 1))
    with pytest.raises(ObjectDamaged, match="belongs to part 2"):
        await parts_of(world.engine, world.bucket, upload)
    with pytest.raises(ObjectDamaged):
        await world.complete("a.zip", upload, parts)
    again = await world.part("a.zip", upload, 1, noise(20_000, 1))
    assert await parts_of(world.engine, world.bucket, upload) == [again, parts[1]]


async def test_a_part_of_another_upload(world: World) -> None:
    mine, theirs = await world.begin("a.zip"), await world.begin("a.zip")
    part = await world.part("a.zip", mine, 1, noise(20_000, 1))
    other = await world.part("a.zip", theirs, 1, noise(20_000, 2))
    await misplace(world, keys.part(theirs, 1), keys.part(mine, 1))
    with pytest.raises(ObjectDamaged, match=f"belongs to part 1 of upload {theirs}"):
        await parts_of(world.engine, world.bucket, mine)
    # what takes its place removes nothing of the one that it belongs to
    part = await world.part("a.zip", mine, 1, noise(20_000, 1))
    await world.complete("a.zip", mine, [part])
    await world.complete("a.zip", theirs, [other])
    await world.assert_object("a.zip", noise(20_000, 2))


async def test_a_list_of_references(world: World) -> None:
    await world.put("a/v1.zip", noise(50_000, 1))
    await world.put("b/v1.zip", noise(50_000, 2))
    await misplace(world, keys.references("a/"), keys.references("b/"))
    assert await deltaspace.offered(world.backend, world.bucket, "b/") == ()
    await world.put("b/v2.zip", noise(50_000, 1) + b"x")
    await world.delete("a/v1.zip")
    assert await world.get("b/v2.zip") == noise(50_000, 1) + b"x"
    assert await world.get("b/v1.zip") == noise(50_000, 2)
    with pytest.raises(RecordNotFound):
        await world.backend.read_record(world.bucket, keys.references("a/"))
