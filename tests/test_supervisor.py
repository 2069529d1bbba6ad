# SPDX-License-Identifier: GPL-2.0-only
"""The supervisor and its workers as real processes: start, stop, crashes and signals."""

import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Self

import psutil
import pytest

from dgproxy import listen
from dgproxy.config import StartError
from dgproxy.config_values import ListenAddress
from tests.isolated import ALONE, need_isolation
from tests.system.harness import free_ports

PROJECT = Path(__file__).resolve().parent.parent
PATIENCE = 20.0


class Tiny:
    """A running `tests.tiny_server`; its output goes to a file."""

    def __init__(
        self,
        home: Path,
        *,
        listen_addr: str = "127.0.0.1:0",
        workers: int = 2,
        fault: str = "",
        grace: float = 10,
    ) -> None:
        self.said = home / "said"
        settings = json.dumps({"listen_addr": listen_addr, "workers": workers})
        with self.said.open("wb") as out:
            self.process = subprocess.Popen(
                [sys.executable, "-W", "error", "-m", "tests.tiny_server", settings, fault],
                cwd=PROJECT,
                env=os.environ | {"TINY_GRACE": str(grace)},
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def output(self) -> str:
        return self.said.read_text()

    def started(self) -> Self:
        self.until(lambda: "started http" in self.output() or self.process.poll() is not None)
        assert self.process.poll() is None, self.output()
        return self

    def until(self, condition: Callable[[], object]) -> None:
        deadline = time.monotonic() + PATIENCE
        while not condition():
            assert time.monotonic() < deadline, self.output()
            time.sleep(0.01)

    @property
    def urls(self) -> tuple[str, str]:
        found = re.search(r"^started (\S+) (\S+)$", self.output(), re.MULTILINE)
        assert found is not None, self.output()
        return found[1], found[2]

    @property
    def ports(self) -> tuple[int, int]:
        s3, ui = (int(url.rpartition(":")[2]) for url in self.urls)
        return s3, ui

    def workers(self) -> list[psutil.Process]:
        with contextlib.suppress(psutil.NoSuchProcess):
            children = psutil.Process(self.process.pid).children()
            return [each for each in children if each.status() != psutil.STATUS_ZOMBIE]
        return []

    def ask(self, request: str) -> str:
        with self.asking(request) as answer:
            return answer()

    @contextlib.contextmanager
    def asking(self, request: str) -> Iterator[Callable[[], str]]:
        """Send a request; what it gives reads the answer, "" when the connection is cut."""
        with socket.create_connection(("127.0.0.1", self.ports[0]), PATIENCE) as connection:
            connection.sendall(f"{request}\n".encode())

            def answer() -> str:
                with contextlib.suppress(ConnectionResetError), connection.makefile() as lines:
                    return lines.readline().strip()
                return ""

            yield answer

    def signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def wait(self) -> int:
        return self.process.wait(PATIENCE)


def handlers_at_work() -> None:
    """Give a request the time to reach its handler."""
    time.sleep(0.3)


# -- start -------------------------------------------------------------------------------------------------


def test_start_and_stop(tmp_path: Path) -> None:
    with Tiny(tmp_path, workers=3) as tiny:
        tiny.started()
        workers = {each.pid for each in tiny.workers()}
        assert len(workers) == 3
        assert int(tiny.ask("pid").split()[1]) in workers
        tiny.signal(signal.SIGTERM)
        assert tiny.wait() == 0
        assert not [pid for pid in workers if psutil.pid_exists(pid)]
        lines = tiny.output().splitlines()
        assert lines[0] == f"claimed by {tiny.process.pid}", "before there is any worker"
        assert lines[-1] == "released", "after the last worker"


def test_both_ports_serve_and_are_neighbours(tmp_path: Path) -> None:
    with Tiny(tmp_path) as tiny:
        s3, ui = tiny.started().ports
        assert ui == s3 + 1
        for port in (s3, ui):
            with socket.create_connection(("127.0.0.1", port), PATIENCE) as connection:
                connection.sendall(b"pid\n")
                assert connection.recv(100).startswith(b"pid ")


def test_not_started_before_every_worker_serves(tmp_path: Path) -> None:
    with Tiny(tmp_path, fault="silent") as tiny:
        tiny.until(lambda: len(tiny.workers()) == 2)
        time.sleep(0.5)
        assert "started" not in tiny.output()
        tiny.signal(signal.SIGTERM)
        assert tiny.wait() == 0


@pytest.mark.parametrize(
    ("fault", "why"),
    [
        ("start-error", "not started: the storage is on fire"),
        ("os-error", "not started: [Errno 28] No space left on device: '/data'"),
    ],
)
def test_a_start_that_fails_says_why_in_one_line(tmp_path: Path, fault: str, why: str) -> None:
    with Tiny(tmp_path, fault=fault) as tiny:
        assert tiny.wait() == 1
        assert tiny.output().splitlines() == [f"claimed by {tiny.process.pid}", "released", why]


def test_a_start_that_fails_for_a_bug_shows_where(tmp_path: Path) -> None:
    with Tiny(tmp_path, fault="bug", workers=1) as tiny:
        assert tiny.wait() == 1
        assert "TypeError: a programmer's mistake" in tiny.output()
        assert "not started: worker 1 ended with exit code 1" in tiny.output()


# -- ports -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("offset", "what"), [(0, ""), (1, " for the browser UI (the S3 port + 1)")])
def test_port_in_use(offset: int, what: str) -> None:
    port = free_ports()
    taken = socket.create_server(("127.0.0.1", port + offset))
    with taken, pytest.raises(StartError) as refused, listen.bind(ListenAddress("127.0.0.1", port)):
        pass
    assert (
        str(refused.value)
        == f"can't listen on 127.0.0.1:{port + offset}{what}: another program uses this port"
    )
    with listen.bind(ListenAddress("127.0.0.1", port)):
        pass  # nothing was left open


def test_a_second_program_on_the_same_port(tmp_path: Path) -> None:
    (tmp_path / "second").mkdir()
    with Tiny(tmp_path) as first:
        address = first.started().urls[0].removeprefix("http://")
        with Tiny(tmp_path / "second", listen_addr=address) as second:
            assert second.wait() == 1
            assert (
                f"not started: can't listen on {address}: another program uses this port" in second.output()
            )
        assert first.ask("pid")


def test_every_address_of_a_name() -> None:
    with listen.bind(ListenAddress("localhost", 0)) as ports:
        assert {each.getsockname()[1] for each in ports.s3} == {int(ports.s3_url.rpartition(":")[2])}
        assert len(ports.s3) == len(ports.ui) == len({each.getsockname()[0] for each in ports.s3})
        assert ports.s3_url.startswith("http://localhost:")
        assert ports.only_loopback


#: Bring the loopback interface up (netdevice(7): SIOCSIFFLAGS, IFF_UP), listen, and see who gets through.
WHO_GETS_THROUGH = """
import fcntl, json, socket, struct, sys
from dgproxy import listen
from dgproxy.config_values import ListenAddress

with socket.socket() as any_socket:
    fcntl.ioctl(any_socket, 0x8914, struct.pack("16sh22x", b"lo", 1))
with listen.bind(ListenAddress(sys.argv[1], 0)) as ports:
    port = ports.s3[0].getsockname()[1]
    reached = []
    for family, loopback in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")):
        with socket.socket(family) as client:
            reached.append(client.connect_ex((loopback, port)) == 0)
    print(json.dumps([ports.s3_url.replace(str(port), "PORT"), ports.only_loopback, *reached]))
"""


@pytest.mark.parametrize(
    ("host", "found"),
    [
        ("127.0.0.1", ["http://127.0.0.1:PORT", True, True, False]),
        ("::1", ["http://[::1]:PORT", True, False, True]),
        ("0.0.0.0", ["http://localhost:PORT", False, True, False]),
        ("::", ["http://localhost:PORT", False, True, True]),
    ],
)
def test_which_connections_an_address_takes(host: str, found: list[object]) -> None:
    need_isolation()
    program = [sys.executable, "-c", WHO_GETS_THROUGH, host]
    done = subprocess.run(
        [*ALONE, *program], cwd=PROJECT, capture_output=True, text=True, timeout=PATIENCE, check=False
    )
    if "no such" in done.stderr and ":" in host:
        pytest.skip("this machine has no IPv6")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == found


@pytest.mark.parametrize(
    ("host", "why"),
    [("192.0.2.1", "no such address"), ("no-such-host.invalid", "not known|resolution"), ("x" * 64, "label")],
)
def test_addresses_that_cannot_be_listened_on(host: str, why: str) -> None:
    with pytest.raises(StartError, match=f"can't listen on {host}:0: .*({why})"):  # noqa: SIM117
        with listen.bind(ListenAddress(host, 0)):
            pass


# -- crashes -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGRTMIN + 6], ids=["SIGKILL", "without a name"])
def test_a_dead_worker_is_replaced(tmp_path: Path, number: int) -> None:
    with Tiny(tmp_path) as tiny:
        before = {each.pid for each in tiny.started().workers()}
        assert tiny.ask(f"die {number:d}") == ""
        tiny.until(lambda: f"ended by signal {number:d} (" in tiny.output())
        tiny.until(lambda: len(tiny.workers()) == 2 and {each.pid for each in tiny.workers()} != before)
        assert tiny.ask("pid")
        tiny.signal(signal.SIGTERM)
        assert tiny.wait() == 0, "a crash in the past is not a failed stop"


def test_a_worker_that_dies_before_it_serves_is_replaced_once_another_serves(tmp_path: Path) -> None:
    """Killed while the server starts, by the OOM killer or by hand: that is no reason to give up."""
    port = free_ports()
    with Tiny(tmp_path, listen_addr=f"127.0.0.1:{port}", fault="only-first") as tiny:
        tiny.until(lambda: len(tiny.workers()) == 2)
        with socket.create_connection(("127.0.0.1", port), PATIENCE) as connection:
            connection.sendall(b"pid\n")
            serving = int(connection.recv(100).split()[1])
        [silent] = [each for each in tiny.workers() if each.pid != serving]
        silent.kill()
        tiny.until(lambda: "worker lost" in tiny.output())
        tiny.until(lambda: len(tiny.workers()) == 2 and silent not in tiny.workers())
        assert "not started" not in tiny.output()


def test_replacements_come_ever_more_slowly(tmp_path: Path) -> None:
    with Tiny(tmp_path, workers=1) as tiny:
        tiny.started()
        waits: list[float] = []
        for _ in range(4):
            assert tiny.ask("die 9") == ""
            tiny.until(lambda: tiny.output().count("worker lost") > len(waits))
            lines = [json.loads(line) for line in tiny.output().splitlines() if "worker lost" in line]
            waits.append(lines[-1]["seconds"])
        assert waits == [0.1, 0.2, 0.4, 0.4]


def test_a_worker_that_stops_by_itself_is_replaced(tmp_path: Path) -> None:
    with Tiny(tmp_path, workers=1) as tiny:
        before = tiny.started().ask("pid")
        with tiny.asking("return") as answer:
            answer()
        tiny.until(lambda: "nobody asked it to" in tiny.output())
        assert tiny.ask("pid") != before


def test_killed_supervisor_leaves_no_worker(tmp_path: Path) -> None:
    with Tiny(tmp_path, workers=3) as tiny:
        workers = tiny.started().workers()
        tiny.process.kill()
        gone, alive = psutil.wait_procs(workers, timeout=PATIENCE)
        assert len(gone) == 3
        assert not alive


# -- stop --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_requests_under_way_are_finished(tmp_path: Path, number: signal.Signals) -> None:
    with Tiny(tmp_path) as tiny, tiny.started().asking("sleep 1.5") as answer:
        handlers_at_work()
        tiny.signal(number)
        handlers_at_work()
        with pytest.raises(ConnectionRefusedError):
            tiny.ask("pid")
        assert answer().startswith("sleep ")
        assert tiny.wait() == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_to_the_whole_group(tmp_path: Path, number: signal.Signals) -> None:
    """Terminals and systemd signal the supervisor and each worker: that is one request to stop, not two."""
    with Tiny(tmp_path) as tiny, tiny.started().asking("sleep 1") as answer:
        handlers_at_work()
        tiny.signal(
            signal.SIGSTOP
        )  # so that the workers have long had the signal when the supervisor acts on it
        os.killpg(tiny.process.pid, number)
        handlers_at_work()
        tiny.signal(signal.SIGCONT)
        assert answer().startswith("sleep ")
        assert tiny.wait() == 0


def test_the_same_signal_twice_at_once_is_one(tmp_path: Path) -> None:
    with Tiny(tmp_path) as tiny, tiny.started().asking("sleep 1") as answer:
        handlers_at_work()
        tiny.signal(signal.SIGTERM)
        tiny.signal(signal.SIGINT)
        assert answer().startswith("sleep ")
        assert tiny.wait() == 0


def test_a_second_signal_cuts_requests_off(tmp_path: Path) -> None:
    with Tiny(tmp_path) as tiny, tiny.started().asking("sleep 60") as answer:
        handlers_at_work()
        tiny.signal(signal.SIGINT)
        handlers_at_work()
        tiny.signal(signal.SIGINT)
        assert answer() == ""
        assert tiny.wait() == 1
        assert "handler left" in tiny.output(), "cancelled, so that its blocks are left; not killed"
        assert "workers killed" not in tiny.output()


def test_the_time_for_requests_ends(tmp_path: Path) -> None:
    with Tiny(tmp_path, grace=0.5) as tiny, tiny.started().asking("sleep 60") as answer:
        handlers_at_work()
        tiny.signal(signal.SIGTERM)
        assert answer() == ""
        assert tiny.wait() == 1
        assert "requests cut off" in tiny.output()
        assert "handler left" in tiny.output()


def test_a_worker_that_will_not_leave_is_killed(tmp_path: Path) -> None:
    with Tiny(tmp_path, grace=0.5, fault="stubborn") as tiny, tiny.started().asking("sleep 60"):
        handlers_at_work()
        tiny.signal(signal.SIGTERM)
        assert tiny.wait() == 1
        assert "workers killed" in tiny.output()


def test_no_replacement_while_stopping(tmp_path: Path) -> None:
    with Tiny(tmp_path, workers=1) as tiny, tiny.started().asking("sleep 2"):
        handlers_at_work()
        [doomed] = tiny.workers()
        tiny.signal(signal.SIGTERM)
        handlers_at_work()
        doomed.kill()
        assert tiny.wait() == 1, "its requests were lost"
        assert "worker lost" not in tiny.output()
