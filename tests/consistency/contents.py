# SPDX-License-Identifier: GPL-2.0-only
"""Bytes to store: each made by its recipe, no two alike, most of them versions of one artifact.

A range of an object is checked against the same bytes made again. No requests in here.
"""

import functools
import hashlib
import random
from dataclasses import dataclass

from tests.system.artifacts import generate

#: S3's least size of a part that is not the last (S3 API reference, UploadPart).
LEAST_PART = 5 << 20

_BASE = generate(61, 2 * LEAST_PART)


@dataclass(frozen=True)
class Recipe:
    """`size` bytes: of an artifact with some edits that are this one's own, or of noise."""

    seed: int
    size: int
    artifact: bool = True

    def make(self) -> bytes:
        dice = random.Random(self.seed)
        if not self.artifact:
            return dice.randbytes(self.size)
        data = bytearray(_BASE[: self.size])
        for at in (0, *(dice.randrange(self.size - 32) for _ in range(4))):
            data[at : at + 32] = dice.randbytes(32)
        return bytes(data)


@functools.lru_cache(8)
def made(recipe: Recipe) -> bytes:
    """The bytes of a recipe, the last few kept."""
    return recipe.make()


@dataclass(frozen=True)
class Content:
    """What a GET must give, whole: digests in hex, and the etag (without quotes) of who wrote it first."""

    etag: str
    md5: str
    sha256: str
    recipe: Recipe

    @classmethod
    def of(cls, recipe: Recipe, part_size: int | None = None) -> "Content":
        """The content of a recipe, written in one piece or in parts.

        S3's etag of an object of parts is the MD5 of their MD5s, and how many they are.
        """
        data = made(recipe)
        md5 = etag = hashlib.md5(data).hexdigest()
        if part_size is not None:
            parts = cut(data, part_size)
            joined = b"".join(hashlib.md5(part).digest() for part in parts)
            etag = f"{hashlib.md5(joined).hexdigest()}-{len(parts)}"
        return cls(etag, md5, hashlib.sha256(data).hexdigest(), recipe)


def cut(data: bytes, size: int) -> list[bytes]:
    """Pieces of that size, the last may be smaller."""
    return [data[start : start + size] for start in range(0, len(data), size)]
