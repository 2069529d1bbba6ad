# SPDX-License-Identifier: GPL-2.0-only
"""A line of limited speed: what comes to a port goes on to another, so many bytes a second each way.

`python -m benchmarks.backend.relay PORT TARGET BYTES_PER_S`, a process of its own so that it takes no time
from those it connects. All connections share the line, as they do a network card. Nothing else is imitated:
no delay, no loss.
"""

import contextlib
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator

_PIECE = 128 << 10
#: Seconds of the line that may be made up for: a thread that slept too long costs nothing then.
_BURST = 0.02


class Bucket:
    """Tokens for bytes: `take` waits until there are enough."""

    def __init__(self, rate: float) -> None:
        self._rate = rate
        self._free_at = time.monotonic()
        self._lock = threading.Lock()

    def take(self, size: int) -> None:
        """Wait until `size` bytes may go."""
        with self._lock:
            now = time.monotonic()
            self._free_at = max(self._free_at, now - _BURST) + size / self._rate
            pause = self._free_at - now
        if pause > 0:
            time.sleep(pause)


def pump(source: socket.socket, sink: socket.socket, bucket: Bucket) -> None:
    """Pass on one direction to its end."""
    room = memoryview(bytearray(_PIECE))
    with contextlib.suppress(OSError):
        while count := source.recv_into(room):
            bucket.take(count)
            sink.sendall(room[:count])
    with contextlib.suppress(OSError):
        sink.shutdown(socket.SHUT_WR)


def serve(port: int, target: int, rate: float) -> None:
    """Relay until killed."""
    there, back = Bucket(rate), Bucket(rate)
    with socket.create_server(("127.0.0.1", port), backlog=256) as listener:
        while True:
            near, _ = listener.accept()
            far = socket.create_connection(("127.0.0.1", target))
            for each in (near, far):
                each.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for ends in ((near, far, there), (far, near, back)):
                threading.Thread(target=pump, args=ends, daemon=True).start()


@contextlib.contextmanager
def running(port: int, target: int, rate: float) -> Iterator[None]:
    """A relay for the block."""
    command = [sys.executable, "-m", "benchmarks.backend.relay", str(port), str(target), str(rate)]
    process = subprocess.Popen(command)
    try:
        deadline = time.monotonic() + 20
        while True:
            with contextlib.suppress(OSError):
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                break
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError("the relay did not start")
            time.sleep(0.05)
        yield
    finally:
        process.kill()
        process.wait()


if __name__ == "__main__":
    serve(int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]))
