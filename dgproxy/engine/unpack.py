# SPDX-License-Identifier: GPL-2.0-only
"""References on their way into the cache directory, where they can be mapped.

One with codec `raw` gets there as it is, from a backend whose blobs are not files. One with codec `zstd` is a
run of frames of one window each. They are opened one by one on the worker threads, in memory of three
windows, however small a frame is and however large what it claims. Whether the bytes are the right ones is
checked by the cache, against the reference's SHA-256.
"""

import asyncio
from typing import Final

from dgproxy.codec import frames
from dgproxy.codec.delta import CodecError
from dgproxy.codec.workers import Workers
from dgproxy.engine.manifest import WINDOW, Reference
from dgproxy.storage.backend import Backend, Damaged
from dgproxy.storage.cache import Append, Fill

#: At least what a frame of a window has, incompressible or not (zstd's ZSTD_compressBound of 4 MiB is 16 KiB
#: more than that).
_FRAME_MAX: Final = WINDOW + (64 << 10)

#: References unpacked at once by a process; what they hold is not leased, because a request that waits for
#: one holds its own share already, and would wait for itself.
_AT_ONCE: Final = 2


class Unpacker:
    """What fills the cache with the references of one backend."""

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


def _first(data: memoryview, blob: str) -> tuple[bytes, int]:
    """What the first frame of `data` holds, and its length."""
    try:
        frame = next(frames.split(data), None)
        if frame is None:
            raise Damaged(f"{blob}: no zstd frame where a window should begin")
        return frames.content(frame, WINDOW), len(frame)
    except CodecError as error:
        raise Damaged(f"{blob}: {error}") from error
