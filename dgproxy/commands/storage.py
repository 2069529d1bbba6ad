# SPDX-License-Identifier: GPL-2.0-only
"""What the commands that work on the storage itself share: where it is, how they start, show and end.

They are processes of their own beside a running server, or without one: locks are the storage's. They run at
a low priority. Exit codes are each command's to say, but 2 is always: could not do it, or not find out.
"""

import asyncio
import os
import re
import signal
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Final, NoReturn

import click

from dgproxy import config, config_values, engines, logs
from dgproxy.config import ConfigError, StartError
from dgproxy.engine.context import Engine
from dgproxy.engine.errors import EngineError
from dgproxy.engine.pace import Pace
from dgproxy.settings import Settings
from dgproxy.storage.errors import StorageError

__all__ = [
    "FAILED",
    "PLACE",
    "Progress",
    "Said",
    "as_json",
    "duration",
    "fail",
    "pace",
    "places",
    "run",
    "run_on_temporary_storage",
    "size",
]

FAILED: Final = 2

#: What `cli.main` says to its commands: settings from the command line, and the file.
Said = tuple[dict[str, str], Path | None]

_NICE: Final = 10
_UNITS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_BAR: Final = 24
_REDRAW: Final = 0.2  # seconds


# -- arguments ---------------------------------------------------------------------------------------------


def duration(value: str) -> float:
    """Seconds from `90s`, `30m`, `12h`, `7d`; a click type."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)([smhd])", value.strip().lower(), re.ASCII)
    if found is None:
        raise click.BadParameter(f"{value!r} is not a time like 90s, 30m, 12h or 7d")
    return float(found[1]) * _UNITS[found[2]]


def _pace(value: str) -> Pace:
    """A pace from `100M`, or from 0, which is none."""
    try:
        amount = config_values.size(f"{value}iB" if value[-1:].lower() in tuple("kmgt") else value)
    except ValueError as error:
        raise click.BadParameter(str(error)) from error
    return Pace(float(str(amount)) or None)


PLACE = click.argument("place", metavar="[BUCKET[/PREFIX]]", default="")
pace = click.option(
    "--rate",
    "pace",
    metavar="BYTES",
    type=_pace,
    default="100M",
    show_default=True,
    help="Read at most so many bytes a second; 0 is no limit.",
)
as_json = click.option("--json", "as_json", is_flag=True, help="One JSON object a line, the last a summary.")


async def places(engine: Engine, place: str) -> list[tuple[str, str]]:
    """The buckets meant by `BUCKET[/PREFIX]`, or all, each with the prefix. Raises BucketNotFound."""
    bucket, _, prefix = place.partition("/")
    if not bucket:
        return [(each.name, "") for each in await engine.backend.list_buckets()]
    await engine.backend.head_bucket(bucket)
    return [(bucket, prefix)]


# -- the process -------------------------------------------------------------------------------------------


Work = Callable[[Engine], Awaitable[int]]


def run(said: Said, work: Work) -> NoReturn:
    """Do `work` with an engine on the configured storage, and exit with the code it gives."""
    try:
        settings = config.load(said[0], file=said[1]).settings
        _require_storage(settings)
    except ConfigError as error:
        fail(*error.problems)
    _run(settings, work)


def run_on_temporary_storage(said: Said, work: Work) -> NoReturn:
    """The same with the configured settings on storage that is empty, and gone afterwards."""
    try:
        settings = config.load(said[0], file=said[1]).settings
    except ConfigError as error:
        fail(*error.problems)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # leave by way of the block
    with tempfile.TemporaryDirectory(prefix="deltaglider_proxy-") as directory:
        top = Path(directory)
        elsewhere = {"data_dir": top / "data", "cache_dir": top / "cache", "durability": "relaxed"}
        _run(settings.model_copy(update=elsewhere | {"s3_endpoint": None}), work)


def _run(settings: Settings, work: Work) -> NoReturn:
    logs.setup(settings.log_level)
    os.nice(_NICE)
    try:
        code = asyncio.run(_work(settings, work))
    except (StorageError, EngineError, StartError) as error:
        fail(str(error))
    except (KeyboardInterrupt, asyncio.CancelledError):
        fail("stopped before the end", code=128 + signal.SIGINT)
    sys.exit(code)


async def _work(settings: Settings, work: Work) -> int:
    task = asyncio.current_task()
    if task is not None:
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    async with engines.engine_of(settings) as engine:
        return await work(engine)


def _require_storage(settings: Settings) -> None:
    """Opening makes what is not there; who wants to look at something has mistyped its place."""
    if settings.s3_endpoint is None and not (settings.data_dir / "format").exists():
        raise ConfigError([f"data_dir = {settings.data_dir}: there is no data directory"])


def fail(*lines: str, code: int = FAILED) -> NoReturn:
    """Say why on stderr, and exit."""
    for line in lines:
        click.echo(f"deltaglider_proxy: {line}", err=True)
    sys.exit(code)


# -- what is shown -----------------------------------------------------------------------------------------


def size(amount: int) -> str:
    """Bytes for people: `12.3 MiB`."""
    value = float(amount)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if abs(value) < 1000:
            return f"{amount} B" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1024
    return f"{value:.1f} TiB"


class Progress:
    """One line on a terminal's stderr that says how far a command has come; nothing anywhere else."""

    def __init__(
        self,
        label: str,
        total: int | None = None,
        unit: Callable[[int], str] = "{:,}".format,
        watch: Callable[[int], None] = lambda _: None,
    ) -> None:
        self._label = label
        self._total = total
        self._unit = unit
        self._watch = watch
        self._done = 0
        self._began = time.monotonic()
        self._drawn = 0.0
        self._shown = sys.stderr.isatty()

    @classmethod
    def wanted(cls) -> bool:
        """Whether anybody sees it: what it takes to know the total is spared otherwise."""
        return sys.stderr.isatty()

    def advance(self, amount: int) -> None:
        """So much more is done."""
        self._done += amount
        self._watch(amount)
        now = time.monotonic()
        if self._shown and now - self._drawn >= _REDRAW:
            self._drawn = now
            click.echo(f"\r\x1b[K{self._line(now)}", nl=False, err=True)

    def say(self, line: str) -> None:
        """Print a line of the result, clear of the progress."""
        self.clear()
        click.echo(line)

    def clear(self) -> None:
        """Take the line away."""
        if self._shown and self._drawn:
            click.echo("\r\x1b[K", nl=False, err=True)

    def _line(self, now: float) -> str:
        if not self._total:
            return f"{self._label}  {self._unit(self._done)}"
        share = min(self._done / self._total, 1.0)
        bar = "#" * round(share * _BAR)
        left = timedelta(seconds=round((now - self._began) * (1 - share) / share)) if share else "?"
        done = f"{self._unit(self._done)} of {self._unit(self._total)}"
        return f"{self._label}  [{bar:-<{_BAR}}] {share:4.0%}  {done}, {left} left"


@contextmanager
def progress(
    label: str,
    total: int | None = None,
    unit: Callable[[int], str] = "{:,}".format,
    watch: Callable[[int], None] = lambda _: None,
) -> Iterator[Progress]:
    """A `Progress` that is gone after the block; `watch` is told of every advance, too."""
    shown = Progress(label, total, unit, watch)
    try:
        yield shown
    finally:
        shown.clear()
