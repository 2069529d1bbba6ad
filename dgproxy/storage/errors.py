# SPDX-License-Identifier: GPL-2.0-only
"""What can go wrong below the engine.

Every backend raises these and nothing else from its public methods; the original exception is the
`__cause__`. An error that a backend cannot name is a plain `StorageError`: it is never read as "absent".
The engine and the HTTP layer map classes, not messages. No S3 error code may appear here.
"""


class StorageError(Exception):
    """The backend failed, and why is not one of the classes below (EIO, a protocol error)."""


class RecordNotFound(StorageError):
    """The backend is certain that there is no such record or blob in an existing bucket."""


class BucketNotFound(StorageError):
    """The backend is certain that there is no such bucket."""


class BucketExists(StorageError):
    """create_bucket: the bucket is there already."""


class BucketNotEmpty(StorageError):
    """delete_bucket: the bucket still has an object."""


class VersionConflict(StorageError):
    """The record is not at the version the caller expected; nothing was changed."""


class OutOfSpace(StorageError):
    """ENOSPC, EDQUOT: nothing was stored; deleting makes room."""


class AccessRefused(StorageError):
    """EACCES, EPERM, EROFS or the backend's own refusal: the operator must act."""


class Busy(StorageError):
    """Throttled, or out of file descriptors: the same call may succeed a little later."""


class Unavailable(StorageError):
    """The backend is elsewhere and can't be reached, or says that it is out of order: later, perhaps."""


class KeyTooLong(StorageError):
    """The backend can't hold a key of this length."""


class Damaged(StorageError):
    """What is stored is not what was stored: a short blob, a broken record."""
