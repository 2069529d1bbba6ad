# SPDX-License-Identifier: GPL-2.0-only
"""The other store of `import` and `export`: which S3 server, with whose credentials, and how much at once.

Credentials are those of the AWS tools' usual places. Where the server's own storage is an object store, too,
those in the environment are its own: a profile names others.
"""

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from functools import wraps
from typing import Any

import click

from dgproxy.migration.places import SourceError
from dgproxy.storage.s3.client import Client, Store
from dgproxy.storage.s3.client import connected as connected_to
from dgproxy.storage.s3.failures import FAILURES

__all__ = ["at_once", "connected", "options"]

at_once = click.option(
    "--parallel",
    "at_once",
    metavar="N",
    type=click.IntRange(1, 64),
    default=4,
    show_default=True,
    help="Objects on their way at once.",
)


def options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the options that say which server; it gets a `store`."""

    @click.option("--endpoint", metavar="URL", help="The S3 server; without it $AWS_ENDPOINT_URL, or AWS.")
    @click.option("--region", metavar="REGION", help="Its region.")
    @click.option("--profile", metavar="NAME", help="Credentials from this profile of ~/.aws.")
    @click.option("--virtual-hosted", is_flag=True, help="Its buckets are host names, not paths.")
    @wraps(command)
    def with_store(
        *args: Any,
        endpoint: str | None,
        region: str | None,
        profile: str | None,
        virtual_hosted: bool,
        **others: Any,
    ) -> Any:
        store = Store(endpoint, region, not virtual_hosted, profile=profile)
        return command(*args, store=store, **others)

    return with_store


@asynccontextmanager
async def connected(store: Store) -> AsyncIterator[Client]:
    """A client for the block. Raises SourceError when the settings make none."""
    async with AsyncExitStack() as stack:
        try:
            client = await stack.enter_async_context(connected_to(store))
        except (*FAILURES, ValueError) as error:
            raise SourceError(f"the S3 server can't be used: {error}") from error
        yield client
