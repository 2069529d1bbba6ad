# SPDX-License-Identifier: GPL-2.0-only
"""The engine over each backend that is chosen."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from dgproxy.storage.backend import Backend

pytest.register_assert_rewrite("tests.engine.world")

from tests.engine.world import World, world_over  # noqa: E402


@pytest.fixture
async def world(backend: Backend) -> AsyncIterator[World]:
    """An engine; what runs on after its test, or still holds memory, is the test's failure."""
    async with world_over(backend) as world:
        yield world
        others = asyncio.all_tasks() - {asyncio.current_task()}
        assert not others, "a task outlived its operation"
        assert world.engine.budget.free == world.leasable


@pytest.fixture
def hinting(backend: Backend) -> None:
    """For what is only where a second upload of the same bytes is found by a hint."""
    if not backend.capabilities.digest_hints:
        pytest.skip("this backend keeps no digest hints")
