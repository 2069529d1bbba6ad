# SPDX-License-Identifier: GPL-2.0-only
"""Removing references where locks don't reach every host that writes: what gc does, and what writers ask.

gc retires a reference that no name needs (the deltaspace's list says so for as long as its blob is there),
waits its grace period, looks again, and removes it if still no name needs it. A writer publishes its delta
soon after it looked at the list, long before a gc that came in between looks again. One that took longer than
`SOON` looks once more after publishing, and relies on no reference that is retired or gone: whoever retires
it later sees the delta's name.

Nothing is retired or removed here but what gc says; which references are unneeded is `engine.gc`'s business.
"""

from collections.abc import Iterable
from typing import Final

import msgspec

from dgproxy.engine import keys, names
from dgproxy.engine.deltaspace import State, change_state, kept_by, read_state
from dgproxy.engine.manifest import Reference
from dgproxy.storage.backend import Backend

#: Seconds from looking at a list until the delta is published. With what a list that is remembered may be old
#: (`engine.offers`) it must be much less than the grace period of gc.
SOON: Final = 60.0

#: Names with a reference's stem there can be: one, or two while one is in another codec.
_SOME: Final = 4


async def retire(backend: Backend, bucket: str, space: str, reference_ids: Iterable[str]) -> None:
    """Begin to remove references where locks don't reach every writer; `remove_retired` ends it."""
    ids = set(reference_ids)

    def without(state: State) -> State:
        retired = tuple(sorted({*state.retired, *ids}))
        return msgspec.structs.replace(state, retired=retired).offering(state.references)

    await change_state(backend, bucket, space, without)


async def remove_retired(backend: Backend, bucket: str, space: str, blobs: Iterable[str]) -> None:
    """Remove those of the retired references that nothing needs, a grace period after they were retired.

    The others stay retired: another gc may have seen them before they were needed, and be about to do it.
    """
    for blob in blobs:
        if not await kept_by(backend, bucket, blob):
            found = await backend.list_blobs(bucket, names.stem(blob), _SOME)
            await backend.remove_blobs(bucket, [item.key for item in found])
    retired = (await read_state(backend, bucket, space))[0].retired
    gone = {each for each in retired if not await _has_blob(backend, bucket, space, each)}

    def settled(state: State) -> State:
        left = tuple(each for each in state.retired if each not in gone)
        return msgspec.structs.replace(state, retired=left)

    await change_state(backend, bucket, space, settled)


async def may_go(backend: Backend, bucket: str, space: str, reference: Reference) -> bool:
    """Whether a reference may be removed, or is, although a delta against it was published by now."""
    state, _ = await read_state(backend, bucket, space)
    if reference.id in state.retired:
        return True
    return reference not in state.references and not await _has_blob(backend, bucket, space, reference.id)


async def _has_blob(backend: Backend, bucket: str, space: str, reference_id: str) -> bool:
    stem = names.stem(keys.raw_reference(space, reference_id))
    return any(names.is_reference(item.key) for item in await backend.list_blobs(bucket, stem, _SOME))
