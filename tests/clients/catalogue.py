# SPDX-License-Identifier: GPL-2.0-only
"""Which clients there are, how each is started, and what each cannot do for reasons of its own.

A client that is not installed is skipped with the reason (in CI that is a failure: `make test` installs all
of them). What a client refuses before it asks the server is named here with the reason, so that the
table in `docs/S3_COMPATIBILITY.md` can tell it from what works.
"""

import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from tests.clients.driver import Client, Driver
from tests.clients.programs import AwsCli, Program, Rclone, S3cmd
from tests.system.clients import PROJECT, need
from tests.system.harness import Server

HERE = Path(__file__).parent
VENVS = PROJECT / ".venvs"

Start = Callable[[Server, Path, bool], Client]


def library(name: str, script: str, environment: str) -> Start:
    """A Python library, in the virtual environment that has it."""

    def start(server: Server, home: Path, signed: bool) -> Client:
        python = need(shutil.which(environment), f"{name} ({environment}, made by `make test`)")
        return Driver(name, [python, HERE / "drivers" / script], server, home, signed=signed)

    return start


def node(server: Server, home: Path, signed: bool) -> Client:
    """The AWS SDK for JavaScript."""
    program = need(shutil.which("node"), "Node.js")
    need(
        "there" if (HERE / "node" / "node_modules").is_dir() else None,
        "@aws-sdk/client-s3 (tests/clients/node/node_modules, made by `make test`)",
    )
    return Driver("aws-sdk-js", [program, HERE / "node" / "drive.mjs"], server, home, signed=signed)


def program(kind: type[Program], path: str) -> Start:
    """A command line client."""

    def start(server: Server, home: Path, signed: bool) -> Client:
        return kind(need(shutil.which(path), f"{kind.name} ({path})"), server, home, signed=signed)

    return start


@dataclass(frozen=True)
class Entry:
    """One client of the table."""

    start: Start
    #: Odd keys (the names in `steps.ODD_KEYS`) that the client itself won't send as they are -> why.
    not_sent: dict[str, str] = field(default_factory=dict)
    #: It starts so slowly that its odd keys go up and down as one tree of files where they can.
    by_tree: bool = False


CLIENTS: dict[str, Entry] = {
    "boto3": Entry(library("boto3", "drive_boto3.py", f"{VENVS}/boto3/bin/python")),
    "boto3-1.34": Entry(library("boto3-1.34", "drive_boto3.py", f"{VENVS}/boto3-1.34/bin/python")),
    "aws-cli": Entry(program(AwsCli, f"{VENVS}/awscli/bin/aws"), by_tree=True),
    "s3cmd": Entry(
        program(S3cmd, f"{VENVS}/clients/bin/s3cmd"),
        {
            "trailing slash": "a directory, not a file",
            "brackets": "`*` stands for any name in what it downloads",
        },
    ),
    "rclone": Entry(
        program(Rclone, "rclone"),
        {
            "double slash": "makes it one",
            "trailing slash": "a directory, not a file",
            "dot segments": "resolves them",
        },
    ),
    "minio-py": Entry(
        library("minio-py", "drive_minio.py", f"{VENVS}/clients/bin/python"),
        {"dot segments": "refuses them"},
    ),
    "obstore": Entry(
        library("obstore", "drive_obstore.py", f"{VENVS}/clients/bin/python"),
        {
            "double slash": "refuses it",
            "trailing slash": "leaves it out",
            "dot segments": "refuses them",
        },
    ),
    "pyarrow": Entry(
        library("pyarrow", "drive_pyarrow.py", f"{VENVS}/clients/bin/python"),
        {
            "double slash": "refuses it",
            "trailing slash": "a directory, not a file",
            "dot segments": "its HTTP library resolves them after signing: the signature can't match",
        },
    ),
    "s3fs": Entry(
        library("s3fs", "drive_s3fs.py", f"{VENVS}/clients/bin/python"),
        {"trailing slash": "leaves it out"},
    ),
    "aws-sdk-js": Entry(node),
}
