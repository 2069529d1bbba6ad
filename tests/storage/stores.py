# SPDX-License-Identifier: GPL-2.0-only
"""Object stores to test against, as processes of their own: moto's server, and a SeaweedFS of one node.

Both come from the environment `.venvs/parity` that `make` installs; without it their tests are skipped (in CI
they fail). Ports are free ones of the loopback interface.
"""

import json
import os
import random
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import pytest

from dgproxy.storage.s3 import Store
from tests.system.harness import port_range

ACCESS, SECRET = "stores-test", "stores-test-secret"

_PROGRAMS = Path(__file__).resolve().parents[2] / ".venvs" / "parity" / "bin"

#: What a SeaweedFS takes as the longest name between two '/', in bytes.
SEAWEEDFS_NAME = 255


def program(name: str) -> str:
    """A program of the environment; skips the test when it is not installed."""
    path = _PROGRAMS / name
    if not path.exists():
        message = f"{name} is not installed in .venvs/parity"
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)
    return str(path)


def free_ports(count: int) -> list[int]:
    """Free ports from below those that the kernel takes for outgoing connections (32768 on Linux).

    So nobody has one in the moment between a store's death and its next start.
    """
    with ExitStack() as stack:
        found: list[int] = []
        while len(found) < count:
            with suppress(OSError):
                each = stack.enter_context(socket.socket())
                each.bind(("127.0.0.1", random.choice(port_range())))
                found.append(each.getsockname()[1])
        return found


@contextmanager
def running(command: list[str], url: str, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A store's process for the block, from the moment it answers."""
    with log.open("ab") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output, cwd=log.parent)
    try:
        until = time.monotonic() + 60
        while not _answers(url):
            if process.poll() is not None or time.monotonic() > until:
                pytest.fail(f"{command[0]} does not serve {url}:\n{log.read_text(errors='replace')[-3000:]}")
            time.sleep(0.1)
        yield process
    finally:
        process.kill()
        process.wait()


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2):
            return True
    except urllib.error.HTTPError as error:
        return error.code < 500
    except OSError:
        return False


@contextmanager
def moto(directory: Path) -> Iterator[Store]:
    """A moto server for the block. It is one process and keeps everything in memory."""
    [port] = free_ports(1)
    url = f"http://127.0.0.1:{port}"
    command = [program("moto_server"), "-H", "127.0.0.1", "-p", str(port)]
    with running(command, f"{url}/moto-api/", directory / "moto.log"):
        yield Store(url, "eu-west-1", True, ACCESS, SECRET)


@contextmanager
def seaweedfs(directory: Path) -> Iterator[Store]:
    """A SeaweedFS for the block: master, volume server, filer and S3 gateway in one process."""
    command, store = seaweedfs_in(directory)
    assert store.endpoint is not None
    with running(command, store.endpoint, directory / "weed.log"):
        yield store


def seaweedfs_in(directory: Path) -> tuple[list[str], Store]:
    """The command that runs a SeaweedFS in a directory, each time on the same ports; and the store it is."""
    weed = program("weed")
    names = ["master", "volume", "filer", "s3"]
    ports = free_ports(2 * len(names))
    identity = {
        "name": "test",
        "credentials": [{"accessKey": ACCESS, "secretKey": SECRET}],
        "actions": ["Admin", "Read", "Write", "List", "Tagging"],
    }
    config = directory / "identities.json"
    config.write_text(json.dumps({"identities": [identity]}))
    (directory / "data").mkdir()
    options = {"dir": directory / "data", "ip": "127.0.0.1", "ip.bind": "127.0.0.1", "s3": "true"}
    for name, port, grpc in zip(names, ports[::2], ports[1::2], strict=True):
        options |= {f"{name}.port": port, f"{name}.port.grpc": grpc}
    options |= {
        "master.telemetry": "false",
        # the one that was master before counts as alive for so long when it starts again
        "master.electionTimeout": "1s",
        "master.volumeSizeLimitMB": 64,
        "volume.max": 5000,
        "s3.config": config,
        "s3.iam": "false",
        "s3.port.iceberg": 0,
        "s3.port.lance": 0,
        # as S3 has it: no bucket but by CreateBucket, none deleted with something in it
        "s3.autoCreateBucket": "false",
        "s3.allowDeleteBucketNotEmpty": "false",
        "s3.allowEmptyFolder": "false",
    }
    command = [
        weed,
        f"-logdir={directory}",
        "server",
        *(f"-{name}={value}" for name, value in options.items()),
    ]
    return command, Store(f"http://127.0.0.1:{options['s3.port']}", "us-east-1", True, ACCESS, SECRET)
