# SPDX-License-Identifier: GPL-2.0-only
"""`deltaglider_proxy optimize`: run the optimizer once, and say what it saved.

The exit code is 0 when all is as good as it gets, 1 when an object had to be left out or somebody else is at
it, 2 when it could not be done. What is done is the business of `engine.optimizer`.
"""

from collections.abc import Awaitable
from dataclasses import dataclass, field

import click
import msgspec

from dgproxy.commands import storage
from dgproxy.commands.storage import Progress, Said, size
from dgproxy.engine import bookkeeping, inventory, keys, runs
from dgproxy.engine.context import Engine
from dgproxy.engine.optimizer.run import optimize as optimize_bucket
from dgproxy.engine.optimizer.work import Outcome
from dgproxy.engine.pace import Pace
from dgproxy.engine.rest import Rest
from dgproxy.engine.runs import Run
from dgproxy.storage.errors import BucketNotFound

__all__ = ["optimize"]


@click.command()
@storage.PLACE
@click.option(
    "--cpu",
    metavar="SHARE",
    type=click.FloatRange(0.01, 1.0),
    default=1.0,
    show_default=True,
    help="Use this share of one core.",
)
@storage.pace
@storage.as_json
@click.pass_obj
def optimize(said: Said, place: str, cpu: float, pace: Pace, as_json: bool) -> None:
    """Store objects smaller: against better references, in the stronger form, once where bytes come twice.

    Clients see nothing of it: an object that is written meanwhile is left alone. It may be stopped at any
    time, and a second run goes on where there is something left to do.

    Exit code: 0 done, 1 something was left out, 2 could not do it.
    """
    rest = Rest(cpu)
    storage.run(said, lambda engine: _kept(engine, _optimize(engine, place, rest, pace, as_json=as_json)))


async def _kept(engine: Engine, work: Awaitable[int]) -> int:
    """Do it with the statistics kept."""
    async with bookkeeping.kept(engine):
        return await work


@dataclass(slots=True)
class _Report:
    """Prints what came of each deltaspace, and adds it up: all, and those of the bucket it is at."""

    as_json: bool
    total: Outcome = field(default_factory=lambda: Outcome("", "all"))
    here: Outcome = field(default_factory=lambda: Outcome("", "all"))
    progress: Progress = field(default_factory=lambda: Progress(""))

    def __call__(self, outcome: Outcome) -> None:
        for total in (self.total, self.here):
            _add(total, outcome)
        if self.as_json:
            self.progress.say(msgspec.json.encode(outcome).decode())
        elif outcome.changed or outcome.failed:
            where = f"{outcome.bucket}/{outcome.deltaspace}"
            self.progress.say(f"{where}  {_words(outcome)}")


def _add(total: Outcome, outcome: Outcome) -> None:
    for name in ("before", "after", "objects", "rewritten", "references_made"):
        setattr(total, name, getattr(total, name) + getattr(outcome, name))
    for name in ("references_retired", "shared", "failed"):
        setattr(total, name, getattr(total, name) + getattr(outcome, name))


def _closing(total: Outcome) -> str:
    return _words(total) if total.changed or total.failed else "Nothing to do"


def _words(outcome: Outcome) -> str:
    saved = outcome.before - outcome.after
    failed = f", {outcome.failed} left out (see the log)" if outcome.failed else ""
    return (
        f"{size(outcome.before)} -> {size(outcome.after)}, {size(saved)} saved: {outcome.rewritten} of "
        f"{outcome.objects} objects written anew, {outcome.shared} shared, "
        f"{outcome.references_made} references made, {outcome.references_retired} retired{failed}"
    )


async def _optimize(engine: Engine, place: str, rest: Rest, pace: Pace, *, as_json: bool) -> int:
    report, busy = _Report(as_json), False
    for bucket, prefix in await storage.places(engine, place):
        run = Run(command="optimize", prefix=prefix)
        report.here = Outcome(bucket, prefix)
        try:
            async with runs.recorded(engine, bucket, run):
                run.total = await inventory.count(engine.backend, bucket, keys.manifest(prefix))
                with storage.progress(bucket, run.total, watch=run.advance) as report.progress:
                    watch = report.progress.advance
                    done = await optimize_bucket(
                        engine, bucket, prefix, report, rest=rest, pace=pace, watch=watch
                    )
                run.result = _closing(report.here) if done else "Another process optimizes it"
        except BucketNotFound:
            continue  # deleted since it was listed
        if not done:
            busy = True
            click.echo(f"deltaglider_proxy: {bucket}: another process optimizes it", err=True)
    if as_json:
        click.echo(msgspec.json.encode({"summary": report.total}).decode())
    else:
        click.echo(_words(report.total) if report.total.changed else "Nothing to do.")
    return 1 if busy or report.total.failed else 0
