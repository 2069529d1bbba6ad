# SPDX-License-Identifier: GPL-2.0-only
"""Manifests remembered for a few seconds, where the operator allows HEAD to be so much behind.

For HEAD alone: bytes are never read by a remembered manifest, and nothing is decided by one. What this
process writes or removes is forgotten before and after, so that it never answers what it has itself replaced;
what another process does shows when the time is over. Memory is bounded by a count; who reads leaves out the
manifests of objects in many pieces.
"""

from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from dgproxy.engine.leases import clock
from dgproxy.engine.manifest import Manifest

_ENTRIES: Final = 2048


class _Known:
    """One manifest, None while it is being read, and when that began."""

    __slots__ = ("began", "manifest")

    def __init__(self, began: float) -> None:
        self.began = began
        self.manifest: Manifest | None = None


class Manifests:
    """The manifests that one process has read in the last `ttl` seconds; 0 remembers nothing."""

    def __init__(self, ttl: float = 0.0) -> None:
        self._ttl = ttl
        self._known: OrderedDict[tuple[str, str], _Known] = OrderedDict()

    def get(self, bucket: str, key: str) -> Manifest | None:
        """The manifest, if it was read a moment ago."""
        known = self._known.get((bucket, key))
        if known is None or clock() - known.began > self._ttl:
            return None
        return known.manifest

    def reading(self, bucket: str, key: str) -> _Known | None:
        """A manifest is about to be read; hand this to `read` together with it."""
        if not self._ttl:
            return None
        self._known[bucket, key] = known = _Known(clock())
        self._known.move_to_end((bucket, key))
        if len(self._known) > _ENTRIES:
            self._known.popitem(last=False)
        return known

    def read(self, known: _Known | None, manifest: Manifest) -> None:
        """What was being read is this, unless it has been forgotten since."""
        if known is not None:
            known.manifest = manifest

    @contextmanager
    def changing(self, bucket: str, key: str) -> Iterator[None]:
        """The block changes the object: what was read, or is being read, may be old."""
        self._known.pop((bucket, key), None)
        try:
            yield
        finally:
            self._known.pop((bucket, key), None)

    def forget_bucket(self, bucket: str) -> None:
        """All of a bucket goes."""
        for place in [place for place in self._known if place[0] == bucket]:
            del self._known[place]
