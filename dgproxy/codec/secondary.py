# SPDX-License-Identifier: GPL-2.0-only
"""Secondary compression as stock xdelta3 writes it: a window with compressed sections to one without.

A compressed section is its length before compression, as an integer, and then what the compressor made. With
LZMA (the stock tool's default) the data sections of all windows are one .xz stream, flushed at the end of
each section, and so are the instruction sections and the address sections: windows are opened in their order
or not at all. Observed on xdelta3 3.0.11; RFC 3284 leaves it to the application. DJW and FGK are the core's.

Nothing takes more memory than a legal window, or `_MEMORY_MAX`, whatever is claimed.
"""

import lzma
from dataclasses import replace
from typing import Final, Protocol

from dgproxy.codec.delta import Buffer, CorruptDelta, SectionReader
from dgproxy.codec.windows import ENCODED_MAX, Input, Window

__all__ = ["NAMES", "Secondary"]

#: Compressor ids of xdelta3.
NAMES: Final = {1: "djw", 2: "lzma", 16: "fgk"}
_LZMA: Final = 2
#: Bytes: what the highest preset of xz needs is 65 MiB.
_MEMORY_MAX: Final = 128 << 20


class _Reader(Protocol):
    """What opens the sections of one kind, in their order."""

    def read(self, section: Buffer, size: int) -> bytes | bytearray:
        """The `size` bytes that `section` stands for."""


class _LzmaReader:
    """One .xz stream, a section at a time."""

    def __init__(self) -> None:
        self._stream = lzma.LZMADecompressor(lzma.FORMAT_XZ, _MEMORY_MAX)

    def read(self, section: Buffer, size: int) -> bytes:
        """The `size` bytes that `section` stands for."""
        packed = bytes(section)
        parts = []
        try:
            while size > 0:
                part = self._stream.decompress(packed, size)
                if not part and (self._stream.eof or self._stream.needs_input):
                    raise CorruptDelta("VCD_E_COMPRESSED", "a compressed section ends too early")
                packed = b""
                parts.append(part)
                size -= len(part)
        except (lzma.LZMAError, EOFError) as error:
            raise CorruptDelta("VCD_E_COMPRESSED", f"a damaged compressed section: {error}") from error
        return b"".join(parts)


class Secondary:
    """The secondary compressor of one delta file."""

    def __init__(self, compressor: int) -> None:
        """`compressor`: the id in the file header; 0 for none. CorruptDelta if it is not known."""
        if compressor != 0 and compressor not in NAMES:
            raise CorruptDelta("VCD_E_SECONDARY", f"the secondary compressor {compressor} is not known")
        self._compressor = compressor
        self._readers: dict[int, _Reader] = {}

    def plain(self, window: Window) -> Window:
        """`window`, the next one of the file, with every section decompressed."""
        if window.compressed == 0:
            return window
        if self._compressor == 0 or window.compressed >> 3:
            raise CorruptDelta("VCD_E_SECONDARY", "a compressed section without a compressor")
        sections = [window.data, window.instructions, window.addresses]
        left = ENCODED_MAX
        for kind, section in enumerate(sections):
            if window.compressed >> kind & 1:
                sections[kind] = self._open(kind, section, left)
            left -= len(sections[kind])
        data, instructions, addresses = sections
        return replace(window, compressed=0, data=data, instructions=instructions, addresses=addresses)

    def _open(self, kind: int, section: Buffer, limit: int) -> bytes | bytearray:
        fields = Input([section])
        size = fields.varint()
        if size > limit:
            raise CorruptDelta("VCD_E_WINDOW_SIZE", f"a compressed section of {size} bytes")
        if kind not in self._readers:
            lzma_ = self._compressor == _LZMA
            self._readers[kind] = _LzmaReader() if lzma_ else SectionReader(self._compressor)
        return self._readers[kind].read(fields.rest, size)
