# SPDX-License-Identifier: GPL-2.0-only
"""The server put together, top to bottom: storage, engine, S3 application, browser, listening sockets.

Start here to see what is made of what. Everything lives in one `async with` a process and ends with it. Which
processes there are is the supervisor's business, and what the parts do is theirs.
"""

import asyncio
import ctypes
import importlib
import resource
import socket
import ssl
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from typing import Final

from aiohttp import web

from dgproxy import metrics, tls
from dgproxy.access_keys import credentials_of, renewing
from dgproxy.config import Settings, ui_directory
from dgproxy.engine import bookkeeping, context
from dgproxy.engine.buckets import ensure_bucket
from dgproxy.engine.optimizer.schedule import Hours, optimizing
from dgproxy.engine.rest import Rest
from dgproxy.engines import engine_of, local_directory
from dgproxy.http import audit, measures, protocol, status
from dgproxy.http.pace import Pace
from dgproxy.http.service import answerer
from dgproxy.http.ui import ui_application
from dgproxy.listen import BACKLOG
from dgproxy.s3.bucket_cors import for_origins

#: Seconds for requests under way at the end. The worker itself has a little longer, so that a request that is
#: cut off here still cleans up with the engine and the storage open.
_DRAIN: Final = 30.0

_M_ARENA_MAX: Final = -8  # <malloc.h>


def check(settings: Settings) -> None:
    """Find out before anything is made what would stop every worker. Raises StartError.

    The last thing before they are forked: what only some settings need is brought in for all of them.
    """
    if settings.s3_endpoint is not None:
        importlib.import_module("dgproxy.storage.s3")
    certificate = _certificate(settings)
    if certificate is not None:
        tls.load(certificate)


async def serve(
    settings: Settings,
    sockets: list[socket.socket],
    ui_sockets: list[socket.socket],
    ready: Callable[[], None],
    stop: asyncio.Event,
    *,
    reload: Callable[[], Settings | None] = lambda: None,
) -> None:
    """Be one worker process: serve both ports from `ready` until `stop`, then let requests finish.

    On RELOAD the access keys that `reload` gives take the place of those there are.
    """
    _allow_open_files()
    _use_one_arena()
    async with (
        audit.opened(settings.audit_log) as log,
        engine_of(settings) as engine,
        bookkeeping.kept(engine),
    ):
        await ensure_bucket(engine, settings.default_bucket)
        credentials = credentials_of(settings)
        answer = answerer(
            engine,
            credentials,
            for_origins(settings.cors_origins),
            settings.domain,
            Pace(settings.min_upload_rate),
            server=status.Server(_facts(settings), settings.default_bucket, local_directory(settings)),
            audit=log,
        )
        ui = ui_application(ui_directory(), answer)
        async with (
            renewing(credentials, reload),
            _tls(settings) as secured,
            _listening(web.ServerRunner(web.Server(answer), shutdown_timeout=_DRAIN), sockets, secured),
            _listening(web.AppRunner(ui, shutdown_timeout=_DRAIN), ui_sockets, secured),
            _optimizing(settings, engine),
        ):
            measures.serving.set(1)
            ready()
            await stop.wait()


def _optimizing(settings: Settings, engine: context.Engine) -> AbstractAsyncContextManager[None]:
    """The optimizer in the background, where it is wanted; it gives way to requests of all workers."""
    if not settings.optimizer:
        return nullcontext()

    def busy() -> bool:
        _, cells = metrics.read()
        return any(sample.value > 0 for sample in measures.in_flight.samples(cells))

    return optimizing(engine, Hours(*settings.optimizer_hours), Rest(settings.optimizer_cpu, busy))


@asynccontextmanager
async def _tls(settings: Settings) -> AsyncIterator[ssl.SSLContext | None]:
    """What secures both ports for the block, None where they speak plain HTTP."""
    certificate = _certificate(settings)
    if certificate is None:
        yield None
        return
    async with tls.renewing(certificate) as context:
        yield context


def _certificate(settings: Settings) -> tls.Certificate | None:
    if settings.tls_cert is None or settings.tls_key is None:
        return None
    return tls.Certificate(settings.tls_cert, settings.tls_key)


@asynccontextmanager
async def _listening(
    runner: web.BaseRunner, sockets: Sequence[socket.socket], secured: ssl.SSLContext | None = None
) -> AsyncIterator[None]:
    """Accept connections on sockets for the block; at its end requests under way may finish."""
    loop = asyncio.get_running_loop()
    await runner.setup()
    server = runner.server
    if server is None:
        raise RuntimeError("a runner that is set up has a server")
    try:
        listeners = [
            await loop.create_server(
                lambda: protocol.connection(server, loop),
                sock=each,
                backlog=BACKLOG,
                ssl=secured,
                ssl_handshake_timeout=None if secured is None else tls.HANDSHAKE,
                ssl_shutdown_timeout=None if secured is None else tls.SHUTDOWN,
            )
            for each in sockets
        ]
        try:
            yield
        finally:
            for listener in listeners:
                listener.close()
    finally:
        began = loop.time()
        await runner.cleanup()
        if loop.time() - began >= _DRAIN:
            raise TimeoutError(f"requests were still under way after {_DRAIN:.0f} seconds and were cut off")


def _facts(settings: Settings) -> dict[str, object]:
    """What the browser shows of the configuration: nothing secret, no paths."""
    return {
        "workers": settings.workers,
        "durability": settings.durability,
        "signed": settings.signed,
        "max_delta_ratio": settings.max_delta_ratio,
        "max_object_size": settings.max_object_size,
        "delta_suffixes": settings.delta_suffixes,
    }


def _allow_open_files() -> None:
    """Use all the file descriptors the system grants: a GET of a many-part object opens every part first."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def _use_one_arena() -> None:
    """Let all threads allocate from one heap, where the C library is glibc (mallopt(3), M_ARENA_MAX).

    Each thread's own heap keeps what was freed on it: when window buffers were there, eight uploads at once
    took 414 MB at their peak, with one heap 340. Threads here allocate rarely and work long, so they don't
    wait for it.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_ARENA_MAX, 1)
