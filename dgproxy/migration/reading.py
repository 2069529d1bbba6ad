# SPDX-License-Identifier: GPL-2.0-only
"""An item opened: its bytes as a body to store, checked against what is known of them, and its attributes.

Nothing is stored of an object whose bytes are not what somebody promised: DeltaGlider's SHA-256, the length,
an ETag that is an MD5.
"""

import asyncio
import hashlib
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Final

from dgproxy.engine.body import Digests
from dgproxy.engine.manifest import Attributes, Manifest
from dgproxy.migration.attributes import attributes_of
from dgproxy.migration.deltaglider import Said
from dgproxy.migration.items import Item, said_in
from dgproxy.migration.places import Head, Opened, Place, Unreadable
from dgproxy.migration.rebuild import Rebuilder
from dgproxy.storage.backend import Buffer

__all__ = ["Content", "Opening", "holds"]

_TAGGED: Final = "x-amz-tagging-count"
_PACKED: Final = (
    ": xdelta3 had unpacked it, and what {0} packs here has other bytes. DeltaGlider can't give it back "
    "either, unless with the version of {0} that it was packed with"
)


class Content:
    """An `engine.body.Body` of bytes that must have this size and these digests (hex, '' if not known).

    `advice` ends the message when they have another SHA-256.
    """

    memory_is_leased = False

    def __init__(
        self, chunks: AsyncIterator[Buffer], size: int | None, sha256: str, md5: str = "", advice: str = ""
    ) -> None:
        self.size = size
        self._chunks = chunks
        self._sha256 = sha256
        self._md5 = md5
        self._advice = advice

    def __aiter__(self) -> AsyncIterator[Buffer]:
        """The bytes, once. Raises Unreadable."""
        return self.read()

    async def read(self) -> AsyncGenerator[Buffer, None]:
        """The same, to be closed by who may leave before the end."""
        done = 0
        async for chunk in self._chunks:
            done += len(chunk)
            if self.size is not None and done > self.size:
                raise Unreadable(f"it has more than the {self.size} bytes it should have")
            yield chunk

    def verify(self, digests: Digests) -> dict[str, str]:
        """Raises Unreadable when these are not the bytes."""
        if self.size is not None and digests.size != self.size:
            raise Unreadable(f"it has {digests.size} bytes and should have {self.size}")
        if self._sha256 and digests.sha256.hex() != self._sha256:
            raise Unreadable(f"its bytes don't match their SHA-256 ({self._sha256}){self._advice}")
        if self._md5 and digests.md5.hex() != self._md5:
            raise Unreadable(
                f"its bytes don't match its ETag ({self._md5}); --no-etags if that is no MD5 in this store"
            )
        return {}


@dataclass(frozen=True, slots=True)
class Opening:
    """How the items of one place are opened; `plain`: nothing in it is DeltaGlider's."""

    place: Place
    rebuilder: Rebuilder
    plain: bool

    @asynccontextmanager
    async def opened(self, item: Item) -> AsyncIterator[tuple[Content, Attributes, int]]:
        """The bytes of an item, its attributes, and when it was made, in milliseconds. Raises Unreadable."""
        async with AsyncExitStack() as stack:
            stored = item.stored
            source = await stack.enter_async_context(self.place.open(stored.key, stored.etag))
            said = item.said or (None if self.plain else said_in(source.head))
            if item.is_delta and said is not None:
                chunks, program = await stack.enter_async_context(self.rebuilder.rebuilt(item, source))
                if program:
                    content = Content(chunks, None, said.sha256, advice=_PACKED.format(program))
                else:
                    content = Content(chunks, said.size, said.sha256)
            else:
                content = _whole(source, said)
            time = source.head.time if said is None or said.created is None else said.created
            yield content, await self._attributes(item, source.head, said), time

    async def said_of(self, item: Item) -> Said | None:
        """What DeltaGlider says of an item, before it is opened. Raises Unreadable."""
        if item.said is not None or self.plain:
            return item.said
        head = await self.place.head(item.stored.key)
        return None if head is None else said_in(head)

    async def _attributes(self, item: Item, head: Head, said: Said | None) -> Attributes:
        headers = dict(head.headers)
        if said is not None:
            headers = dict(said.headers)
            if not item.is_delta and "content-type" in head.headers:
                headers.setdefault("content-type", head.headers["content-type"])
        tagged = head.headers.get(_TAGGED, "0") != "0"
        return attributes_of(headers, await self.place.tags(item.stored.key) if tagged else {}, item.key)


def _whole(source: Opened, said: Said | None) -> Content:
    head = source.head
    sha256 = "" if said is None else said.sha256
    return Content(aiter(source), head.size, sha256, head.etag if head.has_md5 else "")


async def holds(manifest: Manifest, content: AsyncIterator[Buffer]) -> bool:
    """Whether an object has exactly these bytes, by the SHA-256 of its windows; its own are not read."""
    if manifest.inline is not None:
        read = bytearray()
        async for chunk in content:
            read += chunk
            if len(read) > len(manifest.inline):
                return False
        return bytes(read) == manifest.inline
    windows = iter([window for extent in manifest.extents for window in extent.windows])
    window, digest, left = None, hashlib.sha256(), 0
    async for chunk in content:
        with memoryview(chunk) as rest:
            start = 0
            while start < len(rest):
                if not left:
                    window, digest = next(windows, None), hashlib.sha256()
                    if window is None:
                        return False
                    left = window.length
                stop = min(start + left, len(rest))
                await asyncio.to_thread(digest.update, rest[start:stop])
                left -= stop - start
                start = stop
                if not left and window is not None and digest.digest() != window.sha256:
                    return False
    return not left and next(windows, None) is None
