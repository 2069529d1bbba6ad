# SPDX-License-Identifier: GPL-2.0-only
"""VCDIFF back to target bytes: one window on its own, or a stream of them; and from one form to the other.

Windows are independent given the source, so the functions may run in any order and in many threads at once; a
`Decoder` or a `SectionReader` is one stream and one thread's at a time. A window that breaks a rule is
CorruptDelta, whatever it claims.
"""

from collections.abc import Iterator
from typing import Any, Final, Self

from dgproxy.codec._vcd import ffi, lib
from dgproxy.codec.core import Buffer, OneAtATime, borrow, check
from dgproxy.codec.encoder import WINDOW_MAX

__all__ = [
    "Decoder",
    "Parts",
    "SectionReader",
    "decode_parts",
    "decode_pieces",
    "decode_window",
    "to_plain",
    "to_residual",
]

#: A window's header up to its sections, and these: data, instructions, addresses.
Parts = tuple[Buffer, Buffer, Buffer, Buffer]

#: Bytes: from this length on a run is cheaper to leave where it is than to copy.
_PIECE: Final = 64 << 10


def decode_window(
    source: Buffer,
    window: Buffer,
    target_length: int,
    out: Buffer | None = None,
    *,
    residual: bool = False,
) -> bytearray | memoryview:
    """The `target_length` bytes that the one window in `window` stands for.

    Written to the start of `out` if given (a writable buffer of at least that length; a view of it is
    returned), else into a new bytearray. Raises CorruptDelta unless `window` is exactly one window of that
    length and its Adler-32, if it has one, is right; `out` then holds garbage. `residual` is the form the
    window has. Thread-safe.
    """
    result = _result(target_length, out)
    with borrow(source) as base, borrow(window) as data, borrow(result, writable=True) as room:
        form = lib.VCD_RESIDUAL if residual else lib.VCD_PLAIN
        check(lib.vcd_decode_window(base, len(base), data, len(data), form, room, target_length))
    return result


def decode_parts(
    source: Buffer,
    parts: Parts,
    target_length: int,
    out: Buffer | None = None,
    *,
    residual: bool = False,
) -> bytearray | memoryview:
    """`decode_window` for a window in parts, each wherever it lies."""
    result = _result(target_length, out)
    with _PartsHandle(source, parts, result) as handle:
        handle.decode(residual, ffi.NULL)
    return result


def decode_pieces(
    source: Buffer,
    parts: Parts,
    target_length: int,
    out: Buffer,
    *,
    residual: bool = False,
    least: int = _PIECE,
) -> list[memoryview]:
    """`decode_parts` for who only passes the target on: its bytes as views, in order, some of them of `out`.

    What is copied in runs of `least` bytes or more may stay in `source` or in the data section; in `out`
    there is anything in its place. All of it is checked, and right as long as nobody writes to the three.
    """
    if least < 1:
        raise ValueError(f"no pieces have at least {least} bytes")
    result = memoryview(_result(target_length, out))
    found = ffi.new("vcd_piece[]", 2 * (target_length // least) + 1)
    pieces = ffi.new("vcd_pieces *", {"list": found, "least": least})
    origins = [memoryview(buffer).cast("B") for buffer in (result, source, parts[1])]
    with _PartsHandle(source, parts, result) as handle:
        handle.decode(residual, pieces)
        starts = [int(ffi.cast("uintptr_t", memory)) for memory in (handle.out, handle.source, handle.data)]
    fields = iter(memoryview(ffi.buffer(found)).cast("P")[: 3 * pieces.count].tolist())
    views = []
    for address, _, size in zip(fields, fields, fields, strict=True):
        for start, origin in zip(starts, origins, strict=True):
            if 0 <= address - start <= len(origin) - size:
                views.append(origin[address - start : address - start + size])
                break
    return views


def _result(target_length: int, out: Buffer | None) -> bytearray | memoryview:
    """Where a window goes: the start of `out`, if there is one."""
    if not 0 <= target_length <= WINDOW_MAX:
        raise ValueError(f"a window has 0 to {WINDOW_MAX} bytes, not {target_length}")
    if out is None:
        return bytearray(target_length)
    result = memoryview(out).cast("B")[:target_length]
    if len(result) != target_length:
        raise ValueError(f"out has {len(result)} bytes, the window {target_length}")
    return result


class _PartsHandle:
    """A window in parts as the core takes it, with everything borrowed until the end of the block."""

    def __init__(self, source: Buffer, parts: Parts, out: bytearray | memoryview) -> None:
        self.source = borrow(source)
        self.out = borrow(out, writable=True)
        self._parts = list(map(borrow, parts))
        self.data = self._parts[1]

    def __enter__(self) -> Self:
        return self

    def decode(self, residual: bool, pieces: Any) -> None:
        """Fill `out` and, unless it is NULL, `pieces`."""
        fields = [field for part in self._parts for field in (part, len(part))]
        form = lib.VCD_RESIDUAL if residual else lib.VCD_PLAIN
        window = ffi.new("vcd_parts *", fields)
        source, out = self.source, self.out
        check(lib.vcd_decode_parts(source, len(source), window, form, out, len(out), pieces))

    def __exit__(self, *_: object) -> None:
        for borrowed in (self.source, self.out, *self._parts):
            ffi.release(borrowed)


def to_plain(source: Buffer, window: Buffer) -> bytearray:
    """The residual `window` as VCDIFF, of the same length, without decoding it.

    Raises CorruptDelta as `decode_window` does, but the Adler-32 is left for who decodes. Thread-safe.
    """
    return _convert(source, window, lib.VCD_PLAIN)


def to_residual(source: Buffer, window: Buffer) -> bytearray:
    """The VCDIFF `window` in residual form; undoes `to_plain`."""
    return _convert(source, window, lib.VCD_RESIDUAL)


def _convert(source: Buffer, window: Buffer, form: int) -> bytearray:
    with borrow(source) as base, borrow(window) as data:
        result = bytearray(len(data))
        with borrow(result, writable=True) as room:
            check(lib.vcd_convert_window(base, len(base), data, len(data), form, room))
    return result


class Decoder:
    """A delta file in, in pieces of any size; target bytes out. Memory: two windows, whatever it claims.

    After an exception the stream is over. The source's buffer stays exported until `finish` or `close`.
    """

    def __init__(self, source: Buffer, max_output: int) -> None:
        """`max_output`: target bytes the delta may produce in all; more is CorruptDelta."""
        if not 0 <= max_output < 1 << 64:
            raise ValueError(f"max_output is {max_output}")
        self._source = borrow(source)
        made = ffi.new("vcd_decoder **")
        check(lib.vcd_decoder_new(made, self._source, len(self._source), max_output))
        self._decoder = ffi.gc(made[0], lib.vcd_decoder_free)
        self._guard = OneAtATime()
        self._open = True
        self._out = ffi.new("const uint8_t **")
        self._size = ffi.new("size_t *")
        self._used = ffi.new("size_t *")

    def windows(self, data: Buffer) -> Iterator[bytes]:
        """Take `data` and yield each window it completes, one at a time in memory; run it to its end."""
        done = 0
        with borrow(data) as delta:
            while done < len(delta):
                with self._guard:
                    window = self._step(delta, done)
                done += self._used[0]
                if window:
                    yield window

    def _step(self, delta: Any, done: int) -> bytes:
        if not self._open:
            raise RuntimeError("the decoder has finished")
        check(
            lib.vcd_decoder_feed(
                self._decoder, delta + done, len(delta) - done, self._used, self._out, self._size
            )
        )
        return bytes(ffi.buffer(self._out[0], self._size[0])) if self._size[0] else b""

    def update(self, data: Buffer) -> bytes:
        """Take `data`; returns the windows it completed, at most what is left of `max_output`."""
        return b"".join(self.windows(data))

    def finish(self) -> None:
        """Raises CorruptDelta when the delta was cut inside its header or a window, or has no window."""
        with self._guard:
            if not self._open:
                raise RuntimeError("the decoder has finished")
            try:
                check(lib.vcd_decoder_finish(self._decoder))
            finally:
                self._close()

    def close(self) -> None:
        """Give up. Safe to repeat, and after `finish`."""
        with self._guard:
            self._close()

    def _close(self) -> None:
        if self._open:
            self._open = False
            ffi.release(self._decoder)
            ffi.release(self._source)


class SectionReader:
    """Sections of one kind (data, instructions or addresses) of a file that xdelta3 compressed once more.

    DJW and FGK only. One thread's at a time; after an exception it is over.
    """

    def __init__(self, compressor: int) -> None:
        """`compressor`: the id in the file header, 1 (DJW) or 16 (FGK); others are CorruptDelta."""
        made = ffi.new("vcd_secondary **")
        check(lib.vcd_secondary_new(made, compressor))
        self._secondary = ffi.gc(made[0], lib.vcd_secondary_free)
        self._guard = OneAtATime()

    def read(self, section: Buffer, size: int) -> bytearray:
        """The `size` bytes that the next section stands for; the integer before them is not part of it.

        Sections must come in the file's order, because FGK goes on from one to the next.
        """
        if not 0 <= size <= 2 * WINDOW_MAX:
            raise ValueError(f"a section has at most {2 * WINDOW_MAX} bytes, not {size}")
        result = bytearray(size)
        with self._guard, borrow(section) as data, borrow(result, writable=True) as room:
            check(lib.vcd_secondary_decode(self._secondary, data, len(data), room, size))
        return result
