# SPDX-License-Identifier: GPL-2.0-only
"""The S3 server as `app` puts it on a socket, in the test's own event loop, over each backend."""

import asyncio
import io
import json
import socket
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import structlog
import uvloop
from aiohttp import web

from dgproxy import app, logs
from dgproxy.engine import context
from dgproxy.engine.policy import Policy
from dgproxy.http import status
from dgproxy.http.access import Credentials
from dgproxy.http.audit import AuditLog
from dgproxy.http.pace import LENIENT, Pace
from dgproxy.http.service import answerer
from dgproxy.s3.bucket_cors import Rule
from dgproxy.storage.backend import Backend
from dgproxy.storage.cache import FileCache
from dgproxy.storage.memory import MemoryBackend
from tests.backends import BUCKET
from tests.http.wire import Answer, Wire, wire_to

#: Smaller than S3's, so that a test can exceed it.
LIMIT = 32 << 20


def pytest_asyncio_loop_factories(
    config: pytest.Config, item: pytest.Item
) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """The event loop that the server runs on: how it reports a lost connection is its own."""
    return {"uvloop": uvloop.new_event_loop}


@pytest.fixture
def log() -> Iterator[Callable[[], list[dict[str, Any]]]]:
    """What was logged so far, line by line."""
    stream = io.StringIO()
    logs.setup("debug", stream)
    # A logger must not remember the first test's stream.
    structlog.configure(**structlog.get_config() | {"cache_logger_on_first_use": False})
    yield lambda: [json.loads(line) for line in stream.getvalue().splitlines()]
    structlog.reset_defaults()


@dataclass
class Site:
    """A running server and what is behind it."""

    port: int
    engine: context.Engine
    stopping: asyncio.Event = field(default_factory=asyncio.Event)
    stopped: asyncio.Event = field(default_factory=asyncio.Event)

    def wire(self) -> AbstractAsyncContextManager[Wire]:
        return wire_to(self.port)

    async def ask(self, line: str, *headers: str, body: bytes | None = None) -> Answer:
        """One request on its own connection; `body` brings its Content-Length."""
        length = [] if body is None else [f"Content-Length: {len(body)}"]
        async with self.wire() as wire:
            await wire.request(line, *headers, *length, body=body or b"")
            return await wire.answer(line.partition(" ")[0])

    async def put(self, key: str, body: bytes, *headers: str) -> Answer:
        answer = await self.ask(f"PUT /{BUCKET}/{key}", *headers, body=body)
        assert answer.status == 200, answer
        return answer

    async def code(self, line: str, *headers: str, body: bytes | None = None) -> tuple[int, str]:
        """The status and code of a refusal."""
        answer = await self.ask(line, *headers, body=body)
        return answer.status, answer.error()


@asynccontextmanager
async def site_over(
    backend: Backend,
    credentials: Credentials | None = None,
    *,
    grace: float = 5,
    default_cors: Sequence[Rule] = (),
    domain: str | None = None,
    pace: Pace = LENIENT,
    server: status.Server | None = None,
    audit: AuditLog | None = None,
) -> AsyncIterator[Site]:
    """A server over an open backend; at the block's end it stops as on SIGTERM."""
    policy = Policy((".zip",), 0.5, LIMIT)
    async with AsyncExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        cache = await stack.enter_async_context(await asyncio.to_thread(FileCache.open, directory, 64 << 20))
        engine = await stack.enter_async_context(
            context.running(
                backend,
                policy,
                cache,
                threads=2,
                index_memory=64 << 20,
                largest_index=64 << 20,
                transfer_memory=128 << 20,
            )
        )
        listening = socket.create_server(("127.0.0.1", 0))
        site = Site(listening.getsockname()[1], engine)

        async def serve(started: asyncio.Event) -> None:
            runner = web.ServerRunner(
                web.Server(
                    answerer(engine, credentials, default_cors, domain, pace, server=server, audit=audit)
                ),
                shutdown_timeout=grace,
            )
            async with app._listening(runner, [listening]):
                started.set()
                await site.stopping.wait()
            site.stopped.set()

        async with asyncio.TaskGroup() as group:
            started = asyncio.Event()
            group.create_task(serve(started))
            await started.wait()
            try:
                yield site
            finally:
                site.stopping.set()
        assert engine.budget.free == 128 << 20, "memory is still leased"


@pytest.fixture
async def memory() -> MemoryBackend:
    """For what has nothing to do with storage."""
    backend = MemoryBackend()
    await backend.create_bucket(BUCKET)
    return backend


@pytest.fixture
async def site(memory: MemoryBackend, log: object) -> AsyncIterator[Site]:
    """Over memory, open to all."""
    async with site_over(memory) as site:
        yield site


@pytest.fixture
async def any_site(backend: Backend, log: object) -> AsyncIterator[Site]:
    """Over each backend, open to all."""
    async with site_over(backend) as site:
        yield site


async def eventually(holds: Callable[[], Awaitable[bool] | bool]) -> None:
    """Wait until something holds; the test's time-out is the limit."""
    while True:
        result = holds()
        if (await result) if isinstance(result, Awaitable) else result:
            return
        await asyncio.sleep(0.01)
