# SPDX-License-Identifier: GPL-2.0-only
"""What goes with an object's bytes, from headers: the same rules as for an upload, and a type by the name.

Where nothing says what type an object has, as with files, its name does, by the table that Python brings
along, whatever this host has configured.
"""

import mimetypes
from collections.abc import Mapping
from typing import Final

from dgproxy.engine.manifest import Attributes
from dgproxy.migration.places import Unreadable
from dgproxy.s3 import metadata, tags
from dgproxy.s3.errors import S3Error

__all__ = ["attributes_of"]

_TYPES: Final = mimetypes.MimeTypes()
#: Of files that are compressed as a whole, whatever is in them.
_PACKED: Final = {
    "gzip": "application/gzip",
    "bzip2": "application/x-bzip2",
    "xz": "application/x-xz",
    "compress": "application/x-compress",
    "br": "application/x-brotli",
}


def attributes_of(headers: Mapping[str, str], tagged: Mapping[str, str], key: str) -> Attributes:
    """The attributes that an upload of `key` with these headers and tags has. Raises Unreadable."""
    typed = headers if headers.get("content-type") else {**headers, "content-type": _type(key)}
    try:
        found = metadata.parse(typed.items())
        return Attributes(dict(found.content), dict(found.user), tags.check(tagged.items()))
    except S3Error as error:
        raise Unreadable(f"its headers or tags can't be kept: {error}") from error


def _type(key: str) -> str:
    name = key.rpartition("/")[2]
    guessed, packed = _TYPES.guess_type(f"file:{name}")
    return (_PACKED.get(packed) if packed else guessed) or "application/octet-stream"
