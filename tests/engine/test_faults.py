# SPDX-License-Identifier: GPL-2.0-only
"""Every call to storage fails once, or is the one at which the client goes away.

Whatever happens: the old object or the new one reads whole, GET, HEAD and LIST agree, and the same operation
then succeeds. An error that the caller is told of leaves nothing behind once all is deleted; one that comes
after the commit, while the old blobs are removed, is logged and may leave blobs that nothing points to.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest

from dgproxy.engine.errors import EngineError, UploadNotFound
from dgproxy.engine.manifest import Attributes
from dgproxy.engine.parts import parts_of
from dgproxy.engine.uploads import uploads_of
from dgproxy.storage.backend import Busy, OutOfSpace, StorageError
from dgproxy.storage.filesystem import FilesystemBackend
from dgproxy.storage.memory import MemoryBackend
from tests.engine.faults import Faulty
from tests.engine.material import noise, version
from tests.engine.world import BUCKET, BodyRefused, Sent, World, world_over

SIZE = 30_000
OLD, NEW = version(SIZE, 1), version(SIZE, 2)
ODD = noise(SIZE, 9)
FAR = OLD[: SIZE * 3 // 5] + ODD[: SIZE * 2 // 5]

#: What is there before, what is done, and what `s/x.zip` may be afterwards.
Setup = Callable[[World], Awaitable[object]]


async def nothing(_: World) -> None:
    return


async def reference(world: World) -> None:
    await world.put("s/v0.zip", version(SIZE, 0))


async def only_reference(world: World) -> None:
    await world.put("s/x.zip", OLD)


async def delta(world: World) -> None:
    await reference(world)
    await world.put("s/x.zip", OLD)


async def last_delta(world: World) -> None:
    await delta(world)
    await world.delete("s/v0.zip")


async def two_references(world: World) -> None:
    """`s/x.zip` is a reference of its own, beside the one that is offered first."""
    await reference(world)
    await world.copy("s/v0.zip", "s/keep.zip")
    await world.backend.remove_record(world.bucket, "deltaspaces/s/references.json")
    await world.put("s/x.zip", OLD)
    await world.backend.remove_record(world.bucket, "deltaspaces/s/references.json")
    await world.put("s/y.zip", version(SIZE, 3))


async def drifted(world: World) -> None:
    """The next delta that is as large as `s/far.zip` is one too many."""
    await reference(world)
    await world.put("s/near.zip", OLD)
    await world.put("s/far.zip", OLD[: SIZE * 3 // 5] + noise(SIZE * 2 // 5, 8))


async def four_odd_ones(world: World) -> None:
    for number in range(4):
        await world.put(f"s/odd{number}.zip", noise(SIZE, 20 + number))


def putting(data: bytes, key: str = "s/x.zip") -> Setup:
    return lambda world: world.put(key, data)


async def deleting(world: World) -> None:
    await world.delete("s/x.zip")


async def copying(world: World) -> None:
    await world.copy("s/x.zip", "s/c.zip")


async def duplicated(world: World) -> None:
    """`s/x.zip` shares its blob, and the reference that needs, with an object of another deltaspace."""
    await delta(world)
    await world.copy("s/x.zip", "t/c.zip")


async def copying_again(world: World) -> None:
    await world.copy("s/x.zip", "u/c.zip")


async def two_of_a_kind(world: World) -> None:
    await reference(world)
    await world.put("s/twin.zip", NEW)


async def tagging(world: World) -> None:
    await world.attributes("s/x.zip", Attributes(tags={"a": "b"}))


OPERATIONS: dict[str, tuple[Setup, Setup, set[bytes | None]]] = {
    "inline": (nothing, putting(b"new"), {None, b"new"}),
    "inline over a delta": (last_delta, putting(b"new"), {OLD, b"new"}),
    "first reference": (nothing, putting(NEW), {None, NEW}),
    "reference over itself": (only_reference, putting(NEW), {OLD, NEW}),
    "delta": (reference, putting(NEW), {None, NEW}),
    "delta over a delta": (last_delta, putting(NEW), {OLD, NEW}),
    "delta over another reference": (two_references, putting(NEW), {OLD, NEW}),
    "turned raw": (delta, putting(ODD), {OLD, ODD}),
    "renewed": (drifted, putting(FAR), {None, FAR}),
    "in place of another": (four_odd_ones, putting(NEW), {None, NEW}),
    "delete reference": (only_reference, deleting, {OLD, None}),
    "delete delta": (delta, deleting, {OLD, None}),
    "delete last delta": (last_delta, deleting, {OLD, None}),
    "copy": (delta, copying, {OLD}),
    "copy of a copy": (duplicated, copying_again, {OLD}),
    "copy of a reference": (only_reference, copying, {OLD}),
    "copy of nothing but a delta": (last_delta, copying_again, {OLD}),
    "delete what is shared": (duplicated, deleting, {OLD, None}),
    "overwrite what is shared": (duplicated, putting(NEW), {OLD, NEW}),
    "duplicate": (two_of_a_kind, putting(NEW), {None, NEW}),
    "duplicate of itself": (last_delta, putting(OLD), {OLD}),
    "attributes": (delta, tagging, {OLD}),
}

FAULTS = {
    "storage error": (StorageError("injected"), False),
    "storage error, late": (StorageError("injected"), True),
    "out of space": (OutOfSpace("injected"), False),
    "busy": (Busy("injected"), False),
    "cancelled": (None, False),
    "cancelled, late": (None, True),
}

FAULTY = pytest.mark.parametrize("fault", FAULTS)


@asynccontextmanager
async def faulty_world(tmp_path: Path | None) -> AsyncIterator[tuple[Faulty, World]]:
    if tmp_path is None:
        memory = MemoryBackend()
        await memory.create_bucket(BUCKET)
        faulty = Faulty(memory)
        async with world_over(faulty) as world:
            yield faulty, world
        return
    async with FilesystemBackend.open(tmp_path, "relaxed", io_threads=2) as files:
        await files.create_bucket(BUCKET)
        faulty = Faulty(files)
        async with world_over(faulty) as world:
            yield faulty, world


async def struck(faulty: Faulty, fault: str, call: int, operation: Awaitable[object]) -> BaseException | None:
    """Run an operation with its `call`-th call struck; returns what it raised."""

    async def run() -> object:
        return await operation

    error, late = FAULTS[fault]
    task = asyncio.create_task(run())
    faulty.arm(call, error, late=late, victim=task)
    (end,) = await asyncio.gather(task, return_exceptions=True)
    faulty.disarm()
    assert asyncio.all_tasks() == {asyncio.current_task()}, f"after {faulty.struck}"
    if isinstance(end, BaseException):
        expected = (StorageError, EngineError) if error is not None else (asyncio.CancelledError,)
        assert isinstance(end, expected), f"after {faulty.struck}: {end!r}"
        return end
    return None


def may_leave(fault: str, faulty: Faulty, end: BaseException | None) -> bool:
    """Whether blobs that nothing points to are allowed: after the commit, or when that is open."""
    if end is None or FAULTS[fault][0] is None:
        return True
    return faulty.struck in ("write_record, late", "remove_record, late")


async def check_leavings(world: World, *, allowed: bool) -> None:
    for key in await world.listed():
        await world.delete(key)
    for upload in await uploads_of(world.engine, world.bucket):
        await world.abort(upload.key, upload.id)
    if allowed:
        assert not await world.stored("objects/")
        assert world.engine.budget.free == world.leasable
    else:
        await world.assert_clean()


@FAULTY
@pytest.mark.parametrize("name", OPERATIONS)
async def test_objects(name: str, fault: str) -> None:
    setup, operation, outcomes = OPERATIONS[name]
    call = 0
    while True:
        call += 1
        async with faulty_world(None) as (faulty, world):
            await setup(world)
            others = {key: await world.get(key) for key in await world.listed() if key != "s/x.zip"}
            end = await struck(faulty, fault, call, operation(world))
            if not faulty.struck:
                assert end is None
                break
            found = await world.get("s/x.zip") if await world.listed("s/x.zip") else None
            assert found in outcomes, f"after {faulty.struck}"
            await world.assert_object("s/x.zip", found)
            for key, data in others.items():
                await world.assert_object(key, data)
            if end is None:  # what was acknowledged took place
                assert name.startswith("copy") or found == (await done(name))
            await operation(world)  # and can be repeated
            for key, data in others.items():
                await world.assert_object(key, data)
            await check_leavings(world, allowed=may_leave(fault, faulty, end))
    assert call > 1


async def done(name: str) -> bytes | None:
    """What `s/x.zip` is after an operation that succeeds."""
    async with faulty_world(None) as (_, world):
        setup, operation, _ = OPERATIONS[name]
        await setup(world)
        await operation(world)
        return await world.get("s/x.zip") if await world.listed("s/x.zip") else None


# -- multipart ---------------------------------------------------------------------------------------------

UPLOADS: dict[str, tuple[Setup, list[bytes]]] = {
    "inline": (last_delta, [b"new"]),
    "reference": (nothing, [NEW]),
    "delta": (last_delta, [NEW]),
    "renewed": (drifted, [FAR]),
}


STEPS: dict[str, Callable[[World, str, bytes], Awaitable[object]]] = {
    "part": lambda world, upload, data: world.part("s/x.zip", upload, 1, data),
    "replaced part": lambda world, upload, _: world.part("s/x.zip", upload, 1, version(SIZE, 5)),
    "complete": lambda world, upload, _: world.complete("s/x.zip", upload),
    "abort": lambda world, upload, _: world.abort("s/x.zip", upload),
}


@FAULTY
@pytest.mark.parametrize("name", UPLOADS)
@pytest.mark.parametrize("step", STEPS)
async def test_multipart(name: str, step: str, fault: str) -> None:
    setup, parts = UPLOADS[name]
    call = 0
    while True:
        call += 1
        async with faulty_world(None) as (faulty, world):
            await setup(world)
            old = await world.get("s/x.zip") if await world.listed("s/x.zip") else None
            upload = await world.begin("s/x.zip")
            if step != "part":
                await world.part("s/x.zip", upload, 1, parts[0])
            end = await struck(faulty, fault, call, STEPS[step](world, upload, parts[0]))
            if not faulty.struck:
                assert end is None
                break
            found = await world.get("s/x.zip") if await world.listed("s/x.zip") else None
            assert found in ({old, parts[0]} if step == "complete" else {old}), f"after {faulty.struck}"
            await world.assert_object("s/x.zip", found)
            if step == "complete":
                if await world.stored(f"uploads/{upload}/upload.json"):
                    await world.complete("s/x.zip", upload)
                await world.assert_object("s/x.zip", parts[0])
            elif step == "abort":
                with suppress(UploadNotFound):
                    await world.abort("s/x.zip", upload)
            else:
                listed = await parts_of(world.engine, world.bucket, upload)
                if listed:  # what ListParts shows can be completed, whoever was told what
                    await world.complete("s/x.zip", upload, listed)
                    assert await world.get("s/x.zip") in (parts[0], version(SIZE, 5))
            await check_leavings(world, allowed=may_leave(fault, faulty, end))
    assert call > 1


# -- cancellation anywhere, and on files -------------------------------------------------------------------


@pytest.mark.parametrize("name", OPERATIONS)
async def test_cancelled_at_every_call_on_files(name: str, tmp_path: Path) -> None:
    setup, operation, outcomes = OPERATIONS[name]
    call = 0
    async with faulty_world(tmp_path / "data") as (faulty, world):
        while True:
            call += 2  # each other call: the calls in between are struck over memory
            await setup(world)
            end = await struck(faulty, "cancelled, late", call, operation(world))
            if not faulty.struck:
                assert end is None
                break
            found = await world.get("s/x.zip") if await world.listed("s/x.zip") else None
            assert found in outcomes, f"after {faulty.struck}"
            for key in await world.listed():
                await world.assert_object(key, await world.get(key))
                await world.delete(key)


class _CancelAt:
    """A coroutine whose task is cancelled at its `step`-th suspension, whatever it waits for there."""

    def __init__(self, operation: Awaitable[object], step: int) -> None:
        self._operation = operation
        self.left = step

    def __await__(self):  # type: ignore[no-untyped-def]
        inner = self._operation.__await__()
        task = asyncio.current_task()
        assert task is not None
        throw: BaseException | None = None
        while True:
            try:
                waits_for = inner.send(None) if throw is None else inner.throw(throw)
            except StopIteration as end:
                return end.value
            self.left -= 1
            if self.left == 0:
                task.cancel()
            throw = None
            try:
                yield waits_for
            except BaseException as error:  # noqa: BLE001
                throw = error


@pytest.mark.parametrize("name", OPERATIONS)
async def test_cancelled_at_every_await(name: str) -> None:
    setup, operation, outcomes = OPERATIONS[name]
    step = 0
    while True:
        step += 1
        async with faulty_world(None) as (_, world):
            await setup(world)
            cancelling = _CancelAt(operation(world), step)

            async def run(cancelling: _CancelAt = cancelling) -> None:
                await cancelling

            task = asyncio.create_task(run())
            await asyncio.gather(task, return_exceptions=True)
            assert asyncio.all_tasks() == {asyncio.current_task()}
            if cancelling.left > 0:
                assert not task.cancelled()
                break
            found = await world.get("s/x.zip") if await world.listed("s/x.zip") else None
            assert found in outcomes
            await world.assert_object("s/x.zip", found)
            await check_leavings(world, allowed=True)
    assert step > 2


# -- two things at once ------------------------------------------------------------------------------------


async def test_a_failing_clean_up_does_not_hide_why() -> None:
    """The client hears that its body was wrong, not that what it left could not be removed."""
    async with faulty_world(None) as (faulty, world):
        await reference(world)

        async def remove_blobs(*_: object) -> None:
            raise StorageError("injected")

        faulty.remove_blobs = remove_blobs  # type: ignore[attr-defined]
        base = version(SIZE, 0)
        body = Sent(base[:20_000] + noise(10_000_000, 3), declared=None, refuse=True)
        with pytest.raises(BodyRefused):
            await world.put("s/x.zip", body)
        with pytest.raises(BodyRefused):
            await world.put("s/x.zip", Sent(NEW, refuse=True))
        del faulty.remove_blobs
        await world.assert_object("s/x.zip", None)
