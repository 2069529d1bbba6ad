# SPDX-License-Identifier: GPL-2.0-only
"""A store's failures as the backend's: the one place that maps error codes, statuses and broken connections.

Promises that each becomes exactly one class of `storage.errors`, with a sentence that names the call, the key
and what the store said. A 404 without a code (an answer to HEAD has none) says that something is not there,
not what: it is `NotThere`, and who asked finds out.
"""

from typing import Any, Final

import aiohttp
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectionError,  # noqa: A004 - botocore's own, no relation of the built-in one
    ConnectTimeoutError,
    HTTPClientError,
    NoCredentialsError,
)

from dgproxy.storage.errors import (
    AccessRefused,
    BucketExists,
    BucketNotEmpty,
    BucketNotFound,
    Busy,
    Damaged,
    KeyTooLong,
    OutOfSpace,
    RecordNotFound,
    StorageError,
    Unavailable,
    VersionConflict,
)
from dgproxy.storage.s3.silence import is_silence

#: What a call can raise.
FAILURES: Final = (ClientError, BotoCoreError, aiohttp.ClientError, OSError, TimeoutError)


class NotThere(StorageError):
    """The key or its bucket does not exist; the store did not say which."""


#: S3 API reference, "Error responses", and what other stores say instead.
_CODES: Final[dict[str, type[StorageError]]] = {
    "NoSuchBucket": BucketNotFound,
    "NoSuchKey": RecordNotFound,
    "BucketAlreadyExists": BucketExists,
    "BucketAlreadyOwnedByYou": BucketExists,
    "BucketNotEmpty": BucketNotEmpty,
    "KeyTooLongError": KeyTooLong,
    "KeyTooLong": KeyTooLong,
    "PreconditionFailed": VersionConflict,
    "ConditionalRequestConflict": VersionConflict,
    "SlowDown": Busy,
    "SlowDownRead": Busy,
    "SlowDownWrite": Busy,
    "Throttling": Busy,
    "ThrottlingException": Busy,
    "TooManyRequests": Busy,
    "RequestLimitExceeded": Busy,
    "BandwidthLimitExceeded": Busy,
    "RequestTimeout": Unavailable,
    "InternalError": Unavailable,
    "ServiceUnavailable": Unavailable,
    "XMinioStorageFull": OutOfSpace,
    "QuotaExceeded": OutOfSpace,
    "QuotaExceededException": OutOfSpace,
    "InvalidRange": Damaged,  # what is asked for was written, so it should be there
}

_STATUSES: Final[dict[int, type[StorageError]]] = {
    401: AccessRefused,
    403: AccessRefused,
    404: NotThere,
    412: VersionConflict,
    416: Damaged,
    429: Busy,
    500: Unavailable,
    502: Unavailable,
    503: Unavailable,
    504: Unavailable,
    507: OutOfSpace,
}

#: A second try may succeed.
TRANSIENT: Final = (Busy, Unavailable)


def from_failure(error: Exception, what: str) -> StorageError:
    """The storage error for one of FAILURES; `what` names call and key. Raise it `from` that."""
    if isinstance(error, ClientError):
        status, code, message = _said(error.response)
        kind = _CODES.get(code) or _STATUSES.get(status, StorageError)
        return kind(f"{what}: the store says {status} {code}: {message}".rstrip(": "))
    if isinstance(error, NoCredentialsError):
        return AccessRefused(f"{what}: no credentials for the store were found")
    if is_silence(error):
        return Unavailable(f"{what}: the store can't be reached: it says nothing")
    if isinstance(error, ConnectionError | HTTPClientError | aiohttp.ClientError | OSError):
        return Unavailable(f"{what}: the store can't be reached: {error or type(error).__name__}")
    return StorageError(f"{what}: {error}")


def never_sent(error: Exception) -> bool:
    """Whether one of FAILURES came before the store can have heard of the call.

    aiobotocore says EndpointConnectionError of a connection that was reset as well; only its cause tells.
    """
    return isinstance(error, ConnectTimeoutError) or isinstance(
        error.__cause__ or error.__context__, aiohttp.ClientConnectorError
    )


def _said(response: Any) -> tuple[int, str, str]:
    """Status, code and message of an answer."""
    error = response.get("Error", {})
    code = str(error.get("Code", ""))
    status = int(response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
    return status, "" if code.isdigit() else code, str(error.get("Message", ""))
