# SPDX-License-Identifier: GPL-2.0-only
"""verify: find out whether all that the records of a bucket promise is there, and is what it was.

The structure: each record can be read, is intact and makes sense; each blob it points to is there and has its
length; so have pins and references. With `data`, each window is decoded and its SHA-256 compared, and the
stored bytes of each reference are held against theirs.

Promises: every object that can't be read whole is named, with the file that is to blame, and no other. What
a live server replaces or removes meanwhile is looked at again, never reported. An error from below is "could
not find out", never damage; when the storage is away, it is over. Nothing is changed. What there is to look
at is found in `engine.verify_subjects`; what one object needs is `engine.verify_object`'s business.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import dataclass
from typing import Final, Literal

import msgspec

from dgproxy.engine import verify_subjects as subjects
from dgproxy.engine.context import Engine
from dgproxy.engine.errors import EngineError, ObjectDamaged
from dgproxy.engine.manifest import Manifest
from dgproxy.engine.pace import Pace
from dgproxy.engine.verify_object import Examiner, Fault, KnownReference
from dgproxy.engine.verify_subjects import Subject
from dgproxy.storage.backend import (
    BucketNotFound,
    Damaged,
    RecordNotFound,
    StorageError,
    Unavailable,
)

#: Objects looked at at once: enough to keep the threads busy; with data each holds a few windows.
_AT_ONCE: Final = 32
_AT_ONCE_WITH_DATA: Final = 3

#: So many subjects in a row that the storage was too unavailable for are no matter of theirs.
_AWAY: Final = 10

#: How often an object may be replaced under our eyes.
_TRIES: Final = 20


class Finding(msgspec.Struct, frozen=True, omit_defaults=True):
    """Something that is not what it should be.

    `key` is the object's for the kinds "object" and "part", else the storage's; `blob` is the file to blame.
    """

    kind: Literal["object", "part", "reference", "record"]
    bucket: str
    key: str
    why: str
    #: "unknown": an error kept it from being looked at.
    outcome: Literal["damaged", "unknown"] = "damaged"
    blob: str = ""
    #: Of a reference: how many objects and parts need it, and how many of those can't be read whole.
    dependents: int = 0
    damaged: int = 0


class Summary(msgspec.Struct):
    """How much was looked at: objects, parts of unfinished uploads, and other records."""

    objects: int = 0
    parts: int = 0
    records: int = 0


@dataclass(frozen=True, slots=True)
class Options:
    """What to look at: what is about objects whose keys start with `prefix`; with `data` their bytes, too."""

    prefix: str = ""
    data: bool = False


Report = Callable[[Finding], None]


async def verify(
    engine: Engine,
    bucket: str,
    options: Options,
    report: Report,
    *,
    pace: Pace,
    watch: Callable[[int], None] = lambda _: None,
) -> Summary:
    """Report all that is wrong in a bucket.

    `watch` is called with what was looked at since: objects, or with `data` the bytes of their blobs. Raises
    BucketNotFound, and the storage layer's errors where a listing fails or the storage is away.
    """
    examiner = Examiner(engine, bucket, pace, watch, data=options.data)
    inspector = _Inspector(engine, bucket, examiner, report, Summary())
    at_once = _AT_ONCE_WITH_DATA if options.data else _AT_ONCE
    for each in (subjects.objects, subjects.uploads, subjects.records):
        await inspector.each(each(engine, bucket, options.prefix), at_once)
    for known in examiner.references():
        if known.wrong is not None and known.dependents:
            report(_about_reference(bucket, known))
    return inspector.summary


def _about_reference(bucket: str, known: KnownReference) -> Finding:
    blob = known.reference.blob
    return Finding(
        "reference",
        bucket,
        blob,
        known.wrong or "",
        blob=blob,
        dependents=known.dependents,
        damaged=known.damaged,
    )


@dataclass(slots=True)
class _Inspector:
    engine: Engine
    bucket: str
    examiner: Examiner
    report: Report
    summary: Summary
    #: For how many subjects in a row the storage was unavailable.
    away: int = 0

    async def each(self, found: AsyncGenerator[Subject, None], at_once: int) -> None:
        """Look at all, so many at once. Raises what `verify` does."""
        gate = asyncio.Semaphore(at_once)
        try:
            async with aclosing(found), asyncio.TaskGroup() as group:
                async for subject in found:
                    await gate.acquire()
                    looking = group.create_task(self._look(subject))
                    looking.add_done_callback(lambda _: gate.release())
        except* StorageError as errors:
            first = errors.exceptions[0]
            raise first from first.__cause__

    async def _look(self, subject: Subject) -> None:
        """Look until the record is the same before and after, and report what is wrong then."""
        for _ in range(_TRIES):
            version, manifest, finding = await self._judge(subject)
            if version is None and finding is None:
                return  # removed meanwhile
            if finding is None or not await self._changed(subject, version):
                break
        else:
            finding = self._finding(subject, "it kept being replaced; try again", outcome="unknown")
        self._count(subject)
        if manifest is not None:
            for reference in manifest.references():
                self.examiner.count(reference, damaged=finding is not None)
        if finding is not None:
            self.report(finding)

    async def _judge(self, subject: Subject) -> tuple[str | None, Manifest | None, Finding | None]:
        """The version of the record, None when it can't be read, and what it and its blobs are like."""
        version, manifest = None, None
        try:
            stored = await self.engine.backend.read_record(self.bucket, subject.place)
            self.away = 0
            version = stored.version
            manifest = subject.read(stored.data)
            if manifest is None:
                await self.examiner.spend(len(stored.data))
            else:
                await self.examiner.examine(manifest, len(stored.data))
        except RecordNotFound:
            return None, None, None
        except BucketNotFound:
            raise
        except Fault as fault:
            return version, manifest, self._finding(subject, str(fault), blob=fault.blob)
        except (ObjectDamaged, Damaged) as error:
            return version, manifest, self._finding(subject, str(error), blob=subject.place)
        except (StorageError, EngineError) as error:
            if isinstance(error, Unavailable):
                self.away += 1
                if self.away >= _AWAY:
                    raise
            return version, manifest, self._finding(subject, f"could not look: {error}", outcome="unknown")
        return version, manifest, None

    async def _changed(self, subject: Subject, version: str | None) -> bool:
        """Whether another version is there by now, or none; what can't be read has not changed."""
        try:
            return (await self.engine.backend.read_record(self.bucket, subject.place)).version != version
        except RecordNotFound:
            return True
        except StorageError:
            return False

    def _finding(
        self,
        subject: Subject,
        why: str,
        *,
        blob: str = "",
        outcome: Literal["damaged", "unknown"] = "damaged",
    ) -> Finding:
        return Finding(subject.kind, self.bucket, subject.name, why, outcome, blob)

    def _count(self, subject: Subject) -> None:
        match subject.kind:
            case "object":
                self.summary.objects += 1
            case "part":
                self.summary.parts += 1
            case "record":
                self.summary.records += 1
