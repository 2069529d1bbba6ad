# SPDX-License-Identifier: GPL-2.0-only
"""The real aws-cli with real release archives: what the README promises, measured on disk."""

from pathlib import Path

import pytest

from tests.system import artifacts
from tests.system.artifacts import digest
from tests.system.clients import AwsCli, S3Client
from tests.system.harness import Server

#: A manifest per object, a reference list per deltaspace and little else.
RECORDS = 64 << 10


def total(server: Server, bucket: str) -> int:
    return sum(server.files(bucket).values())


@pytest.mark.parametrize("name", [*artifacts.LARGE, *artifacts.SMALL])
def test_second_version_is_a_delta(
    server: Server, s3: S3Client, aws: AwsCli, bucket: str, tmp_path: Path, name: str
) -> None:
    pair = {**artifacts.LARGE, **artifacts.SMALL}[name]()
    first, second = tmp_path / f"app-1{pair.suffix}", tmp_path / f"app-2{pair.suffix}"
    first.write_bytes(pair.first)
    second.write_bytes(pair.second)
    releases = f"s3://{bucket}/releases/"

    aws("s3", "cp", first, releases)
    alone = total(server, bucket)
    assert alone < len(pair.first) + RECORDS, "the first version is stored once"
    aws("s3", "cp", second, releases)
    stored = total(server, bucket) - alone
    print(f"{name}: {len(pair.second)} bytes stored in {stored} ({stored / len(pair.second):.2%})")
    assert stored < len(pair.second) * pair.ratio + RECORDS

    kept = {}
    for path, kind in ((first, "direct"), (second, "delta")):
        head = s3.head_object(Bucket=bucket, Key=f"releases/{path.name}")
        assert head["ResponseMetadata"]["HTTPHeaders"]["x-amz-storage-type"] == kind
        assert head["ContentLength"] == path.stat().st_size
        kept[path] = head["ETag"]
        copy = tmp_path / f"copy-of-{path.name}"
        aws("s3", "cp", f"{releases}{path.name}", copy)
        assert digest(copy) == digest(path)

    # The same once more: new generations, nothing kept of the old ones.
    before = server.files(bucket)
    aws("s3", "cp", second, releases)
    assert abs(sum(server.files(bucket).values()) - sum(before.values())) < RECORDS
    assert len(server.files(bucket)) == len(before), "the blobs of the overwritten object are gone"
    assert s3.head_object(Bucket=bucket, Key=f"releases/{second.name}")["ETag"] == kept[second]
    # The first version is now a delta of nothing but copies against its own reference.
    aws("s3", "cp", first, releases)
    assert abs(total(server, bucket) - sum(before.values())) < RECORDS + len(pair.first) // 200
    aws("s3", "cp", f"{releases}{first.name}", tmp_path / "again")
    assert digest(tmp_path / "again") == digest(first)


def test_sync_both_ways(server: Server, aws: AwsCli, bucket: str, tmp_path: Path) -> None:
    pair = artifacts.SMALL["synthetic 5 MB"]()
    here, there = tmp_path / "here", tmp_path / "there"
    tree = {
        "app/1.0/app.tar": pair.first,
        "app/1.1/app.tar": pair.second,
        "app/both/app-1.0.tar": pair.first,
        "app/both/app-1.1.tar": pair.second,
        "app/both/notes.txt": b"plain text",
        "app/both/empty": b"",
        "odd names/a b+c%25&d=é~ü 雪.zip": artifacts.generate(1, 20_000),
        "odd names/.hidden/..meta": b"dots",
        "odd names/x.meta": b"our own suffix",
    }
    for name, data in tree.items():
        (here / name).parent.mkdir(parents=True, exist_ok=True)
        (here / name).write_bytes(data)

    assert len(aws("s3", "sync", here, f"s3://{bucket}/tree", "--no-progress").splitlines()) == len(tree)
    aws("s3", "sync", f"s3://{bucket}/tree", there)
    assert {p.relative_to(there).as_posix(): p.read_bytes() for p in there.rglob("*") if p.is_file()} == tree
    # Nothing to do: sizes and times of a listing agree with what was stored.
    assert aws("s3", "sync", here, f"s3://{bucket}/tree") == ""
    assert aws("s3", "sync", f"s3://{bucket}/tree", there) == ""

    (here / "app/both/app-1.0.tar").unlink()
    (here / "app/both/notes.txt").write_bytes(b"other text, other size")
    said = aws("s3", "sync", here, f"s3://{bucket}/tree", "--delete", "--no-progress")
    assert sorted(line.split(":")[0] for line in said.splitlines()) == ["delete", "upload"]
    assert not any("app-1.0.tar.meta" in path for path in server.files(bucket))
    aws("s3", "cp", f"s3://{bucket}/tree/app/both/app-1.1.tar", tmp_path / "copy")
    assert (tmp_path / "copy").read_bytes() == pair.second, "its reference outlives the object it came from"


def test_ls_mv_rm(server: Server, s3: S3Client, aws: AwsCli, bucket: str, tmp_path: Path) -> None:
    pair = artifacts.SMALL["synthetic 5 MB"]()
    for number, data in enumerate((pair.first, pair.second), 1):
        s3.put_object(Bucket=bucket, Key=f"dir/v{number}.tar", Body=data)
    s3.put_object(Bucket=bucket, Key="top.txt", Body=b"top")

    assert f" {bucket}\n" in aws("s3", "ls")
    lines = [line.split() for line in aws("s3", "ls", f"s3://{bucket}").splitlines()]
    assert [line[-1] for line in lines] == ["dir/", "top.txt"]
    assert lines[0][0] == "PRE"
    assert [line.split()[-2:] for line in aws("s3", "ls", "--recursive", f"s3://{bucket}/").splitlines()] == [
        [str(len(pair.first)), "dir/v1.tar"],
        [str(len(pair.second)), "dir/v2.tar"],
        ["3", "top.txt"],
    ]

    aws("s3", "mv", f"s3://{bucket}/dir/v2.tar", f"s3://{bucket}/moved/v2.tar")
    aws("s3", "mv", f"s3://{bucket}/dir/v1.tar", tmp_path / "v1.tar")
    assert (tmp_path / "v1.tar").read_bytes() == pair.first
    assert s3.get_object(Bucket=bucket, Key="moved/v2.tar")["Body"].read() == pair.second
    # A move inside a bucket moves no bytes: what the object is made of stays where it is, and goes with it.
    assert any(path.startswith("deltaspaces/dir/") for path in server.files(bucket))
    aws("s3", "rm", f"s3://{bucket}/moved/v2.tar")
    assert not any(path.startswith("deltaspaces/") for path in server.files(bucket)), "left behind by rm"

    aws("s3", "mv", tmp_path / "v1.tar", f"s3://{bucket}/moved/v1.tar")
    assert not (tmp_path / "v1.tar").exists()
    aws("s3", "rm", "--recursive", f"s3://{bucket}/")
    assert aws("s3", "ls", f"s3://{bucket}") == ""
    assert server.files(bucket) == {}


def test_buckets(aws: AwsCli, server: Server) -> None:
    aws("s3", "mb", "s3://made-by-cli")
    aws("s3", "cp", "-", "s3://made-by-cli/from-stdin.zip")
    assert "BucketNotEmpty" in aws("s3", "rb", "s3://made-by-cli", fails=True)
    aws("s3", "rb", "--force", "s3://made-by-cli")
    assert "made-by-cli" not in aws("s3", "ls")
    assert "made-by-cli" not in server.buckets()
    assert "NoSuchBucket" in aws("s3", "ls", "s3://made-by-cli", fails=True)


def test_errors_reach_the_user(aws: AwsCli, bucket: str, tmp_path: Path) -> None:
    assert "404" in aws("s3", "cp", f"s3://{bucket}/nothing.zip", tmp_path / "x", fails=True)
    assert "NoSuchKey" in aws(
        "s3api", "get-object", "--bucket", bucket, "--key", "nothing", "/dev/null", fails=True
    )
