# SPDX-License-Identifier: GPL-2.0-only
"""Write every delta of test_invalid and test_residual as a file named by its rule: seeds for the fuzzers.

    python -m tests.codec.golden DIRECTORY

makes DIRECTORY/decode (whole deltas behind the byte that chooses the pieces), DIRECTORY/limits (single
windows behind the three that choose source, target and scale) and DIRECTORY/golden (the same deltas as they
are, valid-* and invalid-*, for the source bytes 0 to 99).
"""

import re
import sys
from pathlib import Path

from tests.codec.test_invalid import INVALID, VALID
from tests.codec.test_residual import RULE
from tests.codec.wire import PLAIN, window

SOURCE = bytes(range(100))


def file_name(kind: str, rule: str) -> str:
    return f"{kind}-{re.sub('[^a-z0-9]+', '-', rule.lower())}"


def golden() -> dict[str, bytes]:
    """Deltas by the name of their file."""
    deltas = {file_name("invalid", rule): delta for rule, (delta, _) in INVALID.items()}
    deltas |= {file_name("valid", rule): PLAIN + windows for rule, (windows, _) in VALID.items()}
    for rule, (instructions, target) in RULE.items():
        delta = PLAIN + window(*instructions, length=len(target), source=(90, 0))
        deltas[file_name("valid-residual", rule)] = delta
    return deltas


def write(directory: Path) -> None:
    for folder in ("golden", "decode", "limits"):
        (directory / folder).mkdir(parents=True, exist_ok=True)
    for name, delta in golden().items():
        (directory / "golden" / name).write_bytes(delta)
        (directory / "decode" / name).write_bytes(b"\x06" + delta)
        if delta.startswith(PLAIN):
            (directory / "limits" / name).write_bytes(b"\x19\x02\x00" + delta[len(PLAIN) :])


if __name__ == "__main__":
    write(Path(sys.argv[1]))
