# SPDX-License-Identifier: GPL-2.0-only
"""A bucket's own record: whether it may be written to, and which life of the bucket this is.

Kept where several hosts write and no lock reaches them all. `engine.leases` has the writers' side, `deletion`
the other; both say what they may conclude from it. Here is what it says, and how it is read and swapped.
"""

from typing import Literal, NamedTuple

import msgspec

from dgproxy.engine import keys, record
from dgproxy.storage.backend import ABSENT, Backend, RecordNotFound

#: new: made by CreateBucket, nobody has written yet. opening: found without a record, see `engine.leases`.
#: deleting: nothing may be written, nothing is removed yet. emptying: all that is in the bucket goes.
State = Literal["new", "opening", "open", "deleting", "emptying"]


class BucketState(msgspec.Struct, frozen=True):
    """The record. `epoch` (ULID) is that of all that is in the bucket; `by` is another at every write.

    So no two have the same bytes, and whoever finds his own knows that he wrote them.
    """

    format: Literal[1]
    state: State
    epoch: str
    by: str


class Seen(NamedTuple):
    """The record as it was, None where there was none, and its version."""

    state: BucketState | None
    version: str


async def read(backend: Backend, bucket: str) -> Seen:
    """Look at the record. Raises BucketNotFound, ObjectDamaged and the storage layer's errors."""
    try:
        stored = await backend.read_record(bucket, keys.BUCKET)
    except RecordNotFound:
        return Seen(None, ABSENT)
    return Seen(record.decode(stored.data, BucketState, f"{bucket}/{keys.BUCKET}"), stored.version)


async def write(backend: Backend, bucket: str, state: State, epoch: str, by: str, *, expect: str) -> str:
    """Swap the record; its new version. Raises VersionConflict, BucketNotFound and other storage errors."""
    data = record.encode(BucketState(1, state, epoch, by))
    return await backend.write_record(bucket, keys.BUCKET, data, expect=expect)
