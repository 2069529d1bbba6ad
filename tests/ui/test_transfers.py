# SPDX-License-Identifier: GPL-2.0-only
"""Uploads: dropped, picked, in parts; paused, cancelled, and over the death of a server."""

import hashlib
import re
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, expect

from tests.system.clients import S3Client, boto3_client
from tests.system.harness import CREDENTIALS, Server, eventually
from tests.ui.data import noise, version
from tests.ui.ui import Ui

MIB = 1 << 20


def file_of(path: Path, size: int) -> str:
    """Write a file of noise; its SHA-256."""
    digest = hashlib.sha256()
    with path.open("wb") as file:
        for start in range(0, size, MIB):
            piece = noise(f"{path.name} {start}", min(MIB, size - start))
            file.write(piece)
            digest.update(piece)
    return digest.hexdigest()


def stored(s3: S3Client, bucket: str, key: str) -> str:
    """The SHA-256 of an object."""
    digest = hashlib.sha256()
    for piece in s3.get_object(Bucket=bucket, Key=key)["Body"].iter_chunks(MIB):
        digest.update(piece)
    return digest.hexdigest()


def uploads(s3: S3Client, bucket: str) -> list[str]:
    return [each["Key"] for each in s3.list_multipart_uploads(Bucket=bucket).get("Uploads", ())]


def sent_of(total: str, megabytes: str) -> re.Pattern[str]:
    """The note of an upload that has sent so many whole MiB of a total; `1.25 MiB` is not 25."""
    return re.compile(rf"(?<![\d.])({megabytes})(\.\d)? MiB of {total}")


def test_files_and_folders_are_dropped(ui: Ui, s3: S3Client, bucket: str, tmp_path: Path) -> None:
    folder = tmp_path / "release"
    (folder / "deep").mkdir(parents=True)
    for number in (1, 2, 3):
        (folder / f"v{number}.zip").write_bytes(version(number))
    (folder / "deep" / "notes.txt").write_text("notes")
    (folder / "empty.txt").touch()
    single = tmp_path / "ümlaut & co.txt"
    single.write_text("single")
    ui.enter(f"#/{bucket}/in/")
    expect(ui.page.get_by_role("heading", name="Nothing in this folder")).to_be_visible()
    ui.drop(folder, single)
    expect(ui.page.get_by_text("6 files uploaded")).to_be_visible()
    expect(ui.row("release")).to_be_visible()
    expect(ui.row(single.name)).to_be_visible()
    ui.accessible()
    found = {each["Key"]: each["Size"] for each in s3.list_objects_v2(Bucket=bucket)["Contents"]}
    assert found == {
        "in/release/deep/notes.txt": 5,
        "in/release/empty.txt": 0,
        "in/release/v1.zip": len(version(1)),
        "in/release/v2.zip": len(version(2)),
        "in/release/v3.zip": len(version(3)),
        f"in/{single.name}": 6,
    }
    assert stored(s3, bucket, "in/release/v2.zip") == hashlib.sha256(version(2)).hexdigest()
    ui.page.get_by_role("link", name="release", exact=True).click()
    # Two go at once, so there may be two references; the third is a delta in any case.
    expect(ui.page.get_by_role("row").filter(has_text="delta").first).to_be_visible()


@pytest.mark.timeout(240)
def test_300_mb_paused_and_resumed(ui: Ui, s3: S3Client, bucket: str, tmp_path: Path) -> None:
    file = tmp_path / "large.bin"
    digest = file_of(file, 300_000_000)
    ui.enter(f"#/{bucket}/")
    devtools = ui.slow(25)
    ui.pick(file)
    line = ui.transfer("large.bin")
    expect(line).to_contain_text(re.compile(r"MiB/s · .* left"))
    expect(ui.page.get_by_role("progressbar", name="All uploads")).to_be_visible()
    expect(line).to_contain_text(sent_of("286 MiB", r"[5-9]\d|1\d\d"))
    ui.accessible()
    [upload] = s3.list_multipart_uploads(Bucket=bucket)["Uploads"]

    def parts() -> list[int]:
        found = s3.list_parts(Bucket=bucket, Key="large.bin", UploadId=upload["UploadId"])
        return [part["PartNumber"] for part in found.get("Parts", ())]

    # What is sent is not stored yet: three parts are under way at once.
    eventually(lambda: len(parts()) >= 2, "two parts are stored")
    ui.button("Pause large.bin").click()
    expect(line).to_contain_text("paused")
    kept = parts()
    devtools.send("Network.disable")
    devtools.detach()
    ui.slow(None)
    ui.button("Resume large.bin").click()
    expect(ui.page.get_by_text("1 file uploaded")).to_be_visible()
    assert stored(s3, bucket, "large.bin") == digest
    assert s3.head_object(Bucket=bucket, Key="large.bin")["ETag"].endswith('-18"')
    sent = [int(number) for number in re.findall(r"PUT \S*?partNumber=(\d+)", "\n".join(ui.requests))]
    for part in kept:
        assert sent.count(part) == 1, "a stored part was sent again"
    assert uploads(s3, bucket) == []


@pytest.mark.timeout(240)
def test_cancelled_and_tried_again(ui: Ui, s3: S3Client, bucket: str, tmp_path: Path) -> None:
    file = tmp_path / "again.bin"
    digest = file_of(file, 80 * MIB)
    ui.enter(f"#/{bucket}/")
    ui.slow(10)
    ui.pick(file)
    line = ui.transfer("again.bin")
    expect(line).to_contain_text(re.compile(r"\d MiB of 80 MiB"))
    ui.button("Cancel again.bin").click()
    expect(line).to_contain_text("Cancelled")
    ui.slow(None)
    ui.button("Try again: again.bin").click()
    expect(ui.page.get_by_text("1 file uploaded")).to_be_visible()
    assert stored(s3, bucket, "again.bin") == digest
    assert uploads(s3, bucket) == []


@pytest.mark.timeout(240)
def test_over_the_death_of_the_server(context: BrowserContext, tmp_path: Path) -> None:
    file = tmp_path / "survivor.bin"
    digest = file_of(file, 96 * MIB)
    with Server(tmp_path / "server", CREDENTIALS) as server:
        mine = Ui(context.new_page(), server)
        s3 = boto3_client(server)
        mine.enter("#/default/")
        mine.slow(20)
        mine.pick(file)
        line = mine.transfer("survivor.bin")
        expect(line).to_contain_text(sent_of("96 MiB", r"[2-6]\d"))
        server.kill()
        expect(line).to_contain_text("Trying again by itself")
        server.start()
        mine.slow(None)
        expect(mine.page.get_by_text("1 file uploaded")).to_be_visible()
        assert stored(s3, "default", "survivor.bin") == digest
        assert mine.wrong == []
        s3.close()
