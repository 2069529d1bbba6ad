# SPDX-License-Identifier: GPL-2.0-only
"""An engine over a backend, with short words for what a test does to it and for what must hold afterwards."""

import asyncio
import hashlib
import re
import tempfile
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from dgproxy.codec import files, frames
from dgproxy.engine import (
    buckets,
    complete,
    context,
    copy,
    delete,
    ending,
    keys,
    listing,
    put,
    record,
    statistics,
    uploads,
)
from dgproxy.engine.body import Digests
from dgproxy.engine.commit import Allow, anything, read
from dgproxy.engine.errors import ObjectNotFound
from dgproxy.engine.get import Plan, open_object
from dgproxy.engine.hints import Hint, content_digest
from dgproxy.engine.ledger import NOTHING
from dgproxy.engine.manifest import WINDOW, Attributes, Manifest
from dgproxy.engine.parts import PartRecord, parts_of, put_part
from dgproxy.engine.policy import Policy
from dgproxy.storage.backend import Backend, Buffer, Listed
from dgproxy.storage.cache import FileCache
from tests.backends import BUCKET

MIB = 1 << 20
HINT = re.compile(r"deltaspaces/(.*/)?[0-9a-f]{64}\.json")
POLICY = Policy((".zip",), 0.5)


class BodyRefused(Exception):
    """A sender that breaks off or does not agree with what arrived."""


class Sent:
    """A body; what is wrong with it, if anything, is said when it is made.

    `fail_at`: break off after that many bytes. `declared`: claim another size, or None. `refuse`: raise in
    `verify`, as a sender does whose checksum does not match. `pause`: let others run between chunks.
    """

    memory_is_leased = False

    def __init__(
        self,
        data: Buffer,
        *,
        chunk: int = 300_000,
        declared: int | None = -1,
        fail_at: int | None = None,
        refuse: bool = False,
        pause: bool = False,
        checksums: dict[str, str] | None = None,
    ) -> None:
        self.size = len(data) if declared == -1 else declared
        self._data = data
        self._chunk = chunk
        self._fail_at = fail_at
        self._refuse = refuse
        self._pause = pause
        self._checksums = checksums or {}

    async def __aiter__(self) -> AsyncIterator[Buffer]:
        end = len(self._data) if self._fail_at is None else self._fail_at
        for start in range(0, end, self._chunk):
            if self._pause:
                await asyncio.sleep(0)
            yield self._data[start : min(start + self._chunk, end)]
        if self._fail_at is not None:
            raise BodyRefused("broken off")

    def verify(self, digests: Digests) -> dict[str, str]:
        assert digests.md5 == hashlib.md5(self._data).digest()
        assert digests.sha256 == hashlib.sha256(self._data).digest()
        assert digests.size == len(self._data)
        if self._refuse or (self.size is not None and digests.size != self.size):
            raise BodyRefused("not what was promised")
        return self._checksums


def all_of(manifest: Manifest) -> tuple[int, int]:
    return 0, manifest.size


def span(start: int, stop: int) -> Plan:
    """The plan for these bytes."""
    return lambda _: (start, stop)


def no_checksums(_upload: uploads.Upload, _parts: Sequence[PartRecord]) -> complete.Checksums:
    return complete.Checksums({}, "FULL_OBJECT")


@dataclass(frozen=True)
class World:
    """An engine and the one bucket that its tests use."""

    engine: context.Engine
    bucket: str = BUCKET

    @property
    def backend(self) -> Backend:
        return self.engine.backend

    def over(self, backend: Backend) -> "World":
        """The same engine over another backend (a wrapper of its own)."""
        return World(replace(self.engine, backend=backend), self.bucket)

    # -- operations ----------------------------------------------------------------------------------------

    async def put(
        self, key: str, data: Buffer | Sent, attributes: Attributes | None = None, allow: Allow = anything
    ) -> Manifest:
        body = data if isinstance(data, Sent) else Sent(data)
        return await put.put_object(self.engine, self.bucket, key, body, attributes or Attributes(), allow)

    async def get(self, key: str, plan: Plan = all_of) -> bytes:
        async with open_object(self.engine, self.bucket, key, plan) as reading:
            return b"".join([bytes(data) async for data in reading])

    async def head(self, key: str) -> Manifest:
        return await read(self.engine, self.bucket, key)

    async def delete(self, key: str, allow: Allow = anything) -> None:
        await delete.delete_object(self.engine, self.bucket, key, allow)

    async def copy(
        self,
        source: str,
        target: str,
        attributes: Callable[[Manifest], Attributes] = lambda manifest: manifest.attributes,
        plan: Plan = all_of,
    ) -> Manifest:
        place = copy.Source(self.bucket, source, plan)
        return await copy.copy_object(self.engine, place, self.bucket, target, attributes)

    async def delete_bucket(self) -> None:
        await buckets.delete_bucket(self.engine, self.bucket)

    async def attributes(self, key: str, attributes: Attributes) -> Manifest:
        return await put.replace_attributes(self.engine, self.bucket, key, lambda _: attributes)

    async def listed(self, prefix: str = "", limit: int = 1000) -> list[str]:
        """Every key, through all pages."""
        found: list[str] = []
        after, more = "", True
        while more:
            page = await listing.list_objects(
                self.engine, self.bucket, prefix=prefix, delimiter="", after=after, limit=limit
            )
            found += [item.key for item in page.items if isinstance(item, listing.ListedObject)]
            after, more = page.last, page.more
        return found

    async def begin(self, key: str) -> str:
        return (await uploads.begin(self.engine, self.bucket, key, Attributes())).id

    async def part(self, key: str, upload: str, number: int, data: Buffer | Sent) -> PartRecord:
        body = data if isinstance(data, Sent) else Sent(data)
        found = await uploads.find(self.engine, self.bucket, key, upload)
        return await put_part(self.engine, self.bucket, found, number, body)

    async def complete(self, key: str, upload: str, parts: Iterable[PartRecord] | None = None) -> Manifest:
        """Complete with the given parts, or with all that are there."""
        if parts is None:
            parts = await parts_of(self.engine, self.bucket, upload)
        wanted = [complete.WantedPart(part.number, part.etag) for part in parts]
        return await complete.complete(self.engine, self.bucket, key, upload, wanted, no_checksums)

    async def abort(self, key: str, upload: str) -> None:
        await ending.abort(self.engine, self.bucket, key, upload)

    async def upload(self, key: str, *parts: Buffer) -> Manifest:
        """A whole multipart upload, parts numbered from 1."""
        upload = await self.begin(key)
        stored = [await self.part(key, upload, number, data) for number, data in enumerate(parts, 1)]
        return await self.complete(key, upload, stored)

    # -- what must hold ------------------------------------------------------------------------------------

    async def everything(self, room: str = "deltaspaces/") -> list[str]:
        """What the backend holds in a room of the bucket, blobs and records."""
        page = await self.backend.list_records(self.bucket, room, limit=1_000_000)
        return [item.key for item in page.items if isinstance(item, Listed)]

    async def stored(self, room: str = "deltaspaces/") -> list[str]:
        """Everything but the digest hints."""
        return [key for key in await self.everything(room) if not HINT.fullmatch(key)]

    async def blob(self, key: str) -> bytes:
        async with self.backend.open_blob(self.bucket, key) as blob:
            return await blob.read(0, blob.size)

    async def overwrite_blob(self, key: str, data: bytes) -> None:
        """What no program of ours does: other bytes under the same name, as a failing disk has them."""
        await self.backend.remove_blobs(self.bucket, [key])
        async with self.backend.stage_blob(self.bucket, key) as blob:
            await blob.append(data)
            await blob.publish()

    async def assert_object(self, key: str, data: Buffer | None) -> None:
        """GET, HEAD and LIST agree that the object is exactly `data`, or that there is none."""
        listed = key in await self.listed(key)
        if data is None:
            assert not listed
            try:
                await self.get(key)
            except ObjectNotFound:
                return
            raise AssertionError(f"{key} is there")
        assert listed
        assert await self.get(key) == data
        manifest = await self.head(key)
        assert manifest.size == len(data)
        if not manifest.parts:
            assert manifest.etag == hashlib.md5(data).hexdigest()

    async def assert_clean(self) -> None:
        """Without an object and an upload there is nothing: no blob, pin, reference, record, or lease."""
        assert not await self.stored("objects/")
        assert not await self.stored("uploads/")
        assert not await self.everything("deltaspaces/")
        await statistics.flush(self.engine)
        assert self.engine.budget.free == self.leasable

    async def assert_exact(self) -> None:
        """Every stored blob is pointed to by an object or a part, and every one pointed to is there.

        Every hint names an object that has its bytes.
        """
        expected: set[str] = set()
        digests: dict[str, str] = {}
        for key in await self.listed():
            manifest = await self.head(key)
            expected |= manifest.own_blobs() | manifest.shared_blobs()
            digests[key] = content_digest(manifest)
        for upload in await uploads.uploads_of(self.engine, self.bucket):
            for part in await parts_of(self.engine, self.bucket, upload.id):
                expected.add(part.extent.blob)
                if part.extent.reference is not None:
                    expected.add(part.extent.reference.blob)
        found = {key for key in await self.stored() if not key.endswith("/references.json")}
        assert found - {"deltaspaces/references.json"} == expected
        for place in set(await self.everything()) - set(await self.stored()):
            named = record.decode((await self.backend.read_record(self.bucket, place)).data, Hint, place).key
            assert place == keys.hint(keys.space_of(named), digests[named])

    async def assert_counted(self) -> None:
        """The statistics that were kept are those that storage itself gives; then no doubt is left."""
        await statistics.flush(self.engine)
        kept = await statistics.read(self.engine, self.bucket)
        told = {each.space: each.numbers for each in kept if each.numbers != NOTHING}
        found = {space async for space in statistics.spaces(self.engine, self.bucket)}
        counted = {space: await statistics.count(self.engine, self.bucket, space) for space in found}
        assert told == {space: numbers for space, numbers in counted.items() if numbers != NOTHING}
        for each in kept:
            if each.doubtful:
                assert await statistics.recount(self.engine, self.bucket, each.space)

    @property
    def leasable(self) -> int:
        return self.engine.budget._limit

    async def decode_stored(self, manifest: Manifest) -> bytes:
        """The object from its blobs front to back, by a reader who knows no windows of manifests."""
        pieces = []
        for extent in manifest.extents:
            data = await self.blob(extent.blob)
            if extent.codec == "raw":
                pieces.append(data)
            elif extent.codec == "zstd":
                pieces += [frames.content(frame, WINDOW) for frame in frames.split(data)]
            else:
                assert extent.reference is not None
                source = await self.blob(extent.reference.blob)
                pieces += [bytes(window) for window in files.decode(source, data)]
        return b"".join(pieces)


@asynccontextmanager
async def world_over(
    backend: Backend,
    policy: Policy = POLICY,
    *,
    index_memory: int = 64 * MIB,
    transfer_memory: int = 128 * MIB,
    cache: Path | None = None,
) -> AsyncIterator[World]:
    """A world over a backend that has the bucket, with an empty cache directory or the given one."""
    async with AsyncExitStack() as stack:
        if cache is None:
            cache = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        running = context.running(
            backend,
            policy,
            await stack.enter_async_context(await asyncio.to_thread(FileCache.open, cache, 64 * MIB)),
            threads=2,
            index_memory=index_memory,
            largest_index=index_memory,
            transfer_memory=transfer_memory,
        )
        yield World(await stack.enter_async_context(running))
