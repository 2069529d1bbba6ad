# SPDX-License-Identifier: GPL-2.0-only
"""An engine to import into and export from, and stores to import from."""

import itertools
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config

from dgproxy.engine.get import open_object
from dgproxy.engine.manifest import Manifest
from dgproxy.migration.importing import Options, import_objects
from dgproxy.migration.moved import Moved
from dgproxy.migration.places import Place
from dgproxy.migration.reading import Opening
from dgproxy.migration.rebuild import Rebuilder
from dgproxy.storage.cache import FileCache
from dgproxy.storage.memory import MemoryBackend
from dgproxy.storage.s3 import Store
from tests.engine.world import BUCKET, World, world_over
from tests.storage import stores

_numbers = itertools.count()


@dataclass
class Gateway:
    """What is imported into, and what is in it."""

    world: World
    directory: Path

    async def take(self, place: Place, *, plain: bool = False, run: bool = True, **more: Any) -> list[Moved]:
        """Import from a place: what became of everything, by key."""
        moved: list[Moved] = []
        engine = self.world.engine
        async with FileCache.open(self.directory / f"references{next(_numbers)}", 1 << 20) as cache:
            opening = Opening(place, Rebuilder(place, cache, self.directory, engine.workers), plain)
            await import_objects(engine, BUCKET, opening, Options(really=run, **more), moved.append)
        assert self.world.engine.budget.free == self.world.leasable
        return sorted(moved, key=lambda each: each.key)

    async def object(self, key: str) -> tuple[bytes, Manifest]:
        opened = open_object(self.world.engine, BUCKET, key, lambda manifest: (0, manifest.size))
        async with opened as reading, aclosing(reading.__aiter__()) as chunks:  # type: ignore[type-var]
            return b"".join([bytes(chunk) async for chunk in chunks]), reading.manifest

    async def keys(self) -> list[str]:
        page = await self.world.engine.backend.list_records(BUCKET, "objects/", limit=1000)
        return [item.key.removeprefix("objects/") for item in page.items]  # type: ignore[union-attr]


@pytest.fixture
async def gateway(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Gateway]:
    backend = MemoryBackend()
    await backend.create_bucket(BUCKET)
    directory = tmp_path_factory.mktemp("temporary")
    async with world_over(backend) as world:
        yield Gateway(world, directory)


@pytest.fixture(scope="session")
def moto(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    with stores.moto(tmp_path_factory.mktemp("moto")) as store:
        yield store


@pytest.fixture
def s3(moto: Store) -> Iterator[Any]:
    client = boto3.client(
        "s3",
        endpoint_url=moto.endpoint,
        region_name="us-east-1",
        aws_access_key_id=moto.access_key_id,
        aws_secret_access_key=moto.secret_access_key,
        config=Config(s3={"addressing_style": "path"}),
    )
    yield client
    client.close()


@pytest.fixture
def bucket(s3: Any) -> str:
    name = f"source-{next(_numbers)}"
    s3.create_bucket(Bucket=name)
    return name


@pytest.fixture
def outcomes() -> Callable[[list[Moved]], dict[str, str]]:
    return lambda moved: {each.key: each.outcome for each in moved}
