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
from dgproxy.storage.backend import Backend, RecordNotFound, StorageError, VersionConflict


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


async def write(backend: Backend, bucket: str, manifest: Manifest) -> str:
    """Name this object for its bytes; returns the version written. Raises the storage layer's errors."""
    data = record.encode(Hint(manifest.key))
    return await backend.write_record(bucket, _place(manifest), data, durable=False)


async def take_back(backend: Backend, bucket: str, manifest: Manifest, version: str) -> None:
    """Remove what `write` wrote, unless others have written since."""
    try:
        await backend.remove_record(bucket, _place(manifest), expect=version)
    except (RecordNotFound, VersionConflict):
        return


async def naming(backend: Backend, bucket: str, manifests: Iterable[Manifest]) -> set[str]:
    """The hints that name objects which are going: to be removed with them.

    None where that can't be found out; they are stale then, which is no error.
    """
    places: dict[str, set[str | None]] = {}
    for manifest in manifests:
        if manifest.extents:
            places.setdefault(_place(manifest), {None}).add(manifest.key)
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


def _place(manifest: Manifest) -> str:
    return keys.hint(keys.space_of(manifest.key), content_digest(manifest))


def _key_in(data: bytes) -> str | None:
    """What a hint says; one cut short by a power cut says nothing."""
    try:
        return record.decode(data, Hint, "hint").key
    except ObjectDamaged:
        return None
