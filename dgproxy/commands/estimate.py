# SPDX-License-Identifier: GPL-2.0-only
"""`deltaglider_proxy estimate`: what the server would make of files or objects that are elsewhere.

The exit code is 0 for an answer, 1 for one that leaves out what could not be read, 2 when there is none. How
the figure comes about is the business of `engine.estimate`, where the bytes come from that of `sources`.
"""

import click
import msgspec

from dgproxy.commands import storage
from dgproxy.commands.sources import Order, Source, SourceError, Unreadable, source_of
from dgproxy.commands.storage import Progress, Said, size
from dgproxy.engine.context import Engine
from dgproxy.engine.errors import ObjectTooLarge
from dgproxy.engine.estimate import Failure, Savings
from dgproxy.engine.estimate import estimate as estimate_space

__all__ = ["estimate"]

_BUCKET = "estimate"


@click.command()
@click.argument("place", metavar="DIR|s3://BUCKET[/PREFIX]")
@click.option(
    "--order",
    type=click.Choice(["name", "time"]),
    default="name",
    show_default=True,
    help="How the objects of a directory come in: by name, or the oldest first.",
)
@storage.as_json
@click.pass_obj
def estimate(said: Said, place: str, order: Order, as_json: bool) -> None:
    """Say what the server would save on existing files or objects, without storing anything.

    Everything is read and goes through what an upload goes through, with the configured settings. It takes
    as long as uploading, and temporary space ($TMPDIR) for the references of one directory. s3:// is read
    with boto3: AWS_ENDPOINT_URL, profiles and credentials as usual.

    Exit code: 0 an answer, 1 one that leaves something out, 2 no answer.
    """
    try:
        source = source_of(place, order)
    except SourceError as error:
        storage.fail(str(error))
    storage.run_on_temporary_storage(said, lambda engine: _estimate(engine, source, as_json=as_json))


async def _estimate(engine: Engine, source: Source, *, as_json: bool) -> int:
    await engine.backend.create_bucket(_BUCKET)
    total, left_out = Savings("all"), 0
    try:
        expected = await _size(source) if Progress.wanted() else None
        if not as_json:
            click.echo(f"{'objects':>9}{'deltas':>9}{'size':>12}{'stored':>12}{'saved':>8}  deltaspace")
        with storage.progress("estimate", expected, size) as progress:

            def failed(failure: Failure) -> None:
                nonlocal left_out
                left_out += 1
                progress.clear()
                click.echo(f"deltaglider_proxy: left out: {failure.key!r}: {failure.why}", err=True)

            async for space, items in source.spaces():
                found = await estimate_space(
                    engine,
                    _BUCKET,
                    space,
                    items,
                    refused=(Unreadable, ObjectTooLarge),
                    failed=failed,
                    watch=progress.advance,
                )
                total.add(found)
                progress.say(_line(found, as_json=as_json))
    except SourceError as error:
        storage.fail(str(error))
    if as_json:
        click.echo(msgspec.json.encode({"summary": {**_facts(total), "left_out": left_out}}).decode())
    else:
        click.echo(_line(total, as_json=False))
    return 1 if left_out else 0


async def _size(source: Source) -> int:
    """Bytes of all there is to read."""
    total = 0
    async for _, items in source.spaces():
        total += sum(item.size for item in items)
    return total


def _facts(savings: Savings) -> dict[str, object]:
    facts = msgspec.to_builtins(savings)
    return {**facts, "savings": round(savings.share, 4)}


def _line(savings: Savings, *, as_json: bool) -> str:
    if as_json:
        return msgspec.json.encode(_facts(savings)).decode()
    return (
        f"{savings.objects:>9,}{savings.deltas:>9,}{size(savings.logical):>12}{size(savings.stored):>12}"
        f"{savings.share:>8.1%}  {savings.deltaspace or '/'}"
    )
