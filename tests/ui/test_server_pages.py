# SPDX-License-Identifier: GPL-2.0-only
"""The pages about the server: their numbers are those of the command line and of what has happened."""

import json
import re
import subprocess
import sys

from playwright.sync_api import expect

from tests.system.clients import S3Client
from tests.system.harness import Server, environment
from tests.ui.ui import Ui


def stats_of(server: Server) -> dict[str, object]:
    """What `deltaglider_proxy stats` says of everything, counted from storage itself."""
    done = subprocess.run(
        [sys.executable, "-m", "dgproxy", "stats", "--json"],
        env=environment({"DELTAGLIDER_PROXY_DATA_DIR": str(server.data)} | server.settings),
        cwd=server.home,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    summary: dict[str, object] = lines[-1]["summary"]
    return summary


def shown(size: int) -> str:
    """Bytes as the page writes them."""
    value, unit = float(size), 0
    while value >= 1024:
        value, unit = value / 1024, unit + 1
    digits = 0 if value >= 100 else 1 if value >= 10 else 2
    return f"{float(f'{value:.{digits}f}'):g} {('bytes', 'KiB', 'MiB', 'GiB')[unit]}"


def test_savings_are_those_of_the_command_line(ui: Ui, server: Server, releases: str) -> None:
    ui.enter("#/~savings")
    together = ui.page.get_by_role("region", name="All together")

    def agrees() -> bool:
        if together.count() == 0:
            ui.button("Reload").click()
            return False
        summary = stats_of(server)
        percent = round(100 * float(str(summary["savings"])), 1)
        expected = [
            f"{percent:g} %",
            shown(int(str(summary["logical_bytes"]))),
            shown(int(str(summary["stored_bytes"]))),
        ]
        ui.button("Reload").click()
        expect(ui.page.get_by_text("Adding up")).to_have_count(0)
        text = together.inner_text()
        return all(each in text for each in expected)

    # The server adds its workers' numbers up every few seconds.
    for _ in range(20):
        if agrees():
            break
        ui.page.wait_for_timeout(1000)
    assert agrees()

    expect(ui.page.get_by_role("img", name=re.compile("until now"))).to_be_visible()
    ui.accessible()
    ui.picture("savings")
    spaces = ui.page.get_by_role("region", name="Deltaspaces")
    expect(spaces.get_by_role("listitem").filter(has_text="nightly")).to_contain_text("nothing saved")
    spaces.get_by_role("link", name=f"{releases}/app/").click()
    expect(ui.page.get_by_role("region", name="Versions")).to_be_visible()


def test_health_shows_what_happens(ui: Ui, server: Server, s3: S3Client, releases: str) -> None:
    ui.enter("#/~health")
    checks = ui.page.get_by_role("list", name="Checks")
    expect(checks).to_contain_text("Storage")
    expect(checks).to_contain_text("free")
    expect(ui.page.get_by_text(re.compile(r"DeltaGlider Proxy .* filesystem .* up \d"))).to_be_visible()
    operations = ui.page.get_by_role("region", name="Operations since the start")

    s3.list_objects_v2(Bucket=releases)
    row = operations.get_by_role("row").filter(has=ui.page.get_by_role("rowheader", name="ListObjectsV2"))
    before = int(row.get_by_role("cell").first.inner_text())
    for _ in range(25):
        s3.list_objects_v2(Bucket=releases)
    expect(row.get_by_role("cell").first).to_have_text(re.compile(f"^{before + 25}$|^{before + 26}$"))
    expect(ui.page.get_by_role("region", name="Optimizer")).to_contain_text(re.compile(r"\d+ rounds?"))
    requests = ui.page.get_by_role("region", name="Requests")
    expect(requests).to_contain_text("a second")
    expect(requests.get_by_role("img", name="Requests a second")).to_be_visible()
    ui.accessible()
    ui.picture("health")


def test_health_shows_what_runs_beside_the_server(ui: Ui, server: Server, releases: str) -> None:
    ui.enter("#/~health")
    maintenance = ui.page.get_by_role("region", name="Maintenance")
    verifying = subprocess.Popen(
        [sys.executable, "-m", "dgproxy", "verify", "--data", "--rate", "100K", releases],
        env=environment({"DELTAGLIDER_PROXY_DATA_DIR": str(server.data)} | server.settings),
        cwd=server.home,
    )
    try:
        expect(maintenance.get_by_role("progressbar", name=f"verify --data {releases}")).to_be_visible()
        expect(maintenance.get_by_role("list", name="Running")).to_contain_text(re.compile(r"of [\d.]+ MiB"))
        ui.accessible()
    finally:
        verifying.terminate()
        verifying.wait()
    last = maintenance.get_by_role("list", name="Last runs").get_by_role("listitem").first
    expect(last).to_contain_text(f"verify --data {releases}")
    expect(last).to_contain_text("stopped before the end")
    expect(maintenance.get_by_role("progressbar")).to_have_count(0)


def test_health_shows_failures_with_their_ids(ui: Ui, server: Server, s3: S3Client, bucket: str) -> None:
    s3.put_object(Bucket=bucket, Key="broken.bin", Body=b"x" * 100_000)
    [blob] = [path for path in server.data.rglob("*-broken.bin.*") if path.suffix != ".meta"]
    damaged = bytearray(blob.read_bytes())
    damaged[10] ^= 1
    blob.chmod(0o600)
    blob.write_bytes(damaged)
    try:
        s3.get_object(Bucket=bucket, Key="broken.bin")
    except s3.exceptions.ClientError as error:
        request = error.response["ResponseMetadata"]["RequestId"]
    ui.enter("#/~health")
    failure = ui.page.get_by_role("list", name="Latest failures").get_by_role("listitem").first
    expect(failure).to_contain_text("InternalError GetObject")
    expect(ui.page.get_by_role("list", name="Latest failures")).to_contain_text(request)
    ui.accessible()


def test_a_server_that_goes_away_and_comes_back(ui: Ui, server: Server) -> None:
    ui.enter("#/~health")
    expect(ui.page.get_by_role("list", name="Checks")).to_be_visible()
    server.stop()
    expect(ui.page.get_by_role("alert")).to_contain_text("Asking again by itself")
    server.start()
    expect(ui.page.get_by_role("alert")).to_have_count(0)
    expect(ui.page.get_by_text(re.compile(r"up \d+ s"))).to_be_visible()
