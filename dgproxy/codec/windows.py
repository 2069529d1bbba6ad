# SPDX-License-Identifier: GPL-2.0-only
"""The outside of VCDIFF (RFC 3284, 4): file headers, window headers, and where sections begin and end.

Reads from pieces of any size and takes no more memory than one legal window, whatever a header claims. What
is wrong with the framing is CorruptDelta with the core's name for it; instructions and addresses are the
core's business, and so is every rule about them.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final, Self

from dgproxy.codec.delta import WINDOW_MAX, Buffer, CorruptDelta, Parts

__all__ = ["ENCODED_MAX", "FileHeader", "Input", "Window", "varint", "windows"]

#: Bytes: the longest window accepted, encoded (VCD_ENCODED_MAX).
ENCODED_MAX: Final = 2 * WINDOW_MAX
_APPLICATION_MAX: Final = 1 << 20
_MAGIC: Final = b"\xd6\xc3\xc4"
#: File header indicator, 4.1; the application header is xdelta3's addition.
_SECONDARY, _CODE_TABLE, _APPLICATION = 1, 2, 4
#: Window indicator, 4.2; the Adler-32 is xdelta3's addition.
SOURCE, TARGET, ADLER32 = 1, 2, 4


def varint(value: int) -> bytes:
    """An integer as in section 2: base 128, most significant digit first."""
    digits = [value & 0x7F]
    while value := value >> 7:
        digits.append(value & 0x7F | 0x80)
    return bytes(reversed(digits))


class Input:
    """Bytes that arrive in pieces; reading past their end is CorruptDelta."""

    def __init__(self, pieces: Iterable[Buffer]) -> None:
        self._pieces = iter(pieces)
        self._rest = memoryview(b"")
        self._before = 0

    @property
    def at_end(self) -> bool:
        """Whether nothing is left."""
        while not self._rest:
            piece = next(self._pieces, None)
            if piece is None:
                return True
            self._rest = memoryview(piece).cast("B")
            self._before += len(self._rest)
        return False

    @property
    def taken(self) -> int:
        """Bytes taken so far."""
        return self._before - len(self._rest)

    @property
    def rest(self) -> memoryview:
        """What is left of the piece in hand."""
        return self._rest

    def take(self, size: int) -> Buffer:
        """Exactly `size` bytes, uncopied if they came in one piece."""
        parts = self.pieces(size)
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def pieces(self, size: int) -> list[memoryview]:
        """Exactly `size` bytes in the pieces they came in, uncopied."""
        parts = []
        while size > 0:
            if self.at_end:
                raise CorruptDelta("VCD_E_TRUNCATED", "the delta ends too early")
            part, self._rest = self._rest[:size], self._rest[size:]
            parts.append(part)
            size -= len(part)
        return parts

    def byte(self) -> int:
        """The next byte."""
        return self.take(1)[0]

    def varint(self, bits: int = 32) -> int:
        """The next integer; it must be below 2^`bits`."""
        value = 0
        for _ in range(bits // 7 + 1):
            digit = self.byte()
            value = value << 7 | digit & 0x7F
            if digit < 0x80 and value < 1 << bits:
                return value
        raise CorruptDelta("VCD_E_VARINT", "an integer is too large")


@dataclass(frozen=True, slots=True)
class FileHeader:
    """What a delta file starts with."""

    #: 0 in VCDIFF.
    version: int = 0
    #: The id of the secondary compressor; 0 when no section can be compressed.
    secondary: int = 0
    #: The application header, None when there is none.
    application: bytes | None = None

    @classmethod
    def read(cls, data: Input) -> Self:
        """Take the header of a file."""
        if data.take(3) != _MAGIC:
            raise CorruptDelta("VCD_E_MAGIC", "not a VCDIFF file")
        version, indicator = data.byte(), data.byte()
        if indicator & ~(_SECONDARY | _CODE_TABLE | _APPLICATION):
            raise CorruptDelta("VCD_E_HEADER", "reserved bits set in the file header")
        secondary = data.byte() if indicator & _SECONDARY else 0
        if indicator & _CODE_TABLE:
            raise CorruptDelta("VCD_E_CODE_TABLE", "application-defined code tables are not supported")
        if not indicator & _APPLICATION:
            return cls(version, secondary)
        size = data.varint()
        if size > _APPLICATION_MAX:
            raise CorruptDelta("VCD_E_HEADER", f"an application header of {size} bytes")
        return cls(version, secondary, bytes(data.take(size)))


@dataclass(frozen=True, slots=True)
class Window:
    """One window: the fields of its header, and its sections as they are stored."""

    indicator: int
    #: The source segment, in bytes from the start of the source; both 0 when there is none.
    source_length: int
    source_offset: int
    target_length: int
    #: The delta indicator, 4.3: which sections the secondary compressor made (data 1, instructions 2,
    #: addresses 4).
    compressed: int
    #: Four bytes, or none.
    checksum: bytes
    data: Buffer
    instructions: Buffer
    addresses: Buffer

    @classmethod
    def read(cls, stream: Input) -> Self:
        """Take one window."""
        indicator = stream.byte()
        length = offset = 0
        if indicator & (SOURCE | TARGET):
            length, offset = stream.varint(), stream.varint(63)
        size = stream.varint()
        if size > ENCODED_MAX:
            raise CorruptDelta("VCD_E_WINDOW_SIZE", f"a window of {size} encoded bytes")
        rest = Input(stream.pieces(size))
        target_length = rest.varint()
        if target_length > WINDOW_MAX:
            raise CorruptDelta("VCD_E_WINDOW_SIZE", f"a window of {target_length} bytes")
        compressed = rest.byte()
        sizes = [rest.varint() for _ in range(3)]
        checksum = bytes(rest.take(4)) if indicator & ADLER32 else b""
        if sum(sizes) != size - rest.taken:
            raise CorruptDelta("VCD_E_SECTIONS", "section sizes and encoding length disagree")
        data, instructions, addresses = map(rest.take, sizes)
        return cls(
            indicator, length, offset, target_length, compressed, checksum, data, instructions, addresses
        )

    @property
    def head(self) -> bytes:
        """What stands before the data section."""
        sections = (self.data, self.instructions, self.addresses)
        body = varint(self.target_length) + bytes((self.compressed,))
        body += b"".join(varint(len(section)) for section in sections) + self.checksum
        head = bytes((self.indicator,))
        if self.indicator & (SOURCE | TARGET):
            head += varint(self.source_length) + varint(self.source_offset)
        return head + varint(len(body) + sum(map(len, sections))) + body

    @property
    def parts(self) -> Parts:
        """The window as `delta.decode_parts` takes it."""
        return self.head, self.data, self.instructions, self.addresses

    def encode(self) -> bytes:
        """The window as bytes."""
        return b"".join(self.parts)


def windows(stream: Input) -> Iterator[Window]:
    """Every window from here to the end of `stream`."""
    while not stream.at_end:
        yield Window.read(stream)
