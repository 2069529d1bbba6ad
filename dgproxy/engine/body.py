# SPDX-License-Identifier: GPL-2.0-only
"""What the engine asks of a body on its way in, whoever sends it.

A body is read once, front to back. Before anything is committed the engine shows its sender what arrived;
the sender compares it with what it promised and refuses by raising. Nothing here knows HTTP.
"""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Protocol

from dgproxy.storage.backend import Buffer


@dataclass(frozen=True, slots=True)
class Digests:
    """What the engine computed over the whole body: raw MD5 and SHA-256, and its length in bytes."""

    md5: bytes
    sha256: bytes
    size: int


class Body(Protocol):
    """Bytes to store."""

    @property
    def size(self) -> int | None:
        """The length the sender declared, in bytes, or None."""

    @property
    def memory_is_leased(self) -> bool:
        """Its owner has already taken from the budget what storing it needs (`policy.memory_for`)."""

    def __aiter__(self) -> AsyncIterator[Buffer]:
        """The bytes; a chunk is valid until the next one is asked for."""

    def verify(self, digests: Digests) -> dict[str, str]:
        """Called once, after the last byte and before the commit.

        Returns the client checksums to keep (algorithm in lower case -> base64); raises the sender's own
        error when what arrived is not what was promised.
        """
