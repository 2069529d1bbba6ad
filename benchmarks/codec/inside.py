# SPDX-License-Identifier: GPL-2.0-only
"""The codec in a running process: `python -m benchmarks.codec.inside OLD NEW SCRATCH ROUNDS STEADY MOST`.

Prints JSON: bytes, and CPU seconds of each round, of two kinds of work on one thread.

`files`: what the command does after its start: map the files, index, encode, write; map, decode, write; and
the same decoding with nothing written (`check`).
`memory`: what a server does with files it has mapped before: encode in windows of its size against an index
that was saved and mapped again, decode from memory to memory.
"""

import filecmp
import json
import mmap
import sys
import tempfile
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from dgproxy.codec import files, forms
from dgproxy.codec.delta import WINDOW_SIZE, Level, SourceIndex
from dgproxy.codec.forms import Form
from dgproxy.commands.paths import mapped

#: What is measured: every form, and the thorough level where it is for.
CONTESTANTS: dict[str, tuple[Form, Level]] = {
    "default": (Form.DEFAULT, "fast"),
    "residual": (Form.RESIDUAL, "fast"),
    "plain": (Form.PLAIN, "fast"),
    "residual thorough": (Form.RESIDUAL, "thorough"),
    "plain thorough": (Form.PLAIN, "thorough"),
}
Result = TypeVar("Result")


@dataclass(frozen=True)
class Rounds:
    """How often: `least` times, and on until `steady` CPU seconds are spent or it was `most` times."""

    least: int
    steady: float
    most: int

    def timed(self, work: Callable[[], Result], out: Path | None = None) -> tuple[Result, list[float]]:
        """A result, and the CPU seconds of each round; `out`, which the work writes, is not there before."""
        took: list[float] = []
        while True:
            if out is not None:
                out.unlink(missing_ok=True)
            began = time.process_time()
            result = work()
            took.append(time.process_time() - began)
            if len(took) >= self.most or (len(took) >= self.least and sum(took) >= self.steady):
                return result, took


def from_files(
    old: Path, new: Path, scratch: Path, form: Form, level: Level, rounds: Rounds
) -> dict[str, Any]:
    """Like a process that reads and writes files, without the interpreter's start."""
    delta, back = scratch / "inside.delta", scratch / "inside.back"

    def encode() -> None:
        source, target = mapped(old), mapped(new)
        index = SourceIndex.build(source, seed=1)
        with delta.open("wb") as out:
            out.writelines(files.encode(index, target, form, level=level))
        index.close()

    def decode() -> None:
        with back.open("wb") as out:
            out.writelines(files.decode(mapped(old), mapped(delta)))

    def check() -> None:
        deque(files.decode(mapped(old), mapped(delta)), maxlen=0)

    _, encode_took = rounds.timed(encode, delta)
    _, decode_took = rounds.timed(decode, back)
    if not filecmp.cmp(new, back, shallow=False):
        raise RuntimeError(f"other bytes came back, form {form.name}")
    back.unlink()
    _, check_took = rounds.timed(check)
    size = delta.stat().st_size
    delta.unlink()
    return {"bytes": size, "encode": encode_took, "decode": decode_took, "check": check_took}


def in_memory(
    index: SourceIndex, new: memoryview, form: Form, level: Level, rounds: Rounds
) -> dict[str, Any]:
    """Window by window, against an index that is there."""
    begins = range(0, len(new), WINDOW_SIZE)
    old = index.source
    room = bytearray(WINDOW_SIZE)

    def encode() -> list[bytes]:
        return [
            forms.encode(index, new[at : at + WINDOW_SIZE], form, position=at, level=level) for at in begins
        ]

    def decode() -> None:
        for at, window in zip(begins, stored, strict=True):
            forms.decode(old, window, min(WINDOW_SIZE, len(new) - at), form, room)

    stored, encode_took = rounds.timed(encode)
    _, decode_took = rounds.timed(decode)
    for at, window in zip(begins, stored, strict=True):
        part = new[at : at + WINDOW_SIZE]
        if forms.decode(old, window, len(part), form, room) != part:
            raise RuntimeError(f"other bytes came back, form {form.name}")
    return {"bytes": sum(map(len, stored)), "encode": encode_took, "decode": decode_took}


def measure(old: Path, new: Path, scratch: Path, rounds: Rounds) -> dict[str, Any]:
    """All figures of one pair."""
    found: dict[str, Any] = {
        "files": {name: from_files(old, new, scratch, *what, rounds) for name, what in CONTESTANTS.items()}
    }
    source, target = mapped(old), mapped(new)
    sum(source[::4096]), sum(target[::4096])  # every page is there
    built, took = rounds.timed(lambda: SourceIndex.build(source, seed=1))
    found["index"] = {"seconds": took, "bytes": built.nbytes}
    with tempfile.TemporaryFile() as file:
        file.write(built.image)
        file.flush()
        saved = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    index = SourceIndex.open(source, saved)
    found["memory"] = {name: in_memory(index, target, *what, rounds) for name, what in CONTESTANTS.items()}
    return found


if __name__ == "__main__":
    least, steady, most = sys.argv[4:]
    given = Rounds(int(least), float(steady), int(most))
    print(json.dumps(measure(*map(Path, sys.argv[1:4]), given)))
