# SPDX-License-Identifier: GPL-2.0-only
"""Dark and light, at the width of a phone: everything is readable, reachable and in place."""

import pytest
from playwright.sync_api import Browser, expect

from tests.system.harness import Server
from tests.ui.ui import Ui

PLACES = ["#/", "#/releases/app/", "#/releases/app/?manifest.json", "#/~savings", "#/~health"]
PHONE = {"width": 390, "height": 844}


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_phone_width(chromium: Browser, server: Server, scheme: str) -> None:
    context = chromium.new_context(viewport=PHONE, color_scheme=scheme, has_touch=True)
    ui = Ui(context.new_page(), server)
    ui.open()
    ui.accessible()
    ui.sign_in()
    for place in PLACES:
        ui.page.goto(ui.url + place)
        expect(ui.page.get_by_role("heading").first).to_be_visible()
        ui.page.wait_for_load_state("networkidle")
        ui.accessible()
        wide = ui.page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert wide <= 0, f"{place} scrolls sideways by {wide} pixels"
        if (place, scheme) == ("#/releases/app/", "dark"):
            ui.picture("phone")
    context.close()
    assert ui.wrong == []


def test_dark_by_the_system_and_by_choice(chromium: Browser, server: Server) -> None:
    context = chromium.new_context(viewport={"width": 1280, "height": 860}, color_scheme="dark")
    ui = Ui(context.new_page(), server)
    ui.enter("#/releases/app/")

    def ground() -> int:
        color: str = ui.page.evaluate("getComputedStyle(document.body).backgroundColor")
        return sum(int(part) for part in color.removeprefix("rgb(").removesuffix(")").split(", "))

    expect(ui.row("manifest.json")).to_be_visible()
    assert ground() < 150
    ui.accessible()
    for place in PLACES:
        ui.page.goto(ui.url + place)
        ui.page.wait_for_load_state("networkidle")
        ui.accessible()
    ui.button("Use light colours").click()
    assert ground() > 600
    ui.page.reload()
    expect(ui.button("Use dark colours")).to_be_visible()
    assert ground() > 600
    context.close()
    assert ui.wrong == []


def test_the_page_keeps_its_policy(ui: Ui) -> None:
    """Nothing inline runs, and nothing can be fetched from elsewhere."""
    ui.enter()
    tried = ui.page.evaluate(
        """async () => {
            const script = document.createElement("script");
            script.textContent = "window.injected = true";
            document.body.append(script);
            const fetched = await fetch("http://127.0.0.1:1/").then(() => true, () => false);
            return [window.injected === true, fetched];
        }"""
    )
    assert tried == [False, False]
    refused = [line for line in ui.wrong if "Content Security Policy" in line]
    assert len(refused) >= 2
    ui.wrong.clear()
