# SPDX-License-Identifier: GPL-2.0-only
"""Who ends an upload, and what goes then: Complete and Abort exclude each other, also between hosts.

Where locks reach every process, the upload's lock says it all. Elsewhere the upload's record does: who wants
to end the upload claims it, by compare-and-swap, and only then looks at the parts. A part that is stored at
the same time looks at the record after its own is written: if the upload is claimed by then, the part may or
may not be what the claimant saw, so neither it nor what it replaced is removed; whatever of them is not used
is garbage.

A claim that was not kept because its process died, or stands still, is taken over after `_LEASE`. Nothing
can stop the commit of who lost it: it may be on its way to the store. So an upload that was taken over is *in
doubt*, for ever. Its parts are never committed a second time (their bytes are, stored anew), nor removed by
who ends it, but by gc: what the late commit points to is there. docs/SCALING.md has the proof.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Final

import msgspec

from dgproxy.engine import keys, leases, record
from dgproxy.engine.context import Engine
from dgproxy.engine.errors import BucketClosing, Contended, UploadNotFound
from dgproxy.engine.manifest import Manifest
from dgproxy.engine.parts import PartRecord, discard_parts, part_keys, readable_parts
from dgproxy.engine.uploads import Upload, find_version, result_of, upload_lock
from dgproxy.storage.backend import RecordNotFound, StorageError, VersionConflict

#: Milliseconds after which a claim counts as left behind: longer than a Complete takes with its retries.
#: Hosts whose clocks differ by more take over what was not left behind: that costs work, never an object.
_LEASE: Final = 60_000

#: Seconds after which who holds a claim says once more that he does.
_KEPT: Final = 20.0

#: Seconds that one who finds a claim waits for its end, and between two looks.
_PATIENCE: Final = 20.0
_PAUSE: Final = 0.2

#: What leaves open whether a commit took place.
_OPEN: Final = (StorageError, BucketClosing, asyncio.CancelledError)


class Claim:
    """What `ending` gives: the upload, and the right to end it.

    `upload` is None when there is none of that id for that key; then there is nothing to end.
    """

    def __init__(self, engine: Engine, bucket: str) -> None:
        self._engine = engine
        self._bucket = bucket
        self._version = ""
        self._since = 0.0
        self.upload: Upload | None = None
        #: The object's manifest may be on its way.
        self.committing = False
        #: A lock does it: the record does not tell who has tried before, and nobody can take over.
        self.locked = engine.backend.capabilities.exclusive_locks

    @property
    def in_doubt(self) -> bool:
        """Whether another may still commit the parts."""
        return self.upload is not None and self.upload.in_doubt

    async def take(self, key: str, upload_id: str) -> None:
        """Find the upload, and claim it where no lock does that. Raises Contended, and what `find` raises."""
        until = asyncio.get_running_loop().time() + _PATIENCE
        while True:
            try:
                upload, version = await find_version(self._engine, self._bucket, key, upload_id)
            except UploadNotFound:
                return
            if self.locked:
                self.upload, self._version = upload, version
                return
            if self._engine.now() - upload.ending > _LEASE:
                in_doubt = upload.in_doubt or upload.ending != 0
                try:
                    await self._write(msgspec.structs.replace(upload, in_doubt=in_doubt), version)
                except VersionConflict:
                    continue
                return
            if asyncio.get_running_loop().time() > until:
                raise Contended(
                    f"upload {upload_id} of {self._bucket} is being completed or aborted; try again"
                )
            await asyncio.sleep(_PAUSE)

    async def keep(self) -> None:
        """See, in work that takes long, that nobody takes the claim over. Raises Contended when one has."""
        if self.locked or self.upload is None or leases.clock() - self._since < _KEPT:
            return
        try:
            await self._write(self.upload, self._version)
        except VersionConflict as error:
            raise self.lost() from error

    async def begin_commit(self) -> None:
        """`keep`; from now on the upload is given back only when it is certain that nothing was committed."""
        await self.keep()
        self.committing = True

    async def release(self) -> None:
        """Let the upload go on, unless somebody else has it by now; if that fails, the claim stands."""
        if self.locked or self.upload is None:
            return
        going_on = msgspec.structs.replace(self.upload, ending=0, ending_by="")
        try:
            await self._engine.backend.write_record(
                self._bucket, keys.upload(going_on.id), record.encode(going_on), expect=self._version
            )
        except StorageError:
            return

    async def end(self, upload: Upload) -> bool:
        """Remove the upload's record; False when somebody else has taken over, and ends it."""
        try:
            await self._engine.backend.remove_record(
                self._bucket, keys.upload(upload.id), expect=self._version
            )
        except (RecordNotFound, VersionConflict):
            return False
        return True

    def lost(self) -> Contended:
        """What to say when somebody else has taken over."""
        what = "" if self.upload is None else self.upload.id
        return Contended(f"upload {what} of {self._bucket} was taken over by another meanwhile")

    async def _write(self, upload: Upload, expect: str) -> None:
        since, engine = leases.clock(), self._engine
        claimed = msgspec.structs.replace(upload, ending=engine.now(), ending_by=engine.new_id())
        self._version = await engine.backend.write_record(
            self._bucket, keys.upload(upload.id), record.encode(claimed), expect=expect
        )
        self.upload, self._since = claimed, since


@asynccontextmanager
async def ending(engine: Engine, bucket: str, key: str, upload_id: str) -> AsyncIterator[Claim]:
    """Be the only one to end an upload, whether it exists or not, for the block.

    Where the block raises and it is certain that it changed nothing, the upload goes on. Raises Contended
    when another is at it for long, ObjectDamaged and the storage layer's errors.
    """
    async with engine.backend.lock(bucket, upload_lock(upload_id)):
        claim = Claim(engine, bucket)
        await claim.take(key, upload_id)
        try:
            yield claim
        except (Exception, asyncio.CancelledError) as error:
            if claim.committing and isinstance(error, _OPEN):
                raise  # whether the commit took place, or will, nobody knows: the claim stands for its lease
            await claim.release()
            raise


async def abort(engine: Engine, bucket: str, key: str, upload_id: str) -> None:
    """End an upload and remove its parts.

    Raises UploadNotFound, also when the upload had become its object and only its records were left: that is
    put in order, and the object stays. ObjectDamaged when that can't be found out.
    """
    async with ending(engine, bucket, key, upload_id) as claim:
        if claim.upload is None:
            raise UploadNotFound(f"upload {upload_id} of {bucket}/{key} does not exist (any more)")
        places = await part_keys(engine, bucket, upload_id)
        parts = await readable_parts(engine, bucket, places)
        result = await result_of(engine, bucket, key, upload_id)
        ended = await finish(engine, bucket, claim, claim.upload, parts, places, result)
    if result is not None:
        raise UploadNotFound(f"upload {upload_id} of {bucket}/{key} was completed")
    if not ended:
        raise claim.lost()


async def finish(
    engine: Engine,
    bucket: str,
    claim: Claim,
    upload: Upload,
    parts: list[PartRecord],
    records: Sequence[str],
    result: Manifest | None,
) -> bool:
    """Remove an upload's record, which ends it, and then all of it that its `result` is not made of.

    `records` are the keys of all its part records, the unreadable ones included. What dies in between leaves
    garbage, no half upload. False when somebody else has taken over: then nothing was done.
    """
    if not await claim.end(upload):
        return False
    kept = set() if result is None else result.blobs()
    blobs = {part.extent.blob for part in parts}
    if claim.in_doubt and blobs.isdisjoint(kept):
        kept = blobs  # who may still commit them has not done so
    await discard_parts(engine, bucket, parts, records=records, kept=kept)
    return True
