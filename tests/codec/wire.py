# SPDX-License-Identifier: GPL-2.0-only
"""Write VCDIFF by hand, every field right or wrong (RFC 3284, 4; Adler-32 as xdelta3 writes it)."""

import zlib

MAGIC = b"\xd6\xc3\xc4\x00"
PLAIN = MAGIC + b"\x00"

SOURCE, TARGET, ADLER32 = 1, 2, 4


def varint(value: int, *, digits: int = 1) -> bytes:
    """Base 128, most significant digit first; `digits` pads with leading zeros."""
    out = [value & 0x7F]
    while (value := value >> 7) or len(out) < digits:
        out.append(value & 0x7F | 0x80)
    return bytes(reversed(out))


def add(literal: bytes) -> tuple[bytes, bytes, bytes]:
    """Data, instructions, addresses of one ADD."""
    return literal, b"\x01" + varint(len(literal)), b""


def run(byte: bytes, size: int) -> tuple[bytes, bytes, bytes]:
    return byte, b"\x00" + varint(size), b""


def copy(size: int, address: int) -> tuple[bytes, bytes, bytes]:
    """A COPY in mode 0."""
    return b"", b"\x13" + varint(size), varint(address)


def window(
    *instructions: tuple[bytes, bytes, bytes],
    length: int,
    source: tuple[int, int] | None = None,
    target: bytes | None = None,
    **field: int,
) -> bytes:
    """A window of `length` target bytes; `source` is the segment's (length, offset).

    With `target` it carries that Adler-32. `field` overrides: indicator, encoding, delta_indicator, data,
    instructions, addresses, adler.
    """
    data, codes, addresses = (
        (b"".join(part) for part in zip(*instructions, strict=True)) if instructions else (b"",) * 3
    )
    adler = field.get("adler", None if target is None else zlib.adler32(target))
    body = varint(length) + bytes([field.get("delta_indicator", 0)])
    body += varint(field.get("data", len(data)))
    body += varint(field.get("instructions", len(codes)))
    body += varint(field.get("addresses", len(addresses)))
    body += b"" if adler is None else adler.to_bytes(4, "big")
    body += data + codes + addresses
    indicator = (SOURCE if source else 0) | (ADLER32 if adler is not None else 0)
    head = bytes([field.get("indicator", indicator)])
    if source:
        head += varint(source[0]) + varint(source[1])
    return head + varint(field.get("encoding", len(body))) + body
