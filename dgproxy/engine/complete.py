# SPDX-License-Identifier: GPL-2.0-only
"""CompleteMultipartUpload: the parts' extents become one manifest.

Idempotent: a repeated Complete, also after a crash or on another process, finds its own result by the
upload's id in the manifest. It is the only one to end the upload (`engine.ending`), so neither another
Complete, nor Abort, nor a late part interferes. No object data moves, except for an object so small that it
goes into its manifest, for one that becomes a reference, and where another Complete may still commit the
parts: they are that one's.
"""

import hashlib
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Literal

import msgspec

from dgproxy.engine import deltaspace, duplicates, keys
from dgproxy.engine.ahead import Ahead
from dgproxy.engine.body import Digests
from dgproxy.engine.commit import Allow, Seen, anything, commit, in_epoch, look
from dgproxy.engine.context import Engine
from dgproxy.engine.copy import ReadingBody
from dgproxy.engine.ending import Claim, ending, finish
from dgproxy.engine.errors import (
    ObjectTooLarge,
    PartInvalid,
    PartTooSmall,
    UploadNotFound,
)
from dgproxy.engine.founding import Founding
from dgproxy.engine.get import open_manifest
from dgproxy.engine.intake import take
from dgproxy.engine.manifest import FORMAT, Manifest, Part
from dgproxy.engine.parts import PartRecord, parts_of
from dgproxy.engine.policy import INLINE_LIMIT, MIN_PART, may_be_reference, mostly_against, storage_type
from dgproxy.engine.put import commit_taken
from dgproxy.engine.reading import Reading
from dgproxy.engine.uploads import Upload
from dgproxy.storage.backend import Buffer, RecordNotFound


@dataclass(frozen=True, slots=True)
class Checksums:
    """What the client's checksums of the parts add up to for the object."""

    values: dict[str, str]
    type: Literal["FULL_OBJECT", "COMPOSITE"]


@dataclass(frozen=True, slots=True)
class WantedPart:
    """A part as Complete lists it: number, and etag without quotes."""

    number: int
    etag: str


#: Compares the upload and its chosen parts with what the client sent, and says what to keep; may raise.
Verify = Callable[[Upload, Sequence[PartRecord]], Checksums]


async def complete(
    engine: Engine,
    bucket: str,
    key: str,
    upload_id: str,
    wanted: Sequence[WantedPart],
    verify: Verify,
    allow: Allow = anything,
) -> Manifest:
    """Make the object of an upload; `wanted` is in ascending order of numbers, not empty.

    Raises UploadNotFound, PartInvalid, PartTooSmall, ObjectTooLarge, what `verify` and `allow` raise, and
    what `commit` raises; the upload is then as it was.
    """
    async with in_epoch(engine, bucket) as epoch, ending(engine, bucket, key, upload_id) as claim:
        async with Ahead[Seen]() as looking:
            looking.start(look(engine, bucket, key, allow))
            parts = [] if claim.upload is None else await parts_of(engine, bucket, upload_id)
            seen = await looking.result()
        done = seen.manifest
        if done is None or done.upload != upload_id:
            if claim.upload is None:
                raise UploadNotFound(f"upload {upload_id} of {bucket}/{key} does not exist (any more)")
            chosen = _choose(parts, wanted)
            manifest = _manifest(engine, claim.upload, chosen, verify(claim.upload, chosen))
            done = await _commit(_Ending(engine, bucket, epoch, claim, seen, allow), manifest)
        if claim.upload is not None:
            records = [keys.part(upload_id, part.number) for part in parts]
            await finish(engine, bucket, claim, claim.upload, parts, records, done)
    return done


@dataclass(frozen=True, slots=True)
class _Ending:
    """What a commit of the upload needs besides the manifest; `seen` is what was there before."""

    engine: Engine
    bucket: str
    epoch: str
    claim: Claim
    seen: Seen
    allow: Allow


def _choose(parts: Sequence[PartRecord], wanted: Sequence[WantedPart]) -> list[PartRecord]:
    """The stored parts that Complete lists. Raises PartInvalid, PartTooSmall."""
    stored = {part.number: part for part in parts}
    chosen = []
    for want in wanted:
        part = stored.get(want.number)
        if part is None or part.etag != want.etag:
            raise PartInvalid(
                f"part {want.number} was not uploaded, or not with the etag {want.etag}", want.number
            )
        chosen.append(part)
    for part in chosen[:-1]:
        if part.size < MIN_PART:
            raise PartTooSmall(
                f"part {part.number} has {part.size} bytes; all but the last need {MIN_PART}",
                part.number,
                part.etag,
                part.size,
            )
    return chosen


def _manifest(engine: Engine, upload: Upload, chosen: Sequence[PartRecord], checksums: Checksums) -> Manifest:
    # S3's multipart etag: the MD5 of the parts' binary MD5s, a dash, the number of parts.
    joined = hashlib.md5(b"".join(bytes.fromhex(part.etag) for part in chosen), usedforsecurity=False)
    extents = tuple(part.extent for part in chosen if part.size)
    return Manifest(
        format=FORMAT,
        key=upload.key,
        generation=engine.new_id(),
        size=sum(part.size for part in chosen),
        etag=f"{joined.hexdigest()}-{len(chosen)}",
        created=engine.now(),
        storage=storage_type(extents),
        checksums=checksums.values,
        checksum_type=checksums.type,
        attributes=upload.attributes,
        parts=tuple(Part(part.number, part.size, part.checksums) for part in chosen),
        upload=upload.id,
        extents=extents,
    )


async def _commit(end: _Ending, manifest: Manifest) -> Manifest:
    """Commit the parts as they are, or their bytes taken in again."""
    engine, bucket, claim, allow = end.engine, end.bucket, end.claim, end.allow
    if manifest.size > engine.policy.object_limit():
        raise ObjectTooLarge(f"the parts add up to {manifest.size} bytes, more than is allowed here")
    allow(end.seen.manifest)
    if claim.locked or claim.in_doubt:
        await _require_blobs(engine, bucket, manifest)
    if claim.in_doubt:
        return await _commit_again(end, manifest)
    shared = await duplicates.share(engine, bucket, manifest, allow)
    if shared is not None:
        return shared
    if manifest.size <= INLINE_LIMIT:
        return await _commit_again(end, manifest)
    if may_be_reference(manifest.size, eligible=engine.policy.eligible(manifest.key)):
        offered = await deltaspace.offered(engine.backend, bucket, keys.space_of(manifest.key))
        founding = Founding(engine, bucket, manifest.key, list(offered))
        against = mostly_against(manifest.extents)
        if against is None and await founding.by_misfit():
            fits = False if offered else None
            return await _commit_again(end, manifest, as_reference=fits)
        if against is not None and await founding.by_drift(against, manifest.size, manifest.stored):
            return await _commit_again(end, manifest, as_reference=True)
    await claim.begin_commit()
    return await duplicates.store(
        engine, bucket, manifest, lambda: commit(engine, bucket, manifest, allow, end.seen, end.epoch), allow
    )


async def _require_blobs(engine: Engine, bucket: str, manifest: Manifest) -> None:
    """Every blob must be there before the manifest says so.

    One is missing when an earlier Complete died after its commit and its object has been replaced since: that
    upload is over, and its blobs went with the object.
    """
    for extent in manifest.extents:
        try:
            async with engine.backend.open_blob(bucket, extent.blob, span=(0, 0)):
                continue
        except RecordNotFound as error:
            raise UploadNotFound(
                f"upload {manifest.upload} was completed before, and its object replaced since"
            ) from error


async def _commit_again(end: _Ending, manifest: Manifest, *, as_reference: bool | None = None) -> Manifest:
    """Take the parts' bytes in as one body and commit that instead; `as_reference` as in `intake.take`."""
    engine, bucket = end.engine, end.bucket
    async with AsyncExitStack() as stack:
        reading = await open_manifest(engine, stack, bucket, manifest, 0, manifest.size, to_store=True)
        body, limit = _Joined(reading, end.claim), engine.policy.object_limit()
        taking = take(
            engine, bucket, manifest.key, body, whole_object=True, limit=limit, as_reference=as_reference
        )
        taken = await stack.enter_async_context(taking)
        extents = () if taken.extent is None else (taken.extent,)
        whole = msgspec.structs.replace(
            manifest,
            storage=storage_type(extents),
            sha256=taken.digests.sha256.hex(),
            inline=taken.inline,
            extents=extents,
            pins=taken.pins,
        )
        await end.claim.begin_commit()
        return await commit_taken(engine, bucket, whole, taken, end.epoch, end.allow, end.seen)


class _Joined(ReadingBody):
    """The parts of an upload as one body; `verify` dealt with their checksums when they were chosen.

    Reading it, however long that takes, keeps the claim.
    """

    def __init__(self, reading: Reading, claim: Claim) -> None:
        super().__init__(reading)
        self._claim = claim

    async def __aiter__(self) -> AsyncIterator[Buffer]:
        async for data in super().__aiter__():
            yield data
            await self._claim.keep()

    def verify(self, digests: Digests) -> dict[str, str]:
        return {}
