# SPDX-License-Identifier: GPL-2.0-only
"""Directory trees: looked through and removed, while others add to them and take from them.

A key may be a thousand directories deep, so nothing here recurses. What is gone by the time it is looked at
was not there. Removal is for what nobody will look for again, so nothing here is synced.
"""

import errno
import os
from collections.abc import Iterator
from contextlib import suppress
from typing import Final

OCCUPIED: Final = (errno.ENOTEMPTY, errno.EEXIST)

#: How often something may appear in a directory that is being removed before that is an error.
_ATTEMPTS: Final = 1000


def scan(directory: bytes) -> Iterator["os.DirEntry[bytes]"]:
    """The entries of a directory, none when it is gone."""
    try:
        with os.scandir(directory) as entries:
            yield from entries
    except FileNotFoundError:
        return


def has_file(directory: bytes) -> bool:
    """Whether there is any file in a tree, whatever its name."""
    pending = [directory]
    while pending:
        for entry in scan(pending.pop()):
            if not entry.is_dir(follow_symlinks=False):
                return True
            pending.append(entry.path)
    return False


def size_of_tree(directory: bytes) -> int:
    """Bytes of all files in a tree."""
    size, pending = 0, [directory]
    while pending:
        for entry in scan(pending.pop()):
            if entry.is_dir(follow_symlinks=False):
                pending.append(entry.path)
            else:
                with suppress(FileNotFoundError):
                    size += entry.stat(follow_symlinks=False).st_size
    return size


def remove_tree(directory: bytes) -> None:
    """Remove a directory and all that is in it, what others put there meanwhile too."""
    pending, attempts = [directory], _ATTEMPTS
    while pending:
        below = remove_files(pending[-1])
        pending += below
        if below:
            continue
        try:
            os.rmdir(pending[-1])
        except FileNotFoundError:
            pass
        except OSError as error:
            attempts -= 1
            if error.errno in OCCUPIED and attempts:
                continue
            raise
        pending.pop()


def remove_files(directory: bytes) -> list[bytes]:
    """Remove the files of a directory; returns its subdirectories."""
    below = []
    for entry in scan(directory):
        if entry.is_dir(follow_symlinks=False):
            below.append(entry.path)
        else:
            with suppress(FileNotFoundError):
                os.unlink(entry.path)
    return below
