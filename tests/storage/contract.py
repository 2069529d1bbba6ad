# SPDX-License-Identifier: GPL-2.0-only
"""What `dgproxy.storage.backend` promises, as tests that any backend runs.

A backend's own test module subclasses `BackendContract` and gives a `backend` fixture; everything here
reaches storage through that alone. What one backend needs beyond it (processes, faults, files) is in its
module.
"""

import asyncio
import itertools
import os
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from typing import cast

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from dgproxy.storage.backend import (
    ABSENT,
    Backend,
    BlobWriter,
    BucketExists,
    BucketNotEmpty,
    BucketNotFound,
    CommonPrefix,
    Damaged,
    Listed,
    Listing,
    RecordNotFound,
    VersionConflict,
)
from tests.storage import keys as odd

#: Strange directory names for blobs; their last part is always engine-made.
DIRECTORIES = ["", "a/", "a/b/", "/", "//", "./", "../", "a.bin/", ".hidden/", "%/", "日本/", "d" * 300 + "/"]

_numbers = itertools.count()

Test = Callable[..., Awaitable[None]]


def listings(examples: int) -> Callable[[Test], Test]:
    """A decorator: run a listing test on three hard cases and so many random ones."""

    def decorate(test: Test) -> Test:
        given_listings = given(
            st.lists(odd.keys(), min_size=2, max_size=25),
            odd.texts(3),
            st.one_of(st.just(""), st.just("/"), odd.texts(2)),
            odd.texts(3),
            st.integers(1, 5),
        )
        decorated = given_listings(test)
        for case in (
            (["a", "a/b", "a-"], "", "/", "a/", 1),
            (["c" * 238, "c" * 237, "c" * 238 + "/", "c" * 238 + "!"], "c" * 238, "/", "", 1),
            (["a/b/c", "a/b-", "ab"], "a", "b-", "a/b-", 2),
        ):
            decorated = example(*case)(decorated)
        unhurried = settings(
            max_examples=examples,
            deadline=None,
            suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
        )
        return cast("Test", unhurried(decorated))

    return decorate


def new_name() -> str:
    return f"bucket-{next(_numbers)}"


async def put_blob(backend: Backend, bucket: str, key: str, data: bytes = b"") -> None:
    async with backend.stage_blob(bucket, key) as blob:
        if data:
            await blob.append(data)
        await blob.publish()


async def get_blob(backend: Backend, bucket: str, key: str) -> bytes:
    async with backend.open_blob(bucket, key) as blob:
        return await blob.read(0, blob.size)


async def all_keys(backend: Backend, bucket: str, prefix: str = "objects/") -> list[str]:
    page = await backend.list_records(bucket, prefix, limit=100_000)
    assert not page.more
    return [item.key for item in page.items if isinstance(item, Listed)]


def rolled(key: str, prefix: str, delimiter: str) -> str | None:
    """The common prefix S3 rolls a key into."""
    head, found, _ = key[len(prefix) :].partition(delimiter) if delimiter else ("", "", "")
    return prefix + head + found if found and key.startswith(prefix) else None


def expected(keys: Iterable[str], prefix: str, delimiter: str, after: str) -> list[tuple[str, bool]]:
    """A listing by the book: (text, is it a common prefix), from a sorted list and nothing clever."""
    past = after if rolled(after, prefix, delimiter) == after else None
    items: list[tuple[str, bool]] = []
    for key in sorted(keys, key=str.encode):
        if not key.startswith(prefix) or key.encode() <= after.encode():
            continue
        if past is not None and key.startswith(past):
            continue
        group = rolled(key, prefix, delimiter)
        item = (key, False) if group is None else (group, True)
        if item not in items:
            items.append(item)
    return items


def shown(page: Listing) -> list[tuple[str, bool]]:
    return [(i.prefix, True) if isinstance(i, CommonPrefix) else (i.key, False) for i in page.items]


class BackendContract:
    """Subclass it as `Test…` with a `backend` fixture."""

    #: The longest bucket name that the backend has room for.
    longest_name = 63

    #: A call takes milliseconds, so that less is repeated.
    far_away = False

    def holds(self, key: str) -> bool:
        """Whether the backend has room for a key."""
        return True

    @pytest.fixture
    def mapping(self, backend: Backend) -> Backend:
        if not backend.capabilities.maps_blobs:
            pytest.skip("this backend does not map blobs")
        return backend

    @pytest.fixture
    def whole(self, backend: Backend) -> Backend:
        if not backend.capabilities.whole_buckets:
            pytest.skip(
                "this backend needs the engine to delete a bucket: tests/engine/test_bucket_deletion.py"
            )
        return backend

    @pytest.fixture
    async def bucket(self, backend: Backend) -> AsyncIterator[str]:
        name = new_name()
        await backend.create_bucket(name)
        return name

    @pytest.fixture
    def swapping(self, backend: Backend) -> Backend:
        if not backend.capabilities.conditional_writes:
            pytest.skip("this backend has no conditional writes")
        return backend

    @pytest.fixture
    def locking(self, backend: Backend) -> Backend:
        if not backend.capabilities.exclusive_locks:
            pytest.skip("this backend has no locks between processes")
        return backend

    # -- buckets -------------------------------------------------------------------------------------------

    async def test_bucket_lifetime(self, backend: Backend) -> None:
        name = new_name()
        with pytest.raises(BucketNotFound):
            await backend.head_bucket(name)
        before = time.time() // 1 * 1000  # some know seconds only
        await backend.create_bucket(name)
        found = await backend.head_bucket(name)
        assert found.name == name
        assert before - 1 <= found.created <= time.time() * 1000 + 1
        with pytest.raises(BucketExists):
            await backend.create_bucket(name)
        assert await backend.head_bucket(name) == found
        await backend.delete_bucket(name)
        with pytest.raises(BucketNotFound):
            await backend.head_bucket(name)
        with pytest.raises(BucketNotFound):
            await backend.delete_bucket(name)

    async def test_buckets_are_listed_by_name(self, backend: Backend) -> None:
        assert await backend.list_buckets() == []
        names = ["b", "a.b", "a-b", "ab", "a", "c" * self.longest_name]
        for name in names:
            await backend.create_bucket(name)
        buckets = await backend.list_buckets()
        assert [bucket.name for bucket in buckets] == sorted(names)
        assert buckets == [await backend.head_bucket(name) for name in sorted(names)]

    async def test_buckets_are_apart(self, backend: Backend) -> None:
        one, two = new_name(), new_name()
        await backend.create_bucket(one)
        await backend.create_bucket(two)
        await backend.write_record(one, "objects/a", b"one")
        with pytest.raises(RecordNotFound):
            await backend.read_record(two, "objects/a")
        assert await all_keys(backend, two) == []
        await backend.delete_bucket(two)
        assert (await backend.read_record(one, "objects/a")).data == b"one"

    async def test_many_create_one_bucket(self, backend: Backend) -> None:
        name = new_name()
        ends = await asyncio.gather(*(backend.create_bucket(name) for _ in range(16)), return_exceptions=True)
        assert sum(end is None for end in ends) == 1
        assert all(end is None or isinstance(end, BucketExists) for end in ends)

    @pytest.mark.parametrize("was_there", [False, True])
    async def test_nothing_but_create_makes_a_bucket(self, backend: Backend, was_there: bool) -> None:
        name = new_name()
        if was_there:
            await backend.create_bucket(name)
            await backend.write_record(name, "objects/a", b"a")
            await backend.remove_record(name, "objects/a")
            await backend.delete_bucket(name)

        async def stage() -> None:
            async with backend.stage_blob(name, "deltaspaces/1.bin") as blob:
                await blob.publish()

        async def read() -> None:
            async with backend.open_blob(name, "deltaspaces/1.bin"):
                pass

        calls: list[Callable[[], Awaitable[object]]] = [
            lambda: backend.read_record(name, "objects/a"),
            lambda: backend.read_records(name, ["objects/a"]),
            lambda: backend.read_records(name, []),
            lambda: backend.write_record(name, "objects/a", b"a"),
            lambda: backend.write_record(name, "objects/a/b", b"a", expect=ABSENT),
            lambda: backend.write_record(name, "objects/a", b"a", expect="version"),
            lambda: backend.remove_record(name, "objects/a"),
            lambda: backend.remove_record(name, "objects/a", expect="version"),
            lambda: backend.list_records(name, "objects/"),
            lambda: backend.list_records(name, "objects/a/b", delimiter="/"),
            lambda: backend.list_blobs(name, "deltaspaces/", 1),
            lambda: backend.remove_blobs(name, ["deltaspaces/1.bin"]),
            lambda: backend.remove_blobs(name, []),
            stage,
            read,
        ]
        if backend.capabilities.maps_blobs:
            calls.append(lambda: backend.map_blob(name, "deltaspaces/1.bin", 0))
        for call in calls:
            with pytest.raises(BucketNotFound):
                await call()
        with pytest.raises(BucketNotFound):
            await backend.head_bucket(name)
        assert name not in [bucket.name for bucket in await backend.list_buckets()]

    @pytest.mark.parametrize("key", ["a", ".hidden", "a/b/c", "/", "%", "b" * 600])
    async def test_a_bucket_with_an_object_stays(self, backend: Backend, bucket: str, key: str) -> None:
        if not self.holds(f"objects/{key}"):
            pytest.skip("this backend has no room for such a key")
        await backend.write_record(bucket, f"objects/{key}", b"here")
        await put_blob(backend, bucket, "deltaspaces/1.bin", b"blob")
        with pytest.raises(BucketNotEmpty):
            await backend.delete_bucket(bucket)
        assert (await backend.read_record(bucket, f"objects/{key}")).data == b"here"
        assert await get_blob(backend, bucket, "deltaspaces/1.bin") == b"blob"
        await backend.remove_record(bucket, f"objects/{key}")
        if not backend.capabilities.whole_buckets:
            with pytest.raises(BucketNotEmpty):
                await backend.delete_bucket(bucket)
            await backend.remove_blobs(bucket, ["deltaspaces/1.bin"])
        await backend.delete_bucket(bucket)

    async def test_a_bucket_goes_with_its_garbage(self, whole: Backend, bucket: str) -> None:
        backend = whole
        await backend.write_record(bucket, "uploads/1/upload.json", b"{}")
        await backend.write_record(bucket, "uploads/1/parts/00001.json", b"{}")
        await put_blob(backend, bucket, "deltaspaces/a/b/1.bin", b"blob")
        await put_blob(backend, bucket, f"deltaspaces/{'/' * 200}1.bin", b"blob")
        for place in ("config/cors.json", "statistics/statistics.json", "ledgers/1.json", "runs/gc.json"):
            await backend.write_record(bucket, place, b"{}")
        await backend.delete_bucket(bucket)
        await backend.create_bucket(bucket)
        assert await all_keys(backend, bucket, "uploads/") == []
        assert await backend.list_blobs(bucket, "deltaspaces/a/b/", 10) == []

    async def test_delete_bucket_or_write_record_wins_not_both(self, whole: Backend) -> None:
        backend = whole
        for round_ in range(30):
            name = new_name()
            await backend.create_bucket(name)
            writes = (
                backend.write_record(name, f"objects/{round_}/{i}", b"x") for i in range(round_ % 4 + 1)
            )
            deleted, *written = await asyncio.gather(
                backend.delete_bucket(name), *writes, return_exceptions=True
            )
            if deleted is None:
                assert all(isinstance(end, BucketNotFound) for end in written)
                with pytest.raises(BucketNotFound):
                    await backend.head_bucket(name)
            else:
                assert isinstance(deleted, BucketNotEmpty)
                assert len(await all_keys(backend, name)) == len(written)

    # -- records -------------------------------------------------------------------------------------------

    @pytest.mark.parametrize("data", [b"", b"{}", bytes(range(256)) * 5000], ids=["empty", "small", "large"])
    async def test_record_round_trip(self, backend: Backend, bucket: str, data: bytes) -> None:
        with pytest.raises(RecordNotFound):
            await backend.read_record(bucket, "objects/a/b/c")
        version = await backend.write_record(bucket, "objects/a/b/c", data)
        assert version != ABSENT
        record = await backend.read_record(bucket, "objects/a/b/c")
        assert (record.data, record.version) == (data, version)
        await backend.remove_record(bucket, "objects/a/b/c")
        with pytest.raises(RecordNotFound):
            await backend.read_record(bucket, "objects/a/b/c")
        with pytest.raises(RecordNotFound):
            await backend.remove_record(bucket, "objects/a/b/c")
        assert await all_keys(backend, bucket) == []

    async def test_a_record_is_replaced_whole(self, backend: Backend, bucket: str) -> None:
        seen = set()
        for data in (b"a longer first record", b"short", b"again longer, at the end"):
            seen.add(await backend.write_record(bucket, "objects/a", data))
            assert (await backend.read_record(bucket, "objects/a")).data == data
        assert len(seen) == 3

    async def test_read_records_keeps_order(self, backend: Backend, bucket: str) -> None:
        keys = [f"objects/{i // 7}/{i}" for i in range(200)]
        for key in keys:
            await backend.write_record(bucket, key, key.encode())
        wanted = [*reversed(keys), "objects/none", "objects/0", keys[0], "objects/none/at/all"]
        found = await backend.read_records(bucket, wanted)
        assert [None if r is None else r.data.decode() for r in found] == [
            key if key in keys else None for key in wanted
        ]
        assert found[0] == await backend.read_record(bucket, keys[-1])
        assert await backend.read_records(bucket, []) == []

    async def test_what_need_not_be_durable_is_a_record_all_the_same(
        self, swapping: Backend, bucket: str
    ) -> None:
        key = "deltaspaces/hint.json"
        version = await swapping.write_record(bucket, key, b"one", expect=ABSENT, durable=False)
        with pytest.raises(VersionConflict):
            await swapping.write_record(bucket, key, b"lost", expect=ABSENT, durable=False)
        assert await swapping.write_record(bucket, key, b"two", expect=version, durable=False) != version
        assert (await swapping.read_record(bucket, key)).data == b"two"

    async def test_a_listing_tells_sizes(self, backend: Backend, bucket: str) -> None:
        await backend.write_record(bucket, "objects/a", b"x" * 10)
        await backend.write_record(bucket, "objects/a", b"x" * 1000)
        await put_blob(backend, bucket, "deltaspaces/d/1.bin", b"y" * 70_000)
        [record] = (await backend.list_records(bucket, "objects/")).items
        [blob] = (await backend.list_records(bucket, "deltaspaces/")).items
        assert isinstance(record, Listed)
        assert isinstance(blob, Listed)
        assert (record.size, blob.size) == (1000, 70_000)

    async def test_a_stamp_names_one_content(self, backend: Backend, bucket: str) -> None:
        content: dict[str, bytes] = {}
        for i in range(20):
            await backend.write_record(bucket, "objects/a", b"content %d" % (i % 10))
            record = await backend.read_record(bucket, "objects/a")
            [listed] = (await backend.list_records(bucket, "objects/")).items
            assert isinstance(listed, Listed)
            if record.stamp is not None and listed.stamp is not None:
                assert record.stamp == listed.stamp
            if record.stamp is not None:
                assert content.setdefault(record.stamp, record.data) == record.data

    async def test_expect(self, swapping: Backend, bucket: str) -> None:
        backend, key = swapping, "objects/a/b"

        async def refused(expect: str) -> None:
            with pytest.raises(VersionConflict):
                await backend.write_record(bucket, key, b"never", expect=expect)

        await refused("0123")
        with pytest.raises(RecordNotFound):
            await backend.read_record(bucket, key)
        first = await backend.write_record(bucket, key, b"1", expect=ABSENT)
        await refused(ABSENT)
        await refused("0123")
        second = await backend.write_record(bucket, key, b"2", expect=first)
        await refused(first)
        await refused(ABSENT)
        assert (await backend.read_record(bucket, key)).data == b"2"
        for wrong in (first, ABSENT):
            with pytest.raises(VersionConflict):
                await backend.remove_record(bucket, key, expect=wrong)
        assert (await backend.read_record(bucket, key)).version == second
        await backend.remove_record(bucket, key, expect=second)
        with pytest.raises(RecordNotFound):
            await backend.remove_record(bucket, key, expect=second)
        await refused(second)
        await backend.write_record(bucket, key, b"3", expect=ABSENT)

    @pytest.mark.parametrize("there", [False, True])
    async def test_one_of_many_swaps_wins(self, swapping: Backend, bucket: str, there: bool) -> None:
        rounds, writers = (2, 4) if self.far_away else (5, 16)
        for round_ in range(rounds):
            key = f"objects/{round_}/a"
            expect = await swapping.write_record(bucket, key, b"before") if there else ABSENT
            swaps = (swapping.write_record(bucket, key, b"%d" % i, expect=expect) for i in range(writers))
            ends = await asyncio.gather(*swaps, return_exceptions=True)
            [winner] = [i for i, end in enumerate(ends) if isinstance(end, str)]
            assert sum(isinstance(end, VersionConflict) for end in ends) == writers - 1
            assert (await swapping.read_record(bucket, key)).data == b"%d" % winner

    async def test_no_update_is_lost(self, swapping: Backend, bucket: str) -> None:
        backend, key = swapping, "objects/counter"
        await backend.write_record(bucket, key, b"0 first")

        async def count(name: int) -> None:
            for _ in range(3 if self.far_away else 10):
                while True:
                    record = await backend.read_record(bucket, key)
                    number = int(record.data.split()[0])
                    try:
                        new = b"%d %d" % (number + 1, name)
                        await backend.write_record(bucket, key, new, expect=record.version)
                        break
                    except VersionConflict:
                        continue

        await asyncio.gather(*map(count, range(8)))
        assert (await backend.read_record(bucket, key)).data.startswith(b"24 " if self.far_away else b"80 ")

    async def test_one_of_many_removals_wins(self, swapping: Backend, bucket: str) -> None:
        for _ in range(5):
            version = await swapping.write_record(bucket, "objects/a/b", b"x")
            calls = [swapping.remove_record(bucket, "objects/a/b", expect=version) for _ in range(8)]
            ends = await asyncio.gather(*calls, return_exceptions=True)
            assert sum(end is None for end in ends) == 1
            assert all(end is None or isinstance(end, RecordNotFound | VersionConflict) for end in ends)

    async def test_readers_see_old_or_new(self, backend: Backend, bucket: str) -> None:
        bodies = {b"%d" % i * 5000 for i in range(10)}
        await backend.write_record(bucket, "objects/a", max(bodies))
        writing = True

        async def read() -> int:
            reads = 0
            while writing:
                assert (await backend.read_record(bucket, "objects/a")).data in bodies
                assert await all_keys(backend, bucket) == ["objects/a"]
                reads += 1
            return reads

        readers = [asyncio.ensure_future(read()) for _ in range(4)]
        for body in sorted(bodies) * 5:
            await backend.write_record(bucket, "objects/a", body)
        writing = False
        assert all(await asyncio.gather(*readers))

    async def test_writers_and_removers_in_one_directory(self, backend: Backend, bucket: str) -> None:
        """Directories come and go under the feet of writers; no write may fail for it or be lost."""

        async def churn(name: int) -> None:
            for i in range(8 if self.far_away else 40):
                await backend.write_record(bucket, f"objects/d/e/f/{name}", b"%d" % i)
                await put_blob(backend, bucket, f"deltaspaces/d/e/{name}-{i}.bin", b"blob")
                await backend.remove_record(bucket, f"objects/d/e/f/{name}")
                await backend.remove_blobs(bucket, [f"deltaspaces/d/e/{name}-{i}.bin"])
            await backend.write_record(bucket, f"objects/d/e/f/{name}", b"last")

        await asyncio.gather(*map(churn, range(6)))
        assert await all_keys(backend, bucket) == [f"objects/d/e/f/{i}" for i in range(6)]

    # -- keys ----------------------------------------------------------------------------------------------

    async def test_odd_keys_stand_side_by_side(self, backend: Backend, bucket: str) -> None:
        keys = [f"objects/{key}" for key in odd.ODD if self.holds(f"objects/{key}")]
        assert len(set(keys)) == len(keys)
        for key in keys:
            await backend.write_record(bucket, key, key.encode(), expect=ABSENT)
        found = await backend.read_records(bucket, keys)
        assert [record and record.data.decode() for record in found] == keys
        assert await all_keys(backend, bucket) == sorted(keys, key=str.encode)
        random.Random(1).shuffle(keys)
        while keys:
            gone = keys.pop()
            await backend.remove_record(bucket, gone)
            with pytest.raises(RecordNotFound):
                await backend.read_record(bucket, gone)
            if len(keys) % 25 == 0:
                assert await all_keys(backend, bucket) == sorted(keys, key=str.encode)

    # -- listings ------------------------------------------------------------------------------------------

    @listings(examples=120)
    async def test_listing_by_the_book(
        self, backend: Backend, names: list[str], prefix: str, delimiter: str, after: str, limit: int
    ) -> None:
        await self.list_by_the_book(backend, names, prefix, delimiter, after, limit)

    async def list_by_the_book(
        self, backend: Backend, names: list[str], prefix: str, delimiter: str, after: str, limit: int
    ) -> None:
        """What `listings` asks; a store that is slow to ask overrides the test with fewer examples."""
        bucket = new_name()
        await backend.create_bucket(bucket)
        names = [name for name in names if self.holds(f"objects/{name}")]
        keys = {f"objects/{name}" for name in names}
        for key in keys:
            await backend.write_record(bucket, key, b"x")
        texts = sorted({"", prefix, *names, *(name[: len(name) // 2] for name in names)})
        for text in texts:
            await self._page_through(backend, bucket, keys, f"objects/{text}", delimiter, "", limit)
        afters = {after, *names, *(f"{text}{delimiter}" for text in texts)}
        for text in sorted(afters):
            await self._page_through(backend, bucket, keys, "objects/", delimiter, f"objects/{text}", limit)
            await self._page_through(
                backend, bucket, keys, f"objects/{prefix}", delimiter, f"objects/{text}", 1000
            )

    async def _page_through(
        self,
        backend: Backend,
        bucket: str,
        keys: set[str],
        prefix: str,
        delimiter: str,
        after: str,
        limit: int,
    ) -> None:
        wanted = expected(keys, prefix, delimiter, after)
        got: list[tuple[str, bool]] = []
        while True:
            page = await backend.list_records(bucket, prefix, delimiter=delimiter, after=after, limit=limit)
            got += shown(page)
            assert got == wanted[: len(got)]
            assert page.more == (len(got) < len(wanted))
            if not page.more:
                break
            assert len(page.items) == limit
            after = got[-1][0]
        assert got == wanted

    async def test_long_pages(self, backend: Backend, bucket: str) -> None:
        number = 1010 if self.far_away else 1500
        keys = {f"objects/{i % 13}/{i % 7}-{i}" for i in range(number)}
        await asyncio.gather(*(backend.write_record(bucket, key, b"x") for key in keys))
        for delimiter in ("", "/", "-", "/1"):
            await self._page_through(backend, bucket, keys, "objects/", delimiter, "", 1000)
        page = await backend.list_records(bucket, "objects/")
        assert (len(page.items), page.more) == (1000, True)

    async def test_emptied_directories_are_not_listed(self, backend: Backend, bucket: str) -> None:
        for key in ("a/b/c", "a/b/d/e", "f/g", "h"):
            await backend.write_record(bucket, f"objects/{key}", b"x")
        for key in ("a/b/c", "a/b/d/e", "f/g"):
            await backend.remove_record(bucket, f"objects/{key}")
        assert shown(await backend.list_records(bucket, "objects/", delimiter="/")) == [("objects/h", False)]
        assert shown(await backend.list_records(bucket, "objects/a/")) == []

    async def test_listing_is_of_one_room(self, backend: Backend, bucket: str) -> None:
        await backend.write_record(bucket, "objects/a", b"x")
        await backend.write_record(bucket, "uploads/1/upload.json", b"x")
        await backend.write_record(bucket, "uploads/1/parts/00002.json", b"x")
        await backend.write_record(bucket, "uploads/2/upload.json", b"x")
        assert await all_keys(backend, bucket) == ["objects/a"]
        page = await backend.list_records(bucket, "uploads/", delimiter="/")
        assert shown(page) == [("uploads/1/", True), ("uploads/2/", True)]
        assert await all_keys(backend, bucket, "uploads/1/parts/") == ["uploads/1/parts/00002.json"]

    async def test_a_listing_while_others_write_misses_nothing(self, backend: Backend, bucket: str) -> None:
        number = 30 if self.far_away else 200
        stay = [f"objects/stay/{i:03}" for i in range(0, number, 2)]
        come = [f"objects/stay/{i:03}" for i in range(1, number, 2)]
        await asyncio.gather(*(backend.write_record(bucket, key, b"0") for key in stay))
        writing = True

        async def write() -> None:
            for round_ in range(2):
                for one, other in zip(stay, come, strict=True):
                    await backend.write_record(bucket, one, b"%d" % round_)
                    await backend.write_record(bucket, other, b"x")
                    await backend.remove_record(bucket, other)

        async def look() -> int:
            looks = 0
            while writing:
                keys = await all_keys(backend, bucket)
                assert keys == sorted(keys)
                assert not set(stay) - set(keys)
                assert not set(keys) - set(stay) - set(come)
                looks += 1
            return looks

        looking = asyncio.ensure_future(look())
        await write()
        writing = False
        assert await looking

    # -- blobs ---------------------------------------------------------------------------------------------

    @pytest.mark.parametrize("sizes", [[], [0], [1], [1000, 0, 7], [300_000] * 9], ids=str)
    async def test_blob_round_trip(self, backend: Backend, bucket: str, sizes: list[int]) -> None:
        pieces = [os.urandom(size) for size in sizes]
        data = b"".join(pieces)
        async with backend.stage_blob(bucket, "deltaspaces/a/1.bin") as blob:
            for piece in pieces:
                before = blob.size
                reused = bytearray(piece)
                await blob.append(memoryview(reused))
                reused[:] = bytes(len(reused))
                assert blob.size == before + len(piece)
            await blob.publish()
        async with backend.open_blob(bucket, "deltaspaces/a/1.bin") as read:
            assert read.size == len(data)
            assert await read.read(0, len(data)) == data
            for _ in range(20):
                start = random.randint(0, len(data))
                length = random.randint(0, len(data) - start)
                assert await read.read(start, length) == data[start : start + length]
            for start, length in ((0, len(data) + 1), (len(data), 1), (len(data) + 10, 1), (1 << 40, 4096)):
                with pytest.raises(Damaged):
                    await read.read(start, length)

    @pytest.mark.parametrize("span", [(0, 0), (2, 4), (5, 9), (10, 11), (12, 20)])
    async def test_a_span_is_a_hint(self, backend: Backend, bucket: str, span: tuple[int, int]) -> None:
        """Of a blob that has 10 bytes, whatever is announced: also what a damaged one has no more."""
        await put_blob(backend, bucket, "deltaspaces/1.bin", b"0123456789")
        async with backend.open_blob(bucket, "deltaspaces/1.bin", span=span) as blob:
            assert blob.size == 10
            assert await blob.read(0, 10) == b"0123456789"
            assert await blob.read(5, 4) == b"5678"
            with pytest.raises(Damaged):
                await blob.read(12, 1)

    async def test_reads_of_one_blob_at_once(self, backend: Backend, bucket: str) -> None:
        data = os.urandom(1 << 20)
        await put_blob(backend, bucket, "deltaspaces/1.bin", data)
        async with backend.open_blob(bucket, "deltaspaces/1.bin") as blob:
            starts = range(0, len(data), 1 << 16)
            assert b"".join(await asyncio.gather(*(blob.read(s, 1 << 16) for s in starts))) == data

    async def _absent(self, backend: Backend, bucket: str, key: str) -> None:
        assert not await backend.list_blobs(bucket, key, 10)
        with pytest.raises(RecordNotFound):
            async with backend.open_blob(bucket, key):
                pass
        if backend.capabilities.maps_blobs:
            with pytest.raises(RecordNotFound):
                await backend.map_blob(bucket, key, 0)

    async def test_staged_is_not_visible(self, backend: Backend, bucket: str) -> None:
        key = "deltaspaces/a/1.bin"
        async with backend.stage_blob(bucket, key) as blob:
            await blob.append(b"x" * 1000)
            await self._absent(backend, bucket, key)
            await blob.publish()
            assert await get_blob(backend, bucket, key) == b"x" * 1000
        assert await get_blob(backend, bucket, key) == b"x" * 1000

    async def test_left_without_publish_is_removed(self, backend: Backend, bucket: str) -> None:
        key = "deltaspaces/a/1.bin"
        async with backend.stage_blob(bucket, key) as blob:
            await blob.append(b"x")
        await self._absent(backend, bucket, key)

        async def fail() -> None:
            async with backend.stage_blob(bucket, key) as blob:
                await blob.append(b"x")
                raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            await fail()
        await self._absent(backend, bucket, key)
        await put_blob(backend, bucket, key, b"y")
        assert await get_blob(backend, bucket, key) == b"y"

    async def test_cancelled_anywhere_leaves_nothing(self, backend: Backend, bucket: str) -> None:
        published = asyncio.Event()

        async def write(key: str) -> None:
            async with backend.stage_blob(bucket, key) as blob:
                for _ in range(3):
                    await blob.append(b"x" * 10_000)
                await blob.publish()
                published.set()

        ends = []
        for i in range(40 if self.far_away else 120):
            published.clear()
            task = asyncio.ensure_future(write(f"deltaspaces/a/{i}.bin"))
            if i % 2:
                await asyncio.sleep(random.random() * 0.002)
            else:
                for _ in range(i // 2 % 12):
                    await asyncio.sleep(0)
            task.cancel()
            await asyncio.wait([task])
            ends.append(published.is_set())
            if published.is_set():
                assert await get_blob(backend, bucket, f"deltaspaces/a/{i}.bin") == b"x" * 30_000
            else:
                assert task.cancelled()
                await self._absent(backend, bucket, f"deltaspaces/a/{i}.bin")
        assert not all(ends)

    async def test_cancelled_writes_are_whole_or_not_there(self, backend: Backend, bucket: str) -> None:
        for i in range(60):
            key = f"objects/{i}"
            task = asyncio.ensure_future(backend.write_record(bucket, key, b"x" * 1000))
            await asyncio.sleep(random.random() * 0.001)
            task.cancel()
            await asyncio.wait([task])
            [found] = await backend.read_records(bucket, [key])
            assert found is None or found.data == b"x" * 1000
            if not task.cancelled():
                assert found is not None

    async def test_publish_in_a_bucket_gone_meanwhile(self, backend: Backend, bucket: str) -> None:
        blob: BlobWriter
        async with backend.stage_blob(bucket, "deltaspaces/a/1.bin") as blob:
            await blob.append(b"x")
            await backend.delete_bucket(bucket)
            with pytest.raises(BucketNotFound):
                await blob.publish()
        with pytest.raises(BucketNotFound):
            await backend.head_bucket(bucket)

    async def test_open_blob_survives_removal(self, backend: Backend, bucket: str) -> None:
        key, data = "deltaspaces/a/1.bin", os.urandom(100_000)
        await put_blob(backend, bucket, key, data)
        async with backend.open_blob(bucket, key) as blob:
            await backend.remove_blobs(bucket, [key])
            await self._absent(backend, bucket, key)
            assert await blob.read(0, blob.size) == data
        await backend.delete_bucket(bucket)

    async def test_a_map_survives_removal(self, mapping: Backend, bucket: str) -> None:
        backend = mapping
        key, data = "deltaspaces/a/1.bin", os.urandom(100_000)
        await put_blob(backend, bucket, key, data)
        mapped = await backend.map_blob(bucket, key, len(data))
        assert not mapped.removed
        assert mapped.intact
        await backend.remove_blobs(bucket, [key])
        await self._absent(backend, bucket, key)
        assert mapped.removed
        assert mapped.view == data
        await backend.delete_bucket(bucket)
        assert mapped.removed
        assert mapped.view == data
        mapped.close()

    @pytest.mark.parametrize("size", [0, 1, 4096, 100_001])
    async def test_map(self, mapping: Backend, bucket: str, size: int) -> None:
        backend = mapping
        key, data = "deltaspaces/a/1.reference.bin", os.urandom(size)
        await put_blob(backend, bucket, key, data)
        mapped = await backend.map_blob(bucket, key, size)
        view = mapped.view
        assert isinstance(view, memoryview)
        assert view.readonly
        assert (view.nbytes, view.itemsize, bytes(view)) == (size, 1, data)
        del view
        mapped.close()
        for wrong in {0, size - 1, size + 1, 2 * size + 5} - {size, -1}:
            with pytest.raises(Damaged):
                await backend.map_blob(bucket, key, wrong)

    async def test_a_map_somebody_looks_at_stays_open(self, mapping: Backend, bucket: str) -> None:
        backend = mapping
        await put_blob(backend, bucket, "deltaspaces/1.bin", b"0123456789")
        mapped = await backend.map_blob(bucket, "deltaspaces/1.bin", 10)
        piece = mapped.view[2:4]
        with pytest.raises(BufferError):
            mapped.close()
        assert piece == b"23"
        assert mapped.view == b"0123456789"
        piece.release()
        mapped.close()

    @pytest.mark.parametrize("directory", DIRECTORIES)
    async def test_list_blobs(self, backend: Backend, bucket: str, directory: str) -> None:
        longest = 400 if self.holds(f"deltaspaces/{directory}r2-{'n' * 400}.bin") else 100
        if not self.holds(f"deltaspaces/{directory}r2-{'n' * 100}.bin"):
            pytest.skip("this backend has no room for such keys")
        room = f"deltaspaces/{directory}"
        names = {
            "r1-01-a.delta",
            "r1-02-b.pin",
            "r1.reference.bin",
            "r2-01-a.delta",
            f"r2-{'n' * longest}.bin",
        }
        for name in names:
            await put_blob(backend, bucket, room + name, b"x" * (len(room + name) % 7))
        await backend.write_record(bucket, f"{room}references.json", b"{}", durable=False)
        await put_blob(backend, bucket, f"{room}r1-deeper/1.bin")

        async def listed(start: str, limit: int = 100) -> set[str]:
            found = await backend.list_blobs(bucket, room + start, limit)
            assert len(found) == len(set(found))
            assert all(item.size == len(item.key) % 7 for item in found if item.key.endswith(".bin"))
            return {item.key.removeprefix(room) for item in found}

        assert await listed("") == names | {"references.json"}
        assert await listed("r1-") == {"r1-01-a.delta", "r1-02-b.pin"}
        assert await listed("r1") == {"r1-01-a.delta", "r1-02-b.pin", "r1.reference.bin"}
        assert (
            await listed("r2-n") == await listed("r2-" + "n" * (longest - 1)) == {f"r2-{'n' * longest}.bin"}
        )
        assert await listed("r3-") == await listed("none/r1") == set()
        assert len(await listed("", limit=2)) == 2
        await backend.remove_blobs(bucket, [room + name for name in names])
        assert await listed("") == {"references.json"}
        assert await listed("r1-") == set()

    async def test_remove_blobs(self, backend: Backend, bucket: str) -> None:
        keys = [f"deltaspaces/{i % 3}/{i}.bin" for i in range(20)]
        for key in keys:
            await put_blob(backend, bucket, key)
        await backend.remove_blobs(bucket, ["deltaspaces/0/none.bin", *keys[:10], "deltaspaces/none/1.bin"])
        await backend.remove_blobs(bucket, keys[:10])
        await backend.remove_blobs(bucket, [])
        left = [await backend.list_blobs(bucket, f"deltaspaces/{i}/", 100) for i in range(3)]
        assert sorted(item.key for item in itertools.chain(*left)) == sorted(keys[10:])

    # -- what is staged ------------------------------------------------------------------------------------

    async def test_what_is_just_being_staged_is_nobodys_leftover(self, backend: Backend, bucket: str) -> None:
        async with backend.stage_blob(bucket, "deltaspaces/1.bin") as blob:
            await blob.append(b"data")
            assert await backend.list_staged(60) == []
            await backend.remove_staged(["no such thing"])
            await blob.publish()
        assert await get_blob(backend, bucket, "deltaspaces/1.bin") == b"data"
        assert await backend.list_staged(-60) == []

    # -- locks ---------------------------------------------------------------------------------------------

    async def test_exclusive_excludes(self, locking: Backend, bucket: str) -> None:
        inside = total = 0

        async def work(number: int) -> None:
            nonlocal inside, total
            for _ in range(5):
                async with locking.lock(bucket, "name"):
                    inside += 1
                    assert inside == 1
                    await asyncio.sleep(0.0005 * (number % 3))
                    total += 1
                    inside -= 1

        await asyncio.gather(*map(work, range(8)))
        assert total == 40

    async def test_shared_is_shared(self, locking: Backend, bucket: str) -> None:
        everyone = asyncio.Barrier(5)

        async def share() -> None:
            async with locking.lock(bucket, "name", shared=True):
                await everyone.wait()
                async with locking.try_lock(bucket, "name") as alone:
                    assert alone is False

        await asyncio.gather(*(share() for _ in range(5)))
        async with locking.try_lock(bucket, "name") as alone:
            assert alone is True

    async def test_shared_and_exclusive_exclude(self, locking: Backend, bucket: str) -> None:
        readers = writers = 0

        async def work(number: int) -> None:
            nonlocal readers, writers
            for i in range(6):
                if (number + i) % 3:
                    async with locking.lock(bucket, "name", shared=True):
                        readers += 1
                        assert writers == 0
                        await asyncio.sleep(0.0005)
                        readers -= 1
                else:
                    async with locking.lock(bucket, "name"):
                        writers += 1
                        assert (readers, writers) == (0, 1)
                        await asyncio.sleep(0.0005)
                        writers -= 1

        await asyncio.gather(*map(work, range(6)))

    async def test_try_lock_does_not_wait(self, locking: Backend, bucket: str) -> None:
        async with locking.lock(bucket, "name"):
            async with asyncio.timeout(5), locking.try_lock(bucket, "name") as alone:
                assert alone is False
            async with locking.try_lock(bucket, "other") as alone:
                assert alone is True
                async with locking.try_lock(bucket, "other") as twice:
                    assert twice is False
            async with locking.lock("another-bucket", "name"), locking.lock(bucket, ""):
                pass
        async with locking.try_lock(bucket, "name") as alone:
            assert alone is True

    async def test_locks_end_with_their_block(self, locking: Backend, bucket: str) -> None:
        for taken in (locking.lock, locking.try_lock):
            with pytest.raises(ZeroDivisionError):
                async with taken(bucket, "name"):
                    raise ZeroDivisionError
        for _ in range(20):
            holding = asyncio.Event()

            async def hold(holding: asyncio.Event = holding) -> None:
                async with locking.lock(bucket, "name"):
                    holding.set()
                    await asyncio.sleep(60)

            holder = asyncio.ensure_future(hold())
            await holding.wait()
            waiter = asyncio.ensure_future(hold())
            await asyncio.sleep(random.random() * 0.005)
            for task in (waiter, holder):
                task.cancel()
            await asyncio.wait([waiter, holder])
            async with asyncio.timeout(5), locking.lock(bucket, "name"):
                pass
