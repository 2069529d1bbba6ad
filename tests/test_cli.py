# SPDX-License-Identifier: GPL-2.0-only
"""The command line: what it takes and prints, and its exit codes; the server behind it is the real one."""

import contextlib
import os
import pty
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from dgproxy.version import __version__
from tests.isolated import ALONE, need_isolation
from tests.system.harness import free_ports

PATIENCE = 30.0
CREDENTIALS = {
    "DELTAGLIDER_PROXY_ACCESS_KEY_ID": "AKIA1",
    "DELTAGLIDER_PROXY_SECRET_ACCESS_KEY": "a-secret/that+nobody=sees",
}


def environment(settings: dict[str, str]) -> dict[str, str]:
    """The caller's environment with these settings and no other."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("DELTAGLIDER_PROXY_")}
    return kept | {"PYTHONPATH": str(Path(__file__).resolve().parent.parent)} | settings


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "dgproxy", *arguments]


def run(home: Path, *arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
    """Run a command that ends by itself."""
    return subprocess.run(
        command(*arguments),
        cwd=home,
        env=environment(settings),
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )


class Running:
    """A server and what it said so far."""

    def __init__(self, process: subprocess.Popen[bytes], out: Path, err: Path) -> None:
        self.process = process
        self.out = out
        self.err = err

    def started(self) -> str:
        """Wait for the summary; what it says."""
        deadline = time.monotonic() + PATIENCE
        while not re.search(r"(?m)^  settings .*$", said := self.out.read_text()):
            assert self.process.poll() is None, self.err.read_text()
            assert time.monotonic() < deadline, self.err.read_text()
            time.sleep(0.02)
        return said

    @property
    def url(self) -> str:
        found = re.search(r"(?m)^  S3 +(http://\S+)$", self.started())
        assert found is not None
        return found[1]

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        self.process.send_signal(number)
        return self.process.wait(PATIENCE)


@contextlib.contextmanager
def serving(home: Path, *arguments: str, before: Sequence[str] = (), **settings: str) -> Iterator[Running]:
    """A server on a free port; `before` stands before its command."""
    out, err = home / "out", home / "err"
    settings = {"DELTAGLIDER_PROXY_LISTEN_ADDR": "127.0.0.1:0", "DELTAGLIDER_PROXY_WORKERS": "1"} | settings
    with out.open("wb") as stdout, err.open("wb") as stderr:
        process = subprocess.Popen(
            [*before, *command(*arguments)],
            cwd=home,
            env=environment(settings),
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=stderr,
        )
    try:
        yield Running(process, out, err)
    finally:
        process.kill()
        process.wait()


def status(url: str) -> int:
    try:
        with urllib.request.urlopen(url, timeout=PATIENCE) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        error.close()
        return error.code


# -- commands that end by themselves -----------------------------------------------------------------------


@pytest.mark.parametrize("option", ["-V", "--version"])
def test_version(tmp_path: Path, option: str) -> None:
    done = run(tmp_path, option)
    assert (done.returncode, done.stdout) == (0, f"deltaglider_proxy {__version__}\n")


@pytest.mark.parametrize("option", ["-h", "--help"])
def test_help(tmp_path: Path, option: str) -> None:
    done = run(tmp_path, option)
    assert done.returncode == 0
    for text in (
        "-c, --config FILE",
        "-l, --listen ADDR",
        "-b, --bucket BUCKET",
        "-v, --verbose",
        "-h, --help",
        "-V",
    ):
        assert text in done.stdout


def test_the_installed_command() -> None:
    installed = Path(sys.executable).with_name("deltaglider_proxy")
    if not installed.exists():
        pytest.skip("the package is not installed in this environment (make build does)")
    done = subprocess.run([installed, "-V"], capture_output=True, text=True, timeout=PATIENCE, check=True)
    assert done.stdout == f"deltaglider_proxy {__version__}\n"


@pytest.mark.parametrize("arguments", [["--no-such-option"], ["no-such-command"], ["-l"]])
def test_wrong_arguments(tmp_path: Path, arguments: list[str]) -> None:
    done = run(tmp_path, *arguments)
    assert done.returncode == 2
    assert "Error:" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_every_wrong_setting_is_a_line(tmp_path: Path) -> None:
    done = run(tmp_path, "-l", "nowhere", DELTAGLIDER_PROXY_WORKERS="0", DELTAGLIDER_PROXY_NO_SUCH="x")
    assert done.returncode == 2
    assert done.stdout == ""
    lines = done.stderr.splitlines()
    assert len(lines) == 3
    assert all(line.startswith("deltaglider_proxy: ") for line in lines)
    assert "listen_addr = 'nowhere' (the command line): must be host:port" in lines[2]
    assert list(tmp_path.iterdir()) == [], "nothing is made before the settings are right"


def test_data_directory_in_use(tmp_path: Path) -> None:
    (tmp_path / "second").mkdir()
    with serving(tmp_path) as first:
        first.started()
        done = run(tmp_path, "-l", "127.0.0.1:0", DELTAGLIDER_PROXY_DATA_DIR=str(tmp_path / "data"))
    assert done.returncode == 1
    assert done.stdout == ""
    assert re.fullmatch(r"deltaglider_proxy: another server .*data.*\n", done.stderr)


@pytest.mark.parametrize("offset", [0, 1], ids=["S3", "UI"])
def test_port_in_use(tmp_path: Path, offset: int) -> None:
    port = free_ports()
    with socket.create_server(("127.0.0.1", port + offset)):
        done = run(tmp_path, "-l", f"127.0.0.1:{port}")
    assert done.returncode == 1
    assert done.stdout == ""
    wanted = (
        rf"deltaglider_proxy: can't listen on 127.0.0.1:{port + offset}\b.*: another program uses this port\n"
    )
    assert re.fullmatch(wanted, done.stderr)


def test_data_directory_that_cannot_be(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("a file")
    done = run(tmp_path, "-l", "127.0.0.1:0")
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1
    assert "data" in done.stderr
    assert "Traceback" not in done.stderr


# -- the server --------------------------------------------------------------------------------------------


def test_summary_of_an_open_server(tmp_path: Path) -> None:
    with serving(tmp_path) as server:
        said = server.started()
        for name, fact in {
            "backend": f"filesystem, {tmp_path}/data",
            "bucket": "default",
            "auth": "open: no credentials are configured",
            "durability": "strict",
            "workers": "1",
            "settings": "no file",
        }.items():
            assert f"  {name:<11} {fact}\n" in said
        assert "WARNING" not in said
        assert status(f"{server.url}/default") == 200
        assert status(f"{server.url}/other") == 404
        assert server.stop() == 0


def test_summary_of_a_signed_server(tmp_path: Path) -> None:
    (tmp_path / "settings.toml").write_text('durability = "relaxed"\ndefault_bucket = "from-file"')
    options = ("-c", "settings.toml", "-b", "artifacts", "-v")
    with serving(tmp_path, *options, **CREDENTIALS) as server:
        said = server.started()
        for fact in (
            "signed requests only",
            "relaxed",
            "  bucket      artifacts\n",
            f"from {tmp_path}/settings.toml",
        ):
            assert fact in said
        assert status(f"{server.url}/artifacts") == 403
        assert server.stop(signal.SIGINT) == 0
    assert CREDENTIALS["DELTAGLIDER_PROXY_SECRET_ACCESS_KEY"] not in said + server.err.read_text()


@pytest.mark.parametrize("credentials", [{}, CREDENTIALS], ids=["open", "signed"])
def test_warning_when_open_to_the_network(tmp_path: Path, credentials: dict[str, str]) -> None:
    need_isolation()
    with serving(tmp_path, "-l", "0.0.0.0:0", before=ALONE, **credentials) as server:
        said = server.started()
        assert server.stop() == 0
    warned = "open to the network without credentials" in server.err.read_text()
    assert warned == ("WARNING: whoever can reach this address" in said) == (not credentials)


@pytest.mark.parametrize(
    ("content", "mode", "warned"),
    [
        ('access_key_id = "{id}"\nsecret_access_key = "{secret}"', 0o644, True),
        ('access_key_id = "{id}"\nsecret_access_key = "{secret}"', 0o640, False),
        ('access_key_id = "{id}"\nsecret_access_key = "{secret}"', 0o600, False),
        ('[[keys]]\naccess_key_id = "{id}"\nsecret_access_key = "{secret}"', 0o604, True),
        ('[[keys]]\naccess_key_id = "{id}"\nsecret_access_key_variable = "SECRET"', 0o644, False),
    ],
)
def test_warning_when_everybody_can_read_the_secrets(
    tmp_path: Path, content: str, mode: int, warned: bool
) -> None:
    key, secret = CREDENTIALS.values()
    file = tmp_path / "settings.toml"
    file.write_text(content.format(id=key, secret=secret))
    file.chmod(mode)
    with serving(tmp_path, "-c", "settings.toml", SECRET=secret) as server:
        server.started()
        assert server.stop() == 0
        said = server.out.read_text()
    assert (f"WARNING: everybody on this machine can read the secrets in {file}." in said) == warned
    assert ("everybody can read it" in server.err.read_text()) == warned
    assert secret not in said + server.err.read_text()


def test_an_interrupted_start_is_no_traceback(tmp_path: Path) -> None:
    """A signal at any moment of the start ends it, and the next start finds nothing in the way."""
    for delay in (0.3, 0.5, 0.7, 0.9):
        with serving(tmp_path) as server:
            time.sleep(delay)
            server.process.send_signal(signal.SIGTERM)
            assert server.process.wait(PATIENCE) in (0, -signal.SIGTERM)
            assert "Traceback" not in server.err.read_text()
    with serving(tmp_path) as server:
        assert status(f"{server.url}/default") == 200


def test_ctrl_c_on_a_terminal(tmp_path: Path) -> None:
    """The terminal's Ctrl-C reaches the whole process group; the last lines are for people."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(tmp_path)
        os.execve(sys.executable, command("-l", "127.0.0.1:0"), environment({"NO_COLOR": "1"}))
    said = b""
    try:
        with contextlib.suppress(OSError):  # how a terminal's end is read
            while chunk := os.read(terminal, 65536):
                said += chunk
                if b"settings " in chunk:
                    os.write(terminal, b"\x03")
        _, ended = os.waitpid(pid, 0)
        pid = 0
    finally:
        os.close(terminal)
        if pid:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
    assert os.waitstatus_to_exitcode(ended) == 0, said
    assert b"Traceback" not in said
    assert said.rstrip().endswith(b"stopped")


def test_a_server_over_a_directory_does_without_the_client_of_object_stores() -> None:
    """That is 5 MB for each process."""
    script = "import sys, dgproxy.app; print(sorted({'aioboto3', 'boto3', 'botocore'} & set(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, check=True, env=environment({})
    )
    assert done.stdout == b"[]\n"
