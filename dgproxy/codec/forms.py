# SPDX-License-Identifier: GPL-2.0-only
"""The forms a delta is stored in: what becomes of a VCDIFF window on its way to disk, and back.

A delta file of any form is a file header and then windows, each readable on its own. In the compressed forms
every one of these is one or two whole zstd frames, so that `zstd -dc` of the file, or of a window, is plain
concatenation; a window that does not get smaller is still a frame, of stored blocks, at 12 bytes and 3 for
each 128 KiB. What can't be made smaller is found out from a sample and costs a copy.

In the residual form a window is either such a plain one, or holds differences from the source in place of
literals where that compresses better, as a sample tells; then a bit in its indicator says so. The file
header has a version of its own: these files are for storage, and no other program should try. `plain` makes
VCDIFF of them.

Opening never takes more memory than the largest legal window, whatever a frame claims. Functions are
thread-safe, and the GIL is released in all that takes time. No files here (`files`), and no choice of form.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from enum import Enum
from typing import Final

from dgproxy.codec import frames
from dgproxy.codec.delta import (
    FILE_HEADER,
    Buffer,
    CorruptDelta,
    Level,
    SourceIndex,
    decode_parts,
    decode_pieces,
    decode_window,
    to_plain,
    to_residual,
    window_view,
)
from dgproxy.codec.windows import ENCODED_MAX, FileHeader, Input, Window

__all__ = [
    "Form",
    "decode",
    "encode",
    "encoding",
    "file_header",
    "form_of",
    "is_residual",
    "pack",
    "plain",
    "rebuild",
    "segment",
    "unpack",
]

#: Levels of zstd. 1 takes half the time of 3, and leaves programs 5 to 10 % larger.
_FAST: Final = 3
#: At the thorough level, by the share of the target that is left to compress, so that 60 MB of target take no
#: more than a second. 16 makes programs 15 % smaller than 3 at 14 MB/s, 12 10 % at 40; 4 has 200.
_THOROUGH: Final = ((0.2, 16), (0.5, 12), (1.0, 4))
#: Below this a part is not worth a frame of its own, nor a sample.
_SMALL: Final = 1 << 10
#: Windows of less than this are packed in both forms, and the smaller one is kept: nothing to guess.
_TRIED: Final = 16 << 10
#: Longer residual ones of less than this share of the plain one are taken; what a sample errs by stays below.
_WORTH: Final = 0.97
#: Set in the indicator of a residual window (RFC 3284, 4.2 leaves the bit free; xdelta3 refuses it).
_RESIDUAL: Final = 8
#: In place of VCDIFF's version 0.
_RESIDUAL_VERSION: Final = ord("R")
_RESIDUAL_HEADER: Final = bytes((*FILE_HEADER[:3], _RESIDUAL_VERSION, 0))


class Form(Enum):
    """How a delta is stored; the value is its name in manifests, for ever."""

    #: VCDIFF as it is, for interchange.
    PLAIN = "vcdiff"
    #: VCDIFF in zstd frames: `zstd -dc FILE | xdelta3 -d` reads it.
    DEFAULT = "vcdiff-zstd"
    #: The same with differences where they are smaller; only this program reads it.
    RESIDUAL = "residual-zstd"


def file_header(form: Form) -> bytes:
    """What a delta file of this form starts with."""
    if form is Form.PLAIN:
        return FILE_HEADER
    return b"".join(frames.stored(FILE_HEADER if form is Form.DEFAULT else _RESIDUAL_HEADER))


def form_of(header: FileHeader, *, packed: bool) -> Form:
    """Which form a file with this header has; `packed`: the header came out of a frame."""
    if header.version == _RESIDUAL_VERSION:
        return Form.RESIDUAL
    if header.version != 0:
        raise CorruptDelta("VCD_E_VERSION", f"VCDIFF version {header.version} is not known")
    return Form.DEFAULT if packed else Form.PLAIN


def encode(
    index: SourceIndex | None, target: Buffer, form: Form, *, position: int = 0, level: Level = "fast"
) -> bytes:
    """One window of up to WINDOW_MAX target bytes, as it is stored; see `delta.encode_window`.

    In the compressed forms the thorough level is zstd's: short copies help it less than they cost.
    """
    with encoding(index, target, form, position=position, level=level) as pieces:
        return b"".join(pieces)


@contextmanager
def encoding(
    index: SourceIndex | None,
    target: Buffer,
    form: Form,
    *,
    position: int = 0,
    level: Level = "fast",
    keep: bool = False,
) -> Iterator[Iterator[Buffer]]:
    """What `encode` returns, in pieces, for who writes it somewhere; `keep` as in `delta.window_view`.

    A piece is valid until the next one is asked for, and none after the block.
    """
    if form is Form.PLAIN:
        with window_view(index, target, position=position, level=level, keep=keep) as window:
            yield iter([window])
        return
    with window_view(index, target, form="default", position=position, keep=keep) as window:
        effort = _FAST if level == "fast" else _effort(len(window), memoryview(target).nbytes)
        if form is Form.DEFAULT or index is None:
            yield _framed(window, effort)
        elif len(window) < _TRIED:
            yield iter([min(pack(window, effort), pack(_residual(index.source, window), effort), key=len)])
        else:
            yield _framed(_smaller(index.source, window), effort)


def decode(
    source: Buffer,
    stored: Buffer,
    target_length: int,
    form: Form,
    out: Buffer | None = None,
    *,
    begins: int = 0,
) -> bytearray | memoryview:
    """The `target_length` bytes that one stored window stands for; see `delta.decode_window`.

    `source` may be no more than the window's segment, if it is said where in the whole source it `begins`.
    """
    if form is Form.PLAIN and not begins:
        return decode_window(source, stored, target_length, out)
    window, residual = _told(_window(stored, form), form)
    if begins:
        window = _moved(window, begins)
    return decode_parts(source, window.parts, target_length, out, residual=residual)


def segment(stored: Buffer, form: Form) -> tuple[int, int]:
    """Which bytes of the source one stored window copies from, as (begin, end); CorruptDelta."""
    window = _window(stored, form)
    return window.source_offset, window.source_offset + window.source_length


def plain(source: Buffer, stored: Buffer, form: Form) -> Buffer:
    """The VCDIFF window that one stored window stands for, without decoding it."""
    window, residual = _open(stored, form)
    return to_plain(source, window) if residual else window


def is_residual(window: Window) -> bool:
    """Whether a window of a residual file holds differences."""
    return bool(window.indicator & _RESIDUAL)


def rebuild(source: Buffer, header: FileHeader, window: Window, out: Buffer) -> list[memoryview]:
    """The target of one window of a file with this header; see `delta.decode_pieces`."""
    window, residual = _told(window, form_of(header, packed=True))
    return decode_pieces(source, window.parts, window.target_length, out, residual=residual)


def pack(window: Buffer, level: int = _FAST) -> bytes:
    """One VCDIFF window as zstd frames, `level` being that of zstd.

    The literals get a frame, instructions and addresses another: their statistics differ, and literals
    are often compressed already. Raises CorruptDelta if `window` is not one window.
    """
    return b"".join(_framed(window, level))


def _framed(window: Buffer, level: int) -> Iterator[Buffer]:
    """The same in pieces."""
    view = memoryview(window).cast("B")
    parts = Window.read(Input([view]))
    cut = len(view) - len(parts.instructions) - len(parts.addresses)
    if min(cut, len(view) - cut) < _SMALL:
        yield from frames.worthwhile(view, level)
    else:
        yield from frames.worthwhile(view[:cut], level)
        yield from frames.worthwhile(view[cut:], level)


def unpack(stored: Buffer) -> bytes:
    """The VCDIFF window that `pack` was given; CorruptDelta when that can't have been."""
    return b"".join(_contents(stored))


def _contents(stored: Buffer) -> Iterator[bytes]:
    """What is in the frames of one stored window."""
    left = ENCODED_MAX
    for frame in frames.split(stored):
        content = frames.content(frame, left)
        left -= len(content)
        yield content


def _window(stored: Buffer, form: Form) -> Window:
    """The one window that is stored there, its sections where they came out of their frames."""
    stream = Input([stored] if form is Form.PLAIN else _contents(stored))
    window = Window.read(stream)
    if not stream.at_end:
        raise CorruptDelta("VCD_E_TRAILING", "bytes follow the end of the window")
    return window


def _told(window: Window, form: Form) -> tuple[Window, bool]:
    """A window of this form as the core takes it, and whether it is residual."""
    if form is not Form.RESIDUAL or not is_residual(window):
        return window, False
    return replace(window, indicator=window.indicator & ~_RESIDUAL), True


def _moved(window: Window, begins: int) -> Window:
    """The window for a source without its first bytes."""
    if window.source_offset < begins:
        raise CorruptDelta("VCD_E_SOURCE_END", "the window copies from before the source given")
    return replace(window, source_offset=window.source_offset - begins)


def _open(stored: Buffer, form: Form) -> tuple[Buffer, bool]:
    """A stored window as the core takes it, and whether it is residual."""
    if form is Form.PLAIN:
        return stored, False
    window = unpack(stored)
    if form is Form.DEFAULT or not window or not window[0] & _RESIDUAL:
        return window, False
    cleared = bytearray(window)
    cleared[0] &= ~_RESIDUAL
    return cleared, True


def _effort(left: int, length: int) -> int:
    """The level of zstd that a thorough window of `length` bytes is worth with `left` bytes to compress."""
    return next((level for share, level in _THOROUGH if left <= share * length), _THOROUGH[-1][1])


def _smaller(source: Buffer, window: memoryview) -> memoryview | bytearray:
    """`window`, or its residual form where a sample of that compresses better."""
    parts = Window.read(Input([window]))
    begin, end = len(parts.head), len(parts.head) + len(parts.data)
    if end - begin < _SMALL:
        return window
    residual = _residual(source, window)
    literals, differences = window[begin:end], memoryview(residual)[begin:end]
    if literals == differences or frames.share(differences) > _WORTH * frames.share(literals):
        return window
    return residual


def _residual(source: Buffer, window: memoryview) -> bytearray:
    """`window` with differences, and the bit that says so."""
    residual = to_residual(source, window)
    residual[0] |= _RESIDUAL
    return residual
