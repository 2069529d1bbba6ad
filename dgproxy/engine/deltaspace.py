# SPDX-License-Identifier: GPL-2.0-only
"""A deltaspace: which references it offers to new objects, and when one of them goes.

The list of offered references is a hint. Losing a race on it, or finding it damaged, costs duplicate bytes
and never a wrong read: every manifest pins the exact reference it needs. A reference is needed as long as a
delta or pin named after it exists (`keys.users_of`). Removal holds the deltaspace's lock exclusively, without
waiting for writers, who hold it shared from choosing a reference until what they wrote carries its name.
"""

from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager

import msgspec
import structlog

from dgproxy.engine import keys, record
from dgproxy.engine.errors import Contended, ObjectDamaged
from dgproxy.engine.manifest import Reference
from dgproxy.engine.policy import OFFERED_REFERENCES
from dgproxy.storage.backend import ABSENT, Backend, RecordNotFound, VersionConflict

_log = structlog.get_logger(__name__)

_TRIES = 50


class _Offered(msgspec.Struct, frozen=True):
    references: tuple[Reference, ...]


@asynccontextmanager
async def writing(backend: Backend, bucket: str, space: str) -> AsyncIterator[None]:
    """No reference of the deltaspace is removed during the block."""
    async with backend.lock(bucket, _writers_lock(space), shared=True):
        yield


async def offered(backend: Backend, bucket: str, space: str) -> tuple[Reference, ...]:
    """The references a new object may be encoded against; a damaged list offers none."""
    references, _ = await _read(backend, bucket, space)
    return references


async def offer(backend: Backend, bucket: str, space: str, reference: Reference) -> None:
    """Add a stored, pinned reference to the list, if there is room."""

    def add(references: tuple[Reference, ...]) -> tuple[Reference, ...]:
        return references if len(references) >= OFFERED_REFERENCES else (*references, reference)

    await _change(backend, bucket, space, add)


async def withdraw(backend: Backend, bucket: str, space: str, reference_id: str) -> None:
    """Take a reference off the list."""

    def without(references: tuple[Reference, ...]) -> tuple[Reference, ...]:
        return tuple(reference for reference in references if reference.id != reference_id)

    await _change(backend, bucket, space, without)


async def reclaim(backend: Backend, bucket: str, space: str, reference_ids: Iterable[str]) -> None:
    """Remove those of the references that nothing needs any more.

    Called after whatever used them is gone. Where writers are at work in the deltaspace nothing happens: each
    of them calls this itself when it ends, and so does the delete of what it wrote.
    """
    if not backend.capabilities.exclusive_locks:
        return
    idle = [ref for ref in reference_ids if not await _needed(backend, bucket, space, ref)]
    if not idle:
        return
    # Reclaimers wait for each other: one that gave up because of another would leave behind what that one
    # has already passed.
    async with (
        backend.lock(bucket, f"reclaim {space}"),
        backend.try_lock(bucket, _writers_lock(space)) as alone,
    ):
        if not alone:
            return
        for reference_id in idle:
            if not await _needed(backend, bucket, space, reference_id):
                # List first: a crash in between leaves an unused blob, not a list that offers nothing.
                await withdraw(backend, bucket, space, reference_id)
                await backend.remove_blobs(bucket, [keys.reference(space, reference_id)])


async def _needed(backend: Backend, bucket: str, space: str, reference_id: str) -> bool:
    return bool(await backend.list_blobs(bucket, keys.users_of(space, reference_id), 1))


def _writers_lock(space: str) -> str:
    return f"deltaspace {space}"


async def _read(backend: Backend, bucket: str, space: str) -> tuple[tuple[Reference, ...], str]:
    """The list and its version."""
    key = keys.references(space)
    try:
        stored = await backend.read_record(bucket, key)
    except RecordNotFound:
        return (), ABSENT
    try:
        return record.decode(stored.data, _Offered, f"{bucket}/{key}").references, stored.version
    except ObjectDamaged as error:
        _log.error("reference_list_damaged", bucket=bucket, record=key, error=str(error), action="a new one")
        return (), stored.version


async def _change(
    backend: Backend,
    bucket: str,
    space: str,
    change: Callable[[tuple[Reference, ...]], tuple[Reference, ...]],
) -> None:
    key = keys.references(space)
    for _ in range(_TRIES):
        before, version = await _read(backend, bucket, space)
        after = change(before)
        if after == before and (after or version == ABSENT):
            return
        try:
            if after:
                await backend.write_record(bucket, key, record.encode(_Offered(after)), expect=version)
            else:
                await backend.remove_record(bucket, key, expect=version)
        except (VersionConflict, RecordNotFound):
            continue
        return
    raise Contended(f"{bucket}/{key}: other writers kept changing the list of references")
