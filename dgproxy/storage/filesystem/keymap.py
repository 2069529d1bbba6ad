# SPDX-License-Identifier: GPL-2.0-only
"""Keys to paths and back: how any S3 key becomes a file, and no two the same one.

A key is cut at its '/' into segments: the last names a file, those before it directories. Ordinary names are
kept as they are; what a directory can't hold is written so that it can be read back:

- '%' and control characters as `%XX`; the segments `.` and `..` as `%2E` and `%2E.`; an empty one as `%`.
- A file gets the suffix `.meta`, unless it is one of the engine's own (outside `objects/`) that ends in
  another of `SUFFIXES` already. A directory that ends like a file has its last character escaped (`v1.meta/`
  becomes `v1.met%61/`). So a file and a directory never want one name, and `a` can stand beside `a/b`.
- A segment whose written form reaches `_CUT` bytes is cut there; the rest goes on, as a segment of its own,
  in a subdirectory named by the piece and `%~`. Where it is cut depends on nothing behind the cut, so all
  keys that begin with the piece are in that one directory.

Promises: decoding gives back what was encoded, for every key; no file name is longer than 255 bytes; and the
texts that `decode_file` and `decode_directory` give for the entries of one directory sort as the keys below
those entries do, so that walking entries in that order is walking keys in UTF-8 byte order. A name that
encoding would not have written is a stranger's, and decodes to None.

Pure functions on text, whose order by code point is the order of its UTF-8 bytes. No I/O here.
"""

import re
from typing import Final

from dgproxy.storage.errors import StorageError

#: What files end in. The engine's own names bring theirs along.
SUFFIXES: Final = (".meta", ".delta", ".bin", ".zst", ".json", ".pin")

#: The part of a bucket where every file is a manifest, whatever the object is called.
OBJECTS: Final = "objects/"

#: No key the engine makes has a longer path: 1024 bytes of an object's key, all escaped (3 for 1) and cut as
#: often as can be (3 more each time), and what the engine puts around them: a room, two ids, a suffix.
LONGEST_PATH: Final = 3 * 1024 + 3 * (3 * 1024 // 238) + 170

#: One character may pass the cut by 3 bytes and `%~` adds 2; an uncut name has 237 bytes at most, to which
#: `.meta` adds 5 or an escaped last character 2. All stay below the 255 bytes of a file name.
_CUT: Final = 238

_META: Final = ".meta"
_CONTINUED: Final = "%~"
_EMPTY: Final = "%"

_ENGINES: Final = tuple(suffix for suffix in SUFFIXES if suffix != _META)
_UNWRITABLE: Final = re.compile(r"[\x00-\x1f\x7f%]")
_ESCAPE: Final = re.compile(r"%([0-9A-F]{2})")


def encode(key: str) -> str:
    """The path of a key's file below its bucket. Raises StorageError for a text that can't be a key."""
    directory, slash, name = key.rpartition("/")
    if not slash:
        raise StorageError(f"not a storage key: {key!r}")
    return encode_directory(directory + slash) + _file(name, engines=not key.startswith(OBJECTS))


def encode_directory(prefix: str) -> str:
    """The path, '/' at its end, of the directory for keys that start with `prefix`, which ends in a '/'."""
    return "".join(map(_directory, prefix.split("/")[:-1]))


def encode_bucket(bucket: str) -> str:
    """A bucket's directory name. Raises StorageError for a text that is not one short segment."""
    name = _directory(bucket).removesuffix("/")
    if "/" in name:
        raise StorageError(f"not a bucket name: {bucket!r}")
    return name


def decode_bucket(name: str) -> str | None:
    """The bucket in a directory's name."""
    text = decode_directory(name)
    return text[:-1] if text is not None and text.endswith("/") else None


def decode_file(name: str, *, engines: bool) -> str | None:
    """What a file's name adds to the key of its directory; `engines` outside `OBJECTS`."""
    segment = _unescape(name.removesuffix(_META))
    return segment if _file(segment, engines=engines) == name else None


def decode_directory(name: str) -> str | None:
    """What a directory's name adds to the keys in it: a segment and its '/', or the piece of a longer one."""
    if name.endswith(_CONTINUED):
        written = name.removesuffix(_CONTINUED)
        piece = _unescape(written)
        return piece if _pieces(piece) == [written, ""] else None
    segment = _unescape(name)
    return segment + "/" if _directory(segment) == name + "/" else None


def encode_entry(text: str, *, engines: bool) -> tuple[str, bool]:
    """The name that `decode_file` or `decode_directory` gave `text` for, and whether it is a directory's."""
    if text.endswith("/"):
        return _directory(text[:-1])[:-1], True
    piece, *rest = _pieces(text)
    return (piece + _CONTINUED, True) if rest else (_file(text, engines=engines), False)


def _directory(segment: str) -> str:
    *cut, last = _pieces(segment)
    last = _named(last)
    if last.endswith(SUFFIXES):
        last = last[:-1] + _escape(last[-1])
    return "".join(f"{piece}{_CONTINUED}/" for piece in cut) + last + "/"


def _file(segment: str, *, engines: bool) -> str:
    *cut, last = _pieces(segment)
    last = _named(last)
    if not (engines and last.endswith(_ENGINES)):
        last += _META
    return "".join(f"{piece}{_CONTINUED}/" for piece in cut) + last


def _pieces(segment: str) -> list[str]:
    """The written segment, cut: every piece but the last, which may be empty, has reached `_CUT` bytes."""
    try:
        if len(segment.encode()) < _CUT and not _UNWRITABLE.search(segment):
            return [segment]
    except UnicodeEncodeError as error:
        raise StorageError(f"not UTF-8: {segment!r}") from error
    pieces, piece, length = [], "", 0
    for character in segment:
        written = _escape(character) if _UNWRITABLE.match(character) else character
        piece += written
        length += len(written.encode())
        if length >= _CUT:
            pieces.append(piece)
            piece, length = "", 0
    return [*pieces, piece]


def _named(piece: str) -> str:
    """A piece as a name, which can't be empty and means something else when it is '.' or '..'."""
    if piece in (".", ".."):
        return _escape(".") + piece[1:]
    return piece or _EMPTY


def _escape(character: str) -> str:
    return f"%{ord(character):02X}"


def _unescape(written: str) -> str:
    if written == _EMPTY:
        return ""
    return _ESCAPE.sub(lambda found: chr(int(found[1], 16)), written) if "%" in written else written
