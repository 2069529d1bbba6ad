# SPDX-License-Identifier: GPL-2.0-only
"""import and export as their users meet them: processes beside a running server, killed and started again."""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from dgproxy.storage.s3 import Store
from tests.migration import theirs
from tests.system.clients import boto3_client
from tests.system.harness import Server, environment

DELTAGLIDER = Path(__file__).resolve().parents[2] / ".venvs/deltaglider/bin/python"

#: Given to the `deltaglider` package of PyPI: puts files of a directory under a prefix, oldest name first.
PUT = """
import sys
from pathlib import Path
from deltaglider import create_client
client = create_client(endpoint_url=sys.argv[1])
for path in sorted(Path(sys.argv[3]).iterdir()):
    client.upload(str(path), f"s3://{sys.argv[2]}/rel/app/", max_ratio=0.5)
"""


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with Server(tmp_path / "server") as started:
        yield started


def settings(server: Server, store: Store | None = None) -> dict[str, str]:
    found = {"DELTAGLIDER_PROXY_DATA_DIR": str(server.data)} | server.settings
    if store is not None:
        found |= {"AWS_ACCESS_KEY_ID": str(store.access_key_id), "AWS_REGION": "us-east-1"}
        found |= {"AWS_SECRET_ACCESS_KEY": str(store.secret_access_key)}
    return found


def command(*arguments: str | Path) -> list[str]:
    return [sys.executable, "-m", "dgproxy", *map(str, arguments)]


def run(
    server: Server, *arguments: str | Path, store: Store | None = None
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(*arguments),
        cwd=server.home,
        env=environment(settings(server, store)),
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )


def objects(server: Server, bucket: str) -> dict[str, bytes]:
    client = boto3_client(server)
    try:
        found = client.list_objects_v2(Bucket=bucket).get("Contents", [])
        return {
            each["Key"]: client.get_object(Bucket=bucket, Key=each["Key"])["Body"].read() for each in found
        }
    finally:
        client.close()


def test_a_directory_beside_a_running_server(server: Server, tmp_path: Path) -> None:
    data = {f"app/v{number}.zip": random.Random(1).randbytes(200_000) + b"%d" % number for number in range(3)}
    for key, each in data.items():
        (tmp_path / "files" / key).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "files" / key).write_bytes(each)
    dry = run(server, "import", tmp_path / "files", "incoming")
    assert (dry.returncode, dry.stderr) == (0, "")
    assert dry.stdout == "3 to store, 585.9 KiB; 0 there already. --run does it.\n"
    client = boto3_client(server)
    assert "incoming" not in [each["Name"] for each in client.list_buckets()["Buckets"]], (
        "nor is the bucket made"
    )
    client.close()
    done = run(server, "import", tmp_path / "files", "incoming", "--run")
    assert (done.returncode, done.stdout) == (0, "3 stored, 585.9 KiB; 0 there already.\n")
    assert objects(server, "incoming") == data
    again = run(server, "import", tmp_path / "files", "incoming", "--run", "--json")
    *lines, last = map(json.loads, again.stdout.splitlines())
    assert [each["outcome"] for each in lines] == ["same"] * 3
    assert last == {
        "dry_run": False,
        "summary": {
            "objects": 3, "stored": 0, "bytes": 0, "same": 3, "differs": 0, "unsure": 0, "failed": 0,
        },
    }  # fmt: skip
    (tmp_path / "files/app/v1.zip").write_bytes(b"another")
    differs = run(server, "import", tmp_path / "files", "incoming", "--run")
    assert differs.returncode == 1
    assert differs.stdout.startswith("differs        7 B  incoming/app/v1.zip\n")
    assert "1 left alone that differ (--overwrite replaces them)" in differs.stdout
    assert objects(server, "incoming") == data
    assert run(server, "import", tmp_path / "files", "incoming", "--run", "--overwrite").returncode == 0
    assert objects(server, "incoming")["app/v1.zip"] == b"another"
    assert run(server, "export", "incoming/app/v2", tmp_path / "out", "--run").returncode == 0
    assert [path.name for path in (tmp_path / "out/app").iterdir()] == ["v2.zip"]
    assert run(server, "verify", "--data").returncode == 0
    assert run(server, "gc").returncode == 0


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["import", "nowhere", "b"], "nowhere is not a directory"),
        (["import", "."], "is a directory of files: say which bucket they become"),
        (["import", ".", "No_Bucket"], "can't be the name of a bucket here"),
        (["import", "data/buckets"], "is a data directory of this program"),
        (["import", "s3://elsewhere", "--endpoint", "http://127.0.0.1:9"], "can't be reached"),
        (["import", "s3://elsewhere", "--profile", "nobody"], "nobody"),
        (["import", "s3://elsewhere", "--endpoint", "no url"], "no url"),
        (["export", "default", "s3://"], "s3:// needs a bucket"),
        (["export", "none-such", "out"], "none-such"),
        (["export", "default", "s3://elsewhere", "--endpoint", "http://127.0.0.1:9"], "can't be reached"),
    ],
)
def test_what_can_not_be_done(server: Server, arguments: list[str], why: str) -> None:
    client = boto3_client(server)
    client.put_object(Bucket="default", Key="x.zip", Body=b"x" * 10_000)
    client.close()
    done = run(server, *arguments, store=Store(access_key_id="id", secret_access_key="secret"))
    assert done.returncode == 2, done.stdout + done.stderr
    assert why in done.stderr
    assert "Traceback" not in done.stderr


def test_killed_and_started_again(server: Server, tmp_path: Path) -> None:
    """An import that is killed, again and again, ends with every object, and with nothing left behind."""
    data = {f"d{number % 5}/{number}.zip": random.Random(number).randbytes(400_000) for number in range(60)}
    for key, each in data.items():
        (tmp_path / "files" / key).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "files" / key).write_bytes(each)
    killed = 0
    for _ in range(100):
        before = sum(1 for _ in (server.data / "buckets").rglob("*.zip.meta"))
        process = subprocess.Popen(
            command("import", tmp_path / "files", "incoming", "--run"),
            cwd=server.home,
            env=environment(settings(server)),
        )
        while process.poll() is None:
            if sum(1 for _ in (server.data / "buckets").rglob("*.zip.meta")) >= before + 15:
                process.send_signal(signal.SIGKILL)
            time.sleep(0.01)
        if process.returncode == 0:
            break
        assert process.returncode == -signal.SIGKILL
        killed += 1
    assert killed >= 2
    assert objects(server, "incoming") == data
    assert run(server, "verify", "--data").returncode == 0


@pytest.mark.skipif(theirs.XDELTA3 is None, reason="xdelta3: apt-get install xdelta3")
def test_a_data_directory_of_deltaglider_proxy(server: Server, tmp_path: Path) -> None:
    """With several buckets; one can be chosen, and renamed."""
    for bucket in ("one", "two"):
        stored = theirs.by_proxy("app/", {"v1.zip": bucket.encode() * 1000, "v2.zip": bucket.encode() * 1001})
        theirs.into_sidecars(tmp_path / "old" / bucket / "deltaspaces", stored)
    assert run(server, "import", tmp_path / "old", "new").returncode == 2
    done = run(server, "import", tmp_path / "old", "--run")
    assert (done.returncode, done.stderr) == (0, "")
    assert objects(server, "two") == {"app/v1.zip": b"two" * 1000, "app/v2.zip": b"two" * 1001}
    assert run(server, "import", tmp_path / "old/one", "new/in/", "--run").returncode == 0
    assert objects(server, "new") == {"in/app/v1.zip": b"one" * 1000, "in/app/v2.zip": b"one" * 1001}


def test_the_deltaglider_package(server: Server, tmp_path: Path, moto: Store, s3: Any, bucket: str) -> None:
    """What the real one writes, read."""
    if not DELTAGLIDER.exists() or shutil.which("xdelta3") is None:
        missing = "xdelta3 (apt-get install xdelta3), or deltaglider in .venvs/deltaglider, is not installed"
        if os.environ.get("CI"):
            pytest.fail(missing)
        pytest.skip(missing)
    (tmp_path / "files").mkdir()
    data = {f"v{number}.zip": random.Random(1).randbytes(300_000) + b"%d" % number for number in range(3)}
    data |= {"v1.sha256": b"abc", "z.tar.bz2": random.Random(2).randbytes(5_000)}
    for name, each in data.items():
        (tmp_path / "files" / name).write_bytes(each)
    subprocess.run(
        [DELTAGLIDER, "-c", PUT, str(moto.endpoint), bucket, tmp_path / "files"],
        env=environment(settings(server, moto)) | {"AWS_DEFAULT_REGION": "us-east-1"},
        check=True,
        timeout=100,
        capture_output=True,
    )
    keys = {each["Key"] for each in s3.list_objects_v2(Bucket=bucket)["Contents"]}
    assert "rel/app/reference.bin" in keys, "it stored deltas"
    source = ["import", f"s3://{bucket}", "--endpoint", str(moto.endpoint)]
    done = run(server, *source, "--run", store=moto)
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    assert objects(server, bucket) == {f"rel/app/{name}": each for name, each in data.items()}
    assert "5 there already" in run(server, *source, "--run", store=moto).stdout


def test_out_to_another_server_and_in_again(server: Server, moto: Store, s3: Any, bucket: str) -> None:
    client = boto3_client(server)
    body = os.urandom(20_000)
    client.put_object(Bucket="default", Key="a/x.zip", Body=body, Metadata={"build": "7"})
    client.close()
    there = ["--endpoint", str(moto.endpoint), "--run"]
    assert run(server, "export", "default", f"s3://{bucket}/to/", *there, store=moto).returncode == 0
    assert s3.get_object(Bucket=bucket, Key="to/a/x.zip")["Body"].read() == body
    assert run(server, "import", f"s3://{bucket}/to/", *there, store=moto).returncode == 0
    assert objects(server, bucket) == {"to/a/x.zip": body}
