# SPDX-License-Identifier: GPL-2.0-only
"""The filesystem backend against the contract."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Literal

import pytest

from dgproxy.storage.backend import Backend
from dgproxy.storage.filesystem import FilesystemBackend
from tests.storage.contract import BackendContract


@pytest.fixture(params=["strict", "relaxed"])
def durability(request: pytest.FixtureRequest) -> str:
    return str(request.param)


class TestFilesystem(BackendContract):
    @pytest.fixture
    async def backend(
        self, tmp_path: Path, durability: Literal["strict", "relaxed"]
    ) -> AsyncIterator[Backend]:
        async with FilesystemBackend.open(tmp_path / "data", durability, io_threads=8) as backend:
            yield backend
