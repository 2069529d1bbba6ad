# SPDX-License-Identifier: GPL-2.0-only
"""The benchmark's artifact is what its definitions promise, on this machine and with this Python."""

import dataclasses
import tomllib
from pathlib import Path

import pytest

from benchmarks.server.artifact import Recipe, Release

DEFINITIONS = Path(__file__).parents[1] / "benchmarks" / "server" / "definitions.toml"


def recipe() -> Recipe:
    return Recipe(**tomllib.loads(DEFINITIONS.read_text())["artifact"])


def test_the_artifact_is_what_is_defined() -> None:
    release = Release(recipe())
    first, second = release.versions()  # raises unless SHA-256 and similarity are right
    assert len(first) == recipe().size
    assert first != second
    assert len(second) % 10_240 == 0


def test_another_seed_is_another_artifact() -> None:
    with pytest.raises(ValueError, match="first version has SHA-256"):
        Release(dataclasses.replace(recipe(), seed="other")).versions()
