# SPDX-License-Identifier: GPL-2.0-only
"""The server as its users meet it: an own process on a free port and a directory, nothing imported from it.

A `Server` is started, asked over HTTP, stopped with a signal and looked at on disk; it can be started again
on the same directory. Its log is kept in a file and shown by `conftest` when a test fails. Every wait has
an end. No test logic and no S3 client in here: those are in `clients`.
"""

import contextlib
import http.client
import importlib.util
import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

import psutil

#: Start and stop take well under a second; the rest is for a busy machine.
PATIENCE = 90.0

ACCESS_KEY = "AKIADELTAGLIDERTEST1"
SECRET_KEY = "a-secret/with+signs=and-forty-characters"
CREDENTIALS = {
    "DELTAGLIDER_PROXY_ACCESS_KEY_ID": ACCESS_KEY,
    "DELTAGLIDER_PROXY_SECRET_ACCESS_KEY": SECRET_KEY,
}

#: How the servers run that every test of a kind is in front of: with these in the environment.
SETTINGS: Mapping[str, Mapping[str, str]] = {"with credentials": CREDENTIALS, "without credentials": {}}

#: The last line of what a server says once all of its workers serve; the first of them may answer before.
_ALL_SERVE = b"\n  settings "

#: Servers alive now.
running: list["Server"] = []


def logs() -> list[tuple[str, str]]:
    """The end of the log of every server that is alive, each with a title."""
    return [(f"log of the server at {server.url}", server.tail()) for server in running]


def port_range() -> range:
    """The ports to choose from: of tests that run beside each other, each process has a quarter of them."""
    first = 20_000 + 3_000 * (int(os.environ.get("PYTEST_XDIST_WORKER", "gw0")[2:]) % 4)
    return range(first, first + 3_000)


def free_ports() -> int:
    """A port that is free together with the next one.

    Below the range from which the kernel takes ports for outgoing connections (32768 on Linux), so that none
    of those can slip in before the server binds.
    """
    while True:
        port = random.choice(port_range()[::2])
        with contextlib.suppress(OSError), socket.socket() as first, socket.socket() as second:
            first.bind(("127.0.0.1", port))
            second.bind(("127.0.0.1", port + 1))
            return port


def environment(settings: Mapping[str, str]) -> dict[str, str]:
    """The caller's environment without any setting of ours or of AWS, plus `settings`."""
    env = {k: v for k, v in os.environ.items() if not k.startswith(("DELTAGLIDER_PROXY_", "AWS_"))}
    spec = importlib.util.find_spec("dgproxy")
    assert spec is not None, "dgproxy is not importable: install the project first (make test does)"
    assert spec.origin is not None
    env["PYTHONPATH"] = str(Path(spec.origin).parent.parent)
    env["PYTHONUNBUFFERED"] = "1"
    return {**env, **settings}


class Server:
    """One server process tree on `<home>/data`; `with Server(home):` starts it and stops it cleanly."""

    def __init__(
        self, home: Path, settings: Mapping[str, str] | None = None, *, arguments: tuple[str, ...] = ()
    ):
        self.home = home
        self.data = home / "data"
        self.port = free_ports()
        self.settings = dict(settings or {})
        self.arguments = arguments
        self.log = home / "server.log"
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def authenticated(self) -> bool:
        return CREDENTIALS.keys() <= self.settings.keys()

    # -- life ----------------------------------------------------------------------------------------------

    def spawn(self) -> subprocess.Popen[bytes]:
        """Start the process without waiting for it; the leader of its own process group."""
        self.home.mkdir(parents=True, exist_ok=True)
        env = environment({"DELTAGLIDER_PROXY_DATA_DIR": str(self.data)} | self.settings)
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "dgproxy", "-l", f"127.0.0.1:{self.port}", *self.arguments],
                cwd=self.home,
                env=env,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        running.append(self)
        return self.process

    def start(self) -> Self:
        """Start and wait until all workers serve. AssertionError with its log if it ends or stays silent."""
        before = self.log.stat().st_size if self.log.exists() else 0
        process = self.spawn()
        deadline = time.monotonic() + PATIENCE
        while True:
            if process.poll() is not None:
                self._gone()
                raise AssertionError(f"server ended with {process.returncode} while starting:\n{self.tail()}")
            said = not self.log.is_file() or _ALL_SERVE in self.log.read_bytes()[before:]
            if said and self.answers():
                return self
            if time.monotonic() > deadline:
                self.kill()
                raise AssertionError(f"server silent for {PATIENCE} s:\n{self.tail()}")
            time.sleep(0.02)

    def connection(self) -> http.client.HTTPConnection:
        """A new connection, not made yet."""
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)

    def answers(self) -> bool:
        """Whether GET / gets any HTTP answer."""
        connection = self.connection()
        try:
            connection.request("GET", "/")
            connection.getresponse().read()
        except (OSError, http.client.HTTPException):
            return False
        else:
            return True
        finally:
            connection.close()

    def send_signal(self, number: signal.Signals, *, group: bool = False) -> None:
        """Send a signal to the supervisor, or to all its processes, as Ctrl-C in a terminal does."""
        assert self.process is not None
        if group:
            os.killpg(self.process.pid, number)
        else:
            self.process.send_signal(number)

    def wait(self, patience: float = PATIENCE) -> int:
        """The exit code, once the process and all its children have ended."""
        assert self.process is not None
        code = self.process.wait(patience)
        self._gone()
        return code

    def stop(self) -> None:
        """SIGTERM; a clean end is exit code 0 with no worker left."""
        self.send_signal(signal.SIGTERM)
        try:
            code = self.wait()
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(
                f"server did not stop within {PATIENCE} s of SIGTERM:\n{self.tail()}"
            ) from None
        assert code == 0, f"exit code {code} after SIGTERM:\n{self.tail()}"

    def kill(self) -> None:
        """SIGKILL to the supervisor; its workers must end by themselves, as after an OOM kill."""
        assert self.process is not None
        self.process.kill()
        self.process.wait(PATIENCE)
        self._gone()

    def _gone(self) -> None:
        """Wait for the last process of the group; AssertionError if one outlives the supervisor."""
        assert self.process is not None
        running.remove(self)
        deadline = time.monotonic() + 10
        while left := list(self.members()):
            if time.monotonic() > deadline:
                os.killpg(self.process.pid, signal.SIGKILL)
                raise AssertionError(f"processes outlive their supervisor: {left}\n{self.tail()}")
            time.sleep(0.005)

    def members(self) -> Iterator[psutil.Process]:
        """The living processes of the server."""
        assert self.process is not None
        for process in psutil.process_iter():
            with contextlib.suppress(ProcessLookupError, psutil.NoSuchProcess):
                if os.getpgid(process.pid) == self.process.pid and process.status() != psutil.STATUS_ZOMBIE:
                    yield process

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.process is None or self.process.poll() is not None:
            return
        if error is None:
            self.stop()
        else:
            self.kill()

    # -- what it leaves behind -----------------------------------------------------------------------------

    def tail(self, lines: int = 60) -> str:
        """The end of the log."""
        if not self.log.exists():
            return "(no log)"
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])

    def files(self, bucket: str) -> dict[str, int]:
        """Every file of a bucket but what servers and commands leave there: path inside -> size in bytes."""
        root = self.data / "buckets" / bucket
        kept = {root / "statistics", root / "ledgers", root / "runs"}
        found = {}
        for path in root.rglob("*"):
            with contextlib.suppress(FileNotFoundError):  # removed while we look
                if path.is_file() and path != root / "bucket.json" and kept.isdisjoint(path.parents):
                    found[path.relative_to(root).as_posix()] = path.stat().st_size
        return found

    def buckets(self) -> set[str]:
        """The buckets that have a directory."""
        return {path.name for path in (self.data / "buckets").iterdir()}

    def staged(self) -> list[Path]:
        """Files in the staging directory."""
        return [path for path in (self.data / "staging").rglob("*") if path.is_file()]


def eventually(condition: Callable[[], object], what: str, patience: float = PATIENCE) -> None:
    """Wait until `condition()` is true."""
    deadline = time.monotonic() + patience
    while not condition():
        assert time.monotonic() < deadline, f"not within {patience} s: {what}"
        time.sleep(0.02)
