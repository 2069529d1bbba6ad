# SPDX-License-Identifier: GPL-2.0-only
"""The filesystem backend on disks that are full, read-only, failing or slow to take what they are given.

Where the kernel can be asked to fail for real, it is; for EIO the call that would return it is replaced.
"""

import asyncio
import errno
import os
import resource
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

from dgproxy.storage.backend import AccessRefused, Busy, OutOfSpace, RecordNotFound, StorageError
from dgproxy.storage.filesystem import FilesystemBackend
from dgproxy.storage.filesystem.oserrors import from_oserror
from tests.storage.contract import all_keys, get_blob, put_blob


def mount(*args: str) -> None:
    done = subprocess.run(["mount", *args], capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"can't mount: {done.stderr.strip()}")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk with room for a megabyte."""
    where = tmp_path / "disk"
    where.mkdir()
    mount("-t", "tmpfs", "-o", "size=1m", "tmpfs", str(where))
    try:
        yield where
    finally:
        subprocess.run(["umount", "-l", str(where)], check=True)


@pytest.fixture
async def backend(tmp_path: Path) -> AsyncIterator[FilesystemBackend]:
    async with FilesystemBackend.open(tmp_path / "data") as backend:
        await backend.create_bucket("bucket")
        yield backend


def staging(data_dir: Path) -> list[str]:
    return os.listdir(data_dir / "staging")


async def blobs_in(backend: FilesystemBackend) -> list[str]:
    return [item.key for item in await backend.list_blobs("bucket", "deltaspaces/", 10)]


@contextmanager
def failing(name: str, code: int, *, after: int = 0) -> Iterator[None]:
    """Let a call of the os module fail, from the second, third… time on."""
    real, calls = getattr(os, name), 0

    def double(*args: Any, **kwargs: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls <= after:
            return real(*args, **kwargs)
        raise OSError(code, os.strerror(code))

    with mock.patch.object(os, name, double):
        yield


# -- a full disk ---------------------------------------------------------------------------------------------


async def test_a_full_disk(small_disk: Path) -> None:
    async with FilesystemBackend.open(small_disk) as backend:
        await backend.create_bucket("bucket")
        await backend.write_record("bucket", "objects/old", b"old")
        await put_blob(backend, "bucket", "deltaspaces/old.bin", b"x" * 400_000)

        async def fill() -> None:
            async with backend.stage_blob("bucket", "deltaspaces/new.bin") as blob:
                for _ in range(100):
                    await blob.append(b"y" * 10_000)

        with pytest.raises(OutOfSpace, match=r"staging/.*: No space left on device"):
            await fill()
        assert staging(small_disk) == []
        assert await blobs_in(backend) == ["deltaspaces/old.bin"]
        with pytest.raises(OutOfSpace):
            await backend.write_record("bucket", "objects/old", b"n" * 1_000_000)
        assert staging(small_disk) == []
        assert (await backend.read_record("bucket", "objects/old")).data == b"old"
        await backend.remove_blobs("bucket", ["deltaspaces/old.bin"])
        await put_blob(backend, "bucket", "deltaspaces/new.bin", b"y" * 700_000)


async def test_deleting_needs_no_room(small_disk: Path) -> None:
    async with FilesystemBackend.open(small_disk) as backend:
        await backend.create_bucket("bucket")
        for i in range(2000):
            try:
                await backend.write_record("bucket", f"objects/{i}", b"x" * 3000)
            except OutOfSpace:
                break
        keys = await all_keys(backend, "bucket")
        assert len(keys) == i > 100
        with pytest.raises(OutOfSpace):
            await backend.create_bucket("other")
        for key in keys:
            await backend.remove_record("bucket", key)
        await backend.delete_bucket("bucket")
        assert staging(small_disk) == []
        await backend.create_bucket("other")


async def test_a_read_only_disk(small_disk: Path) -> None:
    async with FilesystemBackend.open(small_disk) as backend:
        await backend.create_bucket("bucket")
        await backend.write_record("bucket", "objects/old", b"old")
        await put_blob(backend, "bucket", "deltaspaces/old.bin", b"old")
        mount("-o", "remount,ro", str(small_disk))
        for call in (
            backend.write_record("bucket", "objects/old", b"new"),
            backend.remove_record("bucket", "objects/old"),
            backend.create_bucket("other"),
            put_blob(backend, "bucket", "deltaspaces/new.bin"),
            backend.remove_blobs("bucket", ["deltaspaces/old.bin"]),
        ):
            with pytest.raises(AccessRefused, match="Read-only file system"):
                await call
        assert (await backend.read_record("bucket", "objects/old")).data == b"old"
        assert await get_blob(backend, "bucket", "deltaspaces/old.bin") == b"old"
        assert await all_keys(backend, "bucket") == ["objects/old"]


# -- a failing disk ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("call", ["write", "fsync", "rename"])
async def test_what_failed_is_not_there(backend: FilesystemBackend, tmp_path: Path, call: str) -> None:
    await backend.write_record("bucket", "objects/a", b"old")
    descriptors = await asyncio.to_thread(os.listdir, "/proc/self/fd")
    with failing(call, errno.EIO):
        for write in (
            backend.write_record("bucket", "objects/a", b"new"),
            backend.write_record("bucket", "objects/b/c", b"new"),
            put_blob(backend, "bucket", "deltaspaces/1.bin", b"new"),
            backend.create_bucket("other"),
        ):
            with pytest.raises(StorageError, match="Input/output error") as caught:
                await write
            assert type(caught.value) is StorageError
    assert len(await asyncio.to_thread(os.listdir, "/proc/self/fd")) == len(descriptors)
    assert staging(tmp_path / "data") == []
    assert (await backend.read_record("bucket", "objects/a")).data == b"old"
    assert await all_keys(backend, "bucket") == ["objects/a"]
    assert await backend.list_blobs("bucket", "deltaspaces/", 10) == []
    assert len(await backend.list_buckets()) == 1


async def test_a_blob_whose_directory_was_not_synced_is_withdrawn(backend: FilesystemBackend) -> None:
    with failing("fsync", errno.EIO, after=1), pytest.raises(StorageError):
        await put_blob(backend, "bucket", "deltaspaces/a/1.bin", b"new")
    assert await backend.list_blobs("bucket", "deltaspaces/a/", 10) == []


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EACCES, errno.EMFILE])
async def test_an_error_behind_the_change_is_none_that_says_nothing_was_done(
    backend: FilesystemBackend, code: int
) -> None:
    version = await backend.write_record("bucket", "objects/a", b"old")
    with failing("fsync", code, after=1), pytest.raises(StorageError, match="may not be on disk") as caught:
        await backend.write_record("bucket", "objects/a", b"new", expect=version)
    assert type(caught.value) is StorageError
    assert (await backend.read_record("bucket", "objects/a")).data == b"new"
    with failing("fsync", code), pytest.raises(StorageError, match="may not be on disk") as caught:
        await backend.remove_record("bucket", "objects/a")
    assert type(caught.value) is StorageError
    assert await all_keys(backend, "bucket") == []


async def test_nothing_is_published_after_a_failed_append(backend: FilesystemBackend) -> None:
    async with backend.stage_blob("bucket", "deltaspaces/1.bin") as blob:
        await blob.append(b"a")
        with failing("write", errno.ENOSPC), pytest.raises(OutOfSpace):
            await blob.append(b"b")
        with pytest.raises(StorageError, match="append that failed"):
            await blob.publish()
    assert await backend.list_blobs("bucket", "deltaspaces/", 10) == []


@pytest.mark.parametrize("call", ["open", "read", "fstat"])
async def test_a_record_that_cannot_be_read_is_not_absent(backend: FilesystemBackend, call: str) -> None:
    version = await backend.write_record("bucket", "objects/a", b"old")
    for code, kind in ((errno.EIO, StorageError), (errno.EACCES, AccessRefused), (errno.EMFILE, Busy)):
        with failing(call, code):
            for attempt in (
                backend.read_record("bucket", "objects/a"),
                backend.read_records("bucket", ["objects/a"]),
                backend.write_record("bucket", "objects/a", b"new", expect=version),
            ):
                with pytest.raises(kind) as caught:
                    await attempt
                assert type(caught.value) is kind
                assert caught.value.__cause__ is not None
    assert (await backend.read_record("bucket", "objects/a")).data == b"old"


@pytest.mark.parametrize("call", ["scandir", "stat"])
async def test_a_directory_that_cannot_be_read_is_not_empty(backend: FilesystemBackend, call: str) -> None:
    await backend.write_record("bucket", "objects/a/b", b"x")
    with failing(call, errno.EIO):
        for attempt in (
            backend.list_records("bucket", "objects/"),
            backend.list_records("bucket", "objects/", delimiter="/"),
            backend.list_blobs("bucket", "deltaspaces/", 1),
            backend.delete_bucket("bucket"),
        ):
            with pytest.raises(StorageError, match="Input/output error"):
                await attempt
    with failing("stat", errno.EIO), pytest.raises(StorageError) as caught:
        await backend.read_record("bucket", "objects/none")
    assert not isinstance(caught.value, RecordNotFound)
    assert await all_keys(backend, "bucket") == ["objects/a/b"]


async def test_the_first_removal_that_fails_is_told_after_all_were_tried(backend: FilesystemBackend) -> None:
    keys = [f"deltaspaces/{i}.bin" for i in range(3)]
    for key in keys:
        await put_blob(backend, "bucket", key)
    real = os.unlink

    def unlink(path: bytes) -> None:
        if path.endswith(b"/1.bin"):
            raise OSError(errno.EIO, "Input/output error", path)
        real(path)

    with mock.patch.object(os, "unlink", unlink), pytest.raises(StorageError, match=r"1\.bin: Input/output"):
        await backend.remove_blobs("bucket", keys)
    assert await blobs_in(backend) == [keys[1]]


async def test_short_reads_and_writes(backend: FilesystemBackend) -> None:
    write, read, pread = os.write, os.read, os.pread
    data = os.urandom(1000)
    with (
        mock.patch.object(os, "write", lambda fd, rest: write(fd, rest[:7])),
        mock.patch.object(os, "read", lambda fd, length: read(fd, min(length, 5))),
        mock.patch.object(os, "pread", lambda fd, length, at: pread(fd, min(length, 3), at)),
    ):
        await backend.write_record("bucket", "objects/a", data)
        assert (await backend.read_record("bucket", "objects/a")).data == data
        await put_blob(backend, "bucket", "deltaspaces/1.bin", data)
        assert await get_blob(backend, "bucket", "deltaspaces/1.bin") == data


async def test_out_of_descriptors(backend: FilesystemBackend, tmp_path: Path) -> None:
    await backend.write_record("bucket", "objects/a", b"x")
    await put_blob(backend, "bucket", "deltaspaces/1.bin", b"x")
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    lowest_free = os.dup(0)
    os.close(lowest_free)
    resource.setrlimit(resource.RLIMIT_NOFILE, (lowest_free, limits[1]))
    try:
        for call in (
            backend.read_record("bucket", "objects/a"),
            backend.write_record("bucket", "objects/a", b"y"),
            get_blob(backend, "bucket", "deltaspaces/1.bin"),
            put_blob(backend, "bucket", "deltaspaces/2.bin"),
            backend.map_blob("bucket", "deltaspaces/1.bin", 1),
            backend.list_records("bucket", "objects/"),
            backend.lock("bucket", "name").__aenter__(),
        ):
            with pytest.raises(Busy, match="Too many open files"):
                await call
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
    assert (await backend.read_record("bucket", "objects/a")).data == b"x"
    assert staging(tmp_path / "data") == []


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (errno.ENOSPC, OutOfSpace),
        (errno.EDQUOT, OutOfSpace),
        (errno.EACCES, AccessRefused),
        (errno.EPERM, AccessRefused),
        (errno.EROFS, AccessRefused),
        (errno.EMFILE, Busy),
        (errno.ENFILE, Busy),
        (errno.ENOMEM, Busy),
        (errno.EAGAIN, Busy),
        (errno.ENOLCK, Busy),
        (errno.EIO, StorageError),
        (errno.ENOENT, StorageError),
        (errno.ENAMETOOLONG, StorageError),
        (errno.ENOTDIR, StorageError),
        (errno.ELOOP, StorageError),
        (9999, StorageError),
    ],
)
def test_every_errno_has_one_class(code: int, kind: type[StorageError]) -> None:
    error = from_oserror(OSError(code, os.strerror(code), b"/there/\xff", None, b"/elsewhere"))
    assert type(error) is kind
    assert str(error) == f"/there/\udcff -> /elsewhere: {os.strerror(code)}"
    assert type(from_oserror(OSError("odd"))) is StorageError
    assert str(from_oserror(OSError("odd"))) == "odd"
