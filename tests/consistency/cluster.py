# SPDX-License-Identifier: GPL-2.0-only
"""A SeaweedFS, the meddler before it, and three of our proxies before that; and what happens to them.

Each proxy is a host of its own as far as one machine can show it: its data directory, its cache, its locks.
`Nemesis` kills and stops them and runs the maintenance commands; everything has its own seed.
"""

import contextlib
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from dgproxy.storage.s3 import Store
from tests.consistency import meddler
from tests.consistency.meddler import Rates
from tests.storage import stores
from tests.system.harness import Server, environment

PROXIES: Final = 3

#: Seconds: longer than the claim of an upload's end (`engine.ending`), the longest lease there is.
LONGER_THAN_ANY_LEASE: Final = 75.0

#: How often a proxy may fail to start in a row: a few requests each time, of which one in a hundred fails.
_STARTS: Final = 5

#: What `gc --older-than` takes at least.
_YOUNGEST: Final = "5m"


class Proxy(Server):
    """One of several; the whole of it can be killed and stopped."""

    def strike(self, number: signal.Signals) -> None:
        """A signal to every process at once."""
        self.send_signal(number, group=True)

    def die(self) -> None:
        """SIGKILL to all of it."""
        self.strike(signal.SIGKILL)
        self.kill()


@dataclass
class Cluster:
    """All processes of a run, and the environment of commands that work beside them."""

    store: Store
    proxies: list[Proxy]
    meddler_port: int
    home: Path
    #: Of whoever speaks to the store itself, past the meddler.
    direct: dict[str, str]

    def meddle(self, rates: Rates) -> dict[str, int]:
        return meddler.control(self.meddler_port, rates)

    def counts(self) -> dict[str, int]:
        """What the meddler has done so far."""
        return meddler.control(self.meddler_port)

    def command(self, *arguments: str) -> list[str]:
        return [sys.executable, "-m", "dgproxy", *arguments]

    def run(self, *arguments: str, patience: float = 600) -> subprocess.CompletedProcess[str]:
        """One of our commands, to its end."""
        return subprocess.run(
            self.command(*arguments),
            cwd=self.home,
            env=environment(self.direct),
            capture_output=True,
            text=True,
            timeout=patience,
            check=False,
        )


@contextlib.contextmanager
def running(home: Path, seed: int) -> Iterator[Cluster]:
    """All of it for the block, nothing meddled with yet."""
    for name in ("store", "meddler", "commands"):
        (home / name).mkdir(parents=True)
    with contextlib.ExitStack() as stack:
        store = stack.enter_context(stores.seaweedfs(home / "store"))
        assert store.endpoint is not None
        [port] = stores.free_ports(1)
        upstream = store.endpoint.rpartition(":")[2]
        root = Path(__file__).parents[2]
        program = ["env", f"PYTHONPATH={root}", sys.executable, "-m", "tests.consistency.meddler"]
        command = [*program, str(port), upstream, str(seed)]
        counts = f"http://127.0.0.1:{port}/-/counts"
        stack.enter_context(stores.running(command, counts, home / "meddler" / "meddler.log"))
        settings = {
            "AWS_ACCESS_KEY_ID": store.access_key_id or "",
            "AWS_SECRET_ACCESS_KEY": store.secret_access_key or "",
            "DELTAGLIDER_PROXY_WORKERS": "1",
            "DELTAGLIDER_PROXY_LOG_LEVEL": "error",
        }
        through = settings | {"DELTAGLIDER_PROXY_S3_ENDPOINT": f"http://127.0.0.1:{port}"}
        direct = settings | {
            "DELTAGLIDER_PROXY_S3_ENDPOINT": store.endpoint,
            "DELTAGLIDER_PROXY_DATA_DIR": str(home / "commands" / "data"),
        }
        proxies = [Proxy(home / f"proxy{number}", through) for number in range(1, PROXIES + 1)]
        try:
            for proxy in proxies:
                proxy.start()
            yield Cluster(store, proxies, port, home, direct)
        finally:
            for proxy in proxies:
                if proxy.process is not None and proxy.process.poll() is None:
                    proxy.strike(signal.SIGCONT)
                    proxy.die()


@dataclass
class Nemesis:
    """What goes wrong with the proxies during the block, one thing after the other; and maintenance."""

    cluster: Cluster
    dice: random.Random
    #: Told the place of each proxy that was killed.
    died: Callable[[int], None]
    #: Seconds between two events, at most, and how many stops are longer than any lease.
    pause: float
    long_stops: int
    maintenance: bool
    events: list[str] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._stop = threading.Event()
        self._began = time.monotonic()
        self._threads = [threading.Thread(target=self._guarded, args=(self._strike,))]
        if self.maintenance:
            self._threads += [
                threading.Thread(target=self._guarded, args=(self._repeat, *arguments))
                for arguments in (("gc", "--delete", "--older-than", _YOUNGEST), ("optimize", "--cpu", "0.2"))
            ]

    def __enter__(self) -> "Nemesis":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        """Everything is up again."""
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _guarded(self, work: object, *arguments: str) -> None:
        try:
            work(*arguments)  # type: ignore[operator]
        except Exception as error:  # noqa: BLE001 - shown by whoever looks at the run
            self.failures.append(f"{work}: {error!r}")

    def _happened(self, what: str) -> None:
        self.events.append(f"{time.monotonic() - self._began:7.1f} s  {what}")

    def _strike(self) -> None:
        long_stops = self.long_stops
        while not self._stop.wait(self.dice.uniform(0.3, 1) * self.pause):
            proxy = self.dice.choice(self.cluster.proxies)
            name = proxy.home.name
            if self.dice.random() < 0.5:
                self._happened(f"kill -9 {name}")
                self._kill(proxy)
                self._stop.wait(self.dice.random())
                self._start(proxy)
            else:
                long = long_stops > 0 and self.dice.random() < 0.25
                long_stops -= long
                seconds = LONGER_THAN_ANY_LEASE if long else self.dice.uniform(0.2, 6)
                self._happened(f"SIGSTOP {name} for {seconds:.0f} s")
                proxy.strike(signal.SIGSTOP)
                self._stop.wait(seconds)
                proxy.strike(signal.SIGCONT)
                if self.dice.random() < 0.3:
                    self._happened(f"kill -9 {name}")
                    self._kill(proxy)
                    self._start(proxy)

    def _kill(self, proxy: Proxy) -> None:
        proxy.die()
        self.died(self.cluster.proxies.index(proxy))

    def _start(self, proxy: Proxy) -> None:
        """Start it again, and again: one that meets too many faults at its start ends, as it should."""
        for _ in range(_STARTS):
            try:
                proxy.start()
            except AssertionError:
                self._happened(f"{proxy.home.name} did not start")
            else:
                return
        raise AssertionError(f"{proxy.home.name} does not start:\n{proxy.tail()}")

    def _repeat(self, *arguments: str) -> None:
        """Run a command again and again beside the load."""
        while not self._stop.wait(self.dice.uniform(30, 90)):
            with (self.cluster.home / "commands" / f"{arguments[0]}.log").open("ab") as log:
                process = subprocess.Popen(
                    self.cluster.command(*arguments),
                    cwd=self.cluster.home,
                    env=environment(self.cluster.direct),
                    stdout=log,
                    stderr=log,
                )
                while process.poll() is None and not self._stop.wait(0.2):
                    continue
                process.terminate()
                code = process.wait(60)
                self._happened(f"{' '.join(arguments)}: {'stopped' if self._stop.is_set() else code}")
