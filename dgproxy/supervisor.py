# SPDX-License-Identifier: GPL-2.0-only
"""The supervisor: owns the ports and the claim on the storage, and keeps the worker processes alive.

Promises: the ports are bound and the storage is claimed once, before any worker exists; a worker that ends
before any could serve stops the server with its reason, for the next would have it too; any later one is
replaced, ever more slowly when it keeps dying. SIGHUP has the settings read again: when they are in order,
every worker is told, and later ones begin with them. SIGTERM or SIGINT drain every worker, a second one cuts
the requests off, and `run` returns only when no worker is left. If the supervisor is killed, the kernel kills
the workers.

How: the supervisor never has a thread or an event loop, so it may fork at any time. Each worker holds the
write end of a pipe for as long as it lives: a byte in it is news, its end is the worker's end. The signals
wake the same `select` through a socket pair. What a worker does is in `worker`; nothing here knows S3.
"""

import contextlib
import gc
import os
import selectors
import signal
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Final

from dgproxy import listen, metrics, recent, worker
from dgproxy.config import StartError
from dgproxy.listen import Ports
from dgproxy.logs import get_logger
from dgproxy.settings import Settings
from dgproxy.worker import CUT, DRAIN, READY, Serve

__all__ = ["Serve", "run"]

_SIGNALS: Final = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)

#: Seconds a worker gets to leave its `async with` blocks once its requests are cut off; then SIGKILL.
_UNWIND: Final = 5.0

#: `timeout` and some init programs signal the process and its group: two signals so close are one.
_ECHO: Final = 0.2

#: A replacement waits 0.1 s, twice as long after each further death, at most 30 s; after ten seconds of life
#: the next death counts as the first.
_FIRST_WAIT: Final = 0.1
_LONGEST_WAIT: Final = 30.0
_HEALTHY: Final = 10.0

_log = get_logger()


def run(
    settings: Settings,
    serve: Serve,
    *,
    claim: Callable[[], AbstractContextManager[object]] = contextlib.nullcontext,
    started: Callable[[Ports], None] = lambda _: None,
    reload: Callable[[], Settings | None] = lambda: None,
) -> int:
    """Serve until a signal; the process must have no other thread.

    `claim` is entered before the first fork and left after the last worker; `started` is called once all
    workers serve; `reload` gives the settings of this moment, None where they are to stay. Returns 0, or 1
    when requests had to be cut off. Raises StartError and what `claim` raises.
    """
    metrics.share(settings.workers)
    recent.share(settings.workers)
    with claim(), listen.bind(settings.listen_addr, settings.scheme) as ports, _signals() as wake:
        gc.collect()
        gc.freeze()  # what exists now stays in pages that the workers share
        return _Supervisor(settings, serve, ports, started, reload, wake).run()


@contextlib.contextmanager
def _signals() -> Iterator[socket.socket]:
    """Turn the signals that stop the server into bytes on a socket, for the block."""
    receiver, sender = socket.socketpair()
    with receiver, sender:
        sender.setblocking(False)
        receiver.setblocking(False)
        signal.set_wakeup_fd(sender.fileno(), warn_on_full_buffer=False)
        before = {number: signal.signal(number, lambda *_: None) for number in _SIGNALS}
        try:
            yield receiver
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
            signal.set_wakeup_fd(-1)


@dataclass(slots=True)
class _Place:
    """One worker's place: a process, or the time when the next one is due."""

    number: int
    pid: int = 0
    pipe: int = -1
    serving: bool = False
    said: bytes = b""
    born: float = 0.0
    due: float = 0.0
    wait: float = _FIRST_WAIT

    def occupy(self, pid: int, pipe: int) -> None:
        self.pid, self.pipe, self.said = pid, pipe, b""
        self.born = time.monotonic()


class _Supervisor:
    """The loop: forks what is due, hears workers and signals, ends when it was told to and all are gone."""

    def __init__(
        self,
        settings: Settings,
        serve: Serve,
        ports: Ports,
        started: Callable[[Ports], None],
        reload: Callable[[], Settings | None],
        wake: socket.socket,
    ) -> None:
        self._settings = settings
        self._serve = serve
        self._ports = ports
        self._report = started
        self._reload = reload
        self._wake = wake
        self._places = [_Place(number) for number in range(1, settings.workers + 1)]
        self._selector = selectors.DefaultSelector()
        self._proven = False  # a worker has served: what ends one from now on is no mistake in the settings
        self._started = False
        self._failure: StartError | None = None
        self._stopping_since: float | None = None
        self._kill_at: float | None = None
        self._clean = True

    def run(self) -> int:
        with self._selector:
            self._selector.register(self._wake, selectors.EVENT_READ)
            while self._stopping_since is None or self._processes():
                self._keep_time()
                for key, _ in self._selector.select(self._patience()):
                    if key.data is None:
                        self._hear_signal()
                    else:
                        self._hear_worker(key.data)
        if self._failure is not None:
            raise self._failure
        _log.info("stopped")
        return 0 if self._clean else 1

    def _processes(self) -> list[_Place]:
        return [place for place in self._places if place.pid]

    # -- time ----------------------------------------------------------------------------------------------

    def _keep_time(self) -> None:
        """Do what is due by now."""
        now = time.monotonic()
        if self._stopping_since is None:
            for place in self._places:
                if not place.pid and place.due <= now:
                    self._fork(place)
        elif self._kill_at is not None and self._kill_at <= now:
            self._kill_at = None
            _log.error("workers killed: they did not end in time", workers=len(self._processes()))
            self._send(signal.SIGKILL)

    def _patience(self) -> float | None:
        """Count the seconds until something is due; None when nothing is."""
        if self._stopping_since is None:
            times = [place.due for place in self._places if not place.pid]
        else:
            times = [self._kill_at] if self._kill_at is not None else []
        return max(0.0, min(times) - time.monotonic()) if times else None

    # -- workers -------------------------------------------------------------------------------------------

    def _fork(self, place: _Place) -> None:
        supervisor = os.getpid()
        receiving, sending = os.pipe()
        signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)  # a worker must not answer them with our handlers
        try:
            pid = os.fork()
            if pid == 0:
                worker.live(self._settings, self._serve, self._ports, place.number, supervisor, sending)
        except OSError as error:
            os.close(receiving)
            self._lost(place, f"can't start a worker process: {error.strerror}")
            return
        finally:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)
            os.close(sending)  # ours: from now on the pipe ends with the worker
        place.occupy(pid, receiving)
        self._selector.register(receiving, selectors.EVENT_READ, place)

    def _hear_worker(self, place: _Place) -> None:
        said = os.read(place.pipe, 4096)
        if not said:
            self._bury(place)
        elif said != READY:
            place.said += said
        else:
            place.serving = self._proven = True
            stopping = self._stopping_since is not None
            if not self._started and not stopping and all(each.serving for each in self._places):
                self._started = True
                self._report(self._ports)

    def _bury(self, place: _Place) -> None:
        self._selector.unregister(place.pipe)
        os.close(place.pipe)
        _, status = os.waitpid(place.pid, 0)
        code = os.waitstatus_to_exitcode(status)
        how = f"with exit code {code}" if code >= 0 else f"by signal {-code} ({signal.strsignal(-code)})"
        place.pid, place.serving = 0, False
        if self._stopping_since is not None:
            # The signal itself ends a worker that does not serve yet, or has served its last request.
            self._clean &= code in (0, -DRAIN)
        else:
            self._lost(place, place.said.decode(errors="replace") or f"worker {place.number} ended {how}")

    def _lost(self, place: _Place, why: str) -> None:
        """Plan the replacement of a worker, or stop if none could ever serve."""
        if not self._proven:
            self._failure = StartError(why)
            self._stop()
            return
        now = time.monotonic()
        if now - place.born >= _HEALTHY:
            place.wait = _FIRST_WAIT
        place.due = now + place.wait
        _log.error("worker lost; another takes its place", number=place.number, why=why, seconds=place.wait)
        place.wait = min(place.wait * 2, _LONGEST_WAIT)

    # -- signals -------------------------------------------------------------------------------------------

    def _hear_signal(self) -> None:
        # Each byte is a signal's number.
        heard = set(self._wake.recv(4096))
        if heard == {signal.SIGHUP}:
            self._hear_reload()
            return
        now = time.monotonic()
        if self._stopping_since is None:
            _log.info("stopping: waiting for the requests under way", seconds=worker.GRACE)
            self._stop()
        elif now - self._stopping_since >= _ECHO:
            _log.warning("stopping at once")
            self._kill_at = now + _UNWIND
            self._send(CUT)

    def _hear_reload(self) -> None:
        """Have the workers read the settings again, once it is known that they can."""
        settings = self._reload() if self._stopping_since is None else None
        if settings is not None:
            self._settings = settings
            self._send(worker.RELOAD)

    def _stop(self) -> None:
        self._stopping_since = time.monotonic()
        self._kill_at = self._stopping_since + worker.GRACE + _UNWIND
        self._ports.close()  # while any copy is open, the kernel goes on taking connections
        self._send(DRAIN)

    def _send(self, number: signal.Signals) -> None:
        for place in self._processes():
            os.kill(place.pid, number)
