# SPDX-License-Identifier: GPL-2.0-only
"""The seeds for the fuzzers are what they are called."""

from pathlib import Path

from dgproxy.codec.delta import CorruptDelta
from tests.codec import golden
from tests.codec.material import decode


def test_every_file_is_what_its_name_says(tmp_path: Path) -> None:
    golden.write(tmp_path)
    files = sorted((tmp_path / "golden").iterdir())
    assert len(files) == len(golden.golden()) > 60
    for path in files:
        try:
            decode(golden.SOURCE, path.read_bytes(), 1 << 20)
        except CorruptDelta:
            assert path.name.startswith("invalid-"), path.name
        else:
            assert path.name.startswith("valid-"), path.name
    assert len(list((tmp_path / "decode").iterdir())) == len(files)
