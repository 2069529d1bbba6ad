# SPDX-License-Identifier: GPL-2.0-only
"""gc: find what nobody needs in a bucket, prove it, and remove it if asked to; on a live server, too.

Garbage is what crashes leave: blobs that no record points to, pins that none lists, references without users,
hints at objects that are gone, records of uploads that have ended. It is told from what a request is just
making in three steps:

1. *Mark.* Everything in use is noted (`engine.in_use`), then the blobs are listed. Those that nobody uses and
   that are old, by the time in their id, are suspects.
2. *Wait.* A suspect may belong to a slow upload: published, not committed yet. Writers hold the lock of
   their deltaspace until a record points to their blob, so one moment without them ends every such case.
   Where processes share no locks, a grace period must do; references are retired before (`engine.retiring`).
3. *Mark again.* What is not in use now will never be: only the write that made a blob points to it, or one
   that shares the bytes of an object, and that one pins first.

A record that can't be read says nothing about what it uses: nothing that it could mean is removed. Memory is
bounded: fingerprints of what is in use (12 to 36 bytes for each blob), and suspects a batch at a time.
"""

import asyncio
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

import msgspec

from dgproxy.engine import deltaspace, ids, inventory, keys, names, record, retiring
from dgproxy.engine.commit import read
from dgproxy.engine.context import Engine
from dgproxy.engine.errors import ObjectDamaged, ObjectNotFound
from dgproxy.engine.hints import Hint, content_digest
from dgproxy.engine.in_use import Doubts, InUse, mark
from dgproxy.engine.names import Name
from dgproxy.engine.pace import Pace
from dgproxy.storage.backend import RecordNotFound, VersionConflict

#: Suspects proven at a time, of some 500 bytes each.
_BATCH: Final = 20_000

#: Blobs removed in one call.
_REMOVED_AT_ONCE: Final = 500

_WHY: Final[Mapping[str, str]] = {
    "delta": "no object and no upload points to this delta",
    "whole": "no object and no upload points to this blob",
    "pin": "no object lists this pin",
    "reference": "no delta and no object needs this reference",
}
_KINDS: Final = tuple(_WHY)


#: "found" in a dry run; "left" is garbage that something kept, "noted" what may be none.
Outcome = Literal["found", "removed", "left", "noted"]


class Finding(msgspec.Struct, frozen=True, omit_defaults=True):
    """One thing that nobody needs, and what became of it; sizes in bytes."""

    kind: names.Kind | Literal["upload", "staged"]
    bucket: str
    key: str
    size: int
    why: str
    outcome: Outcome


@dataclass(frozen=True, slots=True)
class Options:
    """How to collect; times in seconds."""

    delete: bool = False
    #: Only what is in deltaspaces that start with this.
    prefix: str = ""
    #: What is younger is left alone.
    older_than: float = 3600.0
    #: Abort unfinished uploads older than this; None leaves them alone.
    uploads_older_than: float | None = None
    #: How long to look for a moment without writers, in each deltaspace.
    patience: float = 30.0
    #: How long a write may take from publishing its blob to its record, where there are no locks to ask.
    grace: float = 300.0


Report = Callable[[Finding], None]


async def collect(
    engine: Engine,
    bucket: str,
    options: Options,
    report: Report,
    *,
    pace: Pace,
    watch: Callable[[int], None] = lambda _: None,
) -> None:
    """Report blobs, pins and references that nobody needs, after removing them if `options.delete`.

    `watch` is called with the number of manifests read, the first time all are. Raises BucketNotFound and the
    storage layer's errors; what was removed by then was garbage.
    """
    in_use = InUse()
    await mark(engine, bucket, None, in_use, pace, watch)
    batch: dict[str, _Suspect] = {}
    hints: list[_Suspect] = []
    async for item in inventory.listed(engine.backend, bucket, keys.SPACES + options.prefix):
        name = names.read_name(item.key)
        if name.kind == "hint" and not in_use.has_content(name.space, name.id):
            hints.append(_Suspect(name, item.size))
        if name.kind in _KINDS and name.id not in in_use and is_old(engine, name.id, options.older_than):
            batch[name.id] = _Suspect(name, item.size)
        if len(batch) + len(hints) >= _BATCH:
            await _settle(engine, bucket, options, batch, report, pace)
            await _settle_hints(engine, bucket, options, hints, report)
            batch, hints = {}, []
    await _settle(engine, bucket, options, batch, report, pace)
    await _settle_hints(engine, bucket, options, hints, report)


async def collect_staged(engine: Engine, options: Options, report: Report) -> None:
    """Report what dead processes left in the backend's staging area, after removing it if asked to."""
    for item in await engine.backend.list_staged(options.older_than):
        if options.delete:
            await engine.backend.remove_staged([item.key])
        why = "staged by a process that is gone"
        report(Finding("staged", "", item.key, item.size, why, "removed" if options.delete else "found"))


def is_old(engine: Engine, an_id: str, seconds: float) -> bool:
    """Whether an id was made longer ago than that."""
    return engine.now() - ids.created(an_id) > seconds * 1000


@dataclass(frozen=True, slots=True)
class _Suspect:
    name: Name
    size: int


async def _settle(
    engine: Engine,
    bucket: str,
    options: Options,
    suspects: Mapping[str, _Suspect],
    report: Report,
    pace: Pace,
) -> None:
    """Prove a batch of suspects, by the blob's id; remove the garbage among them if asked to; report."""
    if not suspects:
        return
    spaces = {suspect.name.space for suspect in suspects.values()}
    if options.delete and not engine.backend.capabilities.exclusive_locks:
        await _retire(engine, bucket, [suspect.name for suspect in suspects.values()])
    busy = await _busy_after_waiting(engine, bucket, options, spaces)
    doubts = Doubts(suspects)
    # The owner of a blob is in the blob's deltaspace; what lists a pin may be anywhere.
    has_pins = any(suspect.name.kind == "pin" for suspect in suspects.values())
    await mark(engine, bucket, None if has_pins else spaces, doubts, pace)
    garbage = {blob: suspect for blob, suspect in suspects.items() if blob not in doubts.used}
    kept = dict(_undecided((suspect.name for suspect in garbage.values()), busy, doubts))
    kept = keep_needed(garbage.keys(), kept, await _users(engine, bucket, spaces, garbage))
    removable = [suspect for blob, suspect in garbage.items() if blob not in kept]
    left = await _remove(engine, bucket, removable) if options.delete else {}
    for blob, suspect in garbage.items():
        reason = kept.get(blob) or left.get(blob)
        why = _WHY[suspect.name.kind] + (f"; {reason}" if reason else "")
        outcome: Outcome = "left" if reason else "removed" if options.delete else "found"
        report(Finding(suspect.name.kind, bucket, suspect.name.key, suspect.size, why, outcome))


async def _settle_hints(
    engine: Engine, bucket: str, options: Options, suspects: Iterable[_Suspect], report: Report
) -> None:
    """The same for digest hints: each names an object, so one look at that proves it."""
    for suspect in suspects:
        name = suspect.name
        version = await stale_hint(engine, bucket, name.key, name.space, name.id)
        if version is None:
            continue
        if options.delete:
            try:
                await engine.backend.remove_record(bucket, name.key, expect=version)
            except (RecordNotFound, VersionConflict):
                continue  # gone, or written anew
        why = "no object has the bytes that this hint is about"
        outcome: Outcome = "removed" if options.delete else "found"
        report(Finding("hint", bucket, name.key, suspect.size, why, outcome))


async def stale_hint(engine: Engine, bucket: str, place: str, space: str, digest: str) -> str | None:
    """The version of a hint that leads nowhere; None for one that is right, or gone."""
    try:
        stored = await engine.backend.read_record(bucket, place)
    except RecordNotFound:
        return None
    try:
        key = record.decode(stored.data, Hint, place).key
        right = keys.space_of(key) == space and content_digest(await read(engine, bucket, key)) == digest
    except (ObjectDamaged, ObjectNotFound):
        return stored.version
    return None if right else stored.version


async def _busy_after_waiting(
    engine: Engine, bucket: str, options: Options, spaces: Iterable[str]
) -> frozenset[str]:
    """Let the writers of this moment come to their end; the deltaspaces where that was not seen."""
    if not engine.backend.capabilities.exclusive_locks:
        await asyncio.sleep(options.grace)
        return frozenset()
    patience = options.patience
    return frozenset(
        [
            space
            for space in sorted(spaces)
            if not await deltaspace.quiesced(engine.backend, bucket, space, patience)
        ]
    )


def _undecided(names: Iterable[Name], busy: frozenset[str], doubts: Doubts) -> Iterator[tuple[str, str]]:
    """What must stay for now although nothing is known to use it, and why."""
    for name in names:
        if name.space in busy:
            yield name.id, "kept, because uploads to its deltaspace never paused; try again"
        elif doubts.anywhere or name.space in doubts.spaces or (name.kind == "pin" and doubts.spaces):
            yield name.id, "kept, because a damaged record may point to it; `verify` names that record"


async def _users(
    engine: Engine, bucket: str, spaces: Iterable[str], garbage: Mapping[str, _Suspect]
) -> list[Name]:
    """Names that say they need some of the garbage: all that are garbage themselves, else one for each."""
    inside: list[Name] = []
    outside: dict[str, Name] = {}
    for space in sorted(spaces):
        async for item in inventory.listed(engine.backend, bucket, keys.SPACES + space, deep=False):
            name = names.read_name(item.key)
            if name.uses in garbage:
                if name.id in garbage:
                    inside.append(name)
                else:
                    outside[name.uses] = name
    return inside + list(outside.values())


def keep_needed(garbage: Iterable[str], kept: Mapping[str, str], users: Sequence[Name]) -> dict[str, str]:
    """Keep, of the `garbage` ids, also what is needed by anything that stays.

    A pin needs its blob and a delta its reference: the answer is `kept` and all that follows from it.
    """
    gone = set(garbage) - kept.keys()
    keeping = dict(kept)
    while True:
        needed = {name.uses: name.key for name in users if name.uses in gone and name.id not in gone}
        if not needed:
            return keeping
        gone -= needed.keys()
        keeping |= {blob: f"kept, because {user} needs it" for blob, user in needed.items()}


async def _remove(engine: Engine, bucket: str, garbage: list[_Suspect]) -> dict[str, str]:
    """Remove proven garbage, what needs something first; returns what is still there, and why."""
    for space in {suspect.name.space for suspect in garbage}:
        engine.ledger.doubt(bucket, space)  # a count since the garbage came has it, what was told has not
    for kinds in (("pin",), ("delta", "whole")):
        unused = [suspect.name.key for suspect in garbage if suspect.name.kind in kinds]
        for start in range(0, len(unused), _REMOVED_AT_ONCE):
            await engine.backend.remove_blobs(bucket, unused[start : start + _REMOVED_AT_ONCE])
    references = [suspect.name for suspect in garbage if suspect.name.kind == "reference"]
    locked = engine.backend.capabilities.exclusive_locks
    for space, here in _by_space(references):
        blobs = [name.key for name in here]
        if locked:
            await deltaspace.reclaim(engine.backend, bucket, space, blobs)
        else:
            await retiring.remove_retired(engine.backend, bucket, space, blobs)
    busy = "uploads to its deltaspace never paused; the last of them will remove it"
    why = f"kept, because {busy if locked else 'an upload has come to need it'}"
    return {name.id: why for name in references if await _is_there(engine, bucket, name.key)}


async def _retire(engine: Engine, bucket: str, suspects: Iterable[Name]) -> None:
    for space, here in _by_space(name for name in suspects if name.kind == "reference"):
        await retiring.retire(engine.backend, bucket, space, [name.id for name in here])


def _by_space(found: Iterable[Name]) -> list[tuple[str, list[Name]]]:
    spaces: dict[str, list[Name]] = {}
    for name in found:
        spaces.setdefault(name.space, []).append(name)
    return sorted(spaces.items())


async def _is_there(engine: Engine, bucket: str, blob: str) -> bool:
    try:
        async with engine.backend.open_blob(bucket, blob):
            return True
    except RecordNotFound:
        return False
