# SPDX-License-Identifier: GPL-2.0-only
"""VCDIFF back to target bytes: one window on its own, or a stream of them; and from one form to the other.

Windows are independent given the source, so the functions may run in any order and in many threads at once; a
`Decoder` or a `SectionReader` is one stream and one thread's at a time. A window that breaks a rule is
CorruptDelta, whatever it claims.
"""

from collections.abc import Iterator
from typing import Any, Final

from dgproxy.codec._vcd import ffi, lib
from dgproxy.codec.core import Buffer, OneAtATime, borrow, check
from dgproxy.codec.encoder import WINDOW_MAX

__all__ = ["Decoder", "SectionReader", "decode_window", "to_plain", "to_residual", "window_room"]

_uncleared: Final = ffi.new_allocator(should_clear_after_alloc=False)


def window_room(size: int = WINDOW_MAX) -> memoryview:
    """Memory for `decode_window` to write to; what is in it before is anything."""
    return memoryview(ffi.buffer(_uncleared("uint8_t[]", size)))


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
    if not 0 <= target_length <= WINDOW_MAX:
        raise ValueError(f"a window has 0 to {WINDOW_MAX} bytes, not {target_length}")
    result: bytearray | memoryview
    result = bytearray(target_length) if out is None else memoryview(out).cast("B")[:target_length]
    if len(result) != target_length:
        raise ValueError(f"out has {len(result)} bytes, the window {target_length}")
    with borrow(source) as base, borrow(window) as data, borrow(result, writable=True) as room:
        form = lib.VCD_RESIDUAL if residual else lib.VCD_PLAIN
        check(lib.vcd_decode_window(base, len(base), data, len(data), form, room, target_length))
    return result


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
