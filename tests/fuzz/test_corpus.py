# SPDX-License-Identifier: GPL-2.0-only
"""The fuzz targets without a fuzzer: every seed, every finding kept as a file, and a few thousand mutations.

`make fuzz-s3` goes on from here with coverage as its guide.
"""

import random
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.fuzz.targets import TARGETS

CORPUS = Path(__file__).with_name("corpus")
SEEDS = {name: sorted((CORPUS / name).iterdir()) for name in TARGETS}

#: Mutations of each seed: seconds altogether.
_MUTATIONS = 60


def test_every_target_has_seeds_and_is_run() -> None:
    makefile = (Path(__file__).resolve().parents[2] / "Makefile").read_text()
    assert f"FUZZ_S3 := {' '.join(TARGETS)}\n" in makefile
    assert {each.name for each in CORPUS.iterdir()} == set(TARGETS)
    assert all(len(seeds) >= 3 for seeds in SEEDS.values())


@pytest.mark.parametrize(
    ("target", "seed"),
    [(name, seed) for name, seeds in SEEDS.items() for seed in seeds],
    ids=lambda each: getattr(each, "name", each),
)
def test_seeds_and_their_mutations(target: str, seed: Path) -> None:
    data = seed.read_bytes()
    TARGETS[target](data)
    for number in range(_MUTATIONS):
        mutated = mutate(data, random.Random(f"{seed.name} {number}"))
        try:
            TARGETS[target](mutated)
        except Exception as error:
            raise AssertionError(f"a finding; keep it in corpus/{target}: {mutated!r}") from error


def mutate(data: bytes, chance: random.Random) -> bytes:
    """A few changes as fuzzers make them: bits, bytes that mean something, pieces cut, doubled, moved."""
    mutated = bytearray(data)
    for _ in range(chance.randint(1, 4)):
        place = chance.randrange(len(mutated) + 1)
        length = chance.choice([1, 1, 2, 8, 40])
        match chance.randrange(5):
            case 0 if place < len(mutated):
                mutated[place] ^= 1 << chance.randrange(8)
            case 1:
                mutated[place:place] = chance.choice(
                    [b"\0", b"\xff", b"%", b"%zz", b"\r\n", b"9" * 5000, b"-", b"\xc3"]
                )
            case 2:
                del mutated[place : place + length]
            case 3:
                mutated[place:place] = mutated[place : place + length]
            case _:
                other = chance.randrange(len(mutated) + 1)
                mutated[place : place + length] = mutated[other : other + length]
    return bytes(mutated)


@pytest.mark.parametrize("target", TARGETS)
@settings(deadline=None, max_examples=100, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.binary(max_size=300))
def test_any_bytes(target: str, data: bytes) -> None:
    TARGETS[target](data)
