# SPDX-License-Identifier: GPL-2.0-only
"""Blobs that are read.

An open blob is a stream of the bytes that its reader said it wants, begun when it is opened, so that it ends
with them even when the blob is removed meanwhile. A read that goes on where the last one ended takes from the
stream; any other, and one whose stream broke, is a call of its own. Streams hold a connection each, and slow
readers hold them long, so they are few: an object of many blobs has most of its reads as calls.
"""

import asyncio
import time
from functools import partial
from typing import Final

from dgproxy.storage.backend import Buffer, Damaged, RecordNotFound, StorageError
from dgproxy.storage.s3.buckets import Buckets
from dgproxy.storage.s3.client import CONNECTIONS, Client
from dgproxy.storage.s3.failures import FAILURES, NotThere
from dgproxy.storage.s3.keymap import place_of
from dgproxy.storage.s3.silence import is_silence
from dgproxy.storage.s3.streaming import Room, Stream

#: Half of the connections: the other half is for calls.
_STREAMS: Final = CONNECTIONS // 2


class Streams:
    """How many blobs of this process are open as streams, and where what is read goes."""

    def __init__(self, room: Room) -> None:
        self.open = 0
        self.room = room


class OpenBlob:
    """A BlobReader. `open` it once; `close` ends it, whatever became of it."""

    def __init__(self, client: Client, buckets: Buckets, streams: Streams, bucket: str, key: str) -> None:
        self._client = client
        self._buckets = buckets
        self._streams = streams
        self._bucket = bucket
        self._key = key
        self._place = {"Bucket": buckets.name(bucket), "Key": place_of(key)}
        self._size = 0
        self._stream: Stream | None = None
        self._at = self._end = 0
        self._reading = asyncio.Lock()

    @property
    def size(self) -> int:
        """The blob's length in bytes."""
        return self._size

    async def open(self, span: tuple[int, int] | None) -> None:
        """Begin to read the bytes `span`, all when None. Raises RecordNotFound, BucketNotFound."""
        try:
            if self._streams.open >= _STREAMS or (span is not None and span[0] >= span[1]):
                await self._look()
            else:
                await self._begin(span)
        except Damaged:
            await self._look()  # it ends before the span begins: who reads that is told
        except NotThere as error:
            await self._buckets.require(self._bucket)
            raise RecordNotFound(f"no {self._key!r} in bucket {self._bucket!r}") from error

    async def read(self, offset: int, length: int) -> Buffer:
        """See the contract."""
        if offset + length > self._size:
            raise Damaged(f"{self._what} ends at {self._size}, before {offset + length}")
        if not length:
            return b""
        if self._stream is not None and not self._reading.locked() and offset == self._at:
            async with self._reading:
                data = await self._read_on(self._stream, length)
            if data is not None:
                return data
        return await self._client.run(partial(self._fetch, offset, length), f"GetObject {self._what}")

    async def close(self) -> None:
        """Let go of the stream."""
        if self._stream is not None:
            self._stream.close()
            self._stream = None
            self._streams.open -= 1

    @property
    def _what(self) -> str:
        return f"{self._place['Bucket']}/{self._place['Key']}"

    async def _look(self) -> None:
        self._size = (await self._client.call("head_object", **self._place))["ContentLength"]

    async def _begin(self, span: tuple[int, int] | None) -> None:
        self._streams.open += 1
        try:
            wanted = {} if span is None else {"Range": _range(*span)}
            answer = await self._client.call("get_object", **self._place, **wanted)
        except BaseException:
            self._streams.open -= 1
            raise
        self._stream = Stream(answer["Body"], answer["ContentLength"], self._streams.room)
        self._at = 0 if span is None else span[0]
        self._end = self._at + answer["ContentLength"]
        # "bytes 5-9/100" (RFC 9110, 14.4); without it the answer is the whole
        self._size = int(answer.get("ContentRange", f"/{answer['ContentLength']}").rpartition("/")[2])
        if "ContentRange" not in answer:
            self._at, self._end = 0, self._size

    async def _read_on(self, stream: Stream, length: int) -> Buffer | None:
        """The next bytes of the stream; None, and no stream any more, when it does not give them."""
        if self._at + length > self._end:
            return None
        began = time.monotonic()
        try:
            data = await stream.read(length)
        except BaseException as error:
            await self.close()
            if is_silence(error):
                self._client.silence.lasted(began)
            if isinstance(error, (*FAILURES, StorageError)):
                return None
            raise
        self._at += length
        return data

    async def _fetch(self, offset: int, length: int, patience: float) -> Buffer:
        span = _range(offset, offset + length)
        answer = await self._client.start("get_object", patience=patience, **self._place, Range=span)
        stream = Stream(answer["Body"], answer["ContentLength"], self._streams.room)
        try:
            return await stream.read(length)
        finally:
            stream.close()


def _range(start: int, stop: int) -> str:
    return f"bytes={start}-{stop - 1}"
