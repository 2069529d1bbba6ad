# SPDX-License-Identifier: GPL-2.0-only
"""`deltaglider_proxy gc`: show what nobody needs in the storage, or remove it.

The exit code is 0 when there was nothing, or all of it was removed; 1 when something is still there; 2 when
it could not be done. How garbage is told from what is needed is the business of `engine.gc`.
"""

from dataclasses import dataclass, field, replace
from typing import Final

import click
import msgspec

from dgproxy.commands import storage
from dgproxy.commands.storage import Progress, Said, size
from dgproxy.engine import inventory, keys, runs, statistics
from dgproxy.engine.context import Engine
from dgproxy.engine.gc import Finding, Options, collect, collect_staged
from dgproxy.engine.gc_uploads import collect_uploads
from dgproxy.engine.pace import Pace
from dgproxy.engine.runs import Run

__all__ = ["gc"]

#: Seconds. A write that takes longer between its first byte and its commit is still safe (see `engine.gc`);
#: but what a request is at this moment must not be shown as garbage.
_YOUNGEST: Final = 300.0


@click.command()
@storage.PLACE
@click.option("--delete", is_flag=True, help="Remove what is found; without it, only show it.")
@click.option(
    "--older-than",
    metavar="TIME",
    type=storage.duration,
    default="1h",
    show_default=True,
    help="Leave what is younger alone; at least 5m.",
)
@click.option(
    "--uploads-older-than",
    metavar="TIME",
    type=storage.duration,
    help="Abort multipart uploads begun longer ago and not completed; by default they stay.",
)
@storage.pace
@storage.as_json
@click.pass_obj
def gc(
    said: Said,
    place: str,
    delete: bool,
    older_than: float,
    uploads_older_than: float | None,
    pace: Pace,
    as_json: bool,
) -> None:
    """Show what nobody needs in the storage, or remove it.

    Crashes leave garbage behind: staged files, blobs that no object points to, references without users,
    records of uploads that have ended. It costs space and nothing else. A server may run meanwhile.

    Exit code: 0 nothing is left, 1 something is, 2 could not find out.
    """
    if older_than < _YOUNGEST:
        raise click.BadParameter("at least 5m", param_hint="--older-than")
    options = Options(delete=delete, older_than=older_than, uploads_older_than=uploads_older_than)
    storage.run(said, lambda engine: _gc(engine, place, options, pace, as_json=as_json))


class Summary(msgspec.Struct):
    """What all findings come to; bytes as they are stored. What was only noted counts for nothing else."""

    found: int = 0
    removed: int = 0
    left: int = 0
    noted: int = 0
    bytes: int = 0
    bytes_removed: int = 0

    def add(self, finding: Finding) -> None:
        """One more."""
        if finding.outcome == "noted":
            self.noted += 1
        else:
            self.found += 1
            self.bytes += finding.size
        if finding.outcome == "removed":
            self.removed += 1
            self.bytes_removed += finding.size
        elif finding.outcome == "left":
            self.left += 1


@dataclass(slots=True)
class _Report:
    """Prints findings and adds them up: all, and those of the bucket it is at."""

    as_json: bool
    progress: Progress = field(default_factory=lambda: Progress(""))
    summary: Summary = field(default_factory=Summary)
    here: Summary = field(default_factory=Summary)

    def __call__(self, finding: Finding) -> None:
        self.summary.add(finding)
        self.here.add(finding)
        if self.as_json:
            self.progress.say(msgspec.json.encode(finding).decode())
        else:
            where = f"{finding.bucket}/{finding.key}" if finding.bucket else f"staging/{finding.key}"
            self.progress.say(f"{finding.outcome:8}{size(finding.size):>10}  {where}\n{'':20}{finding.why}")


async def _gc(engine: Engine, place: str, options: Options, pace: Pace, *, as_json: bool) -> int:
    report = _Report(as_json)
    for bucket, prefix in await storage.places(engine, place):
        chosen = replace(options, prefix=prefix)
        run = Run(command="gc", options="--delete" if options.delete else "", prefix=prefix)
        report.here = Summary()
        async with runs.recorded(engine, bucket, run):
            run.total = await inventory.count(engine.backend, bucket, keys.OBJECTS)
            with storage.progress(bucket, run.total, watch=run.advance) as report.progress:
                await collect_uploads(engine, bucket, chosen, report, pace=pace)
                await collect(engine, bucket, chosen, report, pace=pace, watch=report.progress.advance)
            run.result = _words(report.here, options)
    for bucket, space in await statistics.flush(engine):
        await statistics.recount(engine, bucket, space, pace)
    if not place:
        await collect_staged(engine, options, report)
    summary = report.summary
    click.echo(
        msgspec.json.encode({"summary": summary}).decode() if as_json else f"{_words(summary, options)}."
    )
    return 1 if summary.removed < summary.found else 0


def _words(summary: Summary, options: Options) -> str:
    if not summary.found:
        return "Nothing to remove"
    if not options.delete:
        return f"{summary.found} to remove, {size(summary.bytes)}; --delete does it"
    left = f", {summary.left} left" if summary.left else ""
    return f"{summary.removed} removed, {size(summary.bytes_removed)}{left}"
