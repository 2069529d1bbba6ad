# SPDX-License-Identifier: GPL-2.0-only
"""Runs the codec benchmark and writes one record: `python -m benchmarks.codec [--corpus DIR] [--pairs A,B]`.

Every program meets every pair; rounds go round the programs in turn, so that what else happens on the machine
meets all of them. What comes back is compared with what went in each time: a wrong byte ends the run.
"""

import argparse
import datetime
import filecmp
import hashlib
import json
import os
import statistics
import subprocess
import sys
import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.checkout import PROJECT, git, record_path
from benchmarks.codec import programs, render
from benchmarks.codec.corpus import Corpus, Pair, scratch_directory
from benchmarks.codec.programs import Program
from benchmarks.codec.targets import judge
from benchmarks.server.floors import speed
from benchmarks.server.processes import machine

DEFINITIONS = Path(__file__).with_name("definitions.toml")


@dataclass
class Runs:
    """What one program needed for one pair: CPU seconds of each round, bytes, peak memory."""

    size: int = 0
    encode: list[float] = field(default_factory=list)
    decode: list[float] = field(default_factory=list)
    #: Decoding everything, writing nothing; empty where that was not measured.
    check: list[float] = field(default_factory=list)
    memory: dict[str, int] = field(default_factory=dict)

    def report(self, new: int) -> dict[str, Any]:
        """Speeds are decimal MB of the new file per CPU second; the median of the rounds counts."""
        found: dict[str, Any] = {"bytes": self.size, "percent": round(100 * self.size / new, 4)}
        for verb, took in (("encode", self.encode), ("decode", self.decode), ("check", self.check)):
            if not took:
                continue
            found[verb] = round(new / statistics.median(took) / 1e6, 1)
            found[f"{verb}_cpu_seconds"] = [round(seconds, 4) for seconds in took]
        return found | ({"peak_memory": self.memory} if self.memory else {})


class Contest:
    """All programs on one pair."""

    def __init__(self, pair: Pair, scratch: Path, definitions: dict[str, Any]) -> None:
        self.pair, self.scratch, self.definitions = pair, scratch, definitions
        self.size = pair.new.stat().st_size
        self.runs: dict[str, Runs] = {}

    def delta(self, program: Program) -> Path:
        """Where the program's delta stays until the contest ends."""
        return self.scratch / f"{program.name}.delta"

    def compare(self, back: Path, what: str) -> None:
        """RuntimeError unless `back` is the new file; it is removed."""
        if not filecmp.cmp(back, self.pair.new, shallow=False):
            raise RuntimeError(f"{self.pair.name}: {what} gave other bytes back")
        back.unlink()

    def round(self, program: Program) -> None:
        """Encode, decode, compare."""
        delta, back = self.delta(program), self.scratch / "back"
        delta.unlink(missing_ok=True)
        encode = programs.run(program.encode(self.pair.old, self.pair.new, delta))
        decode = programs.run(program.decode(self.pair.old, delta, back))
        self.compare(back, program.name)
        runs = self.runs.setdefault(program.name, Runs())
        runs.size = delta.stat().st_size
        runs.encode.append(encode.cpu)
        runs.decode.append(decode.cpu)
        if program.check is not None:
            runs.check.append(programs.run(program.check(self.pair.old, delta)).cpu)
        for verb, cost in (("encode", encode), ("decode", decode)):
            runs.memory[verb] = max(runs.memory.get(verb, 0), cost.memory)

    def all_rounds(self, contestants: list[Program]) -> None:
        """Rounds in turn; a slow program runs once, a fast one until its time is a steady figure."""
        for number in range(self.definitions["most_rounds"]):
            wanted = [program for program in contestants if self._again(program, number)]
            for program in wanted:
                self.round(program)
            if wanted:
                print(f"{self.pair.name}: round {number + 1}", file=sys.stderr)

    def _again(self, program: Program, number: int) -> bool:
        """Whether a program meets the pair in this round."""
        runs = self.runs.get(program.name)
        if runs is None:
            return True
        if runs.encode[0] + runs.decode[0] >= self.definitions["patience"]:
            return False
        spent = sum(runs.encode) + sum(runs.decode)
        return number < self.definitions["rounds"] or spent < self.definitions["steady"]

    def interop(self, contestants: list[Program]) -> dict[str, float]:
        """Our deltas in the stock programs, and theirs in ours, in MB per CPU second of decoding.

        RuntimeError unless the bytes come back.
        """
        back = self.scratch / "back"
        by_name = {program.name: program for program in contestants}
        plain = self.delta(by_name["dgproxy plain"])
        cost = programs.run(programs.stock_decode(self.pair.old, plain, back))
        self.compare(back, "xdelta3 -d of our plain form")
        done = {"plain by xdelta3": round(self.size / cost.cpu / 1e6, 1)}
        unpacked = self.scratch / "unpacked"
        default = self.delta(by_name["dgproxy default"])
        programs.run(["zstd", "-q", "-d", "-f", str(default), "-o", str(unpacked)])
        cost = programs.run(programs.stock_decode(self.pair.old, unpacked, back))
        self.compare(back, "zstd -d and xdelta3 -d of our default form")
        done["default by zstd and xdelta3"] = round(self.size / cost.cpu / 1e6, 1)
        unpacked.unlink()
        for name, program in by_name.items():
            if name.startswith("xdelta3"):
                ours = by_name["dgproxy plain"].decode(self.pair.old, self.delta(program), back)
                cost = programs.run(ours)
                self.compare(back, f"our decoder of {name}")
                done[f"{name} by dgproxy"] = round(self.size / cost.cpu / 1e6, 1)
        return done

    def inside(self) -> dict[str, Any]:
        """The codec in a running process: `index`, and by form `files` and `memory`."""
        paths = map(str, (self.pair.old, self.pair.new, self.scratch))
        rounds = [str(self.definitions[name]) for name in ("rounds", "steady", "most_rounds")]
        command = [sys.executable, "-m", "benchmarks.codec.inside", *paths, *rounds]
        done = subprocess.run(command, cwd=PROJECT, stdout=subprocess.PIPE, check=True)
        found = json.loads(done.stdout)
        old = self.pair.old.stat().st_size
        index = found.pop("index")
        report: dict[str, Any] = {
            "index": round(old / statistics.median(index["seconds"]) / 1e6, 1),
            "index_percent": round(100 * index["bytes"] / old, 1),
        }
        for kind, by_form in found.items():
            report[kind] = {
                form: Runs(result.pop("bytes"), **result).report(self.size)
                for form, result in by_form.items()
            }
        return report

    def report(self, contestants: list[Program]) -> dict[str, Any]:
        """Everything about this pair."""
        self.all_rounds(contestants)
        return {
            "what": self.pair.what,
            "old_bytes": self.pair.old.stat().st_size,
            "new_bytes": self.size,
            "programs": {name: runs.report(self.size) for name, runs in self.runs.items()},
            "interop": self.interop(contestants),
            "inside": self.inside(),
        }


def floors(path: Path) -> dict[str, float]:
    """What this machine does with the bytes of a file in one thread, decimal MB/s of wall clock."""
    data = path.read_bytes()
    room, same = bytearray(len(data)), bytes(bytearray(data))

    def copy() -> None:
        room[:] = data

    return {
        "memcpy": speed(len(data), copy),
        "memcmp": speed(len(data), lambda: data == same),
        "md5": speed(len(data), lambda: hashlib.md5(data)),
        "sha256": speed(len(data), lambda: hashlib.sha256(data)),
    }


def record(definitions: dict[str, Any], corpus: Path, scratch: Path | None) -> dict[str, Any]:
    """Run everything; the record as plain data."""
    python = programs.environment(definitions["environment"]["packages"])
    source = Corpus(corpus, definitions["sha256"], python)
    pairs = [source.pair(definition) for definition in definitions["pair"]]
    found: dict[str, Any] = {
        "format": 1,
        "when": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "commit": git("rev-parse", "HEAD"),
        "changed_since": git(
            "status", "--porcelain", "--", "dgproxy/codec", "csrc", "benchmarks/codec"
        ).splitlines(),
        "machine": machine(),
        "programs": programs.versions() | {"from PyPI": definitions["environment"]["packages"]},
        "definitions": {"sha256": hashlib.sha256(DEFINITIONS.read_bytes()).hexdigest(), **definitions},
    }
    floor = next((pair for pair in pairs if pair.name == definitions["floors_on"]), pairs[0])
    found["floors_mb_per_s"] = floors(floor.new)
    command = [sys.executable, "-m", "dgproxy", "delta", "--help"]
    found["start_cpu_seconds"] = statistics.median(programs.run(command).cpu for _ in range(5))
    everybody = programs.ours() + programs.peers(python)
    found["pairs"] = {}
    for pair in pairs:
        fit = [p for p in everybody if pair.new.stat().st_size <= definitions["largest"].get(p.name, 1 << 62)]
        with scratch_directory(scratch) as folder:
            found["pairs"][pair.name] = Contest(pair, folder, definitions).report(fit)
    found["machine"]["load_after"] = os.getloadavg()[0]
    found["targets"] = judge(found["pairs"])
    return found


def main() -> int:
    """The command line; 0 also when a target is missed: the record says so."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.codec", description=__doc__.partition("\n")[0]
    )
    parser.add_argument(
        "--corpus", type=Path, default=PROJECT / "corpus" / "codec", help="where the pairs are kept"
    )
    parser.add_argument("--scratch", type=Path, help="where deltas are written; by default in memory")
    parser.add_argument("--pairs", help="only these, separated by commas; not recorded")
    parser.add_argument("--rounds", type=int, help="instead of the definitions' number; the record says so")
    parser.add_argument("--render", type=Path, metavar="RECORD", help="only draw table and plot of a record")
    options = parser.parse_args()
    if options.render:
        render.write(options.render)
        return 0
    definitions = tomllib.loads(DEFINITIONS.read_text())
    if options.rounds:
        definitions["rounds"] = options.rounds
    if options.pairs:
        wanted = options.pairs.split(",")
        definitions["pair"] = [pair for pair in definitions["pair"] if pair["name"] in wanted]
    found = record(definitions, options.corpus.resolve(), options.scratch)
    text = json.dumps(found, indent=1) + "\n"
    if options.pairs:
        print(text)
    else:
        path = record_path("codec", found)
        path.write_text(text)
        render.write(path)
        print(path)
    print(render.table(found))
    for judged in found["targets"]:
        print(f"{'met    ' if judged['met'] else 'NOT MET'} {judged['target']}: {judged['measured']}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
