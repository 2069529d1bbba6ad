# SPDX-License-Identifier: GPL-2.0-only
"""The body of an answer, received where it is wanted.

aiohttp copies what arrives into a piece, out of that for its parser, and together for who reads: as much work
as all the rest of a GET but its SHA-256. So its connection is taken over once the head of an answer is there.
The rest of the body, whose length the head says, is received into memory of the reader's, and behind its last
byte aiohttp has the connection back, for the next call.

Where that memory comes from is said by who opens the backend (`Room`).

Promises exactly the bytes that are asked for, in order, or one of `failures.FAILURES`; then a stream can only
be closed. Nothing is received between two reads, so what nobody reads waits at the store's end. A body whose
length the head does not say, and what is here already, is read from aiohttp.

Which bytes are asked for, and what to do about a stream that broke, is not decided here.
"""

import asyncio
from collections.abc import Callable
from typing import Any, Final

#: Gives so many writable bytes, of which anything may be in them.
Room = Callable[[int], memoryview]

_NOWHERE: Final = memoryview(b"")


def heap_room(size: int) -> memoryview:
    """A `Room` of any size, new each time."""
    return memoryview(bytearray(size))


class Stream:
    """The body, of `length` bytes, of an answer of aiobotocore's. `close` it, whatever became of it."""

    def __init__(self, body: Any, length: int, room: Room) -> None:
        self._body = body
        self._room = room
        self._left = length
        self._early = _NOWHERE
        self._receiver: _Receiver | None = None
        if "Transfer-Encoding" not in body.headers and body.content.exception() is None:
            self._take_over()

    async def read(self, length: int) -> memoryview:
        """The next bytes, exactly so many."""
        if length > self._left:
            raise ConnectionError(f"the answer ends {length - self._left} bytes early")
        data = self._room(length)
        done = min(length, len(self._early))
        data[:done], self._early = self._early[:done], self._early[done:]
        if done < length and self._receiver is not None:
            await self._receiver.fill(data[done:])
            done = length
        while done < length:
            piece = await self._body.read(length - done)
            if not piece:
                raise ConnectionError(f"the answer ended {length - done} bytes early")
            data[done : done + len(piece)] = piece
            done += len(piece)
        self._left -= length
        if not self._left and self._receiver is not None:
            self._give_back(self._receiver)
            self._body.content.feed_eof()  # for aiohttp the answer is read, and the connection free
        return data

    def close(self) -> None:
        """Let go of the connection; it ends where something is left to read."""
        if self._receiver is not None:
            self._give_back(self._receiver)
        self._body.close()

    def _take_over(self) -> None:
        """Take what is here, and the connection if there is more to come."""
        content = self._body.content
        # Until there is none: when much waits to be read aiohttp's parser keeps back what came behind that.
        self._early = memoryview(b"".join(iter(content.read_nowait, b"")))
        connection = self._body.connection  # None when all is here
        if connection is not None and connection.transport is not None:
            self._receiver = _Receiver(connection.protocol, connection.transport)

    def _give_back(self, receiver: "_Receiver") -> None:
        receiver.give_back()
        self._receiver = None


class _Receiver(asyncio.BufferedProtocol):
    """Stands in for aiohttp's protocol of a connection, until `give_back`."""

    def __init__(self, protocol: Any, transport: Any) -> None:
        self._protocol = protocol
        self._transport = transport
        self._patience: float | None = protocol.read_timeout
        self._limit = asyncio.timeout(None)
        self._room = _NOWHERE
        self._full: asyncio.Future[None] | None = None
        self._lost: ConnectionError | None = None
        protocol.pause_reading()  # which stops its clock, too
        transport.set_protocol(self)

    def give_back(self) -> None:
        """Let aiohttp have the connection, paused as it was."""
        if not self._transport.is_closing():
            self._transport.pause_reading()
        self._transport.set_protocol(self._protocol)

    async def fill(self, room: memoryview) -> None:
        """Receive as many bytes as there is room for, of which each may be as late as aiohttp would have it.

        Raises ConnectionError, TimeoutError.
        """
        if self._lost is not None:
            raise self._lost
        if self._transport.is_closing():
            raise ConnectionError("the connection is being closed")
        self._room = room
        self._full = asyncio.get_running_loop().create_future()
        self._transport.resume_reading()
        try:
            async with asyncio.timeout(self._patience) as self._limit:
                await self._full
        finally:
            self._room = _NOWHERE

    def get_buffer(self, sizehint: int) -> memoryview:
        """Where the next bytes belong: nowhere, which breaks the connection, when nobody asked for any."""
        return self._room

    def buffer_updated(self, nbytes: int) -> None:
        """There they are."""
        self._room = self._room[nbytes:]
        if not self._room:
            self._transport.pause_reading()
            if self._full is not None and not self._full.done():
                self._full.set_result(None)
        elif self._patience is not None and not self._limit.expired():
            self._limit.reschedule(asyncio.get_running_loop().time() + self._patience)

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection ended before the answer did."""
        self._lost = ConnectionError(f"the answer broke off: {exc or 'the store closed the connection'}")
        self._lost.__cause__ = exc
        if self._full is not None and not self._full.done():
            self._full.set_exception(self._lost)
        self._protocol.connection_lost(exc)
