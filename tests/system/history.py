# SPDX-License-Identifier: GPL-2.0-only
"""What happened to each key, and what may therefore be seen after a crash.

A write is known by the digest of its bytes (None: a delete) and by the time from its request to its answer.
A write that was never answered may have happened or not. It follows what may be there afterwards: any write
that is not certainly older than an acknowledged one. No HTTP and no server in here.
"""

import hashlib
import itertools
import threading
from dataclasses import dataclass

_clock = itertools.count(1)


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


@dataclass
class Write:
    """One write of one key; times are ticks of one clock for all threads."""

    kind: str
    value: str | None
    began: int
    answered: int | None = None


class History:
    """The writes of all keys, from as many threads as like."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._changed = threading.Condition(self._lock)
        self._writes: dict[str, list[Write]] = {}
        self.acknowledged = 0

    def begin(self, key: str, kind: str, value: str | None) -> Write:
        """A request for `key` is about to be sent."""
        with self._lock:
            write = Write(kind, value, next(_clock))
            self._writes.setdefault(key, []).append(write)
            self._changed.notify_all()
            return write

    def acknowledge(self, write: Write) -> None:
        """Its success was read."""
        with self._lock:
            write.answered = next(_clock)
            self.acknowledged += 1

    def refuse(self, key: str, write: Write) -> None:
        """The server said that it did not happen."""
        with self._lock:
            self._writes[key].remove(write)

    def in_flight(self) -> list[str]:
        """Kinds of the writes that are not answered."""
        with self._lock:
            return [
                write.kind for writes in self._writes.values() for write in writes if write.answered is None
            ]

    def wait_for(self, kind: str, patience: float) -> bool:
        """Wait until a write of this kind is under way."""

        def there() -> bool:
            return any(
                w.kind == kind and w.answered is None for writes in self._writes.values() for w in writes
            )

        with self._changed:
            return self._changed.wait_for(there, patience)

    def possible(self, key: str) -> set[str | None]:
        """Every value that a reader may see now, when nobody writes any more."""
        with self._lock:
            writes = self._writes.get(key, [])
            if not any(write.answered for write in writes):
                return {None, *(write.value for write in writes)}
            newest = max(write.began for write in writes if write.answered)
            return {write.value for write in writes if write.answered is None or write.answered > newest}

    def observe(self, key: str, value: str | None) -> None:
        """After a restart: this is what is there, and all there was before is settled."""
        with self._lock:
            self._writes[key] = [Write("seen", value, next(_clock), next(_clock))]

    def written(self) -> list[str]:
        """Every key that anybody wrote."""
        with self._lock:
            return sorted(self._writes)
