# SPDX-License-Identifier: GPL-2.0-only
"""Law 7 in the tests: a call in `dgproxy` that blocks the event loop fails the test it happens in.

And `backend`, for the tests of the engine and of the server, and the stores that some of them need.
"""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from blockbuster import BlockBuster

from dgproxy.storage.backend import Backend
from dgproxy.storage.s3 import Store
from tests import backends
from tests.storage import stores

#: Where everything runs on an event loop; the other tests start servers of their own, or none.
_WATCHED = tuple(Path(__file__).with_name(name) for name in ("engine", "http", "storage"))

_watch = BlockBuster("dgproxy")
for _function in _watch.functions.values():
    # Opening a data directory belongs to the start of a server, before its loop has anything to do.
    _function.can_block_in("dgproxy/storage/filesystem/layout.py", "open_layout")
    # So does making a client of an object store, which reads its description of the API.
    _function.can_block_in("dgproxy/storage/s3/client.py", "connected")


@pytest.fixture(autouse=True)
def _nothing_blocks_the_loop(request: pytest.FixtureRequest) -> Iterator[None]:
    """Raise BlockingError where the engine, the server or a backend blocks the loop of its test."""
    if not any(directory in request.path.parents for directory in _WATCHED):
        yield
        return
    _watch.activate()
    try:
        yield
    finally:
        _watch.deactivate()


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "over(*kinds): run over these backends, too (tests.backends)")
    config.addinivalue_line("markers", "with_credentials: on no server that is open to all (tests/system)")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run what uses `backend` over each kind that is chosen."""
    if "backend_kind" in metafunc.fixturenames:
        metafunc.parametrize("backend_kind", backends.chosen(metafunc))


@pytest.fixture
async def backend(
    request: pytest.FixtureRequest, backend_kind: str, tmp_path: Path
) -> AsyncIterator[Backend]:
    """Each backend, with the bucket made."""
    async with backends.opened(backend_kind, tmp_path, request.getfixturevalue) as opened:
        yield opened


@pytest.fixture(scope="session")
def moto(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """A moto for all tests of a process."""
    with stores.moto(tmp_path_factory.mktemp("moto")) as store:
        yield store


@pytest.fixture(scope="session")
def seaweedfs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """A SeaweedFS for all tests of a process."""
    with stores.seaweedfs(tmp_path_factory.mktemp("seaweedfs")) as store:
        yield store
