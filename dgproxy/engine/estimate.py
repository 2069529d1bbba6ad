# SPDX-License-Identifier: GPL-2.0-only
"""estimate: what objects would take if they were uploaded, found out by uploading them.

They go through the very code that a PUT goes through, one deltaspace at a time, into an engine on temporary
storage; so the figure has every decision in it that an upload would make. What nothing reads any more is cut
to nothing as soon as its object is committed, and a deltaspace is deleted when it has been counted: what the
temporary storage holds is the references of one deltaspace, and one object on its way.

Where the objects come from is the caller's business.
"""

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import msgspec

from dgproxy.engine import inventory, keys, names, record
from dgproxy.engine.body import Body
from dgproxy.engine.context import Engine
from dgproxy.engine.delete import delete_object
from dgproxy.engine.fingerprints import Fingerprints, of_id, of_text
from dgproxy.engine.manifest import Attributes, Manifest
from dgproxy.engine.put import put_object


@dataclass(frozen=True, slots=True)
class Item:
    """An object to be: its key, its size in bytes, and its bytes."""

    key: str
    size: int
    body: Callable[[], Body]


class Savings(msgspec.Struct):
    """What a deltaspace, or all together, would come to; bytes."""

    deltaspace: str
    objects: int = 0
    deltas: int = 0
    #: What clients see.
    logical: int = 0
    #: What storage holds: blobs and records, references included.
    stored: int = 0

    def add(self, other: "Savings") -> None:
        """Count another in."""
        self.objects += other.objects
        self.deltas += other.deltas
        self.logical += other.logical
        self.stored += other.stored

    @property
    def share(self) -> float:
        """1 - stored / logical; less than 0 when records outweigh what is saved."""
        return 1 - self.stored / self.logical if self.logical else 0.0


@dataclass(frozen=True, slots=True)
class Failure:
    """An object that could not be read."""

    key: str
    why: str


async def estimate(
    engine: Engine,
    bucket: str,
    space: str,
    items: Iterable[Item],
    *,
    refused: tuple[type[Exception], ...],
    failed: Callable[[Failure], None],
    watch: Callable[[int], None] = lambda _: None,
) -> Savings:
    """What the items, all of one deltaspace and in this order, would take; `bucket` is empty, and is again.

    An item that raises one of `refused` is reported to `failed` and left out. `watch` is called with bytes
    done. Raises the storage layer's errors.
    """
    savings, counted, known = Savings(space), Fingerprints(), _Known()
    for item in items:
        try:
            record_size = await known.record_size(engine, item)
            if record_size is None:
                manifest = await put_object(engine, bucket, item.key, item.body(), Attributes())
                known.add(manifest)
                savings.deltas += manifest.storage == "delta"
                savings.stored += await _blobs(engine, bucket, manifest, counted)
            else:
                savings.stored += record_size
        except refused as error:
            failed(Failure(item.key, str(error)))
        else:
            savings.objects += 1
            savings.logical += item.size
        watch(item.size)
    savings.stored += await _records(engine, bucket, space)
    await _clear(engine, bucket)
    return savings


class _Known:
    """The bytes that a deltaspace has, and what the record of an object that has them takes.

    An upload of bytes that are there already shares their blobs, after reading them; which can't be done
    here, where they are gone. 100 bytes of memory for each object.
    """

    def __init__(self) -> None:
        self._records: dict[int, int] = {}
        self._sizes = Fingerprints()

    def add(self, manifest: Manifest) -> None:
        """An object was stored."""
        if manifest.extents and manifest.sha256 is not None:
            self._records[of_text(manifest.sha256)] = len(record.encode(manifest))
            self._sizes.add(manifest.size)

    async def record_size(self, engine: Engine, item: Item) -> int | None:
        """What a twin of a stored object adds; None for bytes that are new."""
        if not engine.backend.capabilities.digest_hints or item.size not in self._sizes:
            return None
        digest = hashlib.sha256()
        async for chunk in item.body():
            await engine.workers.run(digest.update, chunk)
        return self._records.get(of_text(digest.hexdigest()))


async def _blobs(engine: Engine, bucket: str, manifest: Manifest, counted: Fingerprints) -> int:
    """Bytes of the blobs that came with an object; those that are no reference are cut to nothing."""
    stored = 0
    references = {reference.blob for reference in manifest.references()}
    for extent in manifest.extents:
        blob = of_id(names.read_name(extent.blob).id)
        if blob in counted:
            continue  # another object brought it
        counted.add(blob)
        stored += extent.stored
        if extent.blob not in references:
            async with engine.backend.stage_blob(bucket, extent.blob) as empty:
                await empty.publish()
    return stored


async def _records(engine: Engine, bucket: str, space: str) -> int:
    """Bytes of all records of a deltaspace."""
    size = 0
    async for item in inventory.listed(engine.backend, bucket, keys.manifest(space)):
        size += item.size
    async for item in inventory.listed(engine.backend, bucket, keys.SPACES + space):
        if names.read_name(item.key).kind in ("hint", "record"):
            size += item.size
    return size


async def _clear(engine: Engine, bucket: str) -> None:
    """Delete every object, and the references with the last of them."""
    async for item in inventory.listed(engine.backend, bucket, keys.OBJECTS):
        await delete_object(engine, bucket, keys.object_key(item.key))
