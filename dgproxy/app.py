# SPDX-License-Identifier: GPL-2.0-only
"""The server put together, top to bottom: storage, engine, S3 application, browser, listening sockets.

Start here to see what is made of what. Everything lives in one `async with` a process and ends with it. Which
processes there are is the supervisor's business, and what the parts do is theirs.
"""

import asyncio
import ctypes
import importlib
import os
import resource
import socket
import ssl
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager, nullcontext, suppress
from pathlib import Path
from typing import Final

from aiohttp import web
from pydantic import SecretStr

from dgproxy import metrics, tls
from dgproxy.codec.delta import WINDOW_MAX, window_room
from dgproxy.codec.forms import Form
from dgproxy.config import Settings, ui_directory
from dgproxy.engine import bookkeeping, context
from dgproxy.engine.buckets import ensure_bucket
from dgproxy.engine.optimizer.schedule import Hours, optimizing
from dgproxy.engine.policy import Policy
from dgproxy.engine.rest import Rest
from dgproxy.http import audit, measures, protocol, status
from dgproxy.http.access import AccessKey, Credentials
from dgproxy.http.pace import Pace
from dgproxy.http.service import answerer
from dgproxy.http.ui import ui_application
from dgproxy.listen import BACKLOG
from dgproxy.logs import get_logger
from dgproxy.s3.bucket_cors import for_origins
from dgproxy.s3.grants import Grant
from dgproxy.storage import filesystem
from dgproxy.storage.backend import Backend, BucketExists
from dgproxy.storage.cache import FileCache
from dgproxy.worker import RELOAD

_MIB: Final = 1 << 20

#: Threads of a process that wait for the disk: enough to keep an SSD's queue filled, few enough to be cheap.
_IO_THREADS: Final = 16

#: Seconds for requests under way at the end. The worker itself has a little longer, so that a request that is
#: cut off here still cleans up with the engine and the storage open.
_DRAIN: Final = 30.0

_M_ARENA_MAX: Final = -8  # <malloc.h>

#: Bytes of transfer memory a worker has at least, however many share the setting: four bodies in flight.
_LEAST_TRANSFER: Final = 48 * _MIB


_log = get_logger()


@contextmanager
def claim(settings: Settings) -> Iterator[None]:
    """Own the data directory for the block, leftovers of a server that died cleared away.

    An object store is nobody's. Raises StorageError when another server owns it, or it can't be used.
    """
    if settings.s3_endpoint is not None:
        yield
        return
    with filesystem.claim(settings.data_dir):
        yield


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
        credentials = _credentials(settings)
        answer = answerer(
            engine,
            credentials,
            for_origins(settings.cors_origins),
            settings.domain,
            Pace(settings.min_upload_rate),
            server=status.Server(_facts(settings), settings.default_bucket, _local(settings)),
            audit=log,
        )
        ui = ui_application(ui_directory(), answer)
        async with (
            _renewing_keys(credentials, reload),
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
async def engine_of(settings: Settings) -> AsyncIterator[context.Engine]:
    """The engine of one process, with its share of the memory."""
    policy = Policy(
        settings.delta_suffixes,
        settings.max_delta_ratio,
        settings.max_object_size,
        Form[settings.delta_form.upper()],
        settings.compression,
        settings.max_references,
    )
    async with (
        FileCache.open(_cache(settings), settings.cache_dir_size) as cache,
        _backend(settings, cache) as backend,
        context.running(
            backend,
            policy,
            cache,
            threads=len(os.sched_getaffinity(0)),
            index_memory=settings.cache_size_mb * _MIB // settings.workers,
            largest_index=settings.cache_size_mb * _MIB,
            transfer_memory=max(settings.transfer_memory_mb * _MIB // settings.workers, _LEAST_TRANSFER),
            manifest_ttl=settings.s3_manifest_ttl,
        ) as engine,
    ):
        yield engine


def _cache(settings: Settings) -> Path:
    return settings.cache_dir or settings.data_dir / "cache"


def _local(settings: Settings) -> Path:
    """The directory whose disk must not fill up: with all data, or with what is fetched of a store."""
    return settings.data_dir if settings.s3_endpoint is None else _cache(settings)


@asynccontextmanager
async def _backend(settings: Settings, cache: FileCache) -> AsyncIterator[Backend]:
    """The storage that is configured. Raises StorageError when it can't be used, or not relied on."""
    if settings.s3_endpoint is None:
        opened = filesystem.FilesystemBackend.open(settings.data_dir, settings.durability, _IO_THREADS)
        async with opened as backend:
            yield backend
        return
    async with _object_store(settings, cache) as backend:
        yield backend


@asynccontextmanager
async def _object_store(settings: Settings, cache: FileCache) -> AsyncIterator[Backend]:
    # Here, not above: it brings in aioboto3, 5 MB for each process that a directory does without.
    from dgproxy.storage import s3  # noqa: PLC0415

    def secret(value: SecretStr | None) -> str | None:
        return value.get_secret_value() or None if value is not None else None

    store = s3.Store(
        endpoint=settings.s3_endpoint,
        region=settings.s3_region,
        path_style=settings.s3_force_path_style,
        access_key_id=settings.aws_access_key_id or None,
        secret_access_key=secret(settings.aws_secret_access_key),
        session_token=secret(settings.aws_session_token),
        bucket_prefix=settings.s3_bucket_prefix or "",
    )

    def room(size: int) -> memoryview:
        return window_room(size) if size <= WINDOW_MAX else memoryview(bytearray(size))

    async with s3.opened(store, cache.locks, alone=settings.s3_only_writer, room=room) as backend:
        with suppress(BucketExists):
            await backend.create_bucket(settings.default_bucket)
        await backend.probe(settings.default_bucket)
        yield backend


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


def _credentials(settings: Settings) -> Credentials | None:
    """Every access key that may sign; None where there is none, and so the server open."""
    if not settings.signed:
        return None
    return Credentials(_access_keys(settings), signature_v2=settings.signature_v2)


def _access_keys(settings: Settings) -> list[AccessKey]:
    keys = [
        AccessKey(
            each.access_key_id,
            each.secret_access_key.get_secret_value(),
            Grant(each.allow, writes=not each.read_only),
            each.name,
        )
        for each in settings.keys
    ]
    if settings.access_key_id is not None and settings.secret_access_key is not None:
        keys.append(AccessKey(settings.access_key_id, settings.secret_access_key.get_secret_value()))
    return keys


@asynccontextmanager
async def _renewing_keys(
    credentials: Credentials | None, reload: Callable[[], Settings | None]
) -> AsyncIterator[None]:
    """Replace the access keys by those of `reload` whenever the supervisor says so, for the block."""
    loop = asyncio.get_running_loop()
    told = asyncio.Event()

    async def renew() -> None:
        while await told.wait():
            told.clear()
            settings = await asyncio.to_thread(reload)
            if settings is None:
                continue
            if credentials is None or not settings.signed:
                _log.warning("access keys are as they were: from open to signed, and back, takes a restart")
                continue
            credentials.replace(_access_keys(settings))
            _log.info("access keys renewed")

    async with asyncio.TaskGroup() as group:
        renewing = group.create_task(renew())
        loop.add_signal_handler(RELOAD, told.set)  # for good: without it the signal would end the process
        try:
            yield
        finally:
            renewing.cancel()


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
