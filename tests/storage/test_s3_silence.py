# SPDX-License-Identifier: GPL-2.0-only
"""A store that takes connections and says nothing: how often it is asked, and what became of writes.

What is counted is calls. Nothing here depends on how fast anything is: where an answer must come, there is
time for it.
"""

import asyncio
import socket
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, closing, suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from dgproxy.storage.backend import ABSENT, RecordNotFound, Unavailable
from dgproxy.storage.filesystem.locks import LockFile
from dgproxy.storage.s3 import S3Backend, Store, client, opened, silence
from dgproxy.storage.s3.blobs import PART
from dgproxy.storage.s3.client import Client
from dgproxy.storage.s3.silence import Body, giving_up
from tests.storage.contract import new_name, put_blob
from tests.system.relay import Moment, Relay, Strike

GET, PUT, DELETE = "get_object", "put_object", "delete_object"

#: Longer than a test may take.
EVER = 600.0


@pytest.fixture
def locks(tmp_path: Path) -> LockFile:
    (tmp_path / "locks").touch()
    return LockFile(bytes(tmp_path / "locks"))


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "_PAUSES", (0.0, 0.0, 0.0))
    monkeypatch.setattr(silence, "SILENCE", 0.3)
    monkeypatch.setattr(silence, "BRIEF", 0.2)
    monkeypatch.setattr(silence, "PAUSE", EVER)


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How often each operation was called."""
    found: Counter[str] = Counter()
    real = Client.start

    async def start(self: Client, operation: str, **arguments: Any) -> Any:
        found[operation] += 1
        return await real(self, operation, **arguments)

    monkeypatch.setattr(Client, "start", start)
    return found


@asynccontextmanager
async def mute_store(
    locks: LockFile, answers: Callable[[S3Backend], bool] = lambda _: False
) -> AsyncIterator[S3Backend]:
    """A store that answers a request if `answers` says so; of any other it reads no more than the head."""
    over = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(asyncio.IncompleteReadError), closing(writer):
            while await reader.readuntil(b"\r\n\r\n"):
                if not answers(backend):
                    await over.wait()
                    return
                writer.write(b'HTTP/1.1 200 OK\r\nContent-Length: 4\r\nETag: "e"\r\n\r\nword')

    listener = socket.create_server(("127.0.0.1", 0))
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 16)  # or the kernel takes all of a body
    async with await asyncio.start_server(serve, sock=listener):
        place = f"http://127.0.0.1:{listener.getsockname()[1]}"
        async with opened(Store(place, access_key_id="a", secret_access_key="b"), locks) as backend:
            try:
                yield backend
            finally:
                over.set()


CALLS: dict[str, tuple[Callable[[S3Backend], Awaitable[object]], dict[str, int]]] = {
    "read": (lambda backend: backend.read_record("b", "objects/a"), {GET: 2}),
    "list": (lambda backend: backend.list_records("b", "objects/"), {"list_objects_v2": 2}),
    "remove": (lambda backend: backend.remove_record("b", "objects/a", expect='"0"'), {DELETE: 2}),
    # and whether it took place
    "create": (
        lambda backend: backend.write_record("b", "objects/a", b"x", expect=ABSENT),
        {PUT: 1, GET: 1},
    ),
    "replace": (
        lambda backend: backend.write_record("b", "objects/a", b"x", expect='"0"'),
        {PUT: 2, GET: 1},
    ),
    # and it may be there
    "blob": (lambda backend: put_blob(backend, "b", "deltaspaces/1.bin", b"x"), {PUT: 2, DELETE: 1}),
    "large blob": (
        lambda backend: put_blob(backend, "b", "deltaspaces/1.bin", bytes(PART)),
        {PUT: 2, DELETE: 1},
    ),
}


@pytest.mark.parametrize("name", CALLS)
async def test_silence_is_waited_for_once_and_briefly_once_more(
    locks: LockFile, calls: Counter[str], name: str
) -> None:
    call, made = CALLS[name]
    async with mute_store(locks) as backend:
        with pytest.raises(Unavailable, match="says nothing"):
            await call(backend)
        assert calls == made
        # who comes now waits briefly, and once
        calls.clear()
        with pytest.raises(Unavailable, match="says nothing"):
            await backend.read_record("b", "objects/other")
        assert calls == {GET: 1}


async def test_a_connection_that_is_dead(
    locks: LockFile, calls: Counter[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second try has another, and what it hears is the end of the silence."""
    monkeypatch.setattr(silence, "BRIEF", EVER)
    async with mute_store(locks, lambda backend: backend._client.silence.known) as backend:
        assert (await backend.read_record("b", "objects/a")).data == b"word"
        assert calls == {GET: 2}
        assert not backend._client.silence.known


def test_what_others_hear_is_no_silence() -> None:
    found = silence.Silence()
    began = time.monotonic()
    found.heard()
    found.lasted(began)
    known = [found.known]
    found.lasted(time.monotonic())
    known.append(found.known)
    found.heard()
    known.append(found.known)
    assert known == [False, True, False]


async def test_a_body_that_is_taken_slowly_has_its_time() -> None:
    body = Body(b"data")
    body.moved = time.monotonic() + EVER
    async with giving_up(0.05, body):
        await asyncio.sleep(0.3)
        body.moved = time.monotonic() + EVER
        await asyncio.sleep(0.3)

    async def stand_still() -> None:
        async with giving_up(0.05, body):
            assert body.read(1) == b"d"  # now, and no more
            await asyncio.sleep(EVER)

    with pytest.raises(TimeoutError):
        await stand_still()


# -- writes whose answer never comes -------------------------------------------------------------------------


@pytest.fixture
def relay(moto: Store) -> Iterator[Relay]:
    assert moto.endpoint is not None
    with Relay(int(urlsplit(moto.endpoint).port or 0)) as relay:
        yield relay


@pytest.fixture
async def backend(
    moto: Store, relay: Relay, locks: LockFile, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[S3Backend]:
    """One whose calls have all time, but one that is struck: that is given up."""
    monkeypatch.setattr(silence, "SILENCE", EVER)

    @asynccontextmanager
    async def giving_up(patience: float | None, body: Body | None) -> AsyncIterator[None]:
        strike = relay.strike
        if strike is None or strike.hits:
            yield
            return

        async def give_up() -> None:
            while not strike.hits:  # noqa: ASYNC110 - it happens in another thread
                await asyncio.sleep(0.01)
            limit.reschedule(0)

        async with asyncio.timeout(None) as limit:
            watching = asyncio.create_task(give_up())
            try:
                yield
            finally:
                watching.cancel()

    monkeypatch.setattr(client, "giving_up", giving_up)
    place = f"http://127.0.0.1:{relay.port}"
    store = Store(place, moto.region, True, moto.access_key_id, moto.secret_access_key)
    async with opened(store, locks) as backend:
        yield backend


@pytest.mark.parametrize("there", [False, True])
@pytest.mark.parametrize("moment", ["head", "answer"])
async def test_a_write_without_an_answer(
    backend: S3Backend, relay: Relay, there: bool, moment: Moment
) -> None:
    """It is found out that it took place; it is repeated, or the client told that nobody knows."""
    bucket = f"silence-{new_name()}"
    await backend.create_bucket(bucket)
    expect = await backend.write_record(bucket, "objects/a", b"before") if there else ABSENT
    relay.strike = Strike(0, moment, silence=True)
    if moment == "head" and not there:
        with pytest.raises(Unavailable, match="can't be told"):
            await backend.write_record(bucket, "objects/a", b"mine", expect=expect)
        with pytest.raises(RecordNotFound):
            await backend.read_record(bucket, "objects/a")
        return
    version = await backend.write_record(bucket, "objects/a", b"mine", expect=expect)
    record = await backend.read_record(bucket, "objects/a")
    assert (record.data, record.version) == (b"mine", version)


async def test_a_removal_without_an_answer(backend: S3Backend, relay: Relay) -> None:
    bucket = f"silence-{new_name()}"
    await backend.create_bucket(bucket)
    version = await backend.write_record(bucket, "objects/a", b"x")
    relay.strike = Strike(0, "answer", silence=True)
    await backend.remove_record(bucket, "objects/a", expect=version)
    with pytest.raises(RecordNotFound):
        await backend.read_record(bucket, "objects/a")
