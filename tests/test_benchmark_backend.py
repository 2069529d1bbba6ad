# SPDX-License-Identifier: GPL-2.0-only
"""The backend benchmark: the line keeps its speed and its bytes, and verdicts say what was measured."""

import hashlib
import socket
import threading
import tomllib
from typing import Any

import pytest

from benchmarks.backend import relay
from benchmarks.backend.__main__ import DEFINITIONS, judge, summary, whole
from tests.system.harness import free_ports


class Clock:
    """A clock that only sleeping moves."""

    def __init__(self) -> None:
        self.now = 100.0

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


def test_a_line_passes_so_many_bytes_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock()
    monkeypatch.setattr(relay, "time", clock)
    bucket = relay.Bucket(1000)
    for _ in range(100):
        bucket.take(100)
    assert clock.now == pytest.approx(110, abs=0.1)
    clock.now += 50  # what was not used is not saved up
    bucket.take(5000)
    assert clock.now == pytest.approx(165, abs=0.1)


def test_a_line_keeps_the_bytes() -> None:
    data = bytes(range(256)) * 4096
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def echo() -> None:
            """Answer the second caller; the first only sees whether somebody is there."""
            for _ in range(2):
                connection, _ = listener.accept()
                with connection:
                    while piece := connection.recv(65536):
                        connection.sendall(piece)

        answering = threading.Thread(target=echo)
        answering.start()
        port = free_ports()
        with (
            relay.running(port, listener.getsockname()[1], 1e9),
            socket.create_connection(("127.0.0.1", port), timeout=30) as near,
        ):

            def send() -> None:
                near.sendall(data)
                near.shutdown(socket.SHUT_WR)

            sending = threading.Thread(target=send)
            sending.start()
            received = b""
            while piece := near.recv(65536):
                received += piece
            sending.join()
        answering.join()
    assert received == data


def test_the_ratio_is_that_of_neighbours() -> None:
    found = summary({"proxy": [50, 10, 90], "store": [100, 10, 100]})
    assert found["rounds"]["ratio"] == [0.5, 1.0, 0.9]
    assert (found["ratio"], found["ratio_of_best"]) == (0.9, 0.9)
    assert found["mb_per_s"] == {"proxy": 50, "store": 100}


def test_the_worst_concurrency_is_judged() -> None:
    figures: dict[str, Any] = {
        "put 1": {"ratio": 0.9},
        "put 4": {"ratio": 0.6},
        "put_limited 1": {"ratio": 0.1},
    }
    assert judge(figures, {"put": 0.7}) == {"put": {"target": 0.7, "measured": 0.6, "met": False}}


def test_an_object_that_is_not_the_defined_one_is_refused() -> None:
    data = hashlib.shake_128(b"x").digest(10)
    recipe = {"seed": "x", "size": 10, "sha256": hashlib.sha256(data).hexdigest()}
    assert whole(recipe) == data
    with pytest.raises(ValueError, match="SHA-256"):
        whole(recipe | {"size": 11})


def test_the_definitions_name_every_target() -> None:
    definitions = tomllib.loads(DEFINITIONS.read_text())
    assert set(definitions["targets"]) == {"whole_put", "whole_get", "warm_get", "delta_put_limited"}
