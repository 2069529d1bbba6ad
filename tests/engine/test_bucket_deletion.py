# SPDX-License-Identifier: GPL-2.0-only
"""DeleteBucket against writers on other hosts, on a store that looks into a bucket and then deletes it.

Time is the test's own: whoever waits moves the clock on, so that leases end when a test wants it, and nothing
depends on how fast the machine is. Each host can be stopped before any of its calls to storage, or after the
call took effect and before its answer.
"""

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest

from dgproxy.engine import (
    bookkeeping,
    bucket_settings,
    bucket_state,
    buckets,
    deletion,
    keys,
    leases,
    runs,
    statistics,
)
from dgproxy.engine.errors import (
    BucketClosing,
    Contended,
    ObjectNotFound,
    PartInvalid,
    UploadNotFound,
)
from dgproxy.storage.backend import (
    Backend,
    BucketExists,
    BucketNotEmpty,
    BucketNotFound,
    Buffer,
    VersionConflict,
)
from dgproxy.storage.filesystem.locks import LockFile
from dgproxy.storage.memory import MemoryBackend
from dgproxy.storage.s3 import Store, opened
from tests.backends import BUCKET
from tests.engine.stopping import Gate, Host, either, engine_on, outcome
from tests.engine.world import Sent, World, world_over

#: Seconds between a store's look into a bucket and the deletion, at most: less than `leases.GUARD`.
WINDOW = 1.0

#: What a write or a deletion that comes to nothing may say.
REFUSED = (
    BucketNotFound,
    BucketNotEmpty,
    BucketClosing,
    ObjectNotFound,
    UploadNotFound,
    PartInvalid,
    Contended,
)

SMALL, LARGE = b"small", random.Random(1).randbytes(20_000)


class Time:
    """The clock of all hosts, and the sleep that moves it."""

    def __init__(self) -> None:
        self.now = 1000.0
        self._due: list[tuple[float, Callable[[], None]]] = []

    def at(self, when: float, act: Callable[[], None]) -> None:
        self._due.append((when, act))

    def move(self, seconds: float) -> None:
        self.now += seconds
        for when, act in [each for each in self._due if each[0] <= self.now]:
            self._due.remove((when, act))
            act()

    async def sleep(self, seconds: float) -> None:
        self.move(seconds)
        await asyncio.sleep(0)


class Careless(Host):
    """One whose DeleteBucket is what some stores make of it."""

    def __init__(self, shared: MemoryBackend, time: Time) -> None:
        super().__init__(shared)
        self._time = time

    async def delete_bucket(self, bucket: str) -> None:
        call = await self.gate.before()
        held = self._shared._bucket(bucket)
        if held.keys:
            raise BucketNotEmpty(bucket)
        done = asyncio.Event()

        def delete() -> None:
            if self._shared._buckets.get(bucket) is held:
                del self._shared._buckets[bucket]
            done.set()

        self._time.at(self._time.now + WINDOW, delete)
        for _ in range(300):  # others have so many turns; if none of them lets time pass, nobody waits for it
            await asyncio.sleep(0)
        if not done.is_set():
            self._time.move(WINDOW)
        await self.gate.after(call)


class Hosts:
    """Three of them over one store."""

    def __init__(self, shared: MemoryBackend, time: Time, hosts: list[Careless], worlds: list[World]) -> None:
        self.shared = shared
        self.time = time
        self.gates = [host.gate for host in hosts]
        self.worlds = worlds

    async def delete(self, number: int) -> None:
        await buckets.delete_bucket(self.worlds[number].engine, BUCKET)

    async def assert_sound(self) -> None:
        """What is listed can be read, and the bucket can be written to, or is gone."""
        world = self.worlds[2]
        if BUCKET not in self.shared._buckets:
            with pytest.raises(BucketNotFound):
                await world.put("late", SMALL)
            return
        for key in await world.listed():
            await world.get(key)
        await retried(lambda: world.put("late", LARGE))
        assert await world.get("late") == LARGE


async def retried(call: Callable[[], Awaitable[object]]) -> None:
    """As a client that is told to come back."""
    for _ in range(5):
        try:
            await call()
        except BucketClosing:
            continue
        return
    pytest.fail("the bucket stays closed")


@pytest.fixture
def time(monkeypatch: pytest.MonkeyPatch) -> Time:
    time = Time()
    monkeypatch.setattr(leases, "clock", lambda: time.now)
    for module in (leases, deletion):
        monkeypatch.setattr(module, "asyncio", _Asyncio(time))
    return time


class _Asyncio:
    """The module, with another sleep."""

    def __init__(self, time: Time) -> None:
        self.sleep = time.sleep

    def __getattr__(self, name: str) -> Any:
        return getattr(asyncio, name)


@asynccontextmanager
async def three_hosts(time: Time, *, made: bool = True) -> AsyncIterator[Hosts]:
    shared = MemoryBackend()
    hosts = [Careless(shared, time) for _ in range(3)]
    async with AsyncExitStack() as stack:
        worlds = [await stack.enter_async_context(world_over(cast("Backend", host))) for host in hosts]
        if made:
            await buckets.create_bucket(worlds[2].engine, BUCKET)
        else:
            await shared.create_bucket(BUCKET)
        yield Hosts(shared, time, hosts, worlds)


async def new_hosts(time: Time, some: World) -> Hosts:
    """The same in a moment, with the threads and the memory of another world: for objects without deltas."""
    shared = MemoryBackend()
    hosts = [Careless(shared, time) for _ in range(3)]
    engines = [engine_on(host, some.engine) for host in hosts]
    await buckets.create_bucket(engines[2], BUCKET)
    return Hosts(shared, time, hosts, [World(engine) for engine in engines])


@pytest.fixture
async def hosts(time: Time) -> AsyncIterator[Hosts]:
    async with three_hosts(time) as hosts:
        yield hosts


async def put(world: World) -> None:
    await world.put("a/x.bin", LARGE)


async def put_small(world: World) -> None:
    await world.put("a/x", SMALL)


async def upload(world: World) -> None:
    await world.upload("a/m.bin", LARGE)


WRITES = {"blob": put, "inline": put_small, "multipart": upload}


async def calls_of(gate: Gate, operation: Awaitable[object]) -> int:
    gate.stop_at(0, late=False)
    await operation
    return gate.calls


@pytest.mark.parametrize("late", [False, True], ids=["before", "behind"])
@pytest.mark.parametrize("warm", [False, True], ids=["cold", "warm"])
@pytest.mark.parametrize("write", WRITES)
async def test_every_interleaving(time: Time, write: str, warm: bool, late: bool) -> None:
    """The writer stops at each of its calls, the deleter runs to each of its own, the writer to its end."""
    ends = set()
    async with world_over(MemoryBackend()) as some:
        hosts = await new_hosts(time, some)
        writes = await calls_of(hosts.gates[0], WRITES[write](hosts.worlds[0]))
        await hosts.worlds[0].delete((await hosts.worlds[0].listed())[0])
        deletes = await calls_of(hosts.gates[1], hosts.delete(1))
        for stop in range(1, writes + 1):
            for until in range(1, deletes + 2):
                hosts = await new_hosts(time, some)
                try:
                    end = await interleaved(hosts, WRITES[write], stop, until, warm=warm, late=late)
                except BaseException as error:
                    error.add_note(f"the writer stopped at {stop}, the deleter ran to {until}")
                    raise
                ends.add(end)
    assert (None, BucketNotEmpty) in ends
    assert (BucketNotFound, None) in ends


async def interleaved(
    hosts: Hosts, write: Callable[[World], Awaitable[None]], stop: int, until: int, *, warm: bool, late: bool
) -> tuple[type[Exception] | None, type[Exception] | None]:
    writer, deleter = hosts.gates[:2]
    if warm:
        await hosts.worlds[0].put("first", SMALL)
        await hosts.worlds[0].delete("first")
    writer.stop_at(stop, late=late)
    deleter.stop_at(until, late=False)
    written = asyncio.ensure_future(outcome(write(hosts.worlds[0])))
    await either(written, writer.reached)
    deleted = asyncio.ensure_future(outcome(hosts.delete(1)))
    await either(deleted, deleter.reached)
    writer.go.set()
    await either(written, None)
    deleter.go.set()
    failed, kept = await written, await deleted
    assert failed is None or isinstance(failed, REFUSED), repr(failed)
    assert kept is None or isinstance(kept, REFUSED), repr(kept)
    assert not (failed is None and kept is None), "an acknowledged object went with its bucket"
    if failed is None:
        [key] = await hosts.worlds[2].listed()
        assert await hosts.worlds[2].get(key) in (SMALL, LARGE)
    assert (kept is None) == (BUCKET not in hosts.shared._buckets)
    await hosts.assert_sound()
    return type(failed) if failed else None, type(kept) if kept else None


@pytest.mark.parametrize("seed", range(12))
async def test_everything_at_once(time: Time, seed: int) -> None:
    """What was acknowledged is there until its own writer deletes it, however long anybody was stopped."""
    chance = random.Random(seed)
    async with three_hosts(time, made=bool(seed % 3)) as hosts:
        kept: list[str] = []
        for gate in hosts.gates:
            gate.stumble = stumbling(chance, time)

        async def write(number: int) -> None:
            world = hosts.worlds[number % 3]
            for turn in range(8):
                key, data = f"s/{number}-{turn}", chance.choice([SMALL, LARGE])
                body = Sent(data, chunk=7000, pause=True)
                if await outcome(world.put(key, body)) is not None:
                    continue
                assert await hosts.worlds[(number + 1) % 3].get(key) == data
                if chance.random() < 0.9:
                    await world.delete(key)
                else:
                    kept.append(key)
                    return

        async def remake(number: int) -> None:
            engine = hosts.worlds[number].engine
            for _ in range(8):
                failed = await outcome(buckets.delete_bucket(engine, BUCKET))
                assert failed is None or isinstance(failed, REFUSED), repr(failed)
                failed = await outcome(buckets.ensure_bucket(engine, BUCKET))
                assert failed is None or isinstance(failed, (*REFUSED, VersionConflict)), repr(failed)

        await asyncio.gather(*map(write, range(4)), remake(0), remake(1))
        for gate in hosts.gates:
            gate.stumble = None
        if kept:
            assert set(kept) <= set(await hosts.worlds[2].listed())
        await hosts.assert_sound()


def stumbling(chance: random.Random, time: Time) -> Callable[[], Awaitable[None]]:
    """Others get some turns before a call; now and then a long time passes."""

    async def stumble() -> None:
        for _ in range(chance.randrange(12)):
            await asyncio.sleep(0)
        if chance.random() < 0.03:
            time.move(chance.choice([1.0, 2.5, 4.0, 20.0]))

    return stumble


@pytest.mark.parametrize("late", [False, True], ids=["before", "behind"])
@pytest.mark.parametrize("write", WRITES)
async def test_a_bucket_made_anew_during_a_write(time: Time, write: str, late: bool) -> None:
    """What was published in one life of a bucket is not committed in the next."""
    async with world_over(MemoryBackend()) as some:
        hosts = await new_hosts(time, some)
        writes = await calls_of(hosts.gates[0], WRITES[write](hosts.worlds[0]))
        for stop in range(1, writes + 1):
            hosts = await new_hosts(time, some)
            await hosts.worlds[2].put("first", SMALL)
            await hosts.worlds[2].delete("first")
            hosts.gates[0].stop_at(stop, late=late)
            written = asyncio.ensure_future(outcome(WRITES[write](hosts.worlds[0])))
            await either(written, hosts.gates[0].reached)
            if await outcome(hosts.delete(1)) is None:
                await buckets.ensure_bucket(hosts.worlds[1].engine, BUCKET)
            await hosts.worlds[2].put("another", SMALL)
            hosts.gates[0].go.set()
            failed = await written
            assert failed is None or isinstance(failed, REFUSED), repr(failed)
            assert len(await hosts.worlds[2].listed()) == (2 if failed is None else 1), stop
            await hosts.assert_sound()


@pytest.mark.parametrize("late", [False, True], ids=["before", "behind"])
@pytest.mark.parametrize("flush", [statistics.flush, statistics.recount_all], ids=["add", "recount"])
async def test_statistics_of_one_life_do_not_reach_the_next(
    time: Time, flush: Callable[..., Awaitable[object]], late: bool
) -> None:
    def begin(hosts: Hosts) -> Awaitable[object]:
        engine = hosts.worlds[0].engine
        return flush(engine) if flush is statistics.flush else flush(engine, BUCKET)

    async with world_over(MemoryBackend()) as some:
        hosts = await new_hosts(time, some)
        await hosts.worlds[0].put("first", SMALL)
        calls = await calls_of(hosts.gates[0], begin(hosts))
        for stop in range(1, calls + 1):
            hosts = await new_hosts(time, some)
            await hosts.worlds[0].put("first", SMALL)
            time.move(leases.LEASE)
            hosts.gates[0].stop_at(stop, late=late)
            added = asyncio.ensure_future(outcome(begin(hosts)))
            await either(added, hosts.gates[0].reached)
            await hosts.worlds[1].delete("first")
            await hosts.delete(1)
            await buckets.create_bucket(hosts.worlds[1].engine, BUCKET)
            hosts.gates[0].go.set()
            failed = await added
            assert failed is None or isinstance(failed, REFUSED), repr(failed)
            await hosts.worlds[2].put("another", SMALL)
            await statistics.flush(hosts.worlds[2].engine)
            [found] = await statistics.read(hosts.worlds[2].engine, BUCKET)
            assert found.numbers.objects == 1, stop


async def test_a_deletion_that_died_is_gone_on_with(hosts: Hosts) -> None:
    """Wherever a deleter stops for ever, the bucket can be used again, or deleted."""
    await put(hosts.worlds[0])
    await hosts.worlds[0].delete("a/x.bin")
    until = 1
    while True:
        hosts.gates[1].stop_at(until, late=True)
        dying = asyncio.ensure_future(outcome(hosts.delete(1)))
        await either(dying, hosts.gates[1].reached)
        if dying.done():
            break
        if BUCKET in hosts.shared._buckets:
            await hosts.delete(0)
        dying.cancel()
        hosts.gates[1].reached.clear()
        with pytest.raises(asyncio.CancelledError):
            await dying
        await buckets.ensure_bucket(hosts.worlds[0].engine, BUCKET)
        await hosts.worlds[0].put("a/x.bin", LARGE)
        await hosts.worlds[0].delete("a/x.bin")
        until += 1
    assert until > 8
    await hosts.assert_sound()


async def test_writers_take_over_a_claim_that_was_left(hosts: Hosts) -> None:
    await put(hosts.worlds[0])
    backend, state = hosts.worlds[0].backend, await bucket_state.read(hosts.worlds[0].backend, BUCKET)
    assert state.state is not None
    await bucket_state.write(backend, BUCKET, "deleting", state.state.epoch, "another", expect=state.version)
    hosts.time.move(leases.LEASE)
    with pytest.raises(BucketClosing):
        await hosts.worlds[0].put("b", SMALL)
    hosts.time.move(leases.ABANDONED)
    await hosts.worlds[0].put("b", SMALL)
    assert await hosts.worlds[1].get("b") == SMALL
    assert await hosts.worlds[1].get("a/x.bin") == LARGE


async def test_create_bucket_finishes_what_was_being_emptied(hosts: Hosts) -> None:
    await put(hosts.worlds[0])
    await hosts.shared.remove_record(BUCKET, keys.manifest("a/x.bin"))
    state = await bucket_state.read(hosts.worlds[0].backend, BUCKET)
    assert state.state is not None
    await bucket_state.write(
        hosts.worlds[0].backend, BUCKET, "emptying", state.state.epoch, "another", expect=state.version
    )
    hosts.time.move(leases.LEASE)
    with pytest.raises(BucketClosing):
        await hosts.worlds[0].put("b", SMALL)
    await buckets.ensure_bucket(hosts.worlds[1].engine, BUCKET)
    assert await hosts.worlds[1].stored() == []
    await hosts.worlds[0].put("b", SMALL)


async def test_objects_are_never_emptied_away(hosts: Hosts) -> None:
    """A record that says so does not make garbage of what is there."""
    await put(hosts.worlds[0])
    state = await bucket_state.read(hosts.worlds[0].backend, BUCKET)
    assert state.state is not None
    await bucket_state.write(
        hosts.worlds[0].backend, BUCKET, "emptying", state.state.epoch, "another", expect=state.version
    )
    with pytest.raises(BucketNotEmpty):
        await hosts.delete(1)
    assert await hosts.worlds[2].get("a/x.bin") == LARGE
    hosts.time.move(leases.LEASE)
    await hosts.worlds[0].put("b", SMALL)


async def test_a_bucket_that_was_never_written_to_goes_at_once(hosts: Hosts) -> None:
    before = hosts.time.now
    await hosts.delete(0)
    assert hosts.time.now - before <= WINDOW
    with pytest.raises(BucketNotFound):
        await hosts.worlds[1].put("a", SMALL)


async def test_a_warm_writer_looks_at_nothing(hosts: Hosts) -> None:
    await hosts.worlds[0].put("a", SMALL)
    reads = []
    read_record = hosts.shared.read_record

    async def counted(bucket: str, key: str) -> Any:
        reads.append(key)
        return await read_record(bucket, key)

    hosts.shared.read_record = counted  # type: ignore[method-assign]
    await hosts.worlds[0].put("a", SMALL)
    assert reads == [keys.manifest("a")]
    hosts.time.move(leases.FRESH + 1)
    await hosts.worlds[0].put("a", SMALL)
    assert reads[1:] == [keys.BUCKET, keys.manifest("a")]


async def test_references_of_another_life_are_not_used(hosts: Hosts) -> None:
    """What a bucket offered before it was made anew is remembered by nobody."""
    first = random.Random(2).randbytes(200_000)
    await hosts.worlds[0].put("s/v0.zip", first)
    await hosts.worlds[1].put("s/v1.zip", first[:-10])
    for key in ("s/v0.zip", "s/v1.zip"):
        await hosts.worlds[0].delete(key)
    await hosts.delete(0)
    await buckets.ensure_bucket(hosts.worlds[0].engine, BUCKET)
    await hosts.worlds[1].put("s/v2.zip", first[:-20])
    assert await hosts.worlds[2].get("s/v2.zip") == first[:-20]


async def test_a_bucket_made_by_others_is_opened_with_care(time: Time) -> None:
    async with three_hosts(time, made=False) as hosts:
        before = time.now
        await hosts.worlds[0].put("a", SMALL)
        assert time.now - before >= leases.GUARD
        with pytest.raises(BucketNotEmpty):
            await hosts.delete(1)
        with pytest.raises(BucketExists):
            await buckets.create_bucket(hosts.worlds[1].engine, BUCKET)


@asynccontextmanager
async def over_store(store: Store, directory: Path, *, alone: bool) -> AsyncIterator[list[World]]:
    """Two hosts over a store, or two processes of the one host that writes to it."""
    async with AsyncExitStack() as stack:
        worlds = []
        for number in range(2):
            locks = directory / ("locks" if alone else str(number))
            locks.touch()
            backend = await stack.enter_async_context(opened(store, LockFile(bytes(locks)), alone=alone))
            worlds.append(await stack.enter_async_context(world_over(backend)))
        yield worlds


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leases, "FRESH", 0.3)
    monkeypatch.setattr(leases, "LEASE", 0.5)


@pytest.mark.usefixtures("hasty")
@pytest.mark.parametrize("alone", [False, True], ids=["hosts", "processes"])
async def test_over_a_store_that_looks_and_then_deletes(
    seaweedfs: Store, tmp_path: Path, alone: bool
) -> None:
    """On a real one, either the bucket has every object that was acknowledged, or it is gone."""
    chance = random.Random(1)
    async with over_store(
        replace(seaweedfs, bucket_prefix=f"race{alone:d}-"), tmp_path, alone=alone
    ) as worlds:
        for round_ in range(6):
            name = f"b{round_}"
            one, other = (World(world.engine, name) for world in worlds)
            await buckets.create_bucket(one.engine, name)
            await one.put("first", SMALL)
            await one.delete("first")

            async def write(world: World, number: int) -> str | None:
                await asyncio.sleep(chance.random() * (0.1 if alone else 0.8))
                key = f"s/{number}"
                return key if await outcome(world.put(key, chance.choice([SMALL, LARGE]))) is None else None

            writes = [write((one, other)[number % 2], number) for number in range(round_ % 4 + 1)]
            kept, *keys_ = await asyncio.gather(outcome(other.delete_bucket()), *writes)
            there = [key for key in keys_ if key is not None]
            if kept is None:
                assert not there
                with pytest.raises(BucketNotFound):
                    await one.backend.head_bucket(name)
            else:
                assert isinstance(kept, (BucketNotEmpty, BucketClosing)), repr(kept)
                assert set(there) <= set(await one.listed())
                for key in await other.listed():
                    assert await other.get(key) in (SMALL, LARGE)


async def run(world: World) -> None:
    """What gc leaves of itself, while it runs and at its end."""
    async with runs.recorded(world.engine, world.bucket, runs.Run(command="gc")):
        await asyncio.sleep(0.02)


#: What is written beside the objects, by whom nobody waits for when a bucket is deleted.
BESIDE: tuple[Callable[[World], Awaitable[object]], ...] = (
    lambda world: statistics.flush(world.engine),
    lambda world: world.engine.ledger.open(world.bucket),
    lambda world: world.begin("upload"),
    lambda world: bucket_settings.write(world.engine, world.bucket, bucket_settings.CORS, b"<x/>"),
    run,
)


async def test_nothing_beside_the_objects_brings_a_bucket_back(
    seaweedfs: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A real store looks whether the bucket is there, and then writes, and makes it anew if need be."""
    chance = random.Random(1)
    async with over_store(replace(seaweedfs, bucket_prefix="back-"), tmp_path, alone=True) as worlds:
        backend, engine = worlds[0].backend, worlds[1].engine
        delete_bucket, begun = backend.delete_bucket, asyncio.Event()

        async def slowly(bucket: str) -> None:
            begun.set()
            await asyncio.sleep(chance.random() * 0.02)
            await delete_bucket(bucket)

        async def beside(write: Callable[[World], Awaitable[object]], world: World) -> None:
            await begun.wait()
            await asyncio.sleep(chance.random() * 0.02)
            await outcome(write(world))

        monkeypatch.setattr(backend, "delete_bucket", slowly)
        async with bookkeeping.kept(engine):
            for round_ in range(12):
                name = f"b{round_}"
                await buckets.create_bucket(engine, name)
                engine.ledger.doubt(name, "s/")
                begun.clear()
                gone, *_ = await asyncio.gather(
                    outcome(buckets.delete_bucket(worlds[0].engine, name)),
                    *(beside(write, World(engine, name)) for write in BESIDE),
                )
                assert gone is None
                assert name not in {bucket.name for bucket in await backend.list_buckets()}


class Waiting(Sent):
    """A body whose bytes come when they are let."""

    def __init__(self, data: bytes) -> None:
        super().__init__(data)
        self.asked, self.go = asyncio.Event(), asyncio.Event()

    async def __aiter__(self) -> AsyncIterator[Buffer]:
        self.asked.set()
        await self.go.wait()
        async for chunk in super().__aiter__():
            yield chunk


async def test_bytes_on_their_way_keep_the_bucket(seaweedfs: Store, tmp_path: Path) -> None:
    async with over_store(replace(seaweedfs, bucket_prefix="way-"), tmp_path, alone=True) as (one, other):
        await buckets.create_bucket(one.engine, BUCKET)
        upload = await one.begin("a")
        for send in (lambda body: one.put("b", body), lambda body: one.part("a", upload, 1, body)):
            body = Waiting(LARGE)
            sending = asyncio.ensure_future(send(body))
            await body.asked.wait()
            async with other.backend.try_lock(BUCKET, leases.lock_of_writers()) as alone:
                assert not alone
            body.go.set()
            await sending
            async with other.backend.try_lock(BUCKET, leases.lock_of_writers()) as alone:
                assert alone


@pytest.mark.usefixtures("hasty")
@pytest.mark.parametrize("alone", [False, True], ids=["hosts", "processes"])
async def test_a_bucket_goes_with_its_garbage(seaweedfs: Store, tmp_path: Path, alone: bool) -> None:
    async with over_store(
        replace(seaweedfs, bucket_prefix=f"left{alone:d}-"), tmp_path, alone=alone
    ) as worlds:
        world = worlds[0]
        await buckets.create_bucket(world.engine, BUCKET)
        await world.put("a", LARGE)
        await world.part("b", await world.begin("b"), 1, LARGE)
        for place in ("config/cors.json", "statistics/a/statistics.json", "ledgers/1.json", "runs/gc.json"):
            await world.backend.write_record(BUCKET, place, b"{}")
        for place in (
            "deltaspaces/a/b/1.bin",
            f"deltaspaces/{'/' * 20}x.json/1.bin",
            "deltaspaces/1-2-x.pin",
        ):
            async with world.backend.stage_blob(BUCKET, place) as blob:
                await blob.publish()
        with pytest.raises(BucketNotEmpty):
            await world.delete_bucket()
        assert await worlds[1].get("a") == LARGE
        await world.delete("a")
        await worlds[1].delete_bucket()
        with pytest.raises(BucketNotFound):
            await world.put("a", SMALL)
        await buckets.create_bucket(world.engine, BUCKET)
        for room in ("config/", "deltaspaces/", "ledgers/", "runs/", "statistics/", "uploads/"):
            assert set(await world.everything(room)) <= {keys.BUCKET}
