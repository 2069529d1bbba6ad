# SPDX-License-Identifier: GPL-2.0-only
"""Whether a store enforces conditions on writes; where not, two writers of a key destroy each other's work.

Only a refusal proves it. Many stores take the headers and do not look at them.
"""

import secrets

from dgproxy.storage.backend import RecordNotFound, StorageError, VersionConflict
from dgproxy.storage.s3.client import Client
from dgproxy.storage.s3.failures import NotThere

_ANOTHER = '"00000000000000000000000000000000"'


async def probe(client: Client, bucket: str) -> None:
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


async def _refused(client: Client, operation: str, **arguments: object) -> bool:
    try:
        await client.call(operation, **arguments)
    except (VersionConflict, RecordNotFound, NotThere) as error:
        return isinstance(error, VersionConflict)
    return False
