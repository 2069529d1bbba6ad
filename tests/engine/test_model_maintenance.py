# SPDX-License-Identifier: GPL-2.0-only
"""The model of `test_model` with the optimizer, gc and verify at any moment: no client can tell."""

from dataclasses import replace

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import invariant, rule

from dgproxy.engine import gc, gc_uploads, verify
from dgproxy.engine.manifest import Manifest
from dgproxy.engine.optimizer.run import optimize
from dgproxy.engine.optimizer.work import Outcome
from dgproxy.engine.pace import Pace
from dgproxy.engine.rest import Rest
from tests.engine.material import version
from tests.engine.test_model import FilesModel, Model, check
from tests.engine.world import World

SERIES = [f"d/{number}.zip" for number in range(6)]


def _seen(manifest: Manifest) -> tuple[object, ...]:
    return manifest.etag, manifest.created, manifest.size, manifest.attributes, manifest.upload


class _Maintained(Model):
    """Nothing crashes here: gc may find nothing, verify either, and the optimizer changes no object."""

    @rule(count=st.integers(2, 6), seed=st.integers(0, 1))
    def badly_stored(self, count: int, seed: int) -> None:
        """Versions of two products, from a server that offers one reference alone and compresses nothing."""
        policy = replace(self.world.engine.policy, max_references=1, compression=False)
        worse = World(replace(self.world.engine, policy=policy), self.world.bucket)
        for number in range(count):
            key = SERIES[number]
            self.objects[key] = version(20_000, number // 2, seed=seed + number % 2)
            self.run(worse.put(key, self.objects[key]))

    @rule(key=st.sampled_from(SERIES))
    def delete_of_series(self, key: str) -> None:
        self.run(self.world.delete(key))
        self.objects.pop(key, None)

    async def _settle(self) -> None:
        for key in SERIES:
            await self.world.assert_object(key, self.objects.pop(key, None))
            await self.world.delete(key)
        await super()._settle()

    @rule()
    def optimize(self) -> None:
        before = self.run(self._visible())
        outcomes: list[Outcome] = []
        engine, bucket = self.world.engine, self.world.bucket
        self.run(optimize(engine, bucket, "", outcomes.append, rest=Rest(), pace=Pace()))
        assert self.run(self._visible()) == before
        assert not any(outcome.failed for outcome in outcomes)

    async def _visible(self) -> dict[str, tuple[object, ...]]:
        return {key: _seen(await self.world.head(key)) for key in await self.world.listed()}

    @rule()
    def collect(self) -> None:
        found: list[gc.Finding] = []
        options = gc.Options(delete=True, older_than=-60)
        engine, bucket = self.world.engine, self.world.bucket
        self.run(gc_uploads.collect_uploads(engine, bucket, options, found.append, pace=Pace()))
        self.run(gc.collect(engine, bucket, options, found.append, pace=Pace()))
        assert found == []

    @rule()
    def verify(self) -> None:
        found: list[verify.Finding] = []
        options = verify.Options(data=True)
        self.run(verify.verify(self.world.engine, self.world.bucket, options, found.append, pace=Pace()))
        assert found == []

    @invariant()
    def every_object_is_what_was_stored(self) -> None:
        for key, data in self.objects.items():
            assert self.run(self.world.get(key)) == data


class _MaintainedFiles(_Maintained, FilesModel):
    pass


@pytest.mark.parametrize(("model", "examples"), [(_Maintained, 20), (_MaintainedFiles, 5)])
def test_the_model(model: type[Model], examples: int) -> None:
    check(model, examples)
