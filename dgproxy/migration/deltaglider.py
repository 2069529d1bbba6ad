# SPDX-License-Identifier: GPL-2.0-only
"""What DeltaGlider's programs write beside the bytes, read: pure functions of names, metadata and JSON.

Two programs write one format: the DeltaGlider CLI and SDK (PyPI `deltaglider`) and DeltaGlider Proxy as it
was before this one. A directory of theirs has

    reference.bin     what the deltas beside it are against
    <name>.delta      the object <name>, as xdelta3 made it, secondary compression and all
    <name>.direct     the object <name>, as it is (early versions)
    <name>            the object <name>, as it is

and says of each what it is: in user metadata of S3 objects (`dg-…`), in the extended attribute
`user.dg.metadata` of files (JSON), or in a file `<file>.meta` beside it (the same JSON, early versions).

Observed on deltaglider 6.2.0 and the published sources of both; where versions differ, all of them are read.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

import msgspec

from dgproxy.migration.places import Unreadable

__all__ = ["DELTA", "DIRECT", "FOLDER", "REFERENCE", "SIDECAR", "Said", "in_json", "in_metadata", "internal"]

REFERENCE: Final = "reference.bin"
DELTA: Final = ".delta"
DIRECT: Final = ".direct"
SIDECAR: Final = ".meta"
#: The file that stands for the key of its directory, which ends in '/'.
FOLDER: Final = ".dg-folder-marker"
#: Where early versions kept the directory of a bucket's top, below `deltaspaces`.
TOP: Final = "_root_/"

#: What is theirs and no object: temporary files, the probe of a start, the index for listings. And temporary
#: files of early versions, whose name might be anybody's.
_INTERNAL: Final = re.compile(r"(?:.*/)?(?:\.dg-tmp\..*|\.dg_xattr_probe)|\.dg/facts/.*", re.DOTALL)
_TEMPORARY: Final = re.compile(r"(?:.*/)?\.tmp[A-Za-z0-9]{6}", re.DOTALL)

_META: Final = "x-amz-meta-"
_OURS: Final = ("dg-", "dg_")
#: A user's own metadata, in the user metadata of DeltaGlider Proxy.
_USER: Final = "user-"
#: Names without `dg-` that early versions wrote.
_BARE: Final = (
    "tool", "original-name", "file-sha256", "file-size", "created-at", "ref-key", "ref-path", "ref-sha256",
    "delta-size", "delta-cmd", "note", "compression", "source-name",
)  # fmt: skip
_NAMES: Final = frozenset({*_BARE, *(name.replace("-", "_") for name in _BARE), "content-type"})
_DIGEST: Final = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Said:
    """What is said of one stored thing: of the object it stands for, and of how it is stored.

    `size` is None and `sha256` '' where that is not said. `reference` is the key of the reference as it was
    written, relative to the directory or to the bucket. `headers` are the client's, with `x-amz-meta-`, and
    without a Content-Type where that is not said.
    """

    sha256: str
    size: int | None
    created: int | None
    headers: Mapping[str, str] = field(default_factory=dict)
    note: str = ""
    reference: str = ""
    reference_sha256: str = ""
    encrypted: bool = False

    @property
    def is_reference(self) -> bool:
        """Whether these bytes are no object, but what deltas are against."""
        return self.note == "reference"


def internal(key: str, *, anyone: bool) -> bool:
    """Whether a key is neither an object nor needed to read one; `anyone`: their files are around."""
    return _INTERNAL.fullmatch(key) is not None or (anyone and _TEMPORARY.fullmatch(key) is not None)


def in_metadata(headers: Mapping[str, str]) -> Said | None:
    """What the headers of an answer say, names in lower case; None when DeltaGlider didn't write it.

    Raises Unreadable when it did and what it says makes no sense.
    """
    found = {name.removeprefix(_META): value for name, value in headers.items() if name.startswith(_META)}

    def value(name: str) -> str:
        for spelled in (f"dg-{name}", f"dg_{name.replace('-', '_')}", name, name.replace("-", "_")):
            if found.get(spelled):
                return found[spelled]
        return ""

    if not value("tool").startswith("deltaglider") or not value("file-sha256"):
        return None
    # The type in the headers is that of the stored bytes, which need not be the object.
    kept = {
        name: text for name, text in headers.items() if not name.startswith(_META) and name != "content-type"
    }
    if found.get("content-type"):
        kept["content-type"] = found["content-type"]
    for name, text in found.items():
        if name.startswith(_USER):
            kept[_META + name.removeprefix(_USER)] = text
        elif not name.startswith(_OURS) and name not in _NAMES:
            kept[_META + name] = text
    return Said(
        _digest(value("file-sha256")),
        _size(value("file-size")),
        _time(value("created-at")),
        kept,
        value("note"),
        value("ref-path") or value("ref-key"),
        _digest(value("ref-sha256")),
        "dg-encrypted" in found,
    )


def in_json(data: bytes) -> Said | None:
    """What an extended attribute or a sidecar says; None when DeltaGlider didn't write it."""
    try:
        found = msgspec.json.decode(data)
    except msgspec.DecodeError:
        return None
    if not isinstance(found, dict) or not str(found.get("tool", "")).startswith("deltaglider"):
        return None
    user = found.get("user_metadata") or {}
    if not isinstance(user, dict):
        raise Unreadable("its DeltaGlider metadata has user_metadata that is none")
    kept = {f"{_META}{name.lower()}": str(text) for name, text in user.items() if not name.startswith(_OURS)}
    if found.get("content_type"):
        kept["content-type"] = str(found["content_type"])

    def value(name: str) -> str:
        return str(found.get(name) or "")

    return Said(
        _digest(value("file_sha256")),
        _size(found.get("file_size")),
        _time(value("created_at")),
        kept,
        value("note"),
        value("ref_path") or value("ref_key"),
        _digest(value("ref_sha256")),
        "dg-encrypted" in user,
    )


def _digest(text: str) -> str:
    if text and not _DIGEST.fullmatch(text.lower()):
        raise Unreadable(f"its DeltaGlider metadata has a SHA-256 that is none: {text!r}")
    return text.lower()


def _size(value: Any) -> int | None:
    if value in (None, ""):
        return None
    try:
        size = int(value)
    except (TypeError, ValueError):
        size = -1
    if size < 0:
        raise Unreadable(f"its DeltaGlider metadata has a size that is none: {value!r}")
    return size


def _time(text: str) -> int | None:
    """Milliseconds since the epoch; `2026-01-31T10:00:00+00:00Z` is one way it has been written.

    A date that can't be read is None: then the place's own is taken.
    """
    text = text.strip()
    if re.search(r"[+-]\d\d:?\d\d[Zz]$", text):
        text = text[:-1]
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return round(moment.timestamp() * 1000)
