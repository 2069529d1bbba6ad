# SPDX-License-Identifier: GPL-2.0-only
"""Calls that are over when their caller goes on, cancelled or not.

A request that changes the store can't be taken back by closing its connection: it may take place a moment
later, when the one who was cancelled has already looked, found nothing, and cleared up. So it is waited for.
"""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

_T = TypeVar("_T")


async def outlast(call: Coroutine[Any, Any, _T]) -> _T:
    """The call's result. A cancellation waits for the end of the call, then goes on."""
    task = asyncio.create_task(call)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        while not task.done():
            try:
                await asyncio.wait([task])
            except asyncio.CancelledError:
                continue
        if not task.cancelled():
            task.exception()  # looked at: the cancelled caller has no more use for it
        raise
