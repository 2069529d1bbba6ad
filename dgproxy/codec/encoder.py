# SPDX-License-Identifier: GPL-2.0-only
"""Target bytes to VCDIFF: one window on its own, or a stream of them.

Windows are independent given the source, so `encode_window` may run in any order and in many threads at once;
an `Encoder` is one stream and one thread's at a time. How windows are stored is for `forms`.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final, Literal

from dgproxy.codec._vcd import ffi, lib
from dgproxy.codec.core import Buffer, OneAtATime, borrow, check
from dgproxy.codec.index import SourceIndex

__all__ = [
    "FILE_HEADER",
    "WINDOW_MAX",
    "WINDOW_SIZE",
    "Encoder",
    "Form",
    "Level",
    "encode_window",
    "window_view",
]

#: "plain" is VCDIFF, small as it is; "default" is VCDIFF that is small once compressed. "residual" is for
#: storage, to be compressed as well: what is added between two copies on one diagonal is kept as target minus
#: source, which repeats more in programs and numbers.
Form = Literal["plain", "default", "residual"]

#: "fast" copies what the index finds, and looks for short copies where a compressor would find none;
#: "thorough" looks for them everywhere, also inside the window: the smallest plain form, at 75 to 2000 MB/s.
Level = Literal["fast", "thorough"]

#: What a delta file starts with; windows follow. No secondary compressor, no application header.
FILE_HEADER: Final[bytes] = bytes(ffi.buffer(lib.vcd_file_header, lib.VCD_FILE_HEADER_SIZE))
#: Bytes: the longest target window any VCDIFF reader must take (xdelta3 3.0.11 refuses more).
WINDOW_MAX: Final[int] = lib.VCD_WINDOW_MAX
#: Bytes: the window `Encoder` cuts.
WINDOW_SIZE: Final = 4 << 20

_FORMS: Final = {"plain": lib.VCD_PLAIN, "default": lib.VCD_DEFAULT, "residual": lib.VCD_RESIDUAL}
_LEVELS: Final = {"fast": lib.VCD_FAST, "thorough": lib.VCD_THOROUGH}


class _Source:
    """An index and what it is of as the core takes them, nothing for None, until `release`."""

    def __init__(self, index: SourceIndex | None) -> None:
        self._borrowed: tuple[Any, ...] = ()
        self.arguments: tuple[Any, ...] = (ffi.NULL, 0, ffi.NULL, 0)
        if index is not None:
            memory, source = self._borrowed = (borrow(index._memory), borrow(index._source))
            self.arguments = (memory, len(memory), source, len(source))

    def release(self) -> None:
        for borrowed in self._borrowed:
            ffi.release(borrowed)


_NO_SOURCE: Final = _Source(None)


def _new(source: _Source, window_size: int, level: Level) -> Any:
    """A C encoder, which points into `source`."""
    made = ffi.new("vcd_encoder **")
    check(lib.vcd_encoder_new(made, *source.arguments, window_size, _LEVELS[level]))
    return ffi.gc(made[0], lib.vcd_encoder_free)


#: Bytes of a window up to which its encoder is kept, with tables and lists of about 4 MiB.
_KEPT: Final = 1 << 20


class _Idle(threading.local):
    """Encoders between windows of the thread that asks.

    To be given fresh memory takes longer than to encode a window that is mostly copied, so their room is used
    again. That of one which had much to write is given back: threads would hold it while others need it.
    """

    def __init__(self) -> None:
        self.encoders: list[Any] = []


_idle = _Idle()


@contextmanager
def window_view(
    index: SourceIndex | None,
    target: Buffer,
    *,
    form: Form = "plain",
    level: Level = "fast",
    position: int = 0,
    keep: bool = False,
) -> Iterator[memoryview]:
    """What `encode_window` returns, where the encoder has it: no part of it may be read after the block.

    `keep` is for a thread that encodes one window after the other and then ends: it keeps the encoder's
    room, however much that is.
    """
    source = _Source(index)
    try:
        encoder = _idle.encoders.pop() if _idle.encoders else _new(_NO_SOURCE, WINDOW_MAX, level)
        check(lib.vcd_encoder_source(encoder, *source.arguments))
        out = ffi.new("const uint8_t **")
        size = ffi.new("size_t *")
        with borrow(target) as data:
            check(
                lib.vcd_encode_window(
                    encoder, _FORMS[form], _LEVELS[level], position, data, len(data), out, size
                )
            )
        with memoryview(ffi.buffer(out[0], size[0])) as view:
            yield view
        if keep or size[0] <= _KEPT:
            check(lib.vcd_encoder_source(encoder, *_NO_SOURCE.arguments))
            _idle.encoders.append(encoder)
    finally:
        source.release()


def encode_window(
    index: SourceIndex | None,
    target: Buffer,
    *,
    form: Form = "plain",
    level: Level = "fast",
    position: int = 0,
) -> bytes:
    """One complete window for up to WINDOW_MAX bytes; `FILE_HEADER` and VCDIFF windows make a delta file.

    `position` is a hint: the offset of the source that is most like the start of `target`, usually the
    window's own offset in its object. Without an index nothing is copied. ValueError when `target` is too
    long. Thread-safe.
    """
    with window_view(index, target, form=form, level=level, position=position) as window:
        return bytes(window)


class Encoder:
    """Target bytes in, a delta file out, in pieces of any size.

    Memory: two windows and 3 MiB of tables beside the index. The index cannot be closed until
    `finish` or `close`.
    """

    def __init__(
        self, index: SourceIndex | None, window_size: int = WINDOW_SIZE, *, level: Level = "fast"
    ) -> None:
        """`window_size`: target bytes per window, 1 to WINDOW_MAX, else ValueError."""
        self._source = _Source(index)
        self._encoder: Any = _new(self._source, window_size, level)
        self._guard = OneAtATime()
        self._out = ffi.new("const uint8_t **")
        self._size = ffi.new("size_t *")
        self._used = ffi.new("size_t *")

    def _taken(self) -> bytes:
        return bytes(ffi.buffer(self._out[0], self._size[0])) if self._size[0] else b""

    def _open(self) -> Any:
        if self._encoder is None:
            raise RuntimeError("the encoder has finished")
        return self._encoder

    def update(self, data: Buffer) -> bytes:
        """Take `data`; returns the windows it completed, b"" for none."""
        with self._guard, borrow(data) as target:
            encoder = self._open()
            parts = []
            done = 0
            while done < len(target):
                check(
                    lib.vcd_encoder_feed(
                        encoder, target + done, len(target) - done, self._used, self._out, self._size
                    )
                )
                parts.append(self._taken())
                done += self._used[0]
            return b"".join(parts)

    def finish(self) -> bytes:
        """End the target; returns the rest of the delta. Further calls are RuntimeErrors."""
        with self._guard:
            check(lib.vcd_encoder_finish(self._open(), self._out, self._size))
            rest = self._taken()
            self._close()
            return rest

    def close(self) -> None:
        """Give up without a result. Safe to repeat, and after `finish`."""
        with self._guard:
            self._close()

    def _close(self) -> None:
        if self._encoder is not None:
            ffi.release(self._encoder)
            self._encoder = None
            self._source.release()
