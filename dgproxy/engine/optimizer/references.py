# SPDX-License-Identifier: GPL-2.0-only
"""Which references a deltaspace should have: measured, chosen, made where they are new, and offered.

Candidates are the references that are there and some of the objects. What was measured decides
(`plan.choose`), on samples first, and in full before anything is made. Of the objects only those that become
references change here; the rest is `rewrite`'s part.
"""

from dgproxy.engine import deltaspace
from dgproxy.engine.commit import discard_blobs
from dgproxy.engine.errors import EngineError
from dgproxy.engine.manifest import Manifest, Reference
from dgproxy.engine.optimizer.measure import Sample, against, alone, in_full, take_sample
from dgproxy.engine.optimizer.plan import CANDIDATES, PRESENT, SAMPLES, Costs, choose, confirmed, spread
from dgproxy.engine.optimizer.recode import as_reference
from dgproxy.engine.optimizer.survey import Survey, founded, shares
from dgproxy.engine.optimizer.work import Work
from dgproxy.engine.policy import REFERENCE_LIMIT
from dgproxy.storage.backend import RecordNotFound


async def choose_references(work: Work, survey: Survey) -> list[Reference]:
    """The references that the objects are to have; those that are new are made and offered.

    Those that are there come the most used first.
    """
    present = [survey.references[each] for each, _ in survey.users.most_common()]
    if len(survey.samples) < 2:
        return present
    most_used = present[:PRESENT]
    candidates, samples, costs = await _measure(work, survey, most_used)
    most = work.engine.policy.max_references
    best = await work.engine.workers.run(choose, costs, range(len(most_used)), most)
    if best is None or not await _confirmed(work, candidates, samples, costs, best, len(most_used)):
        return present
    chosen = []
    for number in best:
        candidate = candidates[number]
        if isinstance(candidate, Manifest):
            made = await _make(work, candidate)
            if made is not None:
                chosen.append(made)
        else:
            chosen.append(candidate)
    return await _offer(work, chosen) or present


async def _confirmed(
    work: Work,
    candidates: list[Reference | Manifest],
    samples: list[Sample],
    costs: Costs,
    best: tuple[int, ...],
    present: int,
) -> bool:
    """Whether these candidates save enough when the samples are encoded in full, each against its own one.

    Only asked where a reference would be made: to offer fewer of those that are there costs nothing.
    """
    if all(number < present for number in best):
        return True
    taken = list(costs.alone)
    try:
        for number in best:
            theirs = [
                place
                for place in range(len(samples))
                if costs.deltas[number][place] <= min(costs.deltas[other][place] for other in best)
                and costs.deltas[number][place] < costs.alone[place]
            ]
            sizes = await in_full(work, candidates[number], [samples[place].manifest for place in theirs])
            for place, size in zip(theirs, sizes, strict=True):
                if work.engine.policy.keeps_delta(size, samples[place].manifest.size):
                    taken[place] = min(taken[place], size)
    except (EngineError, RecordNotFound):
        return False  # replaced since, or damaged: the next run sees how it is then
    stored = [0.0 if founded(each.manifest) else float(each.manifest.stored) for each in samples]
    return confirmed(costs, best, range(present), taken, stored)


async def _make(work: Work, manifest: Manifest) -> Reference | None:
    try:
        made = await as_reference(work.engine, work.bucket, manifest, work.rest)
    except (EngineError, RecordNotFound) as error:
        work.failed(manifest, error)
        return None
    work.outcome.references_made += made is not None
    return made


async def _offer(work: Work, chosen: list[Reference]) -> list[Reference]:
    """Offer those that are still needed by their objects, and no others; none is removed meanwhile."""
    backend, bucket, space = work.engine.backend, work.bucket, work.space
    async with deltaspace.writing(backend, bucket, space):
        alive = [each for each in chosen if await deltaspace.kept_by(backend, bucket, each.blob)]
        if alive:
            await deltaspace.offer_only(backend, bucket, space, tuple(alive))
    await discard_blobs(work.engine, bucket, (), {space: ()})
    return alive


async def _measure(
    work: Work, survey: Survey, present: list[Reference]
) -> tuple[list[Reference | Manifest], list[Sample], Costs]:
    """Candidates (those `present` first), samples, and what these take against each."""
    places = spread(len(survey.samples), CANDIDATES)
    asked = [survey.samples[place] for place in places]
    few = len(survey.samples) <= SAMPLES
    others = survey.samples if few else [each for each in survey.samples if each not in asked]
    samples = [sample for each in others if (sample := await take_sample(work, each)) is not None]
    candidates: list[Reference | Manifest] = [*present]
    whole = [float(reference.cost) for reference in present]
    apart = [await alone(work, sample) for sample in samples]
    deltas = [await against(work, reference, samples, apart) for reference in present]
    for manifest in asked:
        if manifest.size > REFERENCE_LIMIT or founded(manifest) or shares(manifest):
            continue
        sample = await take_sample(work, manifest)
        if sample is not None:
            candidates.append(manifest)
            whole.append(await alone(work, sample))
            deltas.append(await against(work, manifest, samples, apart))
    numbers = {reference.id: number for number, reference in enumerate(present)}
    now = [
        _now(sample.manifest, [deltas[numbers[each]][place] for each in _used(sample) & numbers.keys()])
        for place, sample in enumerate(samples)
    ]
    weight = survey.objects / len(samples) if samples else 0.0
    elsewhere = sum(each.cost for each in survey.references.values() if each.id not in numbers)
    return candidates, samples, Costs(whole, deltas, apart, now, weight, float(elsewhere))


def _used(sample: Sample) -> set[str]:
    """The ids of the references a sample is stored against."""
    return {reference.id for reference in sample.manifest.references()}


def _now(manifest: Manifest, against_its_own: list[float]) -> float:
    """What a sample takes as it is, by the same measure if there is one; nothing more for a reference."""
    if founded(manifest):
        return 0.0
    return min(against_its_own, default=float(manifest.stored))
