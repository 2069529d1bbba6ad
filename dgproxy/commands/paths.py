# SPDX-License-Identifier: GPL-2.0-only
"""Files that commands read and write: inputs as memory, outputs that appear whole or not at all."""

import errno
import mmap
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Final

__all__ = ["mapped", "replacing"]

#: What `link` answers on file systems without hard links.
_NO_LINKS: Final = frozenset({errno.EPERM, errno.ENOTSUP, errno.ENOSYS})
#: Bytes: longer files may not fit into memory, and are read as they are needed.
_POPULATED: Final = 1 << 30


def mapped(path: Path) -> memoryview:
    """All of a regular file, read-only. The mapping goes with its last view; the file must not shrink.

    What is in the page cache of a file of up to 1 GiB is mapped at once, not by a fault for each 64 KiB.
    """
    with path.open("rb") as file:
        status = os.fstat(file.fileno())
        if not stat.S_ISREG(status.st_mode):
            raise OSError(errno.EINVAL, "not a regular file", str(path))
        if not status.st_size:
            return memoryview(b"")
        populate = getattr(mmap, "MAP_POPULATE", 0) if status.st_size <= _POPULATED else 0  # Linux has it
        flags = mmap.MAP_SHARED | populate
        return memoryview(mmap.mmap(file.fileno(), 0, flags=flags, prot=mmap.PROT_READ))


@contextmanager
def replacing(path: Path, *, force: bool) -> Iterator[BinaryIO]:
    """A file to write, which takes the name `path` when the block ends well and vanishes when it doesn't.

    Raises FileExistsError when there is one already and not `force`, now or then. What is no regular file,
    such as /dev/stdout, is opened and written.
    """
    if path.exists() and not path.is_file():
        with path.open("wb") as out:
            yield out
        return
    if path.exists() and not force:
        raise _exists(path)
    target = path.resolve()
    part = target.with_name(f".{os.urandom(8).hex()}.part")
    try:
        with part.open("xb") as out:
            yield out
        if force:
            part.replace(target)
        else:
            _rename_new(part, target)
    finally:
        part.unlink(missing_ok=True)


def _exists(path: Path) -> FileExistsError:
    return FileExistsError(errno.EEXIST, "the file exists; -f replaces it", str(path))


def _rename_new(part: Path, target: Path) -> None:
    """Give `part` its name unless that is taken; where links can't be made, unless it was just now."""
    try:
        target.hardlink_to(part)
    except FileExistsError as error:
        raise _exists(target) from error
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        if target.exists():
            raise _exists(target) from error
        part.replace(target)
