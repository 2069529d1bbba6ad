# SPDX-License-Identifier: GPL-2.0-only
"""What the server says about itself under `/_/`: to whom, and that the numbers are those of what happened."""

import asyncio
import json
import os
import re
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families

from dgproxy import recent
from dgproxy.engine import runs, statistics
from dgproxy.http import audit, readiness, status
from dgproxy.http import runs as http_runs
from dgproxy.storage.backend import AccessRefused, Bucket, Busy, Record, StorageError
from dgproxy.storage.memory import MemoryBackend
from tests.http.conftest import BUCKET, Site, eventually, site_over
from tests.http.test_authentication import signed
from tests.http.test_grants import ADMIN, CI, KEYRING, READER
from tests.http.wire import Answer

Log = Callable[[], list[dict[str, Any]]]


def told(answer: Answer) -> Any:
    assert answer.headers["content-type"].startswith("application/json"), answer
    assert answer.headers["cache-control"] == "no-store"
    return json.loads(answer.body)


@pytest.fixture
async def guarded(memory: MemoryBackend, log: object) -> AsyncIterator[Site]:
    """With three access keys, of which two are limited."""
    async with site_over(memory, KEYRING) as site:
        yield site


# -- health and readiness ------------------------------------------------------------------------------------


@pytest.mark.parametrize("page", ["health", "ready", "metrics"])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_probes_need_no_signature(guarded: Site, method: str, page: str) -> None:
    answer = await guarded.ask(f"{method} /_/{page}")
    assert answer.status == 200
    assert answer.headers["x-amz-request-id"]
    assert int(answer.headers["content-length"]) > 0


@pytest.mark.parametrize("page", ["stats", "savings", "objects?bucket=bucket"])
async def test_what_names_buckets_is_signed(guarded: Site, page: str) -> None:
    assert await guarded.code(f"GET /_/{page}") == (403, "AccessDenied")
    line, headers = signed(f"GET /_/{page}", keys=ADMIN)
    assert (await guarded.ask(line, *headers)).status == 200


@pytest.mark.parametrize("page", ["health", "ready", "metrics", "stats", "savings", "objects"])
async def test_pages_are_only_read(site: Site, page: str) -> None:
    for method in ("PUT", "POST", "DELETE"):
        answer = await site.ask(f"{method} /_/{page}", body=b"")
        assert (answer.status, answer.error()) == (405, "MethodNotAllowed")
        assert answer.headers["allow"] == "GET, HEAD"


@pytest.mark.parametrize("path", ["/_/", "/_", "/_/nothing", "/_/health/", "/_/healthy"])
async def test_the_rest_of_it_is_no_bucket(site: Site, path: str) -> None:
    assert await site.code(f"GET {path}") == (400, "InvalidBucketName")


async def test_in_a_hosted_bucket_it_is_a_key_like_any_other(memory: MemoryBackend, log: object) -> None:
    async with site_over(memory, domain="s3.test") as site, site.wire() as wire:
        await wire.send(f"GET /_/health HTTP/1.1\r\nHost: {BUCKET}.s3.test\r\n\r\n".encode())
        assert (await wire.answer()).error() == "NoSuchKey"


async def test_alive(site: Site) -> None:
    assert told(await site.ask("GET /_/health"))["status"] == "alive"


async def test_ready(memory: MemoryBackend, log: object, tmp_path: Path) -> None:
    async with site_over(memory, server=status.Server(directory=tmp_path)) as site:
        document = told(await site.ask("GET /_/ready"))
        assert document["ready"] is True
        assert document["checks"]["backend"]["verdict"] == "ok"
        assert document["checks"]["disk"]["free_bytes"] > 0


async def test_not_ready_without_its_backend(
    memory: MemoryBackend, log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(*_: object) -> Record:
        raise StorageError("/secret/path can't be read")

    async with site_over(memory) as site:
        monkeypatch.setattr(memory, "read_record", broken)
        answer = await site.ask("GET /_/ready")
        assert answer.status == 503
        assert told(answer) == {"ready": False, "checks": {"backend": {"verdict": "failed"}}}
        assert any("/secret/path" in str(line) for line in log()), "the log says why"
        assert (await site.ask("GET /_/health")).status == 200, "it is alive all the same"


async def test_ready_takes_no_permission_of_its_own(
    memory: MemoryBackend, log: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Credentials may be for single buckets; and the default bucket may have been deleted."""

    async def refused() -> list[Bucket]:
        raise AccessRefused("ListBuckets")

    async with site_over(memory, server=status.Server(bucket="deleted")) as site:
        monkeypatch.setattr(memory, "list_buckets", refused)
        assert (await site.ask("GET /_/ready")).status == 200


async def test_not_ready_when_the_backend_never_answers(
    memory: MemoryBackend, log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def silent(*_: object) -> Record:
        await asyncio.Event().wait()
        raise AssertionError

    monkeypatch.setattr(readiness, "_PATIENCE", 0.05)
    async with site_over(memory) as site:
        monkeypatch.setattr(memory, "read_record", silent)
        assert (await site.ask("GET /_/ready")).status == 503


async def test_not_ready_without_the_directory(memory: MemoryBackend, log: object, tmp_path: Path) -> None:
    async with site_over(memory, server=status.Server(directory=tmp_path / "gone")) as site:
        answer = await site.ask("GET /_/ready")
        assert (answer.status, told(answer)["checks"]["disk"]) == (503, {"verdict": "failed"})


@pytest.mark.parametrize(
    ("size", "free", "verdict"),
    [
        (1 << 40, 100 << 30, "ok"),
        (1 << 40, 11 << 30, "ok"),
        (1 << 40, 9 << 30, "low"),
        (1 << 40, 300 << 20, "low"),
        (1 << 40, 200 << 20, "failed"),
        (1 << 30, 100 << 20, "ok"),
        (1 << 30, 40 << 20, "low"),
        (1 << 30, 5 << 20, "failed"),
    ],
)
def test_verdicts_on_disks(size: int, free: int, verdict: str) -> None:
    assert readiness.Space(size, free).verdict == verdict


# -- metrics -------------------------------------------------------------------------------------------------


async def page(site: Site) -> dict[str, Metric]:
    answer = await site.ask("GET /_/metrics")
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    return {family.name: family for family in text_string_to_metric_families(answer.body.decode())}


def value(families: dict[str, Metric], name: str, **labels: str) -> float:
    """A sample's value, 0 for a series that is not shown."""
    samples = [sample for family in families.values() for sample in family.samples if sample.name == name]
    return sum(sample.value for sample in samples if sample.labels.items() >= labels.items())


async def test_the_page_follows_the_conventions(site: Site) -> None:
    """As promtool's lint has them ("Metric and label naming", "Writing exporters" of the Prometheus docs)."""
    await site.put("a.zip", os.urandom(20_000))
    await site.ask(f"GET /{BUCKET}/a.zip")
    await site.ask(f"GET /{BUCKET}/none")
    families = await page(site)
    seen = set()
    for family in families.values():
        assert re.fullmatch(r"deltaglider(_[a-z0-9]+)+|test(_[a-z]+)+", family.name)
        assert family.documentation.endswith("."), family.name
        assert not re.search(r"_(counter|gauge|histogram|count|sum|bucket)$", family.name)
        assert not re.search(r"_(milliseconds|minutes|kilobytes|mb|percent)", family.name), "base units"
        for sample in family.samples:
            series = (sample.name, tuple(sorted(sample.labels.items())))
            assert series not in seen, "a series twice"
            seen.add(series)
            assert all(re.fullmatch(r"[a-z_]+", label) for label in sample.labels)
            if family.type == "counter":
                assert sample.name.endswith("_total")
                assert sample.value >= 0
            elif family.type == "gauge":
                assert not sample.name.endswith("_total")
        if family.type == "histogram":
            _check_histogram(family)


def _check_histogram(family: Metric) -> None:
    groups: dict[tuple[tuple[str, str], ...], dict[str, Any]] = {}
    for sample in family.samples:
        labels = {name: text for name, text in sample.labels.items() if name != "le"}
        group = groups.setdefault(tuple(sorted(labels.items())), {"buckets": []})
        if sample.name.endswith("_bucket"):
            group["buckets"].append((float(sample.labels["le"]), sample.value))
        else:
            group[sample.name.removeprefix(family.name)] = sample.value
    for group in groups.values():
        bounds, counts = zip(*group["buckets"], strict=True)
        assert bounds[-1] == float("inf")
        assert list(bounds) == sorted(bounds)
        assert list(counts) == sorted(counts), "buckets are cumulative"
        assert counts[-1] == group["_count"]
        assert group["_sum"] >= 0


async def test_requests_are_counted_where_they_belong(site: Site) -> None:
    before = await page(site)
    body = os.urandom(30_000)
    await site.put("k.bin", body)
    await site.ask(f"GET /{BUCKET}/k.bin")
    await site.ask(f"GET /{BUCKET}/k.bin", "Range: bytes=0-99")
    await site.ask(f"HEAD /{BUCKET}/k.bin")
    await site.ask(f"GET /{BUCKET}/none")
    await site.ask(f"OPTIONS /{BUCKET}/k.bin")
    await site.ask("BREW /pot")
    after = await page(site)

    def more(name: str, **labels: str) -> float:
        return value(after, f"deltaglider_{name}", **labels) - value(before, f"deltaglider_{name}", **labels)

    assert more("requests_total", operation="PutObject", status="200") == 1
    assert more("requests_total", operation="GetObject") == 3
    assert more("requests_total", operation="GetObject", status="206") == 1
    assert more("requests_total", operation="GetObject", status="404") == 1
    assert more("requests_total", operation="HeadObject", status="200") == 1
    assert more("requests_total", operation="Preflight") == 1
    assert more("requests_total", operation="Unknown") == 1
    assert more("errors_total", code="NoSuchKey") == 1
    assert more("request_duration_seconds_count", operation="GetObject", status="2xx") == 2
    assert more("request_duration_seconds_count", operation="GetObject", status="4xx") == 1
    assert more("received_bytes_total", operation="PutObject") == len(body)
    sent = more("sent_bytes_total", operation="GetObject")
    assert len(body) + 100 < sent < len(body) + 1000, "the object, its range, and one small error"
    assert more("sent_bytes_total", operation="HeadObject") == 0
    assert more("bodies_total", storage="direct") == 1
    assert more("body_logical_bytes_total") == len(body)
    assert more("decode_logical_bytes_total") >= len(body)
    assert value(after, "deltaglider_requests_in_flight") == 1, "this one"


async def test_deltas_and_caches_are_counted(site: Site) -> None:
    before = await page(site)
    base = os.urandom(300_000)
    await site.put("v/1.zip", base)
    await site.put("v/2.zip", base[:150_000] + b"changed" + base[150_000:])
    await site.put("v/3.zip", base[:290_000])
    for _ in range(2):
        await site.ask(f"GET /{BUCKET}?list-type=2")
    after = await page(site)

    def more(name: str, **labels: str) -> float:
        return value(after, f"deltaglider_{name}", **labels) - value(before, f"deltaglider_{name}", **labels)

    assert more("bodies_total", storage="reference") == 1
    assert more("bodies_total", storage="delta") == 2
    assert more("delta_ratio_count") == 2
    assert more("delta_ratio_bucket", le="0.01") == 2
    assert more("encode_logical_bytes_total") == 590_007
    assert 0 < more("encode_delta_bytes_total") < 6_000
    assert more("encode_seconds_total") > 0
    assert more("reference_index_requests_total", result="miss") == 1
    assert more("reference_index_requests_total", result="hit") >= 1
    assert more("manifest_cache_requests_total") == 6
    assert value(after, "deltaglider_reference_index_bytes") > 0
    assert value(after, "deltaglider_transfer_memory_leased_bytes") == 0


async def test_metrics_without_the_storage(
    memory: MemoryBackend, log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken() -> list[Bucket]:
        raise StorageError("it is gone")

    async with site_over(memory) as site:
        monkeypatch.setattr(memory, "list_buckets", broken)
        families = await page(site)
        assert "deltaglider_requests" in families
        assert "deltaglider_objects" not in families
        assert any("it is gone" in str(line) for line in log())


async def test_metrics_name_nothing_that_is_anybodys(site: Site) -> None:
    await site.put("private-key.zip", b"x" * 100)
    answer = await site.ask("GET /_/metrics")
    assert b"private" not in answer.body
    assert f'"{BUCKET}"'.encode() not in answer.body


# -- stats ---------------------------------------------------------------------------------------------------


async def test_stats_tell_what_metrics_count(site: Site) -> None:
    await site.put("k", b"x")
    document = told(await site.ask("GET /_/stats"))
    families = await page(site)
    shown = document["metrics"]["deltaglider_requests_total"]
    [puts] = [
        each["values"][0]
        for each in shown["series"]
        if each["labels"] == {"operation": "PutObject", "status": "200"}
    ]
    assert puts == value(families, "deltaglider_requests_total", operation="PutObject", status="200")
    assert document["backend"] == "memory"
    assert document["started"] <= document["now"]
    assert [check["name"] for check in document["checks"]] == ["backend"]


async def test_failures_are_remembered_with_their_request_id(
    site: Site, monkeypatch: pytest.MonkeyPatch, memory: MemoryBackend
) -> None:
    async def busy(*_: object) -> None:
        raise Busy("too much")

    monkeypatch.setattr(memory, "read_record", busy)
    answer = await site.ask(f"GET /{BUCKET}/some%20key")
    assert answer.error() == "SlowDown"
    [newest, *_] = told(await site.ask("GET /_/stats"))["failures"]
    assert newest["request"] == answer.headers["x-amz-request-id"]
    assert (newest["operation"], newest["key"], newest["code"]) == ("GetObject", "some key", "SlowDown")


async def test_a_limited_key_sees_no_names_of_others(guarded: Site) -> None:
    recent.note({"time": 1e12, "request": "X", "path": "/other/secret", "code": "InternalError"})
    for keys, seen in ((ADMIN, True), (CI, False), (READER, False)):
        line, headers = signed("GET /_/stats", keys=keys)
        document = told(await guarded.ask(line, *headers))
        assert ("/other/secret" in str(document["failures"])) is seen
        assert (document["failures"] is None) is not seen


async def test_runs_of_long_commands_are_shown_to_who_may_list_the_bucket(
    memory: MemoryBackend, guarded: Site
) -> None:
    await memory.create_bucket("another")

    async def seen(keys: Any) -> list[tuple[str, str, str, str]]:
        line, headers = signed("GET /_/stats", keys=keys)
        shown = told(await guarded.ask(line, *headers))["runs"]
        return [(run["bucket"], run["command"], run["state"], run["result"]) for run in shown]

    for bucket in (BUCKET, "another"):
        run = runs.Run(command="gc", total=7)
        async with runs.recorded(guarded.engine, bucket, run):
            run.result = "Nothing to remove"
    both = [(bucket, "gc", "ended", "Nothing to remove") for bucket in ("another", BUCKET)]
    assert await seen(ADMIN) == both
    assert await seen(READER) == [both[1]]
    assert await seen(CI) == []


async def test_progress_is_shown_while_it_is_made(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_runs, "_FRESH", 0.0)
    run = runs.Run(command="verify", options="--data", unit="bytes", total=300)
    async with runs.recorded(site.engine, BUCKET, run):
        run.advance(120)

        async def is_shown() -> bool:
            shown = told(await site.ask("GET /_/stats"))["runs"]
            return [(each["state"], each["done"], each["total"]) for each in shown] == [("running", 120, 300)]

        await eventually(is_shown)


async def test_runs_that_cannot_be_read_are_not_none(
    site: Site, memory: MemoryBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http_runs, "_FRESH", 0.0)
    assert told(await site.ask("GET /_/stats"))["runs"] == []

    async def unavailable(*_: object) -> None:
        raise StorageError("no disk")

    monkeypatch.setattr(memory, "read_records", unavailable)
    assert told(await site.ask("GET /_/stats"))["runs"] is None


# -- objects -------------------------------------------------------------------------------------------------


async def test_objects_say_how_they_are_stored(any_site: Site) -> None:
    base = os.urandom(100_000)
    await any_site.put("r/1.zip", base)
    await any_site.put("r/2.zip", base + b"more")
    await any_site.put("r/small.txt", b"small")
    await any_site.put("r/large.txt", b"large" * 5000)
    await any_site.put("r/in/1", b"x")
    document = told(await any_site.ask(f"GET /_/objects?bucket={BUCKET}&prefix=r/&delimiter=/"))
    assert document["prefixes"] == ["r/in/"]
    assert document["next"] is None
    large, small = (
        next(o for o in document["objects"] if o["key"] == k) for k in ("r/large.txt", "r/small.txt")
    )
    one, two = (next(o for o in document["objects"] if o["key"] == k) for k in ("r/1.zip", "r/2.zip"))
    assert (small["size"], small["stored"], small["storage"]) == (5, 5, "direct")
    assert (large["size"], large["storage"]) == (25_000, "direct")
    assert (one["stored"], one["storage"]) == (100_000, "direct")
    assert two["storage"] == "delta"
    assert two["stored"] < 1000
    assert one["references"] == two["references"] != []
    [reference] = document["references"]
    assert [reference["id"]] == one["references"]
    assert (reference["name"], reference["size"], reference["stored"]) == ("1.zip", 100_000, 100_000)
    assert "references" not in large
    head = await any_site.ask(f"HEAD /{BUCKET}/r/2.zip")
    assert head.headers["etag"] == f'"{two["etag"]}"'


async def test_objects_come_in_pages(site: Site) -> None:
    for key in ("a", "b/1", "b/2", "c", "d%22%3C"):
        await site.put(key, b"abc")
    seen, after = [], ""
    while after is not None:
        line = f"GET /_/objects?bucket={BUCKET}&delimiter=/&max-keys=1&start-after={after}"
        document = told(await site.ask(line.replace('"', "%22").replace("<", "%3C")))
        seen += document["prefixes"] + [each["key"] for each in document["objects"]]
        after = document["next"]
    assert seen == ["a", "b/", "c", 'd"<']


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", (400, "InvalidBucketName")),
        ("bucket=_", (400, "InvalidBucketName")),
        ("bucket=missing", (404, "NoSuchBucket")),
        ("bucket=bucket&max-keys=x", (400, "InvalidArgument")),
    ],
)
async def test_objects_refusals(site: Site, query: str, expected: tuple[int, str]) -> None:
    assert await site.code(f"GET /_/objects?{query}") == expected


async def test_objects_are_shown_to_who_may_list_them(guarded: Site) -> None:
    async def ask(keys: Any, query: str) -> int:
        line, headers = signed(f"GET /_/objects?{query}", keys=keys)
        return (await guarded.ask(line, *headers)).status

    assert await ask(CI, f"bucket={BUCKET}&prefix=ci%2F") == 200
    assert await ask(CI, f"bucket={BUCKET}&prefix=c") == 403
    assert await ask(CI, f"bucket={BUCKET}") == 403
    assert await ask(READER, f"bucket={BUCKET}") == 200
    assert await ask(READER, "bucket=missing") == 403
    assert await ask(ADMIN, "bucket=missing") == 404


async def test_who_may_not_list_a_deltaspace_does_not_learn_whose_references_it_uses(
    guarded: Site,
) -> None:
    async def put(key: str, data: bytes = b"", **more: str) -> None:
        line, headers = signed(f"PUT /{BUCKET}/{key}", data, keys=ADMIN, **more)
        assert (await guarded.ask(line, *headers, body=data)).status == 200

    async def names(keys: Any) -> set[str]:
        line, headers = signed(f"GET /_/objects?bucket={BUCKET}&prefix=ci%2F", keys=keys)
        return {each["name"] for each in told(await guarded.ask(line, *headers))["references"]}

    await put("secret/base.zip", os.urandom(100_000))
    await put("ci/own.zip", os.urandom(100_000))
    await put("ci/copy.zip", **{"x-amz-copy-source": f"/{BUCKET}/secret/base.zip"})
    assert await names(ADMIN) == {"base.zip", "own.zip"}
    assert await names(CI) == {"", "own.zip"}


# -- the log line and the audit log --------------------------------------------------------------------------


async def test_a_line_tells_bytes_storage_and_stages(site: Site, log: Log) -> None:
    base = os.urandom(100_000)
    await site.put("a/1.zip", base)
    await site.put("a/2.zip", base[::-1] + base)
    await site.ask(f"GET /{BUCKET}/a/2.zip")
    await site.ask("GET /_/health")
    lines = [line for line in log() if line["event"] == "request"]
    first, _, got, health = lines
    assert (first["bucket"], first["key"], first["received"], first["storage"]) == (
        BUCKET,
        "a/1.zip",
        100_000,
        "direct",
    )
    assert {"receive", "encode", "store", "commit"} <= first["stages"].keys()
    assert got["sent"] == 200_000
    assert {"read", "decode", "send"} <= got["stages"].keys()
    assert (health["level"], health["operation"]) == ("debug", "Status")


async def test_writes_and_denials_are_audited(memory: MemoryBackend, log: object, tmp_path: Path) -> None:
    file = tmp_path / "audit.log"
    async with audit.opened(file) as lines, site_over(memory, KEYRING, audit=lines) as site:
        for keys, request in (
            (CI, f"PUT /{BUCKET}/ci/a"),
            (CI, f"PUT /{BUCKET}/b"),
            (ADMIN, f"GET /{BUCKET}/ci/a"),
            (READER, f"DELETE /{BUCKET}/ci/a"),
            (ADMIN, f"DELETE /{BUCKET}/ci/a"),
        ):
            line, headers = signed(request, b"x" if "PUT" in request else b"", keys=keys)
            await site.ask(line, *headers, body=b"x" if "PUT" in request else b"")
        await site.ask(f"GET /{BUCKET}/ci/a")
    found = [json.loads(line) for line in file.read_text().splitlines()]
    assert [
        (line.get("access_key"), line["operation"], line.get("key"), line["status"]) for line in found
    ] == [
        ("build server", "PutObject", "ci/a", 200),
        ("build server", "PutObject", "b", 403),
        (READER.access_key, "DeleteObject", "ci/a", 403),
        (ADMIN.access_key, "DeleteObject", "ci/a", 204),
        (None, "Unknown", None, 403),
    ]
    assert all(line["client"] == "127.0.0.1" and line["request"] and line["time"] for line in found)
    assert "secret" not in file.read_text()


async def test_a_rotated_audit_log_is_made_anew(tmp_path: Path) -> None:
    file, rotated = tmp_path / "audit.log", tmp_path / "audit.log.1"
    async with audit.opened(file) as lines:
        assert lines is not None
        lines.write({"number": 1})
        await eventually(lambda: file.stat().st_size > 0)
        file.rename(rotated)
        lines.write({"number": 2})
        await eventually(file.exists)
        file.unlink()
        for number in range(3, 1000):
            lines.write({"number": number})
    assert rotated.read_text() == '{"number": 1}\n'
    assert [json.loads(line)["number"] for line in file.read_text().splitlines()] == list(range(3, 1000))


async def test_an_audit_log_that_cannot_be_written_is_reported(tmp_path: Path, log: Log) -> None:
    directory = tmp_path / "logs"
    directory.mkdir()
    async with audit.opened(directory / "audit.log") as lines:
        assert lines is not None
        (directory / "audit.log").unlink()
        directory.rmdir()
        lines.write({"number": 1})
        await eventually(lambda: any(line["event"] == "audit log not written" for line in log()))
        directory.mkdir()
        lines.write({"number": 2})
    assert (directory / "audit.log").read_text() == '{"number": 2}\n'
    with pytest.raises(FileNotFoundError):
        async with audit.opened(tmp_path / "none" / "audit.log"):
            pass


# -- savings -------------------------------------------------------------------------------------------------


async def test_savings_are_those_of_the_statistics(any_site: Site) -> None:
    base = os.urandom(100_000)
    for number in range(3):
        await any_site.put(f"v/{number}.zip", base + bytes(number))
    await any_site.put("w/single.txt", b"x" * 10_000)
    await statistics.flush(any_site.engine)
    document = told(await any_site.ask("GET /_/savings"))
    known = {each.space: each for each in await statistics.read(any_site.engine, BUCKET)}
    assert {each["deltaspace"] for each in document["deltaspaces"]} == known.keys() == {"v/", "w/"}
    for each in document["deltaspaces"]:
        numbers = known[each["deltaspace"]].numbers
        assert (each["objects"], each["logical_bytes"], each["stored_bytes"]) == (
            numbers.objects,
            numbers.logical,
            numbers.stored,
        )
    [bucket] = document["buckets"]
    assert (bucket["bucket"], bucket["objects"], bucket["logical_bytes"]) == (BUCKET, 4, 310_003)
    assert document["summary"]["stored_bytes"] == bucket["stored_bytes"]
    assert 0.6 < document["summary"]["savings"] < 0.7
    families = await page(any_site)
    assert value(families, "deltaglider_logical_bytes") == 310_003
    assert value(families, "deltaglider_stored_bytes") == bucket["stored_bytes"]
    assert value(families, "deltaglider_objects") == 4


async def test_savings_are_shown_to_who_may_list_them(guarded: Site) -> None:
    for key in ("ci/a", "secret/b"):
        line, headers = signed(f"PUT /{BUCKET}/{key}", b"x" * 9000, keys=ADMIN)
        assert (await guarded.ask(line, *headers, body=b"x" * 9000)).status == 200
    await statistics.flush(guarded.engine)
    for keys, seen in ((ADMIN, {"ci/", "secret/"}), (CI, {"ci/"}), (READER, {"ci/", "secret/"})):
        line, headers = signed("GET /_/savings", keys=keys)
        document = told(await guarded.ask(line, *headers))
        assert {each["deltaspace"] for each in document["deltaspaces"]} == seen
        assert document["summary"]["objects"] == len(seen)
