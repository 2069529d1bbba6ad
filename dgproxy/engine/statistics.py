# SPDX-License-Identifier: GPL-2.0-only
"""Statistics: what each deltaspace holds and what it takes, kept in a record for each.

Processes add up what is in their ledgers (`flush`), by compare-and-swap, so any number of them can. `recount`
replaces a record by what storage itself says, while others go on writing: the record notes when the walk
began and ended, and whoever adds entries later leaves out what the walk has seen. Entries that overlap with
the walk can't be told apart; the record is then doubtful, and counted again in a calmer moment.

Hints, lists of references and these records themselves are not counted: some hundred bytes for each object
at most. `engine.bookkeeping` decides when all this happens.
"""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

import msgspec
import structlog

from dgproxy.engine import inventory, keys, notes, record
from dgproxy.engine.commit import in_epoch, parse
from dgproxy.engine.context import Engine
from dgproxy.engine.errors import Contended, EngineError, ObjectDamaged
from dgproxy.engine.ledger import NOTHING, RECENT, Entries, Numbers
from dgproxy.engine.pace import Pace
from dgproxy.storage.backend import ABSENT, BucketNotFound, RecordNotFound, StorageError, VersionConflict

_log = structlog.get_logger(__name__)

_TRIES = 50

#: Walks of one deltaspace, before it is left doubtful because others kept adding to its record.
_WALKS = 3

_NO_PACE = Pace()


class _State(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """The record of one deltaspace."""

    #: When the storage was last walked: from, until, in milliseconds since the epoch.
    counted: tuple[int, int]
    numbers: Numbers = NOTHING
    doubtful: bool = False
    recent: tuple[tuple[int, int], ...] = ()

    def with_entries(self, entries: Entries) -> "_State":
        """What is known once a process has told its entries."""
        since, until = self.counted
        recent = (*self.recent, *entries.recent)[-RECENT:]
        if entries.last < since:
            return msgspec.structs.replace(self, recent=recent, doubtful=self.doubtful or entries.doubtful)
        overlaps = entries.first < until
        return msgspec.structs.replace(
            self,
            numbers=self.numbers + entries.change,
            doubtful=self.doubtful or entries.doubtful or overlaps,
            recent=recent,
        )


@dataclass(frozen=True, slots=True)
class Statistics:
    """What is known of one deltaspace, or of several together; bytes."""

    bucket: str
    space: str
    numbers: Numbers
    #: A change in it is not known for sure; it will be counted.
    doubtful: bool = False
    #: Length and stored bytes of the latest uploads that became deltas.
    recent: tuple[tuple[int, int], ...] = ()

    @property
    def savings(self) -> float | None:
        """1 - stored / logical, references and manifests counted in; None of nothing."""
        return 1 - self.numbers.stored / self.numbers.logical if self.numbers.logical else None

    @property
    def delta_ratio(self) -> float | None:
        """Stored bytes / length of the latest deltas; None when there was none."""
        length = sum(length for length, _ in self.recent)
        return sum(stored for _, stored in self.recent) / length if length else None

    def exactly(self) -> dict[str, int | float | bool | None]:
        """Bytes and shares as they are, by the names that programs know them by."""
        return {
            "objects": self.numbers.objects,
            "logical_bytes": self.numbers.logical,
            "stored_bytes": self.numbers.stored,
            "blob_bytes": self.numbers.blobs,
            "manifest_bytes": self.numbers.manifests,
            "savings": self.savings,
            "recent_delta_ratio": self.delta_ratio,
            "doubtful": self.doubtful,
        }


async def read(engine: Engine, bucket: str, prefix: str = "") -> list[Statistics]:
    """Of every deltaspace that starts with `prefix`, as far as processes have told; in order.

    Raises BucketNotFound and the storage layer's errors.
    """
    found = []
    async for place, stored in inventory.records(engine.backend, bucket, keys.STATISTICS + prefix, _NO_PACE):
        space = keys.space_of_statistics(place)
        if not space.startswith(prefix):
            continue  # the record of a deltaspace above, whose name the prefix is the beginning of
        try:
            state = record.decode(stored.data, _State, f"{bucket}/{place}")
        except ObjectDamaged:
            found.append(Statistics(bucket, space, NOTHING, doubtful=True))
            continue
        found.append(Statistics(bucket, space, state.numbers, state.doubtful, state.recent))
    return found


def total(bucket: str, parts: Sequence[Statistics]) -> Statistics:
    """Several together."""
    numbers = sum((each.numbers for each in parts), NOTHING)
    recent = tuple(each for part in parts for each in part.recent)
    return Statistics(bucket, "", numbers, any(each.doubtful for each in parts), recent)


async def flush(engine: Engine) -> set[tuple[str, str]]:
    """Add the process's ledger to the records; returns the deltaspaces (with bucket) that are doubtful now.

    What can't be added now stays in the ledger. Nothing is raised but cancellation.
    """
    doubtful: set[tuple[str, str]] = set()
    for (bucket, space), entries in engine.ledger.turn().items():
        try:
            if await _add(engine, bucket, space, entries):
                doubtful.add((bucket, space))
        except BucketNotFound:
            continue  # and its statistics with it
        except BaseException as error:
            engine.ledger.put_back(bucket, space, entries)
            if not isinstance(error, (StorageError, EngineError)):
                raise
            _log.warning("statistics not written; kept for later", bucket=bucket, error=str(error))
    return doubtful


async def _add(engine: Engine, bucket: str, space: str, entries: Entries) -> bool:
    """Add entries to one record; whether it is doubtful then."""
    epoch = await engine.leases.epoch(bucket)
    for _ in range(_TRIES):
        before, version = await _state(engine, bucket, space)
        after = before.with_entries(entries)
        worth = after.numbers != NOTHING or after.doubtful
        try:
            await _replace(engine, bucket, space, after if worth else None, version, epoch)
        except (VersionConflict, RecordNotFound):
            continue
        return after.doubtful
    raise Contended(f"{bucket}/{keys.statistics(space)}: other processes kept adding to it")


async def _replace(
    engine: Engine, bucket: str, space: str, state: _State | None, version: str, epoch: str
) -> None:
    """Write one record, or remove it, while no DeleteBucket takes the bucket along."""
    place = keys.statistics(space)
    if state is not None:
        await notes.write(engine, bucket, place, record.encode(state), epoch=epoch, expect=version)
    elif version != ABSENT:
        async with in_epoch(engine, bucket):
            await engine.backend.remove_record(bucket, place, expect=version)


async def _state(engine: Engine, bucket: str, space: str) -> tuple[_State, str]:
    """The record and its version. A new bucket counts as walked: there was nothing."""
    place = keys.statistics(space)
    created = (await engine.backend.head_bucket(bucket)).created
    nothing = _State(counted=(created, created))
    try:
        stored = await engine.backend.read_record(bucket, place)
    except RecordNotFound:
        return nothing, ABSENT
    try:
        return record.decode(stored.data, _State, f"{bucket}/{place}"), stored.version
    except ObjectDamaged as error:
        _log.error("statistics damaged; to be counted again", error=str(error))
        return msgspec.structs.replace(nothing, doubtful=True), stored.version


# -- from storage itself -----------------------------------------------------------------------------------


async def count(engine: Engine, bucket: str, space: str, pace: Pace = _NO_PACE) -> Numbers:
    """What one deltaspace holds, from its manifests and the listing of its blobs.

    Raises BucketNotFound and the storage layer's errors.
    """
    objects = logical = manifests = blobs = 0
    async for place, stored in inventory.records(
        engine.backend, bucket, keys.manifest(space), pace, deep=False
    ):
        objects += 1
        manifests += len(stored.data)
        try:
            logical += parse(stored, bucket, keys.object_key(place)).size
        except ObjectDamaged as error:
            _log.error("damaged manifest; its bytes are not counted", bucket=bucket, error=str(error))
    async for item in inventory.listed(engine.backend, bucket, keys.SPACES + space, deep=False):
        if not item.key.endswith(".json"):
            blobs += item.size
    return Numbers(objects, logical, manifests, blobs)


async def recount(engine: Engine, bucket: str, space: str, pace: Pace = _NO_PACE) -> bool:
    """Replace the record of one deltaspace by a count; whether that is sure.

    Raises BucketNotFound and the storage layer's errors.
    """
    epoch = await engine.leases.epoch(bucket)
    for _ in range(_WALKS):
        await flush(engine)
        before, version = await _state(engine, bucket, space)
        began = engine.now()
        numbers = await count(engine, bucket, space, pace)
        after = _State(counted=(began, engine.now() + 1), numbers=numbers, recent=before.recent)
        try:
            await _replace(engine, bucket, space, after if numbers != NOTHING else None, version, epoch)
        except (VersionConflict, RecordNotFound):
            continue
        return True
    engine.ledger.doubt(bucket, space)
    return False


async def recount_all(engine: Engine, bucket: str, prefix: str = "", pace: Pace = _NO_PACE) -> None:
    """`recount` of every deltaspace that starts with `prefix` and has anything."""
    known = {each.space for each in await read(engine, bucket, prefix)}
    async for space in spaces(engine, bucket, prefix):
        known.add(space)
    for space in sorted(known):
        await recount(engine, bucket, space, pace)


async def spaces(engine: Engine, bucket: str, prefix: str = "") -> AsyncIterator[str]:
    """Every deltaspace that starts with `prefix` and has an object or a blob; some twice."""
    for room in (keys.OBJECTS, keys.SPACES):
        async for space in inventory.spaces(engine.backend, bucket, room, prefix):
            yield space


async def is_counted(engine: Engine, bucket: str) -> bool:
    """Whether there are statistics, or nothing they could be of: data of an earlier version has none."""
    for room in (keys.STATISTICS, keys.OBJECTS):
        page = await engine.backend.list_records(bucket, room, limit=1)
        if page.items:
            return room == keys.STATISTICS
    return True
