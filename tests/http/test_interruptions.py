# SPDX-License-Identifier: GPL-2.0-only
"""Clients that go away, stall or dawdle, damage found under way, and a server that stops."""

import asyncio
import contextlib
import os
import socket
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from dgproxy.http import protocol
from dgproxy.http.pace import Pace, Progress
from dgproxy.s3.errors import S3Error
from dgproxy.storage.filesystem import FilesystemBackend
from dgproxy.storage.memory import MemoryBackend
from tests.http.conftest import BUCKET, Site, eventually, site_over
from tests.http.wire import Wire

Log = Callable[[], list[dict[str, Any]]]

#: More than one window of what no delta makes smaller.
LARGE = os.urandom(9 << 20)


def errors(log: Log) -> list[dict[str, Any]]:
    return [line for line in log() if line["level"] not in {"debug", "info"}]


def requests(log: Log) -> list[dict[str, Any]]:
    return [line for line in log() if line["event"] == "request"]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tmp_path / "data"


@pytest.fixture
async def files(data: Path, log: object) -> AsyncIterator[Site]:
    """A server over a directory."""
    async with FilesystemBackend.open(data, "relaxed", io_threads=4) as backend:
        await backend.create_bucket(BUCKET)
        async with site_over(backend) as site:
            yield site


def stored(data: Path) -> set[str]:
    return {path.name for path in data.rglob("*") if path.is_file()}


# -- clients that go away ------------------------------------------------------------------------------------


@pytest.mark.parametrize("key", ["a.bin", "a.zip", "small"])
@pytest.mark.parametrize("how", ["reset", "close", "half-close"])
@pytest.mark.parametrize("sent", [0, 5 << 20])
async def test_an_upload_that_is_cut_off_leaves_nothing(
    files: Site, data: Path, log: Log, key: str, how: str, sent: int
) -> None:
    before = stored(data)
    async with files.wire() as wire:
        await wire.request(f"PUT /{BUCKET}/{key}", f"Content-Length: {len(LARGE)}", body=LARGE[:sent])
        await asyncio.sleep(0.05)
        match how:
            case "reset":
                wire.writer.get_extra_info("socket").setsockopt(
                    socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0"
                )
                wire.abort()
            case "close":
                wire.abort()
            case "half-close":
                wire.writer.write_eof()
                assert await wire.closed()
        await eventually(lambda: bool(requests(log)))
    assert not errors(log)
    assert await files.code(f"GET /{BUCKET}/{key}") == (404, "NoSuchKey")
    await eventually(lambda: stored(data) == before)


async def test_an_overwrite_that_is_cut_off_keeps_the_old(files: Site, log: Log) -> None:
    await files.put("a.zip", b"old" * 10_000)
    async with files.wire() as wire:
        await wire.request(f"PUT /{BUCKET}/a.zip", f"Content-Length: {len(LARGE)}", body=LARGE[:-1])
        wire.abort()
        await eventually(lambda: len(requests(log)) == 2)
    assert (await files.ask(f"GET /{BUCKET}/a.zip")).body == b"old" * 10_000


async def test_a_download_that_is_given_up_is_no_error(files: Site, log: Log) -> None:
    await files.put("a.bin", LARGE)
    async with files.wire() as wire:
        await wire.request(f"GET /{BUCKET}/a.bin")
        await wire.reader.readexactly(100_000)
        wire.abort()
    await eventually(lambda: len(requests(log)) == 2)
    assert requests(log)[-1]["status"] == "client gone"
    assert not errors(log)


# -- clients that stall --------------------------------------------------------------------------------------


async def test_who_stops_sending_is_told_so(memory: MemoryBackend, log: Log) -> None:
    async with site_over(memory, pace=Pace(0, patience=0.2)) as site, site.wire() as wire:
        await wire.request(f"PUT /{BUCKET}/k", "Content-Length: 10", body=b"abc")
        answer = await wire.answer()
        assert (answer.status, answer.error()) == (400, "RequestTimeout")
        assert answer.headers["connection"] == "close"
    assert not errors(log)


async def test_who_sends_slowly_is_not(memory: MemoryBackend, log: Log) -> None:
    async with site_over(memory, pace=Pace(1, patience=0.5, period=0.2)) as site, site.wire() as wire:
        await wire.request(f"PUT /{BUCKET}/k", "Content-Length: 10")
        for _ in range(10):
            await asyncio.sleep(0.1)
            await wire.send(b"x")
        assert (await wire.answer()).status == 200


async def test_who_all_but_stops_is_cut_off(memory: MemoryBackend, log: Log) -> None:
    """A byte now and then would otherwise hold an upload's memory for ever."""
    async with site_over(memory, pace=Pace(1000, patience=5, period=0.2)) as site, site.wire() as wire:
        await wire.request(f"PUT /{BUCKET}/k", "Content-Length: 100000")

        async def dribble() -> None:
            with contextlib.suppress(ConnectionError):
                while True:
                    await wire.send(b"x")
                    await asyncio.sleep(0.05)

        async with asyncio.TaskGroup() as group:
            sending = group.create_task(dribble())
            answer = await wire.answer()
            sending.cancel()
        assert (answer.status, answer.error()) == (400, "RequestTimeout")
        assert b"1000 bytes a second" in answer.body
        assert await site.code(f"GET /{BUCKET}/k") == (404, "NoSuchKey")
    assert not errors(log)


def test_only_waiting_counts() -> None:
    progress = Progress(Pace(100, period=10))
    progress.arrived(1, 10)  # the first period is free
    for _ in range(20):
        progress.arrived(1000, 0)  # all of it was there already
    progress.arrived(1, 10)
    progress.arrived(500, 5)
    progress.arrived(500, 5)
    progress.arrived(999, 9)
    with pytest.raises(S3Error, match="RequestTimeout"):
        progress.arrived(0, 1)


async def test_who_never_finishes_a_head_is_cut_off(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protocol, "_KEEP_ALIVE", 0.2)
    async with site.wire() as wire:
        await wire.send(b"GET / HTTP/1.1\r\nHost: h\r\n")
        assert await wire.closed()


async def test_who_takes_nothing_is_cut_off(files: Site, log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    await files.put("a.bin", LARGE * 3)
    monkeypatch.setattr(protocol, "_TAKE", 1)
    free = files.engine.budget.free
    small = socket.socket()
    small.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    small.connect(("127.0.0.1", files.port))
    with small:
        small.send(f"GET /{BUCKET}/a.bin HTTP/1.1\r\nHost: h\r\n\r\n".encode())
        await eventually(lambda: len(requests(log)) == 2)
    assert requests(log)[-1]["status"] == "client gone"
    assert files.engine.budget.free == free
    assert not errors(log)


# -- damage --------------------------------------------------------------------------------------------------


def blobs(data: Path, pattern: str = "*.bin") -> list[Path]:
    return [path for path in data.rglob(pattern) if path.is_file()]


def flip(data: Path, pattern: str, offset: int) -> None:
    [path] = blobs(data, pattern)
    content = bytearray(path.read_bytes())
    content[offset] ^= 1
    path.chmod(0o600)
    path.write_bytes(content)


async def test_damage_in_the_first_window_is_an_error(files: Site, data: Path, log: Log) -> None:
    await files.put("a.txt", LARGE)
    flip(data, "*.bin", 5)
    answer = await files.ask(f"GET /{BUCKET}/a.txt")
    assert (answer.status, answer.error()) == (500, "InternalError")
    [line] = errors(log)
    assert line["event"] == "request failed"
    assert line["request"] == answer.headers["x-amz-request-id"]
    assert "a.txt" in line["exception"]


async def test_damage_found_later_cuts_the_answer(files: Site, data: Path, log: Log) -> None:
    await files.put("a.txt", LARGE)
    flip(data, "*.bin", 5 << 20)
    async with files.wire() as wire:
        await wire.request(f"GET /{BUCKET}/a.txt")
        answer = await wire.answer()
    assert answer.status == 200
    assert answer.headers["content-length"] == str(len(LARGE))
    assert not answer.whole
    assert LARGE.startswith(answer.body)
    assert [line["event"] for line in errors(log)] == ["answer cut off"]
    assert requests(log)[-1]["status"] == "cut off"
    # What is whole can still be had.
    assert (await files.ask(f"GET /{BUCKET}/a.txt", "Range: bytes=0-99")).body == LARGE[:100]


async def test_a_missing_blob_is_no_missing_object(files: Site, data: Path) -> None:
    await files.put("a.txt", LARGE)
    [blob] = blobs(data)
    blob.unlink()
    assert await files.code(f"GET /{BUCKET}/a.txt") == (500, "InternalError")
    assert (await files.ask(f"HEAD /{BUCKET}/a.txt")).status == 200


async def test_a_damaged_manifest_is_no_missing_object(files: Site, data: Path) -> None:
    await files.put("a.txt", b"abc")
    flip(data, "a.txt.meta", 20)
    for method in ("GET", "HEAD"):
        assert (await files.ask(f"{method} /{BUCKET}/a.txt")).status == 500
    await files.put("a.txt", b"new")
    assert (await files.ask(f"GET /{BUCKET}/a.txt")).body == b"new"


async def test_a_listing_never_leaves_out_what_it_cannot_read(files: Site, data: Path) -> None:
    """Who mirrors a bucket would take it for deleted."""
    for key in ("a/1.txt", "a/2.txt", "b.txt"):
        await files.put(key, b"abc")
    flip(data, "1.txt.meta", 20)
    for query in ("list-type=2", "prefix=a/", "versions"):
        answer = await files.ask(f"GET /{BUCKET}?{query}")
        assert (answer.status, answer.error()) == (500, "InternalError")
        assert "a/1.txt" in (answer.xml("Error").findtext("Message") or "")
    for query in ("list-type=2&delimiter=/", "prefix=b", "marker=a/1.txt"):
        assert (await files.ask(f"GET /{BUCKET}?{query}")).status == 200
    assert (await files.ask(f"DELETE /{BUCKET}/a/1.txt")).status == 204
    assert (await files.ask(f"GET /{BUCKET}?list-type=2")).status == 200


# -- the server stops ----------------------------------------------------------------------------------------


async def test_an_upload_under_way_finishes(memory: MemoryBackend, log: Log) -> None:
    async with site_over(memory) as site, site.wire() as wire:
        await wire.request(f"PUT /{BUCKET}/k", f"Content-Length: {len(LARGE)}", body=LARGE[:100])
        await eventually(lambda: site.engine.budget.free < 128 << 20)
        site.stopping.set()
        await asyncio.sleep(0.1)
        await wire.send(LARGE[100:])
        answer = await wire.answer()
        assert answer.status == 200
        assert answer.headers["connection"] == "close"
        assert await wire.closed()
        await site.stopped.wait()
    async with site_over(memory) as site:
        assert (await site.ask(f"GET /{BUCKET}/k")).body == LARGE
    assert not errors(log)


async def test_a_download_under_way_finishes(memory: MemoryBackend) -> None:
    async with site_over(memory) as site, site.wire() as wire:
        await site.put("k", LARGE * 3)
        await wire.request(f"GET /{BUCKET}/k")
        head = await wire.reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200 ")
        site.stopping.set()
        await asyncio.sleep(0.1)
        assert await wire.reader.readexactly(3 * len(LARGE)) == LARGE * 3
        assert await wire.closed()


async def test_idle_connections_are_closed_at_once(memory: MemoryBackend) -> None:
    async with site_over(memory, grace=60) as site, site.wire() as used, site.wire() as fresh:
        await used.request("GET /")
        await used.answer()
        await fresh.send(b"GET /")
        await asyncio.sleep(0.05)
        site.stopping.set()
        async with asyncio.timeout(5):
            assert await used.closed()
            assert await fresh.closed()
            await site.stopped.wait()


async def test_nothing_new_begins_on_a_connection_of_a_stopping_server(memory: MemoryBackend) -> None:
    async with site_over(memory) as site, site.wire() as wire:
        await wire.request(f"PUT /{BUCKET}/k", "Content-Length: 2", body=b"a")
        await eventually(lambda: site.engine.budget.free < 128 << 20)
        site.stopping.set()
        await asyncio.sleep(0.1)
        await wire.send(b"b")
        await wire.request(f"PUT /{BUCKET}/later", "Content-Length: 0")
        assert (await wire.answer()).status == 200
        assert await wire.closed()
    async with site_over(memory) as site:
        assert await site.code(f"GET /{BUCKET}/later") == (404, "NoSuchKey")


async def test_who_does_not_finish_in_time_is_cut_off(memory: MemoryBackend) -> None:
    async with site_over(memory, grace=0.2) as site, site.wire() as wire:
        await wire.request(f"PUT /{BUCKET}/k", "Content-Length: 10", body=b"abc")
        await eventually(lambda: site.engine.budget.free < 128 << 20)
        site.stopping.set()
        async with asyncio.timeout(10):
            await site.stopped.wait()
            assert await _ends(wire)
    async with site_over(memory) as site:
        assert await site.code(f"GET /{BUCKET}/k") == (404, "NoSuchKey")


async def _ends(wire: Wire) -> bool:
    """The connection's end; a refusal may come before."""
    try:
        await wire.reader.read()
    except ConnectionError:
        return True
    return wire.reader.at_eof()
