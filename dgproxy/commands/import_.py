# SPDX-License-Identifier: GPL-2.0-only
"""`deltaglider_proxy import`: bring in the objects of another store, or of DeltaGlider's.

The exit code is 0 when all of it is here (or could be, in a dry run), 1 when something was left out, 2 when
it could not be done. How it is done is the business of `migration.importing`; docs/MIGRATION.md is for users.
"""

import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import click

from dgproxy.commands import remote, storage
from dgproxy.commands.moving import Report
from dgproxy.commands.storage import Progress, Said, size
from dgproxy.engine.buckets import ensure_bucket
from dgproxy.engine.context import Engine
from dgproxy.migration import sources
from dgproxy.migration.importing import Options, import_objects
from dgproxy.migration.places import Place, SourceError
from dgproxy.migration.reading import Opening
from dgproxy.migration.rebuild import Rebuilder
from dgproxy.s3.errors import S3Error
from dgproxy.s3.names import check_bucket
from dgproxy.storage.cache import FileCache
from dgproxy.storage.s3.client import Store

__all__ = ["import_"]

#: Bytes of references kept at once in the temporary directory, those in use excepted.
_CACHE: Final = 4 << 30


@click.command("import")
@click.argument("source", metavar="DIR|s3://[BUCKET[/PREFIX]]")
@click.argument("target", metavar="[BUCKET[/PREFIX]]", default="")
@click.option("--run", "really", is_flag=True, help="Do it; without it, only say what would be done.")
@click.option("--overwrite", is_flag=True, help="Replace objects that are here and differ.")
@click.option(
    "--checksum", is_flag=True, help="Compare bytes where only the date says it is the same object."
)
@click.option("--plain", is_flag=True, help="Every file is an object as it is, DeltaGlider's too.")
@click.option(
    "--etags/--no-etags", default=True, help="Whether ETags of the source are MD5 where they look like it."
)
@remote.options
@remote.at_once
@storage.as_json
@click.pass_obj
def import_(
    said: Said,
    source: str,
    target: str,
    store: Store,
    at_once: int,
    *,
    really: bool,
    overwrite: bool,
    checksum: bool,
    plain: bool,
    etags: bool,
    as_json: bool,
) -> None:
    """Bring in the objects of a directory or an S3 server, or what DeltaGlider has stored there.

    Without --run it is a dry run. Objects that are here already are left alone, so it can be stopped and
    started again; a server may run meanwhile. Everything is checked against what is known of it: SHA-256,
    ETag, length. docs/MIGRATION.md has the whole story.

    The buckets keep their names unless BUCKET is given; PREFIX is put before every key.

    Exit code: 0 all of it, 1 something was left out, 2 could not do it.
    """
    bucket, prefix = sources.split(target)
    wish = _Wish(source, bucket, store, plain=plain, etags=etags)
    options = Options(prefix, really, overwrite, checksum, at_once)
    storage.run(said, lambda engine: _import(engine, wish, options, Report(as_json)))


@dataclass(frozen=True, slots=True)
class _Wish:
    """What to import, and as which bucket."""

    source: str
    bucket: str
    store: Store
    plain: bool = field(kw_only=True)
    etags: bool = field(kw_only=True)


async def _import(engine: Engine, wish: _Wish, options: Options, report: Report) -> int:
    try:
        async with _places(wish) as found:
            for name, place in found:
                await _import_bucket(engine, name, place, wish, options, report)
    except SourceError as error:
        storage.fail(str(error))
    return report.close(really=options.really)


async def _import_bucket(
    engine: Engine, name: str, place: Place, wish: _Wish, options: Options, report: Report
) -> None:
    if options.really:
        await ensure_bucket(engine, name)
    total = await _size(place) if Progress.wanted() else None
    with (
        tempfile.TemporaryDirectory(prefix="deltaglider_proxy-") as directory,
        storage.progress(name, total, size) as report.progress,
    ):
        top = Path(directory)
        async with FileCache.open(top / "references", _CACHE) as cache:
            opening = Opening(place, Rebuilder(place, cache, top, engine.workers), plain=wish.plain)
            await import_objects(engine, name, opening, options, report, report.progress.advance)


@asynccontextmanager
async def _places(wish: _Wish) -> AsyncIterator[list[tuple[str, Place]]]:
    """The places to import, each with the bucket it becomes. Raises SourceError."""
    if wish.source.startswith(sources.S3):
        async with remote.connected(wish.store) as client:
            yield _named(await sources.in_bucket(client, wish.source, etags=wish.etags), wish)
    elif wish.plain:
        yield _named([("", sources.plain_directory(Path(wish.source)))], wish)
    else:
        yield _named(await sources.in_directory(Path(wish.source)), wish)


def _named(found: list[tuple[str, Place]], wish: _Wish) -> list[tuple[str, Place]]:
    if wish.bucket and len(found) > 1:
        names = ", ".join(name for name, _ in found)
        raise SourceError(
            f"{wish.source} has several buckets ({names}): name one, or leave {wish.bucket} out"
        )
    named = [(wish.bucket or name, place) for name, place in found]
    for name, place in named:
        if not name:
            raise SourceError(f"{place.name} is a directory of files: say which bucket they become")
        try:
            check_bucket(name)
        except S3Error as error:
            raise SourceError(f"{name!r} can't be the name of a bucket here: give BUCKET another") from error
    return named


async def _size(place: Place) -> int:
    """Bytes that a place has, all in all."""
    total = 0
    async for _, files in place.directories():
        total += sum(each.size for each in files)
    return total
