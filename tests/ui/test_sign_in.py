# SPDX-License-Identifier: GPL-2.0-only
"""Who gets in, what is kept, and what somebody is told who does not."""

from pathlib import Path

from playwright.sync_api import BrowserContext, expect

from tests.system.harness import ACCESS_KEY, Server
from tests.ui.ui import Ui


def test_wrong_keys_get_a_plain_sentence(ui: Ui) -> None:
    ui.open()
    ui.accessible()
    ui.sign_in("AKIANOBODY")
    expect(ui.page.get_by_role("alert")).to_have_text("The server does not know this access key.")
    ui.sign_in(ACCESS_KEY, "not-the-secret")
    expect(ui.page.get_by_role("alert")).to_have_text("The secret does not belong to this access key.")
    ui.sign_in()
    expect(ui.page.get_by_role("heading", name="Buckets")).to_be_visible()


def test_keys_are_kept_only_when_asked(ui: Ui) -> None:
    ui.open()
    ui.sign_in(keep=False)
    expect(ui.page.get_by_role("heading", name="Buckets")).to_be_visible()
    assert ui.page.evaluate("JSON.stringify([sessionStorage, localStorage, document.cookie])") == '[{},{},""]'
    ui.page.reload()
    ui.sign_in()
    expect(ui.page.get_by_role("heading", name="Buckets")).to_be_visible()
    ui.page.reload()
    expect(ui.page.get_by_role("heading", name="Buckets")).to_be_visible()
    ui.button("Sign out").click()
    expect(ui.button("Sign in")).to_be_visible()
    ui.page.reload()
    expect(ui.button("Sign in")).to_be_visible()


def test_an_open_server_asks_nobody(context: BrowserContext, tmp_path: Path) -> None:
    with Server(tmp_path) as server:
        ui = Ui(context.new_page(), server)
        ui.open()
        expect(ui.page.get_by_text("Open access, nobody signs in")).to_be_visible()
        expect(ui.page.get_by_role("link", name="default").first).to_be_visible()
        assert ui.wrong == []


def test_a_server_that_does_not_answer(context: BrowserContext, tmp_path: Path) -> None:
    with Server(tmp_path) as server:
        ui = Ui(context.new_page(), server)
        ui.open()
        expect(ui.page.get_by_role("heading", name="Buckets")).to_be_visible()
        server.kill()
        ui.button("New bucket").click()
        ui.dialog().get_by_label("Name").fill("a-bucket")
        ui.button("Create").click()
        expect(ui.page.get_by_role("alert")).to_contain_text("does not answer. Is the server running?")
        server.start()
        ui.button("Create").click()
        expect(ui.page.get_by_role("heading", name="a-bucket")).to_be_visible()
