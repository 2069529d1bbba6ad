# SPDX-License-Identifier: GPL-2.0-only
"""What the long commands do and have done, as the Health page wants it: the records of `engine.runs`.

Whoever asks sees the runs over buckets that their access key may list. What could not be found out is None,
not nothing.
"""

import asyncio
import time
from typing import Any, Final

import msgspec

from dgproxy.engine import runs
from dgproxy.engine.buckets import list_buckets
from dgproxy.engine.context import Engine
from dgproxy.engine.runs import Run
from dgproxy.http.savings import may_list
from dgproxy.logs import get_logger
from dgproxy.s3.grants import Grant
from dgproxy.storage.backend import BucketNotFound, StorageError

_log = get_logger()

#: Seconds for which an answer is good: where reading is cheap, and where it takes requests to a store.
_FRESH: Final = 1.0
_FRESH_FAR_AWAY: Final = 15.0

#: Seconds to wait for the storage: the page has more to tell.
_PATIENCE: Final = 5.0


class Runs:
    """The runs there are in all buckets, remembered for a moment."""

    def __init__(self) -> None:
        self._known: list[tuple[str, Run]] = []
        self._until = 0.0

    async def document(self, engine: Engine, grant: Grant) -> list[dict[str, Any]] | None:
        """What somebody with a grant may know; None when the storage does not answer."""
        try:
            async with asyncio.timeout(_PATIENCE):
                known = await self._read(engine)
        except (StorageError, TimeoutError) as error:
            _log.error("can't read what runs", error=str(error) or "the storage does not answer")
            return None
        return [
            {"bucket": bucket, **msgspec.to_builtins(run)}
            for bucket, run in known
            if may_list(grant, bucket, "")
        ]

    async def _read(self, engine: Engine) -> list[tuple[str, Run]]:
        if time.monotonic() >= self._until:
            found = []
            for bucket in await list_buckets(engine):
                try:
                    found += [(bucket.name, run) for run in await runs.read(engine, bucket.name)]
                except BucketNotFound:
                    continue  # deleted since
            self._known = found
            near = engine.backend.capabilities.maps_blobs
            self._until = time.monotonic() + (_FRESH if near else _FRESH_FAR_AWAY)
        return self._known
