# SPDX-License-Identifier: GPL-2.0-only
"""`deltaglider_proxy delta`: on real files, as a process, and both ways with the stock program."""

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from dgproxy.codec.forms import Form
from tests.codec import wire

FORMS = [form.name.lower() for form in Form]
STOCK = shutil.which("xdelta3")
needs_stock = pytest.mark.skipif(not STOCK, reason="xdelta3 is not installed: apt-get install xdelta3")


def run(*arguments: str | Path, ok: bool = True) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "dgproxy", "delta", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode == 0) == ok, done.stderr
    assert "Traceback" not in done.stderr
    return done


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """A directory with `old` and `new`."""
    rng = random.Random(1)
    old = b" ".join(b"%x" % rng.getrandbits(20) for _ in range(200_000)) + rng.randbytes(400_000)
    new = bytearray(old[700_000:] + old[:650_000])
    for _ in range(300):
        at = rng.randrange(len(new))
        new[at : at + rng.randrange(9)] = rng.randbytes(rng.randrange(60))
    (tmp_path / "old").write_bytes(old)
    (tmp_path / "new").write_bytes(new)
    return tmp_path


def names(directory: Path) -> set[str]:
    return {path.name for path in directory.iterdir()}


def stock(*arguments: str | Path) -> None:
    assert STOCK
    subprocess.run([STOCK, "-q", "-D", *map(str, arguments)], check=True, capture_output=True, timeout=60)


# -- there and back ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("threads", ["1", "3"])
@pytest.mark.parametrize("form", FORMS)
def test_every_form(files: Path, form: str, threads: str) -> None:
    run("encode", "-T", threads, "--form", form, "-s", files / "old", files / "new", files / "delta")
    run("decode", "-T", threads, "-s", files / "old", files / "delta", files / "back")
    assert (files / "back").read_bytes() == (files / "new").read_bytes()
    assert (files / "delta").stat().st_size < (files / "new").stat().st_size // 10
    assert names(files) == {"old", "new", "delta", "back"}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(("old", "new"), [(b"", b""), (b"", b"new"), (b"old", b"")])
def test_empty_files(tmp_path: Path, form: str, old: bytes, new: bytes) -> None:
    (tmp_path / "old").write_bytes(old)
    (tmp_path / "new").write_bytes(new)
    run("encode", "--form", form, "-s", tmp_path / "old", tmp_path / "new", tmp_path / "delta")
    run("decode", "-s", tmp_path / "old", tmp_path / "delta", tmp_path / "back")
    assert (tmp_path / "back").read_bytes() == new


def test_more_windows_than_threads(tmp_path: Path) -> None:
    old = random.Random(1).randbytes(3 << 20) * 22
    (tmp_path / "old").write_bytes(old)
    (tmp_path / "new").write_bytes(old[1:] + b"end")
    for threads in ("1", "2"):
        run("encode", "-f", "-T", threads, "-s", tmp_path / "old", tmp_path / "new", tmp_path / "delta")
        run("decode", "-f", "-T", threads, "-s", tmp_path / "old", tmp_path / "delta", tmp_path / "back")
        assert (tmp_path / "back").read_bytes() == (tmp_path / "new").read_bytes()
    assert " in 5 windows, 5 with Adler-32" in run("info", tmp_path / "delta").stdout


def test_levels(files: Path) -> None:
    sizes = {}
    with (files / "new").open("ab") as new:
        new.write(b"".join(b"%d bottles, " % number for number in range(9000)))
    for level in ("fast", "thorough"):
        for form in FORMS:
            options = ["-f", "--level", level, "--form", form]
            run("encode", *options, "-s", files / "old", files / "new", files / "delta")
            run("decode", "-f", "-s", files / "old", files / "delta", files / "back")
            assert (files / "back").read_bytes() == (files / "new").read_bytes()
            sizes[level, form] = (files / "delta").stat().st_size
    assert sizes["thorough", "plain"] < 0.8 * sizes["fast", "plain"]
    assert sizes["thorough", "default"] < sizes["fast", "default"]


# -- the stock program -------------------------------------------------------------------------------------


@needs_stock
def test_the_stock_program_reads_plain_deltas(files: Path) -> None:
    run("encode", "--form", "plain", "-s", files / "old", files / "new", files / "delta")
    stock("-d", "-R", "-s", files / "old", files / "delta", files / "back")
    assert (files / "back").read_bytes() == (files / "new").read_bytes()


@needs_stock
@pytest.mark.parametrize(
    "options",
    [
        [],
        ["-0"],
        ["-9"],
        ["-S", "none"],
        ["-S", "djw"],
        ["-S", "fgk"],
        ["-S", "lzma", "-W", "16384"],
        ["-n", "-A=some//header"],
    ],
    ids=" ".join,
)
def test_we_read_what_the_stock_program_writes(files: Path, options: list[str]) -> None:
    stock("-e", *options, "-s", files / "old", files / "new", files / "delta")
    run("decode", "-s", files / "old", files / "delta", files / "back")
    assert (files / "back").read_bytes() == (files / "new").read_bytes()


@needs_stock
def test_lzma_streams_go_on_over_windows(files: Path) -> None:
    stock("-e", "-S", "lzma", "-W", "16384", "-s", files / "old", files / "new", files / "delta")
    said = run("info", files / "delta").stdout
    found = [line for line in said.splitlines() if line.startswith("secondary")]
    assert len(found) == 1
    assert int(found[0].split()[-2]) > 10, "so that this tests what it says"


@needs_stock
def test_zstd_frames_around_a_stock_delta(files: Path) -> None:
    if not shutil.which("zstd"):
        pytest.skip("zstd is not installed: apt-get install zstd")
    stock("-e", "-S", "none", "-s", files / "old", files / "new", files / "delta")
    subprocess.run(["zstd", "-q", "--check", str(files / "delta")], check=True)
    run("decode", "-s", files / "old", files / "delta.zst", files / "back")
    assert (files / "back").read_bytes() == (files / "new").read_bytes()


# -- info --------------------------------------------------------------------------------------------------


def test_info(files: Path) -> None:
    run("encode", "-s", files / "old", files / "new", files / "delta")
    said = dict(line.split(maxsplit=1) for line in run("info", files / "delta").stdout.splitlines())
    assert said["form"] == "default"
    assert said["size"] == f"{(files / 'delta').stat().st_size} bytes"
    assert said["target"].startswith(f"{(files / 'new').stat().st_size} bytes in 1 windows")
    assert said["secondary"] == said["application"] == "none"


def test_info_shows_an_application_header_without_control_characters(tmp_path: Path) -> None:
    header = wire.MAGIC + b"\x04" + wire.varint(6) + b"a\x1b[2J\n"
    (tmp_path / "delta").write_bytes(header + wire.window(wire.add(b"abc"), length=3))
    assert r"application   b'a\x1b[2J\n'" in run("info", tmp_path / "delta").stdout


# -- what goes wrong ---------------------------------------------------------------------------------------


def test_nothing_is_replaced_unless_asked(files: Path) -> None:
    (files / "delta").write_bytes(b"precious")
    done = run("encode", "-s", files / "old", files / "new", files / "delta", ok=False)
    assert done.returncode == 1
    assert done.stderr == f"deltaglider_proxy: {files / 'delta'}: the file exists; -f replaces it\n"
    assert (files / "delta").read_bytes() == b"precious"
    run("encode", "-f", "-s", files / "old", files / "new", files / "delta")
    run("decode", "-s", files / "old", files / "delta", files / "back")


@pytest.mark.parametrize("name", ["old", "new"])
def test_a_result_never_replaces_its_input(files: Path, name: str) -> None:
    before = (files / name).read_bytes()
    (files / "link").symlink_to(files / name)
    for result in (name, "link"):
        done = run("encode", "-f", "-s", files / "old", files / "new", files / result, ok=False)
        assert "would replace the input" in done.stderr
    assert (files / name).read_bytes() == before


def test_a_link_stays_a_link(files: Path) -> None:
    (files / "link").symlink_to(files / "delta")
    run("encode", "-s", files / "old", files / "new", files / "link")
    assert (files / "link").is_symlink()
    assert (files / "delta").stat().st_size > 0


def test_devices_are_written_to(files: Path) -> None:
    command = [sys.executable, "-m", "dgproxy", "delta"]
    arguments = ["encode", "--form", "plain", "-s", str(files / "old"), str(files / "new"), "/dev/stdout"]
    with subprocess.Popen([*command, *arguments], stdout=subprocess.PIPE) as process:
        assert process.stdout
        assert process.stdout.read(5) == wire.PLAIN
        process.stdout.read()
    assert process.returncode == 0


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda delta: b"PK\x03\x04" + delta[4:], "not a VCDIFF file (VCD_E_MAGIC)"),
        (lambda _: b"", "ends too early (VCD_E_TRUNCATED)"),
        (lambda delta: delta[:5], "ends before its first window (VCD_E_TRUNCATED)"),
        (lambda delta: delta[:-1], "ends too early (VCD_E_TRUNCATED)"),
        (lambda delta: delta[:-9] + b"\x00" * 9, "(VCD_E_"),
        (lambda delta: delta[:3] + b"S" + delta[4:], "VCDIFF version 83 is not known (VCD_E_VERSION)"),
    ],
)
def test_damage_is_named_and_leaves_nothing(files: Path, damage: object, said: str) -> None:
    assert callable(damage)
    run("encode", "--form", "plain", "-s", files / "old", files / "new", files / "delta")
    (files / "delta").write_bytes(damage((files / "delta").read_bytes()))
    done = run("decode", "-s", files / "old", files / "delta", files / "back", ok=False)
    assert done.returncode == 1
    assert done.stderr.startswith(f"deltaglider_proxy: {files / 'delta'}: ")
    assert done.stderr.endswith("\n")
    assert said in done.stderr
    assert names(files) == {"old", "new", "delta"}


def test_the_wrong_reference_is_found_out(files: Path) -> None:
    run("encode", "-s", files / "old", files / "new", files / "delta")
    done = run("decode", "-s", files / "new", files / "delta", files / "back", ok=False)
    assert "(VCD_E_" in done.stderr
    assert not (files / "back").exists()


def test_an_unknown_compressor_is_named(tmp_path: Path) -> None:
    (tmp_path / "delta").write_bytes(wire.MAGIC + b"\x01\x07" + wire.window(wire.add(b"abc"), length=3))
    assert "secondary     7, in 0 windows" in run("info", tmp_path / "delta").stdout
    done = run("decode", "-s", tmp_path / "delta", tmp_path / "delta", tmp_path / "back", ok=False)
    assert "the secondary compressor 7 is not known (VCD_E_SECONDARY)" in done.stderr


def test_inputs_that_are_no_files(files: Path) -> None:
    os.mkfifo(files / "pipe")
    for new, said in {"missing": "No such file", "": "directory", "pipe": "not a regular file"}.items():
        if new == "pipe":
            holder = os.open(files / "pipe", os.O_RDWR)  # so that opening it does not wait
        done = run("encode", "-s", files / "old", files / new, files / "delta", ok=False)
        assert done.returncode == 1
        assert said in done.stderr
    os.close(holder)
    assert not (files / "delta").exists()


@pytest.mark.parametrize(
    "arguments", [[], ["encode"], ["encode", "-s", "a", "b"], ["decode", "a", "b"], ["x"]]
)
def test_wrong_arguments(arguments: list[str]) -> None:
    assert run(*arguments, ok=False).returncode == 2


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_leaves_nothing_behind(tmp_path: Path, number: signal.Signals) -> None:
    with (tmp_path / "old").open("wb") as old:
        old.truncate(3 << 30)  # long enough to be caught at it
    shutil.copyfile(Path(sys.executable).resolve(), tmp_path / "new")
    arguments = ["encode", "-s", str(tmp_path / "old"), str(tmp_path / "new"), str(tmp_path / "delta")]
    with subprocess.Popen(
        [sys.executable, "-m", "dgproxy", "delta", *arguments], stderr=subprocess.PIPE
    ) as process:
        deadline = time.monotonic() + 30
        while len(names(tmp_path)) == 2:
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.01)
        process.send_signal(number)
        _, said = process.communicate(timeout=30)
    assert process.returncode != 0
    assert b"Traceback" not in said
    assert names(tmp_path) == {"old", "new"}
