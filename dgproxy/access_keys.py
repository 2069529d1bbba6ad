# SPDX-License-Identifier: GPL-2.0-only
"""The access keys that are configured, and their renewal while the server runs.

What a key allows is `s3.grants`' business, and how a request proves that it has one is `http.access`'.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from dgproxy.config import Settings
from dgproxy.http.access import AccessKey, Credentials
from dgproxy.logs import get_logger
from dgproxy.s3.grants import Grant
from dgproxy.worker import RELOAD

__all__ = ["credentials_of", "renewing"]

_log = get_logger()


def credentials_of(settings: Settings) -> Credentials | None:
    """Every access key that may sign; None where there is none, and so the server open."""
    if not settings.signed:
        return None
    return Credentials(_access_keys(settings), signature_v2=settings.signature_v2)


def _access_keys(settings: Settings) -> list[AccessKey]:
    keys = [
        AccessKey(
            each.access_key_id,
            each.secret_access_key.get_secret_value(),
            Grant(each.allow, writes=not each.read_only),
            each.name,
        )
        for each in settings.keys
    ]
    if settings.access_key_id is not None and settings.secret_access_key is not None:
        keys.append(AccessKey(settings.access_key_id, settings.secret_access_key.get_secret_value()))
    return keys


@asynccontextmanager
async def renewing(
    credentials: Credentials | None, reload: Callable[[], Settings | None]
) -> AsyncIterator[None]:
    """Replace the access keys by those of `reload` whenever the supervisor says so, for the block."""
    loop = asyncio.get_running_loop()
    told = asyncio.Event()

    async def renew() -> None:
        while await told.wait():
            told.clear()
            settings = await asyncio.to_thread(reload)
            if settings is None:
                continue
            if credentials is None or not settings.signed:
                _log.warning("access keys are as they were: from open to signed, and back, takes a restart")
                continue
            credentials.replace(_access_keys(settings))
            _log.info("access keys renewed")

    async with asyncio.TaskGroup() as group:
        renewing = group.create_task(renew())
        loop.add_signal_handler(RELOAD, told.set)  # for good: without it the signal would end the process
        try:
            yield
        finally:
            renewing.cancel()
