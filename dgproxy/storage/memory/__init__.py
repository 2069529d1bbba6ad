# SPDX-License-Identifier: GPL-2.0-only
"""A backend in one process's memory. Start with `backend`."""

from dgproxy.storage.memory.backend import MemoryBackend

__all__ = ["MemoryBackend"]
