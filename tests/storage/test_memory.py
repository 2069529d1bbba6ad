# SPDX-License-Identifier: GPL-2.0-only
"""The memory backend against the contract."""

import pytest

from dgproxy.storage.backend import Backend
from dgproxy.storage.memory import MemoryBackend
from tests.storage.contract import BackendContract


class TestMemory(BackendContract):
    @pytest.fixture
    def backend(self) -> Backend:
        return MemoryBackend()
