# SPDX-License-Identifier: GPL-2.0-only
"""How Python and the C core meet: buffers as C memory, error codes as exceptions, one thread at a time.

What the input breaks is `CorruptDelta`, what the caller breaks is ValueError or RuntimeError, and the rest
(memory, a damaged index) is `CodecError`. What can be asked of the core is for the rooms beside this one.
"""

import mmap
import threading
from typing import Any

from dgproxy.codec._vcd import ffi, lib

__all__ = ["Buffer", "CodecError", "CorruptDelta", "OneAtATime", "borrow", "check"]

Buffer = bytes | bytearray | memoryview | mmap.mmap


class CodecError(Exception):
    """The core refused; `code` is its name for why, such as "VCD_E_MEMORY"."""

    def __init__(self, code: str, text: str) -> None:
        super().__init__(f"{text} ({code})")
        self.code = code


class CorruptDelta(CodecError):
    """The delta breaks a rule of the format, claims more than it may, or does not fit its source."""


_MISUSE = frozenset({"VCD_E_ARGUMENT", "VCD_E_STATE"})
_NOT_THE_DELTA = frozenset({"VCD_E_MEMORY", "VCD_E_INDEX"})


def check(error: int) -> None:
    """Raise what an error code of the core stands for."""
    if error == lib.VCD_OK:
        return
    code = ffi.string(lib.vcd_error_name(error)).decode("ascii")
    text = ffi.string(lib.vcd_error_text(error)).decode("ascii")
    if code in _MISUSE:
        misuse = ValueError if code == "VCD_E_ARGUMENT" else RuntimeError
        raise misuse(f"{text} ({code})")
    raise (CodecError if code in _NOT_THE_DELTA else CorruptDelta)(code, text)


def borrow(data: Buffer, *, writable: bool = False) -> Any:
    """The bytes of `data` as C memory; holds the buffer's export while the result lives."""
    return ffi.from_buffer("uint8_t[]", data, require_writable=writable)


class OneAtATime:
    """A stream's guard: the second thread inside is an error of the program, not something to wait for."""

    def __init__(self) -> None:
        self._lock = threading.Lock()

    def __enter__(self) -> None:
        if not self._lock.acquire(blocking=False):
            raise RuntimeError("one stream is used by two threads at once")

    def __exit__(self, *_: object) -> None:
        self._lock.release()
