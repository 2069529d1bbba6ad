# SPDX-License-Identifier: GPL-2.0-only
"""What the S3 backend takes of memory and connections, however much is asked of it."""

import asyncio
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from dgproxy.engine import buckets, policy
from dgproxy.storage.backend import BlobWriter
from dgproxy.storage.s3 import Store
from dgproxy.storage.s3.blobs import PART
from dgproxy.storage.s3.client import Client
from tests.backends import BUCKET, over_store
from tests.engine.world import MIB, Sent, world_over


async def test_a_writer_holds_no_more_than_it_says(
    moto: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Parts are stuck on their way: the writer waits before it takes more than there may be."""
    let_go, stuck = asyncio.Event(), 0
    real = Client.start

    async def start(self: Client, operation: str, **arguments: Any) -> Any:
        nonlocal stuck
        if operation == "upload_part":
            stuck += len(arguments["Body"])
            await let_go.wait()
        return await real(self, operation, **arguments)

    monkeypatch.setattr(Client, "start", start)
    piece, taken = bytes(1 << 20), 0

    async def write(blob: BlobWriter) -> None:
        nonlocal taken
        for _ in range(60):
            await blob.append(piece)
            taken += len(piece)

    async with over_store(moto, tmp_path) as backend:
        await backend.create_bucket(BUCKET)
        async with backend.stage_blob(BUCKET, "deltaspaces/stuck.bin") as blob:
            writing = asyncio.ensure_future(write(blob))
            async with asyncio.timeout(60):
                while stuck < 2 * PART:  # noqa: ASYNC110 - the store is no event
                    await asyncio.sleep(0.01)
            for _ in range(100):
                await asyncio.sleep(0)
            assert taken <= backend.capabilities.write_memory
            let_go.set()
            await writing
            await blob.publish()
        async with backend.open_blob(BUCKET, "deltaspaces/stuck.bin") as read:
            assert read.size == taken == 60 << 20


async def test_more_open_blobs_than_connections(moto: Store, tmp_path: Path) -> None:
    """Forty readers of four blobs each: half of the connections are streams, the others serve the rest."""
    async with over_store(moto, tmp_path) as backend:
        await backend.create_bucket(BUCKET)
        keys = [f"deltaspaces/{number}.bin" for number in range(4)]
        for key in keys:
            async with backend.stage_blob(BUCKET, key) as blob:
                await blob.append(key.encode() * 1000)
                await blob.publish()

        async def read_all() -> None:
            async with AsyncExitStack() as stack:
                blobs = [await stack.enter_async_context(backend.open_blob(BUCKET, key)) for key in keys]
                for key, each in zip(keys, blobs, strict=True):
                    pieces = await each.read(0, 10), await each.read(10, each.size - 10)
                    assert b"".join(pieces) == key.encode() * 1000

        async with asyncio.timeout(100):
            await asyncio.gather(*(read_all() for _ in range(40)))


async def test_a_body_leases_what_its_blob_holds(moto: Store, tmp_path: Path) -> None:
    """The parts in memory come out of the budget, too: one that has no room for them serves one at a time."""
    size = 20 * MIB
    need = policy.memory_to_store(size, 3 * PART)
    async with over_store(moto, tmp_path) as backend, world_over(backend, transfer_memory=need) as world:
        await buckets.create_bucket(world.engine, BUCKET)
        free: list[int] = []

        class Watched(Sent):
            async def __aiter__(self) -> Any:
                async for piece in super().__aiter__():
                    free.append(world.engine.budget.free)
                    yield piece

        bodies = [bytes([number]) * size for number in range(3)]
        await asyncio.gather(*(world.put(f"a/{n}.bin", Watched(body)) for n, body in enumerate(bodies)))
        assert set(free) == {0}
        assert world.engine.budget.free == need == 3 * 4 * MIB + size
