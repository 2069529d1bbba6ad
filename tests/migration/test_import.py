# SPDX-License-Identifier: GPL-2.0-only
"""Imports, from directories and a real S3 server: every byte, what goes with it, and nothing twice."""

import bz2
import gzip
import hashlib
import lzma
import os
import random
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from dgproxy.migration.bucket import Bucket
from dgproxy.migration.directory import Directory
from dgproxy.migration.places import SourceError
from dgproxy.storage.s3 import Store
from dgproxy.storage.s3.client import Client, connected
from tests.migration import theirs
from tests.migration.conftest import Gateway

needs_xdelta3 = pytest.mark.skipif(theirs.XDELTA3 is None, reason="xdelta3: apt-get install xdelta3")

SIZE = 200_000


def versions(count: int, seed: int = 1) -> dict[str, bytes]:
    """Like the last one, a little different each."""
    rng = random.Random(seed)
    data, found = bytearray(rng.randbytes(SIZE)), {}
    for number in range(count):
        data[number * 1000 : number * 1000 + 50] = rng.randbytes(50)
        found[f"v{number}.zip"] = bytes(data)
    return found


@pytest.fixture
async def client(moto: Store) -> AsyncIterator[Client]:
    async with connected(moto) as client:
        yield client


# -- plain objects -----------------------------------------------------------------------------------------


async def test_a_directory(gateway: Gateway, tmp_path: Path) -> None:
    top = tmp_path / "files"
    (top / "app").mkdir(parents=True)
    for name, data in versions(3).items():
        (top / "app" / name).write_bytes(data)
    (top / "app/v1.zip").touch()
    (top / "empty").touch()
    (top / "notes.txt").write_text("hello")
    (top / "link").symlink_to("notes.txt")
    os.utime(top / "notes.txt", (1_500_000_000, 1_500_000_000.5))
    assert {each.outcome for each in await gateway.take(Directory(top), run=False)} == {"stored"}
    assert await gateway.keys() == [], "a dry run"
    await gateway.take(Directory(top))
    assert await gateway.keys() == ["app/v0.zip", "app/v1.zip", "app/v2.zip", "empty", "notes.txt"]
    for name, data in versions(3).items():
        found, manifest = await gateway.object(f"app/{name}")
        assert found == data
        assert manifest.etag == hashlib.md5(data).hexdigest()
        assert manifest.attributes.headers == {"Content-Type": "application/zip"}
    _, notes = await gateway.object("notes.txt")
    assert notes.created == 1_500_000_000_500
    assert notes.attributes.headers == {"Content-Type": "text/plain"}
    assert {each.outcome for each in await gateway.take(Directory(top))} == {"same"}


async def test_history_decides_about_references(gateway: Gateway, tmp_path: Path) -> None:
    """The oldest is the reference, whatever its name."""
    for number, (name, data) in enumerate(versions(3).items()):
        (tmp_path / name).write_bytes(data)
        os.utime(tmp_path / name, (1_500_000_000 - number, 1_500_000_000 - number))
    await gateway.take(Directory(tmp_path), at_once=1)
    storage = [(await gateway.object(f"v{number}.zip"))[1].storage for number in range(3)]
    assert storage == ["delta", "delta", "direct"]


async def test_a_bucket(gateway: Gateway, s3: Any, bucket: str, client: Client) -> None:
    s3.put_object(
        Bucket=bucket,
        Key="a/b c+%.txt",
        Body=b"text",
        ContentType="text/x",
        CacheControl="max-age=5",
        ContentDisposition="attachment",
        Expires="Wed, 21 Oct 2026 07:28:00 GMT",
        Metadata={"build": "7"},
        Tagging="stage=done&x=a%20b",
    )
    s3.put_object(Bucket=bucket, Key="empty")
    s3.put_object(Bucket=bucket, Key="directory/")
    big = random.Random(3).randbytes(6 << 20)
    upload = s3.create_multipart_upload(Bucket=bucket, Key="big.zip")
    place = {"Bucket": bucket, "Key": "big.zip", "UploadId": upload["UploadId"]}
    parts = [
        {"PartNumber": number, "ETag": s3.upload_part(**place, PartNumber=number, Body=data)["ETag"]}
        for number, data in enumerate([big[: 5 << 20], big[5 << 20 :]], 1)
    ]
    s3.complete_multipart_upload(**place, MultipartUpload={"Parts": parts})
    await gateway.take(Bucket(client, bucket))
    data, manifest = await gateway.object("a/b c+%.txt")
    assert data == b"text"
    assert manifest.attributes.headers == {
        "Content-Type": "text/x",
        "Cache-Control": "max-age=5",
        "Content-Disposition": "attachment",
        "Expires": "Wed, 21 Oct 2026 07:28:00 GMT",
    }
    assert manifest.attributes.metadata == {"build": "7"}
    assert manifest.attributes.tags == {"stage": "done", "x": "a b"}
    head = s3.head_object(Bucket=bucket, Key="a/b c+%.txt")
    assert manifest.created == round(head["LastModified"].timestamp() * 1000)
    assert (await gateway.object("big.zip"))[0] == big
    assert (await gateway.object("directory/"))[0] == b""
    assert {each.outcome for each in await gateway.take(Bucket(client, bucket))} == {"same"}
    compared = await gateway.take(Bucket(client, bucket), checksum=True)
    assert {each.outcome for each in compared} == {"same"}, "the bytes were compared, as the etag can't be"


async def test_a_listing_of_several_pages_and_a_prefix(
    gateway: Gateway, s3: Any, bucket: str, client: Client
) -> None:
    for number in range(1005):
        s3.put_object(Bucket=bucket, Key=f"many/{number}", Body=b"x")
    s3.put_object(Bucket=bucket, Key="other", Body=b"x")
    moved = await gateway.take(Bucket(client, bucket, "many/1"), prefix="in/")
    assert sorted(each.key for each in moved) == sorted(
        f"in/many/{number}" for number in range(1005) if str(number).startswith("1")
    )


async def test_what_differs_stays(gateway: Gateway, tmp_path: Path) -> None:
    for checksum in (False, True):
        (tmp_path / "x.zip").write_bytes(b"one")
        await gateway.take(Directory(tmp_path), overwrite=True)
        status = (tmp_path / "x.zip").stat()
        (tmp_path / "x.zip").write_bytes(b"two")
        dry = await gateway.take(Directory(tmp_path), run=False)
        assert [each.outcome for each in dry] == ["unsure"], "of the same size, and nothing read"
        [moved] = await gateway.take(Directory(tmp_path), checksum=checksum)
        assert moved.outcome == "differs"
        assert (await gateway.object("x.zip"))[0] == b"one"
        os.utime(tmp_path / "x.zip", ns=(status.st_atime_ns, status.st_mtime_ns))
        [moved] = await gateway.take(Directory(tmp_path), checksum=checksum)
        assert moved.outcome == ("differs" if checksum else "same"), "size and date, as rsync has it"
        os.utime(tmp_path / "x.zip")
        [moved] = await gateway.take(Directory(tmp_path), overwrite=True)
        assert moved.outcome == "stored"
        assert (await gateway.object("x.zip"))[0] == b"two"


async def test_one_bad_object_leaves_the_others(gateway: Gateway, tmp_path: Path) -> None:
    (tmp_path / "good.zip").write_bytes(b"good")
    directory = tmp_path
    for _ in range(5):
        directory = directory / ("d" * 250)
        directory.mkdir()
    long = directory / "x"
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.close(os.open("x", os.O_CREAT | os.O_WRONLY, dir_fd=descriptor))
    finally:
        os.close(descriptor)
    assert long.exists()
    (tmp_path / os.fsdecode(b"\xff.zip")).write_bytes(b"")
    moved = await gateway.take(Directory(tmp_path))
    assert sorted(each.outcome for each in moved) == ["failed", "failed", "stored"]
    assert all(each.why for each in moved if each.outcome == "failed")
    assert await gateway.keys() == ["good.zip"]


async def test_a_place_that_can_not_be_listed(gateway: Gateway, client: Client, tmp_path: Path) -> None:
    with pytest.raises(SourceError):
        await gateway.take(Bucket(client, "there-is-none"))
    with pytest.raises(SourceError):
        await gateway.take(Directory(tmp_path / "none"))


async def test_an_etag_that_is_not_the_bytes(
    gateway: Gateway, s3: Any, bucket: str, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Bytes that changed on the way are not stored; unless ETags mean nothing, then nothing tells."""
    s3.put_object(Bucket=bucket, Key="x", Body=b"right")
    call = Client.call

    async def flipped(self: Client, operation: str, *more: Any, **arguments: Any) -> Any:
        answer = await call(self, operation, *more, **arguments)
        if operation == "get_object":
            answer["Body"] = _Wrong(answer["Body"])
        return answer

    monkeypatch.setattr(Client, "call", flipped)
    [moved] = await gateway.take(Bucket(client, bucket))
    assert moved.outcome == "failed"
    assert "ETag" in moved.why
    assert await gateway.keys() == []
    [moved] = await gateway.take(Bucket(client, bucket, etags=False))
    assert moved.outcome == "stored"


class _Wrong:
    """A body with its first byte flipped."""

    def __init__(self, body: Any) -> None:
        self._body = body
        self.close = body.close

    async def read(self, size: int) -> bytes:
        data = await self._body.read(size)
        return bytes([data[0] ^ 1]) + data[1:] if data else data


async def test_a_connection_that_breaks(
    gateway: Gateway, s3: Any, bucket: str, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The transfer goes on from there."""
    monkeypatch.setattr("dgproxy.migration.bucket._PAUSE", 0)
    data = random.Random(8).randbytes(3 << 20)
    s3.put_object(Bucket=bucket, Key="x", Body=data)
    call, asked, sent = Client.call, list[str | None](), list[int]()

    async def breaking(self: Client, operation: str, *more: Any, **arguments: Any) -> Any:
        answer = await call(self, operation, *more, **arguments)
        if operation == "get_object":
            asked.append(arguments.get("Range"))
            if len(asked) < 3:
                answer["Body"] = _Short(answer["Body"], sent)
        return answer

    monkeypatch.setattr(Client, "call", breaking)
    [moved] = await gateway.take(Bucket(client, bucket))
    assert (moved.outcome, moved.why) == ("stored", "")
    assert asked == [None, f"bytes={sent[0]}-", f"bytes={sum(sent)}-"]
    assert (await gateway.object("x"))[0] == data


class _Short:
    """A body that ends after the first read."""

    def __init__(self, body: Any, sent: list[int]) -> None:
        self._body = body
        self._sent = sent
        self._reads = 1
        self.close = body.close

    async def read(self, size: int) -> bytes:
        self._reads -= 1
        if self._reads < 0:
            raise ConnectionResetError("the line is dead")
        data = bytes(await self._body.read(size))
        self._sent.append(len(data))
        return data


# -- DeltaGlider's stores ----------------------------------------------------------------------------------


async def check(gateway: Gateway, place: Any, expected: dict[str, bytes], **more: Any) -> None:
    """Import a place, and it has exactly these objects, then and after a second time."""
    dry = await gateway.take(place, run=False, **more)
    moved = await gateway.take(place, **more)
    assert [(each.key, each.outcome, each.why) for each in moved] == [
        (key, "stored", "") for key in sorted(expected)
    ]
    assert [(each.key, each.outcome, each.size) for each in dry] == [
        (key, "stored", len(expected[key])) for key in sorted(expected)
    ]
    assert await gateway.keys() == sorted(expected)
    for key, data in expected.items():
        assert (await gateway.object(key))[0] == data
    assert {each.outcome for each in await gateway.take(place, **more)} == {"same"}


@needs_xdelta3
async def test_the_cli_in_a_bucket(gateway: Gateway, s3: Any, bucket: str, client: Client) -> None:
    objects, direct = versions(3), {"v1.zip.sha1": b"abc"}
    theirs.into_bucket(s3, bucket, theirs.by_cli("rel/app/", objects, direct))
    theirs.into_bucket(s3, bucket, theirs.by_cli("", versions(2, seed=2)))
    expected = {f"rel/app/{name}": data for name, data in (objects | direct).items()}
    await check(gateway, Bucket(client, bucket), expected | versions(2, seed=2))
    _, manifest = await gateway.object("rel/app/v1.zip")
    assert manifest.created == theirs.CREATED_MS
    assert manifest.attributes.headers == {"Content-Type": "application/zip"}
    assert manifest.attributes.metadata == {}
    assert manifest.storage == "delta"


@needs_xdelta3
@pytest.mark.parametrize("options", [(), ("-S", "djw"), ("-S", "fgk"), ("-S", "none"), ("-A",)])
async def test_the_proxy_in_a_bucket(
    gateway: Gateway, s3: Any, bucket: str, client: Client, options: tuple[str, ...]
) -> None:
    objects, direct = versions(3), {"notes.txt": b"x" * 10_000}
    stored = theirs.by_proxy("app/", objects, direct, *options, user={"build": "7"})
    theirs.into_bucket(s3, bucket, stored)
    s3.put_object(Bucket=bucket, Key=".dg/facts/app/v1.zip.delta!!1.e.5.9.e")
    expected = {f"app/{name}": data for name, data in (objects | direct).items()}
    await check(gateway, Bucket(client, bucket), expected)
    for key in expected:
        _, manifest = await gateway.object(key)
        assert manifest.attributes.headers == {"Content-Type": "application/x-thing"}
        assert manifest.attributes.metadata == {"build": "7"}


@needs_xdelta3
@pytest.mark.parametrize("suffix", ["", ".direct"])
async def test_the_proxy_in_a_directory_with_sidecars(gateway: Gateway, tmp_path: Path, suffix: str) -> None:
    objects, direct = versions(3), {"notes.txt": b"hello", "x.meta": b"{}"}
    top = tmp_path / "deltaspaces"
    theirs.into_sidecars(top, theirs.by_proxy("app/", objects, direct, suffix=suffix, user={"build": "7"}))
    theirs.into_sidecars(top, theirs.by_proxy("_root_/", {"top.zip": b"top" * 1000}))
    expected = {f"app/{name}": data for name, data in (objects | direct).items()}
    await check(gateway, Directory(top), expected | {"top.zip": b"top" * 1000})
    _, manifest = await gateway.object("app/v2.zip")
    assert manifest.attributes.metadata == {"build": "7"}
    assert manifest.created == theirs.CREATED_MS


@needs_xdelta3
async def test_the_proxy_in_a_directory_with_attributes(gateway: Gateway, tmp_path: Path) -> None:
    objects, direct = versions(3), {"notes.txt": b"hello", ".env": b"A=1"}
    try:
        theirs.into_attributes(tmp_path, theirs.by_proxy("app/", objects, direct))
        theirs.into_attributes(
            tmp_path, theirs.by_proxy("f/", {"x.zip": b"1" * 99}, {".dg-folder-marker": b""})
        )
    except OSError as error:
        pytest.skip(f"no extended attributes here: {error}")
    (tmp_path / "app/.dg-tmp.abc").write_bytes(b"half")
    (tmp_path / "app/.tmpabc123").write_bytes(b"half, of an early version")
    (tmp_path / "app/unmanaged.txt").write_bytes(b"copied here by hand")
    (tmp_path / "app/notes.txt.meta").write_bytes(b"is no sidecar")
    expected = {f"app/{name}": data for name, data in (objects | direct).items()}
    expected |= {"app/unmanaged.txt": b"copied here by hand", "f/x.zip": b"1" * 99, "f/": b""}
    expected |= {"app/notes.txt.meta": b"is no sidecar"}
    await check(gateway, Directory(tmp_path), expected)


@needs_xdelta3
@pytest.mark.parametrize("make", [bz2.compress, lzma.compress])
async def test_deltas_of_what_was_unpacked(
    gateway: Gateway, s3: Any, bucket: str, client: Client, make: Any
) -> None:
    """xdelta3 unpacks its inputs, and packs again what it makes, unless it is told not to."""
    suffix = {bz2.compress: "tar.bz2", lzma.compress: "tar.xz"}[make]
    words = b"".join(hashlib.sha256(b"%d" % number).hexdigest().encode() for number in range(20_000))
    packed = [make(words + b"%d" % number) for number in range(3)]
    objects = {f"v{number}.{suffix}": data for number, data in enumerate(packed)}
    stored = theirs.by_cli("app/", objects)
    assert b"/reference.bin/" in stored[1].data
    if all(len(each.data) < len(packed[0]) / 100 for each in stored[1:]):
        theirs.into_bucket(s3, bucket, stored)
        await check(gateway, Bucket(client, bucket), {f"app/{name}": data for name, data in objects.items()})
    else:
        pytest.fail("xdelta3 did not unpack")


@needs_xdelta3
async def test_gzip_that_can_not_be_packed_the_same_again(
    gateway: Gateway, s3: Any, bucket: str, client: Client
) -> None:
    """Nobody can give these back; that is said, and nothing wrong is stored."""
    words = b"".join(hashlib.sha256(b"%d" % number).hexdigest().encode() for number in range(5_000))
    objects = {f"v{number}.tgz": gzip.compress(words + b"%d" % number, 1, mtime=1) for number in range(2)}
    theirs.into_bucket(s3, bucket, theirs.by_cli("app/", objects))
    moved = await gateway.take(Bucket(client, bucket))
    assert [each.outcome for each in moved] == ["failed", "failed"]
    assert all("gzip" in each.why for each in moved)
    assert await gateway.keys() == []


@needs_xdelta3
async def test_damage_and_loss_are_found(gateway: Gateway, s3: Any, bucket: str, client: Client) -> None:
    stored = theirs.by_cli("a/", versions(2), {"x.txt": b"right"})
    flipped = bytearray(stored[2].data)
    flipped[-5] ^= 1
    theirs.into_bucket(s3, bucket, [stored[0], stored[1]])
    s3.put_object(Bucket=bucket, Key=stored[2].key, Body=bytes(flipped), Metadata=stored[2].metadata)
    s3.put_object(Bucket=bucket, Key="a/x.txt", Body=b"wrong", Metadata=stored[3].metadata)
    theirs.into_bucket(s3, bucket, theirs.by_cli("missing/", versions(1))[1:])
    replaced = theirs.by_cli("replaced/", versions(1))
    theirs.into_bucket(
        s3, bucket, [theirs.Stored(replaced[0].key, b"other", replaced[0].metadata), replaced[1]]
    )
    theirs.into_bucket(s3, bucket, theirs.without(theirs.by_cli("silent/", versions(2)), "v1.zip.delta"))
    encrypted = theirs.by_proxy("locked/", versions(1))
    for each in encrypted:
        each.metadata["dg-encrypted"] = "aes-256-gcm-v1"
    theirs.into_bucket(s3, bucket, encrypted)
    moved = {each.key: each for each in await gateway.take(Bucket(client, bucket))}
    failed = {key: each.why for key, each in moved.items() if each.outcome == "failed"}
    assert sorted(failed) == [
        "a/v1.zip",
        "a/x.txt",
        "locked/v0.zip.delta",
        "missing/v0.zip",
        "replaced/v0.zip",
        "silent/v1.zip.delta",
    ]
    assert "SHA-256" in failed["a/x.txt"]
    assert "encrypted" in failed["locked/v0.zip.delta"]
    assert "missing" in failed["missing/v0.zip"]
    assert "not the one" in failed["replaced/v0.zip"]
    assert "metadata is missing" in failed["silent/v1.zip.delta"]
    assert await gateway.keys() == ["a/v0.zip", "silent/v0.zip"]


async def test_names_like_theirs_in_other_peoples_buckets(
    gateway: Gateway, s3: Any, bucket: str, client: Client
) -> None:
    names = ["reference.bin", "a.delta", "b/reference.bin", "b/x.direct", "b/x.meta", "b/x"]
    for name in names:
        s3.put_object(Bucket=bucket, Key=name, Body=name.encode(), Metadata={"note": "mine"})
    await check(gateway, Bucket(client, bucket), {name: name.encode() for name in names})
    assert (await gateway.object("b/x"))[1].attributes.metadata == {"note": "mine"}


@needs_xdelta3
async def test_plain_takes_everything_as_it_is(
    gateway: Gateway, s3: Any, bucket: str, client: Client
) -> None:
    stored = theirs.by_cli("a/", versions(2))
    theirs.into_bucket(s3, bucket, stored)
    await check(gateway, Bucket(client, bucket), {each.key: each.data for each in stored}, plain=True)


@needs_xdelta3
async def test_the_newer_of_two_ways_to_be_stored(gateway: Gateway, tmp_path: Path) -> None:
    theirs.into_sidecars(tmp_path, theirs.by_proxy("a/", {"v.zip": b"old" * 100}))
    os.utime(tmp_path / "a/v.zip.delta", (1, 1))
    (tmp_path / "a/v.zip").write_bytes(b"new")
    await check(gateway, Directory(tmp_path), {"a/v.zip": b"new"})


async def test_objects_larger_than_one_upload(
    gateway: Gateway, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The limit of a PUT (5 GiB) is not one of objects, and what is larger comes in as one all the same."""
    monkeypatch.setattr("dgproxy.engine.policy.MAX_PUT", 50_000)
    data = random.Random(9).randbytes(100_000)
    (tmp_path / "x").write_bytes(data)
    [moved] = await gateway.take(Directory(tmp_path))
    assert moved.outcome == "stored"
    assert (await gateway.object("x"))[0] == data
    monkeypatch.setattr("dgproxy.engine.policy.MAX_OBJECT", 50_000)
    (tmp_path / "y").write_bytes(data)
    assert [each.outcome for each in await gateway.take(Directory(tmp_path))] == ["same", "failed"]
