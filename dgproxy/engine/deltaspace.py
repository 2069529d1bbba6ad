# SPDX-License-Identifier: GPL-2.0-only
"""A deltaspace: which references it offers to new objects, and when a blob that several objects use goes.

The list of offered references is a hint. Losing a race on it, or finding it damaged, costs duplicate bytes
and never a wrong read: every manifest pins the exact reference it needs. A reference, or a blob that several
objects share, is needed as long as a delta or pin named after it exists (`names.pins_of`). Removal holds the
deltaspace's lock exclusively, without waiting for writers, who hold it shared from choosing a blob until what
they wrote carries its name; where there are writers, the list notes what is left for the last of them.
Where locks don't reach every host, nothing is removed here: see `engine.retiring`.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager

import msgspec
import structlog

from dgproxy.engine import keys, names, record
from dgproxy.engine.errors import Contended, ObjectDamaged
from dgproxy.engine.ids import is_id
from dgproxy.engine.manifest import Reference
from dgproxy.storage.backend import ABSENT, Backend, Record, RecordNotFound, VersionConflict

_log = structlog.get_logger(__name__)

_TRIES = 50

#: Names to look at where one that is neither a blob itself nor its object's pin decides.
_SOME = 4

#: Seconds between two looks for a moment without writers.
_PAUSE = 0.05


class State(msgspec.Struct, frozen=True, omit_defaults=True):
    """The record: the references on offer, and what may have become idle unnoticed (see `_noted`).

    `optimized` is the optimizer's mark; a change of what is offered or idle takes it away. `retired` are the
    ids of references that gc may be about to remove; they are never offered again.
    """

    references: tuple[Reference, ...]
    idle: tuple[str, ...] = ()
    optimized: str = ""
    retired: tuple[str, ...] = ()

    def offering(self, references: Iterable[Reference]) -> "State":
        """With these on offer, as far as they are not retired."""
        left = tuple(each for each in references if each.id not in self.retired)
        return State(left, self.idle, retired=self.retired)

    def leaving(self, idle: Iterable[str]) -> "State":
        """With these left for later."""
        return State(self.references, tuple(sorted(idle)), retired=self.retired)


@asynccontextmanager
async def writing(backend: Backend, bucket: str, space: str) -> AsyncIterator[None]:
    """No reference and no shared blob of the deltaspace is removed during the block."""
    async with backend.lock(bucket, _writers_lock(space), shared=True):
        yield


async def quiesced(backend: Backend, bucket: str, space: str, patience: float) -> bool:
    """Wait until every writer of this moment has ended; False when others kept coming for `patience` seconds.

    After True, a blob of the deltaspace that was there before the call and that no record points to is
    garbage. Nobody is kept waiting: the lock is tried, and given back at once.
    """
    until = time.monotonic() + patience
    while True:
        async with backend.try_lock(bucket, _writers_lock(space)) as alone:
            if alone:
                return True
        if time.monotonic() >= until:
            return False
        await asyncio.sleep(_PAUSE)


async def offered(backend: Backend, bucket: str, space: str) -> tuple[Reference, ...]:
    """The references a new object may be encoded against; a damaged list offers none."""
    state, _ = await read_state(backend, bucket, space)
    return state.references


async def offer(
    backend: Backend, bucket: str, space: str, reference: Reference, most: int, leaves: str | None
) -> None:
    """Add a stored, pinned reference to the list, if it has fewer than `most`, or in place of one of them.

    The one that `leaves` (its id) stays in storage as long as something needs it.
    """

    def add(state: State) -> State:
        stay = state.references
        if len(stay) >= most:
            stay = tuple(each for each in stay if each.id != leaves)
        if len(stay) >= most:
            return state
        return state.offering((*stay, reference))

    await change_state(backend, bucket, space, add)


async def offer_only(backend: Backend, bucket: str, space: str, references: tuple[Reference, ...]) -> None:
    """Offer these stored, pinned references and no others."""
    await change_state(backend, bucket, space, lambda state: state.offering(references))


async def optimized(backend: Backend, bucket: str, space: str) -> str:
    """What `note_optimized` said, '' when something has changed since."""
    return (await read_state(backend, bucket, space))[0].optimized


async def note_optimized(backend: Backend, bucket: str, space: str, mark: str) -> None:
    """Say that the optimizer has nothing to do while what `mark` stands for is as it is."""

    def noted(state: State) -> State:
        return msgspec.structs.replace(state, optimized=mark if state.references else "")

    await change_state(backend, bucket, space, noted)


async def withdraw(backend: Backend, bucket: str, space: str, reference_id: str) -> None:
    """Take a reference off the list."""

    def without(state: State) -> State:
        return state.offering(each for each in state.references if each.id != reference_id)

    await change_state(backend, bucket, space, without)


async def kept_by(backend: Backend, bucket: str, blob: str) -> set[str]:
    """Some of what keeps a blob: its pins and the deltas against it; empty when nothing does."""
    found = await backend.list_blobs(bucket, names.pins_of(blob), _SOME)
    return {item.key for item in found} - {blob}


async def reclaim(backend: Backend, bucket: str, space: str, blobs: Iterable[str]) -> int:
    """Remove those of the blobs that nothing needs any more, and those that were left for later.

    Called after whatever used them is gone, and by every writer when it ends. Where writers are at work in
    the deltaspace nothing is removed but noted: the last of them finds the note when it calls this itself.
    Returns how many bytes were removed.
    """
    if not backend.capabilities.exclusive_locks:
        return 0
    noted = {_blob(space, note) for note in (await read_state(backend, bucket, space))[0].idle}
    idle = {blob for blob in {*blobs, *noted} if not await kept_by(backend, bucket, blob)}
    if not idle and not noted:
        return 0
    # Reclaimers wait for each other: one that gave up because of another would leave behind what that one
    # has already passed.
    async with backend.lock(bucket, f"reclaim {space}"):
        freed = await _remove_idle(backend, bucket, space, idle | noted)
        if freed is None:
            await change_state(backend, bucket, space, lambda state: _noting(state, idle))
            # The writers of a moment ago may have ended without having seen the note.
            freed = await _remove_idle(backend, bucket, space, idle | noted)
    return freed or 0


async def _remove_idle(backend: Backend, bucket: str, space: str, blobs: Iterable[str]) -> int | None:
    """Remove those that are not needed and every note of the others; None when writers are at work.

    Returns the bytes of what was removed.
    """
    async with backend.try_lock(bucket, _writers_lock(space)) as alone:
        if not alone:
            return None
        freed = 0
        settled: set[str] = set()
        left = sorted(blobs)
        while left:
            blob = left.pop()
            settled.add(blob)
            if await kept_by(backend, bucket, blob):
                continue
            if names.is_reference(blob):
                # List first: a crash in between leaves an unused blob, not a list that offers nothing.
                await withdraw(backend, bucket, space, names.blob_id(blob))
            elif (reference := names.reference_of(blob)) is not None:
                left.append(reference)  # this may have been its last delta
            found = await backend.list_blobs(bucket, names.stem(blob), _SOME)
            await backend.remove_blobs(bucket, [item.key for item in found])
            freed += sum(item.size for item in found)
        await change_state(backend, bucket, space, lambda state: _settling(state, settled))
    return freed


def _noting(state: State, idle: Iterable[str]) -> State:
    return state.leaving({*state.idle, *map(_noted, idle)})


def _settling(state: State, settled: Iterable[str]) -> State:
    return state.leaving(set(state.idle).difference(map(_noted, settled)))


def _noted(blob: str) -> str:
    """What the list says for a blob: its name, for a reference its id alone."""
    return names.blob_id(blob) if names.is_reference(blob) else keys.name_of(blob)


def _blob(space: str, note: str) -> str:
    return keys.raw_reference(space, note) if is_id(note) else keys.blob_named(space, note)


def _writers_lock(space: str) -> str:
    return f"deltaspace {space}"


async def read_state(backend: Backend, bucket: str, space: str) -> tuple[State, str]:
    """The record and its version."""
    key = keys.references(space)
    try:
        stored = await backend.read_record(bucket, key)
    except RecordNotFound:
        return State(()), ABSENT
    try:
        return _parse(stored, bucket, space), stored.version
    except ObjectDamaged as error:
        _log.error(
            "list of references damaged; starting a new one", bucket=bucket, record=key, error=str(error)
        )
        return State(()), stored.version


def _parse(stored: Record, bucket: str, space: str) -> State:
    """The list in its record. Raises ObjectDamaged, also when it is another deltaspace's.

    A delta against a reference elsewhere would not keep it: nobody looks for its users here.
    """
    what = f"{bucket}/{keys.references(space)}"
    state = record.decode(stored.data, State, what)
    if any(names.space_of_blob(reference.blob) != space for reference in state.references):
        raise ObjectDamaged(f"{what}: the record belongs to another deltaspace")
    return state


async def change_state(backend: Backend, bucket: str, space: str, change: Callable[[State], State]) -> None:
    """Replace the record by what `change` makes of it. Raises Contended, and the storage layer's errors."""
    key = keys.references(space)
    for _ in range(_TRIES):
        before, version = await read_state(backend, bucket, space)
        after = change(before)
        empty = after == State(())
        if after == before and (not empty or version == ABSENT):
            return
        try:
            if empty:
                await backend.remove_record(bucket, key, expect=version)
            else:
                await backend.write_record(bucket, key, record.encode(after), expect=version)
        except (VersionConflict, RecordNotFound):
            continue
        return
    raise Contended(f"{bucket}/{key}: other writers kept changing the list of references")
