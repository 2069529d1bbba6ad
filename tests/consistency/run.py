# SPDX-License-Identifier: GPL-2.0-only
"""One run: a cluster, clients, a nemesis; then quiet, a last look through every proxy, and the judgement.

What is true when all is over, whatever happened before: the history has an explanation for every key; `verify
--data` finds nothing; gc leaves nothing that nobody needs, in the store's own uploads as little as among our
blobs; and when every object is deleted, nothing is left at all.

`python -m tests.consistency --help` runs it for long and writes a record.
"""

import asyncio
import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path

from dgproxy import engines
from dgproxy.engine import inventory, names
from dgproxy.engine.context import Engine
from dgproxy.engine.gc import Finding, Options, collect, collect_staged
from dgproxy.engine.gc_uploads import collect_uploads
from dgproxy.engine.pace import Pace
from dgproxy.settings import Settings
from tests.consistency import clients, cluster
from tests.consistency.clients import BUCKET, Client, World
from tests.consistency.cluster import Cluster, Nemesis
from tests.consistency.history import History
from tests.consistency.meddler import Rates
from tests.system.harness import eventually


@dataclass(frozen=True)
class Plan:
    """What a run is to be."""

    seed: int
    calls: int
    clients: int
    rates: Rates
    #: Seconds between two kills or stops at most; None: there are none.
    pause: float | None = None
    long_stops: int = 0
    #: Whether gc and the optimizer run beside the load.
    maintenance: bool = False
    #: The share of large objects.
    large: float = 0.001
    #: Seconds after which it ends although there were fewer calls.
    longest: float = 7200.0


@dataclass
class Result:
    """What became of it."""

    plan: Plan
    history: History
    seconds: float = 0.0
    #: What the meddler did, and what happened to the proxies.
    meddled: dict[str, int] = field(default_factory=dict)
    events: list[str] = field(default_factory=list)
    violations: list[str] = field(default_factory=list)
    #: What gc removed, by kind, when all was over.
    garbage: dict[str, int] = field(default_factory=dict)

    def summary(self) -> str:
        counts = sorted(self.history.counts.items())
        lines = [f"{self.history.calls} calls in {self.seconds:.0f} s, {len(self.violations)} violations"]
        lines += [f"  {kind:24}{outcome:10}{count:8}" for (kind, outcome), count in counts]
        lines += [
            f"  meddled: {self.meddled}",
            f"  garbage: {self.garbage}",
            *self.events,
            *self.violations[:20],
        ]
        return "\n".join(lines)


def run(
    home: Path,
    plan: Plan,
    *,
    aftermath: bool = True,
    enough: Callable[[History], bool] = lambda _: False,
    watch: Callable[[float, History], None] = lambda _seconds, _history: None,
) -> Result:
    """All of it, in an empty directory; the load ends early when there is `enough`."""
    dice = random.Random(plan.seed)
    result = Result(plan, History())
    with cluster.running(home, plan.seed) as all_of_it:
        world = World(all_of_it.proxies, result.history)
        all_of_it.meddle(plan.rates)
        began = time.monotonic()
        nemesis = _nemesis(all_of_it, plan, dice, result.history)
        with nemesis or nullcontext(), loaded(world, plan, dice):
            while result.history.calls < plan.calls and not enough(result.history):
                time.sleep(0.1)
                watch(time.monotonic() - began, result.history)
                if time.monotonic() > began + plan.longest:
                    break
        result.seconds = time.monotonic() - began
        if nemesis is not None:
            result.events = nemesis.events
            result.violations += nemesis.failures
        result.meddled = all_of_it.meddle(Rates())
        _last_look(all_of_it, world)
        result.violations += result.history.violations()
        result.violations += [
            f"{upload.path}: both aborted and completed"
            for upload in world.uploads
            if upload.aborted and upload.completed
        ]
        if aftermath:
            asyncio.run(_aftermath(all_of_it, result))
    return result


def _nemesis(all_of_it: Cluster, plan: Plan, dice: random.Random, history: History) -> Nemesis | None:
    if plan.pause is None:
        return None
    own = random.Random(dice.getrandbits(64))
    return Nemesis(all_of_it, own, history.died, plan.pause, plan.long_stops, plan.maintenance)


@contextmanager
def loaded(world: World, plan: Plan, dice: random.Random, name: str = "c") -> Iterator[None]:
    """The clients of a plan at work for the block; `name` begins their names, which no two may share."""
    world.stop.clear()
    all_of_them = [
        Client(world, f"{name}{number}", random.Random(dice.getrandbits(64)), plan.large)
        for number in range(plan.clients)
    ]
    threads = [threading.Thread(target=client.run, daemon=True) for client in all_of_them]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        world.stop.set()
        for thread in threads:
            thread.join()


def _last_look(all_of_it: Cluster, world: World) -> None:
    """End what is open, and ask every proxy for every key: by GET, HEAD and LIST."""
    for proxy in all_of_it.proxies:  # whatever is still under way ends with them
        proxy.stop()
        world.history.died(all_of_it.proxies.index(proxy))
        proxy.start()
    for proxy in all_of_it.proxies:
        alone = World([proxy], world.history, racers=world.racers, open_ends=world.open_ends)
        client = Client(alone, f"last-{proxy.home.name}", random.Random(0))

        def settled(client: Client = client) -> bool:
            """Every Complete has an answer: a claim of somebody who died stands for a minute."""
            for _ in range(len(world.open_ends)):
                client.go_on()
            return not world.open_ends

        eventually(settled, "every upload is completed, or gone", 150)
        client.look_at_everything()
        client.close()


async def _aftermath(all_of_it: Cluster, result: Result) -> None:
    """What must hold of the storage now. With the grace and the ages of a moment without any request."""
    settings = Settings(
        s3_endpoint=all_of_it.store.endpoint,
        aws_access_key_id=all_of_it.store.access_key_id,
        aws_secret_access_key=all_of_it.store.secret_access_key,
        data_dir=all_of_it.home / "commands" / "data",
    )
    for proxy in all_of_it.proxies:
        proxy.stop()
    async with engines.engine_of(settings) as engine:
        for finding in await _gc(engine):
            result.garbage[finding.kind] = result.garbage.get(finding.kind, 0) + 1
            if finding.outcome == "left":
                result.violations.append(f"gc left {finding}")
        left = await _gc(engine)
        result.violations += [f"gc found more in a second run: {finding}" for finding in left]
        verified = await asyncio.to_thread(all_of_it.run, "verify", "--data")
        if not verified.stdout.endswith(": all sound.\n"):
            result.violations.append(f"verify --data: {verified.stdout}{verified.stderr}")
        all_of_it.proxies[0].start()
        await asyncio.to_thread(clients.delete_everything, all_of_it.proxies[0], result.history)
        all_of_it.proxies[0].stop()
        await _gc(engine)
        blobs = [item.key async for item in inventory.listed(engine.backend, BUCKET, "deltaspaces/")]
        uploads = [item.key async for item in inventory.listed(engine.backend, BUCKET, "uploads/")]
        staged = [item.key for item in await engine.backend.list_staged(0)]
        blobs = [key for key in blobs if names.read_name(key).kind != "record"]
        if blobs or uploads or staged:
            result.violations.append(f"left behind when all is deleted: {[*blobs, *uploads, *staged][:20]}")


async def _gc(engine: Engine) -> list[Finding]:
    """Collect at once: nobody writes now."""
    found: list[Finding] = []
    options = Options(delete=True, older_than=-1.0, uploads_older_than=-1.0, grace=0.0)
    await collect_uploads(engine, BUCKET, options, found.append, pace=Pace(None))
    await collect(engine, BUCKET, options, found.append, pace=Pace(None))
    await collect_staged(engine, options, found.append)
    return found
