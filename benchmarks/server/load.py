# SPDX-License-Identifier: GPL-2.0-only
"""A load client that costs next to nothing, so that the cores of the machine measure the server.

Bodies go out by sendfile from memory; answers are thrown away in the kernel (MSG_TRUNC, tcp(7): the bytes
are discarded, not copied). Requests are unsigned. Content is not checked here: the runner compares it
before and after.
"""

import os
import select
import socket
import threading
import time
from collections.abc import Callable, Sequence

_DISCARD = 4 << 20


class Body:
    """Bytes in anonymous memory that sendfile can read."""

    def __init__(self, data: bytes):
        self.size = len(data)
        self.descriptor = os.memfd_create("body")
        os.truncate(self.descriptor, self.size)
        at = 0
        while at < self.size:
            at += os.pwrite(self.descriptor, memoryview(data)[at:], at)

    def close(self) -> None:
        """Give the memory back."""
        os.close(self.descriptor)


class Connection:
    """One connection to a server on this machine."""

    def __init__(self, port: int):
        self.host = f"127.0.0.1:{port}"
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=120)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._sink = bytearray(_DISCARD)

    def close(self) -> None:
        """Close the connection."""
        self._socket.close()

    def request(self, method: str, path: str, body: Body | None = None, *, keep: bool = False) -> bytes:
        """Send a request and read its answer; the body if `keep`. RuntimeError unless the status is 2xx."""
        size = body.size if body else 0
        head = f"{method} {path} HTTP/1.1\r\nHost: {self.host}\r\nContent-Length: {size}\r\n\r\n"
        self._socket.sendall(head.encode())
        sent = 0
        while body and sent < size:
            # os.sendfile on a socket with a time-out may find the buffer full.
            try:
                sent += os.sendfile(self._socket.fileno(), body.descriptor, sent, size - sent)
            except BlockingIOError:
                select.select((), (self._socket,), (), 60)
        return self._answer(f"{method} {path}", keep)

    def _answer(self, asked: str, keep: bool) -> bytes:
        head = b""
        while b"\r\n\r\n" not in head:
            received = self._socket.recv(4096)
            if not received:
                raise RuntimeError(f"{asked}: the connection ended before the answer")
            head += received
        head, _, rest = head.partition(b"\r\n\r\n")
        lines = head.split(b"\r\n")
        fields = dict(line.lower().split(b": ", 1) for line in lines[1:])
        left = int(fields.get(b"content-length", b"0")) - len(rest)
        if not lines[0].split()[1].startswith(b"2"):
            raise RuntimeError(f"{asked}: {head!r} {rest!r}")
        kept = [rest]
        while left > 0:
            flags = 0 if keep else socket.MSG_TRUNC
            count = self._socket.recv_into(self._sink, min(left, _DISCARD), flags)
            if count == 0:
                raise RuntimeError(f"{asked}: the connection ended {left} bytes before the end of the answer")
            if keep:
                kept.append(bytes(self._sink[:count]))
            left -= count
        return b"".join(kept) if keep else b""


def at_once(tasks: Sequence[Callable[[], object]]) -> float:
    """Run all tasks on threads of their own; seconds from their common start to the end of the last."""
    gate = threading.Barrier(len(tasks) + 1)
    failures: list[BaseException] = []

    def run(task: Callable[[], object]) -> None:
        gate.wait()
        try:
            task()
        except Exception as error:  # noqa: BLE001 - raised again below, in the caller's thread
            failures.append(error)

    threads = [threading.Thread(target=run, args=(task,)) for task in tasks]
    for thread in threads:
        thread.start()
    gate.wait()
    began = time.monotonic()
    for thread in threads:
        thread.join()
    took = time.monotonic() - began
    if failures:
        raise failures[0]
    return took
