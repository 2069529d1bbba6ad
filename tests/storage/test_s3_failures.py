# SPDX-License-Identifier: GPL-2.0-only
"""A store that is away, throttles, loses answers, or does not do what it says."""

import asyncio
import socket
import struct
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from botocore.exceptions import ClientError

from dgproxy.storage.backend import (
    ABSENT,
    Busy,
    KeyTooLong,
    RecordNotFound,
    StorageError,
    Unavailable,
    VersionConflict,
)
from dgproxy.storage.filesystem.locks import LockFile
from dgproxy.storage.s3 import S3Backend, Store, blobs, client, opened, probe
from dgproxy.storage.s3.client import Client
from tests.storage import stores
from tests.storage.contract import get_blob, new_name, put_blob


@pytest.fixture(scope="module")
def moto(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    with stores.moto(tmp_path_factory.mktemp("moto")) as store:
        yield store


@pytest.fixture
def locks(tmp_path: Path) -> LockFile:
    (tmp_path / "locks").touch()
    return LockFile(bytes(tmp_path / "locks"))


@pytest.fixture
async def backend(moto: Store, locks: LockFile) -> AsyncIterator[S3Backend]:
    async with opened(moto, locks) as backend:
        yield backend


@pytest.fixture
async def bucket(backend: S3Backend) -> str:
    name = f"failures-{new_name()}"
    await backend.create_bucket(name)
    return name


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "_PAUSES", (0.0, 0.0, 0.0))
    monkeypatch.setattr(probe, "_PAUSES", (0.0, 0.0))


def said(status: int, code: str = "") -> ClientError:
    answer: Any = {"Error": {"Code": code or str(status)}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return ClientError(answer, "Anything")


@contextmanager
def meddling(wrong: Callable[[str], Exception | None], *, after: bool = False) -> Iterator[list[str]]:
    """Raise what `wrong` returns for a call, instead of it or after it took place."""
    real = Client.start
    calls: list[str] = []

    async def start(self: Client, operation: str, **arguments: Any) -> Any:
        calls.append(operation)
        answer = await real(self, operation, **arguments) if after else None
        error = wrong(operation)
        if error is not None:
            raise error
        return answer if after else await real(self, operation, **arguments)

    with mock.patch.object(Client, "start", start):
        yield calls


def times(count: int, error: Exception, operation: str) -> Callable[[str], Exception | None]:
    """That error for the first calls of an operation."""
    left = [count]

    def wrong(name: str) -> Exception | None:
        if name != operation or not left[0]:
            return None
        left[0] -= 1
        return error

    return wrong


async def test_a_store_that_is_away(moto: Store, locks: LockFile) -> None:
    [port] = stores.free_ports(1)
    nowhere = Store(f"http://127.0.0.1:{port}", access_key_id="a", secret_access_key="b")
    async with opened(nowhere, locks) as backend:
        for call in (
            lambda: backend.read_record("bucket", "objects/a"),
            lambda: backend.write_record("bucket", "objects/a", b"x", expect=ABSENT),
            lambda: backend.remove_record("bucket", "objects/a", expect='"0"'),
            lambda: backend.list_records("bucket", "objects/"),
            lambda: backend.head_bucket("bucket"),
            lambda: backend.create_bucket("bucket"),
            lambda: put_blob(backend, "bucket", "deltaspaces/1.bin", b"x"),
            lambda: get_blob(backend, "bucket", "deltaspaces/1.bin"),
            lambda: backend.probe("bucket"),
        ):
            with pytest.raises(Unavailable, match="can't be reached"):
                await call()


@pytest.mark.parametrize(
    ("error", "kind"),
    [(said(503, "SlowDown"), Busy), (said(429), Busy), (said(503), Unavailable), (said(500), Unavailable),
     (ConnectionResetError("reset"), Unavailable)],
    ids=["SlowDown", "429", "503", "500", "reset"],
)  # fmt: skip
async def test_bad_luck_is_tried_again_a_few_times(
    backend: S3Backend, bucket: str, error: Exception, kind: type[StorageError]
) -> None:
    await backend.write_record(bucket, "objects/a", b"x")
    with meddling(times(3, error, "get_object")) as calls:
        assert (await backend.read_record(bucket, "objects/a")).data == b"x"
    assert len(calls) == 4
    with meddling(times(9, error, "get_object")) as calls, pytest.raises(kind):
        await backend.read_record(bucket, "objects/a")
    assert len(calls) == 4


@pytest.mark.parametrize("reset", [False, True], ids=["closed", "reset"])
@pytest.mark.parametrize("operation", ["get_object", "head_object", "put_object", "delete_object"])
async def test_each_try_is_one_request(operation: str, reset: bool) -> None:
    """Nothing below repeats a call by itself, and one whose connection broke may have taken place."""
    requests: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer what is about the bucket, and hang up on anything else."""
        while (head := await reader.readuntil(b"\r\n\r\n")).split()[1] == b"/b":
            writer.write(b"HTTP/1.1 204 No Content\r\n\r\n")
        requests.append(head)
        option = struct.pack("ii", *((1, 0) if reset else (0, 0)))
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, option)
        writer.transport.abort()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        store = Store(f"http://127.0.0.1:{port}", access_key_id="a", secret_access_key="b")
        async with client.connected(store) as connection:
            await connection.start("delete_bucket", patience=60, Bucket="b")
            body = {"Body": b"x"} if operation == "put_object" else {}
            retried = client.Retried(again=False)
            with pytest.raises(Unavailable):
                await connection.call(operation, retried, Bucket="b", Key="k", **body)
    assert len(requests) == 1
    assert retried.yes


async def test_a_call_that_never_reached_the_store_did_not_take_place() -> None:
    [port] = stores.free_ports(1)
    nowhere = Store(f"http://127.0.0.1:{port}", access_key_id="a", secret_access_key="b")
    async with client.connected(nowhere) as connection:
        retried = client.Retried(again=False)
        with pytest.raises(Unavailable):
            await connection.call("put_object", retried, Bucket="b", Key="k", Body=b"x")
    assert not retried.yes


async def test_what_is_certain_is_not_tried_again(backend: S3Backend, bucket: str) -> None:
    with meddling(lambda _: None) as calls, pytest.raises(RecordNotFound):
        await backend.read_record(bucket, "objects/a")
    assert len(calls) == 1


@pytest.mark.parametrize("there", [False, True])
async def test_a_write_whose_answer_is_lost_is_recognised(
    backend: S3Backend, bucket: str, there: bool
) -> None:
    expect = await backend.write_record(bucket, "objects/a", b"before") if there else ABSENT
    with meddling(times(1, ConnectionResetError(), "put_object"), after=True):
        version = await backend.write_record(bucket, "objects/a", b"mine", expect=expect)
    record = await backend.read_record(bucket, "objects/a")
    assert (record.data, record.version) == (b"mine", version)


async def test_a_write_that_lost_to_another_is_not_taken_for_ones_own(
    backend: S3Backend, bucket: str
) -> None:
    await backend.write_record(bucket, "objects/a", b"theirs")
    wrong = times(1, said(503, "SlowDown"), "put_object")
    with meddling(wrong), pytest.raises(VersionConflict):
        await backend.write_record(bucket, "objects/a", b"mine", expect=ABSENT)
    assert (await backend.read_record(bucket, "objects/a")).data == b"theirs"


@pytest.mark.parametrize("there", [False, True])
@pytest.mark.parametrize("theirs", [b"theirs", None])
async def test_a_write_that_may_have_been_replaced_is_not_said_to_have_lost(
    backend: S3Backend, bucket: str, there: bool, theirs: bytes | None
) -> None:
    """Its answer was lost, and before it was repeated somebody replaced or removed what it had written."""
    expect = await backend.write_record(bucket, "objects/a", b"before") if there else ABSENT
    real, answers = Client.start, iter([ConnectionResetError()])

    async def start(self: Client, operation: str, **arguments: Any) -> Any:
        answer = await real(self, operation, **arguments)
        error = next(answers, None) if arguments.get("Body") == b"mine" else None
        if error is not None:
            if theirs is None:
                await backend.remove_record(bucket, "objects/a")
            else:
                await backend.write_record(bucket, "objects/a", theirs)
            raise error
        return answer

    with mock.patch.object(Client, "start", start), pytest.raises(Unavailable, match="can't be told"):
        await backend.write_record(bucket, "objects/a", b"mine", expect=expect)
    with mock.patch.object(Client, "start", real):
        present = await backend.read_records(bucket, ["objects/a"])
    assert [record and record.data for record in present] == [theirs]


async def test_a_removal_that_may_have_been_followed_by_a_write_is_not_said_to_have_lost(
    backend: S3Backend, bucket: str
) -> None:
    version = await backend.write_record(bucket, "objects/a", b"before")
    real, answers = Client.start, iter([ConnectionResetError()])

    async def start(self: Client, operation: str, **arguments: Any) -> Any:
        answer = await real(self, operation, **arguments)
        if operation == "delete_object" and (error := next(answers, None)) is not None:
            await backend.write_record(bucket, "objects/a", b"theirs")
            raise error
        return answer

    with mock.patch.object(Client, "start", start), pytest.raises(Unavailable, match="can't be told"):
        await backend.remove_record(bucket, "objects/a", expect=version)
    assert (await backend.read_record(bucket, "objects/a")).data == b"theirs"


async def test_a_removal_whose_answer_is_lost(backend: S3Backend, bucket: str) -> None:
    version = await backend.write_record(bucket, "objects/a", b"x")
    with meddling(times(1, ConnectionResetError(), "delete_object"), after=True):
        await backend.remove_record(bucket, "objects/a", expect=version)
    with pytest.raises(RecordNotFound):
        await backend.read_record(bucket, "objects/a")


# -- blobs ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [blobs.PART - 1, blobs.PART, blobs.PART + 1, 2 * blobs.PART + 5])
async def test_large_blobs(backend: S3Backend, bucket: str, size: int) -> None:
    data = bytes(range(251)) * (size // 251 + 1)
    with meddling(lambda _: None) as calls:
        async with backend.stage_blob(bucket, "deltaspaces/1.bin") as blob:
            for start in range(0, size, 3 << 20):
                await blob.append(data[start : min(start + (3 << 20), size)])
            await blob.publish()
    assert calls.count("upload_part") == (0 if size <= blobs.PART else -(-size // blobs.PART))
    assert await get_blob(backend, bucket, "deltaspaces/1.bin") == data[:size]
    assert await backend.list_staged(0) == []


@pytest.mark.parametrize("operation", ["upload_part", "complete_multipart_upload"])
async def test_a_blob_that_fails_is_aborted(backend: S3Backend, bucket: str, operation: str) -> None:
    with meddling(times(9, said(500), operation)), pytest.raises(Unavailable):
        await put_blob(backend, bucket, "deltaspaces/1.bin", bytes(2 * blobs.PART))
    assert await backend.list_staged(0) == []
    assert await backend.list_blobs(bucket, "deltaspaces/", 9) == []


async def test_an_upload_that_a_crash_leaves_is_found(backend: S3Backend, bucket: str) -> None:
    with meddling(times(99, said(500), "abort_multipart_upload")):
        async with backend.stage_blob(bucket, "deltaspaces/1.bin") as blob:
            await blob.append(bytes(blobs.PART + 1))
    [left] = await backend.list_staged(0)
    await backend.remove_staged([left.key])
    assert await backend.list_staged(0) == []


async def test_a_broken_stream_is_read_on(backend: S3Backend, bucket: str) -> None:
    data = bytes(range(256)) * 4096
    await put_blob(backend, bucket, "deltaspaces/1.bin", data)
    async with backend.open_blob(bucket, "deltaspaces/1.bin") as blob:
        assert await blob.read(0, 1000) == data[:1000]
        blob._stream.close()
        assert await blob.read(1000, 5000) == data[1000:6000]
        assert await blob.read(6000, 100) == data[6000:6100]


# -- what a store is not up to -------------------------------------------------------------------------------


@pytest.mark.parametrize("header", ["IfNoneMatch", "IfMatch"])
async def test_a_store_that_ignores_conditions_is_refused(
    backend: S3Backend, bucket: str, header: str
) -> None:
    await backend.probe(bucket)
    real = Client.start

    async def start(self: Client, operation: str, **arguments: Any) -> Any:
        return await real(self, operation, **{k: v for k, v in arguments.items() if k != header})

    with mock.patch.object(Client, "start", start), pytest.raises(StorageError, match="does not enforce"):
        await backend.probe(bucket)
    assert await backend.list_blobs(bucket, "config/", 9) == []


@pytest.mark.parametrize("number", range(7))
@pytest.mark.parametrize("after", [False, True], ids=["503", "lost"])
async def test_a_probe_with_bad_luck(backend: S3Backend, bucket: str, number: int, after: bool) -> None:
    """Any of its calls fails once, or loses its answer: it finds out all the same, and leaves nothing."""
    calls = iter(range(99))

    def wrong(operation: str) -> Exception | None:
        unlucky = next(calls) == number
        return (ConnectionResetError() if after else said(503)) if unlucky else None

    with meddling(wrong, after=after):
        await backend.probe(bucket)
    assert await backend.list_blobs(bucket, "config/", 9) == []


async def test_a_probe_that_finds_nothing_out_says_so(backend: S3Backend, bucket: str) -> None:
    with (
        meddling(times(99, ConnectionResetError(), "put_object"), after=True) as calls,
        pytest.raises(Unavailable, match="could not find out whether the store enforces"),
    ):
        await backend.probe(bucket)
    assert calls == ["put_object", "delete_object"] * 3
    assert await backend.list_blobs(bucket, "config/", 9) == []


@pytest.mark.parametrize(
    ("header", "words"),
    [
        ("IfNoneMatch", "If-None-Match of a key that does not exist"),
        ("IfMatch", "the ETag that the object has"),
    ],
)
async def test_a_store_that_refuses_what_holds(
    backend: S3Backend, bucket: str, header: str, words: str
) -> None:
    real = Client.start

    async def start(self: Client, operation: str, **arguments: Any) -> Any:
        if header in arguments:
            raise said(412, "PreconditionFailed")
        return await real(self, operation, **arguments)

    with mock.patch.object(Client, "start", start), pytest.raises(StorageError, match=words):
        await backend.probe(bucket)
    assert await backend.list_blobs(bucket, "config/", 9) == []


async def test_a_key_that_is_too_long(backend: S3Backend, bucket: str) -> None:
    with pytest.raises(KeyTooLong):
        await backend.write_record(bucket, "objects/" + "k" * 1024, b"x")
