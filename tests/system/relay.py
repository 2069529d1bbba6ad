# SPDX-License-Identifier: GPL-2.0-only
"""Between the server and its object store: a relay that strikes at an exact moment of an exact request.

It passes bytes in both directions and reads just enough of HTTP/1.1 to know where requests and answers begin.
A `Strike` counts to a request and names a moment in it: before the store hears of it, half way through its
body, when the store has done it and nobody has been told, half way through the answer. What happens then is
anybody's choice: the connection is cut, or stays open and nothing comes; and before that the store may have
been killed or frozen. A `Lie` changes bytes of answers on their way, which the store would say were right.

No S3 and no test logic in here.
"""

import asyncio
import re
import socket
import struct
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal, Self

Moment = Literal["head", "body", "answer", "stream"]
MOMENTS: Final[tuple[Moment, ...]] = ("head", "body", "answer", "stream")

_LENGTH: Final = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_PIECE: Final = 1 << 16


def _nothing() -> None:
    pass


@dataclass
class Strike:
    """Cut request number `number` (from 0) at this moment, and as many of those behind it, `times` in all.

    `only` is found in what is counted, as "<method> <target>". `action` is called at the first, before it is
    cut, in the relay's thread, which stands still for as long as that takes. What is struck with `silence` is
    not cut: nothing comes any more, until who asks hangs up.
    """

    number: int
    moment: Moment
    times: int = 1
    action: Callable[[], None] = _nothing
    only: str = ""
    silence: bool = False
    hits: int = 0
    _seen: int = 0

    def counts(self, request: str) -> int | None:
        """The number of a request that begins; None if it is none of those."""
        if not re.search(self.only, request):
            return None
        self._seen += 1
        return self._seen - 1

    def meets(self, number: int | None, moment: Moment) -> bool:
        """Whether a request is to be cut now."""
        if moment != self.moment or number is None or number < self.number or self.hits >= self.times:
            return False
        self.hits += 1
        if self.hits == 1:
            self.action()
        return True


@dataclass
class Lie:
    """Answers to a GET of a target that ends in `ending` have this bit of this byte of the body changed."""

    ending: str
    offset: int
    bit: int
    hits: int = 0


class Cut(Exception):
    """A strike met this connection."""


class Silenced(Exception):
    """A strike met this connection, which stays open."""


class Relay:
    """Passes connections to a port on to another one, for a `with` block."""

    def __init__(self, target: int):
        self._target = target
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="relay", daemon=True)
        self._connections: set[asyncio.Task[None]] = set()
        self.port = 0
        self.strike: Strike | None = None
        self.lie: Lie | None = None

    @property
    def connections(self) -> int:
        """How many are open."""
        return len(self._connections)

    def __enter__(self) -> Self:
        self._thread.start()
        self._run(self._open())
        return self

    def __exit__(self, *_: object) -> None:
        self._run(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def cut_all(self) -> None:
        """Reset every connection."""

        async def cut() -> None:
            await _ended(self._connections)

        self._run(cut())

    # -- within, in the loop's thread ----------------------------------------------------------------------

    def _run(self, work: "asyncio.Future[None] | object") -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(60)  # type: ignore[arg-type]

    async def _open(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]

    async def _close(self) -> None:
        self._server.close()
        await _ended(self._connections)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._connections.add(task)
        try:
            try:
                await self._pass(reader, writer)
            except Silenced:
                while await reader.read(_PIECE):
                    pass
        except (OSError, EOFError, Cut, asyncio.CancelledError):
            pass
        finally:
            _reset(writer)
            self._connections.discard(task)

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        from_store, to_store = await asyncio.open_connection("127.0.0.1", self._target)
        conversation = _Conversation(self, reader, writer, from_store, to_store)
        both = [asyncio.create_task(conversation.requests()), asyncio.create_task(conversation.answers())]
        try:
            done, _ = await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
            for each in done:
                each.result()
        finally:
            await _ended(both)
            _reset(to_store)


class _Conversation:
    """One connection: requests one after the other, each with its answer."""

    def __init__(
        self,
        relay: Relay,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        from_store: asyncio.StreamReader,
        to_store: asyncio.StreamWriter,
    ):
        self._relay = relay
        self._reader, self._writer = reader, writer
        self._from_store, self._to_store = from_store, to_store
        self._method = self._target = ""
        #: What the strike calls the request under way.
        self._number: int | None = None

    async def requests(self) -> None:
        while True:
            head = await self._reader.readuntil(b"\r\n\r\n")
            self._method, self._target = head.split(b" ", 2)[0].decode(), head.split(b" ", 2)[1].decode()
            strike = self._relay.strike
            self._number = None if strike is None else strike.counts(f"{self._method} {self._target}")
            self._perhaps("head")
            length = _content_length(head)
            self._to_store.write(head)
            left = length
            while left:
                piece = await self._reader.read(min(left, _PIECE))
                if not piece:
                    raise EOFError
                left -= len(piece)
                self._to_store.write(piece)
                await self._to_store.drain()
                if left <= length // 2:
                    self._perhaps("body")

    async def answers(self) -> None:
        while True:
            head = await self._from_store.readuntil(b"\r\n\r\n")
            if not head.startswith(b"HTTP/1.1 1"):
                self._perhaps("answer")
                await self._answer(head)
            else:
                self._writer.write(head)

    async def _answer(self, head: bytes) -> None:
        self._writer.write(head)
        if self._method == "HEAD" or head.startswith((b"HTTP/1.1 204", b"HTTP/1.1 304")):
            return
        if b"chunked" in head.lower():
            await self._chunks()
            return
        length = left = _content_length(head)
        while left:
            piece = await self._from_store.read(min(left, _PIECE))
            if not piece:
                raise EOFError
            self._writer.write(self._told(piece, length - left))
            await self._writer.drain()
            left -= len(piece)
            if left <= length // 2:
                self._perhaps("stream")

    async def _chunks(self) -> None:
        while True:
            line = await self._from_store.readuntil(b"\r\n")
            size = int(line.split(b";")[0], 16)
            self._writer.write(line + await self._from_store.readexactly(size + 2))
            await self._writer.drain()
            if not size:
                return
            self._perhaps("stream")

    def _told(self, piece: bytes, at: int) -> bytes:
        lie = self._relay.lie
        if lie is None or self._method != "GET" or not self._target.split("?")[0].endswith(lie.ending):
            return piece
        if not at <= lie.offset < at + len(piece):
            return piece
        lie.hits += 1
        changed = bytearray(piece)
        changed[lie.offset - at] ^= 1 << lie.bit
        return bytes(changed)

    def _perhaps(self, moment: Moment) -> None:
        if self._relay.strike is not None and self._relay.strike.meets(self._number, moment):
            raise Silenced if self._relay.strike.silence else Cut


def _content_length(head: bytes) -> int:
    found = _LENGTH.search(head)
    return int(found[1]) if found else 0


def _reset(writer: asyncio.StreamWriter) -> None:
    """Close with RST, as a machine does that is gone."""
    found = writer.get_extra_info("socket")
    if found is not None and found.fileno() >= 0:
        found.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


async def _ended(tasks: "set[asyncio.Task[None]] | list[asyncio.Task[None]]") -> None:
    waiting = list(tasks)
    for task in waiting:
        task.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)
