# SPDX-License-Identifier: GPL-2.0-only
"""Several hosts on one storage, without a lock between them."""

import asyncio
import random
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, contextmanager
from dataclasses import replace
from typing import Any, cast
from unittest import mock

import pytest

from dgproxy.engine import buckets, ending
from dgproxy.engine import complete as complete_module
from dgproxy.engine.errors import Contended, EngineError, ObjectNotFound, PartInvalid, UploadNotFound
from dgproxy.engine.parts import parts_of
from dgproxy.storage.backend import Backend, Unavailable
from dgproxy.storage.memory import MemoryBackend
from tests.backends import BUCKET
from tests.engine.world import MIB, World, world_over

PARTS = [random.Random(i).randbytes(5 * MIB + i) for i in range(2)]


class Host:
    """A host's view of a storage that others use too: its locks are its own."""

    def __init__(self, shared: MemoryBackend) -> None:
        own = MemoryBackend()
        self._shared = shared
        self.capabilities = replace(
            shared.capabilities, exclusive_locks=False, digest_hints=False, whole_buckets=False
        )
        self.lock, self.try_lock = own.lock, own.try_lock

    def __getattr__(self, name: str) -> Any:
        return getattr(self._shared, name)


@pytest.fixture
async def hosts() -> AsyncIterator[list[World]]:
    shared = MemoryBackend()
    async with AsyncExitStack() as stack:
        worlds = [world_over(cast("Backend", Host(shared))) for _ in range(3)]
        hosts = [await stack.enter_async_context(world) for world in worlds]
        await buckets.create_bucket(hosts[0].engine, BUCKET)
        yield hosts


async def uploaded(host: World, key: str = "a/big.bin") -> str:
    upload = await host.begin(key)
    for number, data in enumerate(PARTS, 1):
        await host.part(key, upload, number, data)
    return upload


@contextmanager
def slow_commit(pause: float = 0.05) -> Iterator[None]:
    """Give others time between what Complete has seen and what it commits."""
    real = complete_module._commit

    async def commit(*args: Any) -> Any:
        await asyncio.sleep(pause)
        return await real(*args)

    with mock.patch.object(complete_module, "_commit", commit):
        yield


async def test_an_upload_goes_from_host_to_host(hosts: list[World]) -> None:
    upload = await hosts[0].begin("a/big.bin")
    await hosts[1].part("a/big.bin", upload, 1, PARTS[0])
    await hosts[2].part("a/big.bin", upload, 2, PARTS[1])
    await hosts[0].complete("a/big.bin", upload)
    for host in hosts:
        assert await host.get("a/big.bin") == b"".join(PARTS)


async def test_complete_on_several_hosts_at_once(hosts: list[World]) -> None:
    upload = await uploaded(hosts[0])
    with slow_commit():
        done = await asyncio.gather(*(host.complete("a/big.bin", upload) for host in hosts))
    assert len({manifest.generation for manifest in done}) == 1
    assert await hosts[1].get("a/big.bin") == b"".join(PARTS)
    assert await hosts[0].everything("uploads/") == []


@pytest.mark.parametrize("round_", range(10))
async def test_complete_and_abort_exclude_each_other(hosts: list[World], round_: int) -> None:
    upload = await uploaded(hosts[0])
    calls = [hosts[0].complete("a/big.bin", upload), hosts[1].abort("a/big.bin", upload)]
    if round_ % 2:
        calls.reverse()
    with slow_commit(0.01):
        ends = await asyncio.gather(*calls, return_exceptions=True)
    assert sum(isinstance(end, UploadNotFound) for end in ends) == 1
    try:
        assert await hosts[2].get("a/big.bin") == b"".join(PARTS)
    except ObjectNotFound:
        assert await hosts[2].everything() == []


async def test_a_late_part_takes_nothing_from_the_object(hosts: list[World]) -> None:
    upload = await uploaded(hosts[0])
    with slow_commit(0.2):
        completing = asyncio.ensure_future(hosts[0].complete("a/big.bin", upload))
        await asyncio.sleep(0.1)
        with pytest.raises(EngineError):
            await hosts[1].part("a/big.bin", upload, 1, bytes(6 * MIB))
        await completing
    assert await hosts[2].get("a/big.bin") == b"".join(PARTS)


async def test_a_refused_complete_leaves_the_upload_open(hosts: list[World]) -> None:
    upload = await uploaded(hosts[0])
    wanted = [complete_module.WantedPart(3, "0" * 32)]
    with pytest.raises(PartInvalid):
        await complete_module.complete(
            hosts[0].engine, BUCKET, "a/big.bin", upload, wanted, lambda *_: pytest.fail("not asked")
        )
    await hosts[1].part("a/big.bin", upload, 2, PARTS[0])
    await hosts[2].complete("a/big.bin", upload)
    assert await hosts[0].get("a/big.bin") == PARTS[0] * 2


async def test_a_claim_that_was_left_behind_is_taken_over(
    hosts: list[World], monkeypatch: pytest.MonkeyPatch
) -> None:
    upload = await uploaded(hosts[0])
    lost = mock.patch.object(complete_module, "commit", side_effect=Unavailable("the store is away"))
    with lost, pytest.raises(Unavailable):
        await hosts[0].complete("a/big.bin", upload)
    monkeypatch.setattr(ending, "_PATIENCE", 0.1)
    with pytest.raises(Contended):
        await hosts[1].complete("a/big.bin", upload)
    monkeypatch.setattr(ending, "_LEASE", 0)
    await asyncio.sleep(0.01)
    parts = {part.extent.blob for part in await parts_of(hosts[1].engine, BUCKET, upload)}
    manifest = await hosts[1].complete("a/big.bin", upload)
    assert await hosts[2].get("a/big.bin") == b"".join(PARTS)
    assert manifest.blobs().isdisjoint(parts)
    assert parts < set(await hosts[2].stored()), "the one who was away may still commit them"


@pytest.mark.parametrize("fault", [Unavailable("the store is away"), asyncio.CancelledError()])
async def test_what_fails_before_the_commit_leaves_the_upload_open(
    hosts: list[World], fault: BaseException
) -> None:
    upload = await uploaded(hosts[0])
    away = mock.patch.object(complete_module, "parts_of", side_effect=fault)
    with away, pytest.raises(type(fault)):
        await hosts[0].complete("a/big.bin", upload)
    parts = await parts_of(hosts[1].engine, BUCKET, upload)
    manifest = await hosts[1].complete("a/big.bin", upload, parts)
    assert [extent.blob for extent in manifest.extents] == [part.extent.blob for part in parts]
    assert await hosts[0].everything("uploads/") == []


async def test_who_lost_its_claim_commits_nothing(
    hosts: list[World], monkeypatch: pytest.MonkeyPatch
) -> None:
    upload = await uploaded(hosts[0])
    monkeypatch.setattr(ending, "_KEPT", 0.0)
    async with ending.ending(hosts[0].engine, BUCKET, "a/big.bin", upload) as claim:
        await claim.keep()
        monkeypatch.setattr(ending, "_LEASE", 0)
        await asyncio.sleep(0.01)
        await hosts[1].complete("a/big.bin", upload)
        with pytest.raises(Contended):
            await claim.keep()
