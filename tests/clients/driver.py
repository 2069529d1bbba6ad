# SPDX-License-Identifier: GPL-2.0-only
"""Clients that are libraries, each in a process of its own; `drivers/protocol.py` is the far end.

A `Driver` has the methods that its library can do and no others (`can`). What the library raises becomes
`ClientFailed` with its traceback. No test logic in here.
"""

import json
import os
import selectors
import subprocess
from pathlib import Path
from typing import Any, Protocol

from tests.system.clients import REGION
from tests.system.harness import ACCESS_KEY, SECRET_KEY, Server

#: The longest a client may take for one call: 40 MB both ways on a busy machine take a few seconds.
PATIENCE = 100.0


class ClientFailed(AssertionError):
    """A client says that a call failed; its own words."""


class Client(Protocol):
    """What a workflow can ask of a client; which of it a client has is in `can`."""

    name: str
    can: frozenset[str]

    def ask(self, what: str, *arguments: Any) -> Any:
        """Do one thing; ClientFailed if the client says that it failed."""

    def close(self) -> None:
        """End whatever runs."""


class Driver:
    """A client library in a process of its own."""

    def __init__(self, name: str, command: list[str | Path], server: Server, home: Path, *, signed: bool):
        self.name = name
        self._errors = home / f"{name}.stderr"
        with self._errors.open("ab") as errors:
            self._process = subprocess.Popen(
                command,
                env={"PATH": os.environ["PATH"], "HOME": str(home), "AWS_EC2_METADATA_DISABLED": "true"},
                cwd=home,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
            )
        self._selector = selectors.DefaultSelector()
        assert self._process.stdout is not None
        self._selector.register(self._process.stdout, selectors.EVENT_READ)
        keys = (ACCESS_KEY, SECRET_KEY) if signed else (None, None)
        endpoint = {"url": server.url, "region": REGION, "access_key": keys[0], "secret_key": keys[1]}
        self.can = frozenset(self._order(endpoint))

    def ask(self, what: str, *arguments: Any) -> Any:
        return self._order({"do": what, "with": [str(a) if isinstance(a, Path) else a for a in arguments]})

    def _order(self, order: dict[str, Any]) -> Any:
        process = self._process
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(json.dumps(order).encode() + b"\n")
        process.stdin.flush()
        # One answer a line, written in one piece: a descriptor that can be read has the whole line coming.
        assert self._selector.select(PATIENCE), f"{self.name}: no answer to {order} within {PATIENCE} s"
        line = process.stdout.readline()
        assert line, f"{self.name} ended: {self._errors.read_text()}"
        answer = json.loads(line)
        if "error" in answer:
            raise ClientFailed(f"{self.name}: {order}\n{answer['error']}")
        return answer["ok"]

    def close(self) -> None:
        self._selector.close()
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()
