# SPDX-License-Identifier: GPL-2.0-only
"""What is saved, as the browser and Prometheus want it: the numbers of every deltaspace, and their sums.

The numbers are `engine.statistics`'s, so they are those of `deltaglider_proxy stats`, and have the same
names. Whoever asks sees the deltaspaces that their access key may list.
"""

import time
from collections.abc import Sequence
from typing import Any, Final

from dgproxy.engine import statistics
from dgproxy.engine.buckets import list_buckets
from dgproxy.engine.context import Engine
from dgproxy.engine.ledger import NOTHING, Numbers
from dgproxy.engine.statistics import Statistics
from dgproxy.s3.grants import EVERYTHING, Grant
from dgproxy.s3.operation import Operation, Request
from dgproxy.storage.backend import BucketNotFound

#: Deltaspaces that are told one by one; the largest. Sums are of all.
_TOLD: Final = 1000

#: Seconds for which the totals for Prometheus are good: they come from reading every deltaspace's record.
_FRESH: Final = 60.0


async def document(engine: Engine, grant: Grant) -> dict[str, Any]:
    """What somebody with a grant may know. Raises the storage layer's errors."""
    found = await _read(engine, grant)
    largest = sorted(found, key=lambda each: -each.numbers.logical)[:_TOLD]
    buckets = dict.fromkeys(each.bucket for each in found)
    return {
        "deltaspaces": [{"deltaspace": each.space, **_exactly(each)} for each in largest],
        "buckets": [
            _exactly(statistics.total(bucket, [each for each in found if each.bucket == bucket]))
            for bucket in buckets
        ],
        "summary": {"deltaspaces": len(found), **_exactly(statistics.total("", found))},
    }


def _exactly(each: Statistics) -> dict[str, Any]:
    return {"bucket": each.bucket, **each.exactly()}


class Totals:
    """The sums over everything, for a while."""

    def __init__(self) -> None:
        self._numbers = NOTHING
        self._until = 0.0

    async def numbers(self, engine: Engine) -> Numbers:
        """At most a minute old. Raises the storage layer's errors."""
        if time.monotonic() >= self._until:
            self._numbers = statistics.total("", await _read(engine, EVERYTHING)).numbers
            self._until = time.monotonic() + _FRESH
        return self._numbers


async def _read(engine: Engine, grant: Grant) -> Sequence[Statistics]:
    found: list[Statistics] = []
    for bucket in await list_buckets(engine):
        if not grant.sees(bucket.name):
            continue
        try:
            spaces = await statistics.read(engine, bucket.name)
        except BucketNotFound:
            continue  # deleted since
        found += [each for each in spaces if may_list(grant, each.bucket, each.space)]
    return found


def may_list(grant: Grant, bucket: str, prefix: str) -> bool:
    """Whether somebody with the grant may see the keys that start so."""
    return grant.allows(Request(Operation.LIST_OBJECTS_V2, bucket, "", {"prefix": prefix}, "", ""))
