# SPDX-License-Identifier: GPL-2.0-only
"""Exports, to directories and a real S3 server: every byte, what goes with it, and nothing twice."""

import hashlib
import os
import random
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dgproxy.engine.manifest import Attributes, Manifest, Part
from dgproxy.engine.put import put_object
from dgproxy.migration.bucket import Bucket
from dgproxy.migration.directory import Directory
from dgproxy.migration.exporting import Options, export_objects
from dgproxy.migration.files import Files
from dgproxy.migration.moved import Moved
from dgproxy.migration.targets import Target, TargetError
from dgproxy.migration.uploads import Uploads, parts_of
from dgproxy.storage.s3 import Store
from dgproxy.storage.s3.client import Client, connected
from tests.engine.world import BUCKET, Sent
from tests.migration.conftest import Gateway

MIB = 1 << 20
DATA = {
    "app/v1.zip": random.Random(1).randbytes(300_000),
    "app/v2.zip": random.Random(1).randbytes(300_000) + b"more",
    "empty": b"",
    "notes.txt": b"hello",
    "ünïcode/ключ %+ 1": b"name",
}


@pytest.fixture
async def client(moto: Store) -> AsyncIterator[Client]:
    async with connected(moto) as client:
        yield client


async def put(gateway: Gateway, key: str, data: bytes, attributes: Attributes | None = None) -> Manifest:
    attributes = attributes or Attributes({"Content-Type": "text/x"})
    return await put_object(gateway.world.engine, BUCKET, key, Sent(data), attributes)


async def export(gateway: Gateway, target: Target, *, run: bool = True, **more: Any) -> dict[str, str]:
    moved: list[Moved] = []
    options = Options(really=run, **more)
    await export_objects(gateway.world.engine, BUCKET, target, options, moved.append)
    assert gateway.world.engine.budget.free == gateway.world.leasable
    return {each.key: each.outcome for each in moved}


def files_below(top: Path) -> set[str]:
    return {str(path.relative_to(top)) for path in top.rglob("*") if path.is_file()}


async def test_a_directory_and_back(gateway: Gateway, tmp_path: Path) -> None:
    manifests = {key: await put(gateway, key, data) for key, data in DATA.items()}
    await put(gateway, "folder/", b"")
    top = tmp_path / "out"
    dry = await export(gateway, Files(top), run=False)
    assert not top.exists()
    assert dry == await export(gateway, Files(top)) == dict.fromkeys([*DATA, "folder/"], "stored")
    assert files_below(top) == set(DATA)
    assert (top / "folder").is_dir()
    for key, data in DATA.items():
        assert (top / key).read_bytes() == data
        assert (top / key).stat().st_mtime_ns // 1_000_000 == manifests[key].created
    for checksum in (False, True):
        again = await export(gateway, Files(top), checksum=checksum)
        assert again == dict.fromkeys([*DATA, "folder/"], "same")
    back = await gateway.take(Directory(top))
    assert {each.outcome for each in back} == {"same"}


async def test_a_directory_where_something_else_is(gateway: Gateway, tmp_path: Path) -> None:
    await put(gateway, "x", b"object")
    await put(gateway, "y", b"object")
    (tmp_path / "x").write_bytes(b"theirs")
    (tmp_path / "y").write_bytes(b"a longer one")
    os.utime(tmp_path / "x", (1, 1))
    assert await export(gateway, Files(tmp_path), run=False) == {"x": "unsure", "y": "differs"}
    assert await export(gateway, Files(tmp_path)) == {"x": "differs", "y": "differs"}
    assert (tmp_path / "x").read_bytes() == b"theirs"
    assert await export(gateway, Files(tmp_path), overwrite=True) == {"x": "stored", "y": "stored"}
    assert (tmp_path / "x").read_bytes() == (tmp_path / "y").read_bytes() == b"object"
    os.utime(tmp_path / "x", (1, 1))
    assert await export(gateway, Files(tmp_path)) == {"x": "same", "y": "same"}, "by its bytes"


async def test_keys_that_no_file_can_have(gateway: Gateway, tmp_path: Path) -> None:
    bad = ["../out", "a//b", "/root", "a/./b", "n" * 256, "nul\0", "f/", "d/e", "..", "d/e/f"]
    for key in bad:
        await put(gateway, key, b"x")
    top = tmp_path / "in" / "deep"
    outcomes = await export(gateway, Files(top), at_once=1)
    assert outcomes.pop("d/e") == "stored"
    assert outcomes == dict.fromkeys([key for key in bad if key != "d/e"], "failed")
    assert files_below(tmp_path) == {"in/deep/d/e"}


async def test_a_bucket(gateway: Gateway, s3: Any, bucket: str, client: Client) -> None:
    described = Attributes(
        {
            "Content-Type": "text/x",
            "Cache-Control": "max-age=5",
            "Content-Disposition": "attachment",
            "Expires": "Wed, 21 Oct 2026 07:28:00 GMT",
        },
        {"build": "7", "who": "Zoë"},
        {"stage": "done", "x": "a b"},
    )
    for key, data in DATA.items():
        await put(gateway, key, data, described)
    big = random.Random(3).randbytes(17 * MIB)
    await put(gateway, "big.zip", big, described)
    keys = [*DATA, "big.zip"]
    target = Uploads(client, bucket, "to/")
    dry = await export(gateway, target, run=False)
    assert dry == await export(gateway, target) == dict.fromkeys(keys, "stored")
    for key, data in [*DATA.items(), ("big.zip", big)]:
        answer = s3.get_object(Bucket=bucket, Key=f"to/{key}")
        assert answer["Body"].read() == data
        assert answer["ContentType"] == "text/x"
        assert answer["CacheControl"] == "max-age=5"
        assert answer["ExpiresString"] == "Wed, 21 Oct 2026 07:28:00 GMT"
        assert answer["Metadata"]["build"] == "7"
        tags = s3.get_object_tagging(Bucket=bucket, Key=f"to/{key}")["TagSet"]
        assert {each["Key"]: each["Value"] for each in tags} == {"stage": "done", "x": "a b"}
    assert await export(gateway, target, run=False) == dict.fromkeys(DATA, "same") | {"big.zip": "unsure"}
    assert await export(gateway, target) == dict.fromkeys(keys, "same")
    s3.put_object(Bucket=bucket, Key="to/notes.txt", Body=b"HELLO")
    assert (await export(gateway, target))["notes.txt"] == "differs"
    assert (await export(gateway, target, overwrite=True))["notes.txt"] == "stored"
    back = await gateway.take(Bucket(client, bucket, "to/"), prefix="back/")
    assert {each.outcome for each in back} == {"stored"}
    _, manifest = await gateway.object("back/to/notes.txt")
    assert manifest.attributes == described


async def test_a_bucket_that_is_not_there(client: Client) -> None:
    with pytest.raises(TargetError):
        await Uploads(client, "there-is-none").require()


async def test_an_upload_that_fails_is_aborted(
    gateway: Gateway, s3: Any, bucket: str, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    await put(gateway, "big.zip", bytes(17 * MIB))
    call = Client.call

    async def refusing(self: Client, operation: str, *more: Any, **arguments: Any) -> Any:
        if operation == "upload_part" and arguments["PartNumber"] == 2:
            arguments["ContentMD5"] = "AAAAAAAAAAAAAAAAAAAAAA=="
            arguments["UploadId"] = "none"
        return await call(self, operation, *more, **arguments)

    monkeypatch.setattr(Client, "call", refusing)
    assert await export(gateway, Uploads(client, bucket)) == {"big.zip": "failed"}
    assert "Contents" not in s3.list_objects_v2(Bucket=bucket)
    assert "Uploads" not in s3.list_multipart_uploads(Bucket=bucket)


async def test_a_damaged_object_leaves_the_others(gateway: Gateway, tmp_path: Path) -> None:
    await put(gateway, "bad", b"x")
    await put(gateway, "good", b"x")
    backend = gateway.world.engine.backend
    record = await backend.read_record(BUCKET, "objects/bad")
    await backend.write_record(BUCKET, "objects/bad", record.data[:-1], expect=record.version)
    assert await export(gateway, Files(tmp_path)) == {"bad": "failed", "good": "stored"}


@given(
    st.integers(0, 5 << 40),
    st.lists(st.integers(1, 5 << 30), max_size=4),
)
def test_parts_are_what_s3_takes(size: int, sizes: list[int]) -> None:
    size = sum(sizes) if sizes else size
    manifest = Manifest(
        format=1,
        key="k",
        generation="",
        size=size,
        etag=hashlib.md5(b"").hexdigest(),
        created=0,
        storage="direct",
        parts=tuple(Part(number, each) for number, each in enumerate(sizes, 1)),
    )
    parts = parts_of(manifest)
    assert sum(parts) == (size if parts else 0)
    assert len(parts) <= 10_000
    assert all(each >= 5 * MIB for each in parts[:-1])
    assert all(0 < each <= 5 << 30 for each in parts)
    assert parts or size <= 16 * MIB
