# SPDX-License-Identifier: GPL-2.0-only
"""What can go wrong with an object, as the engine sees it.

The HTTP layer maps each class to one S3 code (`http/errors.py`). Errors of the storage layer pass through
the engine unchanged unless a class here says more; the original is then the `__cause__`.
"""


class EngineError(Exception):
    """Base of everything the engine raises on its own."""


class ObjectNotFound(EngineError):
    """The bucket is there; the key certainly is not."""


class UploadNotFound(EngineError):
    """No such multipart upload: never begun, completed or aborted."""


class PartInvalid(EngineError):
    """Complete names a part that was not uploaded, or with another etag. `number` says which."""

    def __init__(self, message: str, number: int) -> None:
        super().__init__(message)
        self.number = number


class PartTooSmall(EngineError):
    """A part other than the last is under S3's 5 MiB minimum."""

    def __init__(self, message: str, number: int, etag: str, size: int) -> None:
        super().__init__(message)
        self.number = number
        self.etag = etag
        self.size = size


class ObjectTooLarge(EngineError):
    """The object, or the part, is larger than the configuration or S3 allows."""


class Overloaded(EngineError):
    """The memory for bodies in flight is taken; the same request may succeed a little later."""


class Contended(EngineError):
    """Other writers kept winning the same key; nothing was changed, try again."""


class BucketClosing(EngineError):
    """The bucket is being deleted elsewhere; a little later it is gone, or open again."""


class ObjectDamaged(EngineError):
    """Stored bytes are not what was stored, or a blob that the manifest needs is missing."""
