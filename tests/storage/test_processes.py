# SPDX-License-Identifier: GPL-2.0-only
"""The filesystem backend between processes: swaps, locks, ownership, and processes that are killed."""

import asyncio
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from dgproxy.storage.backend import Listed, RecordNotFound, StorageError
from dgproxy.storage.filesystem import FilesystemBackend, claim
from tests.storage.child import content

PROJECT = Path(__file__).parents[2]


@pytest.fixture
async def backend(tmp_path: Path) -> AsyncIterator[FilesystemBackend]:
    async with FilesystemBackend.open(tmp_path / "data") as backend:
        await backend.create_bucket("bucket")
        yield backend


@contextmanager
def child(*args: object) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-m", "tests.storage.child", *map(str, args)]
    process = subprocess.Popen(
        command, cwd=PROJECT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    with process:
        try:
            yield process
        finally:
            process.kill()


def run_together(*commands: tuple[object, ...]) -> list[str]:
    """Run children at the same time; returns what each said, after all ended well."""
    with ExitStack() as stack:
        processes = [stack.enter_context(child(*command)) for command in commands]
        ends = [process.communicate() for process in processes]
    for process, (_, errors) in zip(processes, ends, strict=True):
        assert process.returncode == 0, errors
    return [said for said, _ in ends]


async def test_no_update_is_lost(backend: FilesystemBackend, tmp_path: Path) -> None:
    await backend.write_record("bucket", "objects/counter", b"0")
    await asyncio.to_thread(run_together, *[("count", tmp_path / "data", 50)] * 4)
    assert (await backend.read_record("bucket", "objects/counter")).data == b"200"


@pytest.mark.parametrize("there", [False, True])
async def test_one_swap_wins(backend: FilesystemBackend, tmp_path: Path, there: bool) -> None:
    version = ""
    if there:
        for i in range(20):
            version = await backend.write_record("bucket", f"objects/{i}", b"before")
    said = await asyncio.to_thread(
        run_together, *[("swap", tmp_path / "data", name, version) for name in "abc"]
    )
    won = {name: {int(line) for line in lines.split()} for name, lines in zip("abc", said, strict=True)}
    assert sum(map(len, won.values())) == 20
    for i in range(20):
        name = (await backend.read_record("bucket", f"objects/{i}")).data.decode()
        assert i in won[name]


async def test_exclusive_is_exclusive(backend: FilesystemBackend, tmp_path: Path) -> None:
    await asyncio.to_thread(run_together, *[("exclude", tmp_path / "data", tmp_path / "inside")] * 3)


async def test_writers_and_deleters_of_a_bucket(backend: FilesystemBackend, tmp_path: Path) -> None:
    said = await asyncio.to_thread(
        run_together, ("objects", tmp_path / "data"), ("buckets", tmp_path / "data")
    )
    assert said == ["150\n", "150\n"]


async def test_a_lock_dies_with_its_process(backend: FilesystemBackend, tmp_path: Path) -> None:
    with child("hold", tmp_path / "data") as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "holding\n"
        for name in ("alone", "shared"):
            async with backend.try_lock("bucket", name) as free:
                assert not free
        async with backend.lock("bucket", "shared", shared=True):
            pass
        waiter = asyncio.ensure_future(backend.lock("bucket", "alone").__aenter__())
        await asyncio.sleep(0.1)
        assert not waiter.done()
        holder.kill()
        holder.wait()
        await asyncio.wait_for(waiter, 10)


def test_a_claim_excludes_other_servers(tmp_path: Path) -> None:
    with child("claim", tmp_path / "data") as owner:
        assert owner.stdout is not None
        assert owner.stdout.readline() == "claimed\n"
        began = time.monotonic()
        with (
            pytest.raises(StorageError, match="another server uses the data directory"),
            claim(tmp_path / "data", wait=0.3),
        ):
            pytest.fail("claimed twice")
        assert time.monotonic() - began >= 0.3
        owner.kill()
        owner.wait()
        with claim(tmp_path / "data", wait=0):
            pass


def test_a_claim_waits_for_the_server_it_replaces(tmp_path: Path) -> None:
    with child("claim", tmp_path / "data") as owner:
        assert owner.stdout is not None
        assert owner.stdin is not None
        assert owner.stdout.readline() == "claimed\n"
        owner.stdin.close()
        with claim(tmp_path / "data"):
            assert owner.wait(10) == 0


def test_a_forked_child_keeps_the_claim(tmp_path: Path) -> None:
    read, write = os.pipe()
    with claim(tmp_path / "data"):
        pid = os.fork()
        if pid == 0:
            os.close(write)
            os.read(read, 1)  # ends with the parent's end of the pipe
            os._exit(0)
    os.close(read)
    with pytest.raises(StorageError, match="another server"), claim(tmp_path / "data", wait=0):
        pytest.fail("the child still has it")
    os.close(write)
    assert os.waitpid(pid, 0)[1] == 0
    with claim(tmp_path / "data"):
        pass


def test_kill_9(tmp_path: Path) -> None:
    """After each of many kills all that was acknowledged is there, and nothing is there by halves."""
    data_dir = tmp_path / "data"
    acknowledged = 0
    for round_ in range(30):
        name = f"r{round_}-"
        with child("write", data_dir, name) as process:
            assert process.stdout is not None
            lines = [process.stdout.readline()]
            time.sleep(random.random() * 0.15)
            process.send_signal(signal.SIGKILL)
            lines += process.stdout.read().splitlines()
        with claim(data_dir, wait=0):
            assert list((data_dir / "staging").iterdir()) == []
        acknowledged += asyncio.run(check(data_dir, name, lines))
    assert acknowledged > 100


async def check(data_dir: Path, name: str, lines: list[str]) -> int:
    """Compare the storage with what a child said; returns how much was acknowledged."""
    done: dict[str, str] = {}
    begun: dict[str, str] = {}
    blobs: set[str] = set()
    for line in lines:
        verb, who, what = line.split()
        if verb == "blob":
            blobs.add(f"deltaspaces/dir/{who}-{what}.bin")
        else:
            (done if verb == "did" else begun)[who] = what
    async with FilesystemBackend.open(data_dir) as backend:
        for who, last in begun.items():
            try:
                record = await backend.read_record("bucket", f"objects/dir/{who}/record")
                found = record.data.decode().split()[1]
                assert record.data == content(who, int(found))
            except RecordNotFound:
                found = "absent"
            assert found in (done.get(who, "absent"), last)
        page = await backend.list_records("bucket", f"objects/dir/{name}")
        for item in page.items:
            assert isinstance(item, Listed)
            await backend.read_record("bucket", item.key)
        there = [item.key for item in await backend.list_blobs("bucket", f"deltaspaces/dir/{name}", 100_000)]
        assert blobs <= set(there)
        for key in there:
            who, _, number = key.removesuffix(".bin").rpartition("/")[2].rpartition("-")
            async with backend.open_blob("bucket", key) as blob:
                assert await blob.read(0, blob.size) == content(who, int(number))
    return len(done) + len(blobs)
