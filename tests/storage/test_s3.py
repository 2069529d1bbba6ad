# SPDX-License-Identifier: GPL-2.0-only
"""The S3 backend: the contract over moto and over SeaweedFS."""

import itertools
import os
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from dgproxy.storage.backend import Backend
from dgproxy.storage.filesystem.locks import LockFile
from dgproxy.storage.s3 import Store, opened
from dgproxy.storage.s3.keymap import LONGEST, encode
from tests.storage import stores
from tests.storage.contract import BackendContract, listings

_prefixes = (f"t{number}-" for number in itertools.count())


@pytest.fixture(scope="module")
def moto(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    with stores.moto(tmp_path_factory.mktemp("moto")) as store:
        yield store


@pytest.fixture(scope="module")
def seaweedfs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    with stores.seaweedfs(tmp_path_factory.mktemp("seaweedfs")) as store:
        yield store


@pytest.fixture
def locks(tmp_path: Path) -> LockFile:
    (tmp_path / "locks").touch()
    return LockFile(bytes(tmp_path / "locks"))


class S3Contract(BackendContract):
    longest_name = 50

    def holds(self, key: str) -> bool:
        return len(encode(key).encode()) <= LONGEST

    # An example is some hundreds of requests.
    @listings(examples=8)
    async def test_listing_by_the_book(
        self, backend: Backend, names: list[str], prefix: str, delimiter: str, after: str, limit: int
    ) -> None:
        await self.list_by_the_book(backend, names, prefix, delimiter, after, limit)


# moto answers one request at a time, so this takes minutes; `make test-moto` runs it.
@pytest.mark.skipif("MOTO_CONTRACT" not in os.environ, reason="takes minutes: `make test-moto`")
class TestMoto(S3Contract):
    @pytest.fixture
    async def backend(self, moto: Store, locks: LockFile) -> AsyncIterator[Backend]:
        async with opened(replace(moto, bucket_prefix=next(_prefixes)), locks) as backend:
            yield backend


class TestSeaweedFS(S3Contract):
    @pytest.fixture
    async def backend(self, seaweedfs: Store, locks: LockFile) -> AsyncIterator[Backend]:
        async with opened(replace(seaweedfs, bucket_prefix=next(_prefixes)), locks) as backend:
            await backend.create_bucket("probe")
            await backend.probe("probe")
            await backend.delete_bucket("probe")
            yield backend

    def holds(self, key: str) -> bool:
        names = encode(key).encode().split(b"/")
        return super().holds(key) and all(len(name) <= stores.SEAWEEDFS_NAME for name in names)

    async def test_delete_bucket_or_write_record_wins_not_both(self, backend: Backend) -> None:
        pytest.skip("SeaweedFS looks into a bucket, and then deletes it")
