# SPDX-License-Identifier: GPL-2.0-only
"""What deltaspaces offer, remembered for a moment where every look is a request to another machine.

The list is a hint, so an old one costs a few bytes; what it names must still be there. That holds where no
process removes a reference the moment it is idle: where locks do not reach every writer, references go only
after a grace period much longer than this memory, unless all of the bucket goes: then its epoch does.
Everywhere else nothing is remembered.
"""

import time
from collections import OrderedDict
from typing import Final

from dgproxy.engine import deltaspace
from dgproxy.engine.manifest import Reference
from dgproxy.storage.backend import Backend

#: Seconds.
_FRESH: Final = 5.0

_ENTRIES: Final = 4096


class Offers:
    """The offers that one process has seen lately."""

    def __init__(self) -> None:
        self._seen: OrderedDict[tuple[str, str], tuple[str, float, tuple[Reference, ...]]] = OrderedDict()

    async def of(self, backend: Backend, bucket: str, space: str, epoch: str) -> tuple[Reference, ...]:
        """The references a new object may be encoded against in that epoch; see `deltaspace.offered`."""
        if backend.capabilities.exclusive_locks:
            return await deltaspace.offered(backend, bucket, space)
        began = time.monotonic()
        seen = self._seen.get((bucket, space))
        if seen is not None and seen[0] == epoch and began - seen[1] < _FRESH:
            return seen[2]
        offered = await deltaspace.offered(backend, bucket, space)
        self._seen[bucket, space] = (epoch, began, offered)
        self._seen.move_to_end((bucket, space))
        if len(self._seen) > _ENTRIES:
            self._seen.popitem(last=False)
        return offered

    def forget(self, bucket: str, space: str) -> None:
        """Look again next time: this process has changed the list."""
        self._seen.pop((bucket, space), None)
