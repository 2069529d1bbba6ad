# SPDX-License-Identifier: GPL-2.0-only
"""A program for the supervisor's tests: real processes and sockets, and one-line requests instead of S3.

`python -m tests.tiny_server '{"listen_addr": "127.0.0.1:0", ...}' FAULT`; the first argument has settings.
A connection carries one request, a line, and its answer, another: "pid", "sleep SECONDS", "die SIGNAL" (the
worker kills itself), "return" (it stops serving by itself). TINY_GRACE in the environment is the time that
requests get at the end.
"""

import asyncio
import contextlib
import os
import socket
import sys
from collections.abc import Callable, Iterator

import structlog

from dgproxy import logs, supervisor, worker
from dgproxy.config import StartError
from dgproxy.listen import Ports
from dgproxy.settings import Settings


class Tiny:
    """One worker's connections."""

    def __init__(self) -> None:
        self.open: set[asyncio.Task[None]] = set()
        self.leave = asyncio.Event()

    async def connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self.open.add(task)
        try:
            line = await reader.readline()
            writer.write(f"{await self.answer(*line.decode().split())}\n".encode())
            await writer.drain()
        finally:
            print("handler left", flush=True)
            self.open.remove(task)
            writer.close()

    async def answer(self, request: str, *arguments: str) -> str:
        if request == "sleep":
            await asyncio.sleep(float(arguments[0]))
        elif request == "die":
            os.kill(os.getpid(), int(arguments[0]))
        elif request == "return":
            self.leave.set()
        return f"{request} {os.getpid()}"


async def serve(
    _settings: Settings,
    sockets: list[socket.socket],
    ui_sockets: list[socket.socket],
    ready: Callable[[], None],
    stop: asyncio.Event,
) -> None:
    match fault:
        case "start-error":
            raise StartError("the storage is on fire")
        case "os-error":
            raise OSError(28, "No space left on device", "/data")
        case "bug":
            raise TypeError("a programmer's mistake")
        case "silent":
            await asyncio.sleep(3600)
        case "only-first" if structlog.contextvars.get_contextvars()["worker"] != 1:
            await asyncio.sleep(3600)
    tiny = Tiny()
    servers = [await asyncio.start_server(tiny.connected, sock=each) for each in (*sockets, *ui_sockets)]
    ready()
    leaving = [asyncio.ensure_future(tiny.leave.wait()), asyncio.ensure_future(stop.wait())]
    await asyncio.wait(leaving, return_when=asyncio.FIRST_COMPLETED)
    for server in servers:
        server.close()
    while tiny.open:
        try:
            await asyncio.wait(tiny.open)
        except asyncio.CancelledError:
            if fault != "stubborn":
                for task in tiny.open:
                    task.cancel()


@contextlib.contextmanager
def claim() -> Iterator[None]:
    print(f"claimed by {os.getpid()}", flush=True)
    try:
        yield
    finally:
        print("released", flush=True)


def started(ports: Ports) -> None:
    print(f"started {ports.s3_url} {ports.ui_url}", flush=True)


if __name__ == "__main__":
    fault = sys.argv[2]
    worker.GRACE = float(os.environ["TINY_GRACE"])  # type: ignore[misc]
    supervisor._LONGEST_WAIT = 0.4  # type: ignore[misc]
    supervisor._UNWIND = 1.0  # type: ignore[misc]
    logs.setup("info")
    try:
        code = supervisor.run(Settings.model_validate_json(sys.argv[1]), serve, claim=claim, started=started)
    except StartError as error:
        print(f"not started: {error}", flush=True)
        code = 1
    sys.exit(code)
