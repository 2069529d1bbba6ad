# SPDX-License-Identifier: GPL-2.0-only
"""What a listing says of an object, remembered by the backend's stamp.

Promises: a summary is handed out only for exactly the stamp it was read under, so it is never stale; the
memory is bounded by a count of entries of a few hundred bytes each.
"""

from collections import OrderedDict
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

from dgproxy.engine import measures, names
from dgproxy.engine.manifest import Manifest, Reference

#: About 300 bytes each: 20 MB a process when full.
_ENTRIES = 65_536


class UsedReference(NamedTuple):
    """A reference that objects use: its deltaspace, a readable name, its bytes and those of its blob."""

    id: str
    space: str
    name: str
    size: int
    stored: int


@lru_cache(maxsize=4096)
def _shared(*members: Any) -> UsedReference:
    """The same value for all summaries that name the same reference."""
    return UsedReference(*members)


def _used(reference: Reference) -> UsedReference:
    space = names.space_of_blob(reference.blob)
    return _shared(reference.id, space, reference.name, reference.length, reference.cost)


@dataclass(frozen=True, slots=True)
class Summary:
    """A listed object: size in bytes, etag without quotes, creation in milliseconds since the epoch.

    `stored` is the bytes it takes in storage by itself, its manifest and shared references not counted.
    `references` are those it can't be read without.
    """

    size: int
    etag: str
    created: int
    checksums: tuple[str, ...]
    checksum_type: str
    storage: str
    stored: int
    references: tuple[UsedReference, ...]

    @classmethod
    def of(cls, manifest: Manifest) -> "Summary":
        """The summary of a manifest."""
        return cls(
            size=manifest.size,
            etag=manifest.etag,
            created=manifest.created,
            checksums=tuple(sorted(manifest.checksums)),
            checksum_type=manifest.checksum_type,
            storage=manifest.storage,
            stored=manifest.stored if manifest.inline is None else len(manifest.inline),
            references=tuple(sorted(map(_used, manifest.references()))),
        )


class Summaries:
    """The summaries of one process, least recently listed dropped first."""

    def __init__(self, entries: int = _ENTRIES) -> None:
        self._entries = entries
        self._known: OrderedDict[tuple[str, str], tuple[str, Summary]] = OrderedDict()

    def get(self, bucket: str, key: str, stamp: str | None) -> Summary | None:
        """The summary read under `stamp`, if it is still known."""
        known = self._known.get((bucket, key))
        if known is None or known[0] != stamp:
            measures.manifest_summaries.add(1, "miss")
            return None
        measures.manifest_summaries.add(1, "hit")
        self._known.move_to_end((bucket, key))
        return known[1]

    def put(self, bucket: str, key: str, stamp: str | None, summary: Summary) -> None:
        """Remember a summary; one without a stamp can't be recognised again and is not kept."""
        if stamp is None:
            return
        self._known[bucket, key] = (stamp, summary)
        self._known.move_to_end((bucket, key))
        if len(self._known) > self._entries:
            self._known.popitem(last=False)
