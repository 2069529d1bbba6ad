# SPDX-License-Identifier: GPL-2.0-only
"""What a bucket holds, walked through in key order: for gc, verify and the optimizer.

Walks hold one page in memory, however many there are, and see what is there all along; what comes or goes
meanwhile they may see or not. What stands behind a name is the business of whoever walks.
"""

import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Final, Literal

from dgproxy.engine.pace import Pace
from dgproxy.storage.backend import Backend, CommonPrefix, Listed, Record

SPACES: Final = "deltaspaces/"

#: Keys a page: a directory that changes meanwhile is read again for each.
_PAGE: Final = 10_000

#: Records read at once.
_BATCH: Final = 256

_ULID = "[0-7][0-9A-HJKMNP-TV-Z]{25}"
_REFERENCE = re.compile(rf"({_ULID})\.reference\.bin(\.zst)?")
_PIN = re.compile(rf"({_ULID})-({_ULID})-.*\.pin", re.DOTALL)
_DELTA = re.compile(rf"({_ULID})-({_ULID})-.*\.(delta|delta\.zst|residual\.zst)", re.DOTALL)
_WHOLE = re.compile(rf"({_ULID})-.*\.bin(\.zst)?", re.DOTALL)
_HINT = re.compile(r"([0-9a-f]{64})\.json")

Kind = Literal["reference", "delta", "whole", "pin", "hint", "record", "unknown"]


@dataclass(frozen=True, slots=True)
class Name:
    """What a key under `deltaspaces/` says.

    `id` is the blob's own, or the digest of a hint; `uses` is the id of the blob that is needed for as long
    as this one is there: a delta's reference, or what a pin pins.
    """

    key: str
    space: str
    kind: Kind
    id: str = ""
    uses: str = ""


def read_name(key: str) -> Name:
    """Take a key under `deltaspaces/` apart."""
    directory, _, name = key.rpartition("/")
    space = f"{directory}/".removeprefix(SPACES)
    if match := _REFERENCE.fullmatch(name):
        return Name(key, space, "reference", match[1])
    if match := _PIN.fullmatch(name):
        return Name(key, space, "pin", match[2], match[1])
    if match := _DELTA.fullmatch(name):
        return Name(key, space, "delta", match[2], match[1])
    if match := _WHOLE.fullmatch(name):
        return Name(key, space, "whole", match[1])
    if match := _HINT.fullmatch(name):
        return Name(key, space, "hint", match[1])
    return Name(key, space, "record" if name.endswith(".json") else "unknown")


async def listed(backend: Backend, bucket: str, prefix: str, *, deep: bool = True) -> AsyncIterator[Listed]:
    """Every key under a prefix; not `deep`: only those without a '/' behind it. Raises BucketNotFound."""
    async for item in _items(backend, bucket, prefix, "" if deep else "/"):
        if isinstance(item, Listed):
            yield item


async def groups(backend: Backend, bucket: str, prefix: str) -> AsyncIterator[str]:
    """The common prefixes right below a prefix: `uploads/` gives `uploads/<id>/`."""
    async for item in _items(backend, bucket, prefix, "/"):
        if isinstance(item, CommonPrefix):
            yield item.prefix


async def _items(
    backend: Backend, bucket: str, prefix: str, delimiter: str
) -> AsyncIterator[Listed | CommonPrefix]:
    after, more = "", True
    while more:
        page = await backend.list_records(bucket, prefix, delimiter=delimiter, after=after, limit=_PAGE)
        more = page.more
        for item in page.items:
            after = item.prefix if isinstance(item, CommonPrefix) else item.key
            yield item


async def records(
    backend: Backend, bucket: str, prefix: str, pace: Pace, *, deep: bool = True
) -> AsyncIterator[tuple[str, Record]]:
    """Every record under a prefix with its key; those that go meanwhile are left out."""
    batch: list[str] = []
    async for item in listed(backend, bucket, prefix, deep=deep):
        batch.append(item.key)
        if len(batch) == _BATCH:
            async for found in _present(backend, bucket, batch, pace):
                yield found
            batch = []
    async for found in _present(backend, bucket, batch, pace):
        yield found


async def _present(
    backend: Backend, bucket: str, places: list[str], pace: Pace
) -> AsyncIterator[tuple[str, Record]]:
    if not places:
        return
    for place, record in zip(places, await backend.read_records(bucket, places), strict=True):
        if record is not None:
            await pace.spend(len(record.data))
            yield place, record


async def count(backend: Backend, bucket: str, prefix: str) -> int:
    """How many keys there are under a prefix; reads names only."""
    number = 0
    async for _ in listed(backend, bucket, prefix):
        number += 1
    return number
