# SPDX-License-Identifier: GPL-2.0-only
"""The bytes of an object that is open, window by window.

No byte of a window leaves before all of it matched its SHA-256. While one window is sent the next is decoded,
and what the one after that is made of is read. A reference that is not on this host is not waited for:
`engine.source` has what of it is needed next. Which windows there are, and what is open for them, is for
`engine.get`.
"""

import asyncio
import hashlib
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass

from dgproxy import timing
from dgproxy.codec.delta import CodecError
from dgproxy.engine import measures
from dgproxy.engine.ahead import Ahead
from dgproxy.engine.codecs import RAW, Coding
from dgproxy.engine.context import Engine
from dgproxy.engine.errors import ObjectDamaged
from dgproxy.engine.manifest import WINDOW, Manifest, Reference, Window
from dgproxy.engine.source import Source
from dgproxy.storage.backend import BlobReader, Buffer, Damaged, RecordNotFound


@dataclass(frozen=True, slots=True)
class Cut:
    """One window and the part of it that is wanted."""

    window: Window
    start: int
    stop: int


@dataclass(frozen=True, slots=True)
class Piece:
    """A cut with what it takes to read it."""

    cut: Cut
    blob: BlobReader
    coding: Coding
    reference: Reference | None
    source: Source | None


class Reading:
    """Bytes `start` to `stop` of an open object: its manifest, and the bytes by iterating once."""

    def __init__(
        self,
        engine: Engine,
        bucket: str,
        manifest: Manifest,
        start: int,
        stop: int,
        pieces: list[Piece],
        stored: Ahead[Buffer],
        decoded: Ahead[memoryview],
    ) -> None:
        self.manifest = manifest
        self.start = start
        self.stop = stop
        self._engine = engine
        self._bucket = bucket
        self._pieces = pieces
        self._stored = stored
        self._decoded = decoded
        self._begun = False

    async def __aiter__(self) -> AsyncIterator[Buffer]:
        """The wanted bytes, window by window. Raises ObjectDamaged before any byte of a bad window."""
        if self.manifest.inline is not None:
            yield memoryview(self.manifest.inline)[self.start : self.stop]
            return
        if self._pieces and not self._begun:
            self._start()
        for number in range(len(self._pieces)):
            data = await self._decoded.result()
            if number + 1 < len(self._pieces):
                self._decoded.start(self._decode(number + 1))
                await asyncio.sleep(0)  # let it: who sends `data` may not wait for anything
            yield data

    async def begin(self) -> None:
        """Have the first window ready, so that nothing it needs can be gone. Raises what iterating does."""
        if self._pieces:
            self._begun = True
            self._start()
            error = await self._decoded.ended()
            if error is not None:
                raise error

    @property
    def _what(self) -> str:
        return f"{self.manifest.key} (generation {self.manifest.generation})"

    def _start(self) -> None:
        self._stored.start(self._read(self._pieces[0]))
        self._decoded.start(self._decode(0))

    async def _read(self, piece: Piece) -> Buffer:
        with timing.stage("read"):
            return await piece.blob.read(piece.cut.window.offset, piece.cut.window.stored)

    async def _decode(self, number: int) -> memoryview:
        piece = self._pieces[number]
        following = self._pieces[number + 1] if number + 1 < len(self._pieces) else None
        try:
            stored = await self._stored.result()
            early = following is not None and _fit_together(piece, stored, following)
            if following is not None and early:
                self._stored.start(self._read(following))
            try:
                data, seconds = await self._rebuild(stored, piece)
            except (CodecError, _Mismatch):
                data, seconds = await self._decode_afresh(stored, piece)
            if following is not None and not early:
                self._stored.start(self._read(following))
        except RecordNotFound as error:
            raise ObjectDamaged(
                f"{self._what}: stored bytes that it needs are gone; unless it was deleted or replaced while "
                "it was read, restore the object or its reference from a backup"
            ) from error
        except (CodecError, Damaged, _Mismatch) as error:
            raise ObjectDamaged(
                f"{self._what}: its stored bytes are damaged; "
                "restore the object or its reference from a backup"
            ) from error
        timing.spent("decode", seconds)
        measures.decode_seconds.add(seconds)
        measures.decode_stored_bytes.add(len(stored))
        measures.decode_logical_bytes.add(len(data))
        return memoryview(data)[piece.cut.start : piece.cut.stop]

    async def _rebuild(self, stored: Buffer, piece: Piece) -> tuple[Buffer, float]:
        """A window, with as much of its reference as there must be for that."""
        workers, source = self._engine.workers, piece.source
        if source is None or source.view is not None:
            return await workers.timed(_checked, stored, piece, None if source is None else source.view)
        begin, end = await workers.run(piece.coding.segment, stored)
        async with AsyncExitStack() as stack:
            with timing.stage("read"):
                stretch = await stack.enter_async_context(source.stretch(begin, end))
            try:
                return await workers.timed(_checked, stored, piece, stretch.view, stretch.begins)
            except (CodecError, _Mismatch):
                if stretch.checked:
                    raise
        return await workers.timed(_checked, stored, piece, await source.checked())

    async def _decode_afresh(self, stored: Buffer, piece: Piece) -> tuple[Buffer, float]:
        """Once more with the reference as it is in storage: what went bad may be a copy of it."""
        references = self._engine.references
        used = None if piece.source is None else piece.source.view
        if piece.reference is None or not await references.forget(self._bucket, piece.reference, used):
            raise _Mismatch("no copies are involved")
        async with references.mapped(self._bucket, piece.reference) as source:
            return await self._engine.workers.timed(_checked, stored, piece, source)


def _fit_together(piece: Piece, stored: Buffer, following: Piece) -> bool:
    """Whether there is memory to read the next window before this one is decoded.

    The lease (`policy.memory_for`) is of three: one that is sent, one that is decoded, and this for what they
    are made of. Raw bytes are the window that they make.
    """
    return piece.coding is RAW or len(stored) + following.cut.window.stored <= WINDOW


class _Mismatch(Exception):
    """A window's bytes are not those that were stored."""


def _checked(stored: Buffer, piece: Piece, source: memoryview | None, begins: int = 0) -> Buffer:
    window = piece.cut.window
    data = piece.coding.decode(stored, window.length, source, begins)
    if len(data) != window.length or hashlib.sha256(data).digest() != window.sha256:
        raise _Mismatch("a window does not match its SHA-256")
    return data
