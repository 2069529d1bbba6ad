# SPDX-License-Identifier: GPL-2.0-only
"""From what is stored in a directory to the objects it holds: which files are objects, and under which key.

What DeltaGlider says is believed only where it says so beside the bytes: a `.delta` or a `reference.bin`
without a word of it is an object like any other, unless others in its directory are DeltaGlider's. Then it
has lost its metadata, and is reported rather than taken for what it is not.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

from dgproxy.migration import deltaglider
from dgproxy.migration.deltaglider import DELTA, DIRECT, FOLDER, REFERENCE, SIDECAR, TOP, Said
from dgproxy.migration.places import Head, Place, Stored, Unreadable, space_of
from dgproxy.storage.s3.together import together

__all__ = ["Found", "Item", "interpreted", "plain", "said_in"]

#: Bytes: the records are a few hundred.
_LONGEST_RECORD: Final = 1 << 20
_AT_ONCE: Final = 16


@dataclass(frozen=True, slots=True)
class Item:
    """An object to be: its key, and where its bytes are. `size` is None where only reading tells.

    `etag` is the object's as a listing shows it, '' where there is none of the whole bytes. `said` is what
    DeltaGlider has written of it, as far as that is known before it is read.
    """

    key: str
    stored: Stored
    size: int | None
    time: int
    etag: str = ""
    said: Said | None = None
    is_delta: bool = False


@dataclass(frozen=True, slots=True)
class Found:
    """The objects of a directory in the order of their history, and what can't be one, with the reason."""

    items: list[Item]
    failed: list[tuple[Stored, str]]


def plain(files: Sequence[Stored]) -> Found:
    """Every file is an object."""
    return Found(_by_age([_whole(each) for each in files]), [])


async def interpreted(place: Place, files: Sequence[Stored]) -> Found:
    """Which objects the files of one directory are. Raises SourceError."""
    look = partial(_look, place, {each.key: each for each in files})
    sidecars = {each.key for each in files if each.key.endswith(SIDECAR)}
    described = [each for each in files if _may_be_theirs(each.key) or each.key + SIDECAR in sidecars]
    looked = await together(look, described, _AT_ONCE)
    found = {each.key: result for each, (result, _) in zip(described, looked, strict=True)}
    read = {each.key + SIDECAR for each, (_, beside) in zip(described, looked, strict=True) if beside}
    anyone = any(isinstance(result, Said) for result in found.values())
    items: dict[str, Item] = {}
    failed: list[tuple[Stored, str]] = []
    for each in files:
        said = found.get(each.key)
        if isinstance(said, Unreadable):
            failed.append((each, str(said)))
        elif each.key not in read and not deltaglider.internal(each.key, anyone=anyone):
            try:
                item = _item(each, said, anyone=anyone)
            except Unreadable as error:
                failed.append((each, str(error)))
            else:
                # An object can be there twice when its way of being stored has changed: the newer one counts.
                if item is not None and (item.key not in items or items[item.key].stored.time < each.time):
                    items[item.key] = item
    return Found(_by_age(items.values()), failed)


def said_in(head: Head) -> Said | None:
    """What DeltaGlider says beside some bytes, if anything. Raises Unreadable."""
    if head.attribute is not None:
        return deltaglider.in_json(head.attribute)
    return deltaglider.in_metadata(head.headers)


def _by_age(items: Iterable[Item]) -> list[Item]:
    return sorted(items, key=lambda each: (each.time, each.key))


def _may_be_theirs(key: str) -> bool:
    name = key.rpartition("/")[2]
    return name in (REFERENCE, FOLDER) or name.endswith((DELTA, DIRECT))


async def _look(
    place: Place, files: Mapping[str, Stored], stored: Stored
) -> tuple[Said | Unreadable | None, bool]:
    """What is said of a file, and whether a sidecar says it.

    An error is a result, for one file must not end the others.
    """
    try:
        sidecar = files.get(stored.key + SIDECAR)
        if sidecar is not None and sidecar.size <= _LONGEST_RECORD:
            async with place.open(sidecar.key, sidecar.etag) as opened:
                said = deltaglider.in_json(b"".join([bytes(chunk) async for chunk in opened]))
            if said is not None:
                return said, True
        head = await place.head(stored.key)
        return (None if head is None else said_in(head)), False
    except Unreadable as error:
        return error, False


def _item(stored: Stored, said: Said | None, *, anyone: bool) -> Item | None:
    """The object that a file stands for; None for a reference. `anyone`: DeltaGlider's files are around."""
    name = stored.key.rpartition("/")[2]
    if name == REFERENCE and (anyone if said is None else said.is_reference):
        return None
    if said is None:
        if name.endswith(DELTA) and anyone:
            raise Unreadable(
                "its DeltaGlider metadata is missing; copy it again from where it has it (rclone --metadata, "
                "rsync -X), or import with --plain what is in no need of it"
            )
        return _whole(stored)
    if name.endswith(DELTA) and said.reference_sha256:
        if said.encrypted:
            raise Unreadable(_ENCRYPTED)
        return Item(
            _object_key(stored.key.removesuffix(DELTA)),
            stored,
            said.size,
            stored.time if said.created is None else said.created,
            said=said,
            is_delta=True,
        )
    if said.encrypted and said.size != stored.size:
        raise Unreadable(_ENCRYPTED)
    key = stored.key
    if name == FOLDER:
        key = space_of(key)
    elif name.endswith(DIRECT):
        key = key.removesuffix(DIRECT)
    return _whole(stored, _object_key(key), said)


_ENCRYPTED: Final = (
    "DeltaGlider Proxy has encrypted it; start that server with its key, and import from it: "
    "--endpoint http://HOST:PORT s3://BUCKET"
)


def _whole(stored: Stored, key: str | None = None, said: Said | None = None) -> Item:
    time = stored.time if said is None or said.created is None else said.created
    return Item(stored.key if key is None else key, stored, stored.size, time, stored.etag, said)


def _object_key(key: str) -> str:
    """Without the name that the top of a bucket has had."""
    return key.removeprefix(TOP) if key.startswith(TOP) and "/" not in key.removeprefix(TOP) else key
