# SPDX-License-Identifier: GPL-2.0-only
"""Deltas whose reference is not on this host: read while it arrives, or without it.

What is looked at is how much of the reference was asked for, and what had arrived when a window was there.
Nothing here depends on how long anything takes: fetches are held up at a gate.
"""

import asyncio
import os
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, nullcontext
from copy import deepcopy
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any, cast

import msgspec
import pytest

from dgproxy import metrics
from dgproxy.engine import get, keys, measures, record, source
from dgproxy.engine.errors import ObjectDamaged
from dgproxy.engine.manifest import WINDOW, Manifest, Reference
from dgproxy.storage import cache as storage_cache
from dgproxy.storage.backend import Backend, BlobReader, Unavailable
from dgproxy.storage.memory import MemoryBackend
from tests.backends import BUCKET
from tests.engine.material import text, version
from tests.engine.world import MIB, World, all_of, span, world_over

WINDOWS = 5
SIZE = WINDOWS * WINDOW - 12_345


@cache
def digits(size: int, number: int) -> bytes:
    """Bytes that compress, and have nothing in common but with the same place of another version."""
    return version(size // 2 + 1, number).hex().encode()[:size]


MADE: dict[str, Callable[[int, int], bytes]] = {"raw": version, "zstd": digits}
LATE = (SIZE - WINDOW, SIZE - 1)
#: More than half, and nowhere near the beginning.
REST = (2 * WINDOW + 5, SIZE)


class Far:
    """A store that is not on this host; what is read of references is noted, and can be held up or spoiled.

    A look at a whole reference is its fetch; one at a span of it is a window's.
    """

    def __init__(self, inner: Backend) -> None:
        self._inner = inner
        self.capabilities = replace(inner.capabilities, maps_blobs=False)
        #: Bytes of references that were read, of them by fetches; the number of looks at references.
        self.read = self.fetched = self.looks = 0
        #: Fetches may read so many bytes in all, then they wait; the end of `failing` fetches is a failure.
        self.gate = 1 << 40
        self.failing = 0
        self.spoilt = 0
        self.opened = asyncio.Event()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def open_gate(self, size: int = 1 << 40) -> None:
        self.gate = size
        self.opened.set()

    @asynccontextmanager
    async def open_blob(
        self, bucket: str, key: str, *, span: tuple[int, int] | None = None
    ) -> AsyncIterator[BlobReader]:
        async with self._inner.open_blob(bucket, key, span=span) as blob:
            if ".reference." not in key:
                yield blob
                return
            self.looks += 1
            yield cast("BlobReader", _Noted(self, blob, fetch=span is None))


class _Noted:
    def __init__(self, far: Far, blob: BlobReader, *, fetch: bool) -> None:
        self._far, self._blob, self._fetch = far, blob, fetch
        self._spoilt = fetch and far.spoilt > 0
        far.spoilt -= self._spoilt
        self._fails = fetch and far.failing > 0
        far.failing -= self._fails
        self.size = blob.size

    async def read(self, offset: int, length: int) -> bytes:
        far = self._far
        if self._fetch:
            if self._fails and offset:
                raise Unavailable("the store is away")
            while far.gate < offset + length:
                far.opened.clear()
                await far.opened.wait()
            far.fetched += length
        far.read += length
        data = await self._blob.read(offset, length)
        return bytes(byte ^ 1 for byte in data[:99]) + data[99:] if self._spoilt else data


@pytest.fixture(params=["raw", "zstd"])
def codec(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """This machine may stand still for a second; a fetch is held up by nothing but its gate."""
    monkeypatch.setattr(source, "_PATIENCE", 600)


async def store(backend: Backend, codec: str) -> None:
    """Two versions of an object, by a process that is gone then."""
    async with world_over(backend) as world:
        await world.put("s/v0.zip", MADE[codec](SIZE, 0))
        second = await world.put("s/v1.zip", MADE[codec](SIZE, 1))
        (reference,) = second.references()
        assert (second.storage, reference.codec) == ("delta", codec)


@pytest.fixture(scope="module")
def stores() -> dict[str, MemoryBackend]:
    async def filled(codec: str) -> MemoryBackend:
        memory = MemoryBackend()
        await memory.create_bucket(BUCKET)
        await store(memory, codec)
        return memory

    return {codec: asyncio.run(filled(codec)) for codec in MADE}


@pytest.fixture
async def far(stores: dict[str, MemoryBackend], codec: str) -> Far:
    """A store of its own with what `store` leaves in it."""
    return Far(deepcopy(stores[codec]))


@pytest.fixture
async def reference(far: Far) -> Reference:
    place = keys.manifest("s/v1.zip")
    manifest = record.decode((await far.read_record(BUCKET, place)).data, Manifest, place)
    (reference,) = manifest.references()
    return reference


@pytest.fixture
def data(codec: str) -> bytes:
    return MADE[codec](SIZE, 1)


def cold(backend: Backend | Far, cache: Path | None = None) -> Any:
    """A process with nothing in its cache."""
    return world_over(cast("Backend", backend), cache=cache)


def size_of(reference: Reference, windows: int) -> int:
    """What so many windows at the beginning take in the reference's blob."""
    return sum(reference.windows[:windows]) if reference.windows else windows * WINDOW


async def test_bytes_leave_while_the_reference_arrives(
    far: Far, tmp_path: Path, data: bytes, reference: Reference
) -> None:
    far.gate = min(size_of(reference, 2) + 2 * WINDOW, reference.cost - 1)
    async with (
        cold(far, tmp_path) as world,
        get.open_object(world.engine, BUCKET, "s/v1.zip", all_of) as reading,
    ):
        pieces = aiter(reading)
        first = bytes(await anext(pieces))
        assert first == data[: len(first)]
        assert far.fetched < reference.cost
        assert not (tmp_path / reference.sha256).exists()
        far.open_gate()
        assert first + b"".join([bytes(piece) async for piece in pieces]) == data
    assert (far.looks, far.read) == (1, reference.cost)


async def test_many_readers_of_one_fetch(far: Far, data: bytes, reference: Reference) -> None:
    async with cold(far) as world:
        found = await asyncio.gather(*(world.get("s/v1.zip") for _ in range(4)))
        assert set(found) == {data}
        assert (far.looks, far.read) == (1, reference.cost)
        assert await world.get("s/v1.zip") == found[0]
        assert far.looks == 1


async def test_a_range_reads_what_it_needs(
    far: Far, tmp_path: Path, data: bytes, reference: Reference
) -> None:
    middle = WINDOWS // 2 * WINDOW + 1000
    async with cold(far, tmp_path) as world:
        assert await world.get("s/v1.zip", span(middle, middle + 1024)) == data[middle : middle + 1024]
        assert (far.looks, far.fetched) == (1, 0)
        assert far.read <= 2 * max(reference.windows, default=WINDOW)
        assert not (tmp_path / reference.sha256).exists()


async def test_the_reference_is_fetched_when_half_of_it_was_asked_for(
    far: Far, tmp_path: Path, data: bytes, reference: Reference
) -> None:
    async with cold(far, tmp_path) as world:
        for number in range(WINDOWS // 2):
            place = number * WINDOW + 1
            assert await world.get("s/v1.zip", span(place, place + 10)) == data[place : place + 10]
            assert far.fetched == 0
        assert await world.get("s/v1.zip", span(0, 10)) == data[:10]
        async with asyncio.timeout(60):
            while not (tmp_path / reference.sha256).exists():  # noqa: ASYNC110 - nobody tells when nobody waits
                await asyncio.sleep(0.01)
        looks = far.looks
        assert await world.get("s/v1.zip") == data
        assert far.looks == looks


async def test_what_is_far_from_what_has_arrived_is_read_by_itself(
    far: Far, data: bytes, reference: Reference
) -> None:
    """The fetch stands at its beginning; the end of the object does not wait for it."""
    far.gate = 0
    async with cold(far) as world:
        assert await world.get("s/v1.zip", span(*REST)) == data[slice(*REST)]
        assert far.fetched == 0
        assert far.read < 2 * reference.cost  # neighbours' segments share a window
        assert world.engine.references._cache.is_arriving(reference.sha256)


async def test_a_fetch_that_stands_still_is_not_waited_for(
    far: Far, monkeypatch: pytest.MonkeyPatch, data: bytes
) -> None:
    monkeypatch.setattr(source, "_PATIENCE", 0.01)
    far.gate = 0
    async with cold(far) as world:
        assert await world.get("s/v1.zip") == data
    assert far.fetched == 0


async def test_a_fetch_that_fails_does_not_end_the_reading(far: Far, data: bytes) -> None:
    far.failing = 1
    async with cold(far) as world:
        for _ in range(2):
            assert await world.get("s/v1.zip") == data


async def test_a_fetch_that_failed_is_tried_again_after_a_while(
    far: Far, data: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not for every reading: each would transfer it, and in vain. And not never: the store comes back."""
    monkeypatch.setattr(storage_cache, "_REST", 600.0)
    far.failing = 2
    async with cold(far) as world:
        for _ in range(3):
            assert await world.get("s/v1.zip") == data
        assert far.failing == 1, "it was not tried again at once"
        monkeypatch.setattr(storage_cache, "_REST", 0.0)
        for _ in range(2):
            assert await world.get("s/v1.zip") == data
        assert far.failing == 0
        read = far.read
        assert await world.get("s/v1.zip") == data
        assert far.read == read, "and then it is here"


async def test_no_way_to_the_reference(
    far: Far, codec: str, monkeypatch: pytest.MonkeyPatch, data: bytes, reference: Reference
) -> None:
    """Its place in the blob is not known, as in what older versions wrote, and the store is away."""
    await forget_windows(far)
    far.failing = 1
    async with cold(far) as world:
        if codec == "zstd":
            with pytest.raises(Unavailable):
                await world.get("s/v1.zip")
        assert await world.get("s/v1.zip", span(*LATE)) == data[slice(*LATE)]
        assert await world.get("s/v1.zip") == data
    assert (far.looks == 2) == (codec == "zstd")


async def forget_windows(far: Far) -> None:
    """The manifest of the delta as older versions wrote it."""
    place = keys.manifest("s/v1.zip")
    found = record.decode((await far.read_record(BUCKET, place)).data, Manifest, place)
    (extent,) = found.extents
    assert extent.reference is not None
    older = msgspec.structs.replace(extent.reference, windows=())
    changed = msgspec.structs.replace(found, extents=(msgspec.structs.replace(extent, reference=older),))
    await far.write_record(BUCKET, place, record.encode(changed))


async def test_copies_from_all_around(tmp_path: Path) -> None:
    """Words repeat, so that a window's segment is wide; a range still reads no more than that."""
    memory = MemoryBackend()
    await memory.create_bucket(BUCKET)
    far, wide, rest = Far(memory), 2 * WINDOW, 6 * WINDOW
    async with world_over(memory) as world:
        await world.put("s/v0.zip", text(wide, 0) + version(rest, 0))
        second = await world.put("s/v1.zip", text(wide, 1) + version(rest, 1))
        (reference,) = second.references()
    async with cold(far, tmp_path) as world:
        assert await world.get("s/v1.zip", span(5, 10)) == text(wide, 1)[5:10]
        assert (far.looks, far.fetched) == (1, 0)
        assert far.read <= size_of(reference, 3)
        assert os.listdir(tmp_path) == ["locks"]


# -- damage ------------------------------------------------------------------------------------------------


async def test_wrong_bytes_on_the_way_are_fetched_again(far: Far, data: bytes) -> None:
    """They have arrived, and a window is made of them; its SHA-256 says so, and they are asked for again."""
    far.spoilt = 1
    async with cold(far) as world:
        assert await world.get("s/v1.zip") == data


@pytest.mark.parametrize("wanted", [(0, SIZE), (0, 10), LATE])
async def test_a_damaged_reference(
    far: Far, wanted: tuple[int, int], data: bytes, reference: Reference
) -> None:
    async with world_over(cast("Backend", far)) as world:
        good = await world.blob(reference.blob)
        bad = bytearray(good)
        for place in range(0, len(bad), 10_000):
            bad[place] ^= 1
        await world.overwrite_blob(reference.blob, bytes(bad))
        with pytest.raises(ObjectDamaged):
            await world.get("s/v1.zip", span(*wanted))
        await world.overwrite_blob(reference.blob, good)
        assert await world.get("s/v1.zip", span(*wanted)) == data[slice(*wanted)]


async def test_a_segment_that_no_reference_has(far: Far) -> None:
    """A delta whose header was changed on the disk says where it copies from: nothing is asked for there."""
    async with cold(far) as world:
        (extent,) = (await world.head("s/v1.zip")).extents
        good = await world.blob(extent.blob)
        await world.overwrite_blob(extent.blob, bytes(len(good)))
        with pytest.raises(ObjectDamaged):
            await world.get("s/v1.zip", span(0, 10))


# -- ends --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("gate", [0, WINDOW])
async def test_cancelled(far: Far, gate: int, data: bytes) -> None:
    far.gate = gate
    async with cold(far) as world:
        reading = asyncio.ensure_future(world.get("s/v1.zip"))
        while not far.looks:  # noqa: ASYNC110 - a few turns of the loop
            await asyncio.sleep(0)
        reading.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reading
        assert world.engine.budget.free == world.leasable
        far.open_gate()
        assert await world.get("s/v1.zip") == data
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_the_end_of_the_process_ends_the_fetch(far: Far) -> None:
    far.gate = 0
    async with cold(far) as world:
        await world.get("s/v1.zip", span(*REST))
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_removed_meanwhile(backend: Backend) -> None:
    """Where blobs are files, what a reading has opened is read to its end.

    Elsewhere a window may need a stretch of the reference that is read by itself, and is gone by then.
    """
    await store(backend, "zstd")
    files = backend.capabilities.maps_blobs
    stop = LATE[1] if files else SIZE // WINDOW * WINDOW
    async with cold(backend) as world:
        plan = span(*LATE)
        async with get.open_object(world.engine, BUCKET, "s/v1.zip", plan) as reading:
            for key in ("s/v0.zip", "s/v1.zip"):
                await world.delete(key)
            assert not await world.everything()
            got = b""
            with nullcontext() if files else pytest.raises(ObjectDamaged, match="unless it was deleted"):
                async for piece in reading:
                    got += bytes(piece)
            assert got == digits(SIZE, 1)[LATE[0] : stop]


async def test_gone_before_it_was_opened(far: Far, reference: Reference) -> None:
    async with cold(far) as world:
        await far.remove_blobs(BUCKET, [reference.blob])
        for wanted in ((0, 10), (0, SIZE)):
            with pytest.raises(ObjectDamaged):
                await world.get("s/v1.zip", span(*wanted))


# -- what is remembered ------------------------------------------------------------------------------------


def test_demand_forgets_the_oldest() -> None:
    demand = source.Demand(lambda _: False)
    for number in range(source._REMEMBERED + 1):
        demand.note(Reference("", "", 100, str(number)), 40)
    assert demand.fetches(Reference("", "", 100, "1"), 40)
    assert not demand.fetches(Reference("", "", 100, "0"), 40)
    assert len(demand._read) == source._REMEMBERED


def mappings() -> Counter[str]:
    """What was counted of them so far, by result."""
    _, cells = metrics.read()
    samples = measures.reference_mappings.samples(cells)
    return Counter({sample.labels[0]: int(sample.value) for sample in samples})


async def test_what_is_mapped_first_is_no_hit(
    far: Far, data: bytes, reference: Reference, tmp_path: Path
) -> None:
    async with cold(far, cache=tmp_path) as world, world.engine.references.mapped(BUCKET, reference):
        pass  # its bytes are in the cache directory
    async with cold(far, cache=tmp_path) as world:
        for counted in ({"miss": 1}, {"hit": 1}):
            before = mappings()
            assert await world.get("s/v1.zip") == data
            assert mappings() - before == Counter(counted)


async def test_a_file_on_this_host_is_not_remote(world: World) -> None:
    await world.put("s/v0.zip", version(MIB, 0))
    stored = await world.put("s/v1.zip", version(MIB, 1))
    (reference,) = stored.references()
    assert world.engine.references.is_here(BUCKET, reference)
    assert not world.engine.references._demand._read
