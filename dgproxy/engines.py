# SPDX-License-Identifier: GPL-2.0-only
"""The engine of one process as it is configured: storage, cache, its share of the memory.

For the server's workers and for commands that work on the storage themselves. What is opened here ends with
its block. How requests get to an engine is not known here.
"""

import os
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import Final

from pydantic import SecretStr

from dgproxy.codec.delta import WINDOW_MAX, window_room
from dgproxy.codec.forms import Form
from dgproxy.config import Settings
from dgproxy.engine import context
from dgproxy.engine.policy import Policy
from dgproxy.storage import filesystem
from dgproxy.storage.backend import Backend, BucketExists
from dgproxy.storage.cache import FileCache

__all__ = ["claim", "engine_of", "local_directory"]

_MIB: Final = 1 << 20

#: Threads of a process that wait for the disk: enough to keep an SSD's queue filled, few enough to be cheap.
_IO_THREADS: Final = 16

#: Bytes of transfer memory a worker has at least, however many share the setting: four bodies in flight.
_LEAST_TRANSFER: Final = 48 * _MIB


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


def local_directory(settings: Settings) -> Path:
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
        return window_room(size) if size <= WINDOW_MAX else s3.heap_room(size)

    async with s3.opened(store, cache.locks, alone=settings.s3_only_writer, room=room) as backend:
        with suppress(BucketExists):
            await backend.create_bucket(settings.default_bucket)
        await backend.probe(settings.default_bucket)
        yield backend
