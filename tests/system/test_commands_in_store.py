# SPDX-License-Identifier: GPL-2.0-only
"""The commands on a real object store, beside a server that keeps everything in it."""

import itertools
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest

from dgproxy.engine.ids import new_id
from dgproxy.storage.s3 import Store
from tests.system.artifacts import generate
from tests.system.clients import S3Client, boto3_client, get
from tests.system.harness import Server
from tests.system.in_store import ServerInStore

LONG_AGO = 1_600_000_000_000

_numbers = itertools.count()


@pytest.fixture(scope="module")
def server(seaweedfs: Store, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerInStore]:
    home = tmp_path_factory.mktemp("server")
    with ServerInStore(home, seaweedfs, "commands-", {"DELTAGLIDER_PROXY_OPTIMIZER": "false"}) as started:
        yield started
        started.close()


@pytest.fixture
def s3(server: ServerInStore) -> Iterator[S3Client]:
    client = boto3_client(server)
    yield client
    client.close()


@pytest.fixture
def bucket(s3: S3Client) -> str:
    name = f"bucket-{next(_numbers)}"
    s3.create_bucket(Bucket=name)
    return name


@pytest.fixture
def objects(s3: S3Client, bucket: str) -> dict[str, bytes]:
    """Versions of something, and something else."""
    data = generate(5, 300_000)
    made = {f"app/v{number}.zip": data + bytes([number]) * 10_000 for number in range(4)}
    made["app/notes.txt"] = generate(6, 20_000)
    for key, body in made.items():
        s3.put_object(Bucket=bucket, Key=key, Body=body)
    return made


def page(server: Server, name: str) -> Any:
    with urlopen(f"{server.url}/_/{name}", timeout=30) as answer:
        return json.load(answer)


def test_ready_without_a_data_directory(server: ServerInStore) -> None:
    assert not server.data.exists()
    found = page(server, "ready")
    assert {name: check["verdict"] for name, check in found["checks"].items()}.keys() == {"backend", "disk"}
    assert found["ready"]


def test_gc(server: ServerInStore, s3: S3Client, bucket: str, objects: dict[str, bytes]) -> None:
    before = server.files(bucket)
    assert server.run("gc", bucket).stdout == "Nothing to remove.\n"
    unused = f"deltaspaces/app/{new_id(LONG_AGO)}.reference.bin"
    places = sorted([f"deltaspaces/app/{new_id(LONG_AGO)}-x.zip.bin", unused])
    for place in places:
        server.put(bucket, place, b"x" * 5_000)
    shown = server.run("gc", bucket)
    assert shown.returncode == 1, shown.stderr
    assert all(place in shown.stdout for place in places)
    assert server.files(bucket).keys() == {*before, *places}
    removed = server.run("gc", bucket, "--delete", "--json")
    *found, last = map(json.loads, removed.stdout.splitlines())
    assert {each["key"]: each["outcome"] for each in found} == dict.fromkeys(places, "removed")
    assert (removed.returncode, last["summary"]["removed"]) == (0, 2)
    assert server.files(bucket) == before
    for key, body in objects.items():
        assert get(s3, bucket, key)["Body"] == body
    (ended,) = [each for each in page(server, "stats")["runs"] if each["bucket"] == bucket]
    assert (ended["command"], ended["state"], ended["result"]) == ("gc", "ended", "2 removed, 9.8 KiB")


def test_verify(server: ServerInStore, s3: S3Client, bucket: str, objects: dict[str, bytes]) -> None:
    assert server.run("verify", bucket, "--data").returncode == 0
    (place,) = [name for name in server.files(bucket) if "v2.zip.residual" in name]
    server.put(bucket, place, b"x" * server.files(bucket)[place])
    done = server.run("verify", bucket, "--data")
    assert done.returncode == 1
    assert "app/v2.zip" in done.stdout
    assert "app/v1.zip" not in done.stdout


def test_optimize(server: ServerInStore, s3: S3Client, bucket: str, objects: dict[str, bytes]) -> None:
    before = {key: s3.head_object(Bucket=bucket, Key=key) for key in objects}
    done = server.run("optimize", bucket)
    assert done.returncode == 0, done.stdout + done.stderr
    for key, body in objects.items():
        assert get(s3, bucket, key)["Body"] == body
        after = s3.head_object(Bucket=bucket, Key=key)
        assert (after["ETag"], after["LastModified"]) == (before[key]["ETag"], before[key]["LastModified"])
    assert server.run("verify", bucket, "--data").returncode == 0


def test_stats(server: ServerInStore, bucket: str, objects: dict[str, bytes]) -> None:
    done = server.run("stats", bucket, "--recount", "--json")
    assert done.returncode == 0, done.stderr
    *_, last = map(json.loads, done.stdout.splitlines())
    summary = last.get("summary", last)
    assert (summary["objects"], summary["logical_bytes"]) == (5, sum(map(len, objects.values())))
    stored = {name: size for name, size in server.files(bucket).items() if "references.json" not in name}
    assert summary["stored_bytes"] == sum(stored.values())


def test_in_and_out(server: ServerInStore, s3: S3Client, bucket: str, tmp_path: Path) -> None:
    data = generate(7, 200_000)
    tree = {f"releases/v{number}/app.zip": data + bytes([number]) * 5_000 for number in range(3)}
    tree["top.txt"] = b"top"
    for name, body in tree.items():
        (tmp_path / "in" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "in" / name).write_bytes(body)
    done = server.run("import", tmp_path / "in", bucket, "--run")
    assert done.returncode == 0, done.stdout + done.stderr
    for name, body in tree.items():
        assert get(s3, bucket, name)["Body"] == body
    done = server.run("export", bucket, tmp_path / "out", "--run")
    assert done.returncode == 0, done.stdout + done.stderr
    files = (path for path in (tmp_path / "out").rglob("*") if path.is_file())
    assert {path.relative_to(tmp_path / "out").as_posix(): path.read_bytes() for path in files} == tree
