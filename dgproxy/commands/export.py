# SPDX-License-Identifier: GPL-2.0-only
"""`deltaglider_proxy export`: write objects elsewhere, as plain files or objects.

The exit code is 0 when all of it is there (or could be, in a dry run), 1 when something was left out, 2 when
it could not be done. How it is done is the business of `migration.exporting`.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import click

from dgproxy.commands import remote, storage
from dgproxy.commands.moving import Report
from dgproxy.commands.storage import Progress, Said
from dgproxy.engine import inventory, keys
from dgproxy.engine.context import Engine
from dgproxy.migration import sources
from dgproxy.migration.exporting import Options, export_objects
from dgproxy.migration.files import Files
from dgproxy.migration.places import SourceError
from dgproxy.migration.targets import Target, TargetError
from dgproxy.migration.uploads import Uploads
from dgproxy.storage.s3.client import Store

__all__ = ["export"]


@click.command()
@click.argument("place", metavar="BUCKET[/PREFIX]")
@click.argument("target", metavar="DIR|s3://BUCKET[/PREFIX]")
@click.option("--run", "really", is_flag=True, help="Do it; without it, only say what would be done.")
@click.option("--overwrite", is_flag=True, help="Replace what is there and differs.")
@click.option("--checksum", is_flag=True, help="Compare bytes where only the date says it is the same.")
@remote.options
@remote.at_once
@storage.as_json
@click.pass_obj
def export(
    said: Said,
    place: str,
    target: str,
    store: Store,
    at_once: int,
    *,
    really: bool,
    overwrite: bool,
    checksum: bool,
    as_json: bool,
) -> None:
    """Write objects as plain files below a directory, or as objects of another S3 server.

    Without --run it is a dry run. What is there already is left alone, so it can be stopped and started
    again; a server may run meanwhile. Keys stay whole, behind the PREFIX of the target. A directory holds
    bytes and dates, an S3 server headers, metadata and tags as well.

    Exit code: 0 all of it, 1 something was left out, 2 could not do it.
    """
    bucket, prefix = sources.split(place)
    options = Options(prefix, really, overwrite, checksum, at_once)
    report = Report(as_json)
    storage.run(said, lambda engine: _export(engine, bucket, (target, store), options, report))


async def _export(
    engine: Engine, bucket: str, target: tuple[str, Store], options: Options, report: Report
) -> int:
    await engine.backend.head_bucket(bucket)
    total = None
    if Progress.wanted():
        total = await inventory.count(engine.backend, bucket, keys.manifest(options.prefix))
    try:
        async with _opened(*target) as opened:
            with storage.progress(bucket, total) as report.progress:
                await export_objects(engine, bucket, opened, options, report, report.progress.advance)
    except (SourceError, TargetError) as error:
        storage.fail(str(error))
    return report.close(really=options.really)


@asynccontextmanager
async def _opened(target: str, store: Store) -> AsyncIterator[Target]:
    """The target. Raises SourceError, TargetError."""
    if not target.startswith(sources.S3):
        yield Files(Path(target))
        return
    bucket, prefix = sources.split(target)
    if not bucket:
        raise TargetError("s3:// needs a bucket: s3://bucket/prefix")
    async with remote.connected(store) as client:
        uploads = Uploads(client, bucket, prefix)
        await uploads.require()
        yield uploads
