# SPDX-License-Identifier: GPL-2.0-only
"""Multipart uploads: what parts add up to, what is refused, and who wins when two end one upload."""

import asyncio
import hashlib

import pytest

from dgproxy.engine import copy, keys, uploads
from dgproxy.engine.ending import abort
from dgproxy.engine.errors import PartInvalid, PartTooSmall, UploadNotFound
from dgproxy.engine.manifest import Attributes
from dgproxy.engine.parts import PartRecord
from dgproxy.engine.policy import MIN_PART
from dgproxy.storage.backend import Record, RecordNotFound
from tests.engine.material import noise, version
from tests.engine.world import POLICY, BodyRefused, Sent, World, span

PART = MIN_PART
#: One part may be any size: what is not about several parts needs no 5 MiB.
SMALL = 20_000


def etag(*parts: bytes) -> str:
    joined = hashlib.md5(b"".join(hashlib.md5(part).digest() for part in parts)).hexdigest()
    return f"{joined}-{len(parts)}"


def split(data: bytes, size: int = PART) -> list[bytes]:
    return [data[start : start + size] for start in range(0, len(data), size)]


async def state_of(world: World, upload: str) -> dict[str, Record]:
    """The records of an upload, to put back as a process finds them that died before removing them."""
    page = await world.stored(f"uploads/{upload}/")
    return {key: await world.backend.read_record(world.bucket, key) for key in page}


async def restore(world: World, state: dict[str, Record]) -> None:
    for key, record in state.items():
        await world.backend.write_record(world.bucket, key, record.data)


@pytest.mark.parametrize("name", ["m/v.txt", "m/v.zip"])
async def test_parts_in_any_order(world: World, name: str) -> None:
    data = version(2 * PART + 1000, 0)
    parts = split(data)
    upload = await world.begin(name)
    async with asyncio.TaskGroup() as group:
        for number in (3, 1, 2):
            group.create_task(world.part(name, upload, number, parts[number - 1]))
    manifest = await world.complete(name, upload)
    assert manifest.etag == etag(*parts)
    assert [part.size for part in manifest.parts] == [len(part) for part in parts]
    await world.assert_object(name, data)
    await world.assert_exact()
    assert not await world.stored("uploads/")
    await world.delete(name)
    await world.assert_clean()


async def test_the_first_version_becomes_the_reference_and_the_second_is_deltas(world: World) -> None:
    first = await world.upload("m/v0.zip", *split(version(2 * PART, 0)))
    assert (first.storage, len(first.extents), len(first.pins)) == ("direct", 1, 1)
    second = await world.upload("m/v1.zip", *split(version(2 * PART, 1)))
    assert [extent.codec for extent in second.extents] == [POLICY.delta_form.value] * 3
    assert second.references() == first.references()
    assert second.stored < 2 * PART // 10
    assert await world.decode_stored(second) == version(2 * PART, 1)
    for number in range(2):
        await world.assert_object(f"m/v{number}.zip", version(2 * PART, number))
    await world.assert_exact()
    await world.delete("m/v0.zip")
    await world.assert_object("m/v1.zip", version(2 * PART, 1))
    await world.delete("m/v1.zip")
    await world.assert_clean()


async def test_replaced_and_unlisted_parts_go(world: World) -> None:
    await world.put("m/v0.zip", version(PART, 0))
    upload = await world.begin("m/v.zip")
    await world.part("m/v.zip", upload, 1, noise(20_000, 3))
    await world.part("m/v.zip", upload, 5, noise(20_000, 4))
    await world.part("m/v.zip", upload, 7, version(PART, 7))
    first = await world.part("m/v.zip", upload, 1, version(PART, 1))
    last = await world.part("m/v.zip", upload, 9, noise(100))
    await world.assert_exact()
    manifest = await world.complete("m/v.zip", upload, [first, last])
    assert manifest.etag == etag(version(PART, 1), noise(100))
    assert [part.number for part in manifest.parts] == [1, 9]
    await world.assert_object("m/v.zip", version(PART, 1) + noise(100))
    await world.assert_exact()
    await world.delete("m/v.zip")
    await world.delete("m/v0.zip")
    await world.assert_clean()


async def test_what_complete_refuses(world: World) -> None:
    upload = await world.begin("m/v.zip")
    small = await world.part("m/v.zip", upload, 1, noise(PART - 1))
    last = await world.part("m/v.zip", upload, 2, noise(10))
    with pytest.raises(PartTooSmall) as too_small:
        await world.complete("m/v.zip", upload, [small, last])
    assert (too_small.value.number, too_small.value.size, too_small.value.etag) == (1, PART - 1, small.etag)
    replaced = await world.part("m/v.zip", upload, 1, noise(PART))
    for parts in ([small, last], [replaced, small], [last, replaced, small]):
        with pytest.raises(PartInvalid):
            await world.complete("m/v.zip", upload, parts)
    with pytest.raises(UploadNotFound):
        await world.complete("m/other.zip", upload, [replaced])
    for nonsense in ("", "x", "../../x", "0" * 26):
        with pytest.raises(UploadNotFound):
            await world.complete("m/v.zip", nonsense, [replaced])
        with pytest.raises(UploadNotFound):
            await world.abort("m/v.zip", nonsense)
        with pytest.raises(UploadNotFound):
            await world.part("m/v.zip", nonsense, 1, b"x")
    assert await world.listed() == []
    await world.complete("m/v.zip", upload, [replaced, last])  # nothing refused has harmed it
    await world.assert_object("m/v.zip", noise(PART) + noise(10))


@pytest.mark.parametrize("name", ["m/v.txt", "m/v.zip"])
@pytest.mark.parametrize("size", [0, 1, 8192, 8193])
async def test_one_small_part(world: World, name: str, size: int) -> None:
    await world.put("m/v0.zip", noise(20_000, 2))
    manifest = await world.upload(name, noise(size))
    assert (manifest.inline is not None) == (size <= 8192)
    assert manifest.etag == etag(noise(size))
    await world.assert_object(name, noise(size))
    await world.assert_exact()
    await world.delete(name)
    await world.delete("m/v0.zip")
    await world.assert_clean()


async def test_an_empty_last_part(world: World) -> None:
    manifest = await world.upload("m/v.txt", noise(PART), b"")
    assert manifest.etag == etag(noise(PART), b"")
    await world.assert_object("m/v.txt", noise(PART))
    await world.assert_exact()


async def test_a_part_that_fails_leaves_the_one_before(world: World) -> None:
    upload = await world.begin("m/v.zip")
    good = await world.part("m/v.zip", upload, 1, noise(20_000))
    for body in (Sent(noise(30_000), refuse=True), Sent(noise(30_000), fail_at=29_000)):
        with pytest.raises(BodyRefused):
            await world.part("m/v.zip", upload, 1, body)
    await world.assert_exact()
    await world.complete("m/v.zip", upload, [good])
    await world.assert_object("m/v.zip", noise(20_000))


async def test_abort_leaves_nothing(world: World) -> None:
    await world.put("m/v0.zip", version(PART, 0))
    upload = await world.begin("m/v.zip")
    for number in range(1, 4):
        await world.part("m/v.zip", upload, number, version(PART, number))
    await world.delete("m/v0.zip")  # the parts alone keep the reference now
    await world.assert_exact()
    await world.abort("m/v.zip", upload)
    with pytest.raises(UploadNotFound):
        await world.abort("m/v.zip", upload)
    with pytest.raises(UploadNotFound):
        await world.part("m/v.zip", upload, 1, noise(20_000))
    await world.assert_clean()


async def test_uploads_are_listed(world: World) -> None:
    ids = [(key, await world.begin(key)) for key in ("b", "a", "b", "é")]
    for part in range(3):
        await world.part("a", ids[1][1], part + 1, b"x")
    found = [(upload.key, upload.id) for upload in await uploads.uploads_of(world.engine, world.bucket)]
    assert sorted(found) == sorted(ids)
    assert [key for key, _ in found] == ["a", "b", "b", "é"]


async def test_a_part_copied(world: World) -> None:
    data = version(PART + 50_000, 1)
    await world.put("m/v0.zip", version(PART + 50_000, 0))
    await world.put("m/v1.zip", data)
    upload = await world.begin("m/c.zip")
    found = await uploads.find(world.engine, world.bucket, "m/c.zip", upload)
    parts = []
    for number, plan in enumerate([span(0, PART), span(PART, len(data))], 1):
        source = copy.Source(world.bucket, "m/v1.zip", plan)
        parts.append(await copy.copy_part(world.engine, source, world.bucket, found, number))
    manifest = await world.complete("m/c.zip", upload, parts)
    assert manifest.etag == etag(data[:PART], data[PART:])
    await world.assert_object("m/c.zip", data)


# -- Complete again, and against others --------------------------------------------------------------------

KINDS = {
    "inline": ("m/v.txt", [noise(100)]),
    "raw": ("m/v.txt", [noise(SMALL)]),
    "reference": ("m/v.zip", [noise(SMALL)]),
}


async def prepared(world: World, kind: str) -> tuple[str, str, list[bytes], list[PartRecord]]:
    """An upload with all its parts: key, upload, bytes and records."""
    if kind == "delta":
        await world.put("m/v0.zip", version(SMALL, 0))
        key, parts = "m/v.zip", [version(SMALL, 1)]
    else:
        key, parts = KINDS[kind]
    upload = await world.begin(key)
    stored = [await world.part(key, upload, number, data) for number, data in enumerate(parts, 1)]
    return key, upload, parts, stored


async def finish(world: World, *, clean: bool = True) -> None:
    for key in await world.listed():
        await world.delete(key)
    if clean:
        await world.assert_clean()


ALL = pytest.mark.parametrize("kind", [*KINDS, "delta"])


@ALL
async def test_complete_twice(world: World, kind: str) -> None:
    key, upload, parts, stored = await prepared(world, kind)
    first = await world.complete(key, upload, stored)
    assert await world.complete(key, upload, stored) == first
    await world.attributes(key, Attributes(tags={"t": "1"}))
    assert (await world.complete(key, upload, stored)).etag == first.etag
    await world.assert_object(key, b"".join(parts))
    await world.delete(key)
    with pytest.raises(UploadNotFound):
        await world.complete(key, upload, stored)
    await finish(world)


@ALL
async def test_two_completes_at_once(world: World, kind: str) -> None:
    key, upload, parts, stored = await prepared(world, kind)
    results = await asyncio.gather(*(world.complete(key, upload, stored) for _ in range(3)))
    assert results[0] == results[1] == results[2]
    await world.assert_object(key, b"".join(parts))
    await world.assert_exact()
    await finish(world)


@ALL
@pytest.mark.parametrize("head_start", range(0, 12, 2))
async def test_complete_against_abort(world: World, kind: str, head_start: int) -> None:
    key, upload, parts, stored = await prepared(world, kind)
    completing = asyncio.create_task(world.complete(key, upload, stored))
    for _ in range(head_start % 6):
        await asyncio.sleep(0)
    if head_start < 6:
        aborting = asyncio.create_task(world.abort(key, upload))
    else:  # the other way round
        completing.cancel()
        await asyncio.gather(completing, return_exceptions=True)
        aborting = asyncio.create_task(world.abort(key, upload))
        await asyncio.sleep(0)
        completing = asyncio.create_task(world.complete(key, upload, stored))
    ends = await asyncio.gather(completing, aborting, return_exceptions=True)
    lost = [end for end in ends if isinstance(end, UploadNotFound)]
    assert len(lost) == 1, ends
    if lost[0] is ends[0]:
        assert ends[1] is None
        await world.assert_object(key, None)
    else:
        await world.assert_object(key, b"".join(parts))
    await world.assert_exact()
    await finish(world)


@ALL
@pytest.mark.parametrize("ending", ["complete", "abort"])
@pytest.mark.parametrize("head_start", [0, 5, 20])
async def test_a_part_against_the_end(world: World, kind: str, ending: str, head_start: int) -> None:
    """A part is either part of what Complete and Abort see, or refused; its bytes never stay behind."""
    key, upload, parts, stored = await prepared(world, kind)
    late = asyncio.create_task(world.part(key, upload, 1, Sent(noise(SMALL, 77), pause=True)))
    for _ in range(head_start):
        await asyncio.sleep(0)
    end = world.complete(key, upload, stored) if ending == "complete" else world.abort(key, upload)
    ended, arrived = await asyncio.gather(end, late, return_exceptions=True)
    if isinstance(ended, PartInvalid):  # the new part came first: it is not the one that was listed
        assert not isinstance(arrived, BaseException)
        await world.abort(key, upload)
        await world.assert_object(key, None)
    else:
        assert not isinstance(ended, BaseException)
        await world.assert_object(key, b"".join(parts) if ending == "complete" else None)
    assert not isinstance(arrived, BaseException) or isinstance(arrived, UploadNotFound)
    await world.assert_exact()
    await finish(world)


# -- after a crash between the commit and the end of the upload --------------------------------------------


@ALL
async def test_complete_after_a_crash(world: World, kind: str) -> None:
    key, upload, parts, stored = await prepared(world, kind)
    state = await state_of(world, upload)
    first = await world.complete(key, upload, stored)
    await restore(world, state)
    assert await world.complete(key, upload, stored) == first
    await world.assert_object(key, b"".join(parts))
    assert not await world.stored("uploads/")
    await world.assert_exact()
    await finish(world)


@ALL
async def test_abort_after_a_crash_does_not_harm_the_object(world: World, kind: str) -> None:
    key, upload, parts, stored = await prepared(world, kind)
    state = await state_of(world, upload)
    await world.complete(key, upload, stored)
    await restore(world, state)
    with pytest.raises(UploadNotFound):
        await world.abort(key, upload)
    await world.assert_object(key, b"".join(parts))
    assert not await world.stored("uploads/")
    await finish(world)


@ALL
async def test_a_part_after_a_crash_does_not_harm_the_object(world: World, kind: str) -> None:
    key, upload, parts, stored = await prepared(world, kind)
    state = await state_of(world, upload)
    await world.complete(key, upload, stored)
    await restore(world, state)
    with pytest.raises(UploadNotFound):
        await world.part(key, upload, 1, noise(SMALL, 77))
    await world.assert_object(key, b"".join(parts))
    assert (await world.complete(key, upload, stored)).upload == upload
    await world.assert_object(key, b"".join(parts))
    await finish(world)


@pytest.mark.parametrize("kind", ["raw", "delta"])
@pytest.mark.parametrize("since", ["replaced", "deleted"])
async def test_complete_after_its_object_was_replaced(world: World, kind: str, since: str) -> None:
    """The parts went with the object they were: nothing comes back."""
    key, upload, _parts, stored = await prepared(world, kind)
    state = await state_of(world, upload)
    await world.complete(key, upload, stored)
    newer = noise(30_000, 8) if since == "replaced" else None
    if newer is None:
        await world.delete(key)
    else:
        await world.put(key, newer)
    await restore(world, state)
    for _ in range(2):
        with pytest.raises(UploadNotFound):
            await world.complete(key, upload, stored)
        await world.assert_object(key, newer)
    await world.abort(key, upload)
    await world.assert_object(key, newer)
    await finish(world)


async def test_a_damaged_part_can_be_sent_again(world: World) -> None:
    upload = await world.begin("m/v.zip")
    await world.part("m/v.zip", upload, 1, noise(20_000))
    await world.backend.write_record(world.bucket, keys.part(upload, 1), b"garbage")
    part = await world.part("m/v.zip", upload, 1, noise(20_000, 1))
    await world.complete("m/v.zip", upload, [part])
    await world.assert_object("m/v.zip", noise(20_000, 1))
    with pytest.raises(RecordNotFound):
        await world.backend.read_record(world.bucket, keys.upload(upload))


async def test_abort_removes_an_upload_with_a_damaged_part_record(world: World) -> None:
    upload = await world.begin("m/v.zip")
    for number in (1, 2):
        await world.part("m/v.zip", upload, number, noise(SMALL, number))
    place = keys.part(upload, 1)
    stored = await world.backend.read_record(world.bucket, place)
    await world.backend.write_record(world.bucket, place, stored.data.replace(b'"size":2', b'"size":3'))

    await abort(world.engine, world.bucket, "m/v.zip", upload)

    assert not await world.stored("uploads/")
