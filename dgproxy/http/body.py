# SPDX-License-Identifier: GPL-2.0-only
"""Request bodies: from the socket to decoded bytes, with every promise the client made about them kept.

Promises: framing never reaches the engine; what arrives has exactly the declared length; chunk signatures,
trailer, Content-MD5, x-amz-content-sha256 and checksums are all compared before anything is committed
(`verify`); `100 Continue` is sent only when the body is really wanted; who stops sending, or all but stops
(`pace`), is cut off. Decoding and hashing run on worker threads in batches. How the bytes are stored is the
engine's business.
"""

import asyncio
import hashlib
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from typing import Final, TypeVar

from aiohttp import HttpVersion11, web

from dgproxy.codec.workers import Workers
from dgproxy.engine.body import Body, Digests
from dgproxy.http.pace import LENIENT, Pace, Progress
from dgproxy.s3 import checksums, integrity
from dgproxy.s3.chunked import ChunkedDecoder
from dgproxy.s3.errors import S3Error
from dgproxy.s3.payload import Framing, Payload
from dgproxy.s3.signing import ChunkSigner
from dgproxy.s3.xml import MAX_DOCUMENT
from dgproxy.storage.backend import Buffer

_T = TypeVar("_T")

#: Wire bytes handed to a worker thread at once: large enough that the hand-over (0.1 ms) does not show.
_BATCH: Final = 1 << 20
#: Up to this many bytes the event loop does the work itself: faster than asking a thread.
_SMALL: Final = 64 << 10


class RequestBody(Body):
    """The body of one request, to be read once."""

    def __init__(
        self,
        request: web.BaseRequest,
        headers: Mapping[str, str],
        payload: Payload,
        workers: Workers,
        signer: ChunkSigner | None,
        keep: checksums.Algorithm | None = None,
        pace: Pace = LENIENT,
    ) -> None:
        """`keep` is a checksum to compute even where the client promises none. Raises S3Error."""
        self._request = request
        self._patience = pace.patience
        self._progress = Progress(pace)
        self._payload = payload
        self._workers = workers
        self._expected = integrity.expect(headers, payload).keeping(keep)
        self._decoder: ChunkedDecoder | None = None
        if payload.framing is not Framing.PLAIN:
            self._decoder = ChunkedDecoder(payload.framing, signer, payload.length or 0, payload.trailers)
        # The engine computes SHA-256 anyway.
        algorithm = self._expected.algorithm
        own = algorithm is not None and algorithm is not checksums.Algorithm.SHA256
        self._hasher = checksums.new(algorithm) if algorithm is not None and own else None

    @property
    def size(self) -> int | None:
        """Bytes of the decoded body, as the client declared them."""
        return self._payload.length

    @property
    def memory_is_leased(self) -> bool:
        """Never: what a body needs is leased when the engine begins to read it."""
        return False

    async def __aiter__(self) -> AsyncGenerator[Buffer, None]:
        """The decoded bytes.

        Raises S3Error: IncompleteBody, InvalidRequest, RequestTimeout, and what decoding raises.
        """
        _continue(self._request)
        received = 0
        async for batch in self._batches():
            for piece in await self._decode(batch):
                received += len(piece)
                if self._payload.length is not None and received > self._payload.length:
                    raise S3Error("InvalidRequest", "The body is longer than x-amz-decoded-content-length.")
                yield piece
        if self._payload.length is not None and received != self._payload.length:
            raise S3Error("IncompleteBody")

    def verify(self, digests: Digests) -> dict[str, str]:
        """Compare what arrived with every promise; gives the client's checksum to keep. Raises S3Error."""
        trailers = self._decoder.finish() if self._decoder is not None else {}
        checksum = digests.sha256 if self._hasher is None else self._hasher.digest()
        kept = self._expected.verify(
            md5=digests.md5, sha256=digests.sha256, checksum=checksum, trailers=trailers
        )
        return {} if kept is None else {kept.algorithm.value.lower(): kept.text}

    async def document(self, parse: Callable[[bytes], _T], *, proven: bool = False) -> _T:
        """What `parse` makes of a small body whole, once every promise about it was kept.

        `proven` insists on some digest to compare it with. Raises S3Error: MaxMessageLengthExceeded,
        InvalidRequest, both before a byte is asked for, and what reading, verifying and `parse` raise.
        """
        if self.size is not None and self.size > MAX_DOCUMENT:
            raise S3Error("MaxMessageLengthExceeded")
        if proven:
            self._expected.require()
        document = bytearray()
        async for piece in self:
            document += piece
            if len(document) > MAX_DOCUMENT:
                raise S3Error("MaxMessageLengthExceeded")

        def checked() -> _T:
            md5 = hashlib.md5(document, usedforsecurity=False)
            self.verify(Digests(md5.digest(), hashlib.sha256(document).digest(), len(document)))
            return parse(bytes(document))

        return checked() if len(document) <= _SMALL else await self._workers.run(checked)

    async def _batches(self) -> AsyncIterator[list[bytes]]:
        """The wire bytes, about `_BATCH` at a time."""
        batch: list[bytes] = []
        size = 0
        while chunk := await self._receive():
            batch.append(chunk)
            size += len(chunk)
            if size >= _BATCH or (self._decoder is None and self._hasher is None):
                yield batch
                batch, size = [], 0
        if batch:
            yield batch

    async def _receive(self) -> bytes:
        began = time.monotonic()
        try:
            async with asyncio.timeout(self._patience):
                data = await self._request.content.readany()
        except TimeoutError as error:
            raise S3Error("RequestTimeout") from error
        except (web.RequestPayloadError, OSError) as error:  # OSError: the connection is gone
            raise S3Error("IncompleteBody") from error
        if data:
            self._progress.arrived(len(data), time.monotonic() - began)
        return data

    async def _decode(self, batch: list[bytes]) -> list[Buffer]:
        if self._decoder is None and self._hasher is None:
            return list(batch)
        if sum(map(len, batch)) <= _SMALL:
            return self._take(batch)
        return await self._workers.run(self._take, batch)

    def _take(self, batch: list[bytes]) -> list[Buffer]:
        pieces: list[Buffer] = []
        for chunk in batch:
            pieces += [chunk] if self._decoder is None else self._decoder.feed(chunk)
        if self._hasher is not None:
            for piece in pieces:
                self._hasher.update(piece)
        return pieces


def _continue(request: web.BaseRequest) -> None:
    """Tell a client that waits for it to send its body; never one of HTTP/1.0 (RFC 9110, section 10.1.1)."""
    waits = request.headers.get("Expect", "").lower() == "100-continue" and request.version >= HttpVersion11
    if waits and not request.content.is_eof() and request.transport is not None:
        request.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
