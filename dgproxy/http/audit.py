# SPDX-License-Identifier: GPL-2.0-only
"""The audit log: a file with one JSON line for every write and every denial, beside the server's own log.

Promises: lines are whole, also where several workers write one file (each line is one append); a file that
was rotated away is noticed with the next line and made anew, without a signal; the event loop never waits for
the disk. Lines that can't be written are counted and reported in the log, and what they are about goes on: no
answer waits for its line.

Which requests are written, and what of them, is `exchange`'s to say.
"""

import asyncio
import json
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any, Final

from dgproxy.logs import get_logger
from dgproxy.metrics import Counter

__all__ = ["AuditLog", "opened"]

_log = get_logger()

#: Lines that may wait for a slow disk; further ones are lost instead of filling the memory.
_WAITING: Final = 10_000

_lost: Final = Counter("deltaglider_audit_lines_lost_total", "Lines that the audit log could not take.")


class AuditLog:
    """Takes lines for the file; made by `opened`."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = -1
        self._lines: asyncio.Queue[dict[str, Any] | None] = asyncio.Queue(_WAITING)

    def write(self, line: dict[str, Any]) -> None:
        """Append a line, soon."""
        try:
            self._lines.put_nowait(line)
        except asyncio.QueueFull:
            _lost.add(1)

    async def run(self) -> None:
        """Write what comes until `end`, then close the file."""
        try:
            ended = False
            while not ended:
                taken = [
                    await self._lines.get(),
                    *(self._lines.get_nowait() for _ in range(self._lines.qsize())),
                ]
                ended = None in taken
                await self._append([line for line in taken if line is not None])
        finally:
            if self._file >= 0:
                os.close(self._file)

    async def end(self) -> None:
        """Let `run` come to its end once everything is written."""
        await self._lines.put(None)

    async def _append(self, lines: list[dict[str, Any]]) -> None:
        try:
            await asyncio.to_thread(self._write, lines)
        except OSError as error:
            _lost.add(len(lines))
            _log.error("audit log not written", file=str(self._path), lines=len(lines), error=str(error))

    def _write(self, lines: list[dict[str, Any]]) -> None:
        self.open()
        for line in lines:
            os.write(self._file, json.dumps(line).encode() + b"\n")

    def open(self) -> None:
        """Have the file open that the path names now. Raises OSError."""
        if self._file >= 0:
            with suppress(FileNotFoundError):
                if os.path.samestat(self._path.stat(), os.fstat(self._file)):
                    return
            os.close(self._file)
            self._file = -1
        self._file = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o640)


@asynccontextmanager
async def opened(path: Path | None) -> AsyncIterator[AuditLog | None]:
    """The audit log in a file, for the block; None for none. Raises OSError when it can't be opened."""
    if path is None:
        yield None
        return
    audit = AuditLog(path)
    await asyncio.to_thread(audit.open)
    writing = asyncio.create_task(audit.run())
    try:
        yield audit
    finally:
        await audit.end()
        await writing
