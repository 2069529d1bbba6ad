# SPDX-License-Identifier: GPL-2.0-only
"""COPY: an object, or a range of one, as the body of a write.

Bytes are read through `engine.get`, so they are checked on the way, and written like any other body, against
the destination's own deltaspace. Giving an object new attributes moves no bytes at all: that is
`put.replace_attributes`.
"""

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

from dgproxy.engine.body import Body, Digests
from dgproxy.engine.commit import Allow, anything
from dgproxy.engine.context import Engine
from dgproxy.engine.get import Plan, Reading, open_object
from dgproxy.engine.manifest import Attributes, Manifest
from dgproxy.engine.multipart import PartRecord, put_part
from dgproxy.engine.put import put_object
from dgproxy.storage.backend import Buffer


@dataclass(frozen=True, slots=True)
class Source:
    """Where a copy reads from, and the `plan` that checks its conditions and picks the range."""

    bucket: str
    key: str
    plan: Plan


class ReadingBody(Body):
    """A reading opened with `to_store` as a body: what the reading has checked needs no further proof."""

    def __init__(self, reading: Reading) -> None:
        self._reading = reading

    @property
    def size(self) -> int:
        """The length of the range that is read."""
        return self._reading.stop - self._reading.start

    @property
    def memory_is_leased(self) -> bool:
        """Always: a copy that held half of what it needs and waited for the rest could wait for itself."""
        return True

    def __aiter__(self) -> AsyncIterator[Buffer]:
        """The checked bytes."""
        return aiter(self._reading)

    def verify(self, digests: Digests) -> dict[str, str]:
        """The checksums of the object that was read, where they are those of all its bytes."""
        manifest = self._reading.manifest
        whole = digests.size == manifest.size
        return manifest.checksums if whole and manifest.checksum_type == "FULL_OBJECT" else {}


async def copy_object(
    engine: Engine,
    source: Source,
    bucket: str,
    key: str,
    attributes: Callable[[Manifest], Attributes],
    allow: Allow = anything,
    body: Callable[[Reading], Body] = ReadingBody,
) -> Manifest:
    """Store a copy of `source` as `key`; `attributes` are chosen by the source's manifest.

    `body` makes the body that is stored of the reading. Raises what `open_object` and `put_object` raise.
    """
    async with open_object(engine, source.bucket, source.key, source.plan, to_store=True) as reading:
        chosen = attributes(reading.manifest)
        return await put_object(engine, bucket, key, body(reading), chosen, allow)


async def copy_part(
    engine: Engine,
    source: Source,
    bucket: str,
    key: str,
    upload_id: str,
    number: int,
    body: Callable[[Reading], Body] = ReadingBody,
) -> PartRecord:
    """Store a range of `source` as a part; `body` as in `copy_object`.

    Raises what `open_object` and `put_part` raise.
    """
    async with open_object(engine, source.bucket, source.key, source.plan, to_store=True) as reading:
        return await put_part(engine, bucket, key, upload_id, number, body(reading))
