# SPDX-License-Identifier: GPL-2.0-only
"""Every object of a deltaspace against the reference that suits it best, where that saves enough.

Whether an object is written anew is decided here, how is `recode`'s business. What is as small as it gets is
noted in its manifest, so that the next run does not try again.
"""

import hashlib
from contextlib import suppress
from typing import Final

from dgproxy.engine.errors import EngineError, ObjectDamaged
from dgproxy.engine.likeness import likeness
from dgproxy.engine.manifest import Manifest, Reference
from dgproxy.engine.optimizer.measure import in_full
from dgproxy.engine.optimizer.plan import PRESENT, spread, worth_retiring, worth_writing_below
from dgproxy.engine.optimizer.recode import TooLarge, as_delta, settle
from dgproxy.engine.optimizer.survey import Survey, founded, line, manifests, shares
from dgproxy.engine.optimizer.work import Work
from dgproxy.engine.policy import PLACES
from dgproxy.engine.spans import span, windows_of
from dgproxy.storage.backend import RecordNotFound

#: Windows of an object that are looked at to find its reference: a beginning alone says little of a zip file.
_LOOKS: Final = 4


async def rewrite(work: Work, survey: Survey, chosen: list[Reference]) -> str:
    """Encode what is not encoded as well as it can be; the digest of the survey that should follow."""
    digest = hashlib.sha256()
    growth: dict[str, int] = {}
    renewed = not {reference.id for reference in chosen} <= survey.references.keys()
    async for manifest in manifests(work):
        work.watch(1)
        after = manifest
        if not shares(manifest) and not _is_done(manifest, chosen, renewed=renewed):
            try:
                after = await _rewrite_one(work, manifest, chosen, growth) or manifest
            except (EngineError, RecordNotFound) as error:
                work.failed(manifest, error)
        digest.update(line(after))
    for reference_id, more in growth.items():
        if worth_retiring(more, survey.references[reference_id].cost):
            await _retire(work, reference_id, chosen)
    return digest.hexdigest()


async def _rewrite_one(
    work: Work, manifest: Manifest, chosen: list[Reference], growth: dict[str, int]
) -> Manifest | None:
    """Encode one object thoroughly, if that makes it smaller; None when it stays.

    One that stays because it would grow adds to the `growth` of each reference that it alone may keep.
    """
    best = await _best(work, manifest, chosen)
    if best is None:
        await settle(work.engine, work.bucket, manifest)
        return None
    limit = _limit(work, manifest, worth_writing_below(manifest.stored))
    try:
        done = await as_delta(work.engine, work.bucket, manifest, best, limit, work.rest)
    except TooLarge:
        leaving = {reference.id for reference in manifest.references()}.difference(
            reference.id for reference in chosen
        )
        if not leaving:
            await settle(work.engine, work.bucket, manifest)
        more = await _growth(work, manifest, best) if leaving else 0
        for reference_id in leaving:
            growth[reference_id] = growth.get(reference_id, 0) + more
        return None
    work.outcome.rewritten += done is not None
    return done


async def _retire(work: Work, reference_id: str, chosen: list[Reference]) -> None:
    """Move the last users of a reference to others, although they grow."""
    async for manifest in manifests(work):
        if shares(manifest) or reference_id not in {each.id for each in manifest.references()}:
            continue
        try:
            best = await _best(work, manifest, chosen)
            if best is not None:
                limit = _limit(work, manifest, manifest.size)
                done = await as_delta(work.engine, work.bucket, manifest, best, limit, work.rest)
                work.outcome.rewritten += done is not None
        except TooLarge:
            continue
        except (EngineError, RecordNotFound) as error:
            work.failed(manifest, error)


async def _best(work: Work, manifest: Manifest, chosen: list[Reference]) -> Reference | None:
    """The reference that promises most for an object; None when none promises anything."""
    own = manifest.references()
    asked = [each for number, each in enumerate(chosen) if number < PRESENT or each in own]
    if len(asked) == 1:
        return asked[0]
    promised = dict.fromkeys(asked, 0.0)
    windows = windows_of(manifest.size)
    for start, stop in (windows[place] for place in spread(len(windows), _LOOKS)):
        window = memoryview(await span(work.engine, work.bucket, manifest, start, stop))
        for reference in asked:
            with suppress(ObjectDamaged):
                async with work.engine.references.sketched(work.bucket, reference) as sketch:
                    saving = await work.engine.workers.run(likeness, sketch, window, start, PLACES)
                promised[reference] += saving
    best = max(asked, key=lambda reference: (promised[reference], reference.id), default=None)
    return best if best is not None and promised[best] > 0 else None


def _limit(work: Work, manifest: Manifest, most: int) -> int:
    """Bytes that a delta must stay below."""
    return min(most, int(work.engine.policy.max_delta_ratio * manifest.size))


async def _growth(work: Work, manifest: Manifest, reference: Reference) -> int:
    """How much more an object takes against another reference."""
    (size,) = await in_full(work, reference, [manifest])
    own = 0 if founded(manifest) else manifest.stored
    return size - own


def _is_done(manifest: Manifest, chosen: list[Reference], *, renewed: bool) -> bool:
    """Whether an object is as small as it gets: thorough, against a reference that stays."""
    stay = manifest.references() <= set(chosen)
    if founded(manifest):
        return stay
    return stay and not renewed and all(extent.thorough for extent in manifest.extents)
