# SPDX-License-Identifier: GPL-2.0-only
"""Statistics as users see them: kept by worker processes together, right after whatever end of them."""

import functools
import json
import random
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.system import maintenance
from tests.system.artifacts import generate, next_version
from tests.system.clients import S3Client, boto3_client
from tests.system.harness import Server, eventually


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with Server(tmp_path, {"DELTAGLIDER_PROXY_WORKERS": "2"}) as started:
        yield started


run = functools.partial(maintenance.run, timeout=60)


def stats(server: Server, *arguments: str) -> str:
    done = run(server, "stats", *arguments)
    assert done.returncode == 0, done.stderr
    return done.stdout


def exactly(server: Server, *arguments: str) -> list[dict[str, Any]]:
    found = [json.loads(line) for line in stats(server, "--json", *arguments).splitlines()]
    for line in found:
        line.pop("recent_delta_ratio", None)  # of uploads, not of what is stored
        line.get("summary", {}).pop("recent_delta_ratio", None)
    return found


def churn(server: Server, seed: int) -> None:
    """Put, copy, replace and delete over a connection of its own; versions, duplicates, small things."""
    dice = random.Random(seed)
    first = generate(1, 200_000)
    bodies = [first, next_version(first, 2), next_version(first, 3), generate(9, 50_000), b"small"]
    s3 = boto3_client(server)
    try:
        for number in range(30):
            key = f"{dice.choice(['', 'a/', 'b/'])}{dice.randrange(6)}.zip"
            match dice.randrange(5):
                case 0:
                    s3.delete_object(Bucket="default", Key=key)
                case 1 if number > 5:
                    copy(s3, key, f"copies/{dice.randrange(4)}.zip")
                case _:
                    s3.put_object(Bucket="default", Key=key, Body=dice.choice(bodies))
    finally:
        s3.close()


def copy(s3: S3Client, source: str, target: str) -> None:
    try:
        s3.copy_object(Bucket="default", Key=target, CopySource=f"default/{source}")
    except s3.exceptions.ClientError as error:
        if error.response["Error"]["Code"] != "NoSuchKey":
            raise


def together(server: Server) -> None:
    clients = [threading.Thread(target=churn, args=(server, seed)) for seed in range(4)]
    for each in clients:
        each.start()
    for each in clients:
        each.join()


@pytest.mark.parametrize("end", ["stop", "kill"])
def test_what_is_kept_is_what_there_is(server: Server, end: str) -> None:
    together(server)
    room = server.data / "buckets" / "default" / "ledgers"

    def ledgers() -> list[Path]:
        return list(room.glob("*.json"))

    assert ledgers(), "a process that dies now takes entries with it"
    if end == "stop":
        server.stop()
        assert not ledgers()
        kept = exactly(server)
        assert kept == exactly(server, "--recount")
        server.start()
    else:
        server.kill()
        assert ledgers()
        server.start()
        eventually(lambda: not ledgers(), "the next start counts")
        kept = exactly(server)
    together(server)
    server.stop()
    kept = exactly(server)
    assert not any(line.get("doubtful") for line in kept)
    assert kept == exactly(server, "--recount")
    assert kept[-1]["summary"]["objects"] == sum(line["objects"] for line in kept[:-1]) > 0


def test_maintenance_is_counted(server: Server) -> None:
    together(server)
    server.stop()
    for command in (["optimize"], ["gc", "--delete", "--older-than", "5m"]):
        done = run(server, *command)
        assert done.returncode == 0, done.stderr
        kept = exactly(server)
        assert kept == exactly(server, "--recount"), command


def test_the_table_and_the_numbers(server: Server) -> None:
    s3 = boto3_client(server)
    try:
        first = generate(5, 400_000)
        for number, body in enumerate([first, next_version(first, 6), first]):
            s3.put_object(Bucket="default", Key=f"app/v{number}.zip", Body=body)
        s3.put_object(Bucket="default", Key="readme.txt", Body=b"hello")
    finally:
        s3.close()
    server.stop()
    root, app, summary = sorted(exactly(server), key=lambda line: line.get("deltaspace", "~"))
    assert (root["deltaspace"], root["objects"], root["logical_bytes"]) == ("", 1, 5)
    size = sum(each for path, each in server.files("default").items() if "/app/" in path and is_counted(path))
    assert (app["objects"], app["stored_bytes"]) == (3, size)
    assert app["savings"] == 1 - app["stored_bytes"] / app["logical_bytes"] > 0.5
    assert summary["summary"]["stored_bytes"] == root["stored_bytes"] + size
    assert stats(server).splitlines()[0].split() == [
        "deltaspace", "objects", "logical", "stored", "saved", "recent", "deltas",
    ]  # fmt: skip
    assert len(stats(server, "default/app").splitlines()) == 2
    assert [line.get("deltaspace") for line in exactly(server, "default/app")] == ["app/", None]


def is_counted(path: str) -> bool:
    return path.startswith("objects/") or not path.endswith(".json")
