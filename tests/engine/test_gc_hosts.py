# SPDX-License-Identifier: GPL-2.0-only
"""gc of storage that several hosts write to: no lock reaches them all, so a grace period decides."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path

import pytest

from dgproxy.engine import deltaspace, ending, keys, retiring, runs
from dgproxy.engine.errors import Contended
from dgproxy.engine.gc import Finding, Options, collect
from dgproxy.engine.gc_uploads import collect_uploads
from dgproxy.engine.manifest import WINDOW
from dgproxy.engine.pace import Pace
from dgproxy.engine.policy import MIN_PART
from dgproxy.engine.runs import Run
from dgproxy.storage.backend import Backend, Buffer
from dgproxy.storage.s3 import Store
from tests.backends import BUCKET, Far, over_store
from tests.engine.material import noise, version
from tests.engine.world import Sent, World, world_over

NOW = Options(older_than=-60, grace=0.2)
DELETE = Options(delete=True, older_than=-60, uploads_older_than=-60, grace=0.2)


class Lockless(Far):
    """Memory that can do no more than an object store."""

    capabilities = replace(Far.capabilities, exclusive_locks=False)


@pytest.fixture(params=["memory", "seaweedfs"])
async def hosts(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[list[World]]:
    """Two, with what each has on its disk."""
    async with AsyncExitStack() as stack:
        storage: Backend
        if request.param == "memory":
            storage = Lockless()
            await storage.create_bucket(BUCKET)
        else:
            store: Store = request.getfixturevalue(request.param)
            storage = await stack.enter_async_context(over_store(store, tmp_path, BUCKET))
        yield [await stack.enter_async_context(world_over(storage)) for _ in range(2)]


class Stalling(Sent):
    """A body of two windows that stops before the second."""

    def __init__(self, data: bytes) -> None:
        super().__init__(data)
        self.begun, self.go_on = asyncio.Event(), asyncio.Event()

    async def __aiter__(self) -> AsyncIterator[Buffer]:
        sent = 0
        async for piece in super().__aiter__():
            if sent > WINDOW + 300_000:
                self.begun.set()
                await self.go_on.wait()
            yield piece
            sent += len(piece)


async def gc(host: World, options: Options) -> dict[str, str]:
    """What became of what was found."""
    found: list[Finding] = []
    await collect_uploads(host.engine, BUCKET, options, found.append, pace=Pace())
    await collect(host.engine, BUCKET, options, found.append, pace=Pace())
    return {each.key: each.outcome for each in found}


async def test_a_reference_goes_when_nobody_needs_it(hosts: list[World]) -> None:
    one, other = hosts
    for number in range(3):
        await one.put(f"s/v{number}.zip", version(100_000, number))
    (reference,) = (await one.head("s/v1.zip")).references()
    await other.delete("s/v0.zip")
    await other.delete("s/v1.zip")
    assert await gc(other, DELETE) == {}
    await one.assert_object("s/v2.zip", version(100_000, 2))
    await one.delete("s/v2.zip")
    assert reference.blob in await one.stored(), "another host may be encoding against it"
    assert await gc(other, NOW) == {reference.blob: "found"}
    assert await gc(other, DELETE) == {reference.blob: "removed"}
    assert [key for key in await one.stored() if "references.json" not in key] == []
    one.engine.offers.forget(BUCKET, "s/")  # the seconds that are over long before a real grace period is
    await one.put("s/v3.zip", version(100_000, 3))
    await other.assert_object("s/v3.zip", version(100_000, 3))
    await other.assert_exact()


@pytest.mark.parametrize("needed", [False, True])
async def test_an_upload_slower_than_the_grace_period(
    hosts: list[World], monkeypatch: pytest.MonkeyPatch, needed: bool
) -> None:
    """What it is encoded against goes, or may go at any moment, before a delta with its name is there."""
    monkeypatch.setattr(retiring, "SOON", 0.0)
    one, other = hosts
    bodies = [version(2 * WINDOW, number) for number in range(3)]
    await one.put("s/v0.zip", bodies[0])
    (reference,) = (await one.head("s/v0.zip")).references()
    body = Stalling(bodies[1])
    putting = asyncio.create_task(other.put("s/v1.zip", body))
    await body.begun.wait()
    await one.delete("s/v0.zip")
    if needed:
        await retiring.retire(one.backend, BUCKET, "s/", [reference.id])
    else:
        assert await gc(one, DELETE) == {reference.blob: "removed"}
    body.go_on.set()
    assert (await putting).storage == "direct"
    await gc(one, DELETE)
    assert reference.blob not in await one.stored()
    for host in hosts:
        host.engine.offers.forget(BUCKET, "s/")
    await one.put("s/v2.zip", bodies[2])
    for host in hosts:
        await host.assert_object("s/v1.zip", bodies[1])
        await host.assert_object("s/v2.zip", bodies[2])
    await one.assert_exact()


async def test_what_is_retired_is_never_offered_again(
    hosts: list[World], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retiring, "SOON", 0.0)  # every delta looks whether it can rely on its reference
    one, other = hosts
    await one.put("s/v0.zip", version(100_000, 0))
    assert (await other.put("s/v1.zip", version(100_000, 1))).storage == "delta"
    (reference,) = (await one.head("s/v0.zip")).references()
    await deltaspace.withdraw(one.backend, BUCKET, "s/", reference.id)  # as when another takes its place
    assert not await retiring.may_go(one.backend, BUCKET, "s/", reference)
    await retiring.retire(one.backend, BUCKET, "s/", [reference.id])
    assert await retiring.may_go(one.backend, BUCKET, "s/", reference)
    await deltaspace.offer(one.backend, BUCKET, "s/", reference, 4, None)
    assert await deltaspace.offered(one.backend, BUCKET, "s/") == (), "never again"


async def test_an_upload_that_is_being_ended_stays(
    hosts: list[World], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Complete and gc exclude each other by the claim: no lock of one host is seen by the other."""
    one, other = hosts
    monkeypatch.setattr(ending, "_PATIENCE", 0.1)
    upload = await one.begin("s/u.zip")
    blob = (await one.part("s/u.zip", upload, 1, noise(MIN_PART))).extent.blob
    await ending.Claim(one.engine, BUCKET).take("s/u.zip", upload)  # a host whose lock nobody sees
    with pytest.raises(Contended):
        await other.abort("s/u.zip", upload)
    claimed = await one.backend.read_record(BUCKET, keys.upload(upload))
    assert await gc(other, DELETE) == {f"uploads/{upload}/": "left"}
    assert await one.backend.read_record(BUCKET, keys.upload(upload)) == claimed
    monkeypatch.setattr(ending, "_LEASE", 0)
    assert await gc(other, DELETE) == {f"uploads/{upload}/": "removed", blob: "removed"}
    assert await one.stored("uploads/") == []


async def test_how_far_a_run_is(hosts: list[World], monkeypatch: pytest.MonkeyPatch) -> None:
    one, other = hosts
    async with runs.recorded(one.engine, BUCKET, Run(command="verify")):
        shown: list[Run] = []
        while not shown:
            shown = await runs.read(other.engine, BUCKET)
        assert [each.state for each in shown] == ["running"]
        monkeypatch.setattr(runs, "_SILENCE", -1)
        assert [each.state for each in await runs.read(other.engine, BUCKET)] == ["died"]
    assert [each.state for each in await runs.read(other.engine, BUCKET)] == ["ended"]
