# SPDX-License-Identifier: GPL-2.0-only
"""What the windows of a delta are read against, wherever its bytes are: mapped, on their way, or far off.

A window needs one segment of the reference, and segments run along about as the windows do. So while a
reference is being fetched, a window waits until its own segment has arrived, and no longer; one whose segment
is far from there, or whose fetch does not get on, has it read from the backend by itself. A reading that
wants little of a large reference does not have it fetched at all: `Demand` decides.

Only a reference that is all there has been checked. What a window becomes before that is right when it
matches the window's own SHA-256; when it does not, `checked` is to be asked before it is called damaged.
"""

import asyncio
from collections import OrderedDict
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from typing import Final, NamedTuple

from dgproxy.codec.delta import CorruptDelta
from dgproxy.engine.errors import ObjectDamaged
from dgproxy.engine.manifest import WINDOW, Reference
from dgproxy.storage.backend import StorageError
from dgproxy.storage.cache_arrivals import Arriving

#: Bytes that a window waits for, beyond what has arrived, rather than have its segment read by itself: that
#: many, or twice as much as the segment has.
_NEAR: Final = 2 * WINDOW

#: The longest segment that is read by itself. Most are as long as a window or, where short pieces are copied
#: from all around it, up to 64 MiB (NEAR in csrc/xdelta3/encode.c) and a window or two.
_ALONE: Final = 128 << 20

#: Seconds without a byte after which a fetch is waited for no longer, where there is another way.
_PATIENCE: Final = 1.0

#: A reference is fetched once this share of it was asked for.
_WORTH: Final = 0.5

#: References of which it is remembered how much was asked for.
_REMEMBERED: Final = 1024


class Demand:
    """How much was read of references that are not here, and whether it is worth fetching one.

    What is read of a reference by itself is lost, and a request for each window is slower than one stream.
    But who asks for 1 KiB of a 10 GiB object needs some MiB of its reference, perhaps for ever. Nobody knows
    what will be asked next: it is the question whether to rent skates or to buy them. Who fetches a reference
    once half of it was read otherwise has never transferred more than three times what would have done.

    `failed_lately` says of a SHA-256 that its fetch failed a moment ago: then it is not begun again yet.
    """

    def __init__(self, failed_lately: Callable[[str], bool]) -> None:
        self._failed_lately = failed_lately
        self._read: OrderedDict[str, int] = OrderedDict()

    def note(self, reference: Reference, size: int) -> None:
        """So many bytes were read by themselves."""
        self._read[reference.sha256] = self._read.pop(reference.sha256, 0) + size
        while len(self._read) > _REMEMBERED:
            self._read.popitem(last=False)

    def fetches(self, reference: Reference, size: int) -> bool:
        """Whether to fetch the reference instead of reading so many bytes by themselves."""
        if self._failed_lately(reference.sha256):
            return False
        return self._read.get(reference.sha256, 0) + size >= _WORTH * reference.length


class Stretch(NamedTuple):
    """A piece of a reference from its byte `begins` on; `checked`: certainly as it was stored."""

    view: memoryview
    begins: int
    checked: bool


class Source:
    """A reference as one reading uses it: one that is here."""

    def __init__(self, view: memoryview | None) -> None:
        self._view = view

    @property
    def view(self) -> memoryview | None:
        """All of it, checked; None while it is not here."""
        return self._view

    async def checked(self) -> memoryview:
        """All of it, fetched if need be. Raises StorageError, ObjectDamaged."""
        return self._view if self._view is not None else memoryview(b"")

    @asynccontextmanager
    async def stretch(self, begin: int, end: int) -> AsyncIterator[Stretch]:
        """At least these bytes, for a block.

        Raises StorageError, ObjectDamaged, and CorruptDelta where the reference has no such bytes.
        """
        yield Stretch(await self.checked(), 0, checked=True)


class Remote(Source):
    """One that is not here when the reading begins.

    `arrive` has it fetched, `mapped` maps it when it is fetched; `read` reads a stretch by itself, where that
    can be done.
    """

    def __init__(
        self,
        stack: AsyncExitStack,
        reference: Reference,
        demand: Demand,
        arrive: Callable[[], AbstractAsyncContextManager[Arriving]],
        mapped: Callable[[Arriving], Awaitable[memoryview]],
        read: Callable[[int, int], AbstractAsyncContextManager[memoryview]] | None,
    ) -> None:
        super().__init__(None)
        self._stack = stack
        self._reference = reference
        self._demand = demand
        self._arrive = arrive
        self._mapped = mapped
        self._read = read
        self._arriving: Arriving | None = None
        self._failed = False

    async def fetch(self) -> Arriving:
        """Have it fetched, beside what else is done."""
        if self._arriving is None:
            self._arriving = await self._stack.enter_async_context(self._arrive())
        return self._arriving

    async def checked(self) -> memoryview:
        """See `Source`."""
        if self._view is None:
            self._view = await self._mapped(await self.fetch())
        return self._view

    @asynccontextmanager
    async def stretch(self, begin: int, end: int) -> AsyncIterator[Stretch]:
        """See `Source`."""
        if end > self._reference.length:
            raise CorruptDelta("VCD_E_SOURCE_END", f"a segment ends at {end} of {self._reference.length}")
        async with AsyncExitStack() as stack:
            yield await self._find(stack, begin, end)

    async def _find(self, stack: AsyncExitStack, begin: int, end: int) -> Stretch:
        if begin == end:
            return Stretch(memoryview(b""), begin, checked=True)
        read = self._read if end - begin <= _ALONE else None
        if self._view is None and self._is_to_be_fetched(end - begin, alone=read is not None):
            try:
                view = await self._arrived(stack, begin, end, wait=read is None)
            except (StorageError, ObjectDamaged):
                if read is None:
                    raise
                self._failed = True  # and goes on without it
            else:
                if view is not None:
                    return Stretch(view, begin, checked=False)
        if self._view is None and read is not None:
            self._demand.note(self._reference, end - begin)
            return Stretch(await stack.enter_async_context(read(begin, end)), begin, checked=False)
        return Stretch(await self.checked(), 0, checked=True)

    def _is_to_be_fetched(self, size: int, *, alone: bool) -> bool:
        if self._failed or not alone:
            return not alone
        return self._arriving is not None or self._demand.fetches(self._reference, size)

    async def _arrived(self, stack: AsyncExitStack, begin: int, end: int, *, wait: bool) -> memoryview | None:
        """A segment out of what the fetch has brought so far; None when that is all, or not enough yet.

        With `wait` it is waited for, however far away it is; without, while it is near and comes nearer.
        """
        arriving = await self.fetch()
        while arriving.arrived < end and not arriving.over:
            before = arriving.arrived
            if not wait and end > before + max(_NEAR, 2 * (end - begin)):
                return None
            try:
                async with asyncio.timeout(None if wait else _PATIENCE):
                    await arriving.reached(before + 1)
            except TimeoutError:
                return None
        if arriving.over:
            await self.checked()
            return None
        return await stack.enter_async_context(arriving.stretch(begin, end))
