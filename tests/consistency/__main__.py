# SPDX-License-Identifier: GPL-2.0-only
"""`python -m tests.consistency`: the long run, and its record in benchmarks/record.

The exit code is 1 when anything was violated; then everything stays where it was, history included.
"""

import argparse
import datetime
import json
import os
import pickle
import sys
import tempfile
import time
from dataclasses import asdict
from pathlib import Path

from benchmarks.checkout import RECORDS, git
from tests.consistency.history import History
from tests.consistency.meddler import ROUGH
from tests.consistency.run import Plan, Result, run


def main() -> int:
    """Run, print, record."""
    parser = argparse.ArgumentParser(prog="python -m tests.consistency", description=__doc__)
    parser.add_argument("--calls", type=int, default=100_000)
    parser.add_argument("--clients", type=int, default=24)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument(
        "--pause", type=float, default=15.0, help="seconds between two kills or stops, at most"
    )
    parser.add_argument("--long-stops", type=int, default=6, help="stops that are longer than any lease")
    parser.add_argument("--record", type=Path, default=RECORDS, help="directory for the record")
    chosen = parser.parse_args()
    plan = Plan(
        chosen.seed, chosen.calls, chosen.clients, ROUGH, chosen.pause, chosen.long_stops, maintenance=True
    )
    home = Path(tempfile.mkdtemp(prefix="consistency-"))
    print(f"seed {plan.seed}, in {home}", flush=True)
    result = run(home / "run", plan, watch=_Progress())
    print(result.summary())
    print(f"recorded in {_record(chosen.record, result)}")
    if not result.violations:
        return 0
    (home / "operations.pickle").write_bytes(pickle.dumps(result.history.operations()))
    print(f"the history is in {home / 'operations.pickle'}, the logs beside it")
    return 1


class _Progress:
    """A line a minute."""

    def __init__(self) -> None:
        self._said = 0.0

    def __call__(self, seconds: float, history: History) -> None:
        if seconds - self._said >= 60:
            self._said = seconds
            print(f"{seconds:7.0f} s  {history.calls:7} calls", flush=True)


def _record(directory: Path, result: Result) -> Path:
    """Write what was done, how it went and what was violated; the file."""
    day = datetime.datetime.now(datetime.UTC).date().isoformat()
    path = directory / f"{day}-consistency.json"
    counts: dict[str, dict[str, int]] = {}
    for (kind, outcome), count in sorted(result.history.counts.items()):
        counts.setdefault(kind, {})[outcome] = count
    plan = asdict(result.plan)
    del plan["rates"]["credentials"]
    document = {
        "commit": git("rev-parse", "HEAD"),
        "cores": os.cpu_count(),
        "plan": plan,
        "seconds": round(result.seconds),
        "calls": result.history.calls,
        "by kind and outcome": counts,
        "meddled requests to the store": result.meddled,
        "garbage that gc removed at the end": result.garbage,
        "events": result.events,
        "violations": result.violations,
    }
    path.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    return path


if __name__ == "__main__":
    sys.exit(main())
