# SPDX-License-Identifier: GPL-2.0-only
"""Time-ordered unique ids (ULID): generations, blobs, references, uploads.

26 characters of Crockford's base 32: 48 bits of milliseconds, 80 random bits (ULID specification). Sorting
ids sorts by creation. The random bits are the kernel's: an id can't be guessed, and two processes never meet.
"""

import os
import re

_DIGITS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_ULID = re.compile(r"[0-7][0-9A-HJKMNP-TV-Z]{25}")


def new_id(now_ms: int) -> str:
    """A new ULID for `now_ms`, milliseconds since the epoch."""
    value = (now_ms << 80) | int.from_bytes(os.urandom(10))
    return "".join(_DIGITS[(value >> shift) & 31] for shift in range(125, -1, -5))


def is_id(text: str) -> bool:
    """Whether `text` has the shape of a ULID; anything else never reaches a storage key."""
    return _ULID.fullmatch(text) is not None


def created(text: str) -> int:
    """When an id was made, in milliseconds since the epoch."""
    value = 0
    for digit in text[:10]:
        value = value << 5 | _DIGITS.index(digit)
    return value
