# SPDX-License-Identifier: GPL-2.0-only
"""gc, verify and optimize as their users meet them: processes of their own beside a running server."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import psutil
import pytest
from botocore.exceptions import BotoCoreError, ClientError

from dgproxy.engine.ids import new_id
from tests.system.artifacts import generate
from tests.system.clients import S3Client, boto3_client
from tests.system.harness import Server, environment, eventually

LONG_AGO = 1_600_000_000_000


def run(server: Server, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "dgproxy", *arguments],
        cwd=server.home,
        env=environment({"DELTAGLIDER_PROXY_DATA_DIR": str(server.data)} | server.settings | more),
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )


def lines(done: subprocess.CompletedProcess[str]) -> list[Any]:
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.fixture
def s3(server: Server) -> Iterator[S3Client]:
    client = boto3_client(server)
    yield client
    client.close()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with Server(tmp_path) as started:
        yield started


def upload_versions(s3: S3Client, count: int) -> None:
    data = generate(5, 300_000)
    for number in range(count):
        s3.put_object(Bucket="default", Key=f"app/v{number}.zip", Body=data + bytes([number]) * 10_000)


def garbage(server: Server) -> list[str]:
    space = server.data / "buckets/default/deltaspaces/app"
    places = [space / f"{new_id(LONG_AGO)}-x.zip.bin", space / f"{new_id(LONG_AGO)}.reference.bin"]
    for place in places:
        place.write_bytes(b"x" * 5_000)
    return sorted(str(place.relative_to(server.data / "buckets/default")) for place in places)


# -- gc ----------------------------------------------------------------------------------------------------


def test_gc_shows_and_removes_while_the_server_runs(server: Server, s3: S3Client) -> None:
    upload_versions(s3, 3)
    before = server.files("default")
    done = run(server, "gc")
    assert (done.returncode, done.stdout) == (0, "Nothing to remove.\n")
    places = garbage(server)
    shown = run(server, "gc")
    assert shown.returncode == 1
    assert all(place in shown.stdout for place in places)
    assert "2 to remove, 9.8 KiB; --delete does it." in shown.stdout
    assert run(server, "gc", "default/other/").returncode == 0
    removed = run(server, "gc", "default/app", "--delete", "--json")
    *found, last = lines(removed)
    assert removed.returncode == 0, removed.stderr
    assert [each["outcome"] for each in found] == ["removed", "removed"]
    assert sorted(each["key"] for each in found) == places
    assert last["summary"]["removed"] == 2
    assert server.files("default") == before


def test_gc_removes_nothing_that_requests_are_making(server: Server, s3: S3Client) -> None:
    """Clients put and delete in one deltaspace while gc goes over it again and again."""
    data = generate(6, 200_000)
    stop = threading.Event()
    failures: list[BaseException] = []

    def work(number: int) -> None:
        client = boto3_client(server)
        try:
            for turn in range(1_000_000):
                if stop.is_set():
                    return
                body = data + f"{number} {turn}".encode() * 100
                key = f"app/{number}-{turn % 3}.zip"
                client.put_object(Bucket="default", Key=key, Body=body)
                assert client.get_object(Bucket="default", Key=key)["Body"].read() == body
                if turn % 5 == 4:
                    client.delete_object(Bucket="default", Key=key)
        except BaseException as error:  # noqa: BLE001 - raised by the test
            failures.append(error)
        finally:
            client.close()

    threads = [threading.Thread(target=work, args=(number,)) for number in range(3)]
    for thread in threads:
        thread.start()
    try:
        time.sleep(0.3)
        (server.data / "buckets/default/deltaspaces/app").mkdir(parents=True, exist_ok=True)
        for _ in range(4):
            garbage(server)
            done = run(server, "gc", "--delete")
            assert done.returncode in (0, 1), done.stderr
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert not failures
    assert run(server, "gc", "--delete").returncode in (0, 1)
    assert run(server, "gc").returncode == 0
    for item in s3.list_objects_v2(Bucket="default").get("Contents", []):
        assert s3.get_object(Bucket="default", Key=item["Key"])["Body"].read()


# -- verify ------------------------------------------------------------------------------------------------


def test_verify_finds_damage_while_the_server_runs(server: Server, s3: S3Client) -> None:
    upload_versions(s3, 3)
    s3.put_object(Bucket="default", Key="other/note.txt", Body=b"n" * 20_000)
    sound = run(server, "verify", "--data")
    assert (sound.returncode, sound.stdout) == (0, "4 objects: all sound.\n")
    (reference,) = (server.data / "buckets/default/deltaspaces/app").glob("*.reference.bin*")
    whole = reference.read_bytes()
    reference.write_bytes(whole[:50_000] + b"damage" + whole[50_006:])
    assert run(server, "verify").returncode == 0
    damaged = run(server, "verify", "--data", "--json")
    *found, last = lines(damaged)
    assert damaged.returncode == 1
    assert {each["blob"] for each in found} == {f"deltaspaces/app/{reference.name}"}
    named = {each["key"] for each in found if each["kind"] == "object"}
    lost = set()
    for number in range(3):
        try:
            s3.get_object(Bucket="default", Key=f"app/v{number}.zip")["Body"].read()
        except (ClientError, BotoCoreError):
            lost.add(f"app/v{number}.zip")
    assert named == lost != set()
    (about,) = [each for each in found if each["kind"] == "reference"]
    assert (about["dependents"], about["damaged"]) == (3, len(named))
    assert last["summary"].pop("records") > 0  # statistics are among them when it is time for these
    assert last["summary"] == {"objects": 4, "parts": 0, "damaged": len(found), "unknown": 0}
    assert run(server, "verify", "--data", "default/other/").returncode == 0
    reference.write_bytes(whole)
    assert run(server, "verify", "--data").returncode == 0


# -- what the server tells of them --------------------------------------------------------------------------


def test_the_server_shows_how_commands_ended(server: Server, s3: S3Client) -> None:
    upload_versions(s3, 3)
    assert run(server, "verify", "--data").returncode == 0
    assert run(server, "gc").returncode == 0
    with urlopen(f"{server.url}/_/stats", timeout=30) as answer:
        found = {each["command"]: each for each in json.load(answer)["runs"]}
    assert found.keys() == {"verify", "gc"}
    verified = found["verify"]
    assert (verified["bucket"], verified["state"], verified["options"]) == ("default", "ended", "--data")
    assert verified["result"] == "3 objects: all sound"
    assert verified["unit"] == "bytes"
    assert verified["done"] > 300_000
    assert verified["total"] > 300_000
    assert found["gc"]["result"] == "Nothing to remove"
    assert (found["gc"]["done"], found["gc"]["total"]) == (3, 3)


def test_the_server_knows_of_a_command_that_was_killed(server: Server, s3: S3Client) -> None:
    upload_versions(s3, 3)
    verifying = subprocess.Popen(
        [sys.executable, "-m", "dgproxy", "verify", "--data", "--rate", "10K"],
        cwd=server.home,
        env=environment({"DELTAGLIDER_PROXY_DATA_DIR": str(server.data)} | server.settings),
    )

    def states() -> list[str]:
        with urlopen(f"{server.url}/_/stats", timeout=30) as answer:
            return [each["state"] for each in json.load(answer)["runs"]]

    try:
        eventually(lambda: states() == ["running"], "it is shown as running")
    finally:
        verifying.kill()
        verifying.wait()
    eventually(lambda: states() == ["died"], "it is known to have died")


# -- estimate ----------------------------------------------------------------------------------------------


def releases() -> dict[str, bytes]:
    """Files in three directories, one of them in another."""
    base = generate(7, 600_000)
    files = {f"app/v{number}.zip": base + generate(number, 30_000) for number in range(6)}
    files |= {f"app/docs/d{number}.tar": generate(50 + number, 100_000) for number in range(3)}
    return files | {"readme.txt": b"read me\n" * 5_000, "app/small": b"small", "app/docs/empty": b""}


def test_estimate_is_what_an_upload_stores(server: Server, s3: S3Client, tmp_path: Path) -> None:
    top, temporary = tmp_path / "releases", tmp_path / "temporary"
    temporary.mkdir()
    for key, data in releases().items():
        (top / key).parent.mkdir(parents=True, exist_ok=True)
        (top / key).write_bytes(data)
    (top / "link").symlink_to("readme.txt")
    done = run(server, "estimate", str(top), "--json", TMPDIR=str(temporary))
    assert done.returncode == 0, done.stderr
    *spaces, last = lines(done)
    assert {each["deltaspace"] for each in spaces} == {"", "app/", "app/docs/"}
    for key, data in sorted(releases().items()):
        s3.put_object(Bucket="default", Key=key, Body=data)
    summary = last["summary"]
    assert summary["objects"] == len(releases())
    assert summary["deltas"] >= 5
    assert summary["logical"] == sum(map(len, releases().values()))
    assert summary["stored"] == pytest.approx(sum(server.files("default").values()), rel=0.01)
    aws = {
        "AWS_ENDPOINT_URL": server.url,
        "AWS_ACCESS_KEY_ID": "any",
        "AWS_SECRET_ACCESS_KEY": "key",
        "AWS_DEFAULT_REGION": "us-east-1",
    }
    before = server.files("default")
    through = run(server, "estimate", "s3://default", "--json", **aws)
    assert through.returncode == 0, through.stderr
    assert lines(through)[-1]["summary"]["stored"] == pytest.approx(summary["stored"], rel=0.01)
    below = lines(run(server, "estimate", "s3://default/app/docs/", "--json", **aws))
    assert [each["deltaspace"] for each in below[:-1]] == ["app/docs/"]
    assert server.files("default") == before
    assert list(temporary.iterdir()) == []


def test_estimate_says_what_it_leaves_out(server: Server, tmp_path: Path) -> None:
    top = tmp_path / "releases"
    top.mkdir()
    (top / "good.zip").write_bytes(b"good" * 10_000)
    (top / os.fsdecode(b"bad\xff.zip")).write_bytes(b"bad")
    done = run(server, "estimate", str(top))
    assert done.returncode == 1
    assert "its path is not UTF-8" in done.stderr
    assert done.stdout.count("\n") == 3


# -- optimize ----------------------------------------------------------------------------------------------


def products(count: int) -> dict[str, bytes]:
    """Versions of three products in one directory."""
    bases = [generate(70 + number, 300_000) for number in range(3)]
    return {
        f"app/v{version}-{product}.zip": base[: version * 10_000]
        + b"changed" * 100
        + base[version * 10_000 :]
        for version in range(count)
        for product, base in enumerate(bases)
    }


def test_optimize_saves_space_while_the_server_runs(tmp_path: Path) -> None:
    objects = products(4)
    with Server(tmp_path, {"DELTAGLIDER_PROXY_MAX_REFERENCES": "1"}) as server:
        client = boto3_client(server)
        for key, data in objects.items():
            client.put_object(Bucket="default", Key=key, Body=data, Metadata={"key": key})
        before = {key: client.head_object(Bucket="default", Key=key) for key in objects}
        space = server.data / "buckets/default/deltaspaces/app"
        taken = sum(path.stat().st_size for path in space.iterdir())
        done = run(server, "optimize", "--json", DELTAGLIDER_PROXY_MAX_REFERENCES="4")
        assert done.returncode == 0, done.stderr
        *_, last = lines(done)
        assert last["summary"]["rewritten"] > 0
        left = sum(path.stat().st_size for path in space.iterdir())
        assert left < 0.6 * taken
        assert last["summary"]["before"] - last["summary"]["after"] == pytest.approx(taken - left, abs=5000)
        for key, data in objects.items():
            answer = client.get_object(Bucket="default", Key=key)
            assert answer["Body"].read() == data
            for name in ("ETag", "LastModified", "Metadata", "ContentLength"):
                assert answer[name] == before[key][name]
        again = run(server, "optimize", DELTAGLIDER_PROXY_MAX_REFERENCES="4")
        assert (again.returncode, again.stdout) == (0, "Nothing to do.\n")
        assert run(server, "verify", "--data").returncode == 0
        assert run(server, "gc").returncode == 0
        client.close()


def test_optimize_can_be_killed_at_any_time(tmp_path: Path) -> None:
    objects = products(4)
    with Server(tmp_path, {"DELTAGLIDER_PROXY_MAX_REFERENCES": "1"}) as server:
        client = boto3_client(server)
        for key, data in objects.items():
            client.put_object(Bucket="default", Key=key, Body=data)
        for wait in (1.2, 1.4, 1.6, 1.8, 2.2):
            process = subprocess.Popen(
                [sys.executable, "-m", "dgproxy", "optimize", "--cpu", "0.3"],
                cwd=server.home,
                env=environment({"DELTAGLIDER_PROXY_DATA_DIR": str(server.data)}),
            )
            time.sleep(wait)
            process.kill()
            process.wait()
            for key, data in objects.items():
                assert client.get_object(Bucket="default", Key=key)["Body"].read() == data
        assert run(server, "optimize").returncode == 0
        assert run(server, "verify", "--data").returncode == 0
        client.close()


# -- all of them -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["gc", "--older-than", "1m"], "at least 5m"),
        (["gc", "--older-than", "soon"], "is not a time"),
        (["gc", "--rate", "fast"], "must be a number of bytes"),
        (["gc", "nobucket"], "no bucket 'nobucket'"),
        (["-c", "none.toml", "gc"], "there is no such file"),
        (["estimate", "nowhere"], "nowhere is not a directory"),
        (["estimate", "s3://"], "s3:// needs a bucket"),
        (["estimate", "s3://nobucket"], "s3://nobucket/:"),
    ],
)
def test_what_cannot_be_done_is_said(server: Server, arguments: list[str], says: str) -> None:
    done = run(server, *arguments)
    assert done.returncode == 2
    assert says in done.stderr
    assert "Traceback" not in done.stderr


def test_no_data_directory_is_made_by_looking_for_one(tmp_path: Path) -> None:
    server = Server(tmp_path)
    done = run(server, "gc")
    assert done.returncode == 2
    assert "there is no data directory" in done.stderr
    assert not server.data.exists()


def test_it_stops_when_told_to(server: Server, s3: S3Client) -> None:
    upload_versions(s3, 1)
    process = subprocess.Popen(
        [sys.executable, "-m", "dgproxy", "gc", "--rate", "1"],
        cwd=server.home,
        env=environment({"DELTAGLIDER_PROXY_DATA_DIR": str(server.data)}),
        stderr=subprocess.PIPE,
        text=True,
    )
    # Its threads are there once it has begun.
    eventually(lambda: psutil.Process(process.pid).num_threads() > 1, "gc at work")
    process.send_signal(signal.SIGTERM)
    _, said = process.communicate(timeout=20)
    assert process.returncode == 128 + signal.SIGINT
    assert said == "deltaglider_proxy: stopped before the end\n"
