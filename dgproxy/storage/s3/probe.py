# SPDX-License-Identifier: GPL-2.0-only
"""What has to be known of a store, found out at the start.

Whether it enforces conditions on writes; where not, two writers of a key destroy each other's work. Only a
refusal proves it: many stores take the headers and do not look at them. And whether it lists directories for
a while longer than what is in them, as stores that keep a tree may.

A write whose answer was lost tells nothing: it may be in the way of its own repetition. So it is not made
again; everything begins anew with another key, a few times. Then it could not be found out, which is another
message than that the store does not do it.
"""

import asyncio
import secrets
from typing import Any, Final

import structlog

from dgproxy.storage.backend import RecordNotFound, StorageError, Unavailable, VersionConflict
from dgproxy.storage.s3.client import Client, Retried
from dgproxy.storage.s3.failures import TRANSIENT, NotThere

_ANOTHER: Final = '"00000000000000000000000000000000"'

#: Seconds before another key is tried.
_PAUSES: Final = (0.5, 1.5)

_log = structlog.get_logger(__name__)


async def enforces_conditions(client: Client, bucket: str) -> None:
    """Try the conditions this program relies on, on an object of its own.

    Raises StorageError when the store does not keep to them, Unavailable when that can't be found out.
    """
    for pause in (*_PAUSES, None):
        try:
            wrong = await _tried(client, {"Bucket": bucket, "Key": f"config/probe-{secrets.token_hex(8)}!"})
        except TRANSIENT as error:
            if pause is None:
                raise Unavailable(
                    "could not find out whether the store enforces conditional writes; start again when it "
                    f"answers: {error}"
                ) from error
            await asyncio.sleep(pause)
        else:
            break
    if wrong:
        raise StorageError(
            f"the store {wrong}: concurrent writers would lose each other's objects. Use a store that does; "
            "docs/SCALING.md has a list"
        )


async def _tried(client: Client, place: dict[str, str]) -> str:
    """What the store does wrong, "" for nothing. Raises StorageError."""
    try:
        wrong = await _wrong(client, place)
    except BaseException:
        try:
            await client.call("delete_object", **place)
        except StorageError as error:
            _log.warning("an object of the probe may be left in the store", **place, error=str(error))
        raise
    await client.call("delete_object", **place)
    return wrong


async def _wrong(client: Client, place: dict[str, str]) -> str:
    etag = await _put(client, **place, Body=b"1", IfNoneMatch="*")
    if etag is None:
        return "refuses PUT with If-None-Match of a key that does not exist"
    ignored = []
    if not await _refused(client, "put_object", **place, Body=b"2", IfNoneMatch="*"):
        ignored.append("If-None-Match on PUT")
    if not await _refused(client, "put_object", **place, Body=b"3", IfMatch=_ANOTHER):
        ignored.append("If-Match on PUT")
    if not ignored and await _put(client, **place, Body=b"4", IfMatch=etag) is None:
        return "refuses PUT with If-Match and the ETag that the object has"
    if not await _refused(client, "delete_object", **place, IfMatch=_ANOTHER):
        ignored.append("If-Match on DELETE")
    return f"does not enforce {', '.join(ignored)}" if ignored else ""


async def _put(client: Client, **arguments: Any) -> str | None:
    """The ETag of what is written under a condition that holds; None if the store refuses it."""
    try:
        answer = await client.call("put_object", Retried(again=False), **arguments)
    except VersionConflict:
        return None
    return str(answer["ETag"])


async def shows_empty_directories(client: Client, bucket: str) -> bool:
    """Whether a common prefix is listed under which there is nothing any more."""
    prefix = f"config/probe-{secrets.token_hex(8)}"
    place = {"Bucket": bucket, "Key": f"{prefix}.~/x!"}
    await client.call("put_object", **place, Body=b"")
    await client.call("delete_object", **place)
    page = await client.call("list_objects_v2", Bucket=bucket, Prefix=prefix, Delimiter="/")
    return bool(page.get("CommonPrefixes"))


async def _refused(client: Client, operation: str, **arguments: object) -> bool:
    try:
        await client.call(operation, **arguments)
    except (VersionConflict, RecordNotFound, NotThere) as error:
        return isinstance(error, VersionConflict)
    return False
