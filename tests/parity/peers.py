# SPDX-License-Identifier: GPL-2.0-only
"""The servers that are asked: ours, moto and SeaweedFS, processes on the loopback without keys.

The other two come from `.venvs/parity`, which `make` builds; moto because it writes down what AWS does, and
SeaweedFS because it is a store people run.
"""

import http.client
import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.server.peer import Seaweed
from tests.system.clients import PROJECT, need
from tests.system.harness import PATIENCE, Server, free_ports

__all__ = ["PEERS", "running"]

PEERS = ("moto", "seaweedfs")


@contextmanager
def running(name: str, home: Path, keys: tuple[str, str] | None = None) -> Iterator[int]:
    """The port of a server for the block, its store empty. Skips the test where it is not installed.

    `keys` are the id and secret that everything must be signed with (not moto).
    """
    if name == "ours":
        names = ("DELTAGLIDER_PROXY_ACCESS_KEY_ID", "DELTAGLIDER_PROXY_SECRET_ACCESS_KEY")
        with Server(home, dict(zip(names, keys or (), strict=False))) as server:
            yield server.port
    elif name == "moto":
        with _moto(_program("moto_server"), home) as port:
            yield port
    else:
        with Seaweed(_program("weed"), home, *_identity(home, keys)) as peer:
            yield peer.port
            assert peer.process is not None
            os.killpg(peer.process.pid, signal.SIGKILL)  # asked to stop it takes half a minute
            peer.process.wait()


def _identity(home: Path, keys: tuple[str, str] | None) -> list[str]:
    """SeaweedFS's options for one identity that may do everything; anybody may see whether it is ready."""
    if keys is None:
        return []
    credentials = [{"accessKey": keys[0], "secretKey": keys[1]}]
    identities = [
        {"name": "everything", "credentials": credentials, "actions": ["Admin"]},
        {"name": "anonymous", "actions": ["Admin:ready", "Read:ready", "Write:ready"]},
    ]
    (home / "identities.json").write_text(json.dumps({"identities": identities}))
    return [f"-s3.config={home / 'identities.json'}"]


def _program(name: str) -> Path:
    program = PROJECT / ".venvs" / "parity" / "bin" / name
    return Path(
        need(str(program) if program.exists() else None, f"{name} (.venvs/parity, built by `make test`)")
    )


@contextmanager
def _moto(program: Path, home: Path) -> Iterator[int]:
    port = free_ports()
    with (home / "moto.log").open("wb") as log:
        process = subprocess.Popen(
            [program, "-H", "127.0.0.1", "-p", str(port)], cwd=home, stdout=log, stderr=subprocess.STDOUT
        )
    try:
        deadline = time.monotonic() + PATIENCE
        while not _answers(port):
            assert process.poll() is None, (home / "moto.log").read_text()
            assert time.monotonic() < deadline, "moto does not answer"
            time.sleep(0.1)
        yield port
    finally:
        process.terminate()
        process.wait(PATIENCE)


def _answers(port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", "/moto-api/")
        return connection.getresponse().status < 500
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
