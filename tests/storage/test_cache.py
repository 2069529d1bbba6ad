# SPDX-License-Identifier: GPL-2.0-only
"""The file cache: fetched once, checked, bounded, shared between tasks and processes."""

import asyncio
import hashlib
import os
import random
import signal
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from unittest import mock

import pytest

from dgproxy.storage import cache as cache_module
from dgproxy.storage.backend import Busy, Damaged, StorageError
from dgproxy.storage.cache import Append, FileCache
from dgproxy.storage.cache_files import CacheFiles, Filling

KIB = 1024


def sha(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


class Source:
    """Bytes somewhere else, and how often they were asked for."""

    def __init__(self, data: bytes, piece: int = 1000) -> None:
        self.data = data
        self.asked = 0
        self._piece = piece

    async def fill(self, append: Append) -> None:
        self.asked += 1
        for start in range(0, len(self.data), self._piece):
            reused = bytearray(self.data[start : start + self._piece])
            await append(memoryview(reused))
            reused[:] = bytes(len(reused))

    async def read(self, cache: FileCache) -> bytes:
        """The bytes by way of the cache."""
        async with cache.mapped("source", len(self.data), sha(self.data), self.fill) as view:
            assert view.readonly
            return bytes(view)


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return tmp_path / "deep" / "cache"


@pytest.fixture
def open_cache(directory: Path) -> Callable[..., Awaitable[FileCache]]:
    async def open_it(limit: int = 1 << 20) -> FileCache:
        return await asyncio.to_thread(FileCache.open, directory, limit)

    return open_it


@pytest.fixture
async def cache(open_cache: Callable[..., Awaitable[FileCache]]) -> AsyncIterator[FileCache]:
    async with await open_cache() as cache:
        yield cache


def kept(directory: Path) -> set[str]:
    return {path.name for path in directory.iterdir()} - {"locks"}


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not condition():  # noqa: ASYNC110 - files of other processes tell nobody
            await asyncio.sleep(0.002)


# -- what it promises ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [0, 1, 999, 1000, 100_001])
async def test_fetched_once_and_kept(cache: FileCache, directory: Path, size: int) -> None:
    source = Source(os.urandom(size))
    for _ in range(3):
        assert await source.read(cache) == source.data
    assert source.asked == 1
    assert kept(directory) == {sha(source.data)}
    assert (directory / sha(source.data)).read_bytes() == source.data


async def test_it_outlives_the_process(open_cache: Callable[..., Awaitable[FileCache]]) -> None:
    source = Source(os.urandom(5000))
    for _ in range(2):
        async with await open_cache() as cache:
            assert await source.read(cache) == source.data
    assert source.asked == 1


async def test_many_wait_for_one_fetch(cache: FileCache) -> None:
    source = Source(os.urandom(50_000))
    assert set(await asyncio.gather(*(source.read(cache) for _ in range(30)))) == {source.data}
    assert source.asked == 1


async def test_a_slice_keeps_the_mapping(cache: FileCache) -> None:
    source = Source(b"0123456789")
    file = await cache.map("source", 10, sha(source.data), source.fill)
    piece = file.view[2:4]
    with pytest.raises(BufferError):
        file.close()
    assert bytes(piece) == b"23"
    piece.release()
    assert file.intact
    assert not file.removed
    file.close()


@pytest.mark.parametrize("wrong", [b"", b"short", b"x" * 10, b"x" * 11, b"x" * 5000], ids=len)
async def test_wrong_bytes_get_no_name(cache: FileCache, directory: Path, wrong: bytes) -> None:
    right, source = Source(b"0123456789"), Source(wrong)
    with pytest.raises(Damaged, match="the v1 reference"):
        await cache.map("the v1 reference", 10, sha(right.data), source.fill)
    assert source.asked == 2
    assert kept(directory) == set()
    assert await right.read(cache) == right.data


async def test_bytes_wrong_once_are_fetched_again(cache: FileCache) -> None:
    answers = [b"wrong data", b"0123456789"]

    async def fill(append: Append) -> None:
        await append(answers.pop(0))

    async with cache.mapped("source", 10, sha(b"0123456789"), fill) as view:
        assert bytes(view) == b"0123456789"


async def test_a_failed_fetch_fails_all_who_wait_and_no_one_later(cache: FileCache, directory: Path) -> None:
    source = Source(os.urandom(3000))
    begun = asyncio.Event()

    async def fail(append: Append) -> None:
        await append(source.data[:1000])
        begun.set()
        await asyncio.sleep(0.01)
        raise StorageError("the store is down")

    calls = [cache.map("source", 3000, sha(source.data), fail) for _ in range(5)]
    for end in await asyncio.gather(*calls, return_exceptions=True):
        assert isinstance(end, StorageError)
        assert "the store is down" in str(end)
    assert kept(directory) == set()
    assert await source.read(cache) == source.data


async def test_a_failed_fetch_is_remembered_for_a_while(
    cache: FileCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = Source(os.urandom(3000))

    async def fail(append: Append) -> None:
        raise StorageError("the store is down")

    assert not cache.failed_lately(sha(source.data))
    monkeypatch.setattr(cache_module, "_REST", 400.0)
    monkeypatch.setattr(cache_module, "_LONGEST_REST", 600.0)
    for _ in range(2):
        with pytest.raises(StorageError):
            await cache.map("source", 3000, sha(source.data), fail)
        assert cache.failed_lately(sha(source.data))
    monkeypatch.setattr(cache_module, "_LONGEST_REST", 0.0)
    assert not cache.failed_lately(sha(source.data))
    monkeypatch.setattr(cache_module, "_LONGEST_REST", 600.0)
    assert await source.read(cache) == source.data
    assert not cache.failed_lately(sha(source.data))


def test_rests_grow() -> None:
    assert [cache_module._rest(times) for times in (1, 2, 3, 6, 7, 1000)] == [5, 10, 20, 160, 300, 300]


# -- while they arrive ---------------------------------------------------------------------------------------


class Gated(Source):
    """Goes on when it is told to."""

    def __init__(self, data: bytes) -> None:
        super().__init__(data)
        self.go = asyncio.Event()

    async def fill(self, append: Append) -> None:
        half = len(self.data) // 2
        await append(self.data[:half])
        await self.go.wait()
        await append(self.data[half:])


@pytest.mark.parametrize("other_process", [False, True])
async def test_what_has_arrived_can_be_read(
    open_cache: Callable[..., Awaitable[FileCache]], *, other_process: bool
) -> None:
    source = Gated(os.urandom(100_001))
    size, digest = len(source.data), sha(source.data)
    async with await open_cache() as cache, await open_cache() as other:
        async with cache.arriving("source", size, digest, source.fill):
            reader = other if other_process else cache
            async with reader.arriving("source", size, digest, source.fill) as arriving:
                await arriving.reached(50_000)
                assert (arriving.arrived, arriving.over) == (50_000, False)
                for begin, end in ((0, 50_000), (4097, 4098), (49_999, 50_000), (7, 7)):
                    async with arriving.stretch(begin, end) as view:
                        assert view is not None
                        assert bytes(view) == source.data[begin:end]
                async with arriving.stretch(0, 50_001) as view:
                    assert view is None
                source.go.set()
                await arriving.reached(size)
                file = await arriving.whole()
                assert file.view == source.data
                file.close()
                async with arriving.stretch(7, 99_999) as view:  # it has another name now
                    assert view is not None
                    assert bytes(view) == source.data[7:99_999]
                await reader.forget(digest)
                async with arriving.stretch(0, 10) as view:
                    assert view is None
        assert not reader.is_arriving(digest)


async def test_who_waits_for_bytes_that_never_come_is_told(cache: FileCache) -> None:
    async def fail(append: Append) -> None:
        await append(b"01234")
        raise StorageError("the store is down")

    async with cache.arriving("source", 10, sha(b"0123456789"), fail) as arriving:
        await arriving.reached(10)
        assert arriving.over
        with pytest.raises(StorageError, match="the store is down"):
            await arriving.whole()


async def test_bytes_apart(cache: FileCache, directory: Path) -> None:
    source = Source(os.urandom(100_000))
    async with cache.apart(source.fill) as view:
        assert view == source.data
        assert kept(directory) == set()
    async with cache.apart(Source(b"").fill) as view:
        assert not view
    with (
        mock.patch.object(os, "pwrite", side_effect=OSError(28, "No space left on device")),
        pytest.raises(Busy, match="cache directory"),
    ):
        async with cache.apart(source.fill):
            pytest.fail("there was room")
    assert kept(directory) == set()


# -- damage --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("length", [0, 4999, 5001])
async def test_a_file_of_another_length_is_fetched_again(
    cache: FileCache, directory: Path, length: int
) -> None:
    source = Source(os.urandom(5000))
    await source.read(cache)
    os.truncate(directory / sha(source.data), length)
    assert await source.read(cache) == source.data
    assert source.asked == 2


async def test_a_mapped_file_that_shrinks_says_so(cache: FileCache, directory: Path) -> None:
    source = Source(os.urandom(5000))
    file = await cache.map("source", 5000, sha(source.data), source.fill)
    os.truncate(directory / sha(source.data), 100)
    assert not file.intact
    file.close()


async def test_forgotten_bytes_are_fetched_again(cache: FileCache, directory: Path) -> None:
    source = Source(os.urandom(5000))
    old = await cache.map("source", 5000, sha(source.data), source.fill)
    await cache.forget(sha(source.data))
    await cache.forget(sha(source.data))
    assert old.removed
    new = await cache.map("source", 5000, sha(source.data), source.fill)
    assert (source.asked, new.removed) == (2, False)
    assert old.view == new.view == source.data
    old.close()
    new.close()


# -- the limit -----------------------------------------------------------------------------------------------


async def test_the_least_recently_used_go_first(
    open_cache: Callable[..., Awaitable[FileCache]], directory: Path
) -> None:
    sources = [Source(os.urandom(100 * KIB)) for _ in range(6)]
    async with await open_cache(350 * KIB) as cache:
        for source in sources[:3]:
            await source.read(cache)
            await asyncio.sleep(0.02)
        await sources[0].read(cache)  # used again
        await asyncio.sleep(0.02)
        await sources[3].read(cache)
        assert kept(directory) == {sha(sources[i].data) for i in (0, 2, 3)}
        assert await sources[1].read(cache) == sources[1].data
        assert sources[1].asked == 2


async def test_what_is_in_use_goes_last(
    open_cache: Callable[..., Awaitable[FileCache]], directory: Path
) -> None:
    sources = [Source(os.urandom(100 * KIB)) for _ in range(5)]
    async with await open_cache(250 * KIB) as cache, await open_cache(250 * KIB) as other:
        oldest = await cache.map("0", 100 * KIB, sha(sources[0].data), sources[0].fill)
        for source in sources[1:]:
            await asyncio.sleep(0.02)
            await source.read(other)
        assert kept(directory) == {sha(sources[i].data) for i in (0, 4)}
        big = Source(os.urandom(240 * KIB))
        assert await big.read(other) == big.data
        assert kept(directory) == {sha(big.data)}
        assert oldest.removed
        assert oldest.view == sources[0].data
        oldest.close()


async def test_a_file_larger_than_the_cache(
    open_cache: Callable[..., Awaitable[FileCache]], directory: Path
) -> None:
    async with await open_cache(10) as cache:
        sources = [Source(os.urandom(50 * KIB)) for _ in range(8)]
        for _ in range(3):
            found = await asyncio.gather(*(source.read(cache) for source in sources * 2))
            assert found == [source.data for source in sources * 2]
    async with await open_cache(10):
        assert kept(directory) == set()


async def test_what_is_under_way_counts(
    open_cache: Callable[..., Awaitable[FileCache]], directory: Path
) -> None:
    old, new = Source(os.urandom(100 * KIB)), Source(os.urandom(100 * KIB))
    go = asyncio.Event()

    async def slowly(append: Append) -> None:
        await append(new.data[:10])
        await go.wait()
        await append(new.data[10:])

    async with await open_cache(250 * KIB) as cache:
        await old.read(cache)
        task = asyncio.ensure_future(cache.map("new", 100 * KIB, sha(new.data), slowly))
        await until(lambda: len(kept(directory)) == 2)
        third = Source(os.urandom(100 * KIB))
        await third.read(cache)
        assert sha(old.data) not in kept(directory)
        go.set()
        file = await task
        assert file.view == new.data
        file.close()


async def test_a_full_disk_is_emptied_of_what_is_kept(cache: FileCache, directory: Path) -> None:
    old, new = Source(os.urandom(1000)), Source(os.urandom(1000))
    await old.read(cache)
    real = os.pwrite

    def pwrite(descriptor: int, data: bytes, offset: int) -> int:
        if sha(old.data) in kept(directory):
            raise OSError(28, "No space left on device")
        return real(descriptor, data, offset)

    with mock.patch.object(os, "pwrite", pwrite):
        assert await new.read(cache) == new.data
    assert kept(directory) == {sha(new.data)}


async def test_no_room_at_all_is_busy(cache: FileCache, directory: Path) -> None:
    source = Source(os.urandom(1000))
    with (
        mock.patch.object(os, "pwrite", side_effect=OSError(28, "No space left on device")),
        pytest.raises(Busy, match="cache directory"),
    ):
        await source.read(cache)
    assert kept(directory) == set()
    assert await source.read(cache) == source.data


# -- cancelled -----------------------------------------------------------------------------------------------


async def test_who_gives_up_takes_nothing_from_the_others(cache: FileCache) -> None:
    source = Source(os.urandom(20_000))
    tasks = [asyncio.ensure_future(source.read(cache)) for _ in range(6)]
    await until(lambda: source.asked == 1)
    for task in tasks[:5]:
        task.cancel()
    assert await tasks[5] == source.data
    assert all(task.cancelled() for task in tasks[:5])
    assert source.asked == 1


async def test_cancelled_anywhere(cache: FileCache, directory: Path) -> None:
    descriptors = len(os.listdir("/proc/self/fd"))
    for i in range(150):
        source = Source(os.urandom(3000))
        tasks = [asyncio.ensure_future(source.read(cache)) for _ in range(2)]
        await asyncio.sleep(random.random() * 0.006)
        tasks[i % 2].cancel()
        if i % 3 == 0:
            tasks[1 - i % 2].cancel()
        for end in await asyncio.gather(*tasks, return_exceptions=True):
            assert end == source.data or isinstance(end, asyncio.CancelledError)
    await until(lambda: not cache._fetches)
    assert all(len(name) == 64 for name in kept(directory))
    assert len(os.listdir("/proc/self/fd")) <= descriptors + 10  # threads and the lock file


async def test_the_end_of_the_cache_is_the_end_of_its_fetches(
    open_cache: Callable[..., Awaitable[FileCache]], directory: Path
) -> None:
    cache = await open_cache()
    forever = asyncio.Event()

    async def fill(append: Append) -> None:
        await append(b"x")
        await forever.wait()

    task = asyncio.ensure_future(cache.map("source", 10, sha(b""), fill))
    await until(lambda: len(kept(directory)) == 1)
    task.cancel()
    await asyncio.wait([task])
    await cache.aclose()
    assert kept(directory) == set()


# -- processes -----------------------------------------------------------------------------------------------


async def child(directory: Path, what: str, *args: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.storage.cache_child", what, str(directory), *args,
        stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip


async def test_processes_fetch_once_between_them(directory: Path) -> None:
    children = [await child(directory, "read", str(2 << 20), str(i)) for i in range(3)]
    said = [(await process.communicate())[0].decode().split() for process in children]
    assert all(process.returncode == 0 for process in children)
    numbers = [[int(word) for word in words] for words in said]
    # each read the same twelve files in an order of its own; nobody's limit was reached
    assert sum(asked for asked, _ in numbers) == 12
    assert all(wrong == 0 for _, wrong in numbers)


async def test_processes_in_a_cache_too_small_for_them(
    open_cache: Callable[..., Awaitable[FileCache]], directory: Path
) -> None:
    children = [await child(directory, "read", "150000", str(i)) for i in range(3)]
    said = [(await process.communicate())[0].decode().split() for process in children]
    assert all(process.returncode == 0 for process in children)
    assert all(wrong == "0" for _, wrong in said)
    async with await open_cache(150_000):  # now that nothing is in use
        assert sum(os.stat(directory / name).st_size for name in kept(directory)) <= 150_000


async def test_a_killed_process_is_replaced(
    open_cache: Callable[..., Awaitable[FileCache]], directory: Path
) -> None:
    process = await child(directory, "stall")
    assert process.stdout is not None
    await process.stdout.readline()
    source = Source(b"z" * 100_000)
    async with await open_cache() as cache:
        reading = asyncio.ensure_future(source.read(cache))
        await asyncio.sleep(0.2)
        assert source.asked == 0
        process.send_signal(signal.SIGKILL)
        assert await reading == source.data
        assert kept(directory) == {sha(source.data)}  # to make room is to remove what the dead left
    await process.wait()


async def test_a_stopped_process_is_not_waited_for(
    open_cache: Callable[..., Awaitable[FileCache]], directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cache_module, "_PATIENCE", 0.3)
    process = await child(directory, "stall")
    try:
        assert process.stdout is not None
        await process.stdout.readline()
        source = Source(b"z" * 100_000)
        async with await open_cache() as cache:
            assert await source.read(cache) == source.data
            # the other is alive, so its file stays, and when it goes on nothing is harmed
            assert len(kept(directory)) == 2
            assert await source.read(cache) == source.data
    finally:
        process.kill()
        await process.wait()


# -- the directory -------------------------------------------------------------------------------------------


async def test_leftovers_go_and_strangers_stay(
    open_cache: Callable[..., Awaitable[FileCache]], directory: Path
) -> None:
    async with await open_cache():
        pass
    (directory / ("a" * 64 + "." + "0" * 16)).write_bytes(b"left by the dead")
    strangers = {"notes.txt", "a" * 63, "A" * 64, "a" * 64 + ".x"}
    for name in strangers:
        (directory / name).write_bytes(b"theirs" * 1000)
    async with await open_cache(1):
        assert kept(directory) == strangers
    assert os.stat(directory).st_mode & 0o777 == 0o700


def test_a_name_is_given_to_what_is_on_the_disk(directory: Path) -> None:
    files = CacheFiles(directory, 1000)
    files.create()
    calls: list[str] = []
    filling = Filling(files, "source", sha(b"x"), 1)
    filling.begin()
    filling.append(b"x")
    with (
        mock.patch.object(os, "fsync", side_effect=lambda _: calls.append("fsync")),
        mock.patch.object(os, "rename", side_effect=lambda *_: calls.append("rename")),
    ):
        file = cache_module.CachedFile(files.path(sha(b"x")))
        filling.finish(file)
    assert calls == ["fsync", "rename"]
    file.close()
    filling.discard()


def test_a_directory_that_cannot_be(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StorageError):
        FileCache.open(tmp_path / "file" / "cache", 1)


async def test_use_is_noted(cache: FileCache, directory: Path) -> None:
    source = Source(b"data")
    await source.read(cache)
    os.utime(directory / sha(b"data"), (1, 1))
    await source.read(cache)
    assert time.time() - (directory / sha(b"data")).stat().st_mtime < 60
