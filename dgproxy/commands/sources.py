# SPDX-License-Identifier: GPL-2.0-only
"""Where `estimate` reads objects from: a directory, or a bucket of any S3 server.

A source gives its objects one deltaspace after the other, in an order that depends on the source alone. An
object that can't be read raises Unreadable; a source that can't be listed, SourceError.
"""

import asyncio
import importlib
import os
import stat
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final, Literal, Protocol

from dgproxy.engine.body import Digests
from dgproxy.engine.estimate import Item
from dgproxy.storage.backend import Buffer

__all__ = ["Order", "Source", "SourceError", "Unreadable", "source_of"]

Order = Literal["name", "time"]

_CHUNK: Final = 1 << 20
_LONGEST_KEY: Final = 1024


class Unreadable(Exception):
    """One object can't be read, or can't be one; why."""


class SourceError(Exception):
    """The source as a whole can't be read; why."""


class Opened(Protocol):
    """Bytes to read, and to be done with."""

    def read(self, size: int, /) -> bytes:
        """Up to `size` bytes, b"" at the end."""

    def close(self) -> None:
        """Be done."""


class _Body:
    """A body that is read in threads."""

    memory_is_leased = False

    def __init__(self, open_it: Callable[[], Opened], size: int) -> None:
        self._open = open_it
        self.size = size

    async def __aiter__(self) -> AsyncIterator[Buffer]:
        opened = await asyncio.to_thread(self._open)
        left = self.size
        try:
            while left and (chunk := await asyncio.to_thread(_read, opened, min(left, _CHUNK))):
                left -= len(chunk)
                yield chunk
        finally:
            opened.close()

    def verify(self, digests: Digests) -> dict[str, str]:
        """Nobody promised anything."""
        return {}


def _read(opened: Opened, size: int) -> bytes:
    try:
        return opened.read(size)
    except Exception as error:
        raise Unreadable(str(error)) from error


@dataclass(frozen=True, slots=True)
class _Found:
    """An object as a listing shows it."""

    key: str
    size: int
    time: float
    open: Callable[[], Opened]

    def item(self) -> Item:
        """The object to be."""
        return Item(self.key, self.size, self._body)

    def _body(self) -> _Body:
        try:
            if len(self.key.encode()) > _LONGEST_KEY:
                raise Unreadable(f"its path is longer than an S3 key may be ({_LONGEST_KEY} bytes)")
        except UnicodeEncodeError as error:
            raise Unreadable("its path is not UTF-8, as an S3 key must be") from error
        return _Body(self.open, self.size)


def _ordered(found: list[_Found], order: Order) -> list[_Found]:
    return sorted(found, key=lambda each: (each.time if order == "time" else 0.0, each.key))


class Source(Protocol):
    """Objects by deltaspace."""

    def spaces(self) -> AsyncIterator[tuple[str, list[Item]]]:
        """Every deltaspace with its objects. Raises SourceError."""


def source_of(place: str, order: Order) -> Source:
    """The source that `DIR` or `s3://bucket/prefix` means. Raises SourceError when it can't be used."""
    if place.startswith("s3://"):
        bucket, _, prefix = place.removeprefix("s3://").partition("/")
        return _Bucket(bucket, prefix, order)
    return _Directory(Path(place), order)


# -- a directory -------------------------------------------------------------------------------------------


class _Directory:
    """Every regular file below a directory, under its path. Links are not followed."""

    def __init__(self, top: Path, order: Order) -> None:
        if not top.is_dir():
            raise SourceError(f"{top} is not a directory")
        self._top = top
        self._order = order

    async def spaces(self) -> AsyncIterator[tuple[str, list[Item]]]:
        """See `Source`."""
        pending = [""]
        while pending:
            space = pending.pop()
            files, below = await asyncio.to_thread(self._look, space)
            pending += reversed(below)
            if files:
                yield space, [each.item() for each in _ordered(files, self._order)]

    def _look(self, space: str) -> tuple[list[_Found], list[str]]:
        files, below = [], []
        try:
            with os.scandir(self._top / space) as entries:
                for entry in entries:
                    status = entry.stat(follow_symlinks=False)
                    key = f"{space}{entry.name}"
                    if stat.S_ISDIR(status.st_mode):
                        below.append(f"{key}/")
                    elif stat.S_ISREG(status.st_mode):
                        opening = partial(_open, Path(entry.path))
                        files.append(_Found(key, status.st_size, status.st_mtime, opening))
        except OSError as error:
            raise SourceError(f"{error.filename}: {error.strerror}") from error
        return files, sorted(below)


def _open(path: Path) -> Opened:
    try:
        return path.open("rb")
    except OSError as error:
        raise Unreadable(f"{path}: {error.strerror}") from error


# -- a bucket ----------------------------------------------------------------------------------------------


class _Bucket:
    """Every object of a bucket under a prefix; boto3 finds server and credentials as every AWS tool does."""

    def __init__(self, bucket: str, prefix: str, order: Order) -> None:
        if not bucket:
            raise SourceError("s3:// needs a bucket: s3://bucket/prefix")
        try:
            boto3 = importlib.import_module("boto3")
        except ModuleNotFoundError as error:
            raise SourceError("reading s3:// needs the package boto3: pip install boto3") from error
        try:
            self._client: Any = boto3.client("s3")
        except Exception as error:  # botocore has no one class for wrong settings and profiles
            raise SourceError(f"boto3 can't be used: {error}") from error
        self._bucket = bucket
        self._prefix = prefix
        self._order = order

    async def spaces(self) -> AsyncIterator[tuple[str, list[Item]]]:
        """See `Source`."""
        pending = [self._prefix]
        while pending:
            prefix = pending.pop()
            found, below = await asyncio.to_thread(self._look, prefix)
            pending += reversed(below)
            if found:
                space = prefix[: prefix.rfind("/") + 1]
                yield space, [each.item() for each in _ordered(found, self._order)]

    def _look(self, prefix: str) -> tuple[list[_Found], list[str]]:
        found, below = [], []
        pages = self._client.get_paginator("list_objects_v2")
        try:
            for page in pages.paginate(Bucket=self._bucket, Prefix=prefix, Delimiter="/"):
                below += [each["Prefix"] for each in page.get("CommonPrefixes", ())]
                for each in page.get("Contents", ()):
                    opening = partial(self._get, each["Key"])
                    found.append(_Found(each["Key"], each["Size"], each["LastModified"].timestamp(), opening))
        except Exception as error:
            raise SourceError(f"s3://{self._bucket}/{prefix}: {error}") from error
        return found, below

    def _get(self, key: str) -> Opened:
        try:
            body: Opened = self._client.get_object(Bucket=self._bucket, Key=key)["Body"]
        except Exception as error:
            raise Unreadable(str(error)) from error
        return body
