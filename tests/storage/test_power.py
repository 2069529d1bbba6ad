# SPDX-License-Identifier: GPL-2.0-only
"""What was acknowledged survives a power cut at any moment, on the worst disk POSIX allows."""

import asyncio
import random
from contextlib import AsyncExitStack
from pathlib import Path
from unittest import mock

import pytest

from dgproxy.storage.filesystem import FilesystemBackend, durable, keymap
from tests.storage.power import ForgetfulDisk

PLACES = ["a/b/c/", "a/b/c/d/", "a/b/", "x/", "", "b" * 300 + "/"]


class Witness:
    """Knows what was acknowledged, and what may or may not have happened yet."""

    def __init__(self, disk: ForgetfulDisk) -> None:
        self.disk = disk
        self.acknowledged: dict[str, bytes | None] = {}
        self.under_way: dict[str, bytes | None] = {}
        self.checks = 0

    def begin(self, path: str, content: bytes | None) -> None:
        with self.disk.lock:
            self.under_way[path] = content

    def end(self, path: str) -> None:
        with self.disk.lock:
            self.acknowledged[path] = self.under_way.pop(path)
            self.check()

    def check(self) -> None:
        for path, content in self.acknowledged.items():
            found = self.disk.after_power_cut(path)
            allowed = [content, self.under_way[path]] if path in self.under_way else [content]
            assert found in allowed, f"{path}: acknowledged {content!r}, after a power cut {found!r}"
            self.checks += 1


def file_of(key: str) -> str:
    return f"buckets/bucket/{keymap.encode(key)}"


async def life(backend: FilesystemBackend, witness: Witness, name: str, rounds: int) -> None:
    """Write and remove, alone with these keys but in directories that others make and remove, too."""
    there: dict[str, bool] = {}
    for round_ in range(rounds):
        key = f"objects/{random.choice(PLACES)}{name}"
        path = file_of(key)
        if there.get(key) and random.random() < 0.7:
            witness.begin(path, None)
            await backend.remove_record("bucket", key)
            there[key] = False
        else:
            content = f"{name} {round_}".encode()
            witness.begin(path, content)
            await backend.write_record("bucket", key, content)
            there[key] = True
        witness.end(path)
        blob = f"deltaspaces/{random.choice(PLACES)}{name}-{round_}.bin"
        if random.random() < 0.3:
            witness.begin(file_of(blob), b"blob")
            async with backend.stage_blob("bucket", blob) as staged:
                await staged.append(b"blob")
                await staged.publish()
            witness.end(file_of(blob))
            del witness.acknowledged[file_of(blob)]  # removal is not durable, nor need it be
            await backend.remove_blobs("bucket", [blob])


async def lives(data_dir: Path, disk: ForgetfulDisk, rounds: int) -> Witness:
    witness = Witness(disk)
    async with AsyncExitStack() as stack:
        # two backends, as two processes have: what they know of each other is on the disk
        backends = [
            await stack.enter_async_context(FilesystemBackend.open(data_dir, io_threads=4)) for _ in range(2)
        ]
        witness.begin("buckets/bucket/bucket.json", None)
        await backends[0].create_bucket("bucket")
        with disk.lock:
            del witness.under_way["buckets/bucket/bucket.json"]
            assert disk.after_power_cut("buckets/bucket/bucket.json")
            assert disk.after_power_cut("format")
        async with asyncio.TaskGroup() as tasks:
            for number in range(8):
                tasks.create_task(life(backends[number % 2], witness, f"n{number}", rounds))
    return witness


async def test_acknowledged_is_there_after_a_power_cut(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    disk = ForgetfulDisk(str(tmp_path / "data"))
    with disk.on():
        witness = await lives(tmp_path / "data", disk, rounds=80)
    assert witness.checks > 1000


@pytest.mark.parametrize("step", ["_new_directories", "_settle_name", "settle"])
async def test_the_test_sees_a_missing_sync(tmp_path: Path, step: str) -> None:
    (tmp_path / "data").mkdir()
    disk = ForgetfulDisk(str(tmp_path / "data"))
    with (
        pytest.raises((AssertionError, ExceptionGroup)) as caught,
        disk.on(),
        mock.patch.object(durable.Disk, step, return_value=[]),
    ):
        await lives(tmp_path / "data", disk, rounds=80)
    assert "AssertionError" in repr(caught.value)


async def test_a_deleted_bucket_stays_deleted(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    disk = ForgetfulDisk(str(tmp_path / "data"))
    with disk.on():
        async with FilesystemBackend.open(tmp_path / "data") as backend:
            await backend.create_bucket("bucket")
            await backend.write_record("bucket", "objects/a/b", b"x")
            await backend.remove_record("bucket", "objects/a/b")
            await backend.delete_bucket("bucket")
            assert disk.after_power_cut("buckets/bucket/bucket.json") is None
