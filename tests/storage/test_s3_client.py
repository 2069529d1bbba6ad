# SPDX-License-Identifier: GPL-2.0-only
"""What the client of the store says on the wire, and how it reads what it is told."""

import asyncio
from datetime import UTC, datetime

import pytest

from dgproxy.storage.s3 import Store, client, dates
from dgproxy.version import __version__

PAGE = b"""<ListBucketResult>
<Contents><Key>a</Key><LastModified>2026-11-23T04:00:00.5Z</LastModified></Contents>
</ListBucketResult>"""


async def test_a_listing(monkeypatch: pytest.MonkeyPatch) -> None:
    """The client says who it is, and dates are not left to botocore, which takes its time for each."""
    heads, read = [], []

    def reading(value: str | float) -> datetime:
        read.append(value)
        return dates.read_date(value)

    monkeypatch.setattr(client, "read_date", reading)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heads.append((await reader.readuntil(b"\r\n\r\n")).decode())
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(PAGE), PAGE))
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        endpoint = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        store = Store(endpoint, "us-east-1", access_key_id="a", secret_access_key="b")
        async with client.connected(store) as connected:
            answer = await connected.call("list_objects_v2", Bucket="bucket")
    assert read == ["2026-11-23T04:00:00.5Z"]
    assert answer["Contents"][0]["LastModified"] == datetime(2026, 11, 23, 4, 0, 0, 500_000, UTC)
    assert f"\r\nUser-Agent: DeltaGliderProxy/{__version__} " in heads[0]
