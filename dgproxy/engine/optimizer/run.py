# SPDX-License-Identifier: GPL-2.0-only
"""Optimizes a bucket: its deltaspaces in order, and in each the steps in order.

A deltaspace in which nothing is left to do is marked with what was found in it; while it still looks like
that, under the same policy, it is left alone.
"""

import hashlib
from collections.abc import Callable

from dgproxy.engine import deltaspace, inventory, keys
from dgproxy.engine.context import Engine
from dgproxy.engine.optimizer.references import choose_references
from dgproxy.engine.optimizer.rewrite import rewrite
from dgproxy.engine.optimizer.survey import stored_bytes, take_survey
from dgproxy.engine.optimizer.twins import share_twins
from dgproxy.engine.optimizer.work import Outcome, Work
from dgproxy.engine.pace import Pace
from dgproxy.engine.policy import Policy
from dgproxy.engine.rest import Rest

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
        async for space in inventory.spaces(engine.backend, bucket, keys.OBJECTS, prefix):
            if not go_on():
                break
            outcome = Outcome(bucket, space)
            if await _optimize_space(Work(engine, bucket, space, rest, pace, watch, outcome)):
                report(outcome)
    return True


async def _optimize_space(work: Work) -> bool:
    """Do what is worth doing; False when there is nothing to look at or all was done before."""
    backend, policy, outcome = work.engine.backend, work.engine.policy, work.outcome
    survey = await take_survey(work)
    if not survey.objects:
        return False
    if mark_of(policy, survey.digest) == await deltaspace.optimized(backend, work.bucket, work.space):
        work.watch(survey.objects)
        return False
    outcome.objects = survey.objects
    outcome.before = await stored_bytes(work)
    if survey.twice:
        await share_twins(work, survey.twice)
        survey = await take_survey(work)
    chosen = await choose_references(work, survey)
    digest = await rewrite(work, survey, chosen)
    after = await take_survey(work)
    outcome.after = await stored_bytes(work)
    outcome.references_retired = len(survey.references.keys() - after.references.keys())
    if digest == after.digest and not outcome.failed:  # and nobody wrote meanwhile
        await deltaspace.note_optimized(backend, work.bucket, work.space, mark_of(policy, digest))
    return True


def mark_of(policy: Policy, digest: str) -> str:
    """What stands for a deltaspace in which nothing is left to do, under this policy."""
    rules = (
        f"1 {policy.delta_form.value} {policy.compression} {policy.max_references} {policy.max_delta_ratio}"
    )
    return hashlib.sha256(f"{rules} {digest}".encode()).hexdigest()[:32]
