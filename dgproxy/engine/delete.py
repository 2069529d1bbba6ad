# SPDX-License-Identifier: GPL-2.0-only
"""DELETE: the manifest goes first, which is the commit; then what it pointed to."""

from collections.abc import Sequence
from dataclasses import dataclass

from dgproxy.engine.commit import Allow, anything, discard, remove
from dgproxy.engine.context import Engine
from dgproxy.engine.errors import EngineError
from dgproxy.engine.manifest import Manifest
from dgproxy.storage.backend import BucketNotFound, StorageError


async def delete_object(engine: Engine, bucket: str, key: str, allow: Allow = anything) -> None:
    """Delete one object; one that is not there is no error, as in S3.

    Raises BucketNotFound, Contended, what `allow` raises, and the storage layer's errors.
    """
    gone = await remove(engine, bucket, key, allow)
    if gone is not None:
        await discard(engine, bucket, [gone])


@dataclass(frozen=True, slots=True)
class Deleted:
    """What became of one key of a batch: gone, or still there because of `error`."""

    key: str
    error: Exception | None = None


async def delete_objects(
    engine: Engine, bucket: str, wanted: Sequence[tuple[str, Allow]], refusal: type[Exception]
) -> list[Deleted]:
    """Delete many, each on its own; references are looked after once, at the end.

    `refusal` is what an `allow` raises. Raises BucketNotFound; any other failure is the outcome of its key.
    """
    outcomes: list[Deleted] = []
    gone: list[Manifest] = []
    for key, allow in wanted:
        try:
            removed = await remove(engine, bucket, key, allow)
        except BucketNotFound:
            raise
        except (EngineError, StorageError, refusal) as error:
            outcomes.append(Deleted(key, error))
            continue
        outcomes.append(Deleted(key))
        if removed is not None:
            gone.append(removed)
    await discard(engine, bucket, gone)
    return outcomes
