# SPDX-License-Identifier: GPL-2.0-only
"""COPY: an object, or a range of one, as the body of a write.

Inside a bucket the copy shares the blobs of its source (`engine.sharing`). Otherwise bytes are read through
`engine.get`, so they are checked on the way, and written like any other body, against the destination's own
deltaspace. Giving an object new attributes moves no bytes at all: that is `put.replace_attributes`.
"""

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

import msgspec

from dgproxy.engine.body import Body, Digests
from dgproxy.engine.commit import Allow, anything, check, commit, read
from dgproxy.engine.context import Engine
from dgproxy.engine.get import Plan, open_object
from dgproxy.engine.incoming import Incoming
from dgproxy.engine.manifest import Attributes, Manifest
from dgproxy.engine.parts import PartRecord, put_part
from dgproxy.engine.put import put_object
from dgproxy.engine.reading import Reading
from dgproxy.engine.sharing import share
from dgproxy.engine.uploads import Upload
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

    `body` makes the body that is stored of the reading; one of the caller's has all bytes read. Raises what
    `open_object` and `put_object` raise.
    """
    if source.bucket == bucket and body is ReadingBody:
        shared = await _share(engine, source, key, attributes, allow)
        if shared is not None:
            return shared
    async with open_object(engine, source.bucket, source.key, source.plan, to_store=True) as reading:
        chosen = attributes(reading.manifest)
        return await put_object(engine, bucket, key, body(reading), chosen, allow)


async def _share(
    engine: Engine,
    source: Source,
    key: str,
    attributes: Callable[[Manifest], Attributes],
    allow: Allow,
) -> Manifest | None:
    """A copy inside a bucket that moves no bytes; None when that is not possible."""
    original = await read(engine, source.bucket, source.key)
    if source.plan(original) != (0, original.size) or original.size > engine.policy.put_limit():
        return None
    await check(engine, source.bucket, key, allow)
    copy = await _copy_of(engine, source, original)
    if copy is None:
        return None
    copy = msgspec.structs.replace(copy, key=key, attributes=attributes(original))
    if copy.extents:
        return await share(engine, source.bucket, original, copy, allow)
    await commit(engine, source.bucket, copy, allow)
    return copy


async def _copy_of(engine: Engine, source: Source, original: Manifest) -> Manifest | None:
    """A manifest of the same bytes, but for its key and attributes, as if they had come in one body.

    The etag of a multipart object says nothing of the MD5 of its bytes: those are read for it, and checked.
    None when the object was replaced meanwhile.
    """
    copy = msgspec.structs.replace(
        original,
        generation=engine.new_id(),
        created=engine.now(),
        checksums=original.checksums if original.checksum_type == "FULL_OBJECT" else {},
        checksum_type="FULL_OBJECT",
        parts=(),
        upload=None,
        pins=(),
    )
    if not original.parts:
        return copy
    async with open_object(engine, source.bucket, source.key, source.plan, to_store=True) as reading:
        if reading.manifest.extents != original.extents:
            return None
        incoming = Incoming(ReadingBody(reading), original.size)
        while window := await incoming.window():
            await engine.workers.run(incoming.digest, window)
    digests = incoming.digests()
    return msgspec.structs.replace(copy, etag=digests.md5.hex(), sha256=digests.sha256.hex())


async def copy_part(
    engine: Engine,
    source: Source,
    bucket: str,
    upload: Upload,
    number: int,
    body: Callable[[Reading], Body] = ReadingBody,
) -> PartRecord:
    """Store a range of `source` as a part; `body` as in `copy_object`.

    Raises what `open_object` and `put_part` raise.
    """
    async with open_object(engine, source.bucket, source.key, source.plan, to_store=True) as reading:
        return await put_part(engine, bucket, upload, number, body(reading))
