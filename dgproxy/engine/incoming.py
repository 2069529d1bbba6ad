# SPDX-License-Identifier: GPL-2.0-only
"""A body cut into windows: the reading half of `engine.intake`.

Two buffers take turns, so one window can be worked on while the next fills; nothing is held beyond them.
Every window but the last is exactly `WINDOW` bytes, so where the windows lie depends on the bytes alone, not
on how they arrived.
"""

import hashlib
from typing import Final

from dgproxy import timing
from dgproxy.codec.delta import window_room
from dgproxy.engine.body import Body, Digests
from dgproxy.engine.errors import ObjectTooLarge
from dgproxy.engine.manifest import WINDOW

_NOTHING: Final = memoryview(b"")


class Incoming:
    """The windows of one body of at most `limit` bytes, and the running digests over them."""

    def __init__(self, body: Body, limit: int) -> None:
        self._declared = body.size
        self._limit = limit
        self._chunks = aiter(body)
        self._rest = _NOTHING
        # One byte more than a small body needs: a window that does not fill its buffer is the last one.
        capacity = WINDOW if body.size is None else min(WINDOW, body.size + 1)
        self._buffers = [window_room(capacity), window_room(capacity if capacity == WINDOW else 0)]
        self._turn = 0
        self._size = 0
        self._md5 = hashlib.md5(usedforsecurity=False)
        self._sha256 = hashlib.sha256()

    async def window(self) -> memoryview:
        """The next window, empty after the last; valid until the call after the next.

        Raises ObjectTooLarge, and what the body raises.
        """
        buffer = self._buffers[self._turn]
        self._turn ^= 1
        filled = 0
        while filled < len(buffer):
            if not self._rest:
                with timing.stage("receive"):
                    chunk = await anext(self._chunks, None)
                if chunk is None:
                    break
                self._rest = memoryview(chunk)
            taken = min(len(self._rest), len(buffer) - filled)
            buffer[filled : filled + taken] = self._rest[:taken]
            self._rest = self._rest[taken:]
            filled += taken
        self._size += filled
        if self._declared is not None and self._size > self._declared:
            raise ValueError("a body gave more bytes than it declared")
        if self._size > self._limit:
            raise ObjectTooLarge(f"the body is larger than the {self._limit} bytes allowed here")
        return buffer[:filled]

    def close(self) -> None:
        """No more windows: their memory goes back as soon as nobody has one of them any more."""
        self._buffers = [_NOTHING, _NOTHING]
        self._rest = _NOTHING

    def digest(self, window: memoryview) -> None:
        """Take a window into the running digests; call in order, on a worker thread when it is large."""
        self._md5.update(window)
        self._sha256.update(window)

    def digests(self) -> Digests:
        """What the digested windows add up to."""
        return Digests(self._md5.digest(), self._sha256.digest(), self._size)
