# SPDX-License-Identifier: GPL-2.0-only
"""Finding the way: buckets, folders, long lists, and what is told about each object."""

import email.header
import os
import re
import shutil
import tempfile
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from playwright.sync_api import BrowserContext, expect

from dgproxy.engine import record
from dgproxy.engine.manifest import Manifest
from tests.system.clients import S3Client, boto3_client, get
from tests.system.harness import Server
from tests.ui.data import VERSIONS, version
from tests.ui.ui import Ui


def test_buckets_come_and_go(ui: Ui, s3: S3Client) -> None:
    ui.enter()
    ui.button("New bucket").click()
    name = ui.dialog().get_by_label("Name")
    name.fill("No")
    expect(ui.dialog()).to_contain_text("3 to 63 characters")
    expect(ui.button("Create")).to_be_disabled()
    name.fill("fresh-bucket")
    ui.button("Create").click()
    expect(ui.page.get_by_role("heading", name="This bucket is empty")).to_be_visible()
    expect(ui.page.locator("code", has_text="aws ")).to_contain_text("s3 cp app-1.0.zip s3://fresh-bucket/")
    ui.accessible()

    s3.put_object(Bucket="fresh-bucket", Key="k", Body=b"x")
    ui.open()
    ui.button("Delete bucket fresh-bucket").click()
    ui.button("Delete bucket").click()
    expect(ui.page.get_by_role("alert")).to_have_text("The bucket still holds objects. Delete them first.")
    s3.delete_object(Bucket="fresh-bucket", Key="k")
    ui.button("Delete bucket").click()
    expect(ui.page.get_by_role("status").filter(has_text="Bucket fresh-bucket deleted")).to_be_attached()
    assert "fresh-bucket" not in [each["Name"] for each in s3.list_buckets()["Buckets"]]


def test_folders_and_what_each_object_takes(ui: Ui, releases: str) -> None:
    ui.enter()
    ui.page.get_by_role("link", name=releases).first.click()
    ui.page.get_by_role("link", name="app", exact=True).click()
    expect(ui.page.get_by_role("heading", name="app")).to_be_visible()
    first, later = ui.row("app-1.01.zip"), ui.row("app-1.05.zip")
    expect(first).to_contain_text("direct")
    expect(later).to_contain_text("delta")
    expect(later).to_contain_text("1.43 MiB")
    expect(later).to_contain_text("%")
    versions = ui.page.get_by_role("region", name="Versions")
    expect(versions).to_contain_text(f"{VERSIONS} versions in")
    expect(versions).to_contain_text(re.compile(r"\d references?"))
    sizes = versions.get_by_role("list", name="Sizes")
    expect(sizes.get_by_role("listitem")).to_have_count(VERSIONS)
    reference = versions.get_by_role("list", name="References").get_by_role("listitem").first
    expect(reference).to_contain_text(re.compile(r"app-1\.01\.zip 1\.43 MiB.* · used by \d+ versions"))
    ui.accessible()
    ui.picture("browser")
    ui.page.get_by_role("navigation", name="Breadcrumb").get_by_role("link", name=releases).click()
    expect(ui.row("nightly")).to_be_visible()
    ui.page.go_back()
    expect(later).to_be_visible()


def test_where_nothing_is_gained_there_is_a_reason(ui: Ui, releases: str) -> None:
    ui.enter(f"#/{releases}/nightly/")
    expect(ui.page.get_by_text("too little in common")).to_be_visible()
    ui.open(f"#/{releases}/odd/")
    expect(ui.page.get_by_text("The setting delta_suffixes adds others")).to_be_visible()


def test_names_that_mean_something_elsewhere(ui: Ui, releases: str) -> None:
    ui.enter(f"#/{releases}/odd/")
    ui.page.get_by_role("link", name="<b>bold.txt").click()
    expect(ui.panel().get_by_role("heading", name="<b>bold.txt")).to_be_visible()
    expect(ui.panel()).to_contain_text("3 bytes")
    ui.page.keyboard.press("Escape")
    ui.page.get_by_role("link", name="ü & ?#%").click()
    ui.page.get_by_role("link", name="+ key.txt").click()
    expect(ui.panel()).to_contain_text("3 bytes")


def test_order_and_search(ui: Ui, releases: str) -> None:
    ui.enter(f"#/{releases}/app/")
    ui.page.get_by_role("columnheader", name="Size").get_by_role("button").click()
    expect(ui.page.get_by_role("columnheader", name="Size")).to_have_attribute("aria-sort", "descending")
    expect(ui.page.locator("tbody a[data-row]").last).to_contain_text("CHANGELOG.md")
    ui.page.get_by_role("columnheader", name="Saved").get_by_role("button").click()
    expect(ui.page.get_by_role("row").nth(1)).to_contain_text("delta")
    expect(ui.page.get_by_role("row").last).to_contain_text("direct")
    ui.page.get_by_role("columnheader", name="Name").get_by_role("button").click()
    expect(ui.page.locator("tbody a[data-row]").first).to_contain_text("CHANGELOG.md")
    ui.page.get_by_role("columnheader", name="Name").get_by_role("button").click()
    expect(ui.page.locator("tbody a[data-row]").first).to_contain_text("manifest.json")

    field = ui.page.get_by_label("Find names that begin with")
    field.fill("app-1.1")
    expect(ui.page.locator("tbody a[data-row]")).to_have_count(7)
    field.fill("nothing")
    expect(ui.page.get_by_text("Nothing here begins with “nothing”")).to_be_visible()
    ui.accessible()
    field.fill("")
    expect(ui.row("CHANGELOG.md")).to_be_visible()


def test_with_the_keyboard_alone(ui: Ui, releases: str) -> None:
    ui.enter(f"#/{releases}/app/")
    expect(ui.row("app-1.01.zip")).to_be_visible()
    ui.page.get_by_role("link", name="CHANGELOG.md").focus()
    press = ui.page.keyboard.press
    press("ArrowDown")
    press("Space")
    press("ArrowDown")
    press("ArrowDown")
    press("Shift+Space")
    expect(ui.page.get_by_role("toolbar", name="Selection")).to_contain_text("3 items selected")
    press("End")
    expect(ui.page.get_by_role("link", name="manifest.json")).to_be_focused()
    press("Enter")
    expect(ui.panel().get_by_role("heading", name="manifest.json")).to_be_focused()
    press("Escape")
    expect(ui.panel()).to_have_count(0)
    expect(ui.page.get_by_role("link", name="manifest.json")).to_be_focused()


def test_previews_properties_metadata_and_tags(ui: Ui, s3: S3Client, bucket: str, releases: str) -> None:
    for name in ("manifest.json", "logo.png", "CHANGELOG.md"):
        s3.copy_object(Bucket=bucket, Key=name, CopySource=f"{releases}/app/{name}")
    ui.enter(f"#/{bucket}/?manifest.json")
    preview = ui.panel().get_by_role("region", name="Preview")
    expect(preview).to_contain_text('"name": "app"')
    expect(ui.panel()).to_contain_text("application/json")
    expect(ui.panel()).to_contain_text("max-age=60")
    ui.accessible()

    ui.button("Edit metadata").click()
    expect(ui.dialog().get_by_label("Name 1")).to_have_value("build")
    ui.accessible()
    ui.dialog().get_by_label("Value 1").fill("4712")
    ui.dialog().get_by_label("Name 2").fill("owner")
    ui.dialog().get_by_label("Value 2").fill("größer")
    ui.button("Save").click()
    expect(ui.panel().get_by_role("region", name="Metadata")).to_contain_text("4712")
    head = s3.head_object(Bucket=bucket, Key="manifest.json")
    assert head["Metadata"]["build"] == "4712"
    assert email.header.make_header(email.header.decode_header(head["Metadata"]["owner"])) == "größer"
    assert (head["ContentType"], head["CacheControl"]) == ("application/json", "max-age=60")

    ui.button("Edit tags").click()
    ui.button("Remove team").click()
    ui.button("Add").click()
    ui.dialog().get_by_label("Name 3").fill("quality")
    ui.dialog().get_by_label("Value 3").fill("gold")
    ui.button("Save").click()
    expect(ui.panel().get_by_role("region", name="Tags")).to_contain_text("gold")
    tags = s3.get_object_tagging(Bucket=bucket, Key="manifest.json")["TagSet"]
    assert {each["Key"]: each["Value"] for each in tags} == {"stage": "test", "quality": "gold"}

    ui.open(f"#/{bucket}/?logo.png")
    image = preview.get_by_role("img", name="logo.png")
    expect(image).to_be_visible()
    assert image.evaluate("(image) => image.complete && image.naturalWidth") == 1
    ui.open(f"#/{bucket}/?CHANGELOG.md")
    expect(preview).to_contain_text("- many")


def test_downloads_and_links(ui: Ui, releases: str) -> None:
    ui.enter(f"#/{releases}/app/?app-1.07.zip")
    with ui.page.expect_download() as download:
        ui.button("Download").click()
    assert download.value.suggested_filename == "app-1.07.zip"
    assert download.value.path().read_bytes() == version(7)

    ui.button("Link").click()
    ui.accessible()
    ui.dialog().get_by_label("1 day").check()
    ui.button("Copy link").click()
    expect(ui.dialog()).to_have_count(0)
    link = ui.copied()
    assert "X-Amz-Expires=86400" in link
    with urllib.request.urlopen(link) as answer:
        assert answer.read() == version(7)
        assert "app-1.07.zip" in answer.headers["Content-Disposition"]


def test_deleting_asks_the_more_firmly_the_more_there_is(ui: Ui, s3: S3Client, bucket: str) -> None:
    for number in range(3):
        s3.put_object(Bucket=bucket, Key=f"file-{number}", Body=b"x")
        s3.put_object(Bucket=bucket, Key=f"folder/inside-{number}", Body=b"x")
    s3.put_object(Bucket=bucket, Key="stays", Body=b"x")
    ui.enter(f"#/{bucket}/")
    ui.page.get_by_label("Select file-0").check()
    ui.button("Delete").click()
    expect(ui.dialog()).to_contain_text("There is no undo")
    ui.button("Cancel").click()
    assert s3.list_objects_v2(Bucket=bucket)["KeyCount"] == 7
    ui.button("Delete").click()
    ui.button("Delete object").click()
    expect(ui.row("file-0")).to_have_count(0)

    ui.page.get_by_label("Select folder folder").check()
    ui.page.get_by_label("Select file-1").check()
    ui.page.get_by_label("Select file-2").click(modifiers=["Shift"])
    ui.button("Delete").click()
    expect(ui.dialog()).to_contain_text("folder/ and everything in it")
    expect(ui.button("Delete all")).to_be_disabled()
    ui.accessible()
    ui.dialog().get_by_label("To go on").fill("delete")
    ui.button("Delete all").click()
    expect(ui.row("folder")).to_have_count(0)
    assert [each["Key"] for each in s3.list_objects_v2(Bucket=bucket)["Contents"]] == ["stays"]

    ui.page.get_by_role("link", name="stays").click()
    ui.button("Delete", inside=ui.panel()).click()
    ui.button("Delete object").click()
    expect(ui.page.get_by_role("heading", name="This bucket is empty")).to_be_visible()


MANY = 100_000


@pytest.fixture
def many(tmp_path: Path) -> Iterator[Server]:
    """A server with very many objects in one folder, put where it would have put them itself.

    100,000 requests would take minutes. So one is sent, and its manifest written again under other names.
    """
    memory = Path("/dev/shm")
    home = Path(tempfile.mkdtemp(dir=memory)) if os.access(memory, os.W_OK) else tmp_path
    try:
        with Server(home) as server:
            s3 = boto3_client(server)
            s3.put_object(Bucket="default", Key="many/object-000000.bin", Body=b"x" * 100)
            [first] = server.data.rglob("object-000000.bin.meta")
            manifest = record.decode(first.read_bytes(), Manifest, "the first")
            for number in range(1, MANY):
                copy = msgspec.structs.replace(manifest, key=f"many/object-{number:06d}.bin")
                first.with_name(f"object-{number:06d}.bin.meta").write_bytes(record.encode(copy))
            assert get(s3, "default", f"many/object-{MANY - 1:06d}.bin")["Body"] == b"x" * 100
            s3.close()
            yield server
    finally:
        shutil.rmtree(home)


@pytest.mark.timeout(300)
def test_a_hundred_thousand_objects(context: BrowserContext, many: Server) -> None:
    ui = Ui(context.new_page(), many)
    ui.open("#/default/many/")
    expect(ui.page.get_by_text("100,000 objects · 9.54 MiB")).to_be_visible()
    assert len(ui.names()) < 100, "what is far away is not drawn"
    expect(ui.page.get_by_role("table")).to_have_attribute("aria-rowcount", "100001")

    ui.page.get_by_role("link", name="object-000000.bin").focus()
    ui.page.keyboard.press("End")
    expect(ui.page.get_by_role("link", name="object-099999.bin")).to_be_focused()
    ui.page.keyboard.press("Home")
    expect(ui.page.get_by_role("link", name="object-000000.bin")).to_be_focused()

    # Fluid: through the whole list in steps, and no frame of it takes long.
    longest = ui.page.evaluate(
        """async () => {
            const times = [];
            let last = performance.now();
            for (let step = 0; step <= 120; step++) {
                window.scrollTo(0, (document.body.scrollHeight * step) / 120);
                await new Promise(requestAnimationFrame);
                const now = performance.now();
                times.push(now - last);
                last = now;
            }
            return times.sort((a, b) => a - b)[Math.floor(times.length * 0.9)];
        }"""
    )
    print(f"nine frames of ten took at most {longest:.0f} ms")
    expect(ui.page.get_by_role("link", name="object-099990.bin")).to_be_visible()
    ui.page.get_by_role("columnheader", name="Name").get_by_role("button").click()
    ui.page.keyboard.press("Home")
    ui.page.evaluate("window.scrollTo(0, 0)")
    expect(ui.page.get_by_role("link", name="object-099999.bin")).to_be_visible()
    ui.page.get_by_label("Select all").check()
    expect(ui.page.get_by_role("toolbar", name="Selection")).to_contain_text("100,000 items selected")
    ui.page.get_by_label("Find names that begin with").fill("object-0421")
    expect(ui.page.get_by_text("100 objects")).to_be_visible()
    assert ui.wrong == []
