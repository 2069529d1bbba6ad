# SPDX-License-Identifier: GPL-2.0-only
"""Whether this server can do its work now, check by check, for `GET /_/ready` and load balancers.

A check that can't be carried out in time has failed. A disk that fills up is "low" first, which is a warning
to people; only where the next uploads would be refused is the server not ready. Reasons that speak of paths
stay in the log: whoever may reach the port may ask.
"""

import asyncio
import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from dgproxy.engine.buckets import have_an_answer
from dgproxy.engine.context import Engine
from dgproxy.logs import get_logger
from dgproxy.storage.errors import StorageError

_log = get_logger()

#: Seconds for a check; probes of load balancers and kubelets give up after about that.
_PATIENCE: Final = 5.0

_MIB: Final = 1 << 20
#: Free bytes under which a disk has failed, or is low: these, or such a share of a small disk.
_FAILED: Final = (256 * _MIB, 0.01)
_LOW: Final = (10 << 10 * 3, 0.05)

Verdict = Literal["ok", "low", "failed"]


@dataclass(frozen=True, slots=True)
class Space:
    """Of a filesystem: bytes there are, and those still free to this user."""

    size: int
    free: int

    @property
    def verdict(self) -> Verdict:
        """What that means for uploads."""
        for verdict, (least, share) in (("failed", _FAILED), ("low", _LOW)):
            if self.free < min(least, self.size * share):
                return "failed" if verdict == "failed" else "low"
        return "ok"


@dataclass(frozen=True, slots=True)
class Check:
    """What was looked at, what came out, and facts about it."""

    name: str
    verdict: Verdict
    facts: dict[str, float]


async def space(directory: Path) -> Space:
    """The space where a directory is. Raises OSError."""
    found = await asyncio.to_thread(os.statvfs, directory)
    return Space(found.f_blocks * found.f_frsize, found.f_bavail * found.f_frsize)


async def checks(engine: Engine, bucket: str, directory: Path | None) -> list[Check]:
    """Carry out every check; `bucket` is where to look, the disk of `directory` must not fill up."""
    found = [await _backend(engine, bucket)]
    if directory is not None:
        found.append(await _disk(directory))
    return found


async def _backend(engine: Engine, bucket: str) -> Check:
    began = time.perf_counter()
    try:
        async with asyncio.timeout(_PATIENCE):
            await have_an_answer(engine, bucket)
    except (StorageError, TimeoutError) as error:
        _log.error("not ready: the backend can't be reached", error=str(error) or "it does not answer")
        return Check("backend", "failed", {})
    return Check("backend", "ok", {"milliseconds": round((time.perf_counter() - began) * 1000, 1)})


async def _disk(directory: Path) -> Check:
    try:
        async with asyncio.timeout(_PATIENCE):
            found = await space(directory)
    except (OSError, TimeoutError) as error:
        _log.error("not ready: can't find out how much disk space is left", error=str(error))
        return Check("disk", "failed", {})
    if found.verdict == "failed":
        _log.error("not ready: the disk is nearly full", free_bytes=found.free, size_bytes=found.size)
    return Check("disk", found.verdict, {"free_bytes": found.free, "size_bytes": found.size})
