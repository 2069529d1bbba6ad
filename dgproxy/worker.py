# SPDX-License-Identifier: GPL-2.0-only
"""The life of one worker process, from the fork to its exit code.

Promises: it dies with its supervisor, however that ends; it says when it serves, or in one line why it can't;
`DRAIN` lets requests under way finish for `GRACE` seconds, `CUT` ends them at once, and both leave through
every `async with` that is open.

What a worker serves is the coroutine it is given; how many there are, and what follows from their end, is for
`supervisor`.
"""

import asyncio
import ctypes
import os
import signal
import socket
import sys
from collections.abc import Awaitable, Callable
from typing import Final, NoReturn

import structlog
import uvloop

from dgproxy import metrics, recent
from dgproxy.config import StartError
from dgproxy.listen import Ports
from dgproxy.logs import get_logger
from dgproxy.settings import Settings
from dgproxy.storage.errors import StorageError

__all__ = ["CUT", "DRAIN", "GRACE", "READY", "RELOAD", "Serve", "live"]

#: serve(settings, sockets, ui_sockets, ready, stop): accepts on the sockets, calls `ready` when it does, and
#: after `stop` is set stops accepting, lets its requests finish, and returns.
Serve = Callable[
    [Settings, list[socket.socket], list[socket.socket], Callable[[], None], asyncio.Event], Awaitable[None]
]

#: Seconds a worker has when the server is stopped: 30 for requests under way (`app`), the rest for leaving.
GRACE: Final = 33.0

#: What a supervisor sends. Signals of their own, because SIGINT and SIGTERM often reach the whole process
#: group (Ctrl-C, `timeout`, systemd): what those mean is for the supervisor alone to say.
DRAIN: Final = signal.SIGUSR1
CUT: Final = signal.SIGUSR2
#: That the settings have changed; nothing to who does not listen. A worker that is told by its terminal as
#: well reads them twice.
RELOAD: Final = signal.SIGHUP

#: What a worker writes to its supervisor once it serves; anything else is the reason why it can't.
READY: Final = b"\n"

_PR_SET_PDEATHSIG: Final = 1  # <linux/prctl.h>

#: Seconds that a thread with a window to hash or decode waits for the event loop to let it begin. The loop
#: holds the GIL while a window is copied to a socket, a millisecond; at Python's 5 ms the two took turns.
_SWITCH: Final = 1e-4

_log = get_logger()


def live(settings: Settings, serve: Serve, ports: Ports, number: int, supervisor: int, pipe: int) -> NoReturn:
    """Be worker `number` of the process `supervisor` and exit; `pipe` carries what it says, and stays open.

    Called right after the fork, with SIGTERM, SIGINT and SIGHUP blocked.
    """
    code = 1
    try:
        _part_from(supervisor)
        structlog.contextvars.bind_contextvars(worker=number)
        metrics.join(number)
        recent.join(number)
        sys.setswitchinterval(_SWITCH)
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            code = runner.run(_serve(settings, serve, ports, lambda said: os.write(pipe, said)))
    except BaseException:  # noqa: BLE001 - the process ends here, and nobody above could report it
        _log.exception("worker failed")
    finally:
        try:
            sys.stdout.flush()
            sys.stderr.flush()
        finally:
            os._exit(code)  # the rest of this call stack and all exit handlers are the supervisor's


def _part_from(supervisor: int) -> None:
    """Leave the supervisor's signal handling behind, and die when it does."""
    if ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG) failed")
    if os.getppid() != supervisor:  # it died before the call above
        os._exit(1)
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.signal(RELOAD, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, (signal.SIGINT, signal.SIGTERM, RELOAD))


async def _serve(settings: Settings, serve: Serve, ports: Ports, say: Callable[[bytes], object]) -> int:
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    serving = False
    under_way = False

    def ready() -> None:
        nonlocal serving
        serving = True
        say(READY)

    def end_within(seconds: float) -> None:
        nonlocal under_way
        if not stop.is_set():
            under_way = serving  # who was told to stop before it served has no request to cut off
        stop.set()
        if not limit.expired():
            limit.reschedule(loop.time() + seconds)

    failure: Exception | None = None
    try:
        async with asyncio.timeout(None) as limit:
            loop.add_signal_handler(DRAIN, lambda: end_within(GRACE if serving else 0))
            loop.add_signal_handler(CUT, lambda: end_within(0))
            await serve(settings, ports.s3, ports.ui, ready, stop)
    except Exception as error:  # noqa: BLE001 - judged below, when it is known how far the worker had come
        failure = error
    finally:
        loop.remove_signal_handler(DRAIN)
        loop.remove_signal_handler(CUT)
    if limit.expired() and under_way:
        _log.warning("requests cut off", exc_info=None if isinstance(failure, TimeoutError) else failure)
        return 1
    if stop.is_set() and (failure is None or limit.expired()):
        return 0
    if failure is None:
        _log.error("worker stopped serving although nobody asked it to")
        return 1
    reason = _one_line(failure)
    if serving or reason is None:
        raise failure
    say(reason.encode())
    return 1


def _one_line(error: Exception) -> str | None:
    """Say why a start failed, if that is something an operator can act on; the rest needs a traceback."""
    while isinstance(error, ExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    if not isinstance(error, StartError | StorageError | OSError):
        return None
    return " ".join(str(error).split())[:1000]
