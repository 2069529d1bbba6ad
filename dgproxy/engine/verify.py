# SPDX-License-Identifier: GPL-2.0-only
"""verify: find out whether all that the records of a bucket promise is there, and is what it was.

The structure: each record can be read, is intact and makes sense; each blob it points to is there and has its
length; so have pins and references. With `data`, each window is decoded and its SHA-256 compared, and the
stored bytes of each reference are held against theirs.

Promises: every object that can't be read whole is named, with the file that is to blame, and no other. What
a live server replaces or removes meanwhile is looked at again, never reported. An error from below is "could
not find out", never damage. Nothing is changed. What one object needs is `engine.verify_object`'s business.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Final, Literal

import msgspec

from dgproxy.engine import inventory, keys, names, record
from dgproxy.engine.commit import parse
from dgproxy.engine.context import Engine
from dgproxy.engine.errors import EngineError, ObjectDamaged
from dgproxy.engine.manifest import FORMAT, Manifest
from dgproxy.engine.pace import Pace
from dgproxy.engine.parts import PartRecord
from dgproxy.engine.uploads import Upload
from dgproxy.engine.verify_object import Examiner, Fault, KnownReference
from dgproxy.storage.backend import BucketNotFound, Damaged, Record, RecordNotFound, StorageError

#: Objects looked at at once: enough to keep the threads busy; with data each holds a few windows.
_AT_ONCE: Final = 32
_AT_ONCE_WITH_DATA: Final = 3

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
    BucketNotFound, and the storage layer's errors where a listing fails.
    """
    examiner = Examiner(engine, bucket, pace, watch, data=options.data)
    inspector = _Inspector(engine, bucket, examiner, report, Summary())
    at_once = _AT_ONCE_WITH_DATA if options.data else _AT_ONCE
    for subjects in (_objects, _uploads, _records):
        await inspector.each(subjects(engine, bucket, options.prefix), at_once)
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


# -- what there is to look at ------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Subject:
    """A record: where it is, what a finding calls it, and what it says about blobs, if anything."""

    kind: Literal["object", "part", "record"]
    place: str
    name: str
    read: Callable[[bytes], Manifest | None]


class _Intact(msgspec.Struct):
    """Any record: all that is asked is whether it is what was written."""


async def _objects(engine: Engine, bucket: str, prefix: str) -> AsyncIterator[_Subject]:
    def subject(place: str, key: str) -> _Subject:
        return _Subject("object", place, key, lambda data: parse(Record(data, "", None), bucket, key))

    async for item in inventory.listed(engine.backend, bucket, keys.manifest(prefix)):
        yield subject(item.key, keys.object_key(item.key))


async def _uploads(engine: Engine, bucket: str, prefix: str) -> AsyncIterator[_Subject]:
    """Parts of the uploads of keys with the prefix, and of those whose key is not known."""

    def subject(place: str, upload_id: str, key: str) -> _Subject:
        def read(data: bytes) -> Manifest:
            return _as_object(record.decode(data, PartRecord, f"{bucket}/{place}"), key)

        return _Subject("part", place, f"{key} (part {place[-10:-5]} of upload {upload_id})", read)

    async for group in inventory.groups(engine.backend, bucket, keys.UPLOADS):
        upload_id = group.removeprefix(keys.UPLOADS)[:-1]
        try:
            stored = await engine.backend.read_record(bucket, keys.upload(upload_id))
            key = record.decode(stored.data, Upload, upload_id).key
        except RecordNotFound:
            continue  # it has ended; what is left of it is for gc
        except (ObjectDamaged, Damaged):
            key = prefix + "?"
        if key.startswith(prefix):
            async for item in inventory.listed(engine.backend, bucket, keys.parts(upload_id)):
                yield subject(item.key, upload_id, key)


def _as_object(part: PartRecord, key: str) -> Manifest:
    """A part as an object of one extent."""
    return Manifest(
        format=FORMAT,
        key=key,
        generation="",
        size=part.size,
        etag=part.etag,
        created=part.created,
        storage="direct",
        extents=(part.extent,),
    )


async def _records(engine: Engine, bucket: str, prefix: str) -> AsyncIterator[_Subject]:
    """Records that are about no one object's bytes."""

    def subject(place: str) -> _Subject:
        def read(data: bytes) -> None:
            record.decode(data, _Intact, f"{bucket}/{place}")

        return _Subject("record", place, place, read)

    async for item in inventory.listed(engine.backend, bucket, keys.SPACES + prefix):
        if names.read_name(item.key).kind == "record":
            yield subject(item.key)
    if prefix:
        return
    for room in (keys.CONFIG, keys.STATISTICS):
        async for item in inventory.listed(engine.backend, bucket, room):
            yield subject(item.key)
    async for group in inventory.groups(engine.backend, bucket, keys.UPLOADS):
        yield subject(f"{group}upload.json")


# -- looking -----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Inspector:
    engine: Engine
    bucket: str
    examiner: Examiner
    report: Report
    summary: Summary

    async def each(self, subjects: AsyncIterator[_Subject], at_once: int) -> None:
        """Look at all, so many at once. Raises BucketNotFound."""
        gate = asyncio.Semaphore(at_once)
        try:
            async with asyncio.TaskGroup() as group:
                async for subject in subjects:
                    await gate.acquire()
                    looking = group.create_task(self._look(subject))
                    looking.add_done_callback(lambda _: gate.release())
        except* BucketNotFound as errors:
            raise errors.exceptions[0] from None

    async def _look(self, subject: _Subject) -> None:
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

    async def _judge(self, subject: _Subject) -> tuple[str | None, Manifest | None, Finding | None]:
        """The version of the record, None when it can't be read, and what it and its blobs are like."""
        version, manifest = None, None
        try:
            stored = await self.engine.backend.read_record(self.bucket, subject.place)
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
            return version, manifest, self._finding(subject, f"could not look: {error}", outcome="unknown")
        return version, manifest, None

    async def _changed(self, subject: _Subject, version: str | None) -> bool:
        """Whether another version is there by now, or none; what can't be read has not changed."""
        try:
            return (await self.engine.backend.read_record(self.bucket, subject.place)).version != version
        except RecordNotFound:
            return True
        except StorageError:
            return False

    def _finding(
        self,
        subject: _Subject,
        why: str,
        *,
        blob: str = "",
        outcome: Literal["damaged", "unknown"] = "damaged",
    ) -> Finding:
        return Finding(subject.kind, self.bucket, subject.name, why, outcome, blob)

    def _count(self, subject: _Subject) -> None:
        match subject.kind:
            case "object":
                self.summary.objects += 1
            case "part":
                self.summary.parts += 1
            case "record":
                self.summary.records += 1
