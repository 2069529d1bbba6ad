# SPDX-License-Identifier: GPL-2.0-only
"""What the server says about itself: everything under `/_/`, which no bucket can be called.

`health`, `ready` and `metrics` are for probes and are answered to whoever asks, so they name no bucket, key
or path. `stats`, `savings` and `objects` are for the browser and for scripts; they are signed like any S3
request, and show an access key what its grant lets it list. All are JSON but `metrics`; refusals are S3's XML
as everywhere.

Each works on both ports. How numbers are counted and formatted is not decided here.
"""

import asyncio
import platform
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

import msgspec
from aiohttp import web

from dgproxy import metrics, recent
from dgproxy.engine.context import Engine
from dgproxy.engine.listing import ListedObject, list_objects
from dgproxy.http import metrics_page, readiness, savings
from dgproxy.http.exchange import Exchange
from dgproxy.http.runs import Runs
from dgproxy.logs import get_logger
from dgproxy.s3 import listing, operation, target
from dgproxy.s3.errors import S3Error
from dgproxy.s3.grants import Grant
from dgproxy.s3.names import check_bucket
from dgproxy.s3.operation import Operation
from dgproxy.storage.backend import CommonPrefix, StorageError
from dgproxy.version import __version__

__all__ = ["PREFIX", "Page", "Server", "page_of"]

_log = get_logger()

PREFIX: Final = "/_/"


@dataclass(frozen=True, slots=True)
class Server:
    """What is told beside the numbers: `facts` of the configuration, and whose disk must not fill up.

    `bucket` is the default bucket.
    """

    facts: Mapping[str, Any] = field(default_factory=dict)
    bucket: str = "default"
    directory: Path | None = None
    totals: savings.Totals = field(default_factory=savings.Totals)
    runs: Runs = field(default_factory=Runs)


@dataclass(frozen=True, slots=True)
class Question:
    """A request for a page, from somebody with a grant."""

    engine: Engine
    server: Server
    query: Mapping[str, str]
    grant: Grant


@dataclass(frozen=True, slots=True)
class Page:
    """One page, and whether it takes a signature to see it."""

    answer: Callable[[Question], Awaitable[web.Response]]
    signed: bool


def page_of(exchange: Exchange) -> Page | None:
    """The page a request is for, None when it is S3's. Raises S3Error MethodNotAllowed."""
    path = exchange.path
    if not path.startswith(PREFIX) or path not in _PAGES:
        return None
    if target.hosted_bucket(exchange.headers.get("host", ""), exchange.domain) is not None:
        return None  # the key _/… of that bucket
    if exchange.request.method not in {"GET", "HEAD"}:
        raise S3Error("MethodNotAllowed", headers={"Allow": "GET, HEAD"})
    return _PAGES[path]


def query_of(exchange: Exchange) -> Mapping[str, str]:
    """The decoded query of a request for a page."""
    return target.query_of(target.split(exchange.request.raw_path)[1])


def _json(document: object, status: int = 200) -> web.Response:
    return web.Response(
        status=status,
        body=msgspec.json.encode(document),
        content_type="application/json",
        headers={"Cache-Control": "no-store"},
    )


async def _health(_question: Question) -> web.Response:
    """The process answers; what it can do is not asked."""
    return _json({"status": "alive", "version": __version__})


async def _checks(question: Question) -> list[readiness.Check]:
    return await readiness.checks(question.engine, question.server.bucket, question.server.directory)


async def _ready(question: Question) -> web.Response:
    """503 when a check failed."""
    found = await _checks(question)
    ready = all(check.verdict != "failed" for check in found)
    document = {
        "ready": ready,
        "checks": {check.name: {"verdict": check.verdict, **check.facts} for check in found},
    }
    return _json(document, 200 if ready else 503)


async def _metrics(question: Question) -> web.Response:
    """What was counted is there even when the storage is not; what had to be asked of it is then left out."""
    gauges: dict[str, tuple[str, float]] = {}
    try:
        held = await question.server.totals.numbers(question.engine)
        gauges["deltaglider_objects"] = ("Objects in all buckets.", held.objects)
        gauges["deltaglider_logical_bytes"] = ("Bytes of all objects, as clients see them.", held.logical)
        gauges["deltaglider_stored_bytes"] = ("Bytes in storage: deltas, references, manifests.", held.stored)
        if question.server.directory is not None:
            space = await readiness.space(question.server.directory)
            gauges["deltaglider_disk_size_bytes"] = ("Bytes of the disk that must not fill up.", space.size)
            gauges["deltaglider_disk_free_bytes"] = ("Bytes that are still free there.", space.free)
    except (StorageError, OSError) as error:
        _log.error("metrics without those of the storage", error=str(error))
    body = await asyncio.to_thread(metrics_page.render, gauges)
    return web.Response(body=body, headers={"Content-Type": metrics_page.CONTENT_TYPE})


async def _stats(question: Question) -> web.Response:
    """Everything the Health page shows; `failures` is null for who may not see all buckets.

    `runs` are those of gc, verify and optimize; null when the storage does not answer.
    """
    checks = await _checks(question)
    now = time.time()
    document = {
        "version": __version__,
        "python": platform.python_version(),
        "backend": question.engine.backend.capabilities.name,
        "started": metrics.started(),
        "now": now,
        "facts": question.server.facts,
        "checks": [asdict(check) for check in checks],
        "metrics": await asyncio.to_thread(_numbers),
        "runs": await question.server.runs.document(question.engine, question.grant),
        "failures": recent.read() if question.grant.places is None else None,
    }
    return _json(document)


def _numbers() -> dict[str, Any]:
    """Families by name, with the series that have counted."""
    families, cells = metrics.read()
    return {
        family.name: {
            "kind": family.kind,
            **({"bounds": family.bounds} if isinstance(family, metrics.Histogram) else {}),
            "series": [
                {"labels": dict(zip(family.labels, sample.labels, strict=True)), "values": sample.values}
                for sample in family.samples(cells)
                if any(sample.values)
            ],
        }
        for family in families
    }


async def _savings(question: Question) -> web.Response:
    """Every deltaspace, every bucket, and all together."""
    return _json(await savings.document(question.engine, question.grant))


async def _objects(question: Question) -> web.Response:
    """ListObjectsV2 with what only this server knows: each object's stored size, storage and references.

    Parameters: `bucket`, and ListObjectsV2's `prefix`, `delimiter`, `start-after` (an answer's `next`) and
    `max-keys`. `references` are those that the page's objects use.
    """
    bucket = question.query.get("bucket", "")
    check_bucket(bucket)
    query = {**question.query, "list-type": "2"}
    asked = listing.list_objects(query)
    question.grant.require(operation.Request(Operation.LIST_OBJECTS_V2, bucket, "", query, "", ""))
    page = await list_objects(
        question.engine,
        bucket,
        prefix=asked.prefix,
        delimiter=asked.delimiter,
        after=asked.after,
        limit=max(asked.max_keys, 1),
    )
    objects = [item for item in page.items if isinstance(item, ListedObject)]
    document = {
        "prefixes": [item.prefix for item in page.items if isinstance(item, CommonPrefix)],
        "objects": [_entry(item) for item in objects],
        "references": _references(question.grant, bucket, objects),
        "next": page.last if page.more else None,
    }
    return _json(document)


def _entry(item: ListedObject) -> dict[str, Any]:
    summary = item.summary
    entry = {
        "key": item.key,
        "size": summary.size,
        "stored": summary.stored,
        "storage": summary.storage,
        "etag": summary.etag,
        "modified": summary.created,
    }
    ids = [reference.id for reference in summary.references]
    return {**entry, "references": ids} if ids else entry


def _references(grant: Grant, bucket: str, objects: Sequence[ListedObject]) -> list[dict[str, Any]]:
    """Those the objects use; the name is part of a key, so only who may list that deltaspace learns it."""
    used = sorted({reference for item in objects for reference in item.summary.references})
    spaces = {reference.space for reference in used}
    told = {space for space in spaces if savings.may_list(grant, bucket, space)}
    return [
        {
            "id": reference.id,
            "name": reference.name if reference.space in told else "",
            "size": reference.size,
            "stored": reference.stored,
        }
        for reference in used
    ]


_PAGES: Final[Mapping[str, Page]] = {
    f"{PREFIX}health": Page(_health, signed=False),
    f"{PREFIX}ready": Page(_ready, signed=False),
    f"{PREFIX}metrics": Page(_metrics, signed=False),
    f"{PREFIX}stats": Page(_stats, signed=True),
    f"{PREFIX}savings": Page(_savings, signed=True),
    f"{PREFIX}objects": Page(_objects, signed=True),
}
