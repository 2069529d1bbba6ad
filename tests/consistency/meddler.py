# SPDX-License-Identifier: GPL-2.0-only
"""The proxy between ours and the store: it refuses, delays, cuts connections, and on request lies.

Each request is read whole, then its fate is thrown: answered SlowDown or InternalError without being passed
on, passed on and its answer lost (the connection is cut, or the answer is another), cut before, delayed, or
simply passed on. A request that was read is passed on although its sender may be dead: so do networks.

A *plant* is a bug put into the store from outside, one that our proxies can't know of; a checker that does
not find it is no checker. `PUT /-/rates` sets both, `GET /-/counts` tells what was done.

`python -m tests.consistency.meddler PORT UPSTREAM_PORT SEED`; credentials for re-signing come with the rates.
"""

import asyncio
import hashlib
import http.client
import json
import random
import re
import sys
import urllib.parse
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass, field
from typing import Final

from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

#: Bytes of a head; a request's body is a part of 8 MiB at most.
_HEAD: Final = 1 << 16


@dataclass(frozen=True)
class Rates:
    """Shares of the requests with each fate; `longest` delay in seconds. All zero: it only passes on."""

    slow_down: float = 0.0
    error: float = 0.0
    cut_before: float = 0.0
    cut_after: float = 0.0
    error_after: float = 0.0
    delay: float = 0.0
    longest: float = 0.0
    #: A planted bug's name, how often it strikes, and what to sign changed requests with.
    plant: str = ""
    plant_rate: float = 0.0
    credentials: tuple[str, str] = ("", "")


#: What a run is subjected to.
ROUGH: Final = Rates(0.004, 0.002, 0.003, 0.003, 0.002, 0.02, 1.5)


@dataclass
class Message:
    """A request or an answer: the first line, headers as they came, the body without its framing."""

    first: str
    headers: list[tuple[str, str]]
    body: bytes = b""

    def get(self, name: str) -> str | None:
        return next((value for key, value in self.headers if key.lower() == name), None)

    def without(self, *names: str) -> list[tuple[str, str]]:
        return [(key, value) for key, value in self.headers if key.lower() not in names]

    def unframed(self) -> bytes:
        """The bytes of the body without the frames of chunks (RFC 9112, 7.1)."""
        if (self.get("transfer-encoding") or "").lower() != "chunked":
            return self.body
        found, rest = b"", self.body
        while rest:
            size, _, rest = rest.partition(b"\r\n")
            length = int(size.split(b";")[0], 16)
            found, rest = found + rest[:length], rest[length + 2 :]
        return found

    def encoded(self) -> bytes:
        lines = [self.first, *(f"{key}: {value}" for key, value in self.headers), "", ""]
        return "\r\n".join(lines).encode("latin-1") + self.body

    @property
    def method(self) -> str:
        return self.first.split(" ")[0]

    @property
    def path(self) -> str:
        return self.first.split(" ")[1]

    @property
    def status(self) -> int:
        return int(self.first.split(" ")[1])


async def read_head(reader: asyncio.StreamReader) -> Message | None:
    """None at the end of the connection."""
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError:
        return None
    first, *lines = head.decode("latin-1")[:-4].split("\r\n")
    pairs = (line.partition(":") for line in lines)
    return Message(first, [(name, value.strip()) for name, _, value in pairs])


async def read_body(reader: asyncio.StreamReader, message: Message) -> bytes:
    """The bytes as they are framed, so that they can be sent on."""
    if (message.get("transfer-encoding") or "").lower() == "chunked":
        framed = b""
        while True:
            line = await reader.readuntil(b"\r\n")
            size = int(line.split(b";")[0], 16)
            framed += line + await reader.readexactly(size + 2)
            if not size:
                return framed
    return await reader.readexactly(int(message.get("content-length") or 0))


def said(status: int, code: str) -> Message:
    """An answer that is no success, as a store gives it."""
    body = f"<Error><Code>{code}</Code><Message>injected</Message></Error>".encode()
    headers = [("Content-Type", "application/xml"), ("Content-Length", str(len(body)))]
    return Message(f"HTTP/1.1 {status} {http.client.responses[status]}", headers, body)


class Store:
    """One connection to the store behind one of our proxies' connections."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def ask(self, request: Message) -> Message:
        """Its answer, read whole. Raises OSError, EOFError."""
        if self._streams is None:
            self._streams = await asyncio.open_connection("127.0.0.1", self._port, limit=_HEAD)
        reader, writer = self._streams
        writer.write(request.encoded())
        await writer.drain()
        answer = await read_head(reader)
        while answer is not None and answer.status == 100:
            answer = await read_head(reader)
        if answer is None:
            raise EOFError("the store closed the connection")
        if request.method != "HEAD" and answer.status not in (204, 304):
            answer.body = await read_body(reader, answer)
        return answer

    def close(self) -> None:
        if self._streams is not None:
            self._streams[1].close()


Ask = Callable[[Message], Awaitable[Message]]


@dataclass
class Meddler:
    """All connections of one run."""

    upstream: int
    dice: random.Random
    rates: Rates = Rates()
    counts: Counter[str] = field(default_factory=Counter)
    #: Earlier answers by request line, for plants that know the past only.
    past: dict[str, list[Message]] = field(default_factory=dict)
    late: set[asyncio.Task[None]] = field(default_factory=set)

    async def connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection until it ends, or is to be cut."""
        store = Store(self.upstream)
        try:
            while (request := await read_head(reader)) is not None:
                if request.get("expect"):
                    writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
                    request.headers = request.without("expect")  # nobody signs it
                request.body = await read_body(reader, request)
                answer = self._control(request) or await self._fate(request, store)
                if answer is None:
                    break
                writer.write(answer.encoded())
                await writer.drain()
        except (OSError, EOFError):
            self.counts["broken"] += 1
        finally:
            store.close()
            writer.close()

    def _control(self, request: Message) -> Message | None:
        if not request.path.startswith("/-/"):
            return None
        if request.method == "PUT":
            said = json.loads(request.body)
            self.rates = Rates(**said | {"credentials": tuple(said["credentials"])})
        body = json.dumps(self.counts).encode()
        return Message("HTTP/1.1 200 OK", [("Content-Length", str(len(body)))], body)

    async def _fate(self, request: Message, store: Store) -> Message | None:
        """The answer to send; None: cut the connection."""
        rates, thrown = self.rates, self.dice.random()
        self.counts["requests"] += 1
        for fate in ("slow_down", "error", "cut_before", "cut_after", "error_after", "delay"):
            thrown -= getattr(rates, fate)
            if thrown < 0:
                self.counts[fate] += 1
                break
        else:
            fate = "pass"
        if fate == "slow_down":
            return said(503, "SlowDown")
        if fate == "error":
            return said(500, "InternalError")
        if fate == "cut_before":
            return None
        if fate == "delay":
            await asyncio.sleep(self.dice.random() * rates.longest)
        answer = await self._planted(request, store)
        if fate == "cut_after":
            return None
        return said(500, "InternalError") if fate == "error_after" else answer

    async def _planted(self, request: Message, store: Store) -> Message:
        plant = PLANTS.get(self.rates.plant)
        if plant is None:
            return await store.ask(request)
        return await plant(self, request, store)

    def strikes(self) -> bool:
        """Whether the planted bug shows this time."""
        strikes = self.dice.random() < self.rates.plant_rate
        self.counts["planted"] += strikes
        return strikes

    def unconditional(self, request: Message) -> Message:
        """The same request without its conditions, signed again."""
        dropped = ("if-match", "if-none-match", "authorization", "x-amz-date", "x-amz-content-sha256")
        headers = request.without(*dropped)
        url = f"http://{request.get('host')}{request.path}"
        signed = AWSRequest(request.method, url, dict(headers), request.body)
        S3SigV4Auth(Credentials(*self.rates.credentials), "s3", "us-east-1").add_auth(signed)
        return Message(request.first, list(signed.headers.items()), request.body)


# -- planted bugs --------------------------------------------------------------------------------------------


def of_object(request: Message) -> bool:
    """Whether a request is for the manifest of an object."""
    return "/objects/" in urllib.parse.unquote(request.path)


async def _conditions_ignored(meddler: Meddler, request: Message, store: Store) -> Message:
    """The store takes conditions and does not look at them."""
    conditional = request.get("if-match") or request.get("if-none-match")
    if of_object(request) and conditional and meddler.strikes():
        return await store.ask(meddler.unconditional(request))
    return await store.ask(request)


async def _stale_read(meddler: Meddler, request: Message, store: Store) -> Message:
    """GET of a manifest may show what was there before."""
    answer = await store.ask(request)
    if request.method == "GET" and of_object(request) and answer.status == 200:
        past = meddler.past.setdefault(request.path, [])
        if not past or past[-1].body != answer.body:
            past.append(answer)
        if len(past) > 2 and meddler.strikes():
            return past[-3]
    return answer


async def _stale_listing(meddler: Meddler, request: Message, store: Store) -> Message:
    """LIST may show what was there before."""
    answer = await store.ask(request)
    if request.method == "GET" and "list-type=2" in request.path and "objects" in request.path:
        past = meddler.past.setdefault(request.path, [])
        past.append(answer)
        if len(past) > 3 and meddler.strikes():
            return past[-4]
    return answer


async def _prefix_left_out(meddler: Meddler, request: Message, store: Store) -> Message:
    """LIST by a delimiter may not show its first common prefix."""
    answer = await store.ask(request)
    if request.method != "GET" or "delimiter=" not in request.path or "objects" not in request.path:
        return answer
    body = answer.unframed()
    less = re.sub(rb"<CommonPrefixes>.*?</CommonPrefixes>", b"", body, count=1, flags=re.DOTALL)
    if less == body or not meddler.strikes():
        return answer
    headers = answer.without("transfer-encoding", "content-length")
    return Message(answer.first, [*headers, ("Content-Length", str(len(less)))], less)


async def _lost_write(meddler: Meddler, request: Message, store: Store) -> Message:
    """A manifest is acknowledged and not stored."""
    if request.method == "PUT" and of_object(request) and meddler.strikes():
        etag = hashlib.md5(request.body).hexdigest()
        return Message("HTTP/1.1 200 OK", [("ETag", f'"{etag}"'), ("Content-Length", "0")])
    return await store.ask(request)


async def _lost_delete(meddler: Meddler, request: Message, store: Store) -> Message:
    """A deletion is acknowledged and not done."""
    if request.method == "DELETE" and of_object(request) and meddler.strikes():
        return Message("HTTP/1.1 204 No Content", [])
    return await store.ask(request)


async def _second_write(meddler: Meddler, request: Message, store: Store) -> Message:
    """A manifest is stored once more, a moment later and over whatever is there by then."""
    if request.method == "PUT" and of_object(request) and meddler.strikes():
        again = meddler.unconditional(request)

        async def later() -> None:
            await asyncio.sleep(meddler.dice.uniform(0, 3))
            alone = Store(meddler.upstream)
            try:
                await alone.ask(again)
            finally:
                alone.close()

        task = asyncio.create_task(later())
        meddler.late.add(task)
        task.add_done_callback(meddler.late.discard)
    return await store.ask(request)


PLANTS: Final[dict[str, Callable[[Meddler, Message, Store], Awaitable[Message]]]] = {
    "conditions ignored": _conditions_ignored,
    "stale read": _stale_read,
    "stale listing": _stale_listing,
    "prefix left out": _prefix_left_out,
    "lost write": _lost_write,
    "lost delete": _lost_delete,
    "second write": _second_write,
}


# -- from outside --------------------------------------------------------------------------------------------


def control(port: int, rates: Rates | None = None) -> dict[str, int]:
    """Set the rates of the meddler at a port, if given; what it has done so far."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        if rates is None:
            connection.request("GET", "/-/counts")
        else:
            connection.request("PUT", "/-/rates", json.dumps(asdict(rates)))
        counts: dict[str, int] = json.loads(connection.getresponse().read())
        return counts
    finally:
        connection.close()


async def _serve(port: int, upstream: int, seed: int) -> None:
    meddler = Meddler(upstream, random.Random(seed))
    server = await asyncio.start_server(meddler.connected, "127.0.0.1", port, limit=_HEAD)
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(_serve(*map(int, sys.argv[1:])))
