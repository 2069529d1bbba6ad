# SPDX-License-Identifier: GPL-2.0-only
"""Start and stop: requests under way are finished; what keeps a server from starting is one clear line."""

import shutil
import signal
import socket
import threading
import time
from pathlib import Path

import pytest

from tests.system.artifacts import generate, next_version
from tests.system.harness import CREDENTIALS, Server, eventually
from tests.system.wire import Wire

FIRST = generate(21, 9_000_000)
SECOND = next_version(FIRST, 22)


def put(server: Server, key: str, data: bytes) -> None:
    with Wire(server) as wire:
        wire.request(f"PUT /default/{key}", f"Content-Length: {len(data)}", body=data)
        assert wire.answer().status == 200


def get(server: Server, key: str) -> bytes:
    with Wire(server) as wire:
        wire.request(f"GET /default/{key}")
        answer = wire.answer()
        assert answer.status == 200
        return answer.body


@pytest.mark.parametrize("group", [False, True], ids=["supervisor", "group"])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_drains_uploads_and_downloads(tmp_path: Path, number: signal.Signals, group: bool) -> None:
    server = Server(tmp_path).start()
    put(server, "r/v1.tar", FIRST)
    with Wire(server) as upload, Wire(server, receive_buffer=65_536) as download:
        download.request("GET /default/r/v1.tar")
        upload.request("PUT /default/r/v2.tar", f"Content-Length: {len(SECOND)}", body=SECOND[:3_000_000])
        time.sleep(0.3)  # both are at work in their handlers now
        server.send_signal(number, group=group)
        time.sleep(0.3)
        assert not server.answers(), "a server that drains takes no new connections"
        answers = []
        reader = threading.Thread(target=lambda: answers.append(download.answer()))
        reader.start()
        for at in range(3_000_000, len(SECOND), 1_000_000):
            upload.send(SECOND[at : at + 1_000_000])
            time.sleep(0.1)
        assert upload.answer().status == 200
        reader.join(30)
        assert answers[0].body == FIRST
    assert server.wait() == 0, server.tail()
    assert server.staged() == []
    with Server(tmp_path) as again:
        assert get(again, "r/v2.tar") == SECOND


def test_idle_connections_do_not_delay_the_stop(tmp_path: Path) -> None:
    with Server(tmp_path) as server, Wire(server) as idle:
        idle.request("GET /default")
        assert idle.answer().status == 200
        started = time.monotonic()
        server.stop()
        assert time.monotonic() - started < 10
        assert idle.closed()


def test_second_signal_does_not_wait(tmp_path: Path) -> None:
    """Ctrl-C twice ends a server that hangs on a client; what was under way is simply not acknowledged."""
    server = Server(tmp_path).start()
    with Wire(server) as upload:
        upload.request("PUT /default/x.tar", f"Content-Length: {len(FIRST)}", body=FIRST[:1_000_000])
        time.sleep(0.3)
        server.send_signal(signal.SIGINT)
        time.sleep(0.5)
        server.send_signal(signal.SIGINT)
        server.wait(10)
    with Server(tmp_path) as again, Wire(again) as wire:
        wire.request("HEAD /default/x.tar")
        assert wire.answer("HEAD").status == 404
        assert again.staged() == []


def test_banner(tmp_path: Path) -> None:
    settings = CREDENTIALS | {"DELTAGLIDER_PROXY_DEFAULT_BUCKET": "artifacts"}
    with Server(tmp_path, settings) as server:
        eventually(lambda: server.url in server.tail(), "the banner names the S3 URL")
        said = server.tail()
    for fact in ("filesystem", "artifacts", "strict", str(server.data)):
        assert fact in said
    assert CREDENTIALS["DELTAGLIDER_PROXY_SECRET_ACCESS_KEY"] not in said


def test_supervisor_killed(tmp_path: Path) -> None:
    """The workers go with it, and the next start needs no repair by hand."""
    server = Server(tmp_path).start()
    put(server, "r/v1.tar", FIRST)
    server.kill()  # asserts that no worker is left
    with server:
        assert get(server, "r/v1.tar") == FIRST


def test_killed_worker_is_replaced(tmp_path: Path) -> None:
    with Server(tmp_path, {"DELTAGLIDER_PROXY_WORKERS": "2"}) as server:
        assert server.process is not None
        workers = [process for process in server.members() if process.pid != server.process.pid]
        assert len(workers) >= 2
        workers[0].kill()
        eventually(lambda: len(list(server.members())) >= 3, "a new worker")
        eventually(server.answers, "answers again")
        put(server, "a.txt", b"still here")
        assert get(server, "a.txt") == b"still here"


# -- what keeps a server from starting ---------------------------------------------------------------------


def refused(server: Server) -> tuple[int, str]:
    """Exit code and output of a server that must not start."""
    server.log.unlink(missing_ok=True)
    server.spawn()
    code = server.wait()
    said = server.tail()
    assert "Traceback" not in said, said
    lines = [line for line in said.splitlines() if line.strip()]
    assert len(lines) == 1, f"one clear line, not:\n{said}"
    return code, lines[0]


def test_second_server_on_the_same_directory(tmp_path: Path) -> None:
    with Server(tmp_path / "one") as server:
        second = Server(tmp_path / "two", {"DELTAGLIDER_PROXY_DATA_DIR": str(server.data)})
        code, said = refused(second)
        assert code == 1
        assert str(server.data) in said
        assert server.answers()


def test_port_in_use(tmp_path: Path) -> None:
    server = Server(tmp_path)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", server.port))
        taken.listen()
        code, said = refused(server)
    assert code == 1
    assert str(server.port) in said


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("MAX_DELTA_RATIO", "lots"),
        ("MAX_DELTA_RATIO", "-1"),
        ("DURABILITY", "maybe"),
        ("WORKERS", "0"),
        ("CACHE_SIZE_MB", "-5"),
        ("LISTEN_ADDR", "nonsense"),
        ("DEFAULT_BUCKET", "No_Such/Name"),
        ("NO_SUCH_SETTING", "1"),
        ("ACCESS_KEY_ID", "only-one-of-the-two"),
        ("CONFIG", "/no/such/file.toml"),
    ],
)
def test_bad_setting(tmp_path: Path, name: str, value: str) -> None:
    server = Server(tmp_path, {f"DELTAGLIDER_PROXY_{name}": value})
    code, said = refused(server)
    assert code == 2
    wanted = value if name == "CONFIG" else name
    assert wanted.lower() in said.lower() or value in said, said
    assert not server.data.exists(), "nothing is made before the settings are right"


@pytest.mark.parametrize(
    "text",
    ["not toml at all", "no_such_key = 1", 'workers = "many"', 'access_key_id = "alone"'],
)
def test_bad_file(tmp_path: Path, text: str) -> None:
    file = tmp_path / "settings.toml"
    file.write_text(text)
    server = Server(tmp_path / "home", arguments=("-c", str(file)))
    code, said = refused(server)
    assert code == 2
    assert str(file) in said


def test_data_directory_that_is_a_file(tmp_path: Path) -> None:
    server = Server(tmp_path)
    server.data.write_text("in the way")
    code, said = refused(server)
    assert code == 1
    assert str(server.data) in said


def test_help_and_version(tmp_path: Path) -> None:
    for option, word in (("-h", "--config"), ("-V", "0.")):
        server = Server(tmp_path, arguments=(option,))
        server.spawn()
        assert server.wait() == 0
        assert word in server.tail()
        shutil.rmtree(server.data, ignore_errors=True)
        server.log.unlink()
