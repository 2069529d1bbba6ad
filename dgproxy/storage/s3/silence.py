# SPDX-License-Identifier: GPL-2.0-only
"""A store that says nothing: how long a call is waited for.

A store that hangs keeps its connections open, so only time tells. A call is given up after SILENCE seconds in
which the store neither took a piece of its body nor answered. Perhaps only that connection was dead, so there
may be one more try, of BRIEF seconds. When nobody has heard the store meanwhile, no call that begins in the
next PAUSE seconds has longer than that, nor a second try: who clears up after the call that failed, or asks
what became of it, does not wait all over again, nor does the next client. As soon as a call is answered, all
have their time back.

What a call did that was given up is open; that is for `client` to think of.
"""

import asyncio
import io
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from botocore.exceptions import ReadTimeoutError

#: Seconds. Clients wait for 60 (botocore's default), and would like to be told why.
SILENCE: Final = 30.0
#: A new connection, TLS, and an answer, all the way around the world.
BRIEF: Final = 3.0
PAUSE: Final = 10.0

#: What a call raises that was given up, here or by aiohttp.
_GIVEN_UP: Final = (TimeoutError, ReadTimeoutError)

#: How often it is looked how far a body has come, in a time-out.
_LOOKS: Final = 10


def is_silence(error: BaseException) -> bool:
    """Whether a call failed for having heard nothing."""
    return isinstance(error, _GIVEN_UP)


class Body(io.BytesIO):
    """A body that is sent in pieces, and knows when the last one was taken; threads take them."""

    def __init__(self, data: bytes) -> None:
        super().__init__(data)
        self.moved = time.monotonic()

    def read(self, size: int | None = -1, /) -> bytes:
        """The next piece."""
        self.moved = time.monotonic()
        return super().read(size)


class Silence:
    """What is known of one store's silence."""

    def __init__(self) -> None:
        self._heard = self._brief_until = -1.0

    @property
    def known(self) -> bool:
        """Whether a call that begins now has a brief time, and one try."""
        return time.monotonic() < self._brief_until

    def heard(self) -> None:
        """The store has said something, whatever it was."""
        self._heard, self._brief_until = time.monotonic(), -1.0

    def lasted(self, since: float) -> None:
        """A call that began then was given up, after all of its time."""
        if self._heard < since:
            self._brief_until = time.monotonic() + PAUSE


@asynccontextmanager
async def giving_up(patience: float | None, body: Body | None) -> AsyncIterator[None]:
    """Raises TimeoutError in a block that takes so many seconds after the last piece of a body was taken."""
    loop = asyncio.get_running_loop()
    async with asyncio.timeout(patience) as limit:
        if body is None or patience is None:
            yield
            return
        timer: asyncio.TimerHandle

        def look() -> None:
            nonlocal timer
            if not limit.expired():
                left = body.moved + patience - time.monotonic()
                limit.reschedule(loop.time() + max(left, 0))
                timer = loop.call_later(patience / _LOOKS, look)

        timer = loop.call_later(patience / _LOOKS, look)
        try:
            yield
        finally:
            timer.cancel()
