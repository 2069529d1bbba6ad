# SPDX-License-Identifier: GPL-2.0-only
"""`deltaglider_proxy delta`: deltas between files, as the stock xdelta3 program makes and reads them.

Results are written beside their name and renamed when complete. The exit code is 0 for a result, 2 for wrong
arguments, 1 for everything else, with one line that says which file and why.
"""

import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, get_args

import click

from dgproxy.codec import files
from dgproxy.codec.delta import CodecError, Level, SourceIndex
from dgproxy.codec.forms import Form
from dgproxy.codec.secondary import NAMES
from dgproxy.commands.paths import mapped, replacing

__all__ = ["delta"]

_FILE = click.Path(path_type=Path)


class _Failure(click.ClickException):
    """What could not be done, and why."""

    def show(self, file: IO[Any] | None = None) -> None:
        """Print it, in the words of the other commands."""
        click.echo(f"deltaglider_proxy: {self.message}", err=True)


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    """Errors of the system name their file themselves; those of the codec are about `path`."""
    try:
        yield
    except OSError as error:
        raise _Failure(f"{error.filename or path}: {error.strerror}") from error
    except (CodecError, ValueError) as error:
        raise _Failure(f"{path}: {error}") from error


def _available() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _terminated(number: int, _: object) -> None:
    """Leave by way of every `finally`, so that nothing unfinished stays behind."""
    sys.exit(128 + number)


@contextmanager
def _progress(length: int, label: str) -> Iterator[Callable[[int], None]]:
    """A bar for `length` bytes of input, on terminals only."""
    hidden = not sys.stderr.isatty()
    with click.progressbar(length=length, label=label, file=sys.stderr, hidden=hidden) as bar:
        yield bar.update


def _apart(result: Path, *inputs: Path) -> None:
    """A result must not take the place of what it is made from."""
    for path in inputs:
        if result.exists() and path.exists() and result.samefile(path):
            raise _Failure(f"{result}: the result would replace the input {path}")


_force = click.option("-f", "--force", is_flag=True, help="Replace the result if it exists.")
_source = click.option(
    "-s",
    "--source",
    metavar="REFERENCE",
    required=True,
    type=_FILE,
    help="The file that the delta is against.",
)
_threads = click.option(
    "-T",
    "--threads",
    metavar="N",
    type=click.IntRange(1, 256),
    default=_available,
    help="Default: one a core.",
)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def delta() -> None:
    """Make, read and describe deltas between files.

    encode and decode do for files what the server does for objects. All that the stock xdelta3 program
    writes is read, and plain deltas are written for it.
    """
    signal.signal(signal.SIGTERM, _terminated)


@delta.command()
@_force
@click.option(
    "--form",
    type=click.Choice([form.name.lower() for form in Form]),
    default="default",
    help="plain: VCDIFF, for `xdelta3 -d`; default: that in zstd frames, for `zstd -dc | xdelta3 -d`; "
    "residual: often much smaller, for this program only.",
)
@click.option(
    "--level",
    type=click.Choice(get_args(Level)),
    default="fast",
    help="thorough: smaller, at a fraction of the speed.",
)
@_source
@_threads
@click.argument("new", type=_FILE)
@click.argument("result", metavar="DELTA", type=_FILE)
def encode(force: bool, form: str, level: Level, source: Path, threads: int, new: Path, result: Path) -> None:
    """Write to DELTA how NEW differs from REFERENCE."""
    _apart(result, source, new)
    with _explained(new), replacing(result, force=force) as out:
        reference, target = mapped(source), mapped(new)
        with _progress(len(reference) + len(target), "encode") as progress:
            index = SourceIndex.build(reference, progress=lambda stretch: progress(len(stretch)))
            chosen = Form[form.upper()]
            for part in files.encode(index, target, chosen, level=level, threads=threads, progress=progress):
                out.write(part)


@delta.command()
@_force
@_source
@_threads
@click.argument("packed", metavar="DELTA", type=_FILE)
@click.argument("new", type=_FILE)
def decode(force: bool, source: Path, threads: int, packed: Path, new: Path) -> None:
    """Write to NEW what DELTA makes of REFERENCE."""
    _apart(new, source, packed)
    with _explained(packed), replacing(new, force=force) as out:
        reference, data = mapped(source), mapped(packed)
        with _progress(len(data), "decode") as progress:
            for part in files.decode(reference, data, threads=threads, progress=progress):
                out.write(part)


@delta.command()
@click.argument("packed", metavar="DELTA", type=_FILE)
def info(packed: Path) -> None:
    """Print what DELTA says of itself; no reference is needed."""
    with _explained(packed):
        found = files.describe(mapped(packed))
    header = found.header
    facts = {
        "form": found.form.name.lower(),
        "size": f"{found.size} bytes",
        "target": f"{found.target_length} bytes in {found.windows} windows, {found.checked} with Adler-32",
        "residual": f"{found.residual} windows",
        "source": f"at least {found.source_length} bytes",
        "data": f"{found.data} bytes",
        "instructions": f"{found.instructions} bytes",
        "addresses": f"{found.addresses} bytes",
        "secondary": f"{NAMES.get(header.secondary, header.secondary)}, in {found.compressed} windows"
        if header.secondary
        else "none",
        "application": "none" if header.application is None else repr(header.application),
    }
    for name, fact in facts.items():
        click.echo(f"{name:<13} {fact}")
