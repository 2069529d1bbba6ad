# SPDX-License-Identifier: GPL-2.0-only
"""The one door to the disk: nothing else stages, syncs or renames.

The order that makes a file whole from its first moment and durable before it counts:

    stage    write it under a name of its own in staging      a crash leaves garbage in staging
    finish   fsync the file                                   a crash leaves garbage in staging
    place    rename it, making directories on the way         a crash leaves the old file or the new, whole
    settle   fsync the directory                              returned: the new file, power cut or not

Directories are made when a file needs them and removed with their last entry, by any process at any time, so
each step is ready for a directory that has just gone. A new directory carries the sticky bit until its own
name is durable: whoever settles a file in it sees the bit and syncs the parents first, even when another
process made the directory and has not come to that yet. (Nothing else here needs that bit: all files have one
owner.)

What is not promised: who may replace what. Versions and locks are the business of `records`.
"""

import errno
import os
import secrets
import stat
from collections.abc import Mapping
from contextlib import suppress
from typing import Final

from dgproxy.storage.backend import Buffer, StorageError
from dgproxy.storage.filesystem.dirsync import DirectorySync
from dgproxy.storage.filesystem.oserrors import about, from_oserror
from dgproxy.storage.filesystem.trees import OCCUPIED, remove_files, remove_tree, scan, size_of_tree

#: Never open to the world, whatever the umask allows.
_FILE_MODE: Final = 0o640
_DIRECTORY_MODE: Final = 0o750

#: How often a directory may vanish under a writer's feet before that is an error.
_ATTEMPTS: Final = 1000


class RootNotFound(Exception):
    """The directory below which a file was to be placed is not there."""


class Staged:
    """A file being written in staging. `discard` ends it, whatever became of it."""

    def __init__(self, path: bytes, *, strict: bool) -> None:
        self.path = path
        self._strict = strict
        self._descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, _FILE_MODE)
        self._here = True

    def write(self, data: Buffer) -> None:
        """Append all of `data`."""
        with memoryview(data) as rest, about(self.path):
            done = 0
            while done < len(rest):
                done += os.write(self._descriptor, rest[done:])

    def finish(self, *, durable: bool = True) -> None:
        """Make the content durable; nothing can be written any more."""
        with about(self.path):
            if self._strict and durable:
                os.fsync(self._descriptor)
            self._close()

    def rename(self, path: bytes) -> None:
        """Leave staging."""
        os.rename(self.path, path)
        self._here = False

    def discard(self) -> None:
        """Close the file, and remove it while it is still in staging."""
        self._close()
        if self._here:
            self._here = False
            with suppress(FileNotFoundError):
                os.unlink(self.path)

    def _close(self) -> None:
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)


class Disk:
    """The door. `staging` and the directories in `top` are on one filesystem; no fsync unless `strict`."""

    def __init__(self, staging: bytes, top: bytes, *, strict: bool) -> None:
        self._staging = staging
        self._top = top
        self._strict = strict
        self._sync = DirectorySync()

    # -- files ---------------------------------------------------------------------------------------------

    def stage(self) -> Staged:
        """A new file in staging."""
        return Staged(self._new_name(), strict=self._strict)

    def place(self, staged: Staged, path: bytes, root: bytes) -> None:
        """Give a finished file its name below the directory `root`, in place of the file that has it.

        Makes the directories between, but never `root` itself. Raises RootNotFound.
        """
        for _ in range(_ATTEMPTS):
            with suppress(FileNotFoundError):
                return staged.rename(path)
            if not os.path.lexists(staged.path):
                break
            self._make_directories(os.path.dirname(path), root)
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), staged.path, None, path)

    def settle(self, directory: bytes, root: bytes) -> None:
        """Make durable what was placed in or removed from `directory`, which is below `root` or is `root`.

        When the directory is gone by now, that it is gone. Whatever fails here fails after the change, so it
        raises StorageError and none of those that say that nothing was done: a sync finds a disk full, too.
        """
        while self._strict:
            try:
                # The directory before the names on the way to it: should another have taken its place before
                # its sync, that one is new, and what makes its name durable makes the end of the old one so.
                self._sync(directory)
                for new in self._new_directories(directory, root):
                    self._settle_name(new)
            except FileNotFoundError:
                if directory == self._top:
                    raise
                directory = os.path.dirname(directory)
            except OSError as error:
                raise StorageError(f"{from_oserror(error)}; what changed there may not be on disk") from error
            else:
                return

    def remove(self, path: bytes) -> None:
        """Remove a file. Raises FileNotFoundError."""
        os.unlink(path)

    def prune(self, directory: bytes, root: bytes) -> None:
        """Remove `directory`, then the parents it leaves empty, up to but without `root`.

        One that can't be removed stays, which harms nothing: an empty directory is in no listing.
        """
        while len(directory) > len(root):
            try:
                os.rmdir(directory)
            except FileNotFoundError:
                pass
            except OSError:
                return
            directory = os.path.dirname(directory)

    def write(self, path: bytes, data: Buffer, root: bytes) -> None:
        """All four steps for one small file."""
        staged = self.stage()
        try:
            staged.write(data)
            staged.finish()
            self.place(staged, path, root)
        finally:
            staged.discard()
        self.settle(os.path.dirname(path), root)

    # -- whole trees ---------------------------------------------------------------------------------------

    def create_tree(self, path: bytes, files: Mapping[bytes, bytes]) -> None:
        """Make a directory with files in it directly under `top`, all at once. Raises FileExistsError."""
        made = self._new_name()
        os.mkdir(made, _DIRECTORY_MODE)
        try:
            for name, data in files.items():
                file = Staged(os.path.join(made, name), strict=self._strict)
                try:
                    file.write(data)
                    file.finish()
                except BaseException:
                    file.discard()
                    raise
            self.settle(made, made)
            os.rename(made, path)
        except BaseException as error:
            remove_tree(made)
            if isinstance(error, OSError) and error.errno in OCCUPIED:
                raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), path) from error
            raise
        self.settle(self._top, self._top)

    def take_away(self, path: bytes) -> bytes:
        """Move a directory into staging, all at once; returns what to remove."""
        garbage = self._new_name()
        os.rename(path, garbage)
        return garbage

    def clean_staging(self) -> None:
        """Remove all that is in staging; for the time before anybody stages."""
        for directory in remove_files(self._staging):
            remove_tree(directory)

    def list_staged(self, before: float) -> list[tuple[bytes, int]]:
        """Names in staging, with their bytes, of what was last touched before a time (seconds since 1970).

        A tree is touched when it is moved here, and when something goes that was right in it.
        """
        found = []
        for entry in scan(self._staging):
            with suppress(FileNotFoundError):
                status = entry.stat(follow_symlinks=False)
                if max(status.st_mtime, status.st_ctime) < before:
                    tree = entry.is_dir(follow_symlinks=False)
                    found.append((entry.name, size_of_tree(entry.path) if tree else status.st_size))
        return found

    def remove_staged(self, name: bytes) -> None:
        """Remove one of `list_staged`'s, a file or a tree."""
        if name in (b"", b".", b"..") or b"/" in name:
            raise ValueError(f"not a name in staging: {name!r}")
        path = os.path.join(self._staging, name)
        try:
            os.unlink(path)
        except FileNotFoundError:
            return
        except IsADirectoryError:
            remove_tree(path)

    # -- within --------------------------------------------------------------------------------------------

    def _new_name(self) -> bytes:
        return os.path.join(self._staging, secrets.token_hex(16).encode())

    @staticmethod
    def _make_directories(directory: bytes, root: bytes) -> None:
        """Make what is missing, as far as others do not remove it meanwhile. Raises RootNotFound."""
        for level in _levels(directory, root):
            try:
                os.mkdir(level, _DIRECTORY_MODE | stat.S_ISVTX)
            except FileExistsError:
                continue
            except FileNotFoundError:
                break
        else:
            return
        try:
            os.stat(root)
        except FileNotFoundError as error:
            raise RootNotFound from error

    @staticmethod
    def _new_directories(directory: bytes, root: bytes) -> list[bytes]:
        """Those on the way to `directory`, top down, whose own names may not be durable.

        They are settled top down, so nothing unmarked is ever below a marked one.
        """
        new: list[bytes] = []
        for level in reversed(_levels(directory, root)):
            if not os.stat(level).st_mode & stat.S_ISVTX:
                break
            new.insert(0, level)
        return new

    def _settle_name(self, directory: bytes) -> None:
        """Make the name of a new directory durable and take its mark away.

        The mark is taken from the directory that has the name before the sync; one that is made under the
        same name after that keeps its own.
        """
        descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            self._sync(os.path.dirname(directory))
            with about(directory), suppress(PermissionError):  # with the mark it costs a sync more, no harm
                os.fchmod(descriptor, stat.S_IMODE(os.fstat(descriptor).st_mode) & ~stat.S_ISVTX)
        finally:
            os.close(descriptor)


def _levels(directory: bytes, root: bytes) -> list[bytes]:
    """The directories from below `root` down to `directory`."""
    levels: list[bytes] = []
    while len(directory) > len(root):
        levels.insert(0, directory)
        directory = os.path.dirname(directory)
    return levels
