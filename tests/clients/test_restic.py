# SPDX-License-Identifier: GPL-2.0-only
"""restic keeps a repository on the server: many small objects, written, listed and removed again."""

import os
import shutil
import subprocess
from pathlib import Path

from tests.clients import steps
from tests.clients.steps import MIDDLE, SMALL
from tests.system.clients import REGION, S3Client, need
from tests.system.harness import ACCESS_KEY, SECRET_KEY, Server


def files(root: Path) -> dict[str, bytes]:
    return {
        path.relative_to(root).as_posix(): path.read_bytes() for path in root.rglob("*") if path.is_file()
    }


def test_backup_restore_prune_check(
    server: Server, oracle: S3Client, tmp_path: Path, versions: dict[str, str]
) -> None:
    program = need(shutil.which("restic"), "restic")
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path),
        "RESTIC_REPOSITORY": f"s3:{server.url}/restic/a-repository",
        "RESTIC_PASSWORD": "not a secret",
        "AWS_ACCESS_KEY_ID": ACCESS_KEY,
        "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
        "AWS_DEFAULT_REGION": REGION,
    }

    def restic(*arguments: str | Path) -> str:
        done = subprocess.run(
            [program, *arguments],
            env=environment,
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=100,
            check=False,
        )
        assert done.returncode == 0, f"restic {arguments}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    work = tmp_path / "work"
    (work / "deep").mkdir(parents=True)
    first, second = steps.versions(MIDDLE)
    (work / "app.tar").write_bytes(first)
    (work / "empty").write_bytes(b"")
    for number in range(40):
        (work / "deep" / f"{number} é.txt").write_bytes(SMALL * number)

    versions["restic"] = " ".join(restic("version").split()[:2])
    restic("init")  # creates the bucket, too
    restic("backup", "work")
    (work / "app.tar").write_bytes(second)
    (work / "deep" / "7 é.txt").unlink()
    restic("backup", "work")
    restic("check", "--read-data")
    assert restic("snapshots").count(str(work)) == 2

    restic("restore", "latest", "--target", "back")
    assert files(tmp_path / "back" / "work") == files(work)

    before = objects(oracle)
    restic("forget", "latest", "--prune")
    restic("check", "--read-data")
    assert restic("snapshots").count(str(work)) == 1
    assert objects(oracle) < before, "pruning a snapshot must free something"
    restic("restore", "latest", "--target", "older")
    older = files(tmp_path / "older" / "work")
    assert older.keys() == files(work).keys() | {"deep/7 é.txt"}
    assert older["app.tar"] == first


def objects(oracle: S3Client) -> int:
    """The bytes of all objects of the repository."""
    pages = oracle.get_paginator("list_objects_v2").paginate(Bucket="restic")
    return sum(each["Size"] for page in pages for each in page["Contents"])
