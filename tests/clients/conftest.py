# SPDX-License-Identifier: GPL-2.0-only
"""Fixtures of the client tests: servers with and without credentials, and every client in front of each.

Where stores are chosen (`tests.backends`), one more server in front of each of those.
"""

import contextlib
import os
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.clients.catalogue import CLIENTS
from tests.clients.steps import STEPS, UNSIGNED_STEPS, Scene
from tests.clients.table import Table, written_into
from tests.system import harness
from tests.system.clients import S3Client, boto3_client
from tests.system.conftest import empty, server_kinds, server_of
from tests.system.harness import Server

_table = Table()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what would be the same, or nothing, without credentials."""
    out = [
        item
        for item in items
        if isinstance(item, pytest.Function)
        and Path(__file__).parent in item.path.parents
        and item.callspec.params["server_kind"] == "without credentials"
        and item.callspec.params.get("step") not in UNSIGNED_STEPS
    ]
    config.hook.pytest_deselected(items=out)
    gone = set(out)
    items[:] = [item for item in items if item not in gone]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Each kind of server, for all tests here."""
    if "server_kind" in metafunc.fixturenames:
        metafunc.parametrize("server_kind", server_kinds(metafunc), scope="package")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Note the outcome for the table; show the servers' logs when a test failed."""
    report = yield
    if report.when == "call" or report.outcome != "passed":
        row, column = _cell(item)
        _table.add(row, column, report.outcome)
    if report.failed:
        report.sections += harness.logs()
    return report


def _cell(item: pytest.Item) -> tuple[str, str]:
    """Row and column of a test: client and step, or for a program its module and test."""
    assert isinstance(item, pytest.Function)
    params = item.callspec.params
    if "step" in params:
        return params["scene"], params["step"]
    return item.path.stem.removeprefix("test_"), item.originalname.removeprefix("test_").replace("_", " ")


def pytest_sessionfinish() -> None:
    """Write the table where the environment asks for it (`make clients`)."""
    if path := os.environ.get("CLIENTS_TABLE"):
        page = Path(path)
        page.write_text(written_into(page.read_text(), _table.render(CLIENTS, list(STEPS))))


@pytest.fixture(scope="session")
def versions() -> dict[str, str]:
    """Client -> what it says its name and version are, for the table."""
    return _table.versions


@pytest.fixture(scope="package")
def server(
    request: pytest.FixtureRequest, server_kind: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    with server_of(server_kind, tmp_path_factory.mktemp("server"), request.getfixturevalue) as started:
        yield started


@pytest.fixture(scope="package")
def oracle(server: Server) -> Iterator[S3Client]:
    """boto3, to see what the server has."""
    client = boto3_client(server)
    yield client
    client.close()


@pytest.fixture(scope="package", params=CLIENTS)
def scene(
    request: pytest.FixtureRequest,
    server: Server,
    oracle: S3Client,
    tmp_path_factory: pytest.TempPathFactory,
    versions: dict[str, str],
) -> Iterator[Scene]:
    """One client with a bucket of its own, which is emptied at the end: then no file may be left."""
    name: Any = request.param
    entry = CLIENTS[name]
    home = tmp_path_factory.mktemp(name)
    bucket = f"for-{name.replace('.', '-')}"
    with contextlib.closing(entry.start(server, home, server.authenticated)) as client:
        versions[name] = client.ask("version")
        oracle.create_bucket(Bucket=bucket)
        yield Scene(client, oracle, bucket, home, entry.not_sent, entry.by_tree, server.authenticated)
    empty(oracle, bucket)
    assert server.files(bucket) == {}, "deleting every object must leave no file behind"
    oracle.delete_bucket(Bucket=bucket)
