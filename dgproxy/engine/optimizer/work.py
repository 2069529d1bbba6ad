# SPDX-License-Identifier: GPL-2.0-only
"""What the steps of the optimizer share: where they work and how, and what came of it.

No step keeps more than that between two calls; what a step finds out is returned to `run`.
"""

from collections.abc import Callable
from dataclasses import dataclass

import msgspec
import structlog

from dgproxy.engine.context import Engine
from dgproxy.engine.manifest import Manifest
from dgproxy.engine.pace import Pace
from dgproxy.engine.rest import Rest

_log = structlog.get_logger(__name__)


class Outcome(msgspec.Struct):
    """What came of a deltaspace: its blobs in bytes, and what was done."""

    bucket: str
    deltaspace: str
    before: int = 0
    after: int = 0
    objects: int = 0
    #: Objects written anew, new references, references that went, objects that share another's blobs.
    rewritten: int = 0
    references_made: int = 0
    references_retired: int = 0
    shared: int = 0
    #: Objects that could not be read or written; the log says why.
    failed: int = 0

    @property
    def changed(self) -> bool:
        """Whether anything was done."""
        return bool(self.rewritten or self.references_made or self.references_retired or self.shared)


@dataclass(frozen=True, slots=True)
class Work:
    """A deltaspace, and the manners of working on it: `rest` after CPU time, `pace` of reading.

    `watch` is called with the number of objects done; `outcome` is added to by whoever does something.
    """

    engine: Engine
    bucket: str
    space: str
    rest: Rest
    pace: Pace
    watch: Callable[[int], None]
    outcome: Outcome

    def failed(self, manifest: Manifest, error: Exception) -> None:
        """An object stays as it is, because of an error."""
        self.outcome.failed += 1
        _log.warning("object not optimized", bucket=self.bucket, key=manifest.key, error=str(error))
