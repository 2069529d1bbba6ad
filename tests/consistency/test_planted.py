# SPDX-License-Identifier: GPL-2.0-only
"""A checker that finds nothing may be blind: bugs that are put into the store must be found, each of them.

The proxies are sound, and start on a sound store: one that ignores conditions is refused then. Each bug has a
bucket of its own, so that the others' history is none of its business.
"""

import random
import time
import urllib.request
from collections.abc import Iterator

import pytest

from tests.consistency import cluster
from tests.consistency.clients import World
from tests.consistency.cluster import Cluster
from tests.consistency.history import History
from tests.consistency.meddler import PLANTS, Rates
from tests.consistency.run import Plan, loaded
from tests.storage import stores

#: How often each strikes.
RATES = {
    "conditions ignored": 1.0,
    "stale listing": 0.5,
    "stale read": 0.2,
    "second write": 0.7,
    "prefix left out": 0.2,
}

#: Seconds of load before the history is judged, and how often that may be; most are found by the first.
ROUND, ROUNDS = 2.0, 20

pytestmark = pytest.mark.timeout(300)


@pytest.fixture(scope="module")
def proxies(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with cluster.running(tmp_path_factory.mktemp("planted") / "run", seed=11) as running:
        yield running


def load(proxies: Cluster, bucket: str, rates: Rates, rounds: int) -> list[str]:
    """Violations in a new bucket, after the first round that has any; judged when no call is under way."""
    request = urllib.request.Request(f"{proxies.proxies[0].url}/{bucket}", method="PUT")
    with urllib.request.urlopen(request, timeout=30):
        pass
    world = World(proxies.proxies, History(), bucket)
    plan = Plan(seed=13, calls=0, clients=8, rates=rates, large=0.0)
    proxies.meddle(rates)
    dice = random.Random(plan.seed)
    found: list[str] = []
    for number in range(rounds):
        with loaded(world, plan, dice, f"r{number}c"):
            time.sleep(ROUND)
        found = world.history.violations()
        if found:
            break
    proxies.meddle(Rates())
    return found


@pytest.mark.parametrize("plant", PLANTS)
def test_is_found(proxies: Cluster, plant: str) -> None:
    rate = RATES.get(plant, 0.05)
    rates = Rates(plant=plant, plant_rate=rate, credentials=(stores.ACCESS, stores.SECRET))
    found = load(proxies, plant.replace(" ", "-"), rates, ROUNDS)
    assert found, f"{plant}: not noticed"
    assert any("not explained" in each for each in found), found


def test_without_one_nothing_is_found(proxies: Cluster) -> None:
    assert load(proxies, "sound", Rates(), 2) == []
