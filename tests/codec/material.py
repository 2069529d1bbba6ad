# SPDX-License-Identifier: GPL-2.0-only
"""Sources, targets and cuts for the codec's tests."""

import random

from hypothesis import strategies as st

from dgproxy.codec.delta import Decoder, Encoder, Level, SourceIndex

EDITS = st.sampled_from(["keep", "move", "change", "insert", "pad", "repeat"])


@st.composite
def versions(draw: st.DrawFn, max_size: int = 1 << 16) -> tuple[bytes, bytes]:
    """A source, and a target edited out of it: kept, moved, changed, inserted, repeated, padded."""
    rng = random.Random(draw(st.integers(0, 2**32)))
    alphabet = draw(st.sampled_from((2, 16, 256)))
    source = bytes(rng.randrange(alphabet) for _ in range(draw(st.integers(0, 4096))))
    source = (source * draw(st.integers(1, 16)))[:max_size]
    target = bytearray()
    for edit in draw(st.lists(EDITS, max_size=12)):
        at = rng.randrange(len(source) + 1)
        size = min(rng.choice((1, 7, 40, 700, 5000)), max(max_size - len(target), 0))
        if edit == "keep":
            target += source[len(target) : len(target) + size]
        elif edit == "move":
            target += source[at : at + size]
        elif edit == "change":
            piece = bytearray(source[at : at + size])
            for _ in range(len(piece) // 20):
                piece[rng.randrange(len(piece))] = rng.randrange(256)
            target += piece
        elif edit == "insert":
            target += rng.randbytes(size)
        elif edit == "pad":
            target += bytes([rng.choice((0, 0xFF))]) * size
        else:
            target += target[-min(size, 50) :] * 3
    return source, bytes(target[:max_size])


def pieces(data: bytes, cuts: random.Random, most: int) -> list[bytes]:
    """`data` in pieces of 0 to `most` bytes."""
    out = []
    at = 0
    while at < len(data):
        size = cuts.randrange(most + 1)
        out.append(data[at : at + size])
        at += size
    return out


def encode(source: bytes, target: bytes, window_size: int = 1 << 22, level: Level = "fast") -> bytes:
    index = SourceIndex.build(source, seed=1)
    encoder = Encoder(index, window_size, level=level)
    delta = encoder.update(target) + encoder.finish()
    index.close()
    return delta


def decode(source: bytes, delta: bytes, max_output: int = 1 << 26) -> bytes:
    decoder = Decoder(source, max_output)
    try:
        target = decoder.update(delta)
        decoder.finish()
    finally:
        decoder.close()
    return target
