# SPDX-License-Identifier: GPL-2.0-only
"""Digest hints: records that say which object of a deltaspace has, or had, certain bytes.

A hint is never believed: what it names is proven by a manifest. So it may be lost, stale or damaged; that
costs duplicate bytes and nothing else, and writing it waits for no disk. It goes with the object it names.
"""

import hashlib
from collections.abc import Iterable

import msgspec

from dgproxy.engine import keys, record
from dgproxy.engine.errors import ObjectDamaged
from dgproxy.engine.manifest import Manifest
from dgproxy.storage.backend import ABSENT, Backend, RecordNotFound, StorageError, VersionConflict


class Hint(msgspec.Struct, frozen=True):
    """The record: the key of an object."""

    key: str


def content_digest(manifest: Manifest) -> str:
    """The digest (hex) of an object's bytes, from its manifest alone.

    SHA-256 over the windows in order, for each its length (eight bytes, big-endian) and its SHA-256.
    """
    digest = hashlib.sha256()
    for extent in manifest.extents:
        for window in extent.windows:
            digest.update(window.length.to_bytes(8, "big") + window.sha256)
    return digest.hexdigest()


async def named(backend: Backend, bucket: str, manifest: Manifest) -> str | None:
    """The key that is said to have the bytes of `manifest`. Raises the storage layer's errors."""
    try:
        stored = await backend.read_record(bucket, _place(manifest))
    except RecordNotFound:
        return None
    return _key_in(stored.data)


async def claim(backend: Backend, bucket: str, manifest: Manifest) -> str | None:
    """Name this object for its bytes, unless one is named already: returns that one's key then.

    '' stands for a hint that can't be read. Raises the storage layer's errors.
    """
    try:
        await backend.write_record(bucket, _place(manifest), _hint(manifest), expect=ABSENT, durable=False)
    except VersionConflict:
        return await named(backend, bucket, manifest) or ""
    return None


async def write(backend: Backend, bucket: str, manifest: Manifest) -> None:
    """Name this object for its bytes, whoever was named before. Raises the storage layer's errors."""
    await backend.write_record(bucket, _place(manifest), _hint(manifest), durable=False)


async def naming(
    backend: Backend, bucket: str, gone: Iterable[Manifest], kept: Manifest | None = None
) -> set[str]:
    """The hints that name objects which are going: to be removed with them, but not that of `kept`.

    None where that can't be found out; they are stale then, which is no error.
    """
    places: dict[str, set[str | None]] = {}
    for manifest in gone:
        if manifest.extents and (kept is None or manifest.extents != kept.extents):
            places.setdefault(_place(manifest), {None}).add(manifest.key)
    if kept is not None:
        places.pop(_place(kept), None)
    if not places or not backend.capabilities.digest_hints:
        return set()
    try:
        found = await backend.read_records(bucket, list(places))
    except StorageError:
        return set()
    return {
        place
        for (place, going), stored in zip(places.items(), found, strict=True)
        if stored is not None and _key_in(stored.data) in going
    }


def _hint(manifest: Manifest) -> bytes:
    return record.encode(Hint(manifest.key))


def _place(manifest: Manifest) -> str:
    return keys.hint(keys.space_of(manifest.key), content_digest(manifest))


def _key_in(data: bytes) -> str | None:
    """What a hint says; one cut short by a power cut says nothing."""
    try:
        return record.decode(data, Hint, "hint").key
    except ObjectDamaged:
        return None
