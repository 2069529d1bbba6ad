# SPDX-License-Identifier: GPL-2.0-only
"""The contestants: what each is called, and its commands to make a delta and to read one.

Every one is a whole process that reads two files and writes a third, on one thread.
"""

import os
import shutil
import subprocess
import sys
import venv
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from benchmarks.checkout import PROJECT

Command = list[str]


@dataclass(frozen=True)
class Program:
    """A contestant; `encode(old, new, delta)` and `decode(old, delta, back)` are command lines.

    `check(old, delta)`, where there is one, decodes everything and writes nothing.
    """

    name: str
    encode: Callable[[Path, Path, Path], Command]
    decode: Callable[[Path, Path, Path], Command]
    check: Callable[[Path, Path], Command] | None = None


def environment(packages: list[str]) -> Path:
    """The interpreter of an environment with exactly these packages."""
    home = PROJECT / ".venvs" / "codec"
    python = home / "bin" / "python"
    if not python.exists():
        venv.create(home, with_pip=True)
    command = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *packages]
    subprocess.run(command, check=True, stdout=sys.stderr)
    return python


def ours() -> list[Program]:
    """The command, in every form."""
    delta = [sys.executable, "-m", "dgproxy", "delta"]

    def program(form: str, level: str = "fast") -> Program:
        options = ["-T", "1", "--form", form, "--level", level]
        return Program(
            f"dgproxy {form}" if level == "fast" else f"dgproxy {form} {level}",
            lambda old, new, out: [*delta, "encode", *options, "-s", *map(str, (old, new, out))],
            lambda old, out, back: [*delta, "decode", "-T", "1", "-s", *map(str, (old, out, back))],
        )

    everyday = [program(form) for form in ("default", "residual", "plain")]
    return [*everyday, program("residual", "thorough"), program("plain", "thorough")]


def peers(python: Path) -> list[Program]:
    """The other programs; the stock tool sees the whole reference (-B), as ours do."""

    def xdelta3(*options: str) -> Program:
        def encode(old: Path, new: Path, out: Path) -> Command:
            whole = str(max(64 << 20, old.stat().st_size))
            return [
                "xdelta3",
                "-q",
                "-e",
                "-D",
                "-A=",
                "-B",
                whole,
                *options,
                "-s",
                *map(str, (old, new, out)),
            ]

        name = " ".join(("xdelta3", options[0], options[2]))
        return Program(name, encode, stock_decode, stock_check)

    return [
        xdelta3("-1", "-S", "none"),
        xdelta3("-3", "-S", "none"),
        xdelta3("-1", "-S", "lzma"),
        xdelta3("-3", "-S", "lzma"),
        Program("zstd -1", _zstd_encode, _zstd_decode),
        _wrapped(python, "hdiffpatch zstd"),
        _wrapped(python, "bsdiff"),
    ]


def stock_decode(old: Path, delta: Path, back: Path) -> Command:
    """`xdelta3 -d`; -D and -R keep it from unpacking a reference that happens to be a gzip file."""
    whole = str(max(64 << 20, old.stat().st_size))
    return ["xdelta3", "-q", "-d", "-D", "-R", "-B", whole, "-s", *map(str, (old, delta, back))]


def stock_check(old: Path, delta: Path) -> Command:
    """The same with -J, which has it write nothing."""
    decode = stock_decode(old, delta, delta)
    return [*decode[:2], "-J", *decode[2:-1]]


def _zstd_encode(old: Path, new: Path, out: Path) -> Command:
    return ["zstd", "-q", "-1", "--single-thread", f"--patch-from={old}", str(new), "-o", str(out)]


def _zstd_decode(old: Path, delta: Path, back: Path) -> Command:
    return ["zstd", "-q", "-d", "--long=31", f"--patch-from={old}", str(delta), "-o", str(back)]


def _wrapped(python: Path, name: str) -> Program:
    """A library behind `wrapped.py`."""
    library = name.partition(" ")[0]
    command = [str(python), str(Path(__file__).with_name("wrapped.py")), library]
    return Program(
        name,
        lambda old, new, out: [*command, "encode", *map(str, (old, new, out))],
        lambda old, out, back: [*command, "decode", *map(str, (old, out, back))],
    )


def versions() -> dict[str, str]:
    """What the programs say they are; SystemExit names those that are not installed."""
    missing = [name for name in ("xdelta3", "zstd") if shutil.which(name) is None]
    if missing:
        sys.exit(f"not installed: {', '.join(missing)} (Debian packages of the same names)")
    said = {}
    for name in ("xdelta3", "zstd"):
        done = subprocess.run([name, "-V"], capture_output=True, text=True, check=False)
        said[name] = (done.stdout + done.stderr).splitlines()[0].strip("* ")
    return said | {"python": sys.version.split()[0]}


@dataclass(frozen=True)
class Cost:
    """What one process took: CPU seconds (user and system) and its largest resident set in bytes."""

    cpu: float
    memory: int


def run(command: Command) -> Cost:
    """Run to the good end and say what it took; RuntimeError with what it said otherwise."""
    process = subprocess.Popen(
        command, cwd=PROJECT, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )
    assert process.stderr is not None
    said = process.stderr.read()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    process.stderr.close()
    if process.returncode != 0:
        raise RuntimeError(f"{' '.join(command)}: {said.decode(errors='replace').strip()}")
    return Cost(usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024)
