# SPDX-License-Identifier: GPL-2.0-only
"""Records as bytes: JSON that carries a SHA-256 of itself.

The last member of the object is `"check"`, the SHA-256 (hex) of every byte before it; a flipped bit in a
size, an etag or a blob's name is found on read like one in a blob (law 3). The record stays plain JSON for
any tool that reads it. No other module encodes or decodes what a backend stores as a record.
"""

import hashlib
from typing import TypeVar

import msgspec

from dgproxy.engine.errors import ObjectDamaged

_T = TypeVar("_T", bound=msgspec.Struct)

_TAIL = b',"check":"'
_END = b'"}'
_TAIL_LENGTH = len(_TAIL) + 64 + len(_END)
_encoder = msgspec.json.Encoder()


def encode(value: msgspec.Struct) -> bytes:
    """The record's bytes. `value` must have a member that is always written; the check follows it."""
    content = _encoder.encode(value)[:-1]
    return content + _TAIL + hashlib.sha256(content).hexdigest().encode() + _END


def decode(data: bytes, kind: type[_T], what: str) -> _T:
    """Read a record back; `what` names it in the error.

    Raises ObjectDamaged when the check fails or the content does not fit `kind`.
    """
    content = data[:-_TAIL_LENGTH]
    tail = _TAIL + hashlib.sha256(content).hexdigest().encode() + _END
    if data[-_TAIL_LENGTH:] != tail:
        raise ObjectDamaged(f"{what}: the record does not match its own SHA-256; restore it from a backup")
    try:
        return msgspec.json.decode(content + b"}", type=kind)
    except msgspec.DecodeError as error:
        raise ObjectDamaged(
            f"{what}: the record is intact but not one this version reads ({error}); "
            "was it written by a newer version?"
        ) from error
