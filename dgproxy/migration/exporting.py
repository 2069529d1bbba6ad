# SPDX-License-Identifier: GPL-2.0-only
"""Export: objects written elsewhere as what they are, each checked against its SHA-256 as it is read.

What is there already is left alone: the same object counts as done, so an export that was stopped goes on
where it was; another one is not replaced unless that is asked for.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

from dgproxy.engine import commit, inventory, keys
from dgproxy.engine.context import Engine
from dgproxy.engine.errors import EngineError, ObjectNotFound
from dgproxy.engine.get import open_object
from dgproxy.engine.manifest import Manifest
from dgproxy.engine.reading import Reading
from dgproxy.migration.moved import Moved, Outcome
from dgproxy.migration.targets import Target, Unwritable
from dgproxy.migration.working import side_by_side

__all__ = ["Options", "export_objects"]

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Options:
    """`prefix`: of the keys to export; `really`: no dry run; `checksum`: dates prove nothing."""

    prefix: str = ""
    really: bool = False
    overwrite: bool = False
    checksum: bool = False
    at_once: int = 4


async def export_objects(
    engine: Engine,
    bucket: str,
    target: Target,
    options: Options,
    report: Callable[[Moved], None],
    watch: Callable[[int], None] = lambda _: None,
) -> None:
    """Export the objects of `bucket`. `watch` is called with the number of objects that are done.

    Raises BucketNotFound and what the storage here raises; what is wrong with single objects is reported.
    """
    export = _Export(engine, bucket, target, options, report, watch)
    await side_by_side(export.keys(), export.work, options.at_once)


@dataclass(frozen=True, slots=True)
class _Export:
    engine: Engine
    bucket: str
    target: Target
    options: Options
    report: Callable[[Moved], None]
    watch: Callable[[int], None]

    async def keys(self) -> AsyncIterator[str]:
        """Every key, in order."""
        prefix = keys.manifest(self.options.prefix)
        async for item in inventory.listed(self.engine.backend, self.bucket, prefix):
            yield keys.object_key(item.key)

    async def work(self, key: str) -> None:
        """Export one object, if it still is there."""
        try:
            manifest = await commit.read(self.engine, self.bucket, key)
        except ObjectNotFound:
            return  # deleted since it was listed
        except EngineError as error:
            self.report(Moved("failed", self.bucket, key, 0, str(error)))
        else:
            self.report(await self._move(manifest))
        self.watch(1)

    async def _move(self, manifest: Manifest) -> Moved:
        moved = partial(Moved, bucket=self.bucket, key=manifest.key, size=manifest.size)
        try:
            return moved(await self._outcome(manifest))
        except (Unwritable, EngineError) as error:
            return moved("failed", why=str(error))

    async def _outcome(self, manifest: Manifest) -> Outcome:
        verdict = await self.target.look(manifest, checksum=self.options.checksum)
        if verdict == "unsure" and self.options.really:
            same = await self._read(manifest, self.target.compare)
            verdict = "same" if same else "differs"
        if verdict == "absent" or (verdict == "differs" and self.options.overwrite):
            if self.options.really:
                await self._read(manifest, partial(self.target.write, overwrite=self.options.overwrite))
            return "stored"
        return verdict

    async def _read(self, manifest: Manifest, use: Callable[[Reading], Awaitable[T]]) -> T:
        """Open all of an object and do something with it."""
        opened = open_object(self.engine, self.bucket, manifest.key, lambda current: (0, current.size))
        async with opened as reading:
            return await use(reading)
