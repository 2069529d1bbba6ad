# SPDX-License-Identifier: GPL-2.0-only
"""The optimizer: what an upload had no time or no knowledge for, done later, one deltaspace at a time.

An upload knows what was there before it and has to be quick. Here a deltaspace is looked at as it is: objects
that are alike are measured against each other (`optimize_measure`), the few that all others are closest to
become its references (`optimize_plan`), and every object is encoded thoroughly against the best of them
(`recode`). References that nobody uses then go; where a few objects keep one, they move if that saves more
than they grow by. Bytes that are there twice are shared.

Promises: no client sees anything of it but space, and none is waited for or kept waiting: an object that is
written meanwhile is left alone, the encoder rests in proportion (`rest`), and the only lock held is the one
that writers share. One process at a time works on a bucket. It remembers nothing but what storage says: an
extent that is as small as it gets says so, and so does a deltaspace in which nothing is left to do.
"""

import hashlib
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final

import msgspec
import structlog

from dgproxy.engine import deltaspace, hints, inventory, keys, sharing
from dgproxy.engine.commit import discard_blobs, parse, read
from dgproxy.engine.context import Engine
from dgproxy.engine.errors import EngineError, ObjectDamaged, ObjectNotFound
from dgproxy.engine.fingerprints import Fingerprints, of_text
from dgproxy.engine.manifest import Manifest, Reference
from dgproxy.engine.optimize_measure import Sample, against, alone, indexed, take_sample
from dgproxy.engine.optimize_plan import (
    CANDIDATES,
    PRESENT,
    SAMPLES,
    WORTH_WRITING,
    Costs,
    choose,
    spread,
    worth_retiring,
)
from dgproxy.engine.pace import Pace
from dgproxy.engine.policy import PLACES, REFERENCE_LIMIT, Policy
from dgproxy.engine.recode import TooLarge, as_delta, as_reference, settle
from dgproxy.engine.rest import Rest
from dgproxy.engine.spans import span, windows_of
from dgproxy.storage.backend import RecordNotFound

_log = structlog.get_logger(__name__)


#: Digests of bytes that are there more than once, shared in one run at most.
_TWINS: Final = 10_000


class Outcome(msgspec.Struct):
    """What came of a deltaspace: its blobs in bytes, and what was done."""

    bucket: str
    deltaspace: str
    before: int = 0
    after: int = 0
    objects: int = 0
    #: Objects written anew, new references, references that went, objects that share another's blobs.
    rewritten: int = 0
    references_made: int = 0
    references_retired: int = 0
    shared: int = 0
    #: Objects that could not be read or written; the log says why.
    failed: int = 0

    @property
    def changed(self) -> bool:
        """Whether anything was done."""
        return bool(self.rewritten or self.references_made or self.references_retired or self.shared)


Report = Callable[[Outcome], None]


async def optimize(
    engine: Engine,
    bucket: str,
    prefix: str,
    report: Report,
    *,
    rest: Rest,
    pace: Pace,
    watch: Callable[[int], None] = lambda _: None,
    go_on: Callable[[], bool] = lambda: True,
) -> bool:
    """Optimize the deltaspaces of a bucket that start with `prefix`; False when another process does already.

    `watch` is called with the number of objects done; `go_on` is asked before each deltaspace. Raises
    BucketNotFound and the storage layer's errors.
    """
    async with engine.backend.try_lock(bucket, "optimizer") as alone:
        if not alone:
            return False
        async for space in _spaces(engine, bucket, prefix):
            if not go_on():
                break
            outcome = await _Deltaspace(engine, bucket, space, rest, pace, watch).optimize()
            if outcome is not None:
                report(outcome)
    return True


def _spaces(engine: Engine, bucket: str, prefix: str) -> inventory.Walk[str]:
    """The deltaspaces there are, in order."""
    pending = [keys.space_of(prefix)]

    async def fill() -> list[str] | None:
        if not pending:
            return None
        space = pending.pop()
        below = [
            keys.object_key(group)
            async for group in inventory.groups(engine.backend, bucket, keys.manifest(space))
        ]
        pending.extend(each for each in reversed(below) if each.startswith(prefix) or prefix.startswith(each))
        return [space] if space.startswith(prefix) else []

    return inventory.Walk(fill)


def mark_of(policy: Policy, digest: str) -> str:
    """What stands for a deltaspace in which nothing is left to do, under this policy."""
    rules = (
        f"1 {policy.delta_form.value} {policy.compression} {policy.max_references} {policy.max_delta_ratio}"
    )
    return hashlib.sha256(f"{rules} {digest}".encode()).hexdigest()[:32]


@dataclass(slots=True)
class _Survey:
    """What a walk over the manifests of a deltaspace shows, in little memory."""

    digest: str = ""
    objects: int = 0
    #: By id; those of this deltaspace.
    references: dict[str, Reference] = field(default_factory=dict)
    users: Counter[str] = field(default_factory=Counter)
    samples: list[Manifest] = field(default_factory=list)
    #: Content digests that were met more than once.
    twice: set[str] = field(default_factory=set)


def _line(manifest: Manifest) -> bytes:
    return f"{manifest.key}\n{manifest.generation}\n".encode()


class _Changed(Exception):
    """A client wrote meanwhile."""


@dataclass(slots=True)
class _Deltaspace:
    engine: Engine
    bucket: str
    space: str
    rest: Rest
    pace: Pace
    watch: Callable[[int], None]

    async def optimize(self) -> Outcome | None:
        """Do what is worth doing; None when there is nothing to look at or all was done before."""
        survey = await self._survey()
        if not survey.objects:
            return None
        mark = mark_of(self.engine.policy, survey.digest)
        if mark == await deltaspace.optimized(self.engine.backend, self.bucket, self.space):
            self.watch(survey.objects)
            return None
        outcome = Outcome(self.bucket, self.space, objects=survey.objects)
        outcome.before = await self._stored()
        if survey.twice:
            await self._share(survey.twice, outcome)
            survey = await self._survey()
        chosen = await self._choose(survey, outcome)
        digest = await self._rewrite(survey, chosen, outcome)
        after = await self._survey()
        outcome.after = await self._stored()
        outcome.references_retired = len(survey.references.keys() - after.references.keys())
        if digest == after.digest and not outcome.failed:  # and nobody wrote meanwhile
            mark = mark_of(self.engine.policy, digest)
            await deltaspace.note_optimized(self.engine.backend, self.bucket, self.space, mark)
        return outcome

    # -- looking -------------------------------------------------------------------------------------------

    def _manifests(self) -> inventory.Walk[Manifest]:
        """The objects of the deltaspace that take part in it and have blobs."""
        prefix = keys.manifest(self.space)
        found = inventory.records(self.engine.backend, self.bucket, prefix, self.pace, deep=False)

        async def fill() -> list[Manifest] | None:
            async for place, stored in found:
                with suppress(ObjectDamaged):  # verify's business
                    manifest = parse(stored, self.bucket, keys.object_key(place))
                    if manifest.extents and self.engine.policy.eligible(manifest.key):
                        return [manifest]
            return None

        return inventory.Walk(fill)

    async def _survey(self) -> _Survey:
        survey, digest, contents = _Survey(), hashlib.sha256(), Fingerprints()
        count = 0
        async for item in inventory.listed(
            self.engine.backend, self.bucket, keys.manifest(self.space), deep=False
        ):
            count += self.engine.policy.eligible(item.key)
        wanted = set(spread(count, SAMPLES + CANDIDATES))
        async for manifest in self._manifests():
            digest.update(_line(manifest))
            content = hints.content_digest(manifest)
            if of_text(content) in contents and len(survey.twice) < _TWINS:
                survey.twice.add(content)
            contents.add(of_text(content))
            if survey.objects in wanted and not _shares(manifest):
                survey.samples.append(manifest)
            survey.objects += 1
            for reference in manifest.references():
                if keys.space_of_blob(reference.blob) == self.space:
                    survey.references[reference.id] = reference
                    survey.users[reference.id] += 1
        survey.digest = digest.hexdigest()
        return survey

    async def _stored(self) -> int:
        """Bytes of the deltaspace's blobs."""
        total = 0
        place = inventory.SPACES + self.space
        async for item in inventory.listed(self.engine.backend, self.bucket, place, deep=False):
            total += 0 if item.key.endswith(".json") else item.size
        return total

    # -- what is there twice -------------------------------------------------------------------------------

    async def _share(self, twice: set[str], outcome: Outcome) -> None:
        """Let objects of the same bytes use the same blobs."""
        first: dict[str, str] = {}
        async for manifest in self._manifests():
            content = hints.content_digest(manifest)
            if content not in twice:
                continue
            key = first.setdefault(content, manifest.key)
            if key != manifest.key:
                with suppress(ObjectNotFound, ObjectDamaged, RecordNotFound, _Changed):
                    outcome.shared += await self._share_one(key, manifest)

    async def _share_one(self, key: str, manifest: Manifest) -> bool:
        engine, bucket = self.engine, self.bucket
        twin = await read(engine, bucket, key)
        if twin.blobs() & manifest.blobs() or hints.content_digest(twin) != hints.content_digest(manifest):
            return False

        def unchanged(current: Manifest | None) -> None:
            if current != manifest:
                raise _Changed

        await self._read(twin)
        again = msgspec.structs.replace(manifest, generation=engine.new_id(), pins=())
        return await sharing.share(engine, bucket, twin, again, unchanged) is not None

    async def _read(self, manifest: Manifest) -> None:
        """Read all bytes: what others are to rely on must be sound. Raises ObjectDamaged, RecordNotFound."""
        for start, stop in windows_of(manifest.size):
            await self.pace.spend(len(await span(self.engine, self.bucket, manifest, start, stop)))
            await self.rest.after(0)

    # -- the references ------------------------------------------------------------------------------------

    async def _choose(self, survey: _Survey, outcome: Outcome) -> list[Reference]:
        """The references that the objects are to have; those that are new are made and offered.

        Those that are there come the most used first.
        """
        present = [survey.references[each] for each, _ in survey.users.most_common()]
        if len(survey.samples) < 2:
            return present
        most_used = present[:PRESENT]
        candidates, costs = await self._measure(survey, most_used)
        most = self.engine.policy.max_references
        best = await self.engine.workers.run(choose, costs, range(len(most_used)), most)
        if best is None:
            return present
        chosen = []
        for number in best:
            candidate = candidates[number]
            if isinstance(candidate, Manifest):
                made = await self._make(candidate, outcome)
                if made is not None:
                    chosen.append(made)
            else:
                chosen.append(candidate)
        return await self._offer(chosen) or present

    async def _offer(self, chosen: list[Reference]) -> list[Reference]:
        """Offer those that are still needed by their objects, and no others; none is removed meanwhile."""
        backend, bucket, space = self.engine.backend, self.bucket, self.space
        async with deltaspace.writing(backend, bucket, space):
            alive = [each for each in chosen if await deltaspace.kept_by(backend, bucket, each.blob)]
            if alive:
                await deltaspace.offer_only(backend, bucket, space, tuple(alive))
        await discard_blobs(self.engine, bucket, (), {space: ()})
        return alive

    async def _make(self, manifest: Manifest, outcome: Outcome) -> Reference | None:
        try:
            made = await as_reference(self.engine, self.bucket, manifest, self.rest)
        except (EngineError, RecordNotFound) as error:
            self._failed(manifest, outcome, error)
            return None
        outcome.references_made += made is not None
        return made

    async def _measure(
        self, survey: _Survey, present: list[Reference]
    ) -> tuple[list[Reference | Manifest], Costs]:
        """Candidates (those `present` first) and what the samples take against each."""
        places = spread(len(survey.samples), CANDIDATES)
        asked = [survey.samples[place] for place in places]
        few = len(survey.samples) <= SAMPLES
        others = survey.samples if few else [each for each in survey.samples if each not in asked]
        samples = [sample for each in others if (sample := await self._sample(each)) is not None]
        candidates: list[Reference | Manifest] = [*present]
        whole = [float(reference.cost) for reference in present]
        apart = [await alone(self.engine, sample, self.rest) for sample in samples]
        deltas = [await self._against(reference, samples, apart) for reference in present]
        for manifest in asked:
            if manifest.size > REFERENCE_LIMIT or _founded(manifest) or _shares(manifest):
                continue
            sample = await self._sample(manifest)
            if sample is not None:
                candidates.append(manifest)
                whole.append(await alone(self.engine, sample, self.rest))
                deltas.append(await self._against(manifest, samples, apart))
        numbers = {reference.id: number for number, reference in enumerate(present)}
        now = [
            _now(sample.manifest, [deltas[numbers[each]][place] for each in _used(sample) & numbers.keys()])
            for place, sample in enumerate(samples)
        ]
        weight = survey.objects / len(samples) if samples else 0.0
        elsewhere = sum(each.cost for each in survey.references.values() if each.id not in numbers)
        return candidates, Costs(whole, deltas, apart, now, weight, float(elsewhere))

    async def _sample(self, manifest: Manifest) -> Sample | None:
        try:
            await self.pace.spend(manifest.stored)
            return await take_sample(self.engine, self.bucket, manifest)
        except (EngineError, RecordNotFound):
            return None  # replaced since, or damaged: there are others

    async def _against(
        self, candidate: Reference | Manifest, samples: list[Sample], apart: list[float]
    ) -> list[float]:
        """What each sample takes against a candidate; what it takes alone where that is no use."""
        try:
            async with indexed(self.engine, self.bucket, candidate) as index:
                taken = []
                for sample, whole in zip(samples, apart, strict=True):
                    if sample.manifest is candidate:
                        taken.append(0.0)
                        continue
                    size = await against(self.engine, index, sample, self.rest)
                    kept = self.engine.policy.keeps_delta(int(size), sample.manifest.size)
                    taken.append(min(size, whole) if kept else whole)
                return taken
        except (EngineError, RecordNotFound):
            return list(apart)

    # -- the objects ---------------------------------------------------------------------------------------

    async def _rewrite(self, survey: _Survey, chosen: list[Reference], outcome: Outcome) -> str:
        """Encode what is not encoded as well as it can be; the digest of the survey that should follow."""
        digest = hashlib.sha256()
        growth: dict[str, int] = {}
        renewed = not {reference.id for reference in chosen} <= survey.references.keys()
        async for manifest in self._manifests():
            self.watch(1)
            after = manifest
            if not _shares(manifest) and not _is_done(manifest, chosen, renewed=renewed):
                try:
                    after = await self._rewrite_one(manifest, chosen, growth, outcome) or manifest
                except (EngineError, RecordNotFound) as error:
                    self._failed(manifest, outcome, error)
            digest.update(_line(after))
        for reference_id, more in growth.items():
            if worth_retiring(more, survey.references[reference_id].cost):
                await self._retire(reference_id, chosen, outcome)
        return digest.hexdigest()

    async def _rewrite_one(
        self, manifest: Manifest, chosen: list[Reference], growth: dict[str, int], outcome: Outcome
    ) -> Manifest | None:
        """Encode one object thoroughly, if that makes it smaller; None when it stays."""
        best = await self._best(manifest, chosen)
        if best is None:
            await settle(self.engine, self.bucket, manifest)
            return None
        limit = self._limit(manifest, worth_writing_below(manifest.stored))
        try:
            done = await as_delta(self.engine, self.bucket, manifest, best, limit, self.rest)
        except TooLarge:
            leaving = {reference.id for reference in manifest.references()}.difference(
                reference.id for reference in chosen
            )
            if not leaving:
                await settle(self.engine, self.bucket, manifest)
            for reference_id in leaving:
                more = await self._growth(manifest, best)
                growth[reference_id] = growth.get(reference_id, 0) + more
            return None
        outcome.rewritten += done is not None
        return done

    def _limit(self, manifest: Manifest, most: int) -> int:
        """Bytes that a delta must stay below."""
        return min(most, int(self.engine.policy.max_delta_ratio * manifest.size))

    async def _growth(self, manifest: Manifest, reference: Reference) -> int:
        """About how much more an object takes against another reference."""
        sample = await self._sample(manifest)
        if sample is None:
            return 0
        (size,) = await self._against(reference, [sample], [float(manifest.size)])
        own = 0 if _founded(manifest) else manifest.stored
        return int(size) - own

    async def _best(self, manifest: Manifest, chosen: list[Reference]) -> Reference | None:
        """The reference that promises most for an object; None when none promises anything."""
        own = manifest.references()
        asked = [each for number, each in enumerate(chosen) if number < PRESENT or each in own]
        if len(asked) == 1:
            return asked[0]
        promised: list[tuple[float, str, Reference]] = []
        start, stop = windows_of(manifest.size)[0]
        window = memoryview(await span(self.engine, self.bucket, manifest, start, stop))
        for reference in asked:
            with suppress(ObjectDamaged):
                saving = await self.engine.references.likeness(self.bucket, reference, window, 0, PLACES)
                promised.append((saving, reference.id, reference))
        return max(promised)[2] if promised and max(promised)[0] > 0 else None

    async def _retire(self, reference_id: str, chosen: list[Reference], outcome: Outcome) -> None:
        """Move the last users of a reference to others, although they grow."""
        async for manifest in self._manifests():
            if _shares(manifest) or reference_id not in {each.id for each in manifest.references()}:
                continue
            try:
                best = await self._best(manifest, chosen)
                if best is not None:
                    limit = self._limit(manifest, manifest.size)
                    done = await as_delta(self.engine, self.bucket, manifest, best, limit, self.rest)
                    outcome.rewritten += done is not None
            except TooLarge:
                continue
            except (EngineError, RecordNotFound) as error:
                self._failed(manifest, outcome, error)

    def _failed(self, manifest: Manifest, outcome: Outcome, error: Exception) -> None:
        outcome.failed += 1
        _log.warning("object not optimized", bucket=self.bucket, key=manifest.key, error=str(error))


def worth_writing_below(stored: int) -> int:
    """Bytes below which an object that takes `stored` is worth being written anew."""
    return int((1 - WORTH_WRITING) * stored)


def _founded(manifest: Manifest) -> bool:
    """Whether the object's bytes are a reference."""
    return any(each.reference is not None and each.blob == each.reference.blob for each in manifest.extents)


def _shares(manifest: Manifest) -> bool:
    """Whether others use its blobs, other than as a reference: then a new form of it would be one more."""
    if any(keys.space_of_blob(blob) != keys.space_of(manifest.key) for blob in manifest.blobs()):
        return True
    return not manifest.blobs() <= manifest.own_blobs() and not _founded(manifest)


def _used(sample: Sample) -> set[str]:
    """The ids of the references a sample is stored against."""
    return {reference.id for reference in sample.manifest.references()}


def _now(manifest: Manifest, against_its_own: list[float]) -> float:
    """What a sample takes as it is, by the same measure if there is one; nothing more for a reference."""
    if _founded(manifest):
        return 0.0
    return min(against_its_own, default=float(manifest.stored))


def _is_done(manifest: Manifest, chosen: list[Reference], *, renewed: bool) -> bool:
    """Whether an object is as small as it gets: thorough, against a reference that stays."""
    stay = manifest.references() <= set(chosen)
    if _founded(manifest):
        return stay
    return stay and not renewed and all(extent.thorough for extent in manifest.extents)
