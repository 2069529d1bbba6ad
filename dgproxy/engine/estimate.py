# SPDX-License-Identifier: GPL-2.0-only
"""estimate: what objects would take if they were uploaded, found out by uploading them.

They go through the very code that a PUT goes through, one deltaspace at a time, into an engine on temporary
storage; so the figure has every decision in it that an upload would make. What nothing reads any more is cut
to nothing as soon as its object is committed, and a deltaspace is deleted when it has been counted: what the
temporary storage holds is the references of one deltaspace, and one object on its way.

Where the objects come from is the caller's business.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import msgspec

from dgproxy.engine import inventory, keys
from dgproxy.engine.body import Body
from dgproxy.engine.context import Engine
from dgproxy.engine.delete import delete_object
from dgproxy.engine.fingerprints import Fingerprints, of_id
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
    savings, counted = Savings(space), Fingerprints()
    for item in items:
        try:
            manifest = await put_object(engine, bucket, item.key, item.body(), Attributes())
        except refused as error:
            failed(Failure(item.key, str(error)))
        else:
            savings.objects += 1
            savings.deltas += manifest.storage == "delta"
            savings.logical += manifest.size
            savings.stored += await _blobs(engine, bucket, manifest, counted)
        watch(item.size)
    savings.stored += await _records(engine, bucket, space)
    await _clear(engine, bucket)
    return savings


async def _blobs(engine: Engine, bucket: str, manifest: Manifest, counted: Fingerprints) -> int:
    """Bytes of the blobs that came with an object; those that are no reference are cut to nothing."""
    stored = 0
    references = {reference.blob for reference in manifest.references()}
    for extent in manifest.extents:
        blob = of_id(inventory.read_name(extent.blob).id)
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
    async for item in inventory.listed(engine.backend, bucket, inventory.SPACES + space):
        if inventory.read_name(item.key).kind in ("hint", "record"):
            size += item.size
    return size


async def _clear(engine: Engine, bucket: str) -> None:
    """Delete every object, and the references with the last of them."""
    async for item in inventory.listed(engine.backend, bucket, keys.OBJECTS):
        await delete_object(engine, bucket, keys.object_key(item.key))
