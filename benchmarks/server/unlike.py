# SPDX-License-Identifier: GPL-2.0-only
"""What references cost an object that is like none: `python -m benchmarks.server.unlike [--rounds N]`.

The same random bytes are stored in a deltaspace that offers references and in one that has none, one after
the other, in turns as to which is first; the ratio of the two times is the result. `benchmarks/METHOD.md` has
method and bias.
"""

import argparse
import datetime
import hashlib
import json
import os
import signal
import statistics
import sys
import tempfile
import time
import tomllib
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

from benchmarks.checkout import git, record_path
from benchmarks.server.load import Body, Connection
from benchmarks.server.processes import cpu_seconds, machine
from tests.system.harness import Server

DEFINITIONS = Path(__file__).with_name("unlike.toml")
BUCKET = "bench"
SIDES = ("without", "with")


class Sender:
    """Stores objects in pieces of `part` bytes, each over its own connection, and says what that took."""

    def __init__(self, port: int, pid: int, part: int) -> None:
        self._port = port
        self._pid = pid
        self._part = part

    def store(self, path: str, data: bytes) -> dict[str, float]:
        """Seconds of wall clock and of the server's CPU time for all the bytes."""
        pieces = [Body(data[at : at + self._part]) for at in range(0, len(data), self._part)]
        with closing(Connection(self._port)) as connection, _place(connection, path, len(pieces)) as name:
            os.sync()  # what was written before must not be waited for now
            cpu, began = cpu_seconds(self._pid), time.monotonic()
            for number, piece in enumerate(pieces, 1):
                connection.request("PUT", name(number), piece)
            took = {"wall": time.monotonic() - began, "cpu": cpu_seconds(self._pid) - cpu}
        for piece in pieces:
            piece.close()
        return took


@contextmanager
def _place(connection: Connection, path: str, pieces: int) -> Iterator[Callable[[int], str]]:
    """Where the pieces go: the object itself, or an upload, which nobody completes."""
    if pieces == 1:
        yield lambda _: path
        return
    answer = ET.fromstring(connection.request("POST", f"{path}?uploads", keep=True))
    upload = answer.findtext("{*}UploadId")
    yield lambda number: f"{path}?partNumber={number}&uploadId={upload}"
    connection.request("DELETE", f"{path}?uploadId={upload}")


def random_bytes(seed: str, label: str, size: int) -> bytes:
    """Incompressible bytes, the same for a seed and label everywhere: SHAKE-128 (FIPS 202)."""
    return hashlib.shake_128(f"{seed}/{label}".encode()).digest(size)


def measure(definitions: dict[str, Any], home: Path) -> dict[str, list[dict[str, dict[str, float]]]]:
    """Seconds per way, round and side.

    What is stored whole beside references takes the place of one of them, so that each round finds as many
    as before, one of which was not there in the round before.
    """
    seed, size = definitions["seed"], definitions["size"]
    found: dict[str, list[dict[str, dict[str, float]]]] = {}
    with Server(home, {"DELTAGLIDER_PROXY_WORKERS": str(len(os.sched_getaffinity(0)))}) as server:
        assert server.process is not None
        with closing(Connection(server.port)) as connection:
            connection.request("PUT", f"/{BUCKET}")
        founder = Sender(server.port, server.process.pid, size)
        for way, part in definitions["ways"].items():
            sender = Sender(server.port, server.process.pid, part)
            for number in range(definitions["references"]):
                data = random_bytes(seed, f"{way}/reference/{number}", size)
                founder.store(f"/{BUCKET}/{way}/with/{number}.tar", data)
            for number in range(definitions["rounds"]):
                data = random_bytes(seed, f"{way}/{number}", size)
                spaces = dict(zip(SIDES, (f"{way}/without/{number}", f"{way}/with"), strict=True))
                order = SIDES if number % 2 else SIDES[::-1]
                took = {side: sender.store(f"/{BUCKET}/{spaces[side]}/v{number}.tar", data) for side in order}
                found.setdefault(way, []).append(took)
                print(f"{way}: round {number + 1} of {definitions['rounds']} done", file=sys.stderr)
    return found


def ratios(rounds: list[dict[str, dict[str, float]]], clock: str) -> dict[str, float]:
    """The time with references by that without: the median of the rounds, and the fastest of each."""
    without, with_ = ([each[side][clock] for each in rounds] for side in SIDES)
    of_rounds = [ours / theirs for theirs, ours in zip(without, with_, strict=True)]
    return {
        "median": round(statistics.median(of_rounds), 3),
        "fastest": round(min(with_) / min(without), 3),
    }


def record(definitions: dict[str, Any], home: Path) -> dict[str, Any]:
    """Run everything; the record as plain data."""
    found: dict[str, Any] = {
        "format": 1,
        "when": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "commit": git("rev-parse", "HEAD"),
        "changed_since": git("status", "--porcelain", "--", "dgproxy", "csrc", "benchmarks").splitlines(),
        "machine": machine(),
        "definitions": {"sha256": hashlib.sha256(DEFINITIONS.read_bytes()).hexdigest(), **definitions},
    }
    found["stored_in"] = str(home.parent)
    rounds = measure(definitions, home)
    found["machine"]["load_after"] = os.getloadavg()[0]
    found["ratio"] = {
        way: {clock: ratios(each, clock) for clock in ("wall", "cpu")} for way, each in rounds.items()
    }
    found["seconds"] = rounds
    target = definitions["targets"]["time"]
    found["targets"] = {
        way: {"target": target, "measured": ratio["wall"]["median"], "met": ratio["wall"]["median"] <= target}
        for way, ratio in found["ratio"].items()
    }
    return found


def main() -> int:
    """The command line; 0 also when a target is missed: the record says so."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.server.unlike", description=__doc__.partition("\n")[0]
    )
    parser.add_argument("--rounds", type=int, help="instead of the definitions' number; not recorded")
    parser.add_argument(
        "--data", type=Path, default=Path(tempfile.gettempdir()), help="where the server stores: 7 GB"
    )
    options = parser.parse_args()
    definitions = tomllib.loads(DEFINITIONS.read_text())
    if options.rounds:
        definitions["rounds"] = options.rounds
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("stopped"))
    with tempfile.TemporaryDirectory(prefix="bench-unlike-", dir=options.data) as home:
        found = record(definitions, Path(home))
    text = json.dumps(found, indent=1) + "\n"
    if options.rounds:
        print(text)
    else:
        path = record_path("unlike", found)
        path.write_text(text)
        print(path)
    for way, ratio in found["ratio"].items():
        judged = found["targets"][way]
        verdict = "met" if judged["met"] else "NOT MET"
        print(f"{way}: {ratio} (target {judged['target']}): {verdict}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
