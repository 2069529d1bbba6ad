# SPDX-License-Identifier: GPL-2.0-only
"""The benchmark of unlike objects: the same bytes everywhere, both sides of every round, ratios of rounds."""

import hashlib
import tomllib
import zlib
from pathlib import Path

from benchmarks.server.unlike import DEFINITIONS, measure, random_bytes, ratios

SHA256 = "fe4e820974e41d6a47c574e9846582dd7f971e4ff547a17697675f3c2a28e2dd"

ROUNDS = [
    {"without": {"wall": 2.0, "cpu": 1.0}, "with": {"wall": 2.2, "cpu": 1.0}},
    {"without": {"wall": 1.0, "cpu": 1.0}, "with": {"wall": 3.0, "cpu": 2.0}},
    {"without": {"wall": 4.0, "cpu": 2.0}, "with": {"wall": 4.0, "cpu": 2.0}},
]


def test_a_round_is_compared_with_itself() -> None:
    assert ratios(ROUNDS, "wall") == {"median": 1.1, "fastest": 2.2}
    assert ratios(ROUNDS, "cpu") == {"median": 1.0, "fastest": 1.0}


def test_its_bytes_are_the_same_everywhere() -> None:
    data = random_bytes("seed", "label", 100_000)
    assert hashlib.sha256(data).hexdigest() == SHA256
    assert len(zlib.compress(data)) > len(data)
    assert random_bytes("seed", "other", 100_000)[:16] not in data


def test_every_way_and_round_has_both_sides(tmp_path: Path) -> None:
    """The whole of it, small: objects of 10 MB in parts of the smallest size."""
    definitions = tomllib.loads(DEFINITIONS.read_text())
    definitions |= {"size": 10_000_000, "rounds": 2, "ways": {"whole": 10_000_000, "parts": 5 << 20}}
    found = measure(definitions, tmp_path)
    assert {way: len(rounds) for way, rounds in found.items()} == {"whole": 2, "parts": 2}
    for rounds in found.values():
        for sides in rounds:
            assert sides.keys() == {"without", "with"}
            assert all(took["wall"] > 0 for took in sides.values())
