# SPDX-License-Identifier: GPL-2.0-only
"""gc: what a crash leaves is found and removed, whatever else goes on; what anybody needs stays."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from dgproxy.engine import deltaspace, keys
from dgproxy.engine.gc import Finding, Options, collect, collect_staged, keep_needed
from dgproxy.engine.gc_uploads import collect_uploads
from dgproxy.engine.hints import content_digest
from dgproxy.engine.ids import created, new_id
from dgproxy.engine.names import Name, read_name
from dgproxy.engine.pace import Pace
from dgproxy.engine.policy import MIN_PART
from dgproxy.engine.uploads import upload_lock
from dgproxy.storage.backend import RecordNotFound
from tests.engine.material import noise, version
from tests.engine.world import MIB, World

NOW = Options(older_than=-60, patience=0.2)
DELETE = replace(NOW, delete=True)


async def gc(world: World, options: Options, *, hints: bool = False) -> list[Finding]:
    """What is found, stale digest hints only if they are asked for."""
    found: list[Finding] = []
    await collect_uploads(world.engine, world.bucket, options, found.append, pace=Pace())
    await collect(world.engine, world.bucket, options, found.append, pace=Pace())
    return [each for each in found if hints or each.kind != "hint"]


async def store(world: World, key: str, data: bytes = b"garbage") -> str:
    async with world.backend.stage_blob(world.bucket, key) as blob:
        await blob.append(data)
        await blob.publish()
    return key


def outcomes(found: list[Finding]) -> dict[str, str]:
    return {finding.key: finding.outcome for finding in found}


def some_id(world: World) -> str:
    return world.engine.new_id()


async def populate(world: World) -> dict[str, bytes]:
    """Objects of every kind, and an upload under way."""
    objects = {
        "s/1.zip": version(100_000, 0),
        "s/2.zip": version(100_000, 1),
        "s/n.txt": noise(20_000, 7),
        "s/t/1.zip": noise(50_000, 8),
        "tiny": b"tiny",
    }
    for key, data in objects.items():
        await world.put(key, data)
    objects["s/m.zip"] = noise(MIN_PART, 3) + noise(10_000, 4)
    await world.upload("s/m.zip", noise(MIN_PART, 3), noise(10_000, 4))
    upload = await world.begin("s/u.zip")
    await world.part("s/u.zip", upload, 1, version(100_000, 2))
    return objects


async def test_a_sound_bucket_has_no_garbage(world: World) -> None:
    objects = await populate(world)
    before = await world.stored()
    assert await gc(world, DELETE) == []
    assert await world.stored() == before
    for key, data in objects.items():
        await world.assert_object(key, data)


async def garbage_in(world: World) -> set[str]:
    """One of everything that a crash can leave in a bucket of `populate`."""
    reference = (await world.head("s/1.zip")).extents[0].reference
    assert reference is not None
    lone = some_id(world)
    lone_delta = some_id(world)
    whole = some_id(world)
    return {
        await store(world, f"deltaspaces/s/{reference.id}-{lone_delta}-x.zip.delta"),
        await store(world, f"deltaspaces/s/{whole}-x.txt.bin"),
        await store(world, f"deltaspaces/s/{whole}-{some_id(world)}-x.zip.pin", b""),
        await store(world, f"deltaspaces/s/{reference.id}-{some_id(world)}-x.zip.pin", b""),
        await store(world, f"deltaspaces/s/{lone}.reference.bin"),
        await store(world, f"deltaspaces/s/{lone}-{some_id(world)}-x.zip.delta"),
        await store(world, f"deltaspaces/new/{some_id(world)}-x.zip.bin"),
    }


async def test_what_a_crash_leaves_is_shown_and_then_removed(world: World) -> None:
    objects = await populate(world)
    before = await world.stored()
    garbage = await garbage_in(world)
    shown = await gc(world, NOW)
    assert outcomes(shown) == dict.fromkeys(garbage, "found")
    assert {finding.size for finding in shown} == {0, len(b"garbage")}
    assert set(await world.stored()) == {*before, *garbage}
    assert outcomes(await gc(world, DELETE)) == dict.fromkeys(garbage, "removed")
    assert await world.stored() == before
    assert await gc(world, NOW) == []
    for key, data in objects.items():
        await world.assert_object(key, data)


async def test_what_is_young_is_left_alone(world: World) -> None:
    await populate(world)
    await garbage_in(world)
    assert await gc(world, Options()) == []
    old = new_id(world.engine.now() - 3_700_000)
    place = await store(world, f"deltaspaces/s/{old}-x.zip.bin")
    assert outcomes(await gc(world, Options())) == {place: "found"}


async def test_only_the_deltaspaces_asked_for(world: World) -> None:
    await populate(world)
    garbage = await garbage_in(world)
    found = await gc(world, replace(NOW, prefix="new"))
    assert outcomes(found) == {place: "found" for place in garbage if "/new/" in place}


async def test_names_that_are_not_ours_stay(world: World) -> None:
    strangers = [
        await store(world, place)
        for place in ("deltaspaces/readme.bin", "deltaspaces/s/x-y.pin", f"deltaspaces/{'0' * 26}.bin")
    ]
    assert await gc(world, DELETE) == []
    assert await world.stored() == sorted(strangers)


async def test_a_pin_that_a_manifest_elsewhere_lists_keeps_its_blob(world: World) -> None:
    blob = (await world.put("a/x.txt", noise(20_000, 1))).extents[0].blob
    (pin,) = (await world.copy("a/x.txt", "b/y.txt")).pins
    (lost,) = (await world.head("a/x.txt")).pins
    assert await gc(world, DELETE) == []
    await world.backend.remove_record(world.bucket, keys.manifest("a/x.txt"))
    assert outcomes(await gc(world, DELETE)) == {lost: "removed"}
    assert await world.get("b/y.txt") == noise(20_000, 1)
    await world.backend.remove_record(world.bucket, keys.manifest("b/y.txt"))
    assert outcomes(await gc(world, DELETE)) == {pin: "removed", blob: "removed"}


async def test_a_blob_stays_while_a_young_pin_names_it(world: World) -> None:
    old, young = new_id(world.engine.now() - 3_700_000), some_id(world)
    blob = await store(world, f"deltaspaces/s/{old}-x.zip.bin")
    pin = await store(world, f"deltaspaces/s/{old}-{young}-y.zip.pin", b"")
    found = await gc(world, Options(delete=True))
    assert outcomes(found) == {blob: "left"}
    assert pin in found[0].why


# -- records that can't be read ----------------------------------------------------------------------------


async def test_a_damaged_manifest_keeps_what_it_may_point_to(world: World) -> None:
    await populate(world)
    await world.put("other/x.txt", noise(20_000, 5))
    place = keys.manifest("s/n.txt")
    stored = await world.backend.read_record(world.bucket, place)
    await world.backend.write_record(world.bucket, place, stored.data.replace(b'"size"', b'"sizf"'))
    blob = next(each for each in await world.stored() if each.endswith("n.txt.bin"))
    elsewhere = await store(world, f"deltaspaces/other/{some_id(world)}-x.txt.bin")
    pinned = (await world.head("other/x.txt")).extents[0].blob
    pin = await store(world, f"deltaspaces/other/{read_name(pinned).id}-{some_id(world)}-x.pin", b"")
    found = await gc(world, DELETE)
    assert outcomes(found) == {blob: "left", elsewhere: "removed", pin: "left"}
    assert all("verify" in finding.why for finding in found if finding.outcome == "left")
    await world.backend.write_record(world.bucket, place, stored.data)
    assert await world.get("s/n.txt") == noise(20_000, 7)


async def test_a_damaged_part_record_keeps_its_deltaspace(world: World) -> None:
    upload = await world.begin("s/u.txt")
    part = await world.part("s/u.txt", upload, 1, noise(20_000, 5))
    place = keys.part(upload, 1)
    stored = await world.backend.read_record(world.bucket, place)
    await world.backend.write_record(world.bucket, place, b"{}")
    assert outcomes(await gc(world, DELETE)) == {part.extent.blob: "left"}
    await world.backend.write_record(world.bucket, keys.upload(upload), b"{}")
    found = outcomes(await gc(world, DELETE))
    assert found == {part.extent.blob: "left", f"uploads/{upload}/": "noted"}
    await world.backend.write_record(world.bucket, place, stored.data)
    assert await world.blob(part.extent.blob) == noise(20_000, 5)


# -- uploads -----------------------------------------------------------------------------------------------


async def test_parts_of_an_upload_that_has_ended(world: World) -> None:
    upload = await world.begin("s/u.zip")
    await world.part("s/u.zip", upload, 1, noise(20_000, 5))
    await world.backend.remove_record(world.bucket, keys.upload(upload))
    found = await gc(world, NOW)
    assert [(each.kind, each.outcome, each.size) for each in found] == [
        ("upload", "found", 20_000),
        ("whole", "found", 20_000),
    ]
    assert {each.outcome for each in await gc(world, DELETE)} == {"removed"}
    await world.assert_clean()


async def test_an_upload_that_was_completed_already(world: World) -> None:
    upload = await world.begin("s/u.zip")
    data = noise(20_000, 5)
    part = await world.part("s/u.zip", upload, 1, data)
    spare = await world.part("s/u.zip", upload, 2, noise(20_000, 6))
    place, parts = keys.upload(upload), [keys.part(upload, number) for number in (1, 2)]
    kept = {each: (await world.backend.read_record(world.bucket, each)).data for each in [place, *parts]}
    await world.complete("s/u.zip", upload, [part])
    for each, stored in kept.items():  # as if Complete had died after its commit
        await world.backend.write_record(world.bucket, each, stored)
    await store(world, spare.extent.blob, noise(20_000, 6))
    found = await gc(world, DELETE)
    assert [(each.kind, each.outcome) for each in found] == [("upload", "removed")]
    assert not await world.stored("uploads/")
    await world.assert_exact()
    assert await world.get("s/u.zip") == data


async def test_an_old_upload_goes_only_when_it_is_asked_for(world: World) -> None:
    upload = await world.begin("s/u.zip")
    await world.part("s/u.zip", upload, 1, noise(20_000, 5))
    assert await gc(world, DELETE) == []
    later = World(replace(world.engine, now=lambda: created(upload) + 8 * 86_400_000))
    found = await gc(later, DELETE)
    assert [(each.outcome, each.size) for each in found] == [("noted", 20_000)]
    assert await gc(later, replace(DELETE, uploads_older_than=9 * 86_400.0)) == found
    found = await gc(later, replace(DELETE, uploads_older_than=7 * 86_400.0))
    assert outcomes(found) == {f"uploads/{upload}/": "removed"}
    await world.assert_clean()


async def test_an_upload_that_somebody_works_on_is_not_left_over(world: World) -> None:
    upload = await world.begin("s/u.zip")
    await world.part("s/u.zip", upload, 1, noise(20_000, 5))
    everything = replace(DELETE, uploads_older_than=-60)
    async with world.backend.lock(world.bucket, upload_lock(upload), shared=True):
        assert await gc(world, everything) == []
    assert outcomes(await gc(world, everything)) == {f"uploads/{upload}/": "removed"}
    await world.assert_clean()


# -- writers at work ---------------------------------------------------------------------------------------


class Gate:
    """The backend, with a stop before every write of a manifest."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner
        self.reached = asyncio.Event()
        self.open = asyncio.Event()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    async def write_record(self, bucket: str, key: str, *args: Any, **kwargs: Any) -> str:
        if key.startswith("objects/") or "/parts/" in key:
            self.reached.set()
            await self.open.wait()
        return await self._inner.write_record(bucket, key, *args, **kwargs)


Write = Callable[[World], Awaitable[Any]]


async def put_founding(world: World) -> None:
    await world.put("s/new.zip", noise(30_000, 9))


async def put_delta(world: World) -> None:
    await world.put("s/new.zip", version(100_000, 3))


async def put_whole(world: World) -> None:
    await world.put("s/new.txt", noise(30_000, 9))


async def put_part(world: World) -> None:
    await world.part("s/new.txt", await world.begin("s/new.txt"), 1, noise(30_000, 9))


@pytest.mark.parametrize("write", [put_founding, put_delta, put_whole, put_part])
async def test_a_blob_that_waits_for_its_record_is_not_garbage(world: World, write: Write) -> None:
    await world.put("s/1.zip", version(100_000, 0))
    gate = Gate(world.backend)
    writing = asyncio.create_task(write(world.over(gate)))  # type: ignore[func-returns-value, arg-type]
    await gate.reached.wait()
    found = await gc(world, DELETE)
    assert found
    assert {finding.outcome for finding in found} == {"left"}
    assert all("try again" in finding.why for finding in found)
    gate.open.set()
    await writing
    await world.assert_exact()
    assert await gc(world, DELETE) == []


async def test_a_commit_between_the_two_looks_counts(world: World) -> None:
    gate = Gate(world.backend)
    writing = asyncio.create_task(put_whole(world.over(gate)))
    await gate.reached.wait()
    collecting = asyncio.create_task(gc(world, replace(DELETE, patience=30)))
    await asyncio.sleep(0.2)
    assert not collecting.done()
    gate.open.set()
    await writing
    assert await collecting == []
    await world.assert_exact()


async def test_without_locks_the_grace_period_decides(world: World) -> None:
    class Lockless(Gate):
        @property
        def capabilities(self) -> Any:
            return replace(self._inner.capabilities, exclusive_locks=False)

    gate = Lockless(world.backend)
    place = await store(world, f"deltaspaces/s/{some_id(world)}-x.zip.bin")
    writing = asyncio.create_task(put_whole(world.over(gate)))
    await gate.reached.wait()
    collecting = asyncio.create_task(gc(world.over(gate), replace(DELETE, grace=0.5)))
    await asyncio.sleep(0.1)
    gate.open.set()
    await writing
    assert outcomes(await collecting) == {place: "removed"}
    await world.assert_exact()


async def test_a_reference_chosen_meanwhile_stays(world: World) -> None:
    """Unneeded when it was looked at, but still offered: an upload has it in hand when gc comes to it."""
    await world.put("s/1.zip", version(100_000, 0))
    manifest = await world.head("s/1.zip")
    (reference,) = manifest.references()
    await world.backend.remove_record(world.bucket, keys.manifest("s/1.zip"))
    await world.backend.remove_blobs(world.bucket, manifest.pins)
    assert outcomes(await gc(world, NOW)) == {reference.blob: "found"}
    await world.put("s/2.zip", version(100_000, 1))
    assert await gc(world, DELETE) == []
    assert await world.get("s/2.zip") == version(100_000, 1)


async def test_an_unneeded_reference_is_not_offered_any_more(world: World) -> None:
    await world.put("s/1.zip", version(100_000, 0))
    manifest = await world.head("s/1.zip")
    await world.backend.remove_record(world.bucket, keys.manifest("s/1.zip"))
    assert len(await gc(world, DELETE)) == 2
    assert await deltaspace.offered(world.backend, world.bucket, "s/") == ()
    with pytest.raises(RecordNotFound):
        await world.blob(next(iter(manifest.references())).blob)
    assert not await world.stored()


@pytest.mark.usefixtures("hinting")
async def test_a_hint_at_bytes_that_are_gone(world: World) -> None:
    manifest = await world.put("s/1.txt", noise(20_000, 0))
    place = keys.hint("s/", content_digest(manifest))
    stored = await world.backend.read_record(world.bucket, place)
    assert await gc(world, DELETE, hints=True) == []
    lost = keys.hint("s/", "0" * 64)
    cut = keys.hint("new/", "1" * 64)
    await world.backend.write_record(world.bucket, lost, stored.data)
    await world.backend.write_record(world.bucket, cut, b"")
    assert outcomes(await gc(world, NOW, hints=True)) == {cut: "found", lost: "found"}
    assert outcomes(await gc(world, DELETE, hints=True)) == {cut: "removed", lost: "removed"}
    assert await gc(world, DELETE, hints=True) == []


async def test_leftovers_in_staging(world: World, tmp_path: Path) -> None:
    found: list[Finding] = []
    staging = tmp_path / "data" / "staging"
    if staging.exists():
        await asyncio.to_thread((staging / "left").write_bytes, b"12345")
    await collect_staged(world.engine, NOW, found.append)
    await collect_staged(world.engine, DELETE, found.append)
    await collect_staged(world.engine, DELETE, found.append)
    assert [each.outcome for each in found] == (["found", "removed"] if staging.exists() else [])
    assert all((each.key, each.size) == ("left", 5) for each in found)


# -- pure parts --------------------------------------------------------------------------------------------


def test_what_stays_keeps_what_it_needs() -> None:
    def name(own: str, uses: str) -> Name:
        return Name(f"key of {own}", "s/", "delta", own, uses)

    names = [name("delta", "ref"), name("pin", "delta"), name("out", "lone")]
    assert keep_needed(["ref", "delta", "pin"], {}, names) == {}
    assert keep_needed(["ref", "delta"], {}, names).keys() == {"ref", "delta"}
    assert keep_needed(["ref", "delta", "pin"], {"pin": "busy"}, names).keys() == {"ref", "delta", "pin"}
    kept = keep_needed(["lone"], {}, names)
    assert "key of out" in kept["lone"]


async def test_pace_keeps_its_rate() -> None:
    pace = Pace(10 * MIB)
    started = asyncio.get_running_loop().time()
    for _ in range(10):
        await pace.spend(MIB // 2)
    assert asyncio.get_running_loop().time() - started > 0.2
