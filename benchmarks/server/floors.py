# SPDX-License-Identifier: GPL-2.0-only
"""What the machine itself can do with the same bytes, right then: no server can be faster than these.

One thread each, decimal MB/s, the median of a few runs.
"""

import hashlib
import os
import shutil
import socket
import statistics
import subprocess
import tempfile
import threading
import time
import zlib
from collections.abc import Callable
from pathlib import Path

from benchmarks.server.load import Body


def speed(size: int, work: Callable[[], object], runs: int = 5) -> float:
    """MB/s of `work` on `size` bytes."""
    took = []
    for _ in range(runs):
        began = time.monotonic()
        work()
        took.append(time.monotonic() - began)
    return round(size / statistics.median(took) / 1e6, 1)


def measure(first: bytes, second: bytes, folder: Path) -> dict[str, float]:
    """All floors; `folder` is on the file system that the servers store on."""
    size = len(second)
    target = bytearray(size)

    def copy() -> None:
        target[:] = second

    found = {
        "memcpy": speed(size, copy),
        "md5": speed(size, lambda: hashlib.md5(second)),
        "sha256": speed(size, lambda: hashlib.sha256(second)),
        "crc32": speed(size, lambda: zlib.crc32(second)),
        "loopback": _loopback(second),
    }
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        path = Path(scratch) / "file"

        def write() -> None:
            with path.open("wb") as file:
                file.write(second)
                os.fsync(file.fileno())

        found["write and fsync"] = speed(size, write)
        if (xdelta3 := shutil.which("xdelta3")) is not None:
            source, delta, rebuilt = (Path(scratch) / name for name in ("source", "delta", "rebuilt"))
            source.write_bytes(first)
            path.write_bytes(second)
            base = [xdelta3, "-f", "-D", "-B", str(len(first))]
            encode = [*base, "-e", "-1", "-S", "none", "-A", "-s", str(source), str(path), str(delta)]
            decode = [*base, "-d", "-R", "-s", str(source), str(delta), str(rebuilt)]
            found["xdelta3 -1 encode"] = speed(size, lambda: subprocess.run(encode, check=True), 3)
            found["xdelta3 decode"] = speed(size, lambda: subprocess.run(decode, check=True), 3)
    return found


def _loopback(data: bytes) -> float:
    """The load client against nothing: sendfile into a TCP connection whose other end discards."""
    body = Body(data)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        with socket.create_connection(listener.getsockname()) as sender:
            receiver, _ = listener.accept()

            def discard() -> None:
                sink = bytearray(4 << 20)
                while receiver.recv_into(sink, len(sink), socket.MSG_TRUNC):
                    pass

            def send() -> None:
                sent = 0
                while sent < body.size:
                    sent += os.sendfile(sender.fileno(), body.descriptor, sent, body.size - sent)

            thread = threading.Thread(target=discard)
            thread.start()
            found = speed(body.size, send)
        thread.join()
        receiver.close()
    body.close()
    return found
