# SPDX-License-Identifier: GPL-2.0-only
"""Stretches of an object in memory, read and checked as GET does it, for work that takes a window at a time.

Everything is open for that long only. Who wants many windows in a row, fast, wants `engine.get` itself.
"""

from contextlib import AsyncExitStack

from dgproxy.engine.context import Engine
from dgproxy.engine.get import open_manifest
from dgproxy.engine.manifest import WINDOW, Manifest


async def span(engine: Engine, bucket: str, manifest: Manifest, start: int, stop: int) -> bytes:
    """Bytes `start` to `stop`. Raises RecordNotFound when a blob is gone, ObjectDamaged, Overloaded."""
    async with AsyncExitStack() as stack:
        reading = await open_manifest(engine, stack, bucket, manifest, start, stop)
        return b"".join([bytes(data) async for data in reading])


def windows_of(size: int) -> list[tuple[int, int]]:
    """Where the stretches of a window each begin and end, in bytes of that `size`."""
    return [(start, min(start + WINDOW, size)) for start in range(0, size, WINDOW)]
