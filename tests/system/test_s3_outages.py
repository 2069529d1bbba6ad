# SPDX-License-Identifier: GPL-2.0-only
"""An object store that goes away in the middle of everything, and comes back.

A relay cuts the connection to a real SeaweedFS at the first request that an operation makes there, then at
the second, until there is none left, at four moments of each: once, which a second try makes good, and from
there on, as when the store is down. And the store itself is killed, or frozen, in the middle of many
requests. Whoever asks is told to come later (503 with Retry-After), or has his answer cut where it had begun;
never that something does not exist. What was acknowledged is there afterwards, without a restart of the
server; and nothing stays behind: no connection, no open file, no file half filled, no upload in the store
that gc does not find.

The suite strikes some of the requests; OUTAGES=1 (`make outages`) strikes all, and freezes the store for
longer than anybody waits.
"""

import asyncio
import hashlib
import os
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Final

import psutil
import pytest

from tests.system import maintenance
from tests.system.artifacts import generate, next_version
from tests.system.asking import Client, Reply
from tests.system.harness import Server, eventually
from tests.system.history import History
from tests.system.looking import Connection, Gone, look
from tests.system.object_store import ObjectStore, behind
from tests.system.operations import OPERATIONS, Request, Space
from tests.system.relay import MOMENTS, Moment, Relay, Strike

THOROUGH: Final = "OUTAGES" in os.environ

#: No operation makes so many requests to the store.
MANY: Final = 60

#: More than a server tries.
ALWAYS: Final = 1000

#: Longer than a part of a blob in the store, so that it is uploaded and read in several.
LARGE: Final = generate(81, (20 if THOROUGH else 9) << 20)

pytestmark = pytest.mark.timeout(3000 if THOROUGH else 300)


def _large(space: Space) -> Request:
    return space.putting("large.bin", LARGE)


WRITES: Final[dict[str, Callable[[Space], Request]]] = OPERATIONS | {"large": _large}

#: Which of them the suite strikes, and at which moment.
SOME: Final[dict[str, tuple[Moment, ...]]] = {
    "inline": ("answer",),
    "delta": ("answer",),
    "complete": ("answer",),
    "large": ("body",),
}


@dataclass
class World:
    """A store, the relay in front of it, and the server in front of that; and what was written."""

    store: ObjectStore
    relay: Relay
    server: Server
    spaces: list[Space] = field(default_factory=list)
    numbers: Iterator[int] = field(default_factory=count)

    def space(self) -> Space:
        """A deltaspace that nobody has used."""
        space = Space(Connection(self.server), f"s{next(self.numbers):04d}/", History())
        self.spaces.append(space)
        return space

    def look(self, *spaces: Space) -> None:
        """See that what is there is what must be; without `spaces`, everywhere."""
        for space in spaces or self.spaces:
            look(self.server, space.history, space.prefix)

    @property
    def acknowledged(self) -> int:
        """Writes."""
        return sum(space.history.acknowledged for space in self.spaces)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    home = tmp_path_factory.mktemp("outages")
    with (
        ObjectStore(home / "weed") as store,
        Relay(store.port) as relay,
        behind(home / "proxy", relay.port, s3_only_writer="true") as server,
    ):
        world = World(store, relay, server)
        assert _serves(world)  # it has one of each thing that it keeps
        before = _open_files(world)
        yield world
        # Connections to the store are kept for a while, for whoever asks next.
        eventually(lambda: relay.connections == 0, "no connection to the store is left", 60)
        try:
            eventually(lambda: _open_files(world) <= before, "what is open was open before", 60)
        except AssertionError as error:
            error.add_note(f"more than before: {_open_files(world) - before}")
            raise


@pytest.fixture(autouse=True)
def nothing_is_lost(world: World) -> Iterator[None]:
    """After each test the server serves, everything acknowledged is there, and gc finds all that is not."""
    yield
    world.relay.strike = None
    world.store.thaw()
    eventually(lambda: _serves(world), "the server serves again, without a restart")
    world.look()
    cache = world.server.home / "cache"
    eventually(lambda: not [path for path in cache.iterdir() if "." in path.name], "no file is half filled")
    garbage = asyncio.run(maintenance.collect_now(world.server))
    print(f"gc found {[each.why for each in garbage]}")
    assert all(each.outcome == "removed" for each in garbage)
    assert not world.store.uploads()
    assert asyncio.run(maintenance.collect_now(world.server)) == []
    world.look()
    for space in world.spaces:
        space.connection.http.close()
    world.spaces.clear()


def _serves(world: World) -> bool:
    with Client(world.server) as client:
        return client.ask("GET", "/default?list-type=2").status == 200


def _open_files(world: World) -> Counter[str]:
    """What the server has open, by name, but connections, and the references that it keeps mapped."""
    cache = str(world.server.home / "cache")
    found: Counter[str] = Counter()
    for process in world.server.members():
        connected = {each.fd for each in process.net_connections("tcp") if each.status != psutil.CONN_LISTEN}
        for descriptor in Path(f"/proc/{process.pid}/fd").iterdir():
            with suppress(FileNotFoundError):
                name = os.readlink(descriptor)
                if int(descriptor.name) not in connected and not name.startswith(cache):
                    found[name.partition(":")[0]] += 1
    return found


def put_off(reply: Reply) -> bool:
    """Whether this is how a client is told that the store is away."""
    if reply.status == 503:
        assert reply.headers["retry-after"]
        assert not reply.body or b"<Code>ServiceUnavailable</Code>" in reply.body, reply
    return reply.status == 503


# -- cut ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("operation", WRITES if THOROUGH else SOME)
def test_a_write_is_cut(world: World, operation: str) -> None:
    struck = refused = 0
    for moment in MOMENTS[:3] if THOROUGH else SOME[operation]:
        for times in (1, ALWAYS):
            for number in range(MANY):
                if times == ALWAYS and not THOROUGH and number % 4:  # each takes as long as four tries do
                    continue
                space = world.space()
                request = WRITES[operation](space)
                strike = world.relay.strike = Strike(number, moment, times)
                status, body = space.send(request)
                world.relay.strike = None
                if not strike.hits:
                    assert status in (200, 204)
                    break
                struck += 1
                where = f"{operation}, request {number} cut at its {moment}, {times} times"
                if status not in (200, 204):  # also once: what makes a record is not done a second time
                    refused += 1
                    assert status == 503, f"{where}: {status} {body[:300]!r}"
                    assert b"ServiceUnavailable" in body
                world.look(space)
                _again(world, space, request, where)
            else:
                pytest.fail(f"{operation} has no end of requests to the store")
    print(f"{operation}: {struck} strikes, {refused} requests put off")
    assert refused


def _again(world: World, space: Space, request: Request, where: str) -> None:
    """The same request succeeds, or it had succeeded: what it is about is gone by now."""
    status, body = space.send(request)
    gone = request.method == "DELETE" or "uploadId=" in request.path
    assert status in ((200, 204, 404) if gone else (200, 204)), f"{where}, again: {status} {body[:300]!r}"
    world.look(space)


def test_a_read_is_cut(world: World) -> None:
    space = world.space()
    first = generate(82, 300_000)
    objects = {"v1.zip": first, "v2.zip": next_version(first, 83), "large.bin": LARGE, "small.txt": b"x" * 99}
    for name, data in objects.items():
        space.must(space.putting(name, data))
    path = f"/default/{space.prefix}"
    requests = [
        ("GET", f"/default?list-type=2&prefix={space.prefix}", None),
        ("GET", f"{path}small.txt", objects["small.txt"]),
        ("GET", f"{path}large.bin", LARGE),
        ("GET", f"{path}v2.zip", objects["v2.zip"]),
        ("HEAD", f"{path}v2.zip", b""),
    ]
    struck = refused = cut = 0
    for method, target, right in requests:
        chosen = (1, "stream") if target.endswith("large.bin") else (0, "head")
        for moment in MOMENTS if THOROUGH else ("head", "stream"):
            for times in (1, ALWAYS):
                for number in range(MANY):
                    if times == ALWAYS and not THOROUGH and (number, moment) != chosen:
                        continue
                    _cold(world.server.home / "cache", path + "v2.zip", world.server)
                    strike = world.relay.strike = Strike(number, moment, times)
                    with Client(world.server) as client:
                        reply = client.ask(method, target)
                    world.relay.strike = None
                    if not strike.hits:
                        break
                    struck += 1
                    where = f"{method} {target}, request {number} cut at its {moment}, {times} times"
                    refused += put_off(reply)
                    cut += reply.body is None
                    assert reply.status in ((200,) if times == 1 else (200, 503)), f"{where}: {reply}"
                    if reply.status == 200 and right is not None:
                        assert reply.body == right or (reply.body is None and times == ALWAYS), where
    print(f"{struck} strikes, {refused} answers put off, {cut} cut")
    assert refused
    assert cut or not THOROUGH, "some answers had begun, if they are long enough"


def _cold(cache: Path, delta: str, server: Server) -> None:
    """Nothing of the reference is here: no file, and no mapping of one."""
    for path in cache.glob("?" * 64):
        path.unlink()
    with Client(server) as client:
        assert client.ask("GET", delta, b"", Range="bytes=0-9").status == 206
    for path in cache.glob("?" * 64):
        path.unlink()


COMMANDS: Final = [("gc", "--delete"), ("optimize", "--cpu", "1"), ("verify", "--data")]


@pytest.mark.parametrize("command", COMMANDS if THOROUGH else COMMANDS[:1], ids=" ".join)
def test_a_command_is_cut(world: World, command: tuple[str, ...]) -> None:
    space = world.space()
    space.versions()
    space.must(space.putting("v3.zip", next_version(generate(84, 60_000), 85)))
    for number in (
        range(8, MANY, 3) if THOROUGH else (14,)
    ):  # the first few are the start, a probe of the store
        world.relay.strike = Strike(number, "answer", ALWAYS)
        done = maintenance.run(world.server, *command)
        hits, world.relay.strike = world.relay.strike.hits, None
        if not hits:
            break
        assert "Traceback" not in done.stderr
        if done.returncode == 0:  # it was through, and could not take down the note that it runs
            assert "looks as if its process died" in done.stderr, done.stdout + done.stderr
            continue
        assert done.returncode == 2, done.stdout + done.stderr
        assert "the store can't be reached" in done.stderr
        world.look()
    done = maintenance.run(world.server, *command)
    assert done.returncode == 0, done.stdout + done.stderr


# -- killed, frozen ----------------------------------------------------------------------------------------


def _load(world: World, stop: threading.Event, number: int, refusals: list[str]) -> None:
    """Write, read and delete until told to stop; note whatever was not as it must be."""
    space = world.space()
    data = generate(90 + number, 60_000)
    turn = 0
    while not stop.is_set():
        turn += 1
        data = next_version(data, turn)
        for request in (
            space.putting(f"v{turn % 5}.zip", data),
            space.putting("small.txt", b"%d" % turn),
            space.putting("large.bin", LARGE) if number == 0 else space.deleting(f"v{(turn + 2) % 5}.zip"),
        ):
            try:
                status, body = space.send(request)
            except Gone:
                refusals.append("cut")
                continue
            if status not in (200, 204):
                refusals.append(f"{status}" if status == 503 else f"{request.path}: {status} {body[:300]!r}")
        with Client(world.server, patience=200) as client:
            key = f"{space.prefix}v{turn % 5}.zip"
            reply = client.ask("GET", f"/default/{key}")
            possible = space.history.possible(key)
            if reply.status == 404 and None not in possible:
                refusals.append(f"GET {key}: 404")
            if reply.status == 200 and reply.body is not None:
                if hashlib.sha256(reply.body).hexdigest() not in possible:
                    refusals.append(f"GET {key}: wrong bytes")
            elif reply.status not in (200, 404) and not put_off(reply):
                refusals.append(f"GET {key}: {reply}")


def _more(counted: Callable[[], int], what: str, more: int = 20) -> None:
    """Wait until so much more is counted than now."""
    before = counted()
    eventually(lambda: counted() > before + more, what, 100)


@pytest.mark.parametrize("how", ["killed", "frozen"])
def test_the_store_goes_under_load(world: World, how: str) -> None:
    refusals: list[str] = []
    stop = threading.Event()
    threads = [threading.Thread(target=_load, args=(world, stop, number, refusals)) for number in range(4)]
    for thread in threads:
        thread.start()
    try:
        for _ in range(5 if THOROUGH else 1):
            _more(lambda: world.acknowledged, "requests are under way")
            if how == "killed":
                world.store.kill()
                _more(lambda: len(refusals), "requests are put off", 3)
                world.store.start()
            else:
                world.store.freeze()
                if THOROUGH:  # for longer than anybody is made to wait
                    _more(lambda: refusals.count("503"), "clients are told to come later", 3)
                else:
                    stop.wait(1)
                world.store.thaw()
        _more(lambda: world.acknowledged, "requests succeed again")
    finally:
        stop.set()
        world.store.thaw()
        for thread in threads:
            thread.join()
    print(f"{world.acknowledged} acknowledged, {len(refusals)} put off")
    assert set(refusals) <= {"503", "cut"}, sorted(set(refusals))[:5]
