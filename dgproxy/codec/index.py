# SPDX-License-Identifier: GPL-2.0-only
"""Where the blocks of a source are found: built once, saved and mapped, shared between threads.

An index is memory that nobody trusts: damage makes deltas larger, never wrong. Which sources are indexed, and
where images are kept, is not known here.
"""

import mmap
import os
from collections.abc import Callable
from typing import Final, Self

from dgproxy.codec._vcd import ffi, lib
from dgproxy.codec.core import Buffer, borrow, check
from dgproxy.codec.rooms import huge_pages

__all__ = ["SourceIndex", "difference"]

_INDEX_STEP: Final = 1 << 20
#: A block for every 32 bytes of the source, or for every 64. An index that is no longer in cache is built as
#: fast as memory answers, with twice as many blocks half as fast. They make deltas of programs .2 % smaller,
#: of libraries and text 5 %, of archives .1 %: compressed members are the same for long, or not at all.
_STRIDE_LOG2: Final = 5
_STRIDE_LOG2_COARSE: Final = 6
#: Bytes: what is longer gets the second.
_LONG: Final = 80 << 20
#: So does what looks like noise in most of so many stretches of so many bytes. That many random ones have
#: 221 values (256 less 256 (255/256)^512), compressed members 200 to 230, numbers 180, programs 140, text 50.
#: Looking takes .2 ms, so a shorter source is not looked at.
_STRETCHES: Final = 16
_STRETCH: Final = 512
_NOISE: Final = 200
_LOOKED_AT: Final = 4 << 20


class SourceIndex:
    """Where the blocks of one source are found; shared freely between threads.

    Keeps `source` exported until `close`. Building reads the source once; the index takes a quarter of the
    source's size, an eighth from 80 MiB on or if that is compressed, never more than `max_memory`.
    """

    def __init__(self, source: memoryview, memory: memoryview, mapping: mmap.mmap | None = None) -> None:
        """Use `build` or `open`. `mapping`: what to close when `memory` is no longer needed."""
        self._source = source
        self._memory = memory
        self._mapping = mapping

    @classmethod
    def build(
        cls,
        source: Buffer,
        *,
        progress: Callable[[memoryview], None] | None = None,
        max_memory: int = 1 << 30,
        seed: int | None = None,
    ) -> Self:
        """Index all of `source`.

        `progress` is called with each stretch of the source in order, up to 1 MiB at a time, just before it
        is indexed: the place to hash it while it is in cache. The view ends with the call; what it raises
        ends the build. `seed` (64 bits) fixes the hash, and with it the deltas to the byte; by default it is
        random, so that nobody can choose a source whose blocks collide. ValueError when `max_memory` (bytes)
        is too small for a source of this size.
        """
        view = memoryview(source).cast("B").toreadonly()
        finest = _STRIDE_LOG2_COARSE if len(view) > _LONG or _is_noise(view) else _STRIDE_LOG2
        stride = lib.vcd_index_stride(len(view), finest, max_memory)
        if stride == 0:
            raise ValueError(f"no index of {len(view)} bytes fits into {max_memory} bytes of memory")
        size = ffi.new("size_t *")
        check(lib.vcd_index_size(len(view), stride, size))
        mapping = huge_pages(size[0])
        index = cls(view, memoryview(mapping)[: size[0]], mapping)
        try:
            index._fill(stride, int.from_bytes(os.urandom(8)) if seed is None else seed, progress)
        except BaseException:
            index.close()
            raise
        return index

    @classmethod
    def open(cls, source: Buffer, image: Buffer) -> Self:
        """Use the saved `image` of an index of the same source as it lies: a mapped file, say.

        Keeps both exported until `close`. Raises CodecError (VCD_E_INDEX) when the image is from another
        version, byte order or size of source, ValueError when it does not lie at a multiple of 16. That
        the source's *bytes* are the same is for the caller to know. Damage past the header makes deltas
        larger, never wrong.
        """
        view, memory = (memoryview(data).cast("B").toreadonly() for data in (source, image))
        with borrow(memory) as data:
            check(lib.vcd_index_check(data, len(data), len(view)))
        return cls(view, memory)

    def _fill(self, stride: int, seed: int, progress: Callable[[memoryview], None] | None) -> None:
        source = borrow(self._source)
        memory = borrow(self._memory, writable=True)
        size = len(self._source)
        try:
            check(lib.vcd_index_init(memory, len(memory), size, stride, seed))
            for begin in range(0, size, _INDEX_STEP):
                end = min(begin + _INDEX_STEP, size)
                if progress is not None:
                    with self._source[begin:end] as stretch:
                        progress(stretch)
                check(lib.vcd_index_add(memory, len(memory), source, size, begin, end))
        finally:
            ffi.release(memory)
            ffi.release(source)

    @property
    def source(self) -> memoryview:
        """The indexed bytes, read-only. Released by `close`."""
        return self._source

    @property
    def image(self) -> memoryview:
        """The index as bytes to save for `open`, in this machine's byte order. Release it before `close`."""
        return self._memory.toreadonly()

    @property
    def nbytes(self) -> int:
        """Memory of the index in bytes, the source not counted."""
        return len(self._memory)

    def similarity(self, sample: Buffer, places: int = 1024) -> float:
        """How much of `sample` occurs in the source, 0 to 1.

        Of at most `places` places, evenly spread, it is the share of those found; runs of one byte are not
        counted. 0 when `sample` is too short to tell: under 48 bytes, or more with an index of little memory.
        """
        looked = ffi.new("uint32_t *")
        found = ffi.new("uint32_t *")
        with borrow(self._memory) as memory, borrow(self._source) as source, borrow(sample) as data:
            check(
                lib.vcd_index_similarity(
                    memory, len(memory), source, len(source), data, len(data), places, looked, found
                )
            )
        return float(found[0] / looked[0]) if looked[0] else 0.0

    def close(self) -> None:
        """Give back the source's buffer and the index's memory. Safe to repeat.

        Raises BufferError while a call or an unfinished `Encoder` uses the index.
        """
        self._source.release()
        self._memory.release()
        if self._mapping is not None:
            self._mapping.close()


def difference(one: Buffer, other: Buffer) -> bytearray:
    """Byte by byte `one` less `other`, modulo 256; ValueError unless they are of one length."""
    with borrow(one) as ours, borrow(other) as theirs:
        if len(ours) != len(theirs):
            raise ValueError(f"{len(ours)} bytes and {len(theirs)} have no difference")
        result = bytearray(len(ours))
        with borrow(result, writable=True) as out:
            lib.vcd_difference(ours, theirs, out, len(ours))
    return result


def _is_noise(view: memoryview) -> bool:
    """Whether a sample of a source says that most of it is compressed."""
    if len(view) < _LOOKED_AT:
        return False
    step = (len(view) - _STRETCH) // (_STRETCHES - 1)
    stretches = (view[at : at + _STRETCH] for at in range(0, _STRETCHES * step, step))
    return 2 * sum(len(set(stretch)) >= _NOISE for stretch in stretches) > _STRETCHES
