# SPDX-License-Identifier: GPL-2.0-only
"""Debian's Chromium, a real server with real data, and a page that has done nothing wrong in the end."""

import os
import shutil
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest

from tests.system import harness
from tests.system.clients import S3Client, boto3_client, need
from tests.system.harness import CREDENTIALS, Server
from tests.ui.data import BUCKET, fill

PROJECT = Path(__file__).resolve().parents[2]

sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")

from tests.ui.ui import PATIENCE, Ui  # noqa: E402 - needs playwright

sync_api.expect.set_options(timeout=PATIENCE)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show what was on the screen when a test failed, and the servers' logs."""
    report = yield
    if report.failed:
        report.sections += harness.logs()
        ui = getattr(item, "funcargs", {}).get("ui")
        if isinstance(ui, Ui):
            report.sections.append(("the page", ui.page.locator("body").inner_text()[:3000]))
    return report


@pytest.fixture(scope="session")
def chromium() -> Iterator["sync_api.Browser"]:
    program = need(shutil.which("chromium") or shutil.which("chromium-browser"), "chromium")
    need("yes" if (PROJECT / "ui-dist/index.html").is_file() else None, "the browser UI (make ui)")
    need("yes" if (PROJECT / "ui/node_modules/axe-core").is_dir() else None, "axe-core (make ui)")
    arguments = ["--no-sandbox"] if os.geteuid() == 0 else []  # root has no user namespace to drop into
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=arguments)
        yield browser
        browser.close()


@pytest.fixture(scope="package")
def server(chromium: object, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One server with credentials and some versions of things."""
    with Server(tmp_path_factory.mktemp("ui"), CREDENTIALS) as started:
        fill(boto3_client(started))
        yield started


@pytest.fixture
def s3(server: Server) -> Iterator[S3Client]:
    client = boto3_client(server)
    yield client
    client.close()


@pytest.fixture
def context(chromium: "sync_api.Browser") -> Iterator["sync_api.BrowserContext"]:
    context = chromium.new_context(viewport={"width": 1280, "height": 860}, accept_downloads=True)
    context.grant_permissions(["clipboard-read", "clipboard-write"])
    yield context
    context.close()


@pytest.fixture
def ui(context: "sync_api.BrowserContext", server: Server) -> Iterator[Ui]:
    """A page that is not loaded yet."""
    ui = Ui(context.new_page(), server)
    yield ui
    assert ui.wrong == []


@pytest.fixture
def bucket(s3: S3Client, request: pytest.FixtureRequest) -> Iterator[str]:
    """An empty bucket of the test's own."""
    name = f"test-{abs(hash(request.node.name)) % 10**9}"
    s3.create_bucket(Bucket=name)
    yield name
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=name):
        for each in page.get("Contents", ()):
            s3.delete_object(Bucket=name, Key=each["Key"])
    s3.delete_bucket(Bucket=name)


@pytest.fixture
def releases() -> str:
    """The bucket with versions in it; tests only look at it."""
    return BUCKET
