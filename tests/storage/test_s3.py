# SPDX-License-Identifier: GPL-2.0-only
"""The S3 backend: the contract over moto and over SeaweedFS."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from dgproxy.storage.backend import Backend
from dgproxy.storage.s3 import S3Backend, Store
from dgproxy.storage.s3.blobs import PART
from dgproxy.storage.s3.keymap import LONGEST, encode
from tests.backends import over_store
from tests.storage import stores
from tests.storage.contract import BackendContract, get_blob, listings, put_blob


class S3Contract(BackendContract):
    longest_name = 50
    far_away = True

    def holds(self, key: str) -> bool:
        return len(encode(key).encode()) <= LONGEST

    async def test_an_upload_that_a_crash_left(self, backend: S3Backend, bucket: str) -> None:
        await put_blob(backend, bucket, "deltaspaces/1.bin", b"blob")
        blob = backend.stage_blob(bucket, "deltaspaces/a/2.bin")
        await (await blob.__aenter__()).append(bytes(PART + 1))  # and never left
        (left,) = await backend.list_staged(-60)
        assert left.key.endswith("2.bin!")
        await backend.remove_staged([left.key, left.key])
        assert await backend.list_staged(-60) == []
        assert await get_blob(backend, bucket, "deltaspaces/1.bin") == b"blob"
        await blob.__aexit__(None, None, None)


class TestMoto(S3Contract):
    @pytest.fixture
    async def backend(self, moto: Store, tmp_path: Path) -> AsyncIterator[Backend]:
        async with over_store(moto, tmp_path) as backend:
            yield backend

    # An example is some hundreds of requests.
    @listings(examples=1)
    async def test_listing_by_the_book(
        self, backend: Backend, names: list[str], prefix: str, delimiter: str, after: str, limit: int
    ) -> None:
        await self.list_by_the_book(backend, names, prefix, delimiter, after, limit)


class TestSeaweedFS(S3Contract):
    @pytest.fixture
    async def backend(self, seaweedfs: Store, tmp_path: Path) -> AsyncIterator[Backend]:
        async with over_store(seaweedfs, tmp_path) as backend:
            yield backend

    @listings(examples=4)
    async def test_listing_by_the_book(
        self, backend: Backend, names: list[str], prefix: str, delimiter: str, after: str, limit: int
    ) -> None:
        await self.list_by_the_book(backend, names, prefix, delimiter, after, limit)

    def holds(self, key: str) -> bool:
        names = encode(key).encode().split(b"/")
        return super().holds(key) and all(len(name) <= stores.SEAWEEDFS_NAME for name in names)
