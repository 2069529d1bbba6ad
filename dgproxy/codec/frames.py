# SPDX-License-Identifier: GPL-2.0-only
"""Zstandard frames (RFC 8878): compress, store, walk and open them.

A frame made here declares how long its content is, and `content` opens no other: memory is known, and
refused, before it is taken. Compressors are kept for each thread, because none may be used by two; the GIL is
released while they work. What a frame holds is not known here.
"""

import threading
from collections.abc import Iterator
from functools import lru_cache
from typing import Final

import zstandard

from dgproxy.codec.delta import Buffer, CorruptDelta

__all__ = ["compress", "content", "declares", "is_frame", "share", "split", "stored", "stream", "worthwhile"]

_MAGIC: Final = b"\x28\xb5\x2f\xfd"
_SKIPPABLE: Final = b"\x2a\x4d\x18"  # after 0x50 to 0x5f, 3.1.2
_BLOCK_MAX: Final = 128 << 10  # 3.1.1.2.4
_RAW, _RLE, _RESERVED = 0, 1, 3  # block types, 3.1.1.2.2
#: Bytes: the longest distance a streamed frame may look back, and so its memory; `zstd -d` has the same.
_STREAM_WINDOW_MAX: Final = 128 << 20
_PIECE: Final = 1 << 20
#: From this size on a sample is taken: evenly spread stretches, in bytes.
_SAMPLED: Final = 512 << 10
_SAMPLES: Final = 8
_SAMPLE: Final = 16 << 10


class _PerThread(threading.local):
    """Compressors and a decompressor of the thread that asks."""

    def __init__(self) -> None:
        self.compressor = lru_cache(maxsize=4)(
            lambda level: zstandard.ZstdCompressor(level=level, write_checksum=False)
        )
        self.decompressor = zstandard.ZstdDecompressor()


_mine = _PerThread()

Bytes = bytes | bytearray | memoryview


def _corrupt(text: str) -> CorruptDelta:
    return CorruptDelta("ZSTD_E_FRAME", text)


def compress(data: Bytes, level: int) -> bytes:
    """One frame of `data`, at a level of the zstd library, without a checksum: windows have one inside."""
    return _mine.compressor(level).compress(data)


def stored(data: Buffer) -> Iterator[Buffer]:
    """One frame that holds `data` as it is: 9 bytes more, and 3 for each 128 KiB. In pieces, not copied."""
    view = memoryview(data).cast("B")
    size = len(view)
    # Single segment, so no window descriptor; the content size has 1 or 4 bytes (3.1.1.1).
    yield _MAGIC
    yield bytes((0x20, size)) if size < 256 else b"\xa0" + size.to_bytes(4, "little")
    for begin in range(0, size or 1, _BLOCK_MAX):
        block = view[begin : begin + _BLOCK_MAX]
        last = begin + _BLOCK_MAX >= size
        yield (len(block) << 3 | _RAW << 1 | last).to_bytes(3, "little")
        yield block


def worthwhile(data: memoryview, level: int) -> Iterator[Buffer]:
    """A frame made with as much effort as a sample says is worth it; in pieces, for who writes it."""
    if len(data) < _SAMPLED:
        yield compress(data, level)
        return
    found = share(data)
    if found > 0.98:
        yield from stored(data)
    else:
        # So little is entropy of single bytes, which every level finds: searching for matches is in vain.
        yield compress(data, 1 if found > 0.85 else level)


def share(data: memoryview) -> float:
    """How small `data` gets, 0 to about 1: all of it, or some stretches evenly spread over it."""
    step = (len(data) - _SAMPLE) // (_SAMPLES - 1)
    sample: bytes | memoryview = data
    if step > _SAMPLE:
        sample = b"".join(data[at : at + _SAMPLE] for at in range(0, _SAMPLES * step, step))
    return len(compress(sample, 1)) / len(sample)


def is_frame(data: Buffer) -> bool:
    """Whether `data` begins like a frame."""
    return bytes(data[:4]) == _MAGIC


def split(data: Buffer) -> Iterator[memoryview]:
    """The frames that `data` is a concatenation of, skippable ones left out.

    Raises CorruptDelta where something else begins or a frame is not complete.
    """
    view = memoryview(data).cast("B")
    while view:
        skippable = bytes(view[1:4]) == _SKIPPABLE and view[0] & 0xF0 == 0x50
        size = 8 + int.from_bytes(view[4:8], "little") if skippable else _frame_size(view)
        if size > len(view):
            raise _corrupt("the delta ends inside a zstd frame")
        if not skippable:
            yield view[:size]
        view = view[size:]


def _frame_size(view: memoryview) -> int:
    """The size of the frame at the start of `view`; more than there is when it is cut."""
    try:
        header = zstandard.get_frame_parameters(view[:18])
        at = zstandard.frame_header_size(view[:18])
    except zstandard.ZstdError as error:
        raise _corrupt(f"no zstd frame where one should begin: {error}") from error
    last = False
    while not last:
        block = int.from_bytes(view[at : at + 3], "little")
        last, kind, size = bool(block & 1), block >> 1 & 3, block >> 3
        if at + 3 > len(view):
            return len(view) + 1
        if kind == _RESERVED:
            raise _corrupt("a zstd block of the reserved type")
        at += 3 + (1 if kind == _RLE else size)
    return at + (4 if header.has_checksum else 0)


def declares(frame: Bytes, limit: int) -> bool:
    """Whether one frame says that it holds at most `limit` bytes."""
    return 0 <= zstandard.frame_content_size(frame) <= limit


def content(frame: Bytes, limit: int) -> bytes:
    """What one frame holds; CorruptDelta if it declares more than `limit` bytes, or no length at all."""
    try:
        size = zstandard.frame_content_size(frame)
        if not 0 <= size <= limit:
            raise _corrupt(f"a zstd frame of {size} bytes" if size >= 0 else "a zstd frame of unknown length")
        return _mine.decompressor.decompress(frame, max_output_size=size, allow_extra_data=False)
    except zstandard.ZstdError as error:
        raise _corrupt(f"a damaged zstd frame: {error}") from error


def stream(frame: memoryview) -> Iterator[bytes]:
    """What one frame of any length holds, in pieces of at most 1 MiB."""
    # Not this thread's: others may be opened before the last piece is asked for.
    reader = zstandard.ZstdDecompressor(max_window_size=_STREAM_WINDOW_MAX).stream_reader(frame)
    while True:
        try:
            piece = reader.read(_PIECE)
        except zstandard.ZstdError as error:
            raise _corrupt(f"a damaged zstd frame: {error}") from error
        if not piece:
            return
        yield piece
