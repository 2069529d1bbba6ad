# SPDX-License-Identifier: GPL-2.0-only
"""The blob a body is written to: the writing half of `engine.intake`.

Windows are added in order, each encoded by the codec in force. What is staged can be turned into another one
on the way: a delta that can't meet the configured ratio into what it stands for, and back when a reference
proves right after all. `finish` publishes. Leaving the block removes everything that was not
kept: the staged, and the published that no record points to. Which reference is used and who may become one
is decided in `engine.intake`; no records are read here.
"""

import hashlib
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from dgproxy import timing
from dgproxy.codec import frames
from dgproxy.codec.delta import CodecError, SourceIndex
from dgproxy.engine import keys, measures, retiring
from dgproxy.engine.codecs import RAW, Coding
from dgproxy.engine.commit import discard_blobs
from dgproxy.engine.context import Engine
from dgproxy.engine.errors import ObjectDamaged
from dgproxy.engine.leases import clock
from dgproxy.engine.manifest import Extent, Reference, Window
from dgproxy.storage.backend import BlobWriter, Buffer

#: Below this a digest costs less than handing it to another thread (0.05 ms at 1.4 GB/s).
_SMALL = 64 << 10

#: Deltas of a smaller share of their window are kept whatever it would take stored whole: that is not asked.
_TELLING = 0.05


@dataclass(frozen=True, slots=True)
class _Encoded:
    """A window of `length` bytes as it is `stored`; `whole`: about what it would take without a reference."""

    length: int
    sha256: bytes
    stored: Buffer
    whole: float
    seconds: float


class Staging:
    """One body's blob: `async with`, then one `begin_…`, `add` for every window, one `finish`, `keep`.

    `whole` is the codec without a reference. `founds` is asked, when a body is stored in it, whether that is
    a new reference of its deltaspace.
    """

    def __init__(
        self,
        engine: Engine,
        bucket: str,
        key: str,
        declared: int | None,
        whole: Coding,
        founds: Callable[[], Awaitable[bool]],
    ) -> None:
        self._engine = engine
        self._bucket = bucket
        self._key = key
        self._declared = declared
        self._whole = whole
        self._asked = founds
        self._founds = False
        self._stack = AsyncExitStack()
        self._published: dict[str, int] = {}
        self._length = 0
        self._windows: list[Window] = []
        #: About what the windows so far would take stored whole.
        self._whole_size = 0.0
        self._coding = whole
        self._reference: Reference | None = None
        self._index: SourceIndex | None = None
        self._writer: BlobWriter
        self._blob = ""
        self._blob_id = ""
        self._began = clock()

    async def __aenter__(self) -> Self:
        await self._engine.ledger.open(self._bucket)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            await self._stack.aclose()
        finally:
            await discard_blobs(self._engine, self._bucket, self._published, {})

    async def begin_whole(self) -> None:
        """Open a blob that needs no reference."""
        self._founds = await self._asked()
        self._coding, self._reference, self._index = self._whole, None, None
        self._blob_id = self._engine.new_id()
        if self._founds:
            space = keys.space_of(self._key)
            await self._open(keys.reference(space, self._blob_id, self._coding.suffix))
        else:
            await self._open(keys.whole(self._key, self._blob_id, self._coding.suffix))

    async def begin_delta(self, reference: Reference, index: SourceIndex) -> None:
        """Open a delta against `reference`; `index` stays valid until the block is left."""
        self._coding, self._reference, self._index = self._engine.policy.delta_coding, reference, index
        self._blob_id = self._engine.new_id()
        await self._open(keys.delta(self._key, reference.id, self._blob_id, self._coding.suffix))

    async def add(self, window: memoryview) -> None:
        """Hash, encode and append one window."""
        if len(window) <= _SMALL and self._coding is RAW:
            encoded = self._encode(window)
        else:
            encoded = await self._engine.workers.run(self._encode, window)
        await self._append(encoded)
        if self.is_delta and self._engine.policy.hopeless(self._writer.size, self._declared):
            await self._give_up()

    @property
    def is_delta(self) -> bool:
        """Whether what is staged is a delta, so far."""
        return self._coding.is_delta

    @property
    def size(self) -> int:
        """Bytes staged so far."""
        return self._writer.size

    @property
    def reference(self) -> Reference | None:
        """What it is a delta against."""
        return self._reference

    @property
    def length(self) -> int:
        """Bytes of the body that those stand for."""
        return self._length

    async def turn_delta(self, reference: Reference, index: SourceIndex) -> None:
        """Encode what was stored whole so far, and the rest as it comes, against `reference`."""
        await self._turn(lambda: self.begin_delta(reference, index))

    async def turn_whole(self) -> None:
        """Make what it stands for of what was a delta so far; what founds is asked again."""
        await self._turn(self.begin_whole)

    async def finish(self, sha256: str) -> tuple[Extent, tuple[str, ...]]:
        """Publish what was added, whose SHA-256 (hex) this is; a delta that became too large is turned first.

        Returns the extent, and the pins it holds: one when it is a new reference. A reference is published
        before its first pin, so a pin without its reference is never seen.
        """
        if self.is_delta and not self.worth_keeping:
            await self._give_up()
        await self._publish()
        if self._reference is not None and self.is_delta and await self._may_go(self._reference):
            await self._rewrite(self.begin_whole)
            await self._publish()
        is_reference = self._founds and not self.is_delta
        if is_reference:
            self._reference = self._as_reference(sha256)
        extent = self._extent()
        self._count(extent, is_reference=is_reference)
        if not is_reference:
            return extent, ()
        pin = keys.pin(self._key, self._blob_id, self._engine.new_id())
        await self._stage(pin)
        await self._publish()
        return extent, (pin,)

    @property
    def worth_keeping(self) -> bool:
        """Whether the delta, complete as it is, is small enough to be stored."""
        policy, size = self._engine.policy, self._writer.size
        return policy.keeps_delta(size, self._length) and size <= self._whole_size

    def _as_reference(self, sha256: str) -> Reference:
        return Reference(
            id=self._blob_id,
            blob=self._blob,
            length=self._length,
            sha256=sha256,
            codec=self._coding.codec,
            stored=self._writer.size,
            name=keys.readable(self._key),
            windows=() if self._coding is RAW else tuple(window.stored for window in self._windows),
        )

    def _count(self, extent: Extent, *, is_reference: bool) -> None:
        if self.is_delta:
            measures.delta_ratio.observe(extent.stored / extent.length)
        kind: measures.Kind = "delta" if self.is_delta else "reference" if is_reference else "direct"
        measures.taken_in(kind, extent.length, extent.stored)

    def _extent(self) -> Extent:
        return Extent(
            blob=self._blob,
            codec=self._coding.codec,
            length=self._length,
            stored=self._writer.size,
            windows=tuple(self._windows),
            reference=self._reference,
        )

    def keep(self) -> None:
        """A durable record points to what was published: leave it."""
        for blob, size in self._published.items():
            if size:
                self._engine.ledger.published(self._bucket, blob, size)
        self._published.clear()

    async def _open(self, blob: str) -> None:
        """Begin the blob of that name; what follows is its windows, from the first."""
        await self._stage(blob)
        self._windows, self._length = [], 0
        if self._coding.header:
            await self._writer.append(self._coding.header)

    async def _stage(self, blob: str) -> None:
        self._blob = blob
        staged = self._engine.backend.stage_blob(self._bucket, blob)
        self._writer = await self._stack.enter_async_context(staged)

    async def _append(self, window: "_Encoded") -> None:
        self._windows.append(Window(window.length, self._writer.size, len(window.stored), window.sha256))
        self._length += window.length
        self._whole_size += window.whole
        timing.spent("encode", window.seconds)
        if self.is_delta:
            measures.encode_seconds.add(window.seconds)
            measures.encode_logical_bytes.add(window.length)
            measures.encode_delta_bytes.add(len(window.stored))
        with timing.stage("store"):
            await self._writer.append(window.stored)

    async def _publish(self) -> None:
        # Noted first: if the call is cut off after the rename, the blob still has an owner here.
        self._published[self._blob] = self._writer.size
        with timing.stage("store"):
            await self._writer.publish()

    def _encode(self, window: memoryview) -> "_Encoded":
        """Hash a window and encode it with the codec in force."""
        began = time.perf_counter()
        digest = hashlib.sha256(window).digest()
        stored = self._coding.encode(window, self._index, self._length)
        return _Encoded(
            len(window), digest, stored, self._taken_whole(window, len(stored)), time.perf_counter() - began
        )

    def _taken_whole(self, window: memoryview, stored: int) -> float:
        """About what a window that takes `stored` bytes would take without a reference."""
        if not self.is_delta:
            return stored
        if self._whole is RAW or stored < _TELLING * len(window):
            return len(window)
        return frames.share(window) * len(window)

    async def _give_up(self) -> None:
        """Write the windows so far as they were, and the rest as it comes."""
        measures.deltas_given_up.add(1)
        measures.delta_ratio.observe(self._writer.size / max(self._length, 1))
        await self.turn_whole()

    async def _turn(self, begin: Callable[[], Awaitable[None]]) -> None:
        """Write what is staged once more, as `begin` says."""
        await self._publish()
        await self._rewrite(begin)

    async def _may_go(self, reference: Reference) -> bool:
        """Whether gc may remove what the delta, now published, needs: where no lock keeps it from that."""
        backend, space = self._engine.backend, keys.space_of(self._key)
        if backend.capabilities.exclusive_locks or clock() - self._began < retiring.SOON:
            return False
        return await retiring.may_go(backend, self._bucket, space, reference)

    async def _rewrite(self, begin: Callable[[], Awaitable[None]]) -> None:
        """The same with what was just published."""
        before, encoded, coding, index = self._blob, self._windows, self._coding, self._index
        await begin()
        self._whole_size = 0.0
        async with self._engine.backend.open_blob(self._bucket, before) as blob:
            for window in encoded:
                data = await blob.read(window.offset, window.stored)
                recoded = await self._engine.workers.run(self._recode, data, window, coding, index)
                await self._append(recoded)
        await self._engine.backend.remove_blobs(self._bucket, [before])
        self._engine.ledger.withdrawn(self._bucket, before)
        del self._published[before]

    def _recode(self, data: Buffer, window: Window, coding: Coding, index: SourceIndex | None) -> "_Encoded":
        """One window from the codec it was stored in to the one now in force."""
        try:
            original = coding.decode(data, window.length, None if index is None else index.source)
        except CodecError as error:
            raise self._changed() from error
        recoded = self._encode(memoryview(original))
        if recoded.sha256 != window.sha256:
            raise self._changed()
        return recoded

    def _changed(self) -> ObjectDamaged:
        return ObjectDamaged(
            f"{self._bucket}/{self._key}: what was written a moment ago reads back as something else; "
            "nothing was stored, and the storage needs looking at"
        )
