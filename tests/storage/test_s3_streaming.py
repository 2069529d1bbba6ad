# SPDX-License-Identifier: GPL-2.0-only
"""Bodies of answers that are received past aiohttp: over both event loops, plain and with TLS."""

import asyncio
import random
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Protocol

import aiohttp
import pytest
import trustme
import uvloop
from aiobotocore.response import StreamingBody

from dgproxy.storage.s3.failures import FAILURES
from dgproxy.storage.s3.silence import is_silence
from dgproxy.storage.s3.streaming import Stream, heap_room

DATA = random.Random(6).randbytes(5_000_000)
#: Seconds; longer than a test may take.
EVER = 600.0

LOOPS = {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}


class Server:
    """Answers `/<how>/<size>` with so many bytes of DATA; how many connections it was asked on, and lost."""

    def __init__(self) -> None:
        self.connections = 0
        self.lost = asyncio.Event()
        self.over = asyncio.Event()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while True:
                line = await reader.readuntil(b"\r\n\r\n")
                _, how, size = line.split(b" ")[1].decode().split("/")
                await getattr(self, how)(writer, memoryview(DATA)[: int(size)])
        except (asyncio.IncompleteReadError, OSError):
            self.lost.set()
        finally:
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()

    async def whole(self, writer: asyncio.StreamWriter, data: memoryview) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(data))
        writer.write(data)
        await writer.drain()

    async def chunked(self, writer: asyncio.StreamWriter, data: memoryview) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        for start in range(0, len(data), 70_000):
            piece = data[start : start + 70_000]
            writer.write(b"%x\r\n%b\r\n" % (len(piece), bytes(piece)))
            await writer.drain()
        writer.write(b"0\r\n\r\n")

    async def slow(self, writer: asyncio.StreamWriter, data: memoryview) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(data))
        for byte in data:
            writer.write(bytes([byte]))
            await asyncio.sleep(0.5)

    async def half(self, writer: asyncio.StreamWriter, data: memoryview) -> None:
        await self.still(writer, data, ends=True)

    async def still(self, writer: asyncio.StreamWriter, data: memoryview, *, ends: bool = False) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(data))
        writer.write(data[: len(data) // 2])
        await writer.drain()
        if not ends:
            await self.over.wait()
        raise ConnectionError("that was all")


class Ask(Protocol):
    """Begin an answer; `late` is how many seconds it comes in before it is taken over."""

    def __call__(self, how: str, size: int, late: float = 0) -> Awaitable[Stream]: ...


Test = Callable[[Server, Ask], Awaitable[None]]


@asynccontextmanager
async def asking(secured: bool, patience: float) -> AsyncIterator[tuple[Server, Ask]]:
    """A server, and a client of one connection at a time that begins an answer of it."""
    here = there = None
    if secured:
        authority = trustme.CA()
        there = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        authority.issue_cert("127.0.0.1").configure_cert(there)
        here = ssl.create_default_context()
        authority.configure_trust(here)
    server = Server()
    listening = await asyncio.start_server(server.serve, "127.0.0.1", 0, ssl=there)
    url = f"http{'s' if secured else ''}://127.0.0.1:{listening.sockets[0].getsockname()[1]}"
    connector = aiohttp.TCPConnector(limit=1, ssl=here or True)
    timeout = aiohttp.ClientTimeout(sock_read=patience)
    async with listening, aiohttp.ClientSession(connector=connector, timeout=timeout) as session:

        async def ask(how: str, size: int, late: float = 0) -> Stream:
            answer = await session.get(f"{url}/{how}/{size}")
            await asyncio.sleep(late)
            return Stream(StreamingBody(answer, str(size)), size, heap_room)

        try:
            yield server, ask
        finally:
            server.over.set()
            listening.close()


@pytest.fixture(params=[(loop, secured) for loop in LOOPS for secured in (False, True)], ids=str)
def run(request: pytest.FixtureRequest) -> Callable[..., None]:
    loop, secured = request.param

    def run(test: Test, patience: float = EVER) -> None:
        async def main() -> None:
            async with asyncio.timeout(60), asking(secured, patience) as (server, ask):
                await test(server, ask)

        with asyncio.Runner(loop_factory=LOOPS[loop]) as runner:
            runner.run(main())

    return run


Run = Callable[..., None]


def test_one_answer_after_the_other_on_one_connection(run: Run) -> None:
    """However large it is, in whatever pieces it is read, however much of it was here before."""

    async def test(server: Server, ask: Ask) -> None:
        chance = random.Random(1)
        for size in (1, 1000, 70_000, 300_000, 1 << 20, len(DATA)):
            for late in (0, 0.1):  # then aiohttp has stopped, perhaps in the middle of what it was given
                stream = await ask("whole", size, late)
                pieces, left = [], size
                while left:
                    pieces.append(await stream.read(min(left, chance.choice((1, 4096, 300_000, 1 << 22)))))
                    left -= len(pieces[-1])
                stream.close()
                assert b"".join(pieces) == DATA[:size]
        assert server.connections == 1

    run(test)


def test_an_answer_of_unknown_length_is_read_from_aiohttp(run: Run) -> None:
    async def test(server: Server, ask: Ask) -> None:
        for _ in range(2):
            stream = await ask("chunked", 1_000_000)
            assert await stream.read(400_000) == DATA[:400_000]
            assert await stream.read(600_000) == DATA[400_000:1_000_000]
            stream.close()

    run(test)


def test_an_answer_that_is_left_ends_its_connection(run: Run) -> None:
    """Until then nothing is received that nobody reads."""

    async def test(server: Server, ask: Ask) -> None:
        stream = await ask("whole", len(DATA))
        assert await stream.read(1_000_000) == DATA[:1_000_000]
        assert stream._receiver is not None
        assert not stream._receiver._transport.is_reading()
        stream.close()
        await server.lost.wait()
        stream = await ask("whole", 1000)
        assert await stream.read(1000) == DATA[:1000]
        stream.close()
        assert server.connections == 2

    run(test)


def test_who_reads_may_be_cancelled(run: Run) -> None:
    async def test(server: Server, ask: Ask) -> None:
        stream = await ask("still", 1_000_000)
        reading = asyncio.create_task(stream.read(1_000_000))
        await asyncio.sleep(0.05)
        reading.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reading
        stream.close()
        stream = await ask("whole", 1000)
        assert await stream.read(1000) == DATA[:1000]
        stream.close()

    run(test)


def test_more_than_there_is(run: Run) -> None:
    async def test(server: Server, ask: Ask) -> None:
        stream = await ask("whole", 1_000_000)
        with pytest.raises(ConnectionError, match="ends 1 bytes early"):
            await stream.read(1_000_001)
        stream.close()

    run(test)


@pytest.mark.parametrize("first", [1000, 1_000_000])
def test_an_answer_that_breaks_off(run: Run, first: int) -> None:
    async def test(server: Server, ask: Ask) -> None:
        stream = await ask("half", 1_000_000)
        with pytest.raises(FAILURES) as raised:  # noqa: PT012 - in whichever read it shows
            await stream.read(first)
            await stream.read(499_000)
            await stream.read(500_000)
        assert not is_silence(raised.value)
        stream.close()
        stream = await ask("whole", 1000)
        assert await stream.read(1000) == DATA[:1000]
        stream.close()

    run(test)


def test_an_answer_that_stops(run: Run) -> None:
    async def test(server: Server, ask: Ask) -> None:
        stream = await ask("still", 1_000_000)
        assert await stream.read(500_000) == DATA[:500_000]
        with pytest.raises(FAILURES) as raised:
            await stream.read(1)
        assert is_silence(raised.value)
        stream.close()

    run(test, patience=0.3)


async def test_slow_is_not_silent() -> None:
    """A read that takes longer than is waited for a byte."""
    async with asking(secured=False, patience=4) as (_, ask):
        stream = await ask("slow", 10)
        assert await stream.read(10) == DATA[:10]
        stream.close()
