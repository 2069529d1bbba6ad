# SPDX-License-Identifier: GPL-2.0-only
"""What is stored whole is compressed where that pays, references too, and nothing is lost by it."""

import asyncio
import os
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from dgproxy.codec import frames
from dgproxy.codec.forms import Form
from dgproxy.engine.errors import ObjectDamaged
from dgproxy.engine.manifest import WINDOW, Reference
from dgproxy.storage.backend import Backend, BlobReader
from tests.engine.material import noise, text
from tests.engine.world import POLICY, Sent, World, span, world_over

SIZE = 60_000
SIZES = [SIZE, WINDOW, 2 * WINDOW + 77]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("declared", [True, False])
async def test_direct_objects(world: World, size: int, *, declared: bool) -> None:
    data = text(size, 0)
    stored = await world.put("s/notes.txt", Sent(data, declared=size if declared else None))
    (extent,) = stored.extents
    assert (stored.storage, extent.codec, stored.references()) == ("direct", "zstd", set())
    assert extent.blob.endswith("-notes.txt.bin.zst")
    assert stored.stored < size // 2
    assert await world.decode_stored(stored) == data
    await world.assert_object("s/notes.txt", data)
    assert (
        await world.get("s/notes.txt", span(size // 2, size // 2 + 1000))
        == data[size // 2 : size // 2 + 1000]
    )
    await world.delete("s/notes.txt")
    await world.assert_clean()


@pytest.mark.parametrize("size", SIZES)
async def test_what_does_not_compress_is_left_alone(world: World, size: int) -> None:
    (extent,) = (await world.put("s/photo.raw", noise(size))).extents
    assert (extent.codec, extent.stored) == ("raw", size)
    assert await world.blob(extent.blob) == noise(size)


async def test_a_window_that_does_not_compress_among_others(world: World) -> None:
    data = text(WINDOW, 0) + noise(WINDOW) + text(WINDOW, 1)
    stored = await world.put("s/mixed.bin", data)
    (extent,) = stored.extents
    assert extent.codec == "zstd"
    assert WINDOW < extent.windows[1].stored < WINDOW + 500
    await world.assert_object("s/mixed.bin", data)


async def test_turned_off(backend: Backend) -> None:
    async with world_over(backend, replace(POLICY, compression=False)) as world:
        assert (await world.put("t/notes.txt", text(SIZE, 0))).extents[0].codec == "raw"
        (reference,) = (await world.put("s/v0.zip", text(SIZE, 0))).references()
        assert (reference.codec, reference.stored) == ("raw", SIZE)


@pytest.mark.parametrize("size", SIZES)
async def test_a_compressed_reference(world: World, size: int) -> None:
    first = await world.put("s/v0.zip", text(size, 0))
    (reference,) = first.references()
    assert reference.codec == "zstd"
    assert reference.blob.endswith(f"{reference.id}.reference.bin.zst")
    assert (reference.length, reference.stored, reference.name) == (size, first.stored, "v0.zip")
    second = await world.put("s/v1.zip", text(size, 1))
    assert (second.storage, second.references()) == ("delta", {reference})
    assert second.stored < first.stored // 2
    for number, key in enumerate(("s/v0.zip", "s/v1.zip")):
        await world.assert_object(key, text(size, number))
        await world.delete(key)
        await world.assert_exact()
    await world.assert_clean()


async def test_a_delta_larger_than_the_compressed_bytes_is_not_kept(backend: Backend) -> None:
    """Under the configured ratio, and yet more than storing it whole takes."""
    first, second = text(SIZE, 0), text(SIZE, 0)[: SIZE * 2 // 3] + text(2 * SIZE, 3)[SIZE : SIZE * 4 // 3]
    for compression, storage in ((False, "delta"), (True, "direct")):
        policy = replace(POLICY, compression=compression, delta_form=Form.PLAIN)
        async with world_over(backend, policy) as world:
            space = f"s{compression}"
            await world.put(f"{space}/v0.zip", first)
            stored = await world.put(f"{space}/v1.zip", second)
            assert (stored.storage, stored.stored < len(second) // 2) == (storage, True)
            await world.assert_object(f"{space}/v1.zip", second)


async def test_many_ask_for_one_reference_at_once(backend: Backend, tmp_path: Path) -> None:
    """It is unpacked once, however many wait for it."""
    async with world_over(backend) as world:
        for number in range(4):
            await world.put(f"s/v{number}.zip", text(SIZE, number))
    opened = 0
    async with world_over(backend, cache=tmp_path / "cache") as world:
        (reference,) = (await world.head("s/v1.zip")).references()
        whole = world.backend.open_blob

        def counting(bucket: str, key: str, **options: Any) -> AbstractAsyncContextManager[BlobReader]:
            nonlocal opened
            opened += key == reference.blob and not options  # others only see to it that it stays there
            return whole(bucket, key, **options)

        world.backend.open_blob = counting  # type: ignore[method-assign]
        try:
            await asyncio.gather(*(world.get(f"s/v{number % 3 + 1}.zip") for number in range(12)))
        finally:
            world.backend.open_blob = whole  # type: ignore[method-assign]
        assert opened == 1
    assert [path.name for path in (tmp_path / "cache").glob("?" * 64)] == [reference.sha256]


# -- damage ------------------------------------------------------------------------------------------------


async def two_versions(world: World) -> Reference:
    await world.put("s/v0.zip", text(SIZE, 0))
    (reference,) = (await world.put("s/v1.zip", text(SIZE, 1))).references()
    return reference


def flipped(data: bytes, place: int) -> bytes:
    return data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :]


@pytest.mark.parametrize("damage", ["flipped", "cut", "empty", "noise", "bomb", "other bytes"])
async def test_a_damaged_compressed_reference(backend: Backend, damage: str) -> None:
    async with world_over(backend) as world:
        reference = await two_versions(world)
        good = await world.blob(reference.blob)
        bad = {
            "flipped": flipped(good, len(good) // 2),
            "cut": good[:-1],
            "empty": b"",
            "noise": noise(2000),
            "bomb": frames.compress(bytes(64 << 20), 3),
            "other bytes": frames.compress(text(SIZE, 3), 3),
        }[damage]
        await world.overwrite_blob(reference.blob, bad)
    async with world_over(backend) as world:  # a new process, with nothing in its cache
        with pytest.raises(ObjectDamaged):
            await world.get("s/v1.zip")
        fresh = await world.put("s/v2.zip", text(SIZE, 2))
        assert fresh.pins
        assert (await world.put("s/v3.zip", text(SIZE, 3))).references() == fresh.references()
        await world.assert_object("s/v3.zip", text(SIZE, 3))
        await world.overwrite_blob(reference.blob, good)
    async with world_over(backend) as world:
        for number in range(4):
            await world.assert_object(f"s/v{number}.zip", text(SIZE, number))


@pytest.mark.parametrize("asked", ["get", "put"])
async def test_a_copy_that_went_bad_is_made_anew(backend: Backend, tmp_path: Path, asked: str) -> None:
    """The cache directory's disk forgets a bit; what is in storage is sound."""
    cache = tmp_path / "cache"
    async with world_over(backend, cache=cache) as world:
        reference = await two_versions(world)
    copy = cache / reference.sha256
    descriptor = os.open(copy, os.O_RDWR)
    for place in range(0, SIZE, 100):
        os.pwrite(descriptor, bytes([os.pread(descriptor, 1, place)[0] ^ 1]), place)
    os.close(descriptor)
    async with world_over(backend, cache=cache) as world:
        if asked == "put":
            assert (await world.put("s/v2.zip", text(SIZE, 2))).storage == "delta"
            await world.assert_object("s/v2.zip", text(SIZE, 2))
        await world.assert_object("s/v1.zip", text(SIZE, 1))
    assert copy.read_bytes() == text(SIZE, 0)


async def test_a_damaged_delta_does_not_cost_the_copy(backend: Backend, tmp_path: Path) -> None:
    async with world_over(backend, cache=tmp_path) as world:
        reference = await two_versions(world)
        copy = (tmp_path / reference.sha256).stat()
        (extent,) = (await world.head("s/v1.zip")).extents
        good = await world.blob(extent.blob)
        await world.overwrite_blob(extent.blob, flipped(good, len(good) // 2))
        for _ in range(2):
            with pytest.raises(ObjectDamaged):
                await world.get("s/v1.zip")
        assert (tmp_path / reference.sha256).stat().st_ino == copy.st_ino


async def test_a_cache_that_loses_everything(backend: Backend, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    for _ in range(2):
        async with world_over(backend, cache=cache) as world:
            await two_versions(world)
            for path in cache.glob("?" * 64):
                path.unlink()
            for number in range(2):
                await world.assert_object(f"s/v{number}.zip", text(SIZE, number))
