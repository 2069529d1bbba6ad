# SPDX-License-Identifier: GPL-2.0-only
"""HTTP by hand on one connection: what no client library would send, and every byte that comes back."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Self

from lxml import etree


@dataclass(frozen=True)
class Answer:
    """One response; header names in lower case. Not `whole`: the connection ended inside the body."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    whole: bool = True

    def error(self) -> str:
        """The S3 code; AssertionError unless this is an S3 error as law 8 has it."""
        assert self.status >= 300, f"{self.status} is no error: {self.body!r}"
        root = self.xml("Error")
        assert root.findtext("RequestId") == self.headers["x-amz-request-id"] != ""
        assert root.findtext("HostId") == self.headers["x-amz-id-2"] != ""
        assert root.findtext("Message")
        code = root.findtext("Code")
        assert code
        return code

    def xml(self, tag: str) -> "etree._Element":
        """The body's document, which must be a `tag`; names without namespaces."""
        assert self.headers["content-type"] == "application/xml"
        root = etree.fromstring(self.body)
        for element in root.iter():
            element.tag = etree.QName(element).localname
        assert root.tag == tag
        return root


class Wire:
    """An open connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def send(self, data: bytes) -> Self:
        self.writer.write(data)
        await self.writer.drain()
        return self

    async def request(self, line: str, *headers: str, body: bytes = b"", version: str = "1.1") -> Self:
        """Send a head with Host and these header lines, then the body; nothing is added."""
        head = "\r\n".join([f"{line} HTTP/{version}", "Host: s3.test:9000", *headers, "", ""])
        return await self.send(head.encode("utf-8", "surrogateescape") + body)

    async def answer(self, method: str = "GET") -> Answer:
        """Read one final or interim response."""
        head = (await self.reader.readuntil(b"\r\n\r\n")).decode("utf-8", "surrogateescape")
        status_line, *lines = head.removesuffix("\r\n\r\n").split("\r\n")
        pairs = [line.partition(": ")[::2] for line in lines]
        headers = {name.lower(): value for name, value in pairs}
        assert len(headers) == len(pairs), f"a header is there twice: {pairs}"
        status = int(status_line.split(" ")[1])
        if method == "HEAD" or status in {100, 204, 304}:
            return Answer(status, headers, b"")
        length = int(headers["content-length"])
        try:
            return Answer(status, headers, await self.reader.readexactly(length))
        except asyncio.IncompleteReadError as error:
            return Answer(status, headers, error.partial, whole=False)
        except ConnectionError:
            return Answer(status, headers, b"", whole=False)

    async def closed(self) -> bool:
        """Whether the server says nothing more and ends the connection."""
        try:
            return await self.reader.read(1) == b""
        except ConnectionError:
            return True

    async def silent(self, seconds: float = 0.2) -> bool:
        """Whether nothing comes for a while, the end of the connection neither."""
        try:
            async with asyncio.timeout(seconds):
                await self.reader.read(1)
        except TimeoutError:
            return True
        return False

    def abort(self) -> None:
        """Drop the connection without a goodbye."""
        self.writer.transport.abort()


@asynccontextmanager
async def wire_to(port: int) -> AsyncIterator[Wire]:
    """A connection for the block."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1 << 24)
    try:
        yield Wire(reader, writer)
    finally:
        writer.transport.abort()
