# SPDX-License-Identifier: GPL-2.0-only
"""Anything a client does in any order, against a dict: the engine may not tell the two apart."""

import asyncio
import tempfile
from collections.abc import Awaitable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import TypeVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from dgproxy.engine import statistics
from dgproxy.engine.errors import ObjectNotFound, PartTooSmall, UploadNotFound
from dgproxy.engine.keys import space_of
from dgproxy.engine.manifest import WINDOW, Attributes
from dgproxy.engine.parts import PartRecord, parts_of
from dgproxy.engine.policy import INLINE_LIMIT, MIN_PART
from dgproxy.storage.backend import Backend
from dgproxy.storage.filesystem import FilesystemBackend
from dgproxy.storage.memory import MemoryBackend
from tests.engine.material import noise, version
from tests.engine.world import BUCKET, Sent, World, span, world_over

T = TypeVar("T")

KEYS = ["a", "a.zip", "s/1.zip", "s/2.zip", "s/3.zip", "s/n.txt", "s/t/1.zip"]
keys = st.sampled_from(KEYS)
sizes = st.sampled_from([10_000, 20_000, INLINE_LIMIT + 1, 10_000, 20_000, INLINE_LIMIT, WINDOW + 1])
contents = st.one_of(
    st.builds(version, sizes, st.integers(0, 5), st.integers(0, 1)),
    st.builds(noise, st.sampled_from([0, 1, 100, INLINE_LIMIT, INLINE_LIMIT + 1]), st.integers(2, 3)),
)
part_contents = st.one_of(
    contents, contents, contents, st.builds(version, st.just(MIN_PART), st.integers(0, 2), st.just(0))
)


class Model(RuleBasedStateMachine):
    """Objects as a dict of bytes, uploads as a dict of parts."""

    files = False

    @initialize()
    def start(self) -> None:
        self.objects: dict[str, bytes] = {}
        self.uploads: dict[str, tuple[str, dict[int, bytes]]] = {}
        self.runner = asyncio.Runner()
        self.stack = AsyncExitStack()
        self.process = AsyncExitStack()
        self.world: World = self.run(self._open())

    async def _open(self) -> World:
        backend: Backend
        if self.files:
            directory = self.stack.enter_context(tempfile.TemporaryDirectory())
            backend = await self.stack.enter_async_context(
                FilesystemBackend.open(Path(directory) / "data", "relaxed", io_threads=2)
            )
        else:
            backend = MemoryBackend()
        await backend.create_bucket(BUCKET)
        return await self.process.enter_async_context(world_over(backend))

    def run(self, operation: Awaitable[T]) -> T:
        async def run() -> T:
            result = await operation
            assert asyncio.all_tasks() == {asyncio.current_task()}
            return result

        return self.runner.run(run())

    # -- objects -------------------------------------------------------------------------------------------

    @rule(key=keys, data=contents, declared=st.booleans())
    def put(self, key: str, data: bytes, declared: bool) -> None:
        self.run(self.world.put(key, Sent(data, declared=len(data) if declared else None)))
        self.objects[key] = data

    @rule(key=keys)
    def delete(self, key: str) -> None:
        self.run(self.world.delete(key))
        self.objects.pop(key, None)

    @rule(source=keys, into=keys)
    def copy(self, source: str, into: str) -> None:
        if source in self.objects:
            self.run(self.world.copy(source, into))
            self.objects[into] = self.objects[source]
        else:
            with pytest.raises(ObjectNotFound):
                self.run(self.world.copy(source, into))

    @rule(
        changes=st.dictionaries(keys, st.one_of(contents, st.none(), keys), min_size=2, max_size=4),
        parts=st.booleans(),
    )
    def together(self, changes: dict[str, bytes | str | None], parts: bool) -> None:
        """Several at once, each on a key of its own: bytes are stored, a key is copied, None deletes."""
        sources = self.objects.keys() - changes.keys()
        work: list[Awaitable[object]] = []
        for key, change in changes.items():
            if isinstance(change, bytes):
                work.append(self.world.upload(key, change) if parts else self.world.put(key, change))
                self.objects[key] = change
            elif change in sources:
                work.append(self.world.copy(change, key))
                self.objects[key] = self.objects[change]
            else:
                work.append(self.world.delete(key))
                self.objects.pop(key, None)

        async def all_of_them() -> None:
            await asyncio.gather(*work)

        self.run(all_of_them())

    @rule(key=keys, tag=st.sampled_from("ab"))
    def tag(self, key: str, tag: str) -> None:
        if key in self.objects:
            self.run(self.world.attributes(key, Attributes(tags={"tag": tag})))
        else:
            with pytest.raises(ObjectNotFound):
                self.run(self.world.attributes(key, Attributes(tags={"tag": tag})))

    @rule(key=keys, first=st.floats(0, 1), last=st.floats(0, 1))
    def get(self, key: str, first: float, last: float) -> None:
        data = self.objects.get(key)
        if data is None:
            with pytest.raises(ObjectNotFound):
                self.run(self.world.get(key))
            return
        start, stop = sorted((int(first * len(data)), int(last * len(data))))
        assert self.run(self.world.get(key, span(start, stop))) == data[start:stop]

    @rule(prefix=st.sampled_from(["", "a", "s/", "s/t", "x"]), limit=st.integers(1, 4))
    def listing(self, prefix: str, limit: int) -> None:
        expected = sorted(key for key in self.objects if key.startswith(prefix))
        assert self.run(self.world.listed(prefix, limit)) == expected

    # -- uploads -------------------------------------------------------------------------------------------

    @precondition(lambda self: len(self.uploads) < 3)
    @rule(key=keys)
    def begin(self, key: str) -> None:
        self.uploads[self.run(self.world.begin(key))] = (key, {})

    @precondition(lambda self: self.uploads)
    @rule(data=st.data(), number=st.integers(1, 3), content=part_contents)
    def part(self, data: st.DataObject, number: int, content: bytes) -> None:
        upload = data.draw(st.sampled_from(sorted(self.uploads)))
        key, parts = self.uploads[upload]
        self.run(self.world.part(key, upload, number, content))
        parts[number] = content

    @precondition(lambda self: any(parts for _, parts in self.uploads.values()))
    @rule(data=st.data())
    def complete(self, data: st.DataObject) -> None:
        upload = data.draw(st.sampled_from(sorted(u for u, (_, parts) in self.uploads.items() if parts)))
        key, parts = self.uploads[upload]
        numbers = sorted(data.draw(st.sets(st.sampled_from(sorted(parts)), min_size=1)))
        stored = {part.number: part for part in self.run(self._parts(upload))}
        completing = self.world.complete(key, upload, [stored[number] for number in numbers])
        if any(len(parts[number]) < MIN_PART for number in numbers[:-1]):
            with pytest.raises(PartTooSmall):
                self.run(completing)
            return
        manifest = self.run(completing)
        assert manifest.etag.endswith(f"-{len(numbers)}")
        self.objects[key] = b"".join(parts[number] for number in numbers)
        del self.uploads[upload]

    async def _parts(self, upload: str) -> list[PartRecord]:
        return await parts_of(self.world.engine, self.world.bucket, upload)

    @precondition(lambda self: self.uploads)
    @rule(data=st.data())
    def abort(self, data: st.DataObject) -> None:
        upload = data.draw(st.sampled_from(sorted(self.uploads)))
        key, _ = self.uploads.pop(upload)
        self.run(self.world.abort(key, upload))
        with pytest.raises(UploadNotFound):
            self.run(self.world.complete(key, upload, []))

    # -- the process ---------------------------------------------------------------------------------------

    @rule(clean=st.booleans())
    def restart(self, clean: bool) -> None:
        """Another process on the same storage: nothing it needs was in the first one's memory.

        But what it had not told of the statistics: after an end that was not clean they are counted anew.
        """
        backend = self.world.backend
        if clean:
            self.run(statistics.flush(self.world.engine))
        self.run(self.process.aclose())
        self.world = self.run(self.process.enter_async_context(world_over(backend)))
        if not clean:
            self.run(statistics.recount_all(self.world.engine, self.world.bucket))

    @rule()
    def count(self) -> None:
        self.run(self.world.assert_counted())

    @rule(key=keys)
    def recount(self, key: str) -> None:
        space = space_of(key)
        assert self.run(statistics.recount(self.world.engine, self.world.bucket, space))

    @invariant()
    def nothing_is_leased(self) -> None:
        assert self.world.engine.budget.free == self.world.leasable

    def teardown(self) -> None:
        try:
            self.run(self._settle())
        finally:
            self.run(self.process.aclose())
            self.run(self.stack.aclose())
            self.runner.close()

    async def _settle(self) -> None:
        world = self.world
        assert await world.listed() == sorted(self.objects)
        for key in KEYS:
            await world.assert_object(key, self.objects.get(key))
        await world.assert_exact()
        await world.assert_counted()
        for key in KEYS:
            await world.delete(key)
        for upload, (key, _) in self.uploads.items():
            await world.abort(key, upload)
        await world.assert_counted()
        await world.assert_clean()
        assert not await world.stored("statistics/")


class FilesModel(Model):
    files = True


def check(model: type[Model], examples: int) -> None:
    """Run a model on so many random sequences of steps."""
    run_state_machine_as_test(
        model,
        settings=settings(
            max_examples=examples,
            stateful_step_count=30,
            deadline=None,
            suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
        ),
    )


@pytest.mark.parametrize(("model", "examples"), [(Model, 30), (FilesModel, 10)])
def test_the_model(model: type[Model], examples: int) -> None:
    check(model, examples)
