# SPDX-License-Identifier: GPL-2.0-only
"""Where an export writes to, as the rest of it sees that. `files` and `uploads` are the targets there are."""

from typing import Literal, Protocol

from dgproxy.engine.manifest import Manifest
from dgproxy.engine.reading import Reading

__all__ = ["Target", "TargetError", "Unwritable", "Verdict"]

#: Whether an object is there: the same, another, or the bytes must be read to know.
Verdict = Literal["absent", "same", "differs", "unsure"]


class Unwritable(Exception):
    """One object can't be written; why."""


class TargetError(Exception):
    """The target as a whole can't be written; why."""


class Target(Protocol):
    """A directory or a bucket."""

    async def look(self, manifest: Manifest, *, checksum: bool) -> Verdict:
        """What is known of an object without reading bytes. Raises Unwritable."""

    async def compare(self, reading: Reading) -> bool:
        """Whether the object that is there, and has the size, has the bytes. Raises Unwritable."""

    async def write(self, reading: Reading, *, overwrite: bool) -> None:
        """Write all of an object; it is there whole or not at all. Raises Unwritable."""
