# SPDX-License-Identifier: GPL-2.0-only
"""What the records of a bucket point to: the marking half of gc.

`mark` shows every readable record to a `Marks`: the parts of unfinished uploads first and then the manifests,
because a completed part goes from the one to the other. What an unreadable record points to can't be known;
that there is one is marked instead, with the deltaspace its object is in.
"""

from collections.abc import Callable, Collection
from typing import Protocol

from dgproxy.engine import fingerprints, inventory, keys, names
from dgproxy.engine.commit import parse
from dgproxy.engine.context import Engine
from dgproxy.engine.errors import ObjectDamaged
from dgproxy.engine.fingerprints import Fingerprints
from dgproxy.engine.hints import content_digest
from dgproxy.engine.manifest import Extent, Manifest
from dgproxy.engine.pace import Pace
from dgproxy.engine.parts import parse_part
from dgproxy.engine.uploads import parse_upload
from dgproxy.storage.backend import RecordNotFound


class Marks(Protocol):
    """Takes down what is in use."""

    def blob(self, blob_id: str) -> None:
        """A record uses this blob or holds this pin."""

    def content(self, space: str, digest: str) -> None:
        """An object of this deltaspace has these bytes (`hints.content_digest`)."""

    def unreadable(self, space: str | None) -> None:
        """A record about an object of this deltaspace, or of any when None, can't be read."""


class InUse:
    """All of it, as fingerprints."""

    def __init__(self) -> None:
        self._ids = Fingerprints()
        self._contents = Fingerprints()

    def blob(self, blob_id: str) -> None:
        """See `Marks`."""
        self._ids.add(fingerprints.of_id(blob_id))

    def content(self, space: str, digest: str) -> None:
        """See `Marks`."""
        self._contents.add(fingerprints.of_text(space + digest))

    def unreadable(self, space: str | None) -> None:
        """Of no interest yet: suspects are marked again."""

    def __contains__(self, blob_id: str) -> bool:
        return fingerprints.of_id(blob_id) in self._ids

    def has_content(self, space: str, digest: str) -> bool:
        """Whether an object of this deltaspace has these bytes."""
        return fingerprints.of_text(space + digest) in self._contents


class Doubts:
    """The suspects among it, and what can't be known."""

    def __init__(self, suspects: Collection[str]) -> None:
        self._suspects = suspects
        self.used: set[str] = set()
        self.spaces: set[str] = set()
        self.anywhere = False

    def blob(self, blob_id: str) -> None:
        """See `Marks`."""
        if blob_id in self._suspects:
            self.used.add(blob_id)

    def content(self, space: str, digest: str) -> None:
        """Of no interest: hints are not proven this way."""

    def unreadable(self, space: str | None) -> None:
        """See `Marks`."""
        if space is None:
            self.anywhere = True
        else:
            self.spaces.add(space)


async def mark(
    engine: Engine,
    bucket: str,
    spaces: Collection[str] | None,
    marks: Marks,
    pace: Pace,
    watch: Callable[[int], None] = lambda _: None,
) -> None:
    """Show `marks` what all uploads use, and all objects; only objects right in `spaces` if that is given.

    `watch` is called with the number of manifests read. Raises BucketNotFound and the storage layer's errors.
    """
    async for prefix in inventory.groups(engine.backend, bucket, keys.UPLOADS):
        await _mark_upload(engine, bucket, prefix.removeprefix(keys.UPLOADS)[:-1], marks, pace)
    for space in [None] if spaces is None else sorted(spaces):
        prefix = keys.manifest(space or "")
        found = inventory.records(engine.backend, bucket, prefix, pace, deep=space is None)
        async for place, stored in found:
            watch(1)
            key = keys.object_key(place)
            try:
                _mark_manifest(parse(stored, bucket, key), marks)
            except ObjectDamaged:
                marks.unreadable(keys.space_of(key))


async def _mark_upload(engine: Engine, bucket: str, upload_id: str, marks: Marks, pace: Pace) -> None:
    try:
        stored = await engine.backend.read_record(bucket, keys.upload(upload_id))
    except RecordNotFound:
        return  # it has ended: what its parts were became its object's, or nobody's
    try:
        space = keys.space_of(parse_upload(stored, bucket, upload_id).key)
    except ObjectDamaged:
        space = None
    async for place, part in inventory.records(engine.backend, bucket, keys.parts(upload_id), pace):
        try:
            _mark_extent(parse_part(part, bucket, place).extent, marks)
        except ObjectDamaged:
            marks.unreadable(space)


def _mark_manifest(manifest: Manifest, marks: Marks) -> None:
    for extent in manifest.extents:
        _mark_extent(extent, marks)
    for pin in manifest.pins:
        marks.blob(names.read_name(pin).id)
    if manifest.extents:
        marks.content(keys.space_of(manifest.key), content_digest(manifest))


def _mark_extent(extent: Extent, marks: Marks) -> None:
    marks.blob(names.read_name(extent.blob).id)
    if extent.reference is not None:
        marks.blob(extent.reference.id)
