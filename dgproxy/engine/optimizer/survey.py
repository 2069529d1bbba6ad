# SPDX-License-Identifier: GPL-2.0-only
"""What is in a deltaspace: a walk over its manifests, kept in little memory however many there are.

Looks at records and names only, never at an object's bytes; nothing is changed here.
"""

import hashlib
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final

from dgproxy.engine import hints, inventory, keys, names
from dgproxy.engine.commit import parse
from dgproxy.engine.errors import ObjectDamaged
from dgproxy.engine.fingerprints import Fingerprints, of_text
from dgproxy.engine.manifest import Manifest, Reference
from dgproxy.engine.optimizer.plan import CANDIDATES, SAMPLES, spread
from dgproxy.engine.optimizer.work import Work

#: Digests of bytes that are there more than once, shared in one run at most.
_TWINS: Final = 10_000


@dataclass(slots=True)
class Survey:
    """What a walk over the manifests of a deltaspace shows."""

    digest: str = ""
    objects: int = 0
    #: By id; those of this deltaspace.
    references: dict[str, Reference] = field(default_factory=dict)
    users: Counter[str] = field(default_factory=Counter)
    samples: list[Manifest] = field(default_factory=list)
    #: Content digests that were met more than once.
    twice: set[str] = field(default_factory=set)


def line(manifest: Manifest) -> bytes:
    """What an object adds to the digest of a survey."""
    return f"{manifest.key}\n{manifest.generation}\n".encode()


def founded(manifest: Manifest) -> bool:
    """Whether the object's bytes are a reference."""
    return any(each.reference is not None and each.blob == each.reference.blob for each in manifest.extents)


def shares(manifest: Manifest) -> bool:
    """Whether others use its blobs, other than as a reference: then a new form of it would be one more."""
    if any(names.space_of_blob(blob) != keys.space_of(manifest.key) for blob in manifest.blobs()):
        return True
    return not manifest.blobs() <= manifest.own_blobs() and not founded(manifest)


def manifests(work: Work) -> inventory.Walk[Manifest]:
    """The objects of the deltaspace that take part in it and have blobs."""
    prefix = keys.manifest(work.space)
    found = inventory.records(work.engine.backend, work.bucket, prefix, work.pace, deep=False)

    async def fill() -> list[Manifest] | None:
        async for place, stored in found:
            with suppress(ObjectDamaged):  # verify's business
                manifest = parse(stored, work.bucket, keys.object_key(place))
                if manifest.extents and work.engine.policy.eligible(manifest.key):
                    return [manifest]
        return None

    return inventory.Walk(fill)


async def take_survey(work: Work) -> Survey:
    """Walk over the deltaspace. Raises BucketNotFound and the storage layer's errors."""
    survey, digest, contents = Survey(), hashlib.sha256(), Fingerprints()
    wanted = set(spread(await _eligible(work), SAMPLES + CANDIDATES))
    async for manifest in manifests(work):
        digest.update(line(manifest))
        content = hints.content_digest(manifest)
        if of_text(content) in contents and len(survey.twice) < _TWINS:
            survey.twice.add(content)
        contents.add(of_text(content))
        if survey.objects in wanted and not shares(manifest):
            survey.samples.append(manifest)
        survey.objects += 1
        for reference in manifest.references():
            if names.space_of_blob(reference.blob) == work.space:
                survey.references[reference.id] = reference
                survey.users[reference.id] += 1
    survey.digest = digest.hexdigest()
    return survey


async def _eligible(work: Work) -> int:
    """How many objects may take part, by their names."""
    backend, prefix = work.engine.backend, keys.manifest(work.space)
    count = 0
    async for item in inventory.listed(backend, work.bucket, prefix, deep=False):
        count += work.engine.policy.eligible(item.key)
    return count


async def stored_bytes(work: Work) -> int:
    """Bytes of the deltaspace's blobs."""
    total = 0
    place = keys.SPACES + work.space
    async for item in inventory.listed(work.engine.backend, work.bucket, place, deep=False):
        total += 0 if item.key.endswith(".json") else item.size
    return total
