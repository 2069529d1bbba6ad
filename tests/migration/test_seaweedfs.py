# SPDX-License-Identifier: GPL-2.0-only
"""In from a real store, and out to it."""

from pathlib import Path

import boto3
import pytest

from dgproxy.migration.bucket import Bucket
from dgproxy.migration.exporting import Options, export_objects
from dgproxy.migration.moved import Moved
from dgproxy.migration.uploads import Uploads
from dgproxy.storage.s3.client import connected
from tests.engine.world import BUCKET
from tests.migration import theirs
from tests.migration.conftest import Gateway
from tests.migration.test_import import check, versions
from tests.storage import stores


@pytest.mark.skipif(theirs.XDELTA3 is None, reason="xdelta3: apt-get install xdelta3")
async def test_in_and_out(gateway: Gateway, tmp_path: Path) -> None:
    with stores.seaweedfs(tmp_path) as store:
        s3 = boto3.client(
            "s3",
            endpoint_url=store.endpoint,
            region_name=store.region,
            aws_access_key_id=store.access_key_id,
            aws_secret_access_key=store.secret_access_key,
        )
        for bucket in ("old", "new"):
            s3.create_bucket(Bucket=bucket)
        objects = versions(3) | {"big.bin": bytes(range(256)) * (80 << 10)}
        theirs.into_bucket(s3, "old", theirs.by_cli("app/", versions(3), {"notes.txt": b"hello"}))
        s3.put_object(Bucket="old", Key="app/big.bin", Body=objects["big.bin"], Tagging="a=b")
        expected = {f"app/{name}": data for name, data in (objects | {"notes.txt": b"hello"}).items()}
        async with connected(store) as client:
            await check(gateway, Bucket(client, "old"), expected)
            assert (await gateway.object("app/big.bin"))[1].attributes.tags == {"a": "b"}
            for outcome in ("stored", "same"):
                moved: list[Moved] = []
                target = Uploads(client, "new")
                await export_objects(gateway.world.engine, BUCKET, target, Options(really=True), moved.append)
                assert {each.key: each.outcome for each in moved} == dict.fromkeys(expected, outcome)
        for key, data in expected.items():
            assert s3.get_object(Bucket="new", Key=key)["Body"].read() == data
        s3.close()
