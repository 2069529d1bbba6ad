# SPDX-License-Identifier: GPL-2.0-only
"""Decisions about how to store things, as pure functions of what is known: no I/O, no state, no clock.

Whoever acts on a decision (`engine.intake`, `engine.complete`) asks here; a rule about *how* to store
something that stands anywhere else is in the wrong place.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Literal

from dgproxy.codec.forms import Form
from dgproxy.engine.codecs import RAW, ZSTD, Coding, coding, delta_in
from dgproxy.engine.manifest import WINDOW, Extent, Reference

#: Objects up to this many bytes live inside their manifest: one write, one read, two or three disk blocks.
INLINE_LIMIT = 8 << 10

#: Bytes of a multipart object that Complete will copy into a reference: about half a minute, half of the
#: minute after which aws-cli and boto3 give up on an answer (botocore's default read_timeout).
REFERENCE_LIMIT = 8 << 30

#: Share of a window that a delta must promise to save to be tried: less never gives a delta that is kept.
FITS = 0.1

#: The same for a body that is being stored whole, because what was stored must be read and encoded then.
FITS_LATER = 0.3

#: References whose promises differ by less are equals: about what a sample errs by.
EQUAL = 0.03

#: Places of the first window that are looked up in each reference, and of later ones.
PLACES = 240
PLACES_LATER = 60

#: What compresses to less than this share of its size is stored compressed; zip archives have 0.98 and more.
COMPRESSIBLE = 0.9

#: S3's limits on a PUT or part, an object, and the smallest part but the last (Amazon S3 User Guide,
#: "Amazon S3 multipart upload limits").
MAX_PUT = 5 << 30
MAX_OBJECT = 5 << 40
MIN_PART = 5 << 20

_DIGITS = re.compile(r"[0-9]+")


@dataclass(frozen=True, slots=True)
class Policy:
    """The configured part of every decision."""

    #: Keys that end in one of these (lower case) are worth a delta; "*" stands for every key.
    delta_suffixes: tuple[str, ...]
    #: A delta is kept when it is smaller than this share of its extent.
    max_delta_ratio: float
    #: Bytes; None leaves only S3's own limits.
    max_object_size: int | None = None
    #: What deltas are stored in.
    delta_form: Form = Form.RESIDUAL
    #: Whether what is stored whole is compressed where that pays.
    compression: bool = True
    #: References a deltaspace offers at most; what a lost race adds beyond is its object's, and not offered.
    max_references: int = 4

    def eligible(self, key: str) -> bool:
        """Whether an object of this name takes part in its deltaspace."""
        return "*" in self.delta_suffixes or key.lower().endswith(self.delta_suffixes)

    def keeps_delta(self, delta_size: int, original_size: int) -> bool:
        """Whether a finished delta is small enough to be stored instead of the bytes."""
        return delta_size < self.max_delta_ratio * original_size

    def hopeless(self, delta_size: int, declared_size: int | None) -> bool:
        """Whether a delta under way can't be kept any more, even if all that follows cost nothing."""
        return declared_size is not None and not self.keeps_delta(delta_size, declared_size)

    def whole_coding(self, share: float) -> Coding:
        """The codec of what is stored without a reference, when its start compresses to `share` of it."""
        return ZSTD if self.compression and share < COMPRESSIBLE else RAW

    def looks_again(self, number: int, stored: int, declared_size: int | None) -> bool:
        """Whether to look for a reference anew at window `number`, with `stored` bytes stored whole so far.

        At windows 1, 3, 7 and so on, so that what is stored a second time is never more than half; and not
        when that would be too much already.
        """
        return number & (number + 1) == 0 and not self.hopeless(stored, declared_size)

    @property
    def delta_coding(self) -> Coding:
        """The codec of new deltas."""
        return delta_in(self.delta_form)

    def put_limit(self) -> int:
        """The largest body of one PUT or part, in bytes."""
        return min(MAX_PUT, self.object_limit())

    def object_limit(self) -> int:
        """The largest object, however it arrives, in bytes."""
        return MAX_OBJECT if self.max_object_size is None else min(MAX_OBJECT, self.max_object_size)


def memory_for(size: int | None) -> int:
    """Bytes of memory a body of this size needs in flight: a window filling, one in work, and its result.

    Where a reference may have to be read in stretches, `unpack.STRETCH_MEMORY` comes on top.
    """
    if size is None or size > WINDOW:
        return 3 * WINDOW
    return 2 * size


def memory_to_store(size: int | None, write_memory: int) -> int:
    """The same for a body that is stored, where a blob being written has up to `write_memory` by itself."""
    return memory_for(size) + (write_memory if size is None else min(size, write_memory))


def storage_type(extents: Iterable[Extent]) -> Literal["delta", "direct"]:
    """How an object of these extents is reported: one delta extent makes it a delta."""
    return "delta" if any(coding(extent.codec).is_delta for extent in extents) else "direct"


def closest(promised: Sequence[tuple[Reference, float]], name: str, least: float) -> Reference | None:
    """The reference that promises to save most, if that is `least`; the name decides among equals.

    Names are compared without their digits, which are the version; the newest of those alike is taken.
    """
    most = max((saving for _, saving in promised), default=0.0)
    if most < least:
        return None
    equals = [reference for reference, saving in promised if saving > most - EQUAL]
    if len(equals) == 1:
        return equals[0]
    return max(equals, key=lambda reference: (_alike(reference.name, name), reference.id))


def _alike(one: str, other: str) -> float:
    """How much of two names is the same, 0 to 1."""
    return SequenceMatcher(None, _DIGITS.sub("", one), _DIGITS.sub("", other), autojunk=False).ratio()


def may_be_reference(size: int, *, eligible: bool) -> bool:
    """Whether the bytes of a completed upload may be taken in again to become a reference."""
    return eligible and size <= REFERENCE_LIMIT


def mostly_against(extents: Iterable[Extent]) -> Reference | None:
    """The reference that most bytes of these extents are deltas against."""
    lengths: dict[Reference, int] = {}
    for extent in extents:
        if coding(extent.codec).is_delta and extent.reference is not None:
            lengths[extent.reference] = lengths.get(extent.reference, 0) + extent.length
    return max(lengths, key=lambda reference: lengths[reference], default=None)
