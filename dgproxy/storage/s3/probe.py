# SPDX-License-Identifier: GPL-2.0-only
"""What has to be known of a store, found out at the start.

Whether it enforces conditions on writes; where not, two writers of a key destroy each other's work. Only a
refusal proves it: many stores take the headers and do not look at them. And whether it lists directories for
a while longer than what is in them, as stores that keep a tree may.
"""

import secrets

from dgproxy.storage.backend import RecordNotFound, StorageError, VersionConflict
from dgproxy.storage.s3.client import Client
from dgproxy.storage.s3.failures import NotThere

_ANOTHER = '"00000000000000000000000000000000"'


async def enforces_conditions(client: Client, bucket: str) -> None:
    """Try the conditions this program relies on, on an object of its own. Raises StorageError."""
    place = {"Bucket": bucket, "Key": f"config/probe-{secrets.token_hex(8)}!"}
    ignored = []
    try:
        answer = await client.call("put_object", **place, Body=b"1", IfNoneMatch="*")
        if not await _refused(client, "put_object", **place, Body=b"2", IfNoneMatch="*"):
            ignored.append("If-None-Match on PUT")
        if not await _refused(client, "put_object", **place, Body=b"3", IfMatch=_ANOTHER):
            ignored.append("If-Match on PUT")
        if not ignored:
            await client.call("put_object", **place, Body=b"4", IfMatch=answer["ETag"])
        if not await _refused(client, "delete_object", **place, IfMatch=_ANOTHER):
            ignored.append("If-Match on DELETE")
    finally:
        await client.call("delete_object", **place)
    if ignored:
        raise StorageError(
            f"the store does not enforce {', '.join(ignored)}: concurrent writers would lose each other's "
            "objects. Use a store that does; docs/SCALING.md has a list"
        )


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
