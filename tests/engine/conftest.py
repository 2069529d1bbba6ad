# SPDX-License-Identifier: GPL-2.0-only
"""The engine over every backend that has no server behind it."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from dgproxy.storage.backend import Backend
from dgproxy.storage.filesystem import FilesystemBackend
from dgproxy.storage.memory import MemoryBackend

pytest.register_assert_rewrite("tests.engine.world")

from tests.engine.world import BUCKET, World, world_over  # noqa: E402


@pytest.fixture(params=["memory", "filesystem"])
async def backend(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Backend]:
    """With the bucket made."""
    if request.param == "memory":
        memory = MemoryBackend()
        await memory.create_bucket(BUCKET)
        yield memory
        return
    # What survives a power cut is the filesystem backend's own tests' business: no fsync here.
    async with FilesystemBackend.open(tmp_path / "data", "relaxed", io_threads=4) as files:
        await files.create_bucket(BUCKET)
        yield files


@pytest.fixture
async def world(backend: Backend) -> AsyncIterator[World]:
    """An engine; what runs on after its test, or still holds memory, is the test's failure."""
    async with world_over(backend) as world:
        yield world
        others = asyncio.all_tasks() - {asyncio.current_task()}
        assert not others, "a task outlived its operation"
        assert world.engine.budget.free == world.leasable
