# SPDX-License-Identifier: GPL-2.0-only
"""Import: the objects of a place, stored here as if they had been uploaded in the order of their history.

Objects that take part in their deltaspace come in one after the other, the oldest first, so that references
are what they would have been; deltaspaces, and all other objects, come in side by side. What is here already
is left alone: the same object counts as done, so an import that was stopped goes on where it was, and another
one is not replaced unless that is asked for, nor one that somebody writes meanwhile.
"""

from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from dataclasses import dataclass
from functools import partial
from typing import Literal

from dgproxy.engine import commit
from dgproxy.engine.context import Engine
from dgproxy.engine.errors import EngineError, ObjectDamaged, ObjectNotFound
from dgproxy.engine.manifest import Manifest
from dgproxy.engine.put import put_object
from dgproxy.migration.items import Found, Item, interpreted, plain
from dgproxy.migration.moved import Moved, Outcome
from dgproxy.migration.places import Unreadable
from dgproxy.migration.reading import Opening, holds
from dgproxy.migration.working import side_by_side
from dgproxy.s3.errors import S3Error
from dgproxy.s3.names import check_key
from dgproxy.storage.backend import BucketNotFound
from dgproxy.storage.errors import KeyTooLong

__all__ = ["Options", "import_objects"]


@dataclass(frozen=True, slots=True)
class Options:
    """`prefix` is put before every key; `really`: no dry run; `checksum`: dates prove nothing."""

    prefix: str = ""
    really: bool = False
    overwrite: bool = False
    checksum: bool = False
    at_once: int = 4


class _Differs(Exception):
    """Somebody wrote the key meanwhile."""


async def import_objects(
    engine: Engine,
    bucket: str,
    source: Opening,
    options: Options,
    report: Callable[[Moved], None],
    watch: Callable[[int], None] = lambda _: None,
) -> None:
    """Import all of `source` into `bucket`, which is there unless this is a dry run.

    `watch` is called with bytes of the source that are done. Raises SourceError and what the storage here
    raises; what is wrong with single objects is reported.
    """
    importing = _Import(engine, bucket, source, options, report, watch)
    await side_by_side(importing.jobs(), importing.work, options.at_once)


async def found_in(source: Opening) -> AsyncIterator[Found]:
    """The objects of a place, a directory at a time. Raises SourceError."""
    async for _, files in source.place.directories():
        yield plain(files) if source.plain else await interpreted(source.place, files)


@dataclass(frozen=True, slots=True)
class _Import:
    engine: Engine
    bucket: str
    source: Opening
    options: Options
    report: Callable[[Moved], None]
    watch: Callable[[int], None]

    async def jobs(self) -> AsyncIterator[list[Item]]:
        """Items that must come in one after the other; the jobs may be done side by side."""
        async for found in found_in(self.source):
            for stored, why in found.failed:
                self.report(Moved("failed", self.bucket, self.options.prefix + stored.key, stored.size, why))
                self.watch(stored.size)
            ordered = []
            for item in found.items:
                if self.engine.policy.eligible(item.key):
                    ordered.append(item)
                else:
                    yield [item]
            if ordered:
                yield ordered

    async def work(self, job: list[Item]) -> None:
        """Move items in their order."""
        for item in job:
            self.report(await self._move(item))
            self.watch(item.stored.size)

    async def _move(self, item: Item) -> Moved:
        key = self.options.prefix + item.key
        size = item.stored.size if item.size is None else item.size
        moved = partial(Moved, bucket=self.bucket, key=key, size=size)
        try:
            check_key(key)
            current = await self._current(key)
            outcome = "stored" if current is None else await self._compare(item, current)
            if outcome == "differs" and self.options.overwrite:
                outcome = "stored"
            if outcome == "stored" and self.options.really:
                size = (await self._store(item, key)).size
            return moved(outcome, size=size)
        except _Differs:
            return moved("differs", why="it was written meanwhile")
        except S3Error as error:
            return moved("failed", why=f"its name can't be one here: {error}")
        except (Unreadable, EngineError, KeyTooLong) as error:
            return moved("failed", why=str(error))

    async def _current(self, key: str) -> Manifest | None:
        try:
            return await commit.read(self.engine, self.bucket, key)
        except ObjectNotFound:
            return None
        except BucketNotFound:
            if self.options.really:
                raise
            return None
        except ObjectDamaged:
            if self.options.overwrite:
                return None
            raise

    async def _store(self, item: Item, key: str) -> Manifest:
        def allow(current: Manifest | None) -> None:
            if current is not None:
                raise _Differs

        async with self.source.opened(item) as (content, attributes, created):
            return await put_object(
                self.engine,
                self.bucket,
                key,
                content,
                attributes,
                commit.anything if self.options.overwrite else allow,
                created=created,
                limit=self.engine.policy.object_limit(),
            )

    # -- is it here already? -------------------------------------------------------------------------------

    async def _compare(self, item: Item, current: Manifest) -> Outcome:
        """Whether an object here is the item; what is known decides, and if that is too little, the bytes."""
        verdict = _by_record(item, current, checksum=self.options.checksum)
        if verdict is None:
            said = await self.source.said_of(item)
            if said is not None and current.sha256 is not None:
                verdict = "same" if said.sha256 == current.sha256 else "differs"
        if verdict is not None:
            return verdict
        if not self.options.really:
            return "unsure"
        async with self.source.opened(item) as (content, _, _), aclosing(content.read()) as chunks:
            return "same" if await holds(current, chunks) else "differs"


def _by_record(item: Item, current: Manifest, *, checksum: bool) -> Literal["same", "differs"] | None:
    """What a listing and a manifest tell; None when that is not enough.

    A different ETag proves nothing: it depends on how an object was uploaded and how it is encrypted.
    """
    if item.size is not None and item.size != current.size:
        return "differs"
    if item.said is not None and item.said.sha256 and current.sha256 is not None:
        return "same" if item.said.sha256 == current.sha256 else "differs"
    if item.etag and item.etag == current.etag:
        return "same"
    return "same" if item.time == current.created and not checksum else None
