# SPDX-License-Identifier: GPL-2.0-only
"""The codec benchmark's records say what their tables, plots and verdicts say."""

import json
import tomllib
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import pytest

from benchmarks.codec import render
from benchmarks.codec.targets import judge

HOME = Path(__file__).parents[1] / "benchmarks"
FORMS = ("default", "residual", "plain", "residual thorough", "plain thorough")
RECORDS = sorted((HOME / "record").glob("*-codec-*.json"))


def runs(size: float, encode: float, decode: float) -> dict[str, Any]:
    return {"bytes": size, "percent": size, "encode": encode, "decode": decode}


def pair(**programs: dict[str, Any]) -> dict[str, Any]:
    """A pair on which ours need 5 % at 1000 MB/s and decode at 3000."""
    ours = {form: runs(5, 1000, 3000) for form in FORMS}
    peers = {
        "zstd -1": runs(6, 100, 500),
        "xdelta3 -3 none": runs(7, 40, 600),
        "xdelta3 -3 lzma": runs(6, 20, 400),
    }
    whole = {f"dgproxy {form}": runs(5, 10, 10) for form in ours}
    return {
        "new_bytes": 10_000_000,
        "programs": whole | peers | programs,
        "inside": {"index": 2500.0, "index_percent": 25.0, "files": ours, "memory": ours},
    }


def missed(pairs: dict[str, Any]) -> dict[str, str]:
    return {each["target"]: each["measured"] for each in judge(pairs) if not each["met"]}


def test_targets_are_met() -> None:
    assert missed({"scipy-tar": pair()}) == {"1500 MB/s against a cached index": "scipy-tar 1000"}
    assert missed({"ts-tgz": pair()}) == {}


def test_targets_are_missed_by_name() -> None:
    slow = pair()
    slow["inside"]["files"] = {form: runs(9, 90, 700) for form in FORMS}
    found = missed({"lo-deb": slow, "ts-tgz": pair()})
    assert found["default form no larger than zstd's"] == "lo-deb 1.5"
    assert found["default form at 4 x the speed of zstd"] == "3.00 in geometric mean"
    assert found["thorough plain form at 5 x that speed"] == "lo-deb 2.25"
    assert found["decoding at 3 x the speed of xdelta3"] == "lo-deb 1.167"
    assert "index built at 2000 MB/s" not in found


def test_every_pair_is_checked_but_the_image() -> None:
    definitions = tomllib.loads((HOME / "codec" / "definitions.toml").read_text())
    names = [each["name"] for each in definitions["pair"]]
    assert set(definitions["sha256"]) == set(names) - {"ext4img"}
    assert definitions["floors_on"] in names


@pytest.mark.parametrize("path", RECORDS, ids=lambda path: path.stem)
def test_what_stands_beside_a_record_is_made_from_it(path: Path) -> None:
    record = json.loads(path.read_text())
    image = path.with_suffix(".svg")
    assert path.with_suffix(".md").read_text() == render.page(record, image.name)
    assert image.read_text() == render.plot(record)
    ET.fromstring(image.read_text())
    judged = {each["target"]: each for each in judge(record["pairs"])}
    assert record["targets"] == [judged[each["target"]] for each in record["targets"]]  # later there are more
    assert record["changed_since"] == []
