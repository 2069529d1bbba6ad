# SPDX-License-Identifier: GPL-2.0-only
"""LIST: the backend's listing of manifests, with what their manifests say.

The order, the roll-up and the paging are the backend's; here keys lose their storage prefix and gain size
and etag. An object deleted between the listing and the look at its manifest is left out, as if it had gone a
moment before.
"""

from dataclasses import dataclass

from dgproxy.engine import keys
from dgproxy.engine.commit import parse
from dgproxy.engine.context import Engine
from dgproxy.engine.summaries import Summary
from dgproxy.storage.backend import CommonPrefix, Listed


@dataclass(frozen=True, slots=True)
class ListedObject:
    """One object of a page."""

    key: str
    summary: Summary


@dataclass(frozen=True, slots=True)
class ObjectPage:
    """One page: objects and common prefixes in one order.

    `last` is what the next page comes after, if there is `more`.
    """

    items: list[ListedObject | CommonPrefix]
    more: bool
    last: str


async def list_objects(
    engine: Engine, bucket: str, *, prefix: str, delimiter: str, after: str, limit: int
) -> ObjectPage:
    """Up to `limit` (>= 1) items past `after` (a key, a common prefix, or '').

    Raises BucketNotFound, ObjectDamaged when a manifest can't be read, and the storage layer's errors.
    """
    page = await engine.backend.list_records(
        bucket,
        keys.manifest(prefix),
        delimiter=delimiter,
        after=keys.manifest(after) if after else "",
        limit=limit,
    )
    found = await _summaries(engine, bucket, [item for item in page.items if isinstance(item, Listed)])
    items: list[ListedObject | CommonPrefix] = []
    last = ""
    for item in page.items:
        if isinstance(item, CommonPrefix):
            last = keys.object_key(item.prefix)
            items.append(CommonPrefix(last))
        else:
            last = keys.object_key(item.key)
            if last in found:
                items.append(ListedObject(last, found[last]))
    return ObjectPage(items, page.more, last)


async def _summaries(engine: Engine, bucket: str, listed: list[Listed]) -> dict[str, Summary]:
    """The summaries of these objects; those that are gone are missing."""
    found: dict[str, Summary] = {}
    unknown: list[str] = []
    for item in listed:
        key = keys.object_key(item.key)
        summary = engine.summaries.get(bucket, key, item.stamp)
        if summary is None:
            unknown.append(key)
        else:
            found[key] = summary
    if unknown:
        records = await engine.backend.read_records(bucket, [keys.manifest(key) for key in unknown])
        for key, stored in zip(unknown, records, strict=True):
            if stored is not None:
                summary = Summary.of(parse(stored, bucket, key))
                engine.summaries.put(bucket, key, stored.stamp, summary)
                found[key] = summary
    return found
