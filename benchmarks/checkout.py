# SPDX-License-Identifier: GPL-2.0-only
"""The checkout that a benchmark measures: where it is, where its records go, and what git says of it."""

import itertools
import json
import re
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

PROJECT = Path(__file__).resolve().parents[1]
RECORDS = PROJECT / "benchmarks" / "record"


def git(*arguments: str) -> str:
    """The output of a git command in this checkout."""
    done = subprocess.run(["git", *arguments], cwd=PROJECT, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def record_path(name: str, found: Mapping[str, Any]) -> Path:
    """Where a record goes: by date, benchmark and machine, and the number of a day's later ones."""
    machine = re.sub(
        r"[^a-z0-9]+", "-", f"{found['machine']['cpu']} {found['machine']['cores']} cores".lower()
    )
    RECORDS.mkdir(exist_ok=True)
    stem = "-".join(filter(None, (found["when"][:10], name, machine.strip("-"))))
    paths = (RECORDS / f"{stem}{f'-{number}' if number > 1 else ''}.json" for number in itertools.count(1))
    return next(path for path in paths if not path.exists())


def publish(name: str, found: Mapping[str, Any], *, recorded: bool) -> None:
    """Write a record, or only show it; and say what became of its targets."""
    text = json.dumps(found, indent=1) + "\n"
    if recorded:
        path = record_path(name, found)
        path.write_text(text)
        print(path)
    else:
        print(text)
    for target, judged in found["targets"].items():
        verdict = "met" if judged["met"] else "NOT MET"
        print(f"{target}: {judged['measured']} (target {judged['target']}): {verdict}")
