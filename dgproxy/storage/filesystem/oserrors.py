# SPDX-License-Identifier: GPL-2.0-only
"""The operating system's errors as the backend's: the one place that maps errno.

Promises that an OSError becomes exactly one class of `storage.errors`, with a sentence that names the file.
What ENOENT means is not decided here: only the operation knows whether it is certain that something does not
exist, and says so itself before the error gets this far.
"""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from dgproxy.storage.errors import AccessRefused, Busy, OutOfSpace, StorageError

_CLASSES: Final[dict[int | None, type[StorageError]]] = {
    errno.ENOSPC: OutOfSpace,
    errno.EDQUOT: OutOfSpace,
    errno.EACCES: AccessRefused,
    errno.EPERM: AccessRefused,
    errno.EROFS: AccessRefused,
    errno.EMFILE: Busy,
    errno.ENFILE: Busy,
    errno.ENOMEM: Busy,
    errno.EAGAIN: Busy,
    errno.ENOLCK: Busy,
}


def from_oserror(error: OSError) -> StorageError:
    """The storage error for an OSError; raise it `from` that."""
    names = [os.fsdecode(name) for name in (error.filename, error.filename2) if name is not None]
    what = error.strerror or str(error)
    return _CLASSES.get(error.errno, StorageError)(": ".join([" -> ".join(names), what]) if names else what)


@contextmanager
def storage_errors() -> Iterator[None]:
    """Raise a block's OSErrors as storage errors."""
    try:
        yield
    except OSError as error:
        raise from_oserror(error) from error


@contextmanager
def about(path: bytes) -> Iterator[None]:
    """Name the file in a block's OSErrors: calls on a descriptor don't."""
    try:
        yield
    except OSError as error:
        if error.filename is None:
            error.filename = path
        raise
