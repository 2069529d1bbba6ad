# SPDX-License-Identifier: GPL-2.0-only
"""The way to the store: one client a process, its connections, its patience.

Promises that a call ends within its time-outs, that one which failed for want of luck is made again a few
times with growing, random pauses, and that only `storage.errors` come out. Whether a call that failed took
place is open; `Retried` tells who cares that an earlier try of the same call may have.

What is called, and what an answer means, is for the other modules here.
"""

import asyncio
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final, TypeVar

import aioboto3
from aiobotocore.config import AioConfig
from aiobotocore.httpsession import AIOHTTPSession
from aiobotocore.session import get_session
from botocore.exceptions import ClientError

from dgproxy.storage.errors import Unavailable
from dgproxy.storage.s3 import silence
from dgproxy.storage.s3.dates import read_date
from dgproxy.storage.s3.failures import FAILURES, TRANSIENT, from_failure, never_sent
from dgproxy.storage.s3.silence import Body, Silence, giving_up, is_silence
from dgproxy.version import __version__

_T = TypeVar("_T")

#: Connections of a process. Streams of blobs take at most half (`blobs`), so that no slow reader can keep the
#: small calls from theirs.
CONNECTIONS: Final = 64

#: Seconds to connect.
_CONNECT: Final = 5

#: May take minutes, in which the store sends white space now and then (S3 API reference). That is no answer
#: yet, so only the pieces are waited for, by aiohttp.
_SLOW: Final = {"complete_multipart_upload"}

#: Bodies of more bytes go to their connection in pieces: what it is given at once and can't send, it copies.
_PIECEMEAL: Final = 1 << 18

#: Seconds before the second and later tries, at most; each is cut at random, so that many don't come at once.
_PAUSES: Final = (0.1, 0.4, 1.6)


@dataclass(frozen=True, slots=True)
class Store:
    """Which store, and how to speak to it; no credentials are those of the AWS tools' usual places."""

    endpoint: str | None = None
    region: str | None = None
    path_style: bool = True
    access_key_id: str | None = None
    secret_access_key: str | None = None
    session_token: str | None = None
    #: Before the names of all buckets.
    bucket_prefix: str = ""
    #: A profile of the AWS tools' files, instead of their environment variables.
    profile: str | None = None


class Retried:
    """Whether a try that failed may have taken place, and if the call may be made `again` all the same."""

    def __init__(self, *, again: bool = True) -> None:
        self.yes = False
        self.again = again


class Client:
    """The store's API: a method's name and arguments in, its answer out."""

    def __init__(self, client: Any) -> None:
        self._client = client
        self.silence = Silence()

    async def call(self, operation: str, retried: Retried | None = None, /, **arguments: Any) -> Any:
        """Call an operation, by its name in boto3; its answer. Raises StorageError and the like.

        An answer with a body is the caller's to close.
        """
        return await self.run(
            lambda patience: self.start(operation, patience=patience, **arguments),
            _what(operation, arguments),
            retried,
        )

    async def start(self, operation: str, *, patience: float, **arguments: Any) -> Any:
        """Call an operation once, and wait so many seconds for the answer. Raises one of FAILURES."""
        body = arguments.get("Body")
        if isinstance(body, bytes) and len(body) > _PIECEMEAL:
            body = arguments["Body"] = Body(body)
        limit = None if operation in _SLOW and patience != silence.BRIEF else patience
        try:
            async with giving_up(limit, body if isinstance(body, Body) else None):
                answer = await getattr(self._client, operation)(**arguments)
        except ClientError:
            self.silence.heard()
            raise
        self.silence.heard()
        return answer

    async def run(
        self, attempt: Callable[[float], Awaitable[_T]], what: str, retried: Retried | None = None
    ) -> _T:
        """Make an attempt, of so many seconds, until it succeeds, fails for good, or has failed too often."""
        brief = self.silence.known
        for pause in (*_PAUSES, None):
            began = time.monotonic()
            try:
                return await attempt(silence.BRIEF if brief else silence.SILENCE)
            except FAILURES as error:
                failure = from_failure(error, what)
                last = not isinstance(failure, TRANSIENT)
                if is_silence(error):
                    last |= brief
                    if not brief:
                        self.silence.lasted(began)
                    brief = True
                if retried is not None and isinstance(failure, Unavailable) and not never_sent(error):
                    retried.yes = True
                    last |= not retried.again
                if pause is None or last:
                    raise failure from error
            await asyncio.sleep(pause * random.uniform(0.5, 1))  # noqa: S311 - no secret
        raise AssertionError("the last attempt returned or raised")

    async def get(self, bucket: str, key: str) -> tuple[bytes, str]:
        """The whole of a small object, and its ETag."""

        async def attempt(patience: float) -> tuple[bytes, str]:
            answer = await self.start("get_object", patience=patience, Bucket=bucket, Key=key)
            async with answer["Body"] as body, giving_up(patience, None):
                return await body.read(), answer["ETag"]

        return await self.run(attempt, f"GetObject {bucket}/{key}")


class _Session(AIOHTTPSession):  # type: ignore[misc]  # it has no types
    """Sends each request once.

    aiohttp sends one whose connection broke a second time by itself, when it was PUT or DELETE and the
    connection had been used before. The store may have done the first, then refuses the second because of it,
    and nobody up here knows that there were two. It has a switch for that, for its own tests.
    """

    async def _get_session(self, proxy_url: str | None) -> Any:
        session = await super()._get_session(proxy_url)
        session._retry_connection = False
        return session


@asynccontextmanager
async def connected(store: Store) -> AsyncIterator[Client]:
    """A client of the store for the block. Nothing is sent yet."""
    sdk = get_session()
    sdk.get_component("response_parser_factory").set_parser_defaults(timestamp_parser=read_date)
    session = aioboto3.Session(
        botocore_session=sdk,
        aws_access_key_id=store.access_key_id,
        aws_secret_access_key=store.secret_access_key,
        aws_session_token=store.session_token,
        region_name=store.region,
        profile_name=store.profile,
    )
    config = AioConfig(
        http_session_cls=_Session,
        # botocore's own says more, and is put together anew for each call: a tenth of a small call's time.
        user_agent=f"DeltaGliderProxy/{__version__}",
        max_pool_connections=CONNECTIONS,
        connect_timeout=_CONNECT,
        read_timeout=silence.SILENCE,
        # Arguments are ours, and have types.
        parameter_validation=False,
        # Ours, above: it knows which calls are safe, and says when one was made twice.
        retries={"mode": "standard", "total_max_attempts": 1},
        s3={
            "addressing_style": "path" if store.path_style else "virtual",
            # A body's hash would be made on the event loop. Bodies have a Content-MD5, made in a thread.
            "payload_signing_enabled": False,
        },
        # Many stores refuse the checksums that SDKs send by default.
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
    )
    async with session.client("s3", endpoint_url=store.endpoint, config=config) as client:
        yield Client(client)


def _what(operation: str, arguments: dict[str, Any]) -> str:
    name = "".join(word.capitalize() for word in operation.split("_"))
    place = "/".join(str(arguments[part]) for part in ("Bucket", "Key") if part in arguments)
    return f"{name} {place}".rstrip()
