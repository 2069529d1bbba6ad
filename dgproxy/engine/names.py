# SPDX-License-Identifier: GPL-2.0-only
"""What the names of blobs, and of records beside them, say: the only place that takes their keys apart.

A name carries ids, so that questions about who needs what are answered by listing names. `read_name` is
strict, for keys that are met in storage and may be anybody's; the rest is for blobs that a record points to,
and for the names of the pins that keep them. All other keys are made in `engine.keys`.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Literal

from dgproxy.engine import keys

#: Characters of an id (`engine.ids`).
_ID: Final = 26

_ULID = "[0-7][0-9A-HJKMNP-TV-Z]{25}"
_REFERENCE = re.compile(rf"({_ULID})\.reference\.bin(\.zst)?")
_PIN = re.compile(rf"({_ULID})-({_ULID})-.*\.pin", re.DOTALL)
_DELTA = re.compile(rf"({_ULID})-({_ULID})-.*\.(delta|delta\.zst|residual\.zst)", re.DOTALL)
_WHOLE = re.compile(rf"({_ULID})-.*\.bin(\.zst)?", re.DOTALL)
_HINT = re.compile(r"([0-9a-f]{64})\.json")

Kind = Literal["reference", "delta", "whole", "pin", "hint", "record", "unknown"]


@dataclass(frozen=True, slots=True)
class Name:
    """What a key under `deltaspaces/` says.

    `id` is the blob's own, or the digest of a hint; `uses` is the id of the blob that is needed for as long
    as this one is there: a delta's reference, or what a pin pins.
    """

    key: str
    space: str
    kind: Kind
    id: str = ""
    uses: str = ""


def read_name(key: str) -> Name:
    """Take a key under `deltaspaces/` apart."""
    directory, _, name = key.rpartition("/")
    space = f"{directory}/".removeprefix(keys.SPACES)
    if match := _REFERENCE.fullmatch(name):
        return Name(key, space, "reference", match[1])
    if match := _PIN.fullmatch(name):
        return Name(key, space, "pin", match[2], match[1])
    if match := _DELTA.fullmatch(name):
        return Name(key, space, "delta", match[2], match[1])
    if match := _WHOLE.fullmatch(name):
        return Name(key, space, "whole", match[1])
    if match := _HINT.fullmatch(name):
        return Name(key, space, "hint", match[1])
    return Name(key, space, "record" if name.endswith(".json") else "unknown")


def space_of_blob(blob: str) -> str:
    """The deltaspace a blob lies in, whoever uses it."""
    return blob[len(keys.SPACES) : blob.rfind("/") + 1]


def by_space(blobs: Iterable[str]) -> dict[str, list[str]]:
    """Blobs by the deltaspaces they lie in."""
    found: dict[str, list[str]] = {}
    for blob in blobs:
        found.setdefault(space_of_blob(blob), []).append(blob)
    return found


def is_reference(blob: str) -> bool:
    """Whether a blob is a reference, in whichever codec."""
    return keys.name_of(blob)[_ID:].startswith(".reference.")


def is_delta(blob: str) -> bool:
    """Whether a blob is a delta, in whichever codec."""
    return not blob.endswith((".bin", ".bin.zst", ".pin", ".json"))


def blob_id(blob: str) -> str:
    """The id of a blob: a reference's, a delta's, a direct object's."""
    name = keys.name_of(blob)
    return name[_ID + 1 : 2 * _ID + 1] if is_delta(blob) else name[:_ID]


def pinned_id(pin: str) -> str:
    """The id of the blob that a pin keeps."""
    return keys.name_of(pin)[:_ID]


def pins_of(blob: str) -> str:
    """The prefix of every name that keeps a blob: its pins, and the deltas against it.

    The name of a blob of one object alone may start with it, too: its own.
    """
    return f"{blob[: blob.rfind('/') + 1]}{blob_id(blob)}-"


def pin_of(blob: str, key: str, pin_id: str) -> str:
    """The empty blob that keeps `blob` for the object `key`; it lies in the deltaspace of the blob."""
    return f"{pins_of(blob)}{pin_id}-{keys.readable(key)}.pin"


def stem(blob: str) -> str:
    """What the name of a blob starts with, and no other's does: a reference is found in whichever codec."""
    return f"{blob[: blob.rfind('/') + 1]}{blob_id(blob)}." if is_reference(blob) else blob


def reference_of(blob: str) -> str | None:
    """The reference a delta is read against, by the name it has when stored raw; None for other blobs."""
    return keys.raw_reference(space_of_blob(blob), keys.name_of(blob)[:_ID]) if is_delta(blob) else None


def use_of(blob: str, users: str) -> tuple[str, str]:
    """The id and the readable name in the key of a delta or pin that starts with `users`; a hint, no more."""
    blob_id, _, name = blob.removeprefix(users).partition("-")
    return blob_id, name.partition(".delta")[0].removesuffix(".residual.zst")
