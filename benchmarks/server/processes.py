# SPDX-License-Identifier: GPL-2.0-only
"""What a process tree costs: CPU time, and memory as its kernel counts it (Linux, /proc)."""

import os
import threading
from pathlib import Path
from types import TracebackType
from typing import Self

import psutil


def tree(root: int) -> list[psutil.Process]:
    """A process and all its descendants."""
    process = psutil.Process(root)
    return [process, *process.children(recursive=True)]


def cpu_seconds(root: int) -> float:
    """User and system time of a tree so far."""
    times = [process.cpu_times() for process in tree(root)]
    return float(sum(spent.user + spent.system for spent in times))


def pss(root: int) -> dict[str, int]:
    """Proportional set size of a tree in bytes: in all, and its anonymous, file and shared memory part.

    A page that n processes map counts 1/n in each (proc(5), smaps_rollup), so the sum counts every page once.
    """
    found = dict.fromkeys(("Pss", "Pss_Anon", "Pss_File", "Pss_Shmem"), 0)
    for process in tree(root):
        for line in Path(f"/proc/{process.pid}/smaps_rollup").read_text().splitlines()[1:]:
            name, _, rest = line.partition(":")
            if name in found:
                found[name] += int(rest.split()[0]) * 1024
    return found


class PeakMemory:
    """Samples a tree's PSS inside its `with`; `peak` is the sample with the largest sum."""

    def __init__(self, root: int, interval: float = 0.02):
        self.peak = pss(root)
        self.samples = 1
        self._root, self._interval = root, interval
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def _run(self) -> None:
        while not self._stop.wait(self._interval):
            now = pss(self._root)
            self.samples += 1
            if now["Pss"] > self.peak["Pss"]:
                self.peak = now

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()


def machine() -> dict[str, object]:
    """What a reader needs to know of this machine to compare numbers."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    info = {line.partition(":")[0].strip(): line.partition(":")[2].strip() for line in lines}
    flags = set(info.get("flags", info.get("Features", "")).split())
    wanted = ("avx2", "avx512f", "sha_ni", "vaes", "asimd", "sha2", "sve")
    return {
        "cpu": info.get("model name", os.uname().machine),
        "architecture": os.uname().machine,
        "cores": len(os.sched_getaffinity(0)),
        "features": [flag for flag in wanted if flag in flags],
        "memory_mb": psutil.virtual_memory().total // 1_000_000,
        "kernel": os.uname().release,
        "virtual": "hypervisor" in flags,
        "load_before": os.getloadavg()[0],
    }
