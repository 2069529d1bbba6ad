# SPDX-License-Identifier: GPL-2.0-only
"""The series benchmark: made-up versions are the same everywhere, verdicts say what was measured."""

import tomllib
from pathlib import Path
from typing import Any

import pytest

from benchmarks.series.__main__ import DEFINITIONS, judge, table
from benchmarks.series.corpus import Corpus, digest

STORED = {
    "xdelta3 -9, first version": 100,
    "zstd, previous version": 50,
    "restic": 80,
    "dgproxy": 70,
    "dgproxy in parts": 75,
    "dgproxy optimized": 60,
    "dgproxy in parts, optimized": 62,
}


def corpus(tmp_path: Path, **changes: Any) -> Corpus:
    small = {"seed": "test", "versions": 3, "members": 6, "size": 1000, "renewed": 0.5, **changes}
    return Corpus(tmp_path / "series", tmp_path / "downloads", {"drift": small, "sha256": {}})


DRIFT = {"name": "drift", "what": "", "suffix": ".tar", "recipe": "drift"}


def test_a_drifting_series_renews_some_members_of_each_version(tmp_path: Path) -> None:
    series = corpus(tmp_path).series(DRIFT)
    first, second, third = (path.read_bytes() for path in series.versions)
    assert len(first) == len(second) == len(third) == 6 * (512 + 1024) + 1024
    assert len({first, second, third}) == 3
    shared = sum(first[at : at + 1536] == second[at : at + 1536] for at in range(0, 6 * 1536, 1536))
    assert 0 < shared < 6


def test_a_series_is_the_same_on_every_machine(tmp_path: Path) -> None:
    series = corpus(tmp_path).series(DRIFT)
    assert digest(series) == "2e807637763510c9cb2fa8e04386b894314d3045cee67ecd4761268fbcaba555"


def test_a_series_with_other_bytes_is_refused(tmp_path: Path) -> None:
    made = corpus(tmp_path)
    made.definitions["sha256"]["drift"] = "0" * 64
    with pytest.raises(ValueError, match="remove it"):
        made.series(DRIFT)


def test_an_odd_file_comes_first(tmp_path: Path) -> None:
    series = corpus(tmp_path).series(DRIFT | {"odd": 77})
    assert [path.stat().st_size for path in series.versions][:2] == [77, 6 * 1536 + 1024]


def test_every_series_has_its_hash_and_enough_versions() -> None:
    definitions = tomllib.loads(DEFINITIONS.read_text())
    assert definitions["sha256"].keys() == {series["name"] for series in definitions["series"]}
    for series in definitions["series"]:
        count = definitions["drift"]["versions"] if series["recipe"] == "drift" else len(series["packages"])
        assert count >= 8


def test_targets_are_judged_against_both_peers() -> None:
    found = {"drift": {"stored": STORED}, "numpy-tar": {"stored": STORED}}
    verdicts = {each["target"]: each["met"] for each in judge(found, {"drift": 0.5})}
    assert verdicts == {
        "drift: at most 0.5 of xdelta3 -9, first version": False,
        "drift: at most 1 of restic": True,
        "numpy-tar: at most 1 of xdelta3 -9, first version": True,
        "numpy-tar: at most 1 of restic": True,
    }


def test_the_table_has_a_column_for_each_contestant() -> None:
    lines = table({"drift": {"versions": 40, "bytes": 5_000_000, "stored": STORED}}).splitlines()
    assert lines[0].count("|") == lines[2].count("|") == len(STORED) + 4
    assert lines[2].startswith("| drift | 40 | 5.0 | 0.00 |")
