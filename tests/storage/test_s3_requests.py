# SPDX-License-Identifier: GPL-2.0-only
"""What the engine's operations cost in requests to an object store, counted on their way to one.

The table of docs/SCALING.md, row by row: *cold* is a process that has not been asked for that bucket before,
or not for some seconds; *warm* is one that has.
"""

import random
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Iterator
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

from dgproxy.engine import buckets, leases
from dgproxy.engine.commit import read_lately
from dgproxy.engine.offers import Offers
from dgproxy.engine.parts import parts_of
from dgproxy.engine.remembered import Manifests
from dgproxy.engine.summaries import Summaries
from dgproxy.storage.filesystem.locks import LockFile
from dgproxy.storage.s3 import Store, opened
from dgproxy.storage.s3.client import Client
from dgproxy.storage.s3.streaming import Stream
from tests.backends import BUCKET
from tests.engine.world import MIB, World, span, world_over
from tests.storage import stores

GET, PUT, DELETE, LIST = "get_object", "put_object", "delete_object", "list_objects_v2"


@pytest.fixture(scope="module")
def moto(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    with stores.moto(tmp_path_factory.mktemp("moto")) as store:
        yield store


@pytest.fixture
async def world(moto: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[World]:
    """A host among others, whose looks at a bucket last for as long as the test likes: see `cold`."""
    monkeypatch.setattr(leases, "FRESH", 3600.0)
    monkeypatch.setattr(leases, "LEASE", 3600.0)
    (tmp_path / "locks").touch()
    async with AsyncExitStack() as stack:
        backend = await stack.enter_async_context(opened(moto, LockFile(bytes(tmp_path / "locks"))))
        world = await stack.enter_async_context(world_over(backend))
        await buckets.create_bucket(world.engine, BUCKET)
        yield world
        monkeypatch.setattr(leases, "LEASE", 0.1)
        for key in await world.listed():
            await world.delete(key)
        await world.delete_bucket()


def cold(world: World) -> World:
    """A process that knows nothing of what the other has seen; its references are on the disk they share."""
    engine = world.engine
    known = leases.Leases(world.backend, engine.new_id)
    return World(replace(engine, leases=known, offers=Offers(), summaries=Summaries(), manifests=Manifests()))


async def requests_of(operation: Awaitable[object]) -> list[str]:
    """What an operation sent, by name."""
    sent: list[str] = []
    real = Client.start

    async def start(self: Client, name: str, **arguments: Any) -> Any:
        sent.append(name)
        return await real(self, name, **arguments)

    with mock.patch.object(Client, "start", start):
        await operation
    return sent


def versions(count: int) -> list[bytes]:
    data = bytearray(random.Random(1).randbytes(3 * MIB))
    found = [bytes(data)]
    for version in range(1, count):
        data[version : version + 1000] = bytes(1000)
        found.append(bytes(data))
    return found


async def test_small_objects(world: World) -> None:
    # the bucket's record, with the manifest that is replaced beside it, says "new", and is swapped for "open"
    assert await requests_of(world.put("a/small", b"x")) == [GET, GET, PUT, PUT]
    assert await requests_of(world.put("a/small", b"y")) == [GET, PUT]
    assert await requests_of(world.put("a/other", b"y")) == [GET, PUT]
    assert await requests_of(cold(world).put("a/small", b"z")) == [GET, GET, PUT]
    for reader in (world, cold(world)):
        assert await requests_of(reader.get("a/small")) == [GET]
        assert await requests_of(reader.head("a/small")) == [GET]
    assert await requests_of(world.copy("a/small", "a/copy")) == [GET, GET, GET, PUT]
    assert await requests_of(cold(world).copy("a/small", "a/copy")) == [GET] * 4 + [PUT]
    assert await requests_of(world.delete("a/small")) == [GET, DELETE]


async def test_deltas(world: World) -> None:
    contents = versions(5)
    await world.put("a/v0.zip", contents[0])
    await world.put("a/v1.zip", contents[1])
    # the manifest that is replaced, the delta, the new manifest
    assert await requests_of(world.put("a/v2.zip", contents[2])) == [GET, PUT, PUT]
    assert await requests_of(world.put("a/v2.zip", contents[3])) == [GET, PUT, PUT, DELETE]
    # the bucket, the manifest that is replaced, what the deltaspace offers, the delta, the new manifest
    sent = await requests_of(cold(world).put("a/v3.zip", contents[3]))
    assert sent == [GET, GET, GET, PUT, PUT]
    assert (await world.head("a/v3.zip")).storage == "delta"

    for reader in (world, cold(world)):
        assert await requests_of(reader.get("a/v2.zip")) == [GET, GET]
        assert await requests_of(reader.get("a/v2.zip", span(5, 9))) == [GET, GET]
        assert await requests_of(reader.head("a/v2.zip")) == [GET]
    assert await requests_of(world.delete("a/v2.zip")) == [GET, DELETE, DELETE]


async def test_objects_stored_whole(world: World) -> None:
    data = random.Random(2).randbytes(17 * MIB)
    await world.put("first", b"")
    assert await requests_of(world.put("small.bin", data[: MIB // 2])) == [GET, PUT, PUT]
    sent = await requests_of(world.put("large.bin", data))
    assert Counter(sent) == Counter(
        {GET: 1, "create_multipart_upload": 1, "upload_part": 3, "complete_multipart_upload": 1, PUT: 1}
    )
    assert await requests_of(world.get("small.bin")) == [GET, GET]


async def test_multipart(world: World) -> None:
    data = random.Random(3).randbytes(6 * MIB)
    await world.put("first", b"")
    assert await requests_of(world.begin("large.bin")) == [PUT]
    assert await requests_of(cold(world).begin("large.bin")) == [GET, PUT]
    for reader, looks in ((world, 0), (cold(world), 1)):
        await complete_two_parts(world, reader, data, looks)
        await world.delete("large.bin")
    upload = await world.begin("large.bin")
    assert await requests_of(cold(world).part("large.bin", upload, 1, data)) == [GET, GET, PUT, GET, PUT, GET]
    # the upload, the claim, the list and the part, whether it was completed; its end, bytes and their record
    sent = await requests_of(world.abort("large.bin", upload))
    assert sent == [GET, PUT, LIST, GET, GET, DELETE, DELETE, DELETE]


async def complete_two_parts(world: World, reader: World, data: bytes, looks: int) -> None:
    upload = await world.begin("large.bin")
    for number in (1, 2):
        # the upload, the bytes, the upload again, the part's record, whether it came late
        sent = await requests_of(world.part("large.bin", upload, number, data))
        assert sent == [GET, PUT, GET, PUT, GET]
    parts = await parts_of(world.engine, BUCKET, upload)
    # the upload, the claim; the manifest that is replaced beside the parts: a list, and a record of each; the
    # manifest, the end of the claim, and the parts' records
    sent = await requests_of(reader.complete("large.bin", upload, parts))
    assert sent[:looks] == [GET] * looks
    assert sent[looks : looks + 2] == [GET, PUT]
    assert Counter(sent[looks + 2 : -4]) == Counter({GET: 3, LIST: 1})
    assert sent[-4:] == [PUT, DELETE, DELETE, DELETE]


async def test_listings(world: World) -> None:
    for number in range(5):
        await world.put(f"a/{number}", b"x")
    assert sorted(await requests_of(world.listed())) == [GET] * 5 + [LIST]
    assert await requests_of(world.listed()) == [LIST]
    assert len(await requests_of(cold(world).listed())) == 6
    await world.put("a/0", b"y")
    assert sorted(await requests_of(world.listed())) == [GET, LIST]


async def test_head_from_memory(world: World) -> None:
    """Where the operator allows it; never what this process has replaced or removed itself."""
    world = World(replace(world.engine, manifests=Manifests(3600)))
    await world.put("a", b"x")
    other = cold(world)

    async def etag() -> str:
        return (await read_lately(world.engine, BUCKET, "a")).etag

    assert await requests_of(etag()) == [GET]
    assert await requests_of(etag()) == []
    first = await etag()
    await other.put("a", b"y")
    assert await etag() == first
    assert await requests_of(world.get("a")) == [GET]
    assert await world.get("a") == b"y"
    await world.put("a", b"z")
    assert await requests_of(etag()) == [GET]
    assert await etag() == (await world.head("a")).etag != first


async def test_buckets(world: World) -> None:
    """Nobody wrote to it: its record is read, claimed, given up, removed; the rest looks for leftovers."""
    sent = await requests_of(buckets.create_bucket(world.engine, "another"))
    assert sent == ["head_bucket", "create_bucket", PUT]
    sent = await requests_of(buckets.delete_bucket(world.engine, "another"))
    assert Counter(sent) == Counter({LIST: 15, GET: 1, PUT: 2, DELETE: 1, "delete_bucket": 1})


async def test_a_host_without_the_reference(world: World) -> None:
    """One look at the reference; for a range, at as much of it as a window needs."""
    data = bytearray(random.Random(2).randbytes(24 * MIB))
    await world.put("b/v0.zip", bytes(data))
    data[5 * MIB : 5 * MIB + 1000] = bytes(1000)
    await world.put("b/v1.zip", bytes(data))
    read = 0
    real = Stream.read

    async def counted(stream: Stream, length: int) -> bytearray:
        nonlocal read
        read += length
        return await real(stream, length)

    async with world_over(world.backend) as other:
        with mock.patch.object(Stream, "read", counted):
            assert await requests_of(other.get("b/v1.zip", span(9 * MIB, 9 * MIB + 9))) == ["get_object"] * 3
        assert read < 5 * MIB
        assert await requests_of(other.get("b/v1.zip")) == ["get_object"] * 3
        assert await requests_of(other.get("b/v1.zip")) == ["get_object"] * 2
        assert await other.get("b/v1.zip") == data
