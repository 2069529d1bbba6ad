# SPDX-License-Identifier: GPL-2.0-only
"""The filesystem backend: the contract, and what only a directory can show."""

import asyncio
import os
import stat
import threading
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Literal
from unittest import mock

import pytest

from dgproxy.storage.backend import Backend, BucketNotEmpty, Damaged, Listed, RecordNotFound, StorageError
from dgproxy.storage.filesystem import FilesystemBackend, directories, keymap, layout
from tests.storage import keys as odd
from tests.storage.contract import BackendContract, all_keys, get_blob, put_blob


@pytest.fixture(params=["strict", "relaxed"])
def durability(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    if request.param == "relaxed":  # and a directory's entries a few at a time
        monkeypatch.setattr(directories, "_CHUNK", 3)
    return str(request.param)


class TestFilesystem(BackendContract):
    @pytest.fixture
    async def backend(
        self, tmp_path: Path, durability: Literal["strict", "relaxed"]
    ) -> AsyncIterator[Backend]:
        async with FilesystemBackend.open(tmp_path / "data", durability, io_threads=8) as backend:
            yield backend


@pytest.fixture
async def backend(tmp_path: Path) -> AsyncIterator[FilesystemBackend]:
    async with FilesystemBackend.open(tmp_path / "data") as backend:
        await backend.create_bucket("bucket")
        yield backend


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """The directory of the bucket in `backend`."""
    return tmp_path / "data" / "buckets" / "bucket"


def tree(root: Path) -> list[Path]:
    return sorted(root.rglob("*"))


def files(root: Path) -> list[str]:
    return [str(path.relative_to(root)) for path in tree(root) if path.is_file()]


# -- what is on the disk -------------------------------------------------------------------------------------


async def test_ordinary_names_are_readable(backend: FilesystemBackend, root: Path) -> None:
    await backend.write_record("bucket", "objects/releases/v2.zip", b"{}")
    await backend.write_record("bucket", "deltaspaces/releases/references.json", b"{}")
    await put_blob(backend, "bucket", "deltaspaces/releases/01-02-v2.zip.delta", b"delta")
    assert files(root) == [
        "bucket.json",
        "deltaspaces/releases/01-02-v2.zip.delta",
        "deltaspaces/releases/references.json",
        "objects/releases/v2.zip.meta",
    ]
    assert (root / "objects/releases/v2.zip.meta").read_bytes() == b"{}"
    for path in tree(root):
        assert stat.S_IMODE(path.stat().st_mode) & ~(0o750 if path.is_dir() else 0o640) == 0
    assert stat.S_IMODE((root.parents[1]).stat().st_mode) == 0o700


async def test_nothing_is_left_behind(tmp_path: Path, root: Path) -> None:
    async with FilesystemBackend.open(tmp_path / "data", "relaxed") as backend:
        await backend.create_bucket("bucket")
        await _put_and_remove(backend)
    assert tree(root) == [root / "bucket.json", root / "deltaspaces", root / "objects"]
    assert tree(root.parents[1] / "staging") == []


async def _put_and_remove(backend: FilesystemBackend) -> None:
    keys = [f"objects/{key}" for key in odd.ODD]
    blobs = [f"deltaspaces/{key[: key.rfind('/') + 1]}1-x.bin" for key in odd.ODD]
    for key, blob in zip(keys, blobs, strict=True):
        await backend.write_record("bucket", key, b"x")
        await put_blob(backend, "bucket", blob, b"x")
    for key, blob in zip(keys, blobs, strict=True):
        await backend.remove_record("bucket", key)
        await backend.remove_blobs("bucket", [blob])


async def test_strangers_are_neither_shown_nor_lost(backend: FilesystemBackend, root: Path) -> None:
    await backend.write_record("bucket", "objects/a/b", b"x")
    for name in ["a/stranger", "a/%zz.meta", ".b.meta.swp", "..meta"]:
        (root / "objects" / name).write_bytes(b"theirs")
    (root / "objects/%zz").mkdir()
    (root / "objects/%zz/c.meta").write_bytes(b"theirs")
    os.mkdir(os.fsencode(root / "objects") + b"/\xff.meta")
    os.mkdir(os.fsencode(root / "objects") + b"/\xff")
    assert await all_keys(backend, "bucket") == ["objects/a/b"]
    page = await backend.list_records("bucket", "objects/", delimiter="/")
    assert [getattr(item, "prefix", None) for item in page.items] == ["objects/a/"]
    await backend.remove_record("bucket", "objects/a/b")
    with pytest.raises(BucketNotEmpty):
        await backend.delete_bucket("bucket")
    assert len(files(root / "objects")) == 5


async def test_the_longest_paths(tmp_path: Path) -> None:
    """The longest keys in the bucket with the longest name in the data directory with the longest path."""
    data_dir = tmp_path
    while len(bytes(data_dir)) < layout._LONGEST_DATA_DIR - 201:
        data_dir /= "d" * 200
    data_dir.mkdir(parents=True)
    data_dir /= "d" * (layout._LONGEST_DATA_DIR - len(bytes(data_dir)) - 1)
    with pytest.raises(StorageError, match="the path of the data directory is over"):
        FilesystemBackend.open(data_dir.with_name(data_dir.name + "d"))
    bucket = "b" * 63
    longest = [key for key in odd.ODD if len(key.encode()) == odd.LONGEST]
    async with FilesystemBackend.open(data_dir, "relaxed") as backend:
        await backend.create_bucket(bucket)
        for key in longest:
            await backend.write_record(bucket, f"objects/{key}", b"x")
            blob = f"deltaspaces/{key[:-2]}/{'0' * 26}-{'0' * 26}-{'n' * 80}.reference.bin"
            await put_blob(backend, bucket, blob, b"x")
            assert await get_blob(backend, bucket, blob) == b"x"
        assert len(await all_keys(backend, bucket)) == len(longest)
        for key in longest:
            await backend.remove_record(bucket, f"objects/{key}")
        await backend.delete_bucket(bucket)


# -- stamps --------------------------------------------------------------------------------------------------


async def test_stamps(backend: FilesystemBackend, root: Path) -> None:
    async def stamps() -> set[str | None]:
        [listed] = (await backend.list_records("bucket", "objects/")).items
        assert isinstance(listed, Listed)
        return {listed.stamp, (await backend.read_record("bucket", "objects/a")).stamp}

    def age(seconds: float) -> None:
        when = time.time_ns() - int(seconds * 1e9)
        os.utime(root / "objects/a.meta", ns=(when, when))

    await backend.write_record("bucket", "objects/a", b"x")
    assert await stamps() == {None}
    age(1.8)
    assert await stamps() == {None}
    age(-3600)  # the clock was set back
    assert await stamps() == {None}
    age(10)
    [old] = await stamps()
    assert old is not None
    assert await stamps() == {old}
    await backend.write_record("bucket", "objects/a", b"y")
    assert await stamps() == {None}
    age(9)
    assert not await stamps() & {None, old}


# -- a directory that changes --------------------------------------------------------------------------------


@pytest.mark.skipif(not os.path.ismount("/dev/shm"), reason="no tmpfs")
async def test_a_replaced_key_is_listed_on_tmpfs(tmp_path_factory: pytest.TempPathFactory) -> None:
    """tmpfs moves a name that is replaced to the directory's end, where a reader under way does not look."""
    data_dir = Path("/dev/shm") / f"dgproxy-test-{os.getpid()}"
    backend = FilesystemBackend.open(data_dir)
    try:
        async with backend:
            await backend.create_bucket("bucket")
            keys = [f"objects/{i:04}" for i in range(1500)]
            await asyncio.gather(*(backend.write_record("bucket", key, b"x") for key in keys))
            end = time.monotonic() + 2

            async def replace() -> None:
                i = 0
                while time.monotonic() < end:
                    i += 7919
                    await backend.write_record("bucket", keys[i % len(keys)], b"y")

            async def look() -> None:
                while time.monotonic() < end:
                    assert await all_keys(backend, "bucket") == keys

            await asyncio.gather(replace(), replace(), look())
    finally:
        await asyncio.to_thread(os.system, f"rm -rf {data_dir}")


# -- threads and cancellation --------------------------------------------------------------------------------


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


async def test_cancelled_anywhere_nothing_leaks(backend: FilesystemBackend, tmp_path: Path) -> None:
    await put_blob(backend, "bucket", "deltaspaces/there.bin", b"x" * 100_000)

    async def everything(number: int) -> None:
        async with backend.stage_blob("bucket", f"deltaspaces/{number}.bin") as blob:
            await blob.append(b"x" * 1000)
            await blob.publish()
        async with backend.open_blob("bucket", "deltaspaces/there.bin") as read:
            await read.read(0, read.size)
        (await backend.map_blob("bucket", "deltaspaces/there.bin", 100_000)).close()
        async with backend.lock("bucket", "a"), backend.try_lock("bucket", "b"):
            await backend.write_record("bucket", f"objects/{number}", b"x")

    await everything(0)
    before = await asyncio.to_thread(descriptors)
    for i in range(1, 300):
        task = asyncio.ensure_future(everything(i))
        await asyncio.sleep(i * 1e-5)
        for _ in range(i % 3 + 1):
            task.cancel()
            await asyncio.sleep(0)
        await asyncio.wait([task])
    assert await asyncio.to_thread(descriptors) == before
    assert await asyncio.to_thread(os.listdir, tmp_path / "data/staging") == []


async def test_a_call_under_way_is_outlasted(backend: FilesystemBackend) -> None:
    """A cancelled task goes on only when the thread has let go of its buffer."""
    begun, go_on = threading.Event(), threading.Event()
    real = os.write

    def slow(descriptor: int, data: memoryview) -> int:
        begun.set()
        go_on.wait()
        return real(descriptor, data)

    buffer = bytearray(1000)

    async def append() -> None:
        async with backend.stage_blob("bucket", "deltaspaces/1.bin") as blob:
            await blob.append(buffer)

    with mock.patch.object(os, "write", slow):
        task = asyncio.ensure_future(append())
        await asyncio.to_thread(begun.wait)
        for _ in range(3):
            task.cancel()
            await asyncio.sleep(0.01)
        assert not task.done()
        with pytest.raises(BufferError):
            buffer.clear()
        go_on.set()
        await asyncio.wait([task])
    assert task.cancelled()
    buffer.clear()


async def test_reads_do_not_wait_for_fsyncs(tmp_path: Path) -> None:
    async with FilesystemBackend.open(tmp_path / "data", io_threads=2) as backend:
        await backend.create_bucket("bucket")
        await backend.write_record("bucket", "objects/a", b"x")
        go_on = threading.Event()
        with mock.patch.object(os, "fsync", side_effect=lambda _: go_on.wait()):
            writes = [
                asyncio.ensure_future(backend.write_record("bucket", f"objects/{i}", b"x")) for i in range(5)
            ]
            try:
                async with asyncio.timeout(10):
                    assert (await backend.read_record("bucket", "objects/a")).data == b"x"
                    await backend.list_records("bucket", "objects/")
                    async with backend.lock("bucket", "name"):
                        pass
            finally:
                go_on.set()
            await asyncio.gather(*writes)


# -- fsync ---------------------------------------------------------------------------------------------------


async def test_threads_share_the_fsyncs_of_a_directory(backend: FilesystemBackend) -> None:
    await backend.write_record("bucket", "objects/d/0", b"x")
    real, of_files, of_directories = os.fsync, 0, 0
    together = threading.Barrier(16)

    def slow(descriptor: int) -> None:
        nonlocal of_files, of_directories
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            of_directories += 1
            time.sleep(0.05)
        else:
            of_files += 1
            together.wait(60)
        real(descriptor)

    with mock.patch.object(os, "fsync", slow):
        await asyncio.gather(*(backend.write_record("bucket", f"objects/d/{i}", b"x") for i in range(16)))
    assert of_files == 16
    assert of_directories < 8


async def test_whoever_shares_an_fsync_shares_its_error(backend: FilesystemBackend) -> None:
    await backend.write_record("bucket", "objects/d/0", b"x")

    def fail(descriptor: int) -> None:
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            time.sleep(0.02)
            raise OSError(5, "Input/output error")

    with mock.patch.object(os, "fsync", fail):
        ends = await asyncio.gather(
            *(backend.write_record("bucket", f"objects/d/{i}", b"x") for i in range(16)),
            return_exceptions=True,
        )
    assert all(type(end) is StorageError and "objects/d: Input/output error" in str(end) for end in ends)


async def test_what_need_not_be_durable_waits_for_no_disk(backend: FilesystemBackend) -> None:
    with mock.patch.object(os, "fsync", side_effect=AssertionError):
        await backend.write_record("bucket", "deltaspaces/a/hint.json", b"x", durable=False)


async def test_relaxed_never_waits_for_the_disk(tmp_path: Path) -> None:
    async with FilesystemBackend.open(tmp_path / "data", "relaxed") as backend:
        with mock.patch.object(os, "fsync", side_effect=AssertionError):
            await backend.create_bucket("bucket")
            await backend.write_record("bucket", "objects/a/b", b"x")
            await put_blob(backend, "bucket", "deltaspaces/a/1.bin", b"x")
            await backend.remove_record("bucket", "objects/a/b")
            await backend.delete_bucket("bucket")


async def test_directories_lose_their_mark(backend: FilesystemBackend, root: Path) -> None:
    await backend.write_record("bucket", "objects/a/b/c", b"x")
    for path in ("objects", "objects/a", "objects/a/b"):
        assert not (root / path).stat().st_mode & stat.S_ISVTX


# -- what is broken ------------------------------------------------------------------------------------------


async def test_a_bucket_without_its_record(backend: FilesystemBackend, root: Path) -> None:
    for content in (
        b"",
        b"{",
        b"[]",
        b'{"format": 2, "created": 1}',
        b'{"format": 1, "created": "now"}',
        b"\xff",
    ):
        (root / "bucket.json").write_bytes(content)
        with pytest.raises(Damaged, match=r"bucket\.json"):
            await backend.head_bucket("bucket")
    (root / "bucket.json").unlink()
    with pytest.raises(Damaged):
        await backend.head_bucket("bucket")
    with pytest.raises(Damaged):
        await backend.list_buckets()


async def test_a_blob_cut_short(backend: FilesystemBackend, root: Path) -> None:
    key = "deltaspaces/1.bin"
    await put_blob(backend, "bucket", key, b"0123456789")
    async with backend.open_blob("bucket", key) as blob:
        os.truncate(root / key, 5)
        assert await blob.read(0, 5) == b"01234"
        with pytest.raises(Damaged, match="ends at 5"):
            await blob.read(0, 6)
    with pytest.raises(Damaged, match="has 5 bytes instead of 10"):
        await backend.map_blob("bucket", key, 10)


async def test_a_data_directory_that_vanished_answers_nothing(
    backend: FilesystemBackend, tmp_path: Path
) -> None:
    """An unmounted disk is not an empty one."""
    await backend.write_record("bucket", "objects/a", b"x")
    os.rename(tmp_path / "data", tmp_path / "elsewhere")

    async def open_blob() -> None:
        async with backend.open_blob("bucket", "deltaspaces/1.bin"):
            pass

    for call in (
        backend.head_bucket("bucket"),
        backend.read_record("bucket", "objects/a"),
        backend.read_record("bucket", "objects/none"),
        backend.read_records("bucket", ["objects/a", "objects/none"]),
        backend.write_record("bucket", "objects/a", b"y"),
        backend.write_record("bucket", "objects/a", b"y", expect=""),
        backend.remove_record("bucket", "objects/a"),
        backend.list_records("bucket", "objects/"),
        backend.list_blobs("bucket", "deltaspaces/", 1),
        backend.remove_blobs("bucket", ["deltaspaces/1.bin"]),
        backend.map_blob("bucket", "deltaspaces/1.bin", 1),
        backend.create_bucket("other"),
        backend.delete_bucket("bucket"),
        backend.list_buckets(),
        open_blob(),
    ):
        with pytest.raises(StorageError) as caught:
            await call
        assert type(caught.value) is StorageError, caught.value
    assert not (tmp_path / "data").exists()
    os.rename(tmp_path / "elsewhere", tmp_path / "data")
    assert (await backend.read_record("bucket", "objects/a")).data == b"x"


async def test_a_directory_in_a_files_place_is_an_error_not_an_absence(
    backend: FilesystemBackend, root: Path
) -> None:
    (root / "objects/a.meta").mkdir(parents=True)
    (root / "objects/f").write_bytes(b"")
    for key in ("objects/a", "objects/f/b"):
        with pytest.raises(StorageError) as caught:
            await backend.read_record("bucket", key)
        assert not isinstance(caught.value, RecordNotFound)
        with pytest.raises(StorageError):
            await backend.write_record("bucket", key, b"x")
        with pytest.raises(StorageError) as caught:
            await backend.remove_record("bucket", key)
        assert not isinstance(caught.value, RecordNotFound)


@pytest.mark.parametrize("key", ["", "a", "objects/\ud800"])
async def test_text_that_is_no_key(backend: FilesystemBackend, key: str) -> None:
    for call in (
        backend.read_record("bucket", key),
        backend.write_record("bucket", key, b"x"),
        backend.remove_blobs("bucket", [key]),
    ):
        with pytest.raises(StorageError, match=r"not a storage key|not UTF-8"):
            await call


def test_the_bound_on_paths_is_kept() -> None:
    assert layout._LONGEST_DATA_DIR > 700
    assert keymap.LONGEST_PATH < 4096


# -- what dead processes leave in staging --------------------------------------------------------------------


async def test_leftovers_in_staging_are_found_by_age_and_removed(
    backend: FilesystemBackend, root: Path
) -> None:
    staging = root.parents[1] / "staging"
    (staging / "tree/deep").mkdir(parents=True)
    (staging / "tree/deep/file").write_bytes(b"12345")
    (staging / "file").write_bytes(b"123")
    assert await backend.list_staged(60) == []
    found = await backend.list_staged(-60)
    assert {item.key: item.size for item in found} == {"tree": 5, "file": 3}
    await backend.remove_staged([*(item.key for item in found), "gone"])
    assert tree(staging) == []


async def test_removing_what_is_staged_reaches_nothing_else(backend: FilesystemBackend, root: Path) -> None:
    await put_blob(backend, "bucket", "deltaspaces/01-x.bin", b"data")
    for name in ("../buckets/bucket/deltaspaces/01-x.bin", "../buckets", "..", ".", ""):
        with pytest.raises(ValueError, match="not a name in staging"):
            await backend.remove_staged([name])
    assert files(root) == ["bucket.json", "deltaspaces/01-x.bin"]
