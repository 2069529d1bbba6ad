# SPDX-License-Identifier: GPL-2.0-only
"""Runs the server benchmark and writes one record: `python -m benchmarks.server [--no-peer] [--rounds N]`.

Ours and the peer are measured in turns, round by round, so that what else happens on the machine hits both.
A run that can't compare what it reads with what it wrote is no result: it ends with an error.
"""

import argparse
import contextlib
import datetime
import hashlib
import os
import shutil
import signal
import statistics
import sys
import tempfile
import tomllib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.checkout import git, publish
from benchmarks.server import floors, peer
from benchmarks.server.artifact import Recipe, Release
from benchmarks.server.load import Body, Connection, at_once
from benchmarks.server.processes import PeakMemory, cpu_seconds, machine
from tests.system.harness import Server

DEFINITIONS = Path(__file__).with_name("definitions.toml")
BUCKET = "bench"


@dataclass
class Subject:
    """A running server under measurement; figures are decimal MB per second of wall clock and of CPU time."""

    name: str
    port: int
    pid: int
    #: Per verb and concurrency: one figure a round.
    wall: dict[str, list[float]] = field(default_factory=dict)
    cpu: dict[str, list[float]] = field(default_factory=dict)
    memory: dict[str, dict[str, int]] = field(default_factory=dict)

    def prepare(self, first: Body, second: Body, expected: bytes) -> None:
        """Make the bucket, store the first version, and see that the second comes back as it was."""
        connection = Connection(self.port)
        connection.request("PUT", f"/{BUCKET}")
        connection.request("PUT", f"/{BUCKET}/release/first.tar", first)
        self.compare(connection, second, expected)
        connection.close()

    def compare(self, connection: Connection, second: Body, expected: bytes) -> None:
        """Store, read whole, compare, delete. RuntimeError on any difference."""
        path = f"/{BUCKET}/release/compare.tar"
        connection.request("PUT", path, second)
        if connection.request("GET", path, keep=True) != expected:
            raise RuntimeError(f"{self.name} gave other bytes back than it was given")
        connection.request("DELETE", path)

    def run(self, verb: str, concurrency: int, second: Body) -> float:
        """`concurrency` requests of one verb at once; seconds."""
        connections = [Connection(self.port) for _ in range(concurrency)]
        body = second if verb == "PUT" else None

        def task(number: int) -> Callable[[], object]:
            path = f"/{BUCKET}/release/v{number}.tar"
            return lambda: connections[number].request(verb, path, body)

        took = at_once([task(number) for number in range(concurrency)])
        for connection in connections:
            connection.close()
        return took

    def timed(self, verb: str, concurrency: int, second: Body) -> None:
        """One round, with the CPU time it took."""
        before = cpu_seconds(self.pid)
        took = self.run(verb, concurrency, second)
        spent = cpu_seconds(self.pid) - before
        label = f"{verb} {concurrency}"
        size = concurrency * second.size / 1e6
        self.wall.setdefault(label, []).append(round(size / took, 1))
        self.cpu.setdefault(label, []).append(round(size / spent, 1) if spent else 0.0)

    def remember_peak(self, verb: str, concurrency: int, second: Body) -> None:
        """One round under the memory sampler; the largest peak of all rounds is kept."""
        with PeakMemory(self.pid) as memory:
            self.run(verb, concurrency, second)
        label = f"{verb} {concurrency}"
        if memory.peak["Pss"] > self.memory.get(label, {"Pss": 0})["Pss"]:
            self.memory[label] = memory.peak | {"samples": memory.samples}

    def report(self) -> dict[str, Any]:
        """All figures; the median is the result."""
        return {
            "mb_per_s": {label: statistics.median(values) for label, values in self.wall.items()},
            "mb_per_cpu_s": {label: statistics.median(values) for label, values in self.cpu.items()},
            "rounds": {"mb_per_s": self.wall, "mb_per_cpu_s": self.cpu},
            "peak_memory": self.memory,
        }


def measure(
    subjects: list[Subject], load: dict[str, Any], first: Body, second: Body, expected: bytes
) -> None:
    """Every round of every subject."""
    for subject in subjects:
        subject.prepare(first, second, expected)
    for number in range(load["rounds"]):
        for concurrency in load["concurrency"]:
            for verb in ("PUT", "GET", "DELETE"):
                for subject in subjects:
                    if verb == "DELETE":
                        subject.run(verb, concurrency, second)
                    else:
                        subject.timed(verb, concurrency, second)
        print(f"round {number + 1} of {load['rounds']} done", file=sys.stderr)
    most = max(load["concurrency"])
    for _ in range(load["memory_rounds"]):
        for subject in subjects:
            for verb in ("PUT", "GET"):
                subject.remember_peak(verb, most, second)
            subject.run("DELETE", most, second)
    for subject in subjects:
        connection = Connection(subject.port)
        subject.compare(connection, second, expected)
        connection.close()


def judge(ours: Subject, targets: dict[str, int]) -> dict[str, Any]:
    """The issue's targets against what was measured, worst case of the concurrencies."""

    def slowest(verb: str) -> float:
        return min(statistics.median(v) for label, v in ours.wall.items() if label.startswith(verb))

    memory = round(max(peak["Pss"] for peak in ours.memory.values()) / 1e6, 1)
    found = {
        "put_mb_per_s": (slowest("PUT"), slowest("PUT") >= targets["put_mb_per_s"]),
        "get_mb_per_s": (slowest("GET"), slowest("GET") >= targets["get_mb_per_s"]),
        "memory_mb": (memory, memory <= targets["memory_mb"]),
    }
    return {
        name: {"target": targets[name], "measured": value, "met": met} for name, (value, met) in found.items()
    }


def record(definitions: dict[str, Any], home: Path, *, with_peer: bool) -> dict[str, Any]:
    """Run everything; the record as plain data."""
    host = machine()
    release = Release(Recipe(**definitions["artifact"]))
    first, second = release.versions()
    bodies = Body(first), Body(second)
    found: dict[str, Any] = {
        "format": 1,
        "when": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "commit": git("rev-parse", "HEAD"),
        "changed_since": git(
            "status", "--porcelain", "--", "dgproxy", "csrc", "benchmarks/server"
        ).splitlines(),
        "machine": host,
        "definitions": {"sha256": hashlib.sha256(DEFINITIONS.read_bytes()).hexdigest(), **definitions},
        "similar": round(release.similar, 4),
        "floors_mb_per_s": floors.measure(first, second, home),
    }
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(Server(home / "ours", {"DELTAGLIDER_PROXY_WORKERS": str(host["cores"])}))
        assert server.process is not None
        ours = Subject("dgproxy", server.port, server.process.pid)
        subjects = [ours]
        if with_peer:
            program = peer.install(definitions["peer"]["package"])
            other = stack.enter_context(peer.Seaweed(program, home / "peer"))
            assert other.process is not None
            subjects.append(Subject(definitions["peer"]["name"], other.port, other.process.pid))
        measure(subjects, definitions["load"], *bodies, second)
        # What one second version takes on disk, records and all.
        alone = sum(server.files(BUCKET).values())
        ours.run("PUT", 1, bodies[1])
        found["stored_bytes_of_second"] = sum(server.files(BUCKET).values()) - alone
    found["machine"]["load_after"] = os.getloadavg()[0]
    found["servers"] = {subject.name: subject.report() for subject in subjects}
    if with_peer:
        ours_, others = (found["servers"][subject.name]["mb_per_s"] for subject in subjects)
        found["ratio_to_peer"] = {label: round(value / others[label], 2) for label, value in ours_.items()}
    found["targets"] = judge(ours, definitions["targets"])
    for body in bodies:
        body.close()
    return found


def main() -> int:
    """The command line; 0 also when a target is missed: the record says so."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.server", description=__doc__.partition("\n")[0]
    )
    parser.add_argument("--no-peer", action="store_true", help="measure only this server and the floors")
    parser.add_argument("--rounds", type=int, help="instead of the definitions' number; not recorded")
    parser.add_argument(
        "--data", type=Path, default=Path(tempfile.gettempdir()), help="where both servers store"
    )
    options = parser.parse_args()
    definitions = tomllib.loads(DEFINITIONS.read_text())
    if options.rounds:
        definitions["load"] |= {"rounds": options.rounds, "memory_rounds": 1}
    # A run that is told to stop must not leave servers behind: leave through every `with`.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("stopped"))
    home = Path(tempfile.mkdtemp(prefix="bench-", dir=options.data))
    try:
        found = record(definitions, home, with_peer=not options.no_peer)
    finally:
        shutil.rmtree(home, ignore_errors=True)
    publish("", found, recorded=not options.rounds)
    return 0


if __name__ == "__main__":
    sys.exit(main())
