# SPDX-License-Identifier: GPL-2.0-only
"""How far ahead a reading is of who takes its windows."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from dgproxy.engine.get import open_object
from dgproxy.engine.manifest import WINDOW
from dgproxy.storage.backend import BlobReader
from tests.engine.material import noise, version
from tests.engine.world import World, all_of

WINDOWS = 6


class Noting:
    """A blob that notes where it was read."""

    def __init__(self, blob: BlobReader, places: list[int]) -> None:
        self._blob = blob
        self._places = places
        self.size = blob.size

    async def read(self, offset: int, length: int) -> bytes:
        self._places.append(offset)
        return await self._blob.read(offset, length)


@pytest.fixture
def places(world: World, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The places that blobs were read at."""
    found: list[int] = []
    real = type(world.engine.backend).open_blob

    @asynccontextmanager
    async def open_blob(self: Any, *asked: Any, **more: Any) -> AsyncIterator[Noting]:
        async with real(self, *asked, **more) as blob:
            yield Noting(blob, found)

    monkeypatch.setattr(type(world.engine.backend), "open_blob", open_blob)
    return found


async def settled(places: list[int]) -> int:
    """How many reads there were when nothing more happens."""
    while True:
        before = len(places)
        for _ in range(20):
            await asyncio.sleep(0.01)
        if len(places) == before:
            return before


@pytest.mark.parametrize(("key", "storage"), [("s/x.bin", "direct"), ("s/v2.zip", "delta")])
async def test_two_windows_ahead_and_no_more(world: World, places: list[int], key: str, storage: str) -> None:
    await world.put("s/v1.zip", version(WINDOWS * WINDOW, 1))
    data = version(WINDOWS * WINDOW, 2) if storage == "delta" else noise(WINDOWS * WINDOW, 3)
    assert (await world.put(key, data)).storage == storage
    places.clear()
    async with open_object(world.engine, world.bucket, key, all_of) as reading:
        chunks, found = aiter(reading), []
        windows = -(-len(data) // WINDOW)
        for taken in range(1, windows + 1):
            found.append(bytes(await anext(chunks)))
            assert await settled(places) == min(taken + 2, windows)
    assert b"".join(found) == data
    assert places == sorted(places)
