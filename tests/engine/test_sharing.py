# SPDX-License-Identifier: GPL-2.0-only
"""Blobs that several objects use: copies inside a bucket, and bytes that come twice."""

import ctypes
import hashlib
import random
import weakref
from itertools import pairwise

import pytest

from dgproxy.engine import codecs, incoming, keys, record, uploads
from dgproxy.engine.commit import anything
from dgproxy.engine.delete import delete_objects
from dgproxy.engine.errors import ObjectDamaged, UploadNotFound
from dgproxy.engine.hints import Hint, content_digest
from dgproxy.engine.manifest import WINDOW, Attributes, Manifest
from dgproxy.engine.policy import INLINE_LIMIT, MIN_PART
from dgproxy.storage.backend import ABSENT, Backend
from tests.engine.material import noise, version
from tests.engine.world import Sent, World, world_over

SIZE = 60_000
PART = 2 * WINDOW
#: An object, however it is stored: what comes before it, its key, its bytes.
KINDS = {
    "inline": ([], "s/x.zip", noise(INLINE_LIMIT)),
    "empty": ([], "s/x.zip", b""),
    "direct": ([], "s/x.txt", noise(SIZE)),
    "reference": ([], "s/x.zip", version(SIZE, 1)),
    "delta": ([version(SIZE, 0)], "s/x.zip", version(SIZE, 1)),
    "large delta": ([version(WINDOW, 0)], "s/x.zip", version(PART + 9, 1)),
}


async def bytes_in(world: World) -> int:
    """Bytes in blobs."""
    return sum([len(await world.blob(key)) for key in await world.stored() if not key.endswith(".json")])


async def make(world: World, kind: str) -> tuple[Manifest, bytes]:
    before, key, data = KINDS[kind]
    for number, each in enumerate(before):
        await world.put(f"s/before-{number}.zip", each)
    return await world.put(key, Sent(data, checksums={"crc32": "AAAAAA=="})), data


@pytest.mark.parametrize("target", ["s/copy.zip", "other/copy.txt", "copy"])
@pytest.mark.parametrize("kind", KINDS)
async def test_a_copy_moves_nothing(world: World, kind: str, target: str) -> None:
    source, data = await make(world, kind)
    before = await bytes_in(world)
    copy = await world.copy(source.key, target)
    assert await bytes_in(world) == before
    assert (copy.extents, copy.storage) == (source.extents, source.storage)
    assert (copy.etag, copy.sha256) == (hashlib.md5(data).hexdigest(), hashlib.sha256(data).hexdigest())
    assert (copy.checksums, copy.generation != source.generation) == ({"crc32": "AAAAAA=="}, True)
    await world.assert_object(target, data)
    await world.assert_exact()
    for key in random.Random(target).sample(await world.listed(), len(await world.listed())):
        await world.delete(key)
        for left in await world.listed():
            await world.get(left)
        await world.assert_exact()
    await world.assert_clean()


async def test_a_copy_of_a_multipart_object_has_the_etag_of_its_bytes(world: World) -> None:
    """As S3 has it: a copy made in one piece is one body. Its bytes are read for that, none is written."""
    parts = [version(MIN_PART + 5, number) for number in range(2)] + [noise(100)]
    source = await world.upload("s/m.zip", *parts)
    assert source.etag.endswith("-3")
    before, data = await bytes_in(world), b"".join(parts)
    for target in ("s/c.zip", "t/c.zip"):
        copy = await world.copy("s/m.zip", target)
        assert (copy.parts, copy.upload, copy.extents) == ((), None, source.extents)
        assert copy.sha256 == hashlib.sha256(data).hexdigest()
        await world.assert_object(target, data)
    assert await bytes_in(world) == before
    small = await world.upload("s/small.zip", b"few bytes")
    assert (small.inline, small.etag.endswith("-1")) == (b"few bytes", True)
    await world.copy("s/small.zip", "s/small copy.zip")
    await world.assert_object("s/small copy.zip", b"few bytes")
    await world.assert_exact()
    for key in await world.listed():
        await world.delete(key)
    await world.assert_clean()


class Rooms:
    """Counts who has memory of a window, in place of `window_room`."""

    def __init__(self) -> None:
        self.lent = self.most = 0

    def __call__(self, size: int) -> memoryview:
        room = (ctypes.c_ubyte * size)()
        if size >= WINDOW:
            self.lent += 1
            self.most = max(self.most, self.lent)
            weakref.finalize(room, self._back)
        return memoryview(room).cast("B")

    def _back(self) -> None:
        self.lent -= 1


@pytest.mark.usefixtures("hinting")
async def test_a_duplicate_takes_no_more_memory_than_an_upload(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the upload had is free when the object of the same bytes is read."""
    data = version(4 * WINDOW, 1)
    await world.put("s/reference.zip", version(4 * WINDOW, 0))
    first = await world.put("s/first.zip", data)
    rooms = Rooms()
    for user in (incoming, codecs):
        monkeypatch.setattr(user, "window_room", rooms)
    second = await world.put("s/second.zip", data)
    assert (first.storage, second.extents) == ("delta", first.extents)
    assert rooms.most <= 3  # one to show, one being decoded, and a thread that is done may not have let go


async def test_copies_of_copies_and_what_is_left_of_them(world: World) -> None:
    data = version(SIZE, 1)
    await world.put("a/v0.zip", version(SIZE, 0))
    await world.put("a/v1.zip", data)
    chain = ["a/v1.zip", "b/1.zip", "c/1.zip", "a/1.zip", "1.zip"]
    for source, target in pairwise(chain):
        await world.copy(source, target)
    blobs = {extent.blob for key in chain for extent in (await world.head(key)).extents}
    assert len(blobs) == 1
    for key in ("a/v0.zip", "a/v1.zip", "c/1.zip", "b/1.zip"):
        await world.delete(key)
        await world.assert_exact()
    await world.put("1.zip", noise(SIZE, 2))
    await world.assert_object("a/1.zip", data)
    await world.attributes("a/1.zip", Attributes(tags={"a": "b"}))
    await world.assert_object("a/1.zip", data)
    await world.assert_exact()
    await world.delete("a/1.zip")
    assert await world.stored("deltaspaces/a/") == []
    await world.delete("1.zip")
    await world.assert_clean()


async def test_many_extents_are_copied_as_bytes(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dgproxy.engine.sharing._EXTENTS", 2)
    parts = [version(MIN_PART, number) for number in range(3)]
    source = await world.upload("s/m.txt", *parts)
    copy = await world.copy("s/m.txt", "s/c.txt")
    assert copy.blobs().isdisjoint(source.blobs())
    await world.assert_object("s/c.txt", b"".join(parts))
    await world.assert_exact()


async def test_a_copy_of_what_cannot_be_read_is_refused(world: World) -> None:
    source, _ = await make(world, "delta")
    await world.backend.remove_blobs(world.bucket, [source.extents[0].blob])
    with pytest.raises(ObjectDamaged):
        await world.copy(source.key, "t/copy.zip")
    assert await world.listed() == ["s/before-0.zip", "s/x.zip"]
    assert not [key for key in await world.stored() if "-copy.zip" in key]


@pytest.mark.parametrize("end", ["complete", "abort"])
async def test_an_upload_that_ended_in_a_crash_takes_nothing_with_it(world: World, end: str) -> None:
    """Its object is copied and deleted; then its client, who never got an answer, asks again."""
    data = noise(SIZE)
    upload = await world.begin("s/x.txt")
    state = (await world.backend.read_record(world.bucket, keys.upload(upload))).data
    part = await world.part("s/x.txt", upload, 1, data)
    place = keys.part(upload, 1)
    await world.complete("s/x.txt", upload)
    # As if the server had died between the commit and the clean-up.
    await world.backend.write_record(world.bucket, keys.upload(upload), state, expect=ABSENT)
    await world.backend.write_record(world.bucket, place, record.encode(part), expect=ABSENT)
    await world.copy("s/x.txt", "s/c.txt")
    await world.delete("s/x.txt")
    try:
        if end == "complete":
            await world.complete("s/x.txt", upload, [part])
            await world.delete("s/x.txt")
        else:
            await world.abort("s/x.txt", upload)
    except UploadNotFound:
        await world.abort("s/x.txt", upload)
    await world.assert_object("s/c.txt", data)
    await world.delete("s/c.txt")
    await world.assert_clean()
    assert await uploads.uploads_of(world.engine, world.bucket) == []


# -- duplicates --------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("hinting")
@pytest.mark.parametrize("kind", ["direct", "reference", "delta", "large delta"])
async def test_bytes_that_come_twice_cost_a_pin(world: World, kind: str) -> None:
    source, data = await make(world, kind)
    before = set(await world.stored())
    again = await world.put("s/again.zip", data)
    assert again.extents == source.extents
    await world.assert_object("s/again.zip", data)
    new = set(await world.stored()) - before
    assert {key[-4:] for key in new} == {".pin"}
    assert len(new) == (1 if source.pins else 2)
    third = await world.upload("s/third.zip", data)
    assert (third.extents, third.etag[-2:]) == (source.extents, "-1")
    await world.assert_exact()
    for key in (source.key, "s/third.zip"):
        await world.delete(key)
    await world.assert_object("s/again.zip", data)
    await world.assert_exact()
    for key in await world.listed():
        await world.delete(key)
    await world.assert_clean()


@pytest.mark.usefixtures("hinting")
async def test_parts_of_whole_windows_are_duplicates_of_a_put(world: World) -> None:
    data = noise(PART) + version(PART, 3) + noise(1000)
    parts = [data[:PART], data[PART : 2 * PART], data[2 * PART :]]
    for key, other in (("s/a.txt", "s/b.txt"), ("t/b.zip", "t/a.zip")):
        if key.endswith("a.txt"):
            first = await world.put(key, data)
            second = await world.upload(other, *parts)
        else:
            first = await world.upload(key, *parts)
            second = await world.put(other, data)
        assert second.extents == first.extents
        assert content_digest(first) == content_digest(second)
        await world.assert_object(other, data)
    assert await bytes_in(world) == 2 * len(data)
    await world.assert_exact()


@pytest.mark.usefixtures("hinting")
async def test_the_same_bytes_again_change_only_the_manifest(world: World) -> None:
    first, data = await make(world, "delta")
    stored = await world.stored()
    again = await world.put(first.key, Sent(data), Attributes(tags={"a": "b"}))
    assert (again.extents, again.pins, again.attributes.tags) == (first.extents, first.pins, {"a": "b"})
    assert again.generation != first.generation
    assert await world.stored() == stored
    await world.assert_exact()


async def test_deltaspaces_do_not_look_into_each_other(world: World) -> None:
    first = await world.put("s/1.zip", version(SIZE, 1))
    other = await world.put("t/1.zip", version(SIZE, 1))
    assert first.blobs().isdisjoint(other.blobs())


@pytest.mark.usefixtures("hinting")
@pytest.mark.parametrize("harm", ["flipped", "missing"])
@pytest.mark.parametrize("key", ["s/x.zip", "s/other.zip"])
async def test_who_uploads_again_what_is_damaged_heals_it(world: World, key: str, harm: str) -> None:
    source, data = await make(world, "delta")
    (extent,) = source.extents
    if harm == "flipped":
        stored = bytearray(await world.blob(extent.blob))
        stored[-9] ^= 1
        await world.overwrite_blob(extent.blob, stored)
    else:
        await world.backend.remove_blobs(world.bucket, [extent.blob])
    with pytest.raises(ObjectDamaged):
        await world.get(source.key)
    await world.put(key, data)
    assert await world.get(key) == data
    # and what comes after that is a duplicate of the sound one
    assert (await world.put("s/third.zip", data)).blobs() == (await world.head(key)).blobs()


@pytest.mark.usefixtures("hinting")
async def test_a_hint_is_never_believed(world: World) -> None:
    first, data = await make(world, "direct")
    await world.put("s/liar.txt", noise(SIZE, 3))
    place = keys.hint("s/", content_digest(first))
    for content in (b"", b"{}", b'{"key":"s/x.txt"}', b"\xff" * 200):
        await world.backend.write_record(world.bucket, place, content)
        assert (await world.put("s/new.txt", data)).blobs().isdisjoint(first.blobs())
        await world.delete("s/new.txt")
    for named in ("s/liar.txt", "s/none.txt", "elsewhere/none"):
        await world.backend.write_record(world.bucket, place, record.encode(Hint(named)))
        assert (await world.put("s/new.txt", data)).blobs().isdisjoint(first.blobs())
        await world.delete("s/new.txt")
    await world.assert_object("s/liar.txt", noise(SIZE, 3))
    await world.assert_exact()


async def test_objects_of_the_same_bytes_go_together(world: World) -> None:
    for key in ("s/1.zip", "s/2.zip", "s/3.zip"):
        await world.put(key, noise(SIZE))
    wanted = [(key, anything) for key in await world.listed()]
    await delete_objects(world.engine, world.bucket, wanted, RuntimeError)
    await world.assert_clean()


async def test_no_memory_to_look_for_duplicates(backend: Backend) -> None:
    """A request that holds memory does not wait for more: it stores what it has."""
    async with world_over(backend, transfer_memory=3 * WINDOW) as world:
        data = noise(WINDOW + 5)
        first = await world.put("s/1.txt", data)
        second = await world.put("s/2.txt", data)
        assert first.blobs().isdisjoint(second.blobs())
        await world.assert_exact()
