# SPDX-License-Identifier: GPL-2.0-only
"""The real server on a disk that fails, is full, or is where the process dies: call by call.

For each operation and each kind of call it makes, the first call is struck, then the second, until a run has
none left to strike: EIO and ENOSPC by strace, and SIGKILL on the way into the call, so that the process ends
in every state that storage passes through. What strace can't do is write half: a short write is made by a
limit on the size of files instead, which the kernel answers with what fits, and then with EFBIG. (Short
writes that go on afterwards, and short reads, are in tests/storage/test_faults.py; power cuts in test_power.)
Which call is the Nth is counted by thread: where several threads took part, a death is tried again in a new
process; an error strikes the Nth call of each, so that now and then a call is struck twice and another not.

After each: what was acknowledged is there, what was refused is there whole or not at all, LIST, HEAD and GET
agree, and the same request succeeds. At the end of each test `verify --data` finds nothing, a restart leaves
staging empty, and the statistics are what a recount finds. gc takes nothing younger than five minutes, so
what dead processes leave beside staging stays; the engine's tests have clocks for that.
"""

import json
import os
import resource
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from lxml import etree

from tests.system.harness import PATIENCE, Server, environment, eventually
from tests.system.history import History
from tests.system.injection import strace, struck, worker
from tests.system.looking import Connection, Gone, look
from tests.system.operations import OPERATIONS, Request, Space, succeeded

#: No operation makes so many calls of one kind.
MANY = 100

#: Workers that are killed in a row: for each the supervisor waits twice as long until it makes the next.
IN_A_ROW = 3

#: Errors of which calls are tried, and where. A full disk is met where something is made.
FAULTS = {
    "EIO": {
        "openat": ("direct", "overwrite", "delete last", "complete"),
        "fsync": tuple(OPERATIONS),
        "rename": tuple(OPERATIONS),
        "unlink": ("overwrite", "duplicate", "delete", "delete last", "complete", "abort"),
        "getdents64": ("overwrite", "duplicate", "delete last", "complete", "abort"),
    },
    "ENOSPC": {
        "mkdir": ("inline", "reference", "part"),
        "fsync": ("inline", "reference", "overwrite", "part", "complete"),
        "rename": ("direct", "overwrite", "copy", "complete"),
    },
}

#: What dies where. Between two names that are given or taken away, nothing on disk changes that anybody could
#: see; so a death at a sync is new only behind the last name, and tried where that counts most.
DEATHS = {
    "rename": ("direct", "overwrite", "copy", "part", "complete"),
    "unlink": ("overwrite", "delete last", "complete"),
    "fsync": ("overwrite", "complete"),
}

SETTINGS = {"DELTAGLIDER_PROXY_WORKERS": "1", "DELTAGLIDER_PROXY_OPTIMIZER": "false"}

pytestmark = pytest.mark.timeout(300)


@pytest.fixture(scope="module")
def program() -> str:
    return strace()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with Server(tmp_path, SETTINGS) as started:
        yield started


def run(server: Server, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "dgproxy", *arguments],
        cwd=server.home,
        env=environment({"DELTAGLIDER_PROXY_DATA_DIR": str(server.data)} | server.settings),
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def statistics(server: Server, *arguments: str) -> list[dict[str, object]]:
    found = [json.loads(line) for line in run(server, "stats", "--json", *arguments).splitlines()]
    for line in found:
        line.pop("recent_delta_ratio", None)  # of uploads, not of what is stored
        line.get("summary", {}).pop("recent_delta_ratio", None)
    return found


def in_order(server: Server) -> None:
    """What must hold at the end of a test, however many faults there were."""
    assert run(server, "verify", "--data").endswith(": all sound.\n")
    server.kill()
    left = server.staged()
    server.start()
    assert set(left).isdisjoint(server.staged()), "the start empties staging"
    ledgers = server.data / "buckets" / "default" / "ledgers"
    eventually(lambda: not list(ledgers.glob("*.json")), "the next start counts")
    server.stop()
    assert statistics(server) == statistics(server, "--recount")
    for line in server.log.read_text(errors="replace").splitlines():
        if line.startswith("{") and (raised := json.loads(line).get("exception")):
            last = raised.rstrip().splitlines()[-1]
            assert last.startswith("dgproxy."), f"no layer knew this one:\n{raised}"


def refused_in_order(request: Request, status: int, body: bytes) -> None:
    """An answer that is no success: 5xx with an error document."""
    said = f"{request.method} {request.path}: {status} {body[:500]!r}"
    assert status >= 500 or (status == 200 and request.method == "POST"), said
    document = etree.fromstring(body)
    assert document.tag == "Error", said
    assert document.findtext("Code") in {"InternalError", "InsufficientStorage", "SlowDown"}, said
    assert document.findtext("RequestId"), said


def after(server: Server, space: Space, request: Request) -> None:
    """What must hold after each fault: nothing lost, nothing half; and the same request succeeds."""
    look(server, space.history, space.prefix)
    status, body = space.send(request)
    gone = status == 404 and request.method == "DELETE"  # an upload that was aborted after all
    assert succeeded(status, body) or gone, f"{request.method} {request.path}: {status} {body[:500]!r}"
    look(server, space.history, space.prefix)


def fail_each_call(program: str, server: Server, name: str, call: str, error: str) -> int:
    """Let one call of an operation fail, then the next…; returns how many did."""
    connection = Connection(server)
    failed = 0
    for number in range(1, MANY):
        space = Space(connection, f"{name.replace(' ', '-')}/{call}/{error}/{number}/", History())
        request = OPERATIONS[name](space)
        with struck(program, server, call, f"error={error}", number) as strike:
            status, body = space.send(request)
        if not succeeded(status, body):
            refused_in_order(request, status, body)
            assert strike.calls, f"{status} {body!r} without a fault"
        connection.http.close()  # the next request opens it, to whoever serves then
        worker(server)
        after(server, space, request)
        if not strike.calls:
            connection.http.close()
            return failed
        failed += len(strike.calls)
    raise AssertionError(f"{name} calls {call} without end")


@pytest.mark.parametrize("error", FAULTS)
def test_a_call_that_fails(program: str, server: Server, error: str) -> None:
    for call, names in FAULTS[error].items():
        failed = {name: fail_each_call(program, server, name, call, error) for name in names}
        print(call, error, failed)
        assert sum(failed.values()) >= len(names), "the faults must hit what is called"
        if call != "unlink":
            eventually(lambda: server.staged() == [], f"what failed at {call} leaves nothing in staging")
        else:
            for path in server.staged():
                path.unlink()
    in_order(server)


def kill_at_each_call(program: str, server: Server, name: str, call: str, before: int) -> int:
    """Kill the worker at one call of an operation, then at the next…; returns `before` and the dead."""
    dead, number = before, 1
    for turn in range(MANY):
        prefix = f"{name.replace(' ', '-')}/{call}/{turn}/"
        space = Space(Connection(server), prefix, History())
        request = OPERATIONS[name](space)
        with struck(program, server, call, "signal=SIGKILL", number) as strike:
            try:
                status, body = space.send(request)
            except Gone:
                strike.worker.wait(PATIENCE)
            else:
                assert succeeded(status, body), f"{status} {body!r} without a fault"
        dead += strike.killed
        counted = strike.threads <= 1
        space.connection.http.close()  # the next request opens it, to whoever serves then
        if not counted or (strike.killed and dead % (IN_A_ROW + 1) == 0):
            server.kill()
            server.start()
        worker(server)
        after(server, space, request)
        space.connection.http.close()
        if counted and not strike.killed:
            return dead
        number += counted  # else once more, in a process that has no second thread yet
    raise AssertionError(f"{name} calls {call} without end")


@pytest.mark.parametrize("call", DEATHS)
def test_killed_at_a_call(program: str, server: Server, call: str) -> None:
    killed = 0
    for name in DEATHS[call]:
        killed = kill_at_each_call(program, server, name, call, killed)
    print(call, killed)
    assert killed >= len(DEATHS[call]), "the deaths must hit what is called"
    in_order(server)


def test_a_write_that_is_cut_short(tmp_path: Path) -> None:
    """No file can grow beyond a limit: the kernel writes what fits, and refuses the rest."""
    server = Server(tmp_path, SETTINGS)
    server.log = Path(os.devnull)  # the limit would be the log's, too
    with server:
        process = worker(server)
        none = resource.prlimit(process.pid, resource.RLIMIT_FSIZE)
        connection, refused = Connection(server), 0
        for name, operation in OPERATIONS.items():
            for limit in (20, 500, 800, 10_000):
                space = Space(connection, f"{name.replace(' ', '-')}/{limit}/", History())
                request = operation(space)
                resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (limit, none[1]))
                try:
                    status, body = space.send(request)
                finally:
                    resource.prlimit(process.pid, resource.RLIMIT_FSIZE, none)
                if not succeeded(status, body):
                    refused_in_order(request, status, body)
                    refused += 1
                after(server, space, request)
        connection.http.close()
        assert refused > len(OPERATIONS)
        eventually(lambda: server.staged() == [], "what was cut short leaves nothing in staging")
        in_order(server)
