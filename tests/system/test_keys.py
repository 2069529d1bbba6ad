# SPDX-License-Identifier: GPL-2.0-only
"""Several access keys from a configuration file, as real clients meet them."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest

from tests.system.clients import REGION, AwsCli, boto3_client, need
from tests.system.harness import CREDENTIALS, SECRET_KEY, Server
from tests.system.test_boto3 import refused

KEYS = """
[[keys]]
name = "build server"
access_key_id = "ci"
secret_access_key_file = "{secret}"
allow = ["default/ci/*"]

[[keys]]
access_key_id = "reports"
secret_access_key_variable = "REPORTS_SECRET"
read_only = true
"""
DENIED = (403, "AccessDenied")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The pair that may do everything, a key for a prefix, and one that reads."""
    home = tmp_path_factory.mktemp("keys")
    (home / "secret").write_text("secret-of-ci\n")
    (home / "settings.toml").write_text(KEYS.format(secret=home / "secret"))
    settings = CREDENTIALS | {"REPORTS_SECRET": "secret-of-reports"}
    with Server(home, settings, arguments=("--config", str(home / "settings.toml"))) as started:
        yield started


def client(server: Server, name: str) -> Any:
    session = boto3.Session(name, f"secret-of-{name}", region_name=REGION)
    return session.client("s3", endpoint_url=server.url)


def test_boto3(server: Server) -> None:
    admin, ci, reports = boto3_client(server), client(server, "ci"), client(server, "reports")
    admin.put_object(Bucket="default", Key="private", Body=b"private")
    ci.upload_file(__file__, "default", "ci/file")
    assert [each["Key"] for each in ci.list_objects_v2(Bucket="default", Prefix="ci/")["Contents"]] == [
        "ci/file"
    ]
    assert refused(ci.list_objects_v2, Bucket="default") == DENIED
    assert refused(ci.get_object, Bucket="default", Key="private") == DENIED
    assert refused(ci.copy_object, Bucket="default", Key="ci/x", CopySource="default/private") == DENIED
    assert refused(ci.create_bucket, Bucket="mine") == DENIED
    gone = ci.delete_objects(Bucket="default", Delete={"Objects": [{"Key": "ci/file"}, {"Key": "private"}]})
    assert [each["Key"] for each in gone["Deleted"]] == ["ci/file"]
    assert [(each["Key"], each["Code"]) for each in gone["Errors"]] == [("private", "AccessDenied")]
    assert reports.get_object(Bucket="default", Key="private")["Body"].read() == b"private"
    assert refused(reports.put_object, Bucket="default", Key="x", Body=os.urandom(1 << 20)) == DENIED
    for each in (admin, ci, reports):
        each.close()


def test_aws_cli(server: Server, tmp_path: Path) -> None:
    aws = AwsCli(server, tmp_path)
    aws.env |= {"AWS_ACCESS_KEY_ID": "ci", "AWS_SECRET_ACCESS_KEY": "secret-of-ci"}
    (tmp_path / "tree").mkdir()
    for name in ("a", "b"):
        (tmp_path / "tree" / name).write_bytes(os.urandom(9 << 20))
    aws("s3", "sync", tmp_path / "tree", "s3://default/ci/tree")
    assert aws("s3", "ls", "s3://default/ci/tree/").count("\n") == 2
    aws("s3", "sync", "s3://default/ci/tree", tmp_path / "back")
    assert (tmp_path / "back" / "b").read_bytes() == (tmp_path / "tree" / "b").read_bytes()
    assert "default" in aws("s3", "ls")
    assert "AccessDenied" in aws("s3", "ls", "s3://default/", fails=True)
    assert "AccessDenied" in aws("s3", "cp", tmp_path / "tree" / "a", "s3://default/elsewhere", fails=True)
    aws("s3", "rm", "--recursive", "s3://default/ci/")


def test_rclone(server: Server, tmp_path: Path) -> None:
    """It makes sure of its bucket by creating it, which a key for a prefix may not; it can be told not to."""
    rclone = need(shutil.which("rclone"), "rclone")
    (tmp_path / "file").write_bytes(os.urandom(1 << 20))
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path),
        "RCLONE_CONFIG_DG_TYPE": "s3",
        "RCLONE_CONFIG_DG_PROVIDER": "Other",
        "RCLONE_CONFIG_DG_ENDPOINT": server.url,
        "RCLONE_CONFIG_DG_ACCESS_KEY_ID": "ci",
        "RCLONE_CONFIG_DG_SECRET_ACCESS_KEY": "secret-of-ci",
    }

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [rclone, "--retries=1", "--low-level-retries=1", *arguments]
        return subprocess.run(
            command, env=environment, capture_output=True, text=True, timeout=60, check=False
        )

    refusal = run("copy", str(tmp_path / "file"), "dg:default/ci/rclone")
    assert refusal.returncode != 0
    assert "AccessDenied" in refusal.stderr
    environment["RCLONE_S3_NO_CHECK_BUCKET"] = "true"
    for what in ("copy", "check"):
        done = run(what, str(tmp_path / "file"), "dg:default/ci/rclone")
        assert done.returncode == 0, done.stderr
    done = run("purge", "dg:default/ci/rclone")
    assert done.returncode == 0, done.stderr


def test_the_log_names_keys_and_tells_no_secret(server: Server) -> None:
    reports = client(server, "reports")
    reports.list_buckets()
    reports.close()
    assert refused(client(server, "ci").get_object, Bucket="default", Key="x") == DENIED
    said = server.log.read_text()
    assert '"access_key": "reports"' in said
    assert '"access_key": "build server"' in said
    assert "secret-of-" not in said
    assert SECRET_KEY not in said
