# SPDX-License-Identifier: GPL-2.0-only
"""VCDIFF deltas: the typed face of the C core.

A **source** is any run of bytes (usually a mapped file), a `SourceIndex` knows where its blocks are, a
**window** is up to `WINDOW_MAX` target bytes encoded on their own. Windows are independent given the
source, so `encode_window` and `decode_window` may run in any order and in many threads at once; `Encoder`
and `Decoder` are one stream each and one thread's at a time. Buffers are never copied on the way in, and
the GIL is released while the core works.

What the input breaks is `CorruptDelta`, what the caller breaks is ValueError or RuntimeError, and the rest
(memory, a damaged index) is `CodecError`. No I/O, no threads and no policy here, and no code: `index`,
`encoder` and `decoder` have it, `rooms` the memory of windows.
"""

from dgproxy.codec.core import Buffer, CodecError, CorruptDelta
from dgproxy.codec.decoder import (
    Decoder,
    Parts,
    SectionReader,
    decode_parts,
    decode_pieces,
    decode_window,
    to_plain,
    to_residual,
)
from dgproxy.codec.encoder import (
    FILE_HEADER,
    WINDOW_MAX,
    WINDOW_SIZE,
    Encoder,
    Form,
    Level,
    encode_window,
    window_view,
)
from dgproxy.codec.index import SourceIndex, difference
from dgproxy.codec.rooms import window_room

__all__ = [
    "FILE_HEADER",
    "WINDOW_MAX",
    "WINDOW_SIZE",
    "Buffer",
    "CodecError",
    "CorruptDelta",
    "Decoder",
    "Encoder",
    "Form",
    "Level",
    "Parts",
    "SectionReader",
    "SourceIndex",
    "decode_parts",
    "decode_pieces",
    "decode_window",
    "difference",
    "encode_window",
    "to_plain",
    "to_residual",
    "window_room",
    "window_view",
]
