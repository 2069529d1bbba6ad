# SPDX-License-Identifier: GPL-2.0-only
"""Bodies cut into windows: where they lie depends on the bytes alone."""

import hashlib
import random
from collections.abc import AsyncIterator

import pytest

from dgproxy.engine.errors import ObjectTooLarge
from dgproxy.engine.incoming import Incoming
from dgproxy.engine.manifest import WINDOW
from tests.engine.material import noise
from tests.engine.world import Sent

LIMIT = 1 << 40


async def windows_of(body: Sent, limit: int = LIMIT) -> list[bytes]:
    incoming = Incoming(body, limit)
    windows: list[bytes] = []
    before = memoryview(b"")
    while window := await incoming.window():
        assert not windows or bytes(before) == windows[-1]  # valid while the next one filled
        windows.append(bytes(window))
        incoming.digest(window)
        before = window
    assert not await incoming.window()
    data = b"".join(windows)
    digests = incoming.digests()
    assert digests.md5 == hashlib.md5(data).digest()
    assert digests.sha256 == hashlib.sha256(data).digest()
    assert digests.size == len(data)
    return windows


@pytest.mark.parametrize(
    "size",
    [0, 1, 8191, WINDOW - 2, WINDOW - 1, WINDOW, WINDOW + 1, 2 * WINDOW, 2 * WINDOW + 1],
)
@pytest.mark.parametrize("declared", [True, False])
@pytest.mark.parametrize("chunk", [WINDOW - 1, 3 * WINDOW, 65_537])
async def test_windows_are_where_they_must_be(size: int, chunk: int, *, declared: bool) -> None:
    data = noise(3 * WINDOW)[:size]
    windows = await windows_of(Sent(data, chunk=chunk, declared=size if declared else None))
    assert windows == [data[start : start + WINDOW] for start in range(0, size, WINDOW)]


@pytest.mark.parametrize("seed", range(10))
async def test_any_chunking_gives_the_same_windows(seed: int) -> None:
    chance = random.Random(seed)
    size = chance.choice([5, 70_000, WINDOW, chance.randrange(2 * WINDOW)])
    data = noise(3 * WINDOW)[:size]

    class Ragged(Sent):
        async def __aiter__(self) -> AsyncIterator[bytearray]:
            place = 0
            shown = bytearray()
            while place < size:
                # The chunk handed out before is no longer valid: spoil it.
                shown[:] = bytes(len(shown))
                shown = bytearray(
                    data[place : place + chance.choice([0, 1, 100, 70_000, WINDOW, WINDOW + 1])]
                )
                place += len(shown)
                yield shown

    windows = await windows_of(Ragged(data, declared=chance.choice([None, size])))
    assert windows == [data[start : start + WINDOW] for start in range(0, size, WINDOW)]


@pytest.mark.parametrize(
    ("size", "declared"), [(1, 0), (101, 100), (WINDOW + 1, WINDOW), (WINDOW, WINDOW - 1)]
)
async def test_more_than_declared_is_refused(size: int, declared: int) -> None:
    with pytest.raises(ValueError, match="declared"):
        await windows_of(Sent(noise(3 * WINDOW)[:size], declared=declared))


@pytest.mark.parametrize("declared", [True, False])
async def test_more_than_allowed_is_refused(*, declared: bool) -> None:
    data = noise(3 * WINDOW)[: WINDOW + 10]
    size = len(data) if declared else None
    assert len(await windows_of(Sent(data, declared=size), limit=len(data))) == 2
    with pytest.raises(ObjectTooLarge, match="larger"):
        await windows_of(Sent(data, declared=size), limit=len(data) - 1)
