# SPDX-License-Identifier: GPL-2.0-only
"""The backends that tests run over, each with a bucket: what `conftest` opens for a test.

Which of them is said by the environment variable `TEST_BACKENDS`, names with commas between them; without it
those that have no server behind them. A test that needs what not every backend has asks for that in words of
`Capabilities`.
"""

import itertools
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Final

import pytest

from dgproxy.storage.backend import Backend
from dgproxy.storage.filesystem import FilesystemBackend
from dgproxy.storage.filesystem.locks import LockFile
from dgproxy.storage.memory import MemoryBackend
from dgproxy.storage.s3 import S3Backend, Store
from dgproxy.storage.s3 import opened as s3_opened

BUCKET: Final = "bucket"

#: Every kind; the stores among them are fixtures of the same name in `conftest`.
LOCAL: Final = ("memory", "far", "filesystem")
STORES: Final = ("seaweedfs", "moto")

#: Without being asked for. What "far" adds, memory that can do no more than a store, is for tests marked so.
_USUAL: Final = "memory,filesystem"


def chosen(metafunc: pytest.Metafunc) -> list[str]:
    """The kinds that a test runs over: those of the environment, and those that it is marked with."""
    kinds = os.environ.get("TEST_BACKENDS", _USUAL).split(",")
    kinds += [kind for mark in metafunc.definition.iter_markers("over") for kind in mark.args]
    if unknown := set(kinds) - {*LOCAL, *STORES}:
        raise pytest.UsageError(f"TEST_BACKENDS: {', '.join(unknown)}: not among {', '.join(LOCAL + STORES)}")
    return list(dict.fromkeys(kinds))


class Far(MemoryBackend):
    """Memory that can do no more than an object store of which this host is the only user."""

    capabilities = replace(MemoryBackend.capabilities, name="far", digest_hints=False, maps_blobs=False)


_prefixes = (f"t{number}-" for number in itertools.count())


@asynccontextmanager
async def over_store(
    store: Store, directory: Path, bucket: str | None = None, *, alone: bool = False
) -> AsyncIterator[S3Backend]:
    """The S3 backend for the block, with names of its own in the store, probed as a server does it.

    With the bucket made if one is named.
    """
    locks = directory / "locks"
    locks.touch()
    own = replace(store, bucket_prefix=next(_prefixes))
    async with s3_opened(own, LockFile(bytes(locks)), alone=alone) as backend:
        await backend.create_bucket(bucket or "probe")
        await backend.probe(bucket or "probe")
        if bucket is None:
            await backend.delete_bucket("probe")
        yield backend


@asynccontextmanager
async def opened(kind: str, directory: Path, store_of: Callable[[str], Store]) -> AsyncIterator[Backend]:
    """A backend of this kind for the block, with the bucket made; what it keeps here is in `directory`."""
    if kind in ("memory", "far"):
        memory = Far() if kind == "far" else MemoryBackend()
        await memory.create_bucket(BUCKET)
        yield memory
    elif kind == "filesystem":
        # What survives a power cut is the filesystem backend's own tests' business: no fsync here.
        async with FilesystemBackend.open(directory / "data", "relaxed", io_threads=4) as files:
            await files.create_bucket(BUCKET)
            yield files
    else:
        # One host, so that what nobody needs goes at once. Several: tests/engine/test_hosts.py.
        async with over_store(store_of(kind), directory, BUCKET, alone=True) as store:
            yield store
