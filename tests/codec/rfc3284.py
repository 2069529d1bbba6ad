# SPDX-License-Identifier: GPL-2.0-only
"""A VCDIFF decoder to read beside RFC 3284: slow, plain, and written without a look at the C one.

It takes the same dialect (Adler-32, application header, no secondary compression, no custom code table, up to
16 MiB a window) and refuses the rest with `Invalid`. The codec must agree with it on every input. With
`residual` the bytes that ADDs put between two source copies on one diagonal are taken as differences.
"""

import zlib
from dataclasses import dataclass, field

WINDOW_MAX = 1 << 24
ENCODING_MAX = 1 << 25


class Invalid(Exception):
    """The delta breaks a rule."""


class Bytes:
    """A run of bytes read from the front."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.at = 0

    def __len__(self) -> int:
        return len(self.data) - self.at

    def take(self, size: int) -> bytes:
        if size > len(self):
            raise Invalid("too short")
        self.at += size
        return self.data[self.at - size : self.at]

    def byte(self) -> int:
        return self.take(1)[0]

    def integer(self, bits: int = 32) -> int:
        """Section 2. At most as many digits as the widest value needs."""
        value = 0
        for _ in range(-(-bits // 7)):
            digit = self.byte()
            value = value << 7 | digit & 0x7F
            if value >> bits:
                raise Invalid("integer too large")
            if digit < 0x80:
                return value
        raise Invalid("integer too long")


def default_code_table() -> list[list[tuple[str, int, int]]]:
    """Section 5.6: (instruction, size, mode) once or twice per opcode."""
    table = [[("RUN", 0, 0)]]
    table += [[("ADD", size, 0)] for size in range(18)]
    table += [[("COPY", size, mode)] for mode in range(9) for size in (0, *range(4, 19))]
    table += [
        [("ADD", literal, 0), ("COPY", size, mode)]
        for mode in range(6)
        for literal in range(1, 5)
        for size in range(4, 7)
    ]
    table += [[("ADD", literal, 0), ("COPY", 4, mode)] for mode in range(6, 9) for literal in range(1, 5)]
    table += [[("COPY", 4, mode), ("ADD", 1, 0)] for mode in range(9)]
    assert len(table) == 256
    return table


CODE_TABLE = default_code_table()


@dataclass
class AddressCache:
    """Section 5.3."""

    near: list[int] = field(default_factory=lambda: [0] * 4)
    same: list[int] = field(default_factory=lambda: [0] * 768)
    next: int = 0

    def decode(self, mode: int, addresses: Bytes, here: int) -> int:
        if mode == 0:
            address = addresses.integer()
        elif mode == 1:
            address = here - addresses.integer()
        elif mode < 6:
            address = self.near[mode - 2] + addresses.integer()
        else:
            address = self.same[(mode - 6) * 256 + addresses.byte()]
        if not 0 <= address < here:
            raise Invalid("address")
        self.near[self.next] = address
        self.next = (self.next + 1) % 4
        self.same[address % 768] = address
        return address


def decode_window(source: bytes, delta: Bytes, limit: int, *, residual: bool = False) -> bytes:
    indicator = delta.byte()
    if indicator & ~5:
        raise Invalid("window indicator")
    length = offset = 0
    if indicator & 1:
        length, offset = delta.integer(), delta.integer(64)
        if length + offset >= 1 << 63:
            raise Invalid("source segment")
    encoding = delta.integer()
    if encoding > ENCODING_MAX:
        raise Invalid("encoding length")
    body = Bytes(delta.take(encoding))
    target_length = body.integer()
    if target_length > min(limit, WINDOW_MAX) or target_length + length >= 1 << 32:
        raise Invalid("target length")
    if body.byte():
        raise Invalid("secondary compression")
    sizes = [body.integer() for _ in range(3)]
    adler = int.from_bytes(body.take(4), "big") if indicator & 4 else None
    if sum(sizes) != len(body):
        raise Invalid("section sizes")
    data, instructions, addresses = (Bytes(body.take(size)) for size in sizes)
    target = run_instructions(
        source[offset:], length, target_length, data, instructions, addresses, residual=residual
    )
    if adler is not None and zlib.adler32(target) != adler:
        raise Invalid("checksum")
    return target


def run_instructions(
    source: bytes,
    length: int,
    target_length: int,
    data: Bytes,
    instructions: Bytes,
    addresses: Bytes,
    *,
    residual: bool,
) -> bytes:
    """Section 5. `source` starts where the segment of `length` bytes does."""
    target = bytearray()
    cache = AddressCache()
    follows: int | None = None  # the address after the last source copy, when only ADDs came since
    added = 0  # how many bytes those gave
    while instructions:
        for kind, fixed, mode in CODE_TABLE[instructions.byte()]:
            size = fixed or instructions.integer()
            if size > target_length - len(target):
                raise Invalid("past the end of the window")
            if kind == "ADD":
                target += data.take(size)
                added += size
                continue
            if kind == "RUN":
                target += data.take(1) * size
                follows = None
                continue
            address = cache.decode(mode, addresses, length + len(target))
            start = len(target)
            copy(source, length, target, address, size)
            if residual and follows is not None and address == follows + added and address < length:
                for i in range(added):
                    target[start - added + i] = (target[start - added + i] + source[follows + i]) % 256
            follows = address + size if address < length else None
            added = 0
    if len(target) != target_length or data or addresses:
        raise Invalid("sections and window do not end together")
    return bytes(target)


def copy(source: bytes, length: int, target: bytearray, address: int, size: int) -> None:
    if address >= length:
        for at in range(address - length, address - length + size):
            target.append(target[at])
        return
    if address + size > min(length, len(source)):
        raise Invalid("copy past the source")
    target += source[address : address + size]


def decode(source: bytes, delta: bytes, limit: int) -> bytes:
    """The target, of at most `limit` bytes."""
    rest = Bytes(delta)
    if rest.take(4) != b"\xd6\xc3\xc4\x00":
        raise Invalid("magic")
    indicator = rest.byte()
    if indicator & ~5:
        raise Invalid("header indicator")
    if indicator & 1 and rest.byte() not in (1, 2, 16):
        raise Invalid("secondary compressor")
    if indicator & 4:
        rest.take(rest.integer())
    if not rest:
        raise Invalid("no window")
    target = b""
    while rest:
        target += decode_window(source, rest, limit - len(target))
    return target
