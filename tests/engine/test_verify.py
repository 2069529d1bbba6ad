# SPDX-License-Identifier: GPL-2.0-only
"""verify: it names exactly the objects that GET can't read, and the file to blame, whatever was damaged."""

from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from dgproxy.engine import keys, record
from dgproxy.engine import verify as engine_verify
from dgproxy.engine.errors import EngineError
from dgproxy.engine.manifest import Manifest
from dgproxy.engine.pace import Pace
from dgproxy.engine.policy import MIN_PART
from dgproxy.engine.verify import Finding, Options, Summary, verify
from dgproxy.engine.verify_object import inconsistency
from dgproxy.storage.backend import StorageError, Unavailable
from tests.engine.material import noise, version
from tests.engine.world import MIB, World, world_over

STRUCTURE = Options()
DATA = Options(data=True)


async def findings(world: World, options: Options) -> tuple[list[Finding], Summary]:
    found: list[Finding] = []
    summary = await verify(world.engine, world.bucket, options, found.append, pace=Pace())
    return found, summary


async def populate(world: World) -> list[str]:
    """Objects of every kind; their keys."""
    await world.put("s/1.zip", version(100_000, 0))
    await world.put("s/2.zip", version(100_000, 1))
    await world.put("s/3.zip", version(5 * MIB, 0, seed=4))
    await world.put("s/4.zip", version(5 * MIB, 1, seed=4))
    await world.put("c/1.zip", letters(100_000, 0))
    await world.put("c/2.zip", letters(100_000, 1))
    await world.put("s/n.txt", noise(20_000, 7))
    await world.put("tiny", b"tiny")
    await world.put("empty", b"")
    await world.upload("m.zip", noise(MIN_PART, 3), noise(10_000, 4))
    await world.upload("m2.zip", noise(MIN_PART, 3), noise(20_000, 4))
    return await world.listed()


def letters(size: int, number: int) -> bytes:
    """A version of something that compresses."""
    return version(size, number, seed=5).translate(bytes(b"abcdefgh"[byte % 8] for byte in range(256)))


async def unreadable(world: World, names: list[str]) -> set[str]:
    """The keys that GET can't give, in a process that remembers nothing, not even on disk."""
    lost = set()
    async with world_over(world.backend) as fresh:
        for name in names:
            try:
                await fresh.get(name)
            except (EngineError, StorageError):
                lost.add(name)
    return lost


@pytest.mark.parametrize("options", [STRUCTURE, DATA])
async def test_a_sound_bucket(world: World, options: Options) -> None:
    names = await populate(world)
    upload = await world.begin("s/u.zip")
    await world.part("s/u.zip", upload, 1, version(100_000, 2))
    found, summary = await findings(world, options)
    assert found == []
    assert (summary.objects, summary.parts) == (len(names), 1)
    seen: list[int] = []
    await verify(world.engine, world.bucket, options, lambda _: None, pace=Pace(), watch=seen.append)
    stored = 0
    for name in names:
        stored += sum(extent.stored for extent in (await world.head(name)).extents)
    if options.data:
        assert sum(seen) >= stored
    else:
        assert sum(seen) == len(names) + 1


def flipped(data: bytes) -> bytes:
    place = len(data) // 2
    return data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :]


def cut(data: bytes) -> bytes:
    return data[:-1]


DAMAGES: dict[str, Callable[[bytes], bytes] | None] = {"flipped": flipped, "cut": cut, "gone": None}


@pytest.mark.parametrize("damage", DAMAGES)
async def test_exactly_what_get_cannot_read_is_named(world: World, damage: str) -> None:
    """And where references are elsewhere, what GET only can because it needs little of a damaged one."""
    names = await populate(world)
    far = not world.backend.capabilities.maps_blobs
    change = DAMAGES[damage]
    for place in [*await world.stored("objects/"), *await world.stored()]:
        whole = await world.blob(place)
        if not whole or (place.startswith("objects/") and change is None):
            continue
        if change is None:
            await world.backend.remove_blobs(world.bucket, [place])
        else:
            await world.overwrite_blob(place, change(whole))
        world.engine.references.close()
        lost = await unreadable(world, names)
        world.engine.references.close()
        found, _ = await findings(world, DATA)
        named = {each.key for each in found if each.kind == "object"}
        assert named >= lost if far and ".reference." in place else named == lost, place
        if named:
            assert {each.blob for each in found} == {place}
        if damage != "flipped" and "deltaspaces" in place:
            structural, _ = await findings(world, STRUCTURE)
            assert {each.key for each in structural if each.kind == "object"} == named, place
        await world.overwrite_blob(place, whole)
    world.engine.references.close()
    assert (await findings(world, DATA))[0] == []


@pytest.mark.over("far")
async def test_a_bad_byte_in_a_reference(world: World) -> None:
    """It spoils what copies from it; where the reference must be fetched whole, all that needs it."""
    for number in range(3):
        await world.put(f"s/{number}.zip", version(100_000, number))
    (reference,) = (await world.head("s/1.zip")).references()
    await world.overwrite_blob(reference.blob, flipped(await world.blob(reference.blob)))
    world.engine.references.close()
    lost = await unreadable(world, await world.listed())
    found, _ = await findings(world, DATA)
    assert {each.key for each in found if each.kind == "object"} == lost
    assert "s/0.zip" in lost


async def test_a_damaged_reference_tells_how_many_depend_on_it(world: World) -> None:
    for number in range(5):
        await world.put(f"s/{number}.zip", version(100_000, number))
    await world.put("t/1.zip", version(100_000, 1))
    (reference,) = (await world.head("s/1.zip")).references()
    whole = await world.blob(reference.blob)
    await world.backend.remove_blobs(world.bucket, [reference.blob])
    world.engine.references.close()
    for options in (STRUCTURE, DATA):
        found, _ = await findings(world, options)
        (about,) = [each for each in found if each.kind == "reference"]
        assert (about.key, about.dependents, about.damaged) == (reference.blob, 5, 5)
        named = {each.key: each.blob for each in found if each.kind == "object"}
        assert named == {f"s/{number}.zip": reference.blob for number in range(5)}
    await world.overwrite_blob(reference.blob, whole)
    assert (await findings(world, DATA))[0] == []


async def test_a_missing_pin(world: World) -> None:
    manifest = await world.put("s/1.zip", version(100_000, 0))
    await world.backend.remove_blobs(world.bucket, manifest.pins)
    found, _ = await findings(world, STRUCTURE)
    assert [(each.key, each.blob) for each in found] == [("s/1.zip", manifest.pins[0])]


async def test_damage_in_an_unfinished_upload(world: World) -> None:
    upload = await world.begin("s/u.zip")
    part = await world.part("s/u.zip", upload, 1, noise(20_000, 2))
    await world.overwrite_blob(part.extent.blob, flipped(noise(20_000, 2)))
    assert (await findings(world, STRUCTURE))[0] == []
    found, _ = await findings(world, DATA)
    assert [(each.kind, each.key) for each in found] == [("part", f"s/u.zip (part 00001 of upload {upload})")]
    place = keys.upload(upload)
    stored = await world.backend.read_record(world.bucket, place)
    await world.backend.write_record(world.bucket, place, flipped(stored.data))
    found, _ = await findings(world, STRUCTURE)
    assert [(each.kind, each.key) for each in found] == [("record", place)]


async def test_damage_in_other_records(world: World) -> None:
    await world.put("s/1.zip", version(100_000, 0))
    places = [keys.references("s/"), keys.setting("cors")]
    for place in places:
        await world.backend.write_record(world.bucket, place, b'{"format":1}')
    found, _ = await findings(world, STRUCTURE)
    assert {(each.kind, each.key, each.blob) for each in found} == {
        ("record", place, place) for place in places
    }


async def test_only_the_keys_asked_for(world: World) -> None:
    await populate(world)
    for place in await world.stored("objects/"):
        stored = await world.backend.read_record(world.bucket, place)
        await world.backend.write_record(world.bucket, place, flipped(stored.data))
    found, summary = await findings(world, Options(prefix="s/2"))
    assert [each.key for each in found] == ["s/2.zip"]
    assert summary.objects == 1


# -- a live server -----------------------------------------------------------------------------------------


class Meddling:
    """The backend, with something that happens just before a blob is opened or read."""

    def __init__(self, inner: Any, meddle: Callable[[], Any]) -> None:
        self._inner = inner
        self._meddle = meddle
        self.times = 1

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def open_blob(self, bucket: str, key: str, **hints: Any) -> Any:
        return _Opening(self, self._inner.open_blob(bucket, key, **hints))

    async def happen(self) -> None:
        if self.times:
            self.times -= 1
            await self._meddle()


class _Opening:
    def __init__(self, meddling: Meddling, inner: Any) -> None:
        self._meddling, self._inner = meddling, inner

    async def __aenter__(self) -> Any:
        await self._meddling.happen()
        return await self._inner.__aenter__()

    async def __aexit__(self, *end: Any) -> Any:
        return await self._inner.__aexit__(*end)


@pytest.mark.parametrize("options", [STRUCTURE, DATA])
@pytest.mark.parametrize("meddle", ["overwrite", "delete"])
async def test_what_is_replaced_meanwhile_is_not_damage(world: World, options: Options, meddle: str) -> None:
    await world.put("s/1.zip", version(100_000, 0))
    await world.put("s/2.zip", version(100_000, 1))

    async def overwrite() -> None:
        for key in ("s/1.zip", "s/2.zip"):
            await world.put(key, noise(50_000, 9))

    async def delete() -> None:
        for key in ("s/1.zip", "s/2.zip"):
            await world.delete(key)

    live = world.over(Meddling(world.backend, {"overwrite": overwrite, "delete": delete}[meddle]))  # type: ignore[arg-type]
    found, summary = await findings(live, options)
    assert found == []
    assert meddle == "delete" or summary.objects == 2


async def test_an_object_that_never_stands_still_is_not_known(world: World) -> None:
    await world.put("s/1.txt", noise(20_000, 0))

    async def overwrite() -> None:
        await world.put("s/1.txt", noise(20_000, backend.times))

    backend = Meddling(world.backend, overwrite)
    backend.times = 1000
    found, _ = await findings(world.over(backend), STRUCTURE)  # type: ignore[arg-type]
    assert [(each.key, each.outcome) for each in found] == [("s/1.txt", "unknown")]


async def test_an_error_from_below_is_not_damage(world: World) -> None:
    await world.put("s/1.zip", version(100_000, 0))
    await world.put("s/2.txt", noise(20_000, 1))

    async def fail() -> None:
        raise StorageError("EIO")

    backend = Meddling(world.backend, fail)
    found, _ = await findings(world.over(backend), DATA)  # type: ignore[arg-type]
    assert [each.outcome for each in found] == ["unknown"]
    assert "EIO" in found[0].why


@pytest.mark.parametrize("call", ["read_record", "list_records"])
async def test_a_storage_that_is_away_ends_it(
    world: World, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    """A thousand objects would each be waited for in vain, and a thousand times the same be said."""
    for number in range(50):
        await world.put(f"{number}.txt", b"x")
    found: list[Finding] = []
    real, calls = getattr(world.backend, call), iter(range(1000))

    async def sometimes(*arguments: Any, **options: Any) -> Any:
        if next(calls) >= (20 if call == "read_record" else 0):
            raise Unavailable("the store is away")
        return await real(*arguments, **options)

    monkeypatch.setattr(world.backend, call, sometimes)
    monkeypatch.setattr(engine_verify, "_AT_ONCE", 3)
    with pytest.raises(Unavailable, match="is away"):
        await verify(world.engine, world.bucket, STRUCTURE, found.append, pace=Pace())
    assert all(each.outcome == "unknown" for each in found)
    # Ten in a row; those that were under way when the first ones failed may still have succeeded in between.
    assert len(found) < 2 * engine_verify._AWAY


# -- what a manifest says ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "change",
    [
        lambda m: msgspec.structs.replace(m, size=m.size + 1),
        lambda m: with_window(m, length=m.extents[0].windows[0].length + 1),
        lambda m: with_window(m, offset=1),
        lambda m: with_window(m, stored=10**9),
    ],
)
async def test_a_manifest_that_contradicts_itself(
    world: World, change: Callable[[Manifest], Manifest]
) -> None:
    manifest = await world.put("s/1.txt", noise(20_000, 0))
    assert inconsistency(manifest) is None
    wrong = change(manifest)
    assert inconsistency(wrong) is not None
    await world.backend.write_record(world.bucket, keys.manifest("s/1.txt"), record.encode(wrong))
    found, _ = await findings(world, STRUCTURE)
    assert [each.key for each in found] == ["s/1.txt"]


def with_window(manifest: Manifest, **changes: int) -> Manifest:
    extent = manifest.extents[0]
    window = msgspec.structs.replace(extent.windows[0], **changes)
    changed = msgspec.structs.replace(extent, windows=(window, *extent.windows[1:]))
    return msgspec.structs.replace(manifest, extents=(changed,))


async def test_a_tiny_object_of_another_size(world: World) -> None:
    manifest = await world.put("tiny", b"tiny")
    assert inconsistency(manifest) is None
    assert inconsistency(msgspec.structs.replace(manifest, size=5)) is not None
