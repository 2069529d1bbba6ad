# SPDX-License-Identifier: GPL-2.0-only
"""Fixtures of the system tests: servers with and without credentials, and a bucket that must end up empty."""

import itertools
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from dgproxy.storage.s3 import Store
from tests import backends
from tests.system import harness
from tests.system.clients import AwsCli, S3Client, boto3_client
from tests.system.harness import CREDENTIALS, SETTINGS, Server
from tests.system.in_store import ServerInStore

_numbers = itertools.count(1)

#: Tests compare what is stored before a step and after it: nothing else may change that meanwhile.
_AS_UPLOADED = {"DELTAGLIDER_PROXY_OPTIMIZER": "false"}


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show the log of every server that was alive when a test failed."""
    report = yield
    if report.failed:
        report.sections += harness.logs()
    return report


@pytest.fixture(autouse=True)
def no_server_outlives_its_test() -> Iterator[None]:
    """A test that fails between start and stop leaves no process behind."""
    before = set(harness.running)
    yield
    for server in set(harness.running) - before:
        server.kill()


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Each kind of server: see `server_kinds`."""
    if "server_kind" in metafunc.fixturenames:
        metafunc.parametrize("server_kind", server_kinds(metafunc), scope="module")


def server_kinds(metafunc: pytest.Metafunc) -> list[str]:
    """Servers on a disk, with credentials and without, and one in front of each store that is chosen."""
    stores = [kind for kind in backends.chosen(metafunc) if kind in backends.STORES]
    signed_only = metafunc.definition.get_closest_marker("with_credentials")
    local = ["with credentials"] if signed_only else list(SETTINGS)
    return local + stores


@contextmanager
def server_of(kind: str, home: Path, store_of: Callable[[str], Store]) -> Iterator[Server]:
    """A server of this kind for the block; `store_of` gives the store of a name."""
    if kind in SETTINGS:
        with Server(home, {**_AS_UPLOADED, **SETTINGS[kind]}) as started:
            yield started
        return
    prefix = f"s{next(_numbers)}-"
    settings = {**_AS_UPLOADED, **CREDENTIALS}
    with ServerInStore(home, store_of(kind), prefix, settings) as started:
        yield started
        started.close()


@pytest.fixture(scope="module")
def server(
    request: pytest.FixtureRequest, server_kind: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    """A server for all tests of a module."""
    with server_of(server_kind, tmp_path_factory.mktemp("server"), request.getfixturevalue) as started:
        yield started


@pytest.fixture(scope="module")
def s3(server: Server) -> Iterator[S3Client]:
    """boto3 with default settings. A server without credentials takes signed requests as they are."""
    client = boto3_client(server)
    yield client
    client.close()


@pytest.fixture
def aws(server: Server, tmp_path: Any) -> AwsCli:
    """aws-cli; unsigned where the server has no credentials."""
    return AwsCli(server, tmp_path, signed=server.authenticated)


@pytest.fixture
def bucket(server: Server, s3: S3Client) -> Iterator[str]:
    """A new bucket. After the test everything in it is deleted by its own API: then no file may be left."""
    name = f"test-{next(_numbers):03d}"
    s3.create_bucket(Bucket=name)
    yield name
    empty(s3, name)
    assert server.files(name) == {}, "deleting every object must leave no file behind"
    s3.delete_bucket(Bucket=name)
    assert name not in server.buckets()


def empty(s3: S3Client, bucket: str) -> None:
    """Delete every object and abort every upload of a bucket."""
    for page in s3.get_paginator("list_multipart_uploads").paginate(Bucket=bucket):
        for upload in page.get("Uploads", ()):
            s3.abort_multipart_upload(Bucket=bucket, Key=upload["Key"], UploadId=upload["UploadId"])
    for listing in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket):
        if listing.get("Contents"):
            keys = [{"Key": item["Key"]} for item in listing["Contents"]]
            assert "Errors" not in s3.delete_objects(Bucket=bucket, Delete={"Objects": keys, "Quiet": True})
