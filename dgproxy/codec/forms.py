# SPDX-License-Identifier: GPL-2.0-only
"""The forms a delta is stored in: what becomes of a VCDIFF window on its way to disk, and back.

A delta file of any form is a file header and then windows, each readable on its own. In the compressed forms
every one of these is one or two whole zstd frames, so that `zstd -dc` of the file, or of a window, is plain
concatenation; a window that does not get smaller is still a frame, of stored blocks, at 12 bytes and 3 for
each 128 KiB. What can't be made smaller is found out from a sample and costs a copy.

Opening never takes more memory than the largest legal window, whatever a frame claims. Functions are
thread-safe, and the GIL is released in all that takes time. No files here (`files`), and no choice of form.
"""

from enum import Enum
from typing import Final

from dgproxy.codec import frames
from dgproxy.codec.delta import (
    FILE_HEADER,
    Buffer,
    SourceIndex,
    decode_window,
    encode_window,
)
from dgproxy.codec.windows import ENCODED_MAX, Input, Window

__all__ = ["LEVEL", "Form", "decode", "encode", "file_header", "pack", "unpack"]

#: The zstd level of windows: level 1 is half as large a part of the time and 5 to 10 % larger on programs.
LEVEL: Final = 3
#: Below this a part is not worth a frame of its own, nor a sample.
_SMALL: Final = 1 << 10
_SAMPLED: Final = 512 << 10
_SAMPLES: Final = 8
_SAMPLE: Final = 16 << 10


class Form(Enum):
    """How a delta is stored; the value is its name in manifests, for ever."""

    #: VCDIFF as it is, for interchange.
    PLAIN = "vcdiff"
    #: VCDIFF in zstd frames: `zstd -dc FILE | xdelta3 -d` reads it.
    DEFAULT = "vcdiff-zstd"


def file_header(form: Form) -> bytes:
    """What a delta file of this form starts with."""
    return FILE_HEADER if form is Form.PLAIN else b"".join(frames.stored(FILE_HEADER))


def encode(index: SourceIndex | None, target: Buffer, form: Form, level: int = LEVEL) -> bytes:
    """One window of up to WINDOW_MAX target bytes, as it is stored."""
    window = encode_window(index, target)
    return window if form is Form.PLAIN else pack(window, level)


def decode(
    source: Buffer, stored: Buffer, target_length: int, form: Form, out: Buffer | None = None
) -> bytearray | memoryview:
    """The `target_length` bytes that one stored window stands for; see `delta.decode_window`."""
    return decode_window(source, stored if form is Form.PLAIN else unpack(stored), target_length, out)


def pack(window: Buffer, level: int = LEVEL) -> bytes:
    """One VCDIFF window as zstd frames.

    The literals get a frame, instructions and addresses another: their statistics differ, and literals
    are often compressed already. Raises CorruptDelta if `window` is not one window.
    """
    view = memoryview(window).cast("B")
    parts = Window.read(Input([view]))
    cut = len(view) - len(parts.instructions) - len(parts.addresses)
    if min(cut, len(view) - cut) < _SMALL:
        return b"".join(_frame(view, level))
    return b"".join((*_frame(view[:cut], level), *_frame(view[cut:], level)))


def unpack(stored: Buffer) -> bytes:
    """The VCDIFF window that `pack` was given; CorruptDelta when that can't have been."""
    parts: list[bytes] = []
    for frame in frames.split(stored):
        parts.append(frames.content(frame, ENCODED_MAX - sum(map(len, parts))))
    return b"".join(parts)


def _frame(part: memoryview, level: int) -> list[Buffer]:
    """A frame made with as much effort as a sample says is worth it; in pieces, so that it is copied once."""
    if len(part) < _SAMPLED:
        return [frames.compress(part, level)]
    share = _compressed_share(part)
    if share > 0.98:
        return frames.stored(part)
    # So little is entropy of single bytes, which every level finds: searching for matches is in vain.
    return [frames.compress(part, 1 if share > 0.85 else level)]


def _compressed_share(part: memoryview) -> float:
    """How small a sample of `part` gets, 0 to about 1: of some stretches evenly spread over it."""
    step = (len(part) - _SAMPLE) // (_SAMPLES - 1)
    sample = b"".join(part[at : at + _SAMPLE] for at in range(0, _SAMPLES * step, step))
    return len(frames.compress(sample, 1)) / len(sample)
