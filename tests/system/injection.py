# SPDX-License-Identifier: GPL-2.0-only
"""Faults made by the kernel: strace attached to a server's worker strikes the Nth call of a kind.

`struck` is one such attachment: from the moment the block begins, calls are counted, and the Nth fails, or is
the last thing the worker does. The real process runs on the real filesystem; nothing in it knows.

strace counts in each thread by itself. A worker that is asked one thing at a time mostly writes from one
thread, but not always: `Strike.threads` says how many it were.

No law and no S3 in here.
"""

import contextlib
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.system.clients import need
from tests.system.harness import Server, eventually

#: Seconds that strace has for letting go, which takes it milliseconds; now and then it never comes to an end.
_LETS_GO = 20.0


class Strike:
    """What became of it, once its block has ended."""

    def __init__(self, worker: psutil.Process, log: Path):
        self.worker, self._log = worker, log
        #: The calls that were made to fail, as strace shows them.
        self.calls: list[str] = []
        self.killed = False
        #: How many threads made calls of this kind; with several, the count was none of all calls.
        self.threads = 0

    def ended(self) -> None:
        text = self._log.read_text(errors="replace")
        self.calls = [line for line in text.splitlines() if line.endswith("(INJECTED)")]
        self.threads = len({line.split()[0] for line in text.splitlines() if "(" in line})
        self.killed = "+++ killed by SIGKILL +++" in text


def strace() -> str:
    """The program; skips the test where there is none, or where it may not attach to another process."""
    program = need(shutil.which("strace"), "strace (Debian: strace)")
    with subprocess.Popen(["sleep", "60"]) as target:
        try:
            with _attached(program, target.pid, "trace=none", Path(os.devnull)):
                pass
        finally:
            target.kill()
    return program


def worker(server: Server) -> psutil.Process:
    """The one worker process of a server, once it serves."""
    assert server.process is not None
    supervisor = psutil.Process(server.process.pid)

    def workers() -> list[psutil.Process]:
        return [each for each in supervisor.children() if each.status() != psutil.STATUS_ZOMBIE]

    eventually(lambda: len(workers()) == 1 and server.answers(), "one worker serves")
    return workers()[0]


@contextlib.contextmanager
def struck(program: str, server: Server, call: str, how: str, number: int) -> Iterator[Strike]:
    """Let each thread's call number `number` be struck as `how` says (`error=EIO`, `signal=SIGKILL`)."""
    log = server.home / "strace.log"
    log.unlink(missing_ok=True)
    strike = Strike(worker(server), log)
    expression = f"inject={call}:{how}:when={number}"
    try:
        with _attached(program, strike.worker.pid, expression, log, "-e", f"trace={call}"):
            yield strike
    finally:
        strike.ended()


@contextlib.contextmanager
def _attached(program: str, pid: int, expression: str, log: Path, *more: str) -> Iterator[None]:
    command = [program, "-f", "-o", str(log), *more, "-e", expression, "-p", str(pid)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as tracer:
        try:
            assert tracer.stderr is not None
            said = tracer.stderr.readline()
            if "not permitted" in said:
                pytest.skip(f"strace may not attach to a process here: {said.strip()}")
            assert " attached" in said, said
            yield
        finally:
            tracer.send_signal(signal.SIGINT)  # it lets go and ends
            try:
                tracer.wait(_LETS_GO)
            except subprocess.TimeoutExpired:
                tracer.kill()  # and the kernel what it traces: one more death that nothing may come of
