# SPDX-License-Identifier: GPL-2.0-only
"""Law 7 in the tests: a call in `dgproxy` that blocks the event loop fails the test it happens in.

And `backend`, for the tests of the engine and of the server.
"""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from blockbuster import BlockBuster

from dgproxy.storage.backend import Backend
from tests import backends

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


@pytest.fixture(params=backends.KINDS)
async def backend(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Backend]:
    """Each backend, with the bucket made."""
    async with backends.opened(request.param, tmp_path / "data") as opened:
        yield opened
