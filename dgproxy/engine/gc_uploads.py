# SPDX-License-Identifier: GPL-2.0-only
"""gc of multipart uploads: what is left of those that have ended, and those that nobody will end.

Complete and Abort remove an upload's record, which ends it, and then its parts' records and blobs. A crash in
between leaves part records without an upload; one before it leaves an upload that has become its object
already. Both are finished here, under the upload's lock, as a repeated Complete or Abort would. An upload
that is merely old is its client's: it goes only when the operator says after how long.
"""

from contextlib import suppress
from dataclasses import dataclass

from dgproxy.engine import ids, inventory, keys, names
from dgproxy.engine.context import Engine
from dgproxy.engine.ending import abort
from dgproxy.engine.errors import EngineError, ObjectDamaged, UploadNotFound
from dgproxy.engine.gc import Finding, Options, Outcome, Report, is_old
from dgproxy.engine.pace import Pace
from dgproxy.engine.parts import parse_part
from dgproxy.engine.uploads import Upload, parse_upload, result_of, upload_lock
from dgproxy.storage.backend import RecordNotFound

#: Seconds after which an unfinished upload is worth a line although it stays: a week.
_NOTABLE = 7 * 86400.0


async def collect_uploads(
    engine: Engine, bucket: str, options: Options, report: Report, *, pace: Pace
) -> None:
    """Report uploads of which only something is left, after removing that if `options.delete`.

    Before `gc.collect`, which then finds the blobs of what is removed here. Raises BucketNotFound and the
    storage layer's errors.
    """
    async for prefix in inventory.groups(engine.backend, bucket, keys.UPLOADS):
        upload_id = prefix.removeprefix(keys.UPLOADS)[:-1]
        if ids.is_id(upload_id) and is_old(engine, upload_id, options.older_than):
            await _settle(engine, bucket, upload_id, options, report, pace)


@dataclass(frozen=True, slots=True)
class _State:
    """An upload that is of interest: its record if that can be read, and why it may go; None: it may not."""

    upload: Upload | None
    space: str
    size: int
    why: str
    may_go: bool = True


async def _settle(
    engine: Engine, bucket: str, upload_id: str, options: Options, report: Report, pace: Pace
) -> None:
    async with engine.backend.try_lock(bucket, upload_lock(upload_id)) as alone:
        # Whoever holds it is at work on the upload, so it is not left over.
        state = await _state(engine, bucket, upload_id, options, pace) if alone else None
    if state is None or not state.space.startswith(options.prefix):
        return
    why = state.why
    outcome: Outcome = "found" if state.may_go else "noted"
    if options.delete and state.may_go:
        try:
            await _remove(engine, bucket, upload_id, state.upload)
            outcome = "removed"
        except EngineError as error:
            why, outcome = f"{why}; kept, because {error}", "left"
    report(Finding("upload", bucket, f"{keys.UPLOADS}{upload_id}/", state.size, why, outcome))


async def _state(engine: Engine, bucket: str, upload_id: str, options: Options, pace: Pace) -> _State | None:
    """Look at an upload under its lock, so that no Complete or Abort is half way."""
    age = (engine.now() - ids.created(upload_id)) / 1000
    expired = options.uploads_older_than is not None and age > options.uploads_older_than
    days = f"{age / 86400:.1f} days"
    try:
        stored = await engine.backend.read_record(bucket, keys.upload(upload_id))
        upload = parse_upload(stored, bucket, upload_id)
    except RecordNotFound:
        space, size = await _parts(engine, bucket, upload_id, pace)
        return _State(None, space, size, "parts of an upload that has ended")
    except ObjectDamaged:
        space, size = await _parts(engine, bucket, upload_id, pace)
        why = f"its record is damaged, so it can't be completed; begun {days} ago"
        return _State(None, space, size, why, may_go=expired)
    space = keys.space_of(upload.key)
    what = f"an upload of {upload.key} begun {days} ago"
    try:
        result = await result_of(engine, bucket, upload.key, upload_id)
    except ObjectDamaged:
        return _State(upload, space, 0, f"{what}; the object's manifest is damaged", may_go=False)
    if result is not None:
        return _State(upload, space, 0, f"{what}; it was completed, only its records are left")
    if not expired and age <= _NOTABLE:
        return None
    _, size = await _parts(engine, bucket, upload_id, pace)
    return _State(upload, space, size, f"{what} and not finished", may_go=expired)


async def _parts(engine: Engine, bucket: str, upload_id: str, pace: Pace) -> tuple[str, int]:
    """The deltaspace of an upload's parts and what they store, as far as their records can be read."""
    space, size = "", 0
    async for place, stored in inventory.records(engine.backend, bucket, keys.parts(upload_id), pace):
        with suppress(ObjectDamaged):
            extent = parse_part(stored, bucket, place).extent
            space, size = names.read_name(extent.blob).space, size + extent.stored
    return space, size


async def _remove(engine: Engine, bucket: str, upload_id: str, upload: Upload | None) -> None:
    """End an upload, or finish ending it. Its blobs are garbage then, as far as they are not gone."""
    if upload is not None:
        with suppress(UploadNotFound):  # that is what abort says of one that had become its object
            await abort(engine, bucket, upload.key, upload_id)
        return
    async with engine.backend.lock(bucket, upload_lock(upload_id)):
        # The upload's own record goes first: no part is added from then on.
        with suppress(RecordNotFound):
            await engine.backend.remove_record(bucket, keys.upload(upload_id))
        parts = [item.key async for item in inventory.listed(engine.backend, bucket, keys.parts(upload_id))]
        await engine.backend.remove_blobs(bucket, parts)
