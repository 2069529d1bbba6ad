# SPDX-License-Identifier: GPL-2.0-only
"""The checkout that a benchmark measures: where it is, where its records go, and what git says of it."""

import subprocess
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[1]
RECORDS = PROJECT / "benchmarks" / "record"


def git(*arguments: str) -> str:
    """The output of a git command in this checkout."""
    done = subprocess.run(["git", *arguments], cwd=PROJECT, capture_output=True, text=True, check=True)
    return done.stdout.strip()
