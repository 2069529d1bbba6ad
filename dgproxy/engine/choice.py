# SPDX-License-Identifier: GPL-2.0-only
"""Which of a deltaspace's references a body is encoded against.

Every offered reference is asked how much a delta against it would save (`engine.likeness`), by samples of one
window and a sketch of the reference; only the one that is taken has its index loaded. What a promise is worth
is decided in `engine.policy`. A reference that proves damaged is taken off the list, so that the next upload
starts a sound one.
"""

from contextlib import AsyncExitStack

import structlog

from dgproxy.codec.delta import SourceIndex
from dgproxy.engine import deltaspace, keys
from dgproxy.engine.context import Engine
from dgproxy.engine.errors import ObjectDamaged
from dgproxy.engine.likeness import likenesses
from dgproxy.engine.manifest import Reference
from dgproxy.engine.policy import FITS, FITS_LATER, PLACES, PLACES_LATER, closest

_log = structlog.get_logger(__name__)

#: A reference and its index.
Chosen = tuple[Reference, SourceIndex]


class Choice:
    """The references `offered` to one body for `key`; those that prove damaged are taken out of the list.

    What is chosen stays valid until `stack` unwinds; its blob is added to `in_use`.
    """

    def __init__(
        self,
        engine: Engine,
        bucket: str,
        key: str,
        offered: list[Reference],
        stack: AsyncExitStack,
        in_use: list[str],
    ) -> None:
        self._engine = engine
        self._bucket = bucket
        self._key = key
        self._offered = offered
        self._stack = stack
        self._in_use = in_use

    async def of(self, window: memoryview, position: int) -> Chosen | None:
        """The reference for a body with this window at this offset, if one fits."""
        places, least = (PLACES, FITS) if position == 0 else (PLACES_LATER, FITS_LATER)
        promised = await self._promised(window, position, places)
        while (best := closest(promised, keys.readable(self._key), least)) is not None:
            try:
                index = await self._stack.enter_async_context(
                    self._engine.references.indexed(self._bucket, best)
                )
            except ObjectDamaged as error:
                await self._withdraw(best, error)
                promised = [each for each in promised if each[0] != best]
                continue
            self._in_use.append(best.blob)
            return best, index
        return None

    async def _promised(
        self, window: memoryview, position: int, places: int
    ) -> list[tuple[Reference, float]]:
        """What each reference promises to save, those left out that are damaged."""
        async with AsyncExitStack() as stack:
            sketches: dict[Reference, SourceIndex] = {}
            for reference in list(self._offered):
                sketched = self._engine.references.sketched(self._bucket, reference)
                try:
                    sketches[reference] = await stack.enter_async_context(sketched)
                except ObjectDamaged as error:
                    await self._withdraw(reference, error)
            if not sketches:
                return []
            # All of them by one call to a worker thread: it costs as much as what is done there.
            asked = (list(sketches.values()), window, position, places)
            savings = await self._engine.workers.run(likenesses, *asked)
            return list(zip(sketches, savings, strict=True))

    async def _withdraw(self, reference: Reference, error: ObjectDamaged) -> None:
        _log.error("reference damaged; no longer offered", bucket=self._bucket, error=str(error))
        self._offered.remove(reference)
        space = keys.space_of(self._key)
        self._engine.offers.forget(self._bucket, space)
        await deltaspace.withdraw(self._engine.backend, self._bucket, space, reference.id)
