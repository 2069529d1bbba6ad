# SPDX-License-Identifier: GPL-2.0-only
"""Numbers of a server with several workers: each tells them all, and no death makes them less."""

import signal
import time
import urllib.request
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.system.harness import PATIENCE, Server

WORKERS = 3


def scraped(server: Server) -> dict[str, float]:
    """Every sample without labels, and the sums of those with."""
    with urllib.request.urlopen(f"{server.url}/_/metrics") as answer:
        text = answer.read().decode()
    sums: dict[str, float] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            sums[sample.name] = sums.get(sample.name, 0.0) + sample.value
    return sums


def gets(server: Server, times: int) -> None:
    """So many requests, each on a connection of its own, so that every worker gets some."""
    for _ in range(times):
        urllib.request.urlopen(f"{server.url}/default/k").read()


@pytest.mark.timeout(120)
def test_the_workers_numbers_are_one(tmp_path: Path) -> None:
    with Server(tmp_path, {"DELTAGLIDER_PROXY_WORKERS": str(WORKERS)}) as server:
        put = urllib.request.Request(f"{server.url}/default/k", data=b"x" * 100, method="PUT")
        urllib.request.urlopen(put).read()
        gets(server, 60)
        seen = [scraped(server) for _ in range(12)]
        assert {each["deltaglider_workers"] for each in seen} == {WORKERS}
        totals = [each["deltaglider_requests_total"] for each in seen]
        assert totals == sorted(totals), "one worker knows less than another"
        assert totals[0] >= 61
        assert {each["deltaglider_sent_bytes_total"] for each in seen[:1]} != {0}

        assert server.process is not None
        workers = [each for each in server.members() if each.pid != server.process.pid]
        assert len(workers) == WORKERS
        before = scraped(server)
        for worker in workers:
            worker.send_signal(signal.SIGKILL)
        deadline = time.monotonic() + PATIENCE
        while len([each for each in server.members() if each not in workers]) < WORKERS + 1:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        while not server.answers():
            assert time.monotonic() < deadline
        after = scraped(server)
        for name in (
            "deltaglider_requests_total",
            "deltaglider_sent_bytes_total",
            "deltaglider_bodies_total",
        ):
            assert after[name] >= before[name] > 0, f"{name} went back when its workers died"
        assert after["deltaglider_start_time_seconds"] == before["deltaglider_start_time_seconds"]
        assert after["deltaglider_requests_in_flight"] == 1
