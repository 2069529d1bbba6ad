# SPDX-License-Identifier: GPL-2.0-only
"""What objects would take against one reference or another: measured on samples, with the real encoder.

A sample is a few stretches of an object, read once. A candidate is a reference that exists, or an object that
could be one: its bytes are put into an unnamed temporary file and mapped, one candidate at a time. Nothing is
stored. What follows from the figures is decided in `plan`.
"""

import asyncio
import mmap
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import IO, Final

from dgproxy.codec import forms, frames
from dgproxy.codec.delta import SourceIndex
from dgproxy.engine.errors import EngineError
from dgproxy.engine.manifest import Manifest, Reference
from dgproxy.engine.optimizer.work import Work
from dgproxy.engine.spans import span, windows_of
from dgproxy.storage.backend import RecordNotFound

#: Stretches of a sample, and the bytes of each: 1.5 MiB for an object.
_STRETCHES: Final = 3
_STRETCH: Final = 512 << 10

#: Bytes of memory for the index of a candidate; beyond four times that much source it is a coarser one.
_INDEX_MEMORY: Final = 64 << 20


@dataclass(frozen=True, slots=True)
class Sample:
    """Stretches of an object, each with its offset."""

    manifest: Manifest
    stretches: Sequence[tuple[int, bytes]]

    @property
    def size(self) -> int:
        """Bytes of the stretches."""
        return sum(len(data) for _, data in self.stretches)


async def take_sample(work: Work, manifest: Manifest) -> Sample | None:
    """Read the stretches; None when the object was replaced since or is damaged: there are others.

    Raises the storage layer's other errors.
    """
    places = stretches_of(manifest.size)
    try:
        await work.pace.spend(manifest.stored)
        return Sample(
            manifest,
            [(start, await span(work.engine, work.bucket, manifest, start, stop)) for start, stop in places],
        )
    except (EngineError, RecordNotFound):
        return None


def stretches_of(size: int) -> list[tuple[int, int]]:
    """Where the stretches of an object begin and end: all of a small one, else evenly spread."""
    if size <= _STRETCHES * _STRETCH:
        return [(0, size)]
    step = (size - _STRETCH) // (_STRETCHES - 1)
    return [(place * step, place * step + _STRETCH) for place in range(_STRETCHES)]


async def alone(work: Work, sample: Sample) -> float:
    """Bytes that the object takes without a reference."""
    engine = work.engine
    if not engine.policy.compression:
        return float(sample.manifest.size)

    def measure() -> tuple[float, float]:
        began = time.thread_time()
        share = sum(frames.share(memoryview(data)) * len(data) for _, data in sample.stretches) / sample.size
        return share, time.thread_time() - began

    share, seconds = await engine.workers.run(measure)
    await work.rest.after(seconds)
    worth = engine.policy.whole_coding(share).codec != "raw"
    return sample.manifest.size * (share if worth else 1.0)


async def against(
    work: Work, candidate: Reference | Manifest, samples: Sequence[Sample], apart: Sequence[float]
) -> list[float]:
    """Bytes that each object takes against a candidate; what it takes `apart` where that is no use."""
    try:
        async with _indexed(work, candidate) as index:
            taken = []
            for sample, whole in zip(samples, apart, strict=True):
                if sample.manifest is candidate:
                    taken.append(0.0)
                    continue
                size = await _delta_size(work, index, sample)
                kept = work.engine.policy.keeps_delta(int(size), sample.manifest.size)
                taken.append(min(size, whole) if kept else whole)
            return taken
    except (EngineError, RecordNotFound):
        return list(apart)


async def in_full(work: Work, candidate: Reference | Manifest, manifests: Sequence[Manifest]) -> list[int]:
    """Bytes that whole objects take against a candidate: no guess from samples, and as slow as writing them.

    Raises EngineError and RecordNotFound when something was replaced since or is damaged.
    """
    taken = []
    async with _indexed(work, candidate) as index:
        for manifest in manifests:
            await work.pace.spend(manifest.stored)
            size = 0
            for start, stop in windows_of(manifest.size):
                data = await span(work.engine, work.bucket, manifest, start, stop)
                size += await _encoded(work, index, data, start)
            taken.append(size)
    return taken


async def _delta_size(work: Work, index: SourceIndex, sample: Sample) -> float:
    """Bytes that the object takes as a delta."""
    stored = 0
    for position, data in sample.stretches:
        stored += await _encoded(work, index, data, position)
    return sample.manifest.size * stored / sample.size


async def _encoded(work: Work, index: SourceIndex, data: bytes, position: int) -> int:
    """Bytes that a stretch takes as a delta."""
    form = work.engine.policy.delta_form

    def measure() -> tuple[int, float]:
        began = time.thread_time()
        stored = len(forms.encode(index, data, form, position=position))
        return stored, time.thread_time() - began

    size, seconds = await work.engine.workers.run(measure)
    await work.rest.after(seconds)
    return size


@asynccontextmanager
async def _indexed(work: Work, candidate: Reference | Manifest) -> AsyncIterator[SourceIndex]:
    """The index of a candidate for the block. Raises what reading it raises."""
    engine, bucket = work.engine, work.bucket
    if isinstance(candidate, Reference):
        async with engine.references.indexed(bucket, candidate) as index:
            yield index
        return
    with await asyncio.to_thread(tempfile.TemporaryFile) as file:
        for start, stop in windows_of(candidate.size):
            await asyncio.to_thread(file.write, await span(engine, bucket, candidate, start, stop))
        with await asyncio.to_thread(_mapped, file, candidate.size) as mapping:
            index = await engine.workers.run(SourceIndex.build, mapping, max_memory=_INDEX_MEMORY)
            try:
                yield index
            finally:
                index.close()


def _mapped(file: IO[bytes], size: int) -> mmap.mmap:
    file.flush()
    return mmap.mmap(file.fileno(), size, access=mmap.ACCESS_READ)
