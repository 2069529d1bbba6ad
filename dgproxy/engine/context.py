# SPDX-License-Identifier: GPL-2.0-only
"""The engine as one value: what every operation on objects needs, built once per process.

Operations are functions of the other modules that take an `Engine` first. It holds no state of its own; what
its members remember may be dropped at any time.
"""

import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from dgproxy.codec.workers import Workers
from dgproxy.engine.budget import Budget
from dgproxy.engine.ids import new_id
from dgproxy.engine.leases import Leases
from dgproxy.engine.ledger import Ledger
from dgproxy.engine.offers import Offers
from dgproxy.engine.policy import Policy
from dgproxy.engine.references import References
from dgproxy.engine.remembered import Manifests
from dgproxy.engine.summaries import Summaries
from dgproxy.storage.backend import Backend
from dgproxy.storage.cache import FileCache


def wall_clock_ms() -> int:
    """Milliseconds since the epoch."""
    return time.time_ns() // 1_000_000


@dataclass(frozen=True, slots=True)
class Engine:
    """Storage, threads, memory and rules of one process."""

    backend: Backend
    workers: Workers
    references: References
    summaries: Summaries
    budget: Budget
    offers: Offers
    policy: Policy
    now: Callable[[], int]
    ledger: Ledger
    leases: Leases
    manifests: Manifests

    def new_id(self) -> str:
        """A ULID for this moment."""
        return new_id(self.now())


@asynccontextmanager
async def running(
    backend: Backend,
    policy: Policy,
    cache: FileCache,
    *,
    threads: int,
    index_memory: int,
    largest_index: int,
    transfer_memory: int,
    manifest_ttl: float = 0.0,
    now: Callable[[], int] = wall_clock_ms,
) -> AsyncIterator[Engine]:
    """An engine over an open backend and cache for the block; memory limits in bytes, for this process.

    HEAD may be `manifest_ttl` seconds behind other processes.
    """
    async with Workers(threads) as workers:
        references = References(backend, workers, cache, index_memory, largest_index)
        try:
            yield Engine(
                backend,
                workers,
                references,
                Summaries(),
                Budget(transfer_memory),
                Offers(),
                policy,
                now,
                Ledger(now),
                Leases(backend, lambda: new_id(now())),
                Manifests(manifest_ttl),
            )
        finally:
            references.close()
