# SPDX-License-Identifier: GPL-2.0-only
"""Stores release series here and elsewhere, and writes one record: `python -m benchmarks.series`.

Sizes are the result; they don't depend on the machine, so one run is enough.
"""

import argparse
import datetime
import json
import shutil
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path
from typing import Any

from benchmarks.checkout import PROJECT, RECORDS, git
from benchmarks.series.contestants import PEERS, ours
from benchmarks.series.corpus import Corpus, Series, digest

DEFINITIONS = Path(__file__).with_name("definitions.toml")

FIXED, _, BACKUP = PEERS


def measure(series: Series) -> dict[str, Any]:
    """Bytes that each contestant stores of a series."""
    stored: dict[str, int] = {}
    with tempfile.TemporaryDirectory(prefix="bench-series-") as scratch:
        for name, store in PEERS.items():
            home = Path(scratch) / name
            home.mkdir()
            stored[name] = store(series, home)
            shutil.rmtree(home)
            print(f"{series.name}: {name}: {stored[name]:,}", file=sys.stderr)
        stored |= ours(series, Path(scratch))
    return {"what": series.what, "versions": len(series.versions), "bytes": series.size, "stored": stored}


def judge(found: dict[str, Any], targets: dict[str, float]) -> list[dict[str, Any]]:
    """The targets, each against what was measured; ours is what is there after the optimizer has run."""
    judged = []
    for name, series in found.items():
        stored = series["stored"]
        limit = targets.get(name, 1.0)
        for peer, share in ((FIXED, limit), (BACKUP, 1.0)):
            ratio = stored["dgproxy optimized"] / stored[peer]
            judged.append(
                {
                    "target": f"{name}: at most {share:g} of {peer}",
                    "measured": round(ratio, 3),
                    "met": ratio <= share,
                }
            )
    return judged


def table(found: dict[str, Any]) -> str:
    """Stored MB of every contestant."""
    names = list(next(iter(found.values()))["stored"])
    lines = ["| series | versions | MB | " + " | ".join(names) + " |", "| --- " * (len(names) + 3) + "|"]
    for name, series in found.items():
        cells = [name, str(series["versions"]), f"{series['bytes'] / 1e6:.1f}"]
        cells += [f"{series['stored'][contestant] / 1e6:.2f}" for contestant in names]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def page(record: dict[str, Any]) -> str:
    """The record for people."""
    targets = "\n".join(
        f"- {'met' if each['met'] else '**not met**'}: {each['target']} ({each['measured']})"
        for each in record["targets"]
    )
    return f"""# Release series, {record["when"][:10]}

MB stored of every series, commit {record["commit"][:10]}; `benchmarks/METHOD.md` says how this is measured.

{table(record["series"])}
## Targets

{targets}
"""


def versions() -> dict[str, str]:
    """What the peers say they are; SystemExit names those that are not installed."""
    asked = {"xdelta3": "-V", "zstd": "-V", "restic": "version"}
    missing = [name for name in asked if shutil.which(name) is None]
    if missing:
        sys.exit(f"not installed: {', '.join(missing)} (Debian packages of the same names)")
    said = {}
    for name, option in asked.items():
        done = subprocess.run([name, option], capture_output=True, text=True, check=False)
        said[name] = (done.stdout + done.stderr).splitlines()[0].strip("* ")
    return said


def main() -> int:
    """The command line; 0 also when a target is missed: the record says so."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.series", description=__doc__.partition("\n")[0]
    )
    parser.add_argument("--corpus", type=Path, default=PROJECT / "corpus", help="where the files are kept")
    parser.add_argument("--series", help="only these, separated by commas; not recorded")
    parser.add_argument("--digests", action="store_true", help="only make the series; print their SHA-256")
    options = parser.parse_args()
    definitions = tomllib.loads(DEFINITIONS.read_text())
    corpus = Corpus(options.corpus / "series", options.corpus / "codec" / "downloads", definitions)
    wanted = options.series.split(",") if options.series else [each["name"] for each in definitions["series"]]
    all_series = [corpus.series(each) for each in definitions["series"] if each["name"] in wanted]
    if options.digests:
        print("\n".join(f'{series.name} = "{digest(series)}"' for series in all_series))
        return 0
    record: dict[str, Any] = {
        "format": 1,
        "when": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "commit": git("rev-parse", "HEAD"),
        "changed_since": git("status", "--porcelain", "--", "dgproxy", "csrc").splitlines(),
        "programs": versions(),
        "definitions": definitions,
        "series": {series.name: measure(series) for series in all_series},
    }
    record["targets"] = judge(record["series"], definitions["targets"])
    if options.series:
        print(json.dumps(record["series"], indent=1))
    else:
        path = RECORDS / f"{record['when'][:10]}-series.json"
        path.write_text(json.dumps(record, indent=1) + "\n")
        path.with_suffix(".md").write_text(page(record))
        print(path)
    print(table(record["series"]))
    for each in record["targets"]:
        print(f"{'met    ' if each['met'] else 'NOT MET'} {each['target']}: {each['measured']}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
