# SPDX-License-Identifier: GPL-2.0-only
"""`deltaglider_proxy verify`: name what is damaged in the storage, and why.

The exit code is 0 when all is sound, 1 when something is damaged, 2 when something could not be looked at.
What to do about a finding is in docs/REPAIR.md; how things are looked at is the business of `engine.verify`.
"""

from dataclasses import dataclass, field

import click
import msgspec

from dgproxy.commands import storage
from dgproxy.commands.storage import FAILED, Progress, Said, size
from dgproxy.engine import inventory, keys, runs
from dgproxy.engine.context import Engine
from dgproxy.engine.pace import Pace
from dgproxy.engine.runs import Run
from dgproxy.engine.verify import Finding, Options, Summary
from dgproxy.engine.verify import verify as verify_bucket
from dgproxy.storage.errors import BucketNotFound

__all__ = ["verify"]


@click.command()
@storage.PLACE
@click.option("--data", is_flag=True, help="Decode every object and check its bytes, not only its structure.")
@storage.pace
@storage.as_json
@click.pass_obj
def verify(said: Said, place: str, data: bool, pace: Pace, as_json: bool) -> None:
    """Name what is damaged in the storage, and why.

    Without --data: whether every record is intact, and everything it points to is there and has its length.
    A server may run meanwhile. No data is changed; docs/REPAIR.md says what to do.

    Exit code: 0 sound, 1 damage found, 2 could not find out.
    """
    storage.run(said, lambda engine: _verify(engine, place, pace, data=data, as_json=as_json))


@dataclass(slots=True)
class _Report:
    """Prints findings and counts them."""

    as_json: bool
    progress: Progress = field(default_factory=lambda: Progress(""))
    damaged: int = 0
    unknown: int = 0

    def __call__(self, finding: Finding) -> None:
        self.damaged += finding.outcome == "damaged"
        self.unknown += finding.outcome == "unknown"
        self.progress.say(msgspec.json.encode(finding).decode() if self.as_json else _words(finding))


def _words(finding: Finding) -> str:
    line = f"{finding.outcome:8} {finding.kind:9} {finding.bucket}/{finding.key}\n{'':19}{finding.why}"
    if finding.kind == "reference":
        line += f"; {finding.dependents} objects need it, {finding.damaged} of them can't be read"
    return line


async def _verify(engine: Engine, place: str, pace: Pace, *, data: bool, as_json: bool) -> int:
    report, looked = _Report(as_json), Summary()
    for bucket, prefix in await storage.places(engine, place):
        run = Run(command="verify", options="--data" if data else "", prefix=prefix)
        run.unit = "bytes" if data else "objects"
        before = (report.damaged, report.unknown)
        try:
            async with runs.recorded(engine, bucket, run):
                run.total = await _total(engine, bucket, prefix, data=data)
                unit = size if data else "{:,}".format
                with storage.progress(bucket, run.total, unit, run.advance) as report.progress:
                    options = Options(prefix, data)
                    found = await verify_bucket(
                        engine, bucket, options, report, pace=pace, watch=report.progress.advance
                    )
                run.result = _closing(found, report.damaged - before[0], report.unknown - before[1])
        except BucketNotFound:
            continue  # deleted since it was listed
        looked.objects += found.objects
        looked.parts += found.parts
        looked.records += found.records
    if as_json:
        summary = {**msgspec.to_builtins(looked), "damaged": report.damaged, "unknown": report.unknown}
        click.echo(msgspec.json.encode({"summary": summary}).decode())
    else:
        click.echo(f"{_closing(looked, report.damaged, report.unknown)}.")
    return FAILED if report.unknown else 1 if report.damaged else 0


async def _total(engine: Engine, bucket: str, prefix: str, *, data: bool) -> int:
    """What there will be to look at: objects, or the bytes of blobs."""
    if not data:
        return await inventory.count(engine.backend, bucket, keys.manifest(prefix))
    total = 0
    async for item in inventory.listed(engine.backend, bucket, keys.SPACES + prefix):
        total += item.size
    return total


def _closing(looked: Summary, damaged: int, unknown: int) -> str:
    parts = f" and {looked.parts:,} parts of uploads" if looked.parts else ""
    verdict = f"{damaged} damaged" if damaged else "all sound"
    if unknown:
        verdict = f"{damaged} damaged, {unknown} could not be looked at"
    return f"{looked.objects:,} objects{parts}: {verdict}"
