# SPDX-License-Identifier: GPL-2.0-only
"""Objects that DeltaGlider stored as deltas, made of delta and reference again.

A reference is fetched once for all its deltas, its SHA-256 checked, into a cache directory that is gone after
the import. Deltas are decoded window by window, so an object's size is no matter; what they are decoded to is
proven by the object's own SHA-256, which is the caller's to check.
"""

import asyncio
import mmap
import os
import tempfile
import traceback
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import AsyncExitStack, aclosing, asynccontextmanager, closing, contextmanager
from pathlib import Path
from typing import BinaryIO
from weakref import WeakValueDictionary

from dgproxy.codec import files
from dgproxy.codec.delta import CodecError
from dgproxy.codec.windows import FileHeader, Input
from dgproxy.codec.workers import Workers
from dgproxy.migration import external
from dgproxy.migration.items import Item
from dgproxy.migration.places import CHUNK, Opened, Place, Unreadable, space_of
from dgproxy.storage.backend import Buffer, Damaged
from dgproxy.storage.cache import Append, FileCache, Fill

__all__ = ["Rebuilder"]


class Rebuilder:
    """Rebuilds objects of one place. `cache` is in `directory`, which has room for temporary files, too."""

    def __init__(self, place: Place, cache: FileCache, directory: Path, workers: Workers) -> None:
        self._place = place
        self._cache = cache
        self._directory = directory
        self._workers = workers
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    @asynccontextmanager
    async def rebuilt(self, item: Item, delta: Opened) -> AsyncIterator[tuple[AsyncIterator[Buffer], str]]:
        """The bytes of an object, to be iterated once, and the program that packs them, '' for none.

        Raises Unreadable, also while iterating.
        """
        async with AsyncExitStack() as stack:
            view = await self._mapped(delta)
            reference = await stack.enter_async_context(self._reference(item))
            try:
                unpack, pack = external.programs(FileHeader.read(Input([view])).application)
            except CodecError as error:
                raise Unreadable(f"it is no delta: {error}") from error
            if unpack:
                with _room():
                    file = await self._workers.run(external.unpacked, unpack, reference, self._directory)
                    reference = _mapping(file)
            windows = await stack.enter_async_context(aclosing(self._decoded(reference, view)))
            if pack:
                windows = await stack.enter_async_context(aclosing(self._packed(pack, windows)))
            yield windows, pack

    async def _decoded(self, reference: memoryview, delta: memoryview) -> AsyncGenerator[Buffer, None]:
        with closing(files.decode(reference, delta)) as decoding:
            try:
                while (piece := await self._workers.run(_following, decoding)) is not None:
                    yield piece
            except CodecError as error:
                traceback.clear_frames(error.__traceback__)  # they keep views of the reference
                raise Unreadable(f"its delta can't be decoded: {error}") from error

    async def _packed(self, program: str, windows: AsyncIterator[Buffer]) -> AsyncGenerator[Buffer, None]:
        with _room(), tempfile.TemporaryFile(dir=self._directory) as plain:
            async for window in windows:
                await asyncio.to_thread(plain.write, window)
            packed = await self._workers.run(external.packed, program, plain, self._directory)
        with packed:
            packed.seek(0)
            while chunk := await asyncio.to_thread(packed.read, CHUNK):
                yield chunk

    @asynccontextmanager
    async def _reference(self, item: Item) -> AsyncIterator[memoryview]:
        """The checked bytes that an object's delta is against."""
        if item.said is None:
            raise RuntimeError("a delta is known by what is said of it")
        sha256 = item.said.reference_sha256
        wrong = ""
        for key in _places(item.stored.key, item.said.reference):
            head = await self._place.head(key)
            if head is None:
                continue
            fill = self._fill(key, head.etag)
            try:
                # One at a time: who joins another's fetch shares its failure, of what may be another file.
                async with self._turns.setdefault(sha256, asyncio.Lock()):
                    file = await self._cache.map(key, head.size, sha256, fill)
            except Damaged as error:
                wrong = f"its reference {key} is not the one it was made against: {error}"
            else:
                try:
                    yield file.view
                finally:
                    file.close()
                return
        raise Unreadable(wrong or f"its reference {item.said.reference or 'reference.bin'} is missing")

    def _fill(self, key: str, etag: str) -> Fill:
        async def fill(append: Append) -> None:
            async with self._place.open(key, etag) as opened:
                async for chunk in opened:
                    await append(chunk)

        return fill

    async def _mapped(self, delta: Opened) -> memoryview:
        with _room(), tempfile.TemporaryFile(dir=self._directory) as file:
            async for chunk in delta:
                await asyncio.to_thread(file.write, chunk)
            file.flush()
            return _mapping(file)


def _following(decoding: Iterator[memoryview]) -> bytes | None:
    """The next bytes, as a copy: who takes them may keep them for longer than the reference is mapped."""
    piece = next(decoding, None)
    return None if piece is None else bytes(piece)


@contextmanager
def _room() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise Unreadable(f"no temporary file can be written for it: {error}") from error


def _mapping(file: BinaryIO) -> memoryview:
    """All of a temporary file, which is closed; the mapping goes with its last view."""
    with file:
        size = file.seek(0, os.SEEK_END)
        return memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) if size else b"")


def _places(delta: str, reference: str) -> list[str]:
    """Where a delta's reference may be: beside it, or where the bucket's key says that has been written."""
    beside = space_of(delta) + (reference.rpartition("/")[2] or "reference.bin")
    return list(dict.fromkeys([beside, *([reference] if "/" in reference else [])]))
