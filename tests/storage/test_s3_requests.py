# SPDX-License-Identifier: GPL-2.0-only
"""What the engine's operations cost in requests to an object store, counted on their way to one."""

import random
from collections.abc import AsyncIterator, Awaitable, Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

from dgproxy.storage.filesystem.locks import LockFile
from dgproxy.storage.s3 import Store, opened
from dgproxy.storage.s3.client import Client
from tests.engine.world import BUCKET, MIB, World, span, world_over
from tests.storage import stores


@pytest.fixture(scope="module")
def moto(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    with stores.moto(tmp_path_factory.mktemp("moto")) as store:
        yield store


@pytest.fixture
async def world(moto: Store, tmp_path: Path) -> AsyncIterator[World]:
    (tmp_path / "locks").touch()
    async with opened(moto, LockFile(bytes(tmp_path / "locks"))) as backend:
        await backend.create_bucket(BUCKET)
        async with world_over(backend) as world:
            yield world


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


async def test_requests(world: World) -> None:
    data = bytearray(random.Random(1).randbytes(3 * MIB))
    assert await requests_of(world.put("a/small", b"x")) == ["get_object", "put_object"]
    assert await requests_of(world.put("a/small", b"y")) == ["get_object", "put_object"]
    assert await requests_of(world.get("a/small")) == ["get_object"]
    assert await requests_of(world.head("a/small")) == ["get_object"]

    await world.put("a/v0.zip", bytes(data))
    for version in (1, 2):
        data[version : version + 1000] = bytes(1000)
        sent = await requests_of(world.put(f"a/v{version}.zip", bytes(data)))
    # the manifest that is replaced, the delta, the new manifest, and whether the bucket is still the same
    assert sent == ["get_object", "put_object", "put_object", "head_object"]
    assert (await world.head("a/v2.zip")).storage == "delta"

    assert await requests_of(world.get("a/v2.zip")) == ["get_object", "get_object"]
    assert await requests_of(world.get("a/v2.zip", span(5, 9))) == ["get_object", "get_object"]

    assert len(await requests_of(world.listed())) == 1 + 4  # what this process has not read yet
    assert await requests_of(world.listed()) == ["list_objects_v2"]
