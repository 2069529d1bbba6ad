# SPDX-License-Identifier: GPL-2.0-only
"""The clients people use, with the settings they come with: boto3 and the real aws-cli.

The aws-cli is the one from PyPI in its own virtual environment (`.venvs/awscli`, which `make test` builds),
because it pins another botocore than the tests use. Nothing here is tuned for our server, but for the
endpoint, the region and credentials, which everybody has to give.
"""

import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import boto3
import botocore
import pytest
from botocore.config import Config

from tests.system.harness import ACCESS_KEY, SECRET_KEY, Server

PROJECT = Path(__file__).resolve().parents[2]
REGION = "us-east-1"

#: boto3 makes the class of its clients at run time.
S3Client = Any


def need(found: str | None, what: str) -> str:
    """A tool's path; without it the test is skipped on a developer's machine and fails in CI."""
    if found is not None:
        return found
    if os.environ.get("CI"):
        pytest.fail(f"CI must have {what}")
    pytest.skip(f"{what} is not installed")


def boto3_client(
    server: Server,
    *,
    access_key: str | None = ACCESS_KEY,
    secret_key: str | None = SECRET_KEY,
    **changed: Any,
) -> S3Client:
    """A boto3 client with default settings but those `changed`; `access_key=None` sends unsigned requests."""
    if access_key is None:
        changed["signature_version"] = botocore.UNSIGNED
    session = boto3.Session(
        aws_access_key_id=access_key, aws_secret_access_key=secret_key, region_name=REGION
    )
    return session.client("s3", endpoint_url=server.url, config=Config(**changed) if changed else None)


def get(s3: S3Client, bucket: str, key: str, **more: Any) -> Any:
    """GetObject, its body read to the end: `Body` is bytes."""
    answer = s3.get_object(Bucket=bucket, Key=key, **more)
    with answer["Body"] as stream:
        answer["Body"] = stream.read()
    return answer


class AwsCli:
    """Runs `aws s3 …` against one server, with an empty home directory."""

    def __init__(self, server: Server, home: Path, *, signed: bool = True):
        program = os.environ.get("AWS_CLI") or PROJECT / ".venvs" / "awscli" / "bin" / "aws"
        self.program = need(shutil.which(program), "aws-cli (.venvs/awscli, built by `make test`)")
        self.server = server
        self.options = () if signed else ("--no-sign-request",)
        self.env = {
            "PATH": os.environ["PATH"],
            "HOME": str(home),
            "AWS_DEFAULT_REGION": REGION,
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_ENDPOINT_URL": server.url,
        }
        if signed:
            self.env |= {"AWS_ACCESS_KEY_ID": ACCESS_KEY, "AWS_SECRET_ACCESS_KEY": SECRET_KEY}

    def __call__(self, *arguments: str | Path, fails: bool = False) -> str:
        """Run `aws <arguments>`; its standard output, or its standard error when it is meant to fail."""
        done = subprocess.run(
            [self.program, *self.options, *map(str, arguments)],
            env=self.env,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=110,
            check=False,
        )
        said = f"aws {' '.join(map(str, arguments))}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        assert (done.returncode != 0) == fails, said
        return done.stderr if fails else done.stdout
