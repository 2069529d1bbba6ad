# SPDX-License-Identifier: GPL-2.0-only
"""The manifest: the record that makes an object exist, and what it says about where the bytes are.

Plain immutable data and the questions one can ask of it; reading and writing are `engine.record`'s and
`engine.commit`'s. Every field is described in `docs/STORAGE_FORMAT.md`; a new field needs a default, so that
older manifests stay readable.
"""

from typing import Final, Literal

import msgspec

from dgproxy.engine import names

#: The only value of `Manifest.format` this version writes and reads.
FORMAT: Final = 1

#: Bytes of an object in one window: the unit of encode, decode, check, range read and memory.
WINDOW: Final = 4 << 20

#: How a blob's windows become an object's bytes; names are for ever, and `engine.codecs` knows them all.
Codec = Literal["raw", "zstd", "vcdiff", "vcdiff-zstd", "residual-zstd"]


class Reference(msgspec.Struct, frozen=True, omit_defaults=True):
    """Bytes that deltas copy from: id, blob, and the length in bytes and SHA-256 (hex) of these bytes.

    The blob has `stored` bytes in `codec`, which is never that of a delta. `name` is a readable piece of the
    name of the object that brought the bytes.
    """

    id: str
    blob: str
    length: int
    sha256: str
    codec: Codec = "raw"
    #: 0 in what older versions wrote: then it is `length`.
    stored: int = 0
    name: str = ""
    #: The stored bytes of each window, where they are compressed; empty in what older versions wrote.
    windows: tuple[int, ...] = ()

    @property
    def cost(self) -> int:
        """Bytes of its blob."""
        return self.stored or self.length


class Window(msgspec.Struct, frozen=True, array_like=True):
    """`length` original bytes with this SHA-256, stored as `stored` bytes at `offset` of the blob."""

    length: int
    offset: int
    stored: int
    sha256: bytes


class Extent(msgspec.Struct, frozen=True, omit_defaults=True):
    """A stretch of an object in one blob.

    With the codec of a delta the windows decode against `reference`. With another and a `reference`, the blob
    *is* the reference's and belongs to it, not to the object. `thorough`: the optimizer has done what it can.
    """

    blob: str
    codec: Codec
    length: int
    stored: int
    windows: tuple[Window, ...]
    reference: Reference | None = None
    thorough: bool = False


class Part(msgspec.Struct, frozen=True, omit_defaults=True):
    """A part of a completed multipart upload: number, size, and the checksums its client gave."""

    number: int
    size: int
    checksums: dict[str, str] = {}


class Attributes(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a client says about an object besides its bytes; names in lower case."""

    headers: dict[str, str] = {}
    metadata: dict[str, str] = {}
    tags: dict[str, str] = {}


class Manifest(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """One generation of one object."""

    format: Literal[1]
    key: str
    generation: str
    size: int
    etag: str
    #: Milliseconds since the epoch.
    created: int
    storage: Literal["delta", "direct"]
    #: Hex; of the whole object, when it was taken in as one body.
    sha256: str | None = None
    #: Algorithm in lower case ("crc32", …) -> base64.
    checksums: dict[str, str] = {}
    checksum_type: Literal["FULL_OBJECT", "COMPOSITE"] = "FULL_OBJECT"
    attributes: Attributes = Attributes()
    parts: tuple[Part, ...] = ()
    #: The multipart upload this came from: a repeated Complete finds its own result here.
    upload: str | None = None
    #: The object itself, when it is small.
    inline: bytes | None = None
    extents: tuple[Extent, ...] = ()
    #: Pin blobs that keep for this object what it shares with others: see `engine.sharing`.
    pins: tuple[str, ...] = ()

    @property
    def stored(self) -> int:
        """Bytes in blobs of this object's own or of the reference it is; the manifest itself not counted."""
        return sum(extent.stored for extent in self.extents)

    def references(self) -> set[Reference]:
        """Every reference this object can't be read without."""
        return {extent.reference for extent in self.extents if extent.reference is not None}

    def blobs(self) -> set[str]:
        """Every blob that holds bytes of this object, its own or shared with others; no references."""
        return {extent.blob for extent in self.extents}

    def own_blobs(self) -> set[str]:
        """What goes when this generation goes: its pins, and the blobs it holds no pin of."""
        return self.blobs() - self.shared_blobs() | set(self.pins)

    def shared_blobs(self) -> set[str]:
        """What others may need, too: its references, and the blobs it holds a pin of."""
        pinned = {names.pinned_id(pin) for pin in self.pins}
        kept = {blob for blob in self.blobs() if names.blob_id(blob) in pinned}
        return kept | {reference.blob for reference in self.references()}
