# SPDX-License-Identifier: GPL-2.0-only
"""What a bucket holds, walked through in key order: for gc, verify and the optimizer.

Walks hold one page in memory, however many there are, and see what is there all along; what comes or goes
meanwhile they may see or not. What stands behind a name is the business of whoever walks.
"""

from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, Generic, Self, TypeVar

from dgproxy.engine.pace import LEAST, Pace
from dgproxy.storage.backend import Backend, CommonPrefix, Listed, Record

T = TypeVar("T")

#: Keys a page: a directory that changes meanwhile is read again for each.
_PAGE: Final = 10_000

#: Records read at once.
_BATCH: Final = 256


class Walk(Generic[T]):
    """Items one after the other, fetched a run at a time by `fill`, which gives None after the last.

    No generator: a walk that is broken off leaves nothing to be closed.
    """

    def __init__(self, fill: Callable[[], Awaitable[list[T] | None]]) -> None:
        self._fill = fill
        self._run: deque[T] = deque()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> T:
        while not self._run:
            run = await self._fill()
            if run is None:
                raise StopAsyncIteration
            self._run.extend(run)
        return self._run.popleft()

    async def take(self, most: int) -> list[T]:
        """The next ones, up to so many; none after the last."""
        taken: list[T] = []
        while len(taken) < most:
            try:
                taken.append(await anext(self))
            except StopAsyncIteration:
                break
        return taken


def listed(backend: Backend, bucket: str, prefix: str, *, deep: bool = True) -> Walk[Listed]:
    """Every key under a prefix; not `deep`: only those without a '/' behind it. Raises BucketNotFound."""
    pages = _pages(backend, bucket, prefix, "" if deep else "/")

    async def fill() -> list[Listed] | None:
        page = await pages()
        return None if page is None else [item for item in page if isinstance(item, Listed)]

    return Walk(fill)


def groups(backend: Backend, bucket: str, prefix: str) -> Walk[str]:
    """The common prefixes right below a prefix: `uploads/` gives `uploads/<id>/`."""
    pages = _pages(backend, bucket, prefix, "/")

    async def fill() -> list[str] | None:
        page = await pages()
        return None if page is None else [item.prefix for item in page if isinstance(item, CommonPrefix)]

    return Walk(fill)


def spaces(backend: Backend, bucket: str, room: str, prefix: str) -> Walk[str]:
    """The deltaspaces that start with a prefix, as far as keys under `room` have them, in order."""
    pending = [prefix[: prefix.rfind("/") + 1]]

    async def fill() -> list[str] | None:
        if not pending:
            return None
        space = pending.pop()
        below = [group.removeprefix(room) async for group in groups(backend, bucket, room + space)]
        pending.extend(each for each in reversed(below) if each.startswith(prefix))
        return [space] if space.startswith(prefix) else []

    return Walk(fill)


def _pages(
    backend: Backend, bucket: str, prefix: str, delimiter: str
) -> Callable[[], Awaitable[Sequence[Listed | CommonPrefix] | None]]:
    """Gives page after page, and None after the last."""
    after, more = "", True

    async def page() -> Sequence[Listed | CommonPrefix] | None:
        nonlocal after, more
        if not more:
            return None
        found = await backend.list_records(bucket, prefix, delimiter=delimiter, after=after, limit=_PAGE)
        more = found.more
        if found.items:
            last = found.items[-1]
            after = last.prefix if isinstance(last, CommonPrefix) else last.key
        return found.items

    return page


def records(
    backend: Backend, bucket: str, prefix: str, pace: Pace, *, deep: bool = True
) -> Walk[tuple[str, Record]]:
    """Every record under a prefix with its key; those that go meanwhile are left out."""
    names = listed(backend, bucket, prefix, deep=deep)

    async def fill() -> list[tuple[str, Record]] | None:
        batch = [item.key for item in await names.take(_BATCH)]
        if not batch:
            return None
        present = await read_present(backend, bucket, batch)
        await pace.spend(sum(max(len(each.data), LEAST) for _, each in present))
        return present

    return Walk(fill)


async def read_present(backend: Backend, bucket: str, places: Sequence[str]) -> list[tuple[str, Record]]:
    """The records at these keys, each with its key; keys without one are left out."""
    found = await backend.read_records(bucket, places)
    return [(place, each) for place, each in zip(places, found, strict=True) if each is not None]


async def count(backend: Backend, bucket: str, prefix: str) -> int:
    """How many keys there are under a prefix; reads names only."""
    number = 0
    async for _ in listed(backend, bucket, prefix):
        number += 1
    return number
