# SPDX-License-Identifier: GPL-2.0-only
"""Counting in memory that processes share: sums that never go back, and failures that are remembered."""

import subprocess
import sys
from pathlib import Path

import pytest

from dgproxy.metrics import OTHER, Counter, Gauge, Histogram, read

PROJECT = Path(__file__).resolve().parent.parent

apples = Counter("test_apples_total", "Apples.", colour=("red", "green", OTHER), size=("small", "large"))
level = Gauge("test_level", "A level.")
sizes = Histogram("test_sizes", "Sizes.", (1, 2.5, 10), kind=("a", "b"))


def values(name: str) -> dict[tuple[str, ...], tuple[float, ...]]:
    families, cells = read()
    [family] = [each for each in families if each.name == name]
    return {sample.labels: sample.values for sample in family.samples(cells)}


def test_a_series_is_counted_by_its_labels() -> None:
    apples.add(2, "red", "small")
    apples.add(0.5, "green", "large")
    apples.add(1, "blue", "large")
    found = values("test_apples_total")
    assert len(found) == 6
    assert {labels: value for labels, (value,) in found.items() if value} == {
        ("red", "small"): 2,
        ("green", "large"): 0.5,
        (OTHER, "large"): 1,
    }
    with pytest.raises(KeyError):
        apples.add(1, "red", "huge")


def test_a_gauge_goes_both_ways() -> None:
    level.add(5)
    level.add(-2)
    assert values("test_level") == {(): (3,)}
    level.set(7)
    assert values("test_level") == {(): (7,)}


def test_a_value_on_a_bound_is_in_its_bucket() -> None:
    for value in (0, 1, 1.5, 2.5, 10, 11):
        sizes.observe(value, "a")
    assert values("test_sizes") == {("a",): (2, 2, 1, 1, 26), ("b",): (0, 0, 0, 0, 0)}


def in_a_server(code: str) -> str:
    """Run code in a process with two workers' rows and a function that runs another in a fork."""
    start = (
        "import os\n"
        "from dgproxy import metrics, recent\n"
        "apples = metrics.Counter('apples_total', 'Apples.')\n"
        "level = metrics.Gauge('level', 'A level.')\n"
        "metrics.share(2); recent.share(2)\n"
        "def worker(number, work):\n"
        "    pid = os.fork()\n"
        "    if pid == 0:\n"
        "        metrics.join(number); recent.join(number)\n"
        "        work()\n"
        "        os._exit(0)\n"
        "    os.waitpid(pid, 0)\n"
        "def value(name):\n"
        "    families, cells = metrics.read()\n"
        "    return [s.value for f in families if f.name == name for s in f.samples(cells)]\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", start + code],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert done.stderr == ""
    return done.stdout


def test_workers_counters_are_summed_and_outlive_them() -> None:
    printed = in_a_server(
        "worker(1, lambda: (apples.add(3), level.set(4)))\n"
        "worker(2, lambda: (apples.add(5), level.set(6)))\n"
        "print(value('apples_total'), value('level'))\n"
        "worker(1, lambda: apples.add(1))\n"  # another in the place of the first
        "print(value('apples_total'), value('level'))\n"
    )
    assert printed.splitlines() == ["[8.0] [10.0]", "[9.0] [6.0]"]


def test_a_family_that_comes_too_late_is_refused() -> None:
    printed = in_a_server(
        "metrics.join(1)\n"
        "try: metrics.Counter('late_total', 'Late.')\n"
        "except RuntimeError as error: print(error)\n"
    )
    assert "late_total" in printed


def test_failures_of_all_workers_newest_first() -> None:
    printed = in_a_server(
        "def fail(*times):\n"
        "    for time in times: recent.note({'time': time, 'path': '/é' + 'x' * 2000, 'code': 'SlowDown'})\n"
        "worker(1, lambda: fail(1.0, 4.0))\n"
        "worker(2, lambda: fail(*(100.0 + each for each in range(40))))\n"
        "worker(1, lambda: fail(5.0))\n"
        "found = recent.read()\n"
        "print([entry['time'] for entry in found])\n"
        "print({(entry['code'], len(entry['path'])) for entry in found})\n"
    )
    assert printed.splitlines() == [
        str([100.0 + each for each in range(39, 7, -1)] + [5.0, 4.0, 1.0]),
        "{('SlowDown', 101)}",
    ]
