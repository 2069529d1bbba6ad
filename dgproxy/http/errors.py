# SPDX-License-Identifier: GPL-2.0-only
"""What each failure below becomes for an S3 client: the one mapping from exception classes to S3 codes.

Every class of `engine.errors` and `storage.errors` is here or has a base class here; what is not is a bug of
ours and an InternalError. A message goes out when it names only what the client itself named; what speaks of
paths and disks stays in the log, where the request id leads to it.
"""

from collections.abc import Mapping
from typing import Final

from dgproxy.engine import errors as engine
from dgproxy.engine.policy import MIN_PART
from dgproxy.s3.errors import S3Error
from dgproxy.storage import backend as storage

_RETRY_SOON: Final = {"Retry-After": "1"}
_OURS: Final = "The server could not read or write its storage; its log says why under this request id."

#: class -> S3 code. Looked up along the class's bases, so the most exact entry wins.
CODES: Final[Mapping[type[Exception], str]] = {
    engine.ObjectNotFound: "NoSuchKey",
    engine.UploadNotFound: "NoSuchUpload",
    engine.PartInvalid: "InvalidPart",
    engine.PartTooSmall: "EntityTooSmall",
    engine.ObjectTooLarge: "EntityTooLarge",
    engine.Overloaded: "SlowDown",
    engine.Contended: "OperationAborted",
    engine.BucketClosing: "ServiceUnavailable",
    engine.ObjectDamaged: "InternalError",
    engine.EngineError: "InternalError",
    storage.BucketNotFound: "NoSuchBucket",
    storage.BucketExists: "BucketAlreadyOwnedByYou",
    storage.BucketNotEmpty: "BucketNotEmpty",
    storage.OutOfSpace: "InsufficientStorage",
    storage.Busy: "SlowDown",
    storage.Unavailable: "ServiceUnavailable",
    storage.KeyTooLong: "KeyTooLongError",
    # RecordNotFound that reaches this far is a record the engine could not do without: never a 404 (law 4).
    storage.StorageError: "InternalError",
}


def to_s3(error: Exception, bucket: str = "", key: str = "", upload_id: str = "") -> S3Error:
    """The S3 error a failure is answered with; the other arguments are what the request named."""
    if isinstance(error, S3Error):
        return error
    code = next((CODES[kind] for kind in type(error).__mro__ if kind in CODES), "InternalError")
    match error:
        case engine.ObjectNotFound():
            return S3Error(code, extra={"Key": key})
        case storage.BucketNotFound() | storage.BucketExists() | storage.BucketNotEmpty():
            return S3Error(code, extra={"BucketName": bucket})
        case engine.UploadNotFound():
            return S3Error(code, extra={"UploadId": upload_id})
        case engine.PartInvalid():
            return S3Error(code, extra={"UploadId": upload_id, "PartNumber": str(error.number)})
        case engine.PartTooSmall():
            return S3Error(
                code,
                extra={
                    "PartNumber": str(error.number),
                    "ETag": error.etag,
                    "ProposedSize": str(error.size),
                    "MinSizeAllowed": str(MIN_PART),
                },
            )
        case engine.Overloaded() | storage.Busy() | storage.Unavailable():
            return S3Error(code, headers=_RETRY_SOON)
        case engine.BucketClosing():
            return S3Error(code, str(error), headers=_RETRY_SOON)
        case engine.EngineError():
            return S3Error(code, str(error))
        case storage.OutOfSpace() | storage.KeyTooLong():
            return S3Error(code)
        case storage.StorageError():
            return S3Error(code, _OURS)
    return S3Error("InternalError")
