# SPDX-License-Identifier: GPL-2.0-only
"""Runs the backend benchmark and writes one record: `python -m benchmarks.backend [--rounds N]`.

The same store is used twice: by a client that speaks to it, and by one that speaks to a proxy in front of
it. The two take turns in every round, so that what else happens on the machine hits both. What is read is
compared with what was written, before and after.
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
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.backend import relay
from benchmarks.checkout import git, publish
from benchmarks.server import peer
from benchmarks.server.__main__ import DEFINITIONS as RELEASE
from benchmarks.server.artifact import Recipe, Release
from benchmarks.server.load import Body, Connection, at_once
from benchmarks.server.processes import machine
from tests.system.harness import Server, free_ports

DEFINITIONS = Path(__file__).with_name("definitions.toml")
BUCKET = "bench"
#: The buckets of the proxies in the store.
PREFIX = "behind-"


@dataclass(frozen=True)
class Way:
    """How a client gets to the store: the port it speaks to, and where it puts its objects."""

    name: str
    port: int
    prefix: str

    def ask(self, method: str, key: str, body: Body | None = None, *, keep: bool = False) -> bytes:
        """One request on a connection of its own."""
        connection = Connection(self.port)
        try:
            return connection.request(method, f"/{BUCKET}/{self.prefix}/{key}", body, keep=keep)
        finally:
            connection.close()

    def run(self, verb: str, concurrency: int, body: Body) -> float:
        """So many requests of one verb at once; decimal MB of objects per second."""
        paths = [f"/{BUCKET}/{self.prefix}/v{number}.tar" for number in range(concurrency)]
        sent = body if verb == "PUT" else None
        connections = [Connection(self.port) for _ in paths]
        took = at_once(
            [
                partial(connection.request, verb, path, sent)
                for connection, path in zip(connections, paths, strict=True)
            ]
        )
        for connection in connections:
            connection.close()
        return concurrency * body.size / 1e6 / took

    def compare(self, body: Body, expected: bytes) -> None:
        """Store, read, compare, delete. RuntimeError on any difference."""
        self.ask("PUT", "compare.tar", body)
        self.check("compare.tar", expected)
        self.ask("DELETE", "compare.tar")

    def check(self, key: str, expected: bytes) -> None:
        """Read and compare. RuntimeError on any difference."""
        if self.ask("GET", key, keep=True) != expected:
            raise RuntimeError(f"{self.name} gave other bytes back than it was given")


@dataclass(frozen=True)
class Case:
    """What is measured: verbs on one object, through the proxy and without it."""

    proxy: Way
    store: Way
    body: Body
    expected: bytes
    #: Verb -> the name of its figure, for those that count.
    figures: Mapping[str, str]


def whole(recipe: Mapping[str, Any]) -> bytes:
    """The object that is stored as it is. ValueError when it is not what the definitions say."""
    data = hashlib.shake_128(recipe["seed"].encode()).digest(recipe["size"])
    if hashlib.sha256(data).hexdigest() != recipe["sha256"]:
        raise ValueError(f"the made object has SHA-256 {hashlib.sha256(data).hexdigest()}")
    return data


def measure(cases: list[Case], load: Mapping[str, Any]) -> dict[str, Any]:
    """Every round of every case; figures by name and concurrency."""
    found: dict[str, Any] = {}
    for case in cases:
        for way in (case.proxy, case.store):
            way.compare(case.body, case.expected)
    for number in range(load["rounds"]):
        for concurrency in load["concurrency"]:
            for case in cases:
                # whoever is second finds the machine as the first left it: they change places
                ways = (case.proxy, case.store) if number % 2 else (case.store, case.proxy)
                for verb in ("PUT", "GET", "DELETE"):
                    speeds = {way.name: way.run(verb, concurrency, case.body) for way in ways}
                    if verb in case.figures:
                        note(found, f"{case.figures[verb]} {concurrency}", speeds)
        print(f"round {number + 1} of {load['rounds']} done", file=sys.stderr)
    for case in cases:
        case.proxy.compare(case.body, case.expected)
    return {name: summary(rounds) for name, rounds in found.items()}


def measure_cold(
    writer: Way, reader: Way, store: Way, first: bytes, second: bytes, load: Mapping[str, Any]
) -> dict[str, Any]:
    """GET of deltas by a proxy that has not seen their deltaspace, which `writer` has just filled."""
    found: dict[str, Any] = {}
    body = Body(second)
    for number in range(load["rounds"]):
        for concurrency in load["concurrency"]:
            place = f"cold-{number}-{concurrency}"
            filled, cold, plain = (replace(way, prefix=place) for way in (writer, reader, store))
            # a reference of these bytes may be in the reader's cache
            unseen = Body(place.encode() + first[len(place) :])
            filled.ask("PUT", "first.tar", unseen)
            for way in (filled, plain):
                way.run("PUT", concurrency, body)
            ways = (cold, plain) if number % 2 else (plain, cold)
            speeds = {way.name: way.run("GET", concurrency, body) for way in ways}
            note(found, f"cold_get {concurrency}", speeds)
            cold.check("v0.tar", second)
            for way in (filled, plain):
                way.run("DELETE", concurrency, body)
            filled.ask("DELETE", "first.tar")
            unseen.close()
    body.close()
    return {name: summary(rounds) for name, rounds in found.items()}


def note(found: dict[str, Any], figure: str, speeds: Mapping[str, float]) -> None:
    """Add a round to a figure."""
    for name, speed in speeds.items():
        found.setdefault(figure, {}).setdefault(name, []).append(round(speed, 1))


def summary(rounds: Mapping[str, list[float]]) -> dict[str, Any]:
    """Of one figure: the ratio in each round, their median, and that of the best rounds."""
    proxy, store = rounds["proxy"], rounds["store"]
    ratios = [round(ours / theirs, 3) for ours, theirs in zip(proxy, store, strict=True)]
    return {
        "mb_per_s": {name: statistics.median(speeds) for name, speeds in rounds.items()},
        "ratio": statistics.median(ratios),
        "ratio_of_best": round(max(proxy) / max(store), 3),
        "rounds": {**rounds, "ratio": ratios},
    }


def judge(found: Mapping[str, Any], targets: Mapping[str, float]) -> dict[str, Any]:
    """The targets against the ratios, worst case of the concurrencies."""
    judged = {}
    for name, target in targets.items():
        ratio = min(each["ratio"] for label, each in found.items() if label.rpartition(" ")[0] == name)
        judged[name] = {"target": target, "measured": ratio, "met": ratio >= target}
    return judged


@contextlib.contextmanager
def ways(definitions: Mapping[str, Any], home: Path, workers: int) -> Iterator[dict[str, int]]:
    """The store, the limited line to it, a proxy before each, and another before the store: their ports."""
    store, line = definitions["store"], free_ports()
    with contextlib.ExitStack() as stack:
        weed = peer.Seaweed(peer.install(store["package"]), home / "store", *store["options"])
        stack.enter_context(weed)
        stack.enter_context(relay.running(line, weed.port, definitions["limit"]["bytes_per_s"]))
        found = {"store": weed.port, "line": line}
        for name, port in (("proxy", weed.port), ("another proxy", weed.port), ("proxy on the line", line)):
            settings = {
                "DELTAGLIDER_PROXY_WORKERS": str(workers),
                "DELTAGLIDER_PROXY_S3_ENDPOINT": f"http://127.0.0.1:{port}",
                "DELTAGLIDER_PROXY_S3_REGION": "us-east-1",
                "DELTAGLIDER_PROXY_S3_BUCKET_PREFIX": f"{PREFIX}{port}-",
                "AWS_ACCESS_KEY_ID": "anyone",
                "AWS_SECRET_ACCESS_KEY": "anything",
            }
            found[name] = stack.enter_context(Server(home / name.replace(" ", "-"), settings)).port
        for port in found.values():
            with contextlib.suppress(RuntimeError):  # some are ways to the same bucket
                connection = Connection(port)
                connection.request("PUT", f"/{BUCKET}")
                connection.close()
        yield found


def record(definitions: dict[str, Any], home: Path) -> dict[str, Any]:
    """Run everything; the record as plain data."""
    host = machine()
    release = Release(Recipe(**tomllib.loads(RELEASE.read_text())["artifact"]))
    first, second = release.versions()
    object_ = whole(definitions["whole"])
    found: dict[str, Any] = {
        "format": 1,
        "when": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "commit": git("rev-parse", "HEAD"),
        "changed_since": git(
            "status", "--porcelain", "--", "dgproxy", "csrc", "benchmarks/backend"
        ).splitlines(),
        "machine": host,
        "definitions": {"sha256": hashlib.sha256(DEFINITIONS.read_bytes()).hexdigest(), **definitions},
    }
    with contextlib.ExitStack() as stack:
        bodies = [Body(data) for data in (object_, first, second)]
        for body in bodies:
            stack.callback(body.close)
        ports = stack.enter_context(ways(definitions, home, int(str(host["cores"]))))

        def pair(place: str, proxy: str, store: str) -> tuple[Way, Way]:
            return Way("proxy", ports[proxy], place), Way("store", ports[store], place)

        near, limited = pair("release", "proxy", "store"), pair("line", "proxy on the line", "line")
        for way in (near[0], limited[0]):
            way.ask("PUT", "first.tar", bodies[1])
        cases = [
            Case(
                *pair("whole", "proxy", "store"), bodies[0], object_, {"PUT": "whole_put", "GET": "whole_get"}
            ),
            Case(*near, bodies[2], second, {"GET": "warm_get", "PUT": "delta_put"}),
            Case(*limited, bodies[2], second, {"PUT": "delta_put_limited", "GET": "warm_get_limited"}),
        ]
        found["figures"] = measure(cases, definitions["load"])
        another = Way("proxy", ports["another proxy"], "")
        found["figures"] |= measure_cold(near[0], another, near[1], first, second, definitions["load"])
    found["machine"]["load_after"] = os.getloadavg()[0]
    found["targets"] = judge(found["figures"], definitions["targets"])
    return found


def main() -> int:
    """The command line; 0 also when a target is missed: the record says so."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.backend", description=__doc__.partition("\n")[0]
    )
    parser.add_argument("--rounds", type=int, help="instead of the definitions' number; not recorded")
    parser.add_argument(
        "--data", type=Path, default=Path(tempfile.gettempdir()), help="where the store stores"
    )
    options = parser.parse_args()
    definitions = tomllib.loads(DEFINITIONS.read_text())
    if options.rounds:
        definitions["load"] |= {"rounds": options.rounds}
    # A run that is told to stop must not leave servers behind: leave through every `with`.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("stopped"))
    home = Path(tempfile.mkdtemp(prefix="bench-", dir=options.data))
    try:
        found = record(definitions, home)
    finally:
        shutil.rmtree(home, ignore_errors=True)
    publish("backend", found, recorded=not options.rounds)
    return 0


if __name__ == "__main__":
    sys.exit(main())
