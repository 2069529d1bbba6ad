# SPDX-License-Identifier: GPL-2.0-only
"""Law 1: kill -9 at any moment. What was acknowledged is there; what was not is there whole or not at all.

Writers put, complete and delete in two deltaspaces, each on keys of its own and on a few that all of them
fight for. Each round waits until an operation of the wanted kind is under way, kills after a random part of
its usual time, restarts on the same directory, and compares every key in LIST, HEAD and GET with what
`history` allows. Uploads that were begun before the crash are finished after it.
"""

import contextlib
import hashlib
import random
import statistics
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from lxml import etree

from tests.system.artifacts import generate
from tests.system.harness import Server
from tests.system.history import History, Write, sha256
from tests.system.looking import XML, Connection, Gone, look

KILLS = 54
KINDS = ("put", "complete", "delete")
PART = 5 << 20
#: Nobody writes this key but the one thread that completes uploads.
UNDISPUTED = "a/m2.zip"
_BASE = generate(51, PART)


class Upload:
    """A multipart upload as its client remembers it: what was acknowledged, and nothing else."""

    def __init__(self, key: str, upload_id: str):
        self.key, self.target = key, f"/default/{key}?uploadId={upload_id}"
        self.parts: dict[int, bytes] = {}
        #: Complete was asked for, so it may have happened.
        self.asked = False

    def document(self) -> bytes:
        parts = "".join(
            f"<Part><PartNumber>{number}</PartNumber><ETag>{hashlib.md5(data).hexdigest()}</ETag></Part>"
            for number, data in sorted(self.parts.items())
        )
        return f"<CompleteMultipartUpload>{parts}</CompleteMultipartUpload>".encode()

    def value(self) -> str:
        return sha256(b"".join(data for _, data in sorted(self.parts.items())))


class Writers:
    """Threads that write until they are told to stop or the server is gone."""

    def __init__(self, server: Server, history: History, seed: int):
        self.server, self.history, self.seed = server, history, seed
        self.stop = threading.Event()
        self.uploads: list[Upload] = []
        self.took: dict[str, list[float]] = defaultdict(list)
        self.surprises: list[str] = []

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        self.stop.clear()
        self.seed += 10
        threads = [
            threading.Thread(target=self._work, args=(loop, random.Random(self.seed + n)), daemon=True)
            for n, loop in enumerate((self._put, self._put, self._complete, self._delete))
        ]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            self.stop.set()
            for thread in threads:
                thread.join(40)
                assert not thread.is_alive()

    def _work(self, step: Callable[[Connection, random.Random], None], dice: random.Random) -> None:
        connection = Connection(self.server)
        with contextlib.suppress(Gone):
            while not self.stop.is_set():
                step(connection, dice)
        connection.http.close()

    def _write(
        self, connection: Connection, key: str, kind: str, value: str | None, *request: object
    ) -> None:
        method, path, body = request
        assert isinstance(method, str)
        assert isinstance(path, str)
        assert isinstance(body, bytes)
        write: Write = self.history.begin(key, kind, value)
        began = time.monotonic()
        status, _, said = connection.ask(method, path, body)
        self.took[kind].append(time.monotonic() - began)
        if status in (200, 204) and b"<Error>" not in said:
            self.history.acknowledge(write)
        elif status == 503:
            self.history.refuse(key, write)
        else:
            self.surprises.append(f"{method} {path}: {status} {said[:300]!r}")

    @staticmethod
    def _content(dice: random.Random, size: int) -> bytes:
        """Bytes that never were before; mostly like the rest of their deltaspace."""
        data = bytearray(_BASE[:size])
        data[:16] = dice.randbytes(16)
        for _ in range(5):
            at = dice.randrange(size - 64)
            data[at : at + 64] = dice.randbytes(64)
        return bytes(data)

    def _put(self, connection: Connection, dice: random.Random) -> None:
        key = dice.choice(["a/1.zip", "a/2.zip", "b/1.zip", "b/2.txt", "a/small.zip", "b/fought for.zip"])
        small = key.endswith("small.zip") or dice.random() < 0.2
        data = self._content(dice, dice.randrange(100, 8000) if small else dice.randrange(50_000, len(_BASE)))
        self._write(connection, key, "put", sha256(data), "PUT", "/default/" + key.replace(" ", "%20"), data)

    def _complete(self, connection: Connection, dice: random.Random) -> None:
        key = dice.choice(["a/m1.zip", UNDISPUTED, UNDISPUTED, "b/fought%20for.zip"])
        status, _, body = connection.ask("POST", f"/default/{key}?uploads")
        if status == 503:
            return
        assert status == 200, body
        upload = Upload(key, str(etree.fromstring(body).findtext("s3:UploadId", namespaces=XML)))
        self.uploads.append(upload)
        sizes = (PART, 70_000) if dice.random() < 0.3 else (dice.randrange(50_000, 400_000),)
        for number, size in enumerate(sizes, 1):
            data = self._content(dice, size)
            if connection.ask("PUT", f"{upload.target}&partNumber={number}", data)[0] == 200:
                upload.parts[number] = data
        if len(upload.parts) == len(sizes):
            self._finish(connection, upload)

    def _finish(self, connection: Connection, upload: Upload) -> None:
        upload.asked = True
        key = upload.key.replace("%20", " ")
        self._write(connection, key, "complete", upload.value(), "POST", upload.target, upload.document())
        self.uploads.remove(upload)

    def _delete(self, connection: Connection, dice: random.Random) -> None:
        time.sleep(dice.random() * 0.03)
        key = dice.choice(["a/1.zip", "a/2.zip", "b/1.zip", "b/2.txt", "a/m1.zip", "b/fought for.zip"])
        self._write(connection, key, "delete", None, "DELETE", "/default/" + key.replace(" ", "%20"), b"")

    def resume(self, seen: dict[str, str | None]) -> int:
        """After a restart: complete what was begun before it. Returns how many uploads went on.

        A Complete that was under way may have happened, and something else after it. Asked again it gives
        the same answer when its object is still there, and in no case does it bring an overwritten object
        back. Only where somebody else writes the key too, may the upload be gone without a trace of it.
        """
        connection, resumed = Connection(self.server), 0
        for upload in list(self.uploads):
            if upload.asked:
                there = seen[upload.key.replace("%20", " ")] == upload.value()
                write = self.history.begin(upload.key.replace("%20", " "), "complete", upload.value())
                status, _, said = connection.ask("POST", upload.target, upload.document())
                assert status == 200 or (status == 404 and not there and upload.key != UNDISPUTED), said
                if status == 404:
                    self.history.refuse(upload.key.replace("%20", " "), write)
                self.uploads.remove(upload)
                resumed += 1
            elif upload.parts:
                self._finish(connection, upload)
                resumed += 1
            else:
                status, _, said = connection.ask("DELETE", upload.target)
                assert status == 204, said
                self.uploads.remove(upload)
        connection.http.close()
        return resumed


@pytest.mark.timeout(400)
def test_kill_at_any_moment(tmp_path: Path) -> None:
    server = Server(tmp_path, {"DELTAGLIDER_PROXY_WORKERS": "2"})
    history, dice = History(), random.Random(52)
    writers = Writers(server, history, 53)
    hit: Counter[str] = Counter()
    resumed = 0
    for number in range(KILLS):
        server.start()
        resumed += writers.resume(look(server, history))
        look(server, history)
        wanted = KINDS[number % len(KINDS)]
        with writers.running():
            time.sleep(dice.random() * 0.3)
            assert history.wait_for(wanted, 20), f"no {wanted} under way: {writers.surprises}"
            time.sleep(dice.random() * statistics.median(writers.took[wanted] or [0.02]))
            under_way = history.in_flight()
            server.kill()
        hit.update(set(under_way))
        assert not writers.surprises, writers.surprises
    with server:
        resumed += writers.resume(look(server, history))
        look(server, history)
        connection = Connection(server)
        for key in history.written():
            connection.ask("DELETE", "/default/" + key.replace(" ", "%20"))
        assert connection.ask("DELETE", "/default")[0] == 204, "garbage does not keep a bucket alive"
        connection.http.close()
        assert not (server.data / "buckets" / "default").exists()
        assert server.staged() == []
    print(
        f"{KILLS} kills, under way then: {dict(hit)}; {history.acknowledged} acknowledged, {resumed} resumed"
    )
    assert history.acknowledged > 2 * KILLS
    assert all(hit[kind] >= KILLS // 8 for kind in KINDS), hit


def test_history_tells_lost_from_unfinished() -> None:
    """The judge itself: an acknowledged write hides older ones, an unanswered one may be seen."""
    history = History()
    assert history.possible("k") == {None}
    lost = history.begin("k", "put", "lost")
    assert history.possible("k") == {None, "lost"}
    first = history.begin("k", "put", "first")
    history.acknowledge(first)
    assert history.possible("k") == {"first", "lost"}
    history.acknowledge(lost)
    assert history.possible("k") == {"first", "lost"}, "they overlapped"
    history.acknowledge(history.begin("k", "put", "second"))
    assert history.possible("k") == {"second"}
    history.begin("k", "delete", None)
    assert history.possible("k") == {"second", None}
    history.observe("k", None)
    assert history.possible("k") == {None}
