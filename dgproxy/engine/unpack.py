# SPDX-License-Identifier: GPL-2.0-only
"""References as bytes: all of one, on their way into the cache directory, or the few that a window needs.

One with codec `raw` gets there as it is, from a backend whose blobs are not files. One with codec `zstd` is a
run of frames of one window each. They are opened one by one on the worker threads, in memory of three
windows, however small a frame is and however large what it claims. Whether the bytes are the right ones is
checked by the cache, against the reference's SHA-256; of a few nobody can tell, and their user has to.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from functools import partial
from typing import Final

from dgproxy.codec import frames
from dgproxy.codec.delta import CodecError
from dgproxy.codec.workers import Workers
from dgproxy.engine.manifest import WINDOW, Reference
from dgproxy.storage.backend import Backend, BlobReader, Damaged
from dgproxy.storage.cache import Append, Fill

#: At least what a frame of a window has, incompressible or not (zstd's ZSTD_compressBound of 4 MiB is 16 KiB
#: more than that).
_FRAME_MAX: Final = WINDOW + (64 << 10)

#: References unpacked at once by a process; what they hold is not leased, because a request that waits for
#: one holds its own share already, and would wait for itself.
_AT_ONCE: Final = 2


#: Appends the bytes from one offset to another.
Stretch = Callable[[int, int, Append], Awaitable[None]]

#: Memory that takes: a window, beside what it is stored as.
STRETCH_MEMORY: Final = WINDOW

_Opened = Callable[[tuple[int, int]], AbstractAsyncContextManager[BlobReader]]


class Unpacker:
    """What reads the references of one backend."""

    def __init__(self, backend: Backend, workers: Workers) -> None:
        self._backend = backend
        self._workers = workers
        self._turn = asyncio.Semaphore(_AT_ONCE)

    def fill(self, bucket: str, reference: Reference) -> Fill:
        """Appends the bytes of `reference`. Raises RecordNotFound, Damaged and the storage layer's errors."""

        async def fetch(append: Append) -> None:
            async with self._turn, self._backend.open_blob(bucket, reference.blob) as blob:
                for start in range(0, blob.size, WINDOW):
                    await append(await blob.read(start, min(WINDOW, blob.size - start)))

        async def fill(append: Append) -> None:
            async with self._turn, self._backend.open_blob(bucket, reference.blob) as blob:
                rest, done = memoryview(b""), 0
                while rest or done < blob.size:
                    if len(rest) < _FRAME_MAX and done < blob.size:
                        piece = await blob.read(done, min(_FRAME_MAX, blob.size - done))
                        rest, done = memoryview(bytes(rest) + piece), done + len(piece)
                    window, used = await self._workers.run(_first, rest, reference.blob)
                    rest = rest[used:]
                    await append(window)

        return fetch if reference.codec == "raw" else fill

    @asynccontextmanager
    async def stretches(self, bucket: str, reference: Reference) -> AsyncIterator[Stretch | None]:
        """What reads a few bytes of `reference` by themselves, for a block; None if their place is unknown.

        Where blobs are files this one is open all the while, and can be read although it is removed; where
        each look at it is a request, there is one when it is needed. That, and reading, raises
        RecordNotFound, Damaged and the storage layer's errors.
        """
        opened = partial(self._backend.open_blob, bucket, reference.blob)
        if reference.codec != "raw" and len(reference.windows) != -(-reference.length // WINDOW):
            yield None
        elif self._backend.capabilities.maps_blobs:
            async with opened(span=(0, 0)) as blob:
                yield partial(self._stretch, reference, lambda _: nullcontext(blob))
        else:
            yield partial(self._stretch, reference, lambda span: opened(span=span))

    async def _stretch(
        self, reference: Reference, opened: _Opened, begin: int, end: int, append: Append
    ) -> None:
        if reference.codec == "raw":
            async with opened((begin, end)) as blob:
                for at in range(begin, end, WINDOW):
                    await append(await blob.read(at, min(WINDOW, end - at)))
            return
        first, last = begin // WINDOW, -(-end // WINDOW)
        at = sum(reference.windows[:first])
        async with opened((at, at + sum(reference.windows[first:last]))) as blob:
            for number, stored in enumerate(reference.windows[first:last], first):
                frame = await blob.read(at, stored)
                window, _ = await self._workers.run(_first, memoryview(frame), reference.blob)
                start = number * WINDOW
                await append(memoryview(window)[max(begin - start, 0) : end - start])
                at += stored


def _first(data: memoryview, blob: str) -> tuple[bytes, int]:
    """What the first frame of `data` holds, and its length."""
    try:
        frame = next(frames.split(data), None)
        if frame is None:
            raise Damaged(f"{blob}: no zstd frame where a window should begin")
        return frames.content(frame, WINDOW), len(frame)
    except CodecError as error:
        raise Damaged(f"{blob}: {error}") from error
