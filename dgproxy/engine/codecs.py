# SPDX-License-Identifier: GPL-2.0-only
"""The codecs of extents: how the windows of a blob become an object's bytes, and back.

Every codec there has ever been is in this registry, because its name stands in manifests for ever. Each
encodes and decodes one window on its own, given the reference where it needs one. Which codec an object gets
is decided in `engine.policy`; no I/O and no hashes here. Functions are thread-safe, and belong on a worker
thread: a window takes milliseconds.
"""

from dataclasses import dataclass
from typing import Final, Protocol

from dgproxy.codec import forms, frames
from dgproxy.codec.delta import CorruptDelta, SourceIndex, window_room
from dgproxy.codec.forms import Form
from dgproxy.engine.manifest import Codec
from dgproxy.storage.backend import Buffer

#: zstd's level for windows stored whole: 6 makes the tar files and dumps of the codec benchmark 6 to 13 %
#: smaller, at a third of the speed.
_LEVEL: Final = 3


class Coding(Protocol):
    """One codec. `suffix` ends the name of its blobs, `header` is what they start with."""

    @property
    def codec(self) -> Codec:
        """Its name in manifests."""

    @property
    def suffix(self) -> str:
        """What the names of its blobs end in."""

    @property
    def header(self) -> bytes:
        """What its blobs start with, before the first window."""

    @property
    def is_delta(self) -> bool:
        """Whether its windows are read against a reference."""

    def encode(self, window: memoryview, index: SourceIndex | None, position: int) -> Buffer:
        """A window as it is stored; for a delta `position` is the window's offset in its object."""

    def segment(self, stored: Buffer) -> tuple[int, int]:
        """The bytes of the reference that a stored window needs, as (begin, end). Raises CodecError."""

    def decode(self, stored: Buffer, length: int, source: memoryview | None, begins: int = 0) -> Buffer:
        """The window of `length` bytes that was encoded. Raises CodecError when `stored` can't be one.

        `source` is the reference from its byte `begins` on, as far as the window needs it.
        """


@dataclass(frozen=True, slots=True)
class _Raw:
    """Bytes as they are."""

    codec: Codec = "raw"
    suffix: str = ".bin"
    header: bytes = b""
    is_delta: bool = False

    def encode(self, window: memoryview, index: SourceIndex | None, position: int) -> Buffer:
        return window

    def segment(self, stored: Buffer) -> tuple[int, int]:
        return 0, 0

    def decode(self, stored: Buffer, length: int, source: memoryview | None, begins: int = 0) -> Buffer:
        return stored


@dataclass(frozen=True, slots=True)
class _Zstd:
    """Every window a zstd frame of its own; what does not compress is in stored blocks."""

    codec: Codec = "zstd"
    suffix: str = ".bin.zst"
    header: bytes = b""
    is_delta: bool = False

    def encode(self, window: memoryview, index: SourceIndex | None, position: int) -> Buffer:
        return b"".join(frames.worthwhile(window, _LEVEL))

    def segment(self, stored: Buffer) -> tuple[int, int]:
        return 0, 0

    def decode(self, stored: Buffer, length: int, source: memoryview | None, begins: int = 0) -> Buffer:
        return frames.content(stored, length)


@dataclass(frozen=True, slots=True)
class _Delta:
    """Windows of a delta file in one of its forms."""

    codec: Codec
    suffix: str
    form: Form
    is_delta: bool = True

    @property
    def header(self) -> bytes:
        return forms.file_header(self.form)

    def encode(self, window: memoryview, index: SourceIndex | None, position: int) -> Buffer:
        return forms.encode(index, window, self.form, position=position)

    def segment(self, stored: Buffer) -> tuple[int, int]:
        return forms.segment(stored, self.form)

    def decode(self, stored: Buffer, length: int, source: memoryview | None, begins: int = 0) -> Buffer:
        if source is None:
            raise CorruptDelta("REFERENCE", "a delta without a reference in its manifest")
        return forms.decode(source, stored, length, self.form, window_room(length), begins=begins)


RAW: Final[Coding] = _Raw()
ZSTD: Final[Coding] = _Zstd()

_ALL: Final[dict[Codec, Coding]] = {
    coding.codec: coding
    for coding in (
        RAW,
        ZSTD,
        _Delta("vcdiff", ".delta", Form.PLAIN),
        _Delta("vcdiff-zstd", ".delta.zst", Form.DEFAULT),
        _Delta("residual-zstd", ".residual.zst", Form.RESIDUAL),
    )
}


def coding(codec: Codec) -> Coding:
    """The codec of that name."""
    return _ALL[codec]


def delta_in(form: Form) -> Coding:
    """The codec of deltas in this form."""
    return next(each for each in _ALL.values() if each.codec == form.value)
