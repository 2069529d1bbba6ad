# SPDX-License-Identifier: GPL-2.0-only
"""Who is let in: the right key and secret, nobody else; everybody where no credentials are configured."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from botocore.exceptions import ClientError

from tests.system.clients import AwsCli, boto3_client
from tests.system.conftest import empty
from tests.system.harness import ACCESS_KEY, CREDENTIALS, Server, eventually
from tests.system.test_boto3 import refused


@pytest.fixture(scope="module")
def closed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with Server(tmp_path_factory.mktemp("closed"), CREDENTIALS) as server:
        yield server


@pytest.fixture(scope="module")
def open_to_all(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with Server(tmp_path_factory.mktemp("open")) as server:
        yield server


def test_default_bucket_exists(closed: Server, open_to_all: Server) -> None:
    for server in (closed, open_to_all):
        client = boto3_client(server)
        assert [bucket["Name"] for bucket in client.list_buckets()["Buckets"]] == ["default"]
        client.close()


@pytest.mark.parametrize(
    ("access_key", "secret_key", "code"),
    [
        (ACCESS_KEY, "wrong", "SignatureDoesNotMatch"),
        ("AKIAUNKNOWN", CREDENTIALS["DELTAGLIDER_PROXY_SECRET_ACCESS_KEY"], "InvalidAccessKeyId"),
        (None, None, "AccessDenied"),
    ],
)
def test_refused(closed: Server, access_key: str | None, secret_key: str | None, code: str) -> None:
    client = boto3_client(closed, access_key=access_key, secret_key=secret_key)
    assert refused(client.list_buckets) == (403, code)
    assert refused(client.list_objects_v2, Bucket="default") == (403, code)
    assert refused(client.put_object, Bucket="default", Key="x.zip", Body=b"x" * 100_000) == (403, code)
    assert refused(client.get_object, Bucket="default", Key="x.zip") == (403, code), (
        "not even that it is absent"
    )
    assert refused(client.head_bucket, Bucket="no-such-bucket") == (403, "403")
    client.close()
    assert closed.files("default") == {}
    assert closed.staged() == []


def test_aws_cli_is_told_why(closed: Server, tmp_path: Path) -> None:
    aws = AwsCli(closed, tmp_path)
    assert "default" in aws("s3", "ls")
    aws.env["AWS_SECRET_ACCESS_KEY"] = "wrong"
    assert "SignatureDoesNotMatch" in aws("s3", "ls", fails=True)
    assert "AccessDenied" in AwsCli(closed, tmp_path, signed=False)("s3", "ls", fails=True)


@pytest.mark.parametrize("access_key", [None, ACCESS_KEY, "AKIAANYBODY"])
def test_open_server_takes_everybody(open_to_all: Server, access_key: str | None) -> None:
    client = boto3_client(open_to_all, access_key=access_key, secret_key="whatever" if access_key else None)
    client.put_object(Bucket="default", Key="x.zip", Body=b"x" * 100_000)
    assert client.get_object(Bucket="default", Key="x.zip")["Body"].read() == b"x" * 100_000
    empty(client, "default")
    client.close()


UNKNOWN = {"InvalidAccessKeyId"}


def test_keys_are_read_again_on_sighup(tmp_path: Path) -> None:
    """Without a restart, in every worker and in those to come; what can't be used is not."""
    file = tmp_path / "settings.toml"

    def say(*keys: str) -> None:
        file.write_text(
            "".join(f'[[keys]]\naccess_key_id = "{key}"\nsecret_access_key = "s"\n' for key in keys)
        )
        file.chmod(0o600)

    def says_to(key: str) -> set[str]:
        """The errors of several workers, "" for none; each call is a connection of its own."""
        errors = set()
        for _ in range(4):
            client = boto3_client(server, access_key=key, secret_key="s")
            try:
                client.list_buckets()
                errors.add("")
            except ClientError as error:
                errors.add(error.response["Error"]["Code"])
            finally:
                client.close()
        return errors

    say("OLD", "BOTH")
    with Server(tmp_path, {"DELTAGLIDER_PROXY_WORKERS": "2"}, arguments=("-c", str(file))) as server:
        processes = {process.pid for process in server.members()}
        assert (says_to("OLD"), says_to("BOTH"), says_to("NEW")) == ({""}, {""}, UNKNOWN)
        say("BOTH", "NEW")
        server.send_signal(signal.SIGHUP)
        eventually(lambda: says_to("OLD") == UNKNOWN and says_to("NEW") == {""}, "the new keys sign")
        assert says_to("BOTH") == {""}
        file.write_text("[[keys]]\naccess_key_id = 5")
        server.send_signal(signal.SIGHUP, group=True)
        eventually(
            lambda: "what is said now is wrong" in server.tail(), "the log says that they can't be read"
        )
        assert says_to("NEW") == {""}
        assert {process.pid for process in server.members()} == processes, "nobody was started again"
        workers = processes - {server.process.pid if server.process else 0}
        os.kill(min(workers), signal.SIGKILL)
        eventually(lambda: len(list(server.members())) == 3 and says_to("NEW") == {""}, "another worker")
        assert says_to("OLD") == UNKNOWN
