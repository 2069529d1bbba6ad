# SPDX-License-Identifier: GPL-2.0-only
"""Secondary compression as stock xdelta3 writes it: a window with compressed sections to one without.

A compressed section is its length before compression, as an integer, and then what the compressor made. With
LZMA (the stock tool's default) the data sections of all windows are one .xz stream, flushed at the end of
each section, and so are the instruction sections and the address sections; windows are opened in their order
or not at all. Observed on xdelta3 3.0.11; RFC 3284 leaves it to the application.

Nothing takes more memory than a legal window, or `_MEMORY_MAX`, whatever is claimed.
"""

import lzma
from dataclasses import replace
from typing import Final

from dgproxy.codec.delta import Buffer, CorruptDelta
from dgproxy.codec.windows import ENCODED_MAX, Input, Window

__all__ = ["NAMES", "Secondary"]

#: Compressor ids of xdelta3.
NAMES: Final = {1: "djw", 2: "lzma", 16: "fgk"}
_LZMA: Final = 2
#: Bytes: what the highest preset of xz needs is 65 MiB.
_MEMORY_MAX: Final = 128 << 20


class Secondary:
    """The secondary compressor of one delta file."""

    def __init__(self, compressor: int) -> None:
        """`compressor`: the id in the file header; 0 for none. CorruptDelta if it is none of ours."""
        if compressor not in {0, _LZMA}:
            name = NAMES.get(compressor, f"number {compressor}")
            raise CorruptDelta("VCD_E_SECONDARY", f"the secondary compressor {name} is not supported")
        self._compressor = compressor
        self._streams: list[lzma.LZMADecompressor | None] = [None, None, None]

    def plain(self, window: Window) -> Window:
        """`window`, the next one of the file, with every section decompressed."""
        if window.compressed == 0:
            return window
        if self._compressor == 0 or window.compressed >> 3:
            raise CorruptDelta("VCD_E_SECONDARY", "a compressed section without a compressor")
        sections = [window.data, window.instructions, window.addresses]
        left = ENCODED_MAX
        for number, section in enumerate(sections):
            if window.compressed >> number & 1:
                sections[number] = self._open(number, section, left)
            left -= len(sections[number])
        data, instructions, addresses = sections
        return replace(window, compressed=0, data=data, instructions=instructions, addresses=addresses)

    def _open(self, number: int, section: Buffer, limit: int) -> bytes:
        fields = Input([section])
        size = fields.varint()
        if size > limit:
            raise CorruptDelta("VCD_E_WINDOW_SIZE", f"a compressed section of {size} bytes")
        stream = self._streams[number]
        if stream is None:
            stream = self._streams[number] = lzma.LZMADecompressor(lzma.FORMAT_XZ, _MEMORY_MAX)
        packed = bytes(fields.rest)
        parts = []
        try:
            while size > 0:
                part = stream.decompress(packed, size)
                if not part and (stream.eof or stream.needs_input):
                    raise CorruptDelta("VCD_E_TRUNCATED", "a compressed section ends too early")
                packed = b""
                parts.append(part)
                size -= len(part)
        except (lzma.LZMAError, EOFError) as error:
            raise CorruptDelta("VCD_E_SECONDARY", f"a damaged compressed section: {error}") from error
        return b"".join(parts)
