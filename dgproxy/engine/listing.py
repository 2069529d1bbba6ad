# SPDX-License-Identifier: GPL-2.0-only
"""LIST: the backend's listing of manifests, with what their manifests say.

The order, the roll-up and the paging are the backend's; here keys lose their storage prefix and gain size
and etag. An object deleted between the listing and the look at its manifest is left out, as if it had gone a
moment before. A page ends with what it shows: what was left out behind that may be there again when the next
page is asked for. One that shows nothing is the last: clients go on from the last key they saw.
"""

from collections.abc import Sequence
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

    `last` is what the next page comes after, if there is `more`: the last item.
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
    behind = keys.manifest(after) if after else ""
    while True:
        page = await engine.backend.list_records(
            bucket, keys.manifest(prefix), delimiter=delimiter, after=behind, limit=limit
        )
        items = await _items(engine, bucket, page.items)
        if items or not page.more:
            return ObjectPage(items, page.more, _name(items[-1]) if items else "")
        behind = _name(page.items[-1])


async def _items(
    engine: Engine, bucket: str, listed: Sequence[Listed | CommonPrefix]
) -> list[ListedObject | CommonPrefix]:
    """What is shown of what was listed."""
    found = await _summaries(engine, bucket, [item for item in listed if isinstance(item, Listed)])
    items: list[ListedObject | CommonPrefix] = []
    for item in listed:
        if isinstance(item, CommonPrefix):
            items.append(CommonPrefix(keys.object_key(item.prefix)))
        elif (key := keys.object_key(item.key)) in found:
            items.append(ListedObject(key, found[key]))
    return items


def _name(item: ListedObject | Listed | CommonPrefix) -> str:
    return item.prefix if isinstance(item, CommonPrefix) else item.key


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
