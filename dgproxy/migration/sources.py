# SPDX-License-Identifier: GPL-2.0-only
"""What the SOURCE of an import means: places, each with the name of the bucket it was.

A directory is DeltaGlider's when it has a directory `deltaspaces`, or directories that do: then its buckets
are those. Every other one is files. A data directory of this program is neither, and refused.
"""

import asyncio
from pathlib import Path
from typing import Final

from dgproxy.migration.bucket import Bucket, buckets
from dgproxy.migration.directory import Directory
from dgproxy.migration.places import Place, SourceError
from dgproxy.storage.s3.client import Client

__all__ = ["S3", "in_bucket", "in_directory", "plain_directory", "split"]

S3: Final = "s3://"
_SPACES: Final = "deltaspaces"
#: Beside `deltaspaces` in a bucket of this program's data directory.
_OBJECTS: Final = "objects"


def split(place: str) -> tuple[str, str]:
    """Bucket and prefix of `s3://bucket/prefix`, or of `bucket/prefix`."""
    bucket, _, prefix = place.removeprefix(S3).partition("/")
    return bucket, prefix


async def in_bucket(client: Client, place: str, *, etags: bool) -> list[tuple[str, Place]]:
    """The bucket of `s3://bucket/prefix`, or every bucket of `s3://`. Raises SourceError."""
    bucket, prefix = split(place)
    if not bucket:
        return [(name, Bucket(client, name, etags=etags)) for name in await buckets(client)]
    return [(bucket, Bucket(client, bucket, prefix, etags=etags))]


def plain_directory(top: Path) -> Place:
    """A directory of files, whatever is in it. Raises SourceError."""
    if not top.is_dir():
        raise SourceError(f"{top} is not a directory")
    return Directory(top)


async def in_directory(top: Path) -> list[tuple[str, Place]]:
    """What a directory holds; the name is '' for one of plain files. Raises SourceError."""
    return await asyncio.to_thread(_in_directory, top)


def _in_directory(top: Path) -> list[tuple[str, Place]]:
    try:
        if not top.is_dir():
            raise SourceError(f"{top} is not a directory")
        below = [top, *sorted(each for each in top.iterdir() if each.is_dir())]
        theirs = [each for each in below if (each / _SPACES).is_dir()]
        if any((each / _OBJECTS).is_dir() for each in theirs):
            raise SourceError(
                f"{top} is a data directory of this program: import from the server that has it"
            )
    except OSError as error:
        raise SourceError(f"{error.filename}: {error.strerror}") from error
    if theirs[:1] == [top]:
        return [(top.resolve().name, Directory(top / _SPACES))]
    if theirs:
        return [(each.name, Directory(each / _SPACES)) for each in theirs]
    return [("", Directory(top))]
