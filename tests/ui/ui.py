# SPDX-License-Identifier: GPL-2.0-only
"""The browser UI as somebody in front of it has it: what is on the page by name, and what must never happen.

`Ui` wraps Playwright's page with the ways through the UI that many tests take. Things are found by role and
name, as a screen reader finds them. What the page must not do is noted as it happens, and looked at in the
end: an error in its console, a violation of its own policy, a request to any other host.
"""

import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from playwright.sync_api import CDPSession, ConsoleMessage, Locator, Page, Request, expect

from tests.system.harness import ACCESS_KEY, SECRET_KEY, Server

#: Milliseconds for what takes a moment on a busy machine.
PATIENCE = 30_000

#: What Chromium writes into the console by itself for answers that the page expects and explains.
_EXPECTED = re.compile(
    r"Failed to load resource: (the server responded with a status of [45]\d\d|net::ERR_\w+)"
)

_AXE = Path(__file__).resolve().parents[2] / "ui/node_modules/axe-core/axe.min.js"

#: Where the pictures for the README go, if they are wanted.
_PICTURES = os.environ.get("UI_SCREENSHOTS")


class Ui:
    """A page of the UI of `server`."""

    def __init__(self, page: Page, server: Server) -> None:
        self.page = page
        self.server = server
        self.url = f"http://127.0.0.1:{server.port + 1}/"
        self.wrong: list[str] = []
        self.requests: list[str] = []
        page.set_default_timeout(PATIENCE)
        page.on("console", self._said)
        page.on("pageerror", lambda error: self.wrong.append(f"uncaught: {error}"))
        page.on("request", self._asked)

    def _said(self, message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"} and not _EXPECTED.match(message.text):
            self.wrong.append(f"{message.type}: {message.text}")

    def _asked(self, request: Request) -> None:
        address = urlsplit(request.url)
        self.requests.append(f"{request.method} {request.url}")
        ours = {self.server.port, self.server.port + 1}
        if address.scheme not in {"blob", "data"} and (address.hostname, address.port in ours) != (
            "127.0.0.1",
            True,
        ):
            self.wrong.append(f"a request elsewhere: {request.url}")

    # -- ways ----------------------------------------------------------------------------------------------

    def open(self, place: str = "#/") -> None:
        """Load the page anew, at a place."""
        self.page.goto("about:blank")
        self.page.goto(self.url + place)

    def sign_in(
        self, access_key: str = ACCESS_KEY, secret_key: str = SECRET_KEY, *, keep: bool = True
    ) -> None:
        """Fill in the form, and send it."""
        self.page.get_by_label("Access key").fill(access_key)
        self.page.get_by_label("Secret key").fill(secret_key)
        if keep:
            self.page.get_by_label("Stay signed in").check()
        self.button("Sign in").click()

    def enter(self, place: str = "#/") -> None:
        """Be signed in, at a place."""
        self.open(place)
        self.sign_in()
        expect(self.page.get_by_role("navigation", name="Pages")).to_be_visible()

    # -- things --------------------------------------------------------------------------------------------

    def button(self, name: str | re.Pattern[str], *, inside: Locator | None = None) -> Locator:
        return (inside or self.page).get_by_role("button", name=name, exact=isinstance(name, str))

    def row(self, name: str) -> Locator:
        """The row of an object or folder."""
        return self.page.get_by_role("row").filter(has=self.page.get_by_role("link", name=name))

    def dialog(self) -> Locator:
        return self.page.get_by_role("dialog")

    def transfer(self, name: str) -> Locator:
        """The line of an upload in the corner."""
        uploads = self.page.get_by_role("region", name="Uploads")
        return uploads.get_by_role("listitem").filter(has_text=name)

    def panel(self) -> Locator:
        return self.page.get_by_role("complementary", name="Properties")

    def names(self) -> list[str]:
        """What the list shows, in its order."""
        return [
            text.split("\n")[0] for text in self.page.locator("tbody a[data-row] > span").all_inner_texts()
        ]

    # -- acts ----------------------------------------------------------------------------------------------

    def pick(self, *files: Path) -> None:
        """Choose files as the Upload button's dialog does."""
        with self.page.expect_file_chooser() as chooser:
            self.button("Upload").click()
        chooser.value.set_files(list(files))

    def drop(self, *paths: Path) -> None:
        """Drag files and folders from the desktop onto the page."""
        devtools: CDPSession = self.page.context.new_cdp_session(self.page)
        data = {"items": [], "files": [str(path) for path in paths], "dragOperationsMask": 1}
        for kind in ("dragEnter", "dragOver", "drop"):
            devtools.send("Input.dispatchDragEvent", {"type": kind, "x": 600, "y": 400, "data": data})
        devtools.detach()

    def slow(self, megabytes_per_second: float | None) -> CDPSession:
        """Limit uploads, as a real network does, until called again with None."""
        devtools: CDPSession = self.page.context.new_cdp_session(self.page)
        rate = -1 if megabytes_per_second is None else megabytes_per_second * 1e6
        conditions = {"offline": False, "latency": 0, "downloadThroughput": -1, "uploadThroughput": rate}
        devtools.send("Network.enable")
        devtools.send("Network.emulateNetworkConditions", conditions)
        return devtools

    def copied(self) -> str:
        """What is on the clipboard."""
        text: str = self.page.evaluate("navigator.clipboard.readText()")
        return text

    # -- judgement -----------------------------------------------------------------------------------------

    def picture(self, name: str) -> None:
        """Take a picture for the README, if pictures are wanted."""
        if _PICTURES:
            self.page.screenshot(path=Path(_PICTURES) / f"{name}.png")

    def accessible(self) -> None:
        """axe finds nothing serious on the page as it is now."""
        self.page.evaluate(_AXE.read_text())
        found: dict[str, Any] = self.page.evaluate("axe.run(document, {resultTypes: ['violations']})")
        bad = [
            f"{each['impact']}: {each['help']}: {_places(each['nodes'])}"
            for each in found["violations"]
            if each["impact"] in {"serious", "critical"}
        ]
        assert not bad, "\n".join(bad)


def _places(nodes: Iterable[dict[str, Any]]) -> str:
    return "; ".join(node["html"][:160] for node in list(nodes)[:3])
