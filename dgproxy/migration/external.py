# SPDX-License-Identifier: GPL-2.0-only
"""Deltas between what was in compressed files, which xdelta3 makes unless it is told not to (-D).

It runs the usual programs (gzip, bzip2, xz, compress) over its inputs and notes that in the application
header, `<target>/<letter>/<source>/<letter>`. To decode, it unpacks the source, applies the delta, and packs
the result again. Whether that gives the bytes there were is up to the program: bzip2 and xz mostly do, gzip
seldom does, because its files have a date in them. Observed on xdelta3 3.0.11.

Blocking code, for threads. The programs are asked for nothing but to filter.
"""

import shutil
import subprocess
import tempfile
from collections.abc import Iterable
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import BinaryIO, Final

from dgproxy.migration.places import CHUNK, Unreadable

__all__ = ["packed", "programs", "unpacked"]

_PROGRAMS: Final = {b"G": "gzip", b"B": "bzip2", b"Y": "xz", b"Z": "compress"}


def programs(application: bytes | None) -> tuple[str, str]:
    """What unpacks the source and packs the target, by an application header; '' for nothing.

    Raises Unreadable.
    """
    fields = (application or b"").split(b"/")
    target = fields[1] if len(fields) in (2, 4) else b""
    source = fields[3] if len(fields) == 4 else b""
    try:
        return (_PROGRAMS[source] if source else ""), (_PROGRAMS[target] if target else "")
    except KeyError as error:
        raise Unreadable(f"its delta asks for a program that is not known: {error}") from error


def unpacked(program: str, data: memoryview, directory: Path) -> BinaryIO:
    """A temporary file with what is in `data`."""
    pieces = (data[start : start + CHUNK] for start in range(0, len(data), CHUNK))
    return _filtered([program, "-dc"], pieces, directory)


def packed(program: str, file: BinaryIO, directory: Path) -> BinaryIO:
    """A temporary file with a packed `file`."""
    file.seek(0)
    return _filtered([program, "-c"], iter(lambda: file.read(CHUNK), b""), directory)


def _filtered(command: list[str], pieces: Iterable[bytes | memoryview], directory: Path) -> BinaryIO:
    path = shutil.which(command[0])
    if path is None:
        raise Unreadable(f"its delta needs the program {command[0]}, which is not installed")
    with ExitStack() as stack:
        out = stack.enter_context(tempfile.TemporaryFile(dir=directory))
        if _run([path, *command[1:]], pieces, out):
            raise Unreadable(f"{command[0]} can't read what its delta is against")
        stack.pop_all()
    return out


def _run(command: list[str], pieces: Iterable[bytes | memoryview], out: BinaryIO) -> int:
    """The exit code of a filter that was given all the pieces it wanted."""
    with subprocess.Popen(  # noqa: S603 - a program of four, found in $PATH
        command, stdin=subprocess.PIPE, stdout=out, stderr=subprocess.DEVNULL
    ) as process:
        if process.stdin is None:
            raise RuntimeError("a pipe was asked for")
        with suppress(BrokenPipeError), process.stdin as to:
            for piece in pieces:
                to.write(piece)
        return process.wait()
