# SPDX-License-Identifier: GPL-2.0-only
"""`deltaglider_proxy stats`: what the storage holds, what that takes, and so what is saved.

It reads the records that servers keep (`engine.statistics`), a few seconds old at most, or counts anew. The
exit code is 0; 2 when it could not find out.
"""

from collections.abc import Sequence

import click
import msgspec

from dgproxy.commands import storage
from dgproxy.commands.storage import Said, size
from dgproxy.engine import statistics
from dgproxy.engine.context import Engine
from dgproxy.engine.pace import Pace
from dgproxy.engine.statistics import Statistics

__all__ = ["stats"]


@click.command()
@storage.PLACE
@click.option("--recount", is_flag=True, help="Read every manifest and list every blob, and correct it all.")
@storage.pace
@storage.as_json
@click.pass_obj
def stats(said: Said, place: str, recount: bool, pace: Pace, as_json: bool) -> None:
    """Show objects, bytes and savings of each deltaspace.

    Stored bytes are those of blobs, references among them, and of manifests; what is saved is net of both.
    A server may run meanwhile.

    Exit code: 0, or 2 could not find out.
    """
    storage.run(said, lambda engine: _stats(engine, place, pace, recount=recount, as_json=as_json))


async def _stats(engine: Engine, place: str, pace: Pace, *, recount: bool, as_json: bool) -> int:
    found: list[Statistics] = []
    buckets = await storage.places(engine, place)
    for bucket, prefix in buckets:
        if recount or not await statistics.is_counted(engine, bucket):
            await _recount(engine, bucket, prefix if recount else "", pace)
        found += await statistics.read(engine, bucket, prefix)
    for line in _documents(found) if as_json else _table(found):
        click.echo(line)
    return 0


async def _recount(engine: Engine, bucket: str, prefix: str, pace: Pace) -> None:
    with storage.progress(f"counting {bucket}") as progress:
        async for space in statistics.spaces(engine, bucket, prefix):
            await statistics.recount(engine, bucket, space, pace)
            progress.advance(1)
        for known in await statistics.read(engine, bucket, prefix):
            if known.doubtful:
                await statistics.recount(engine, bucket, known.space, pace)


# -- for programs ------------------------------------------------------------------------------------------


def _documents(found: Sequence[Statistics]) -> list[str]:
    """One JSON object a line: every deltaspace, then all together; bytes and shares as they are."""
    lines = [{"bucket": each.bucket, "deltaspace": each.space} | each.exactly() for each in found]
    whole = {"summary": {"deltaspaces": len(found)} | statistics.total("", found).exactly()}
    return [msgspec.json.encode(line).decode() for line in [*lines, whole]]


# -- for people --------------------------------------------------------------------------------------------

_HEAD = ("deltaspace", "objects", "logical", "stored", "saved", "recent deltas")


def _table(found: Sequence[Statistics]) -> list[str]:
    """A line for each deltaspace, one for each bucket that has several, one for all."""
    if not found:
        return ["Nothing is stored."]
    rows: list[tuple[str, ...]] = [_HEAD]
    buckets = dict.fromkeys(each.bucket for each in found)
    for bucket in buckets:
        here = [each for each in found if each.bucket == bucket]
        rows += [_row(f"{each.bucket}/{each.space}", each) for each in here]
        if len(here) > 1:
            rows.append(_row(f"{bucket}, all of it", statistics.total(bucket, here)))
    if len(buckets) > 1:
        rows.append(_row("everything", statistics.total("", found)))
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEAD))]
    lines = [
        "  ".join([row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])]).rstrip() for row in rows
    ]
    if any(each.doubtful for each in found):
        lines += ["", "* not known for sure at the moment; a running server counts it again, or --recount"]
    return lines


def _row(name: str, each: Statistics) -> tuple[str, ...]:
    numbers = each.numbers
    return (
        name + ("*" if each.doubtful else ""),
        f"{numbers.objects:,}",
        size(numbers.logical),
        size(numbers.stored),
        _percent(each.savings),
        _percent(each.delta_ratio),
    )


def _percent(share: float | None) -> str:
    """A share for people: never 100 % of what is not all of it."""
    if share is None:
        return "-"
    percent = share * 100
    return f"{min(percent, 99.9) if share < 1 else percent:.1f} %"
