# SPDX-License-Identifier: GPL-2.0-only
"""From our keys to keys that every object store keeps apart and lists in the same order. Pure.

Stores differ in what they do with a key: some keep a tree, where `a` can't be beside `a/b`, `a//b` is `a/b`
and a directory sorts by its bare name; some clean `..` out of paths; XML can't carry some characters. So

- a key ends in `!`, and each directory behind the first, which names the room, in `.~`: `objects/a/b.zip` is
  `objects/a.~/b.zip!`. So no name is the start of a sibling's, none is empty, `.` or `..`, and names sort in
  a tree as keys do in a flat listing;
- the characters up to `"` are `"` and two hex digits, `[` and the backslash, a slash to some, are `[` and a
  digit, U+FFFD to U+FFFF are U+FFFD and a digit, and a `.` before a character from `}` on is `.}`.

Promises that encoded keys sort, byte by byte and name by name, as the keys do, that two keys never have one
encoding, and that all keys under a prefix, and no others but those `Prefix.beyond`, start with the prefix's.
"""

import re
from typing import Final, NamedTuple

from dgproxy.storage.errors import KeyTooLong

#: What a store takes at most, in bytes (S3 user guide, "Creating object key names").
LONGEST: Final = 1024

_END: Final = "!"
_DIRECTORY: Final = ".~"

_LOW: Final = {chr(code): f'"{code:02x}' for code in range(0x23)}
_SLASHES: Final = {"[": "[0", "\\": "[1"}
_HIGH: Final = {chr(0xFFFD + i): f"\ufffd{i}" for i in range(3)}
_ESCAPES: Final = str.maketrans(_LOW | _SLASHES | _HIGH)
_DOT_BEFORE_HIGH: Final = re.compile("\\.(?=[}-\U0010ffff])")
_ESCAPED: Final = re.compile(r'"([0-9a-f]{2})|\[([01])|\uFFFD([012])|\.(})')


class Prefix(NamedTuple):
    """What the encoded keys under a prefix start with.

    Behind those may follow others, which start with `beyond`, when that is not empty.
    """

    text: str
    beyond: str


def encode(key: str) -> str:
    """The key as it is in the store, or would be."""
    room, _, rest = key.partition("/")
    return "/".join([room, *_names(rest)]) + _END


def place_of(key: str) -> str:
    """The key as it is in the store. Raises KeyTooLong when it has no room for that."""
    place = encode(key)
    if len(place.encode()) > LONGEST:
        raise KeyTooLong(f"{key!r} takes {len(place.encode())} of {LONGEST} bytes in the store")
    return place


def encode_prefix(prefix: str) -> Prefix:
    """What to list by for the keys that start with `prefix`, which has at least the room and its '/'."""
    room, _, rest = prefix.partition("/")
    text = "/".join([room, *_names(rest)])
    # a last "." may be followed by anything, also by what ends the name of a directory without it
    return Prefix(text, text + _DIRECTORY[1:] + "/" if rest.endswith(".") else "")


def decode(key: str) -> str:
    """The key that `encode` made this of."""
    return _plain(key.removesuffix(_END))


def decode_directory(prefix: str) -> str:
    """The common prefix, with its '/', of a listing by '/'."""
    return _plain(prefix)


def after_all_under(prefix: str) -> str:
    """A text behind all encoded keys under `prefix` and before all that follow; it is never one itself."""
    text, beyond = encode_prefix(prefix)
    if beyond:
        return beyond.removesuffix("/")
    text = text.rstrip("\U0010ffff")
    following = ord(text[-1]) + 1
    return text[:-1] + chr(0xE000 if following == 0xD800 else following)  # past the surrogates


def _names(text: str) -> list[str]:
    *directories, last = text.split("/")
    return [_name(directory) + _DIRECTORY for directory in directories] + [_name(last)]


def _name(text: str) -> str:
    return _DOT_BEFORE_HIGH.sub(".}", text.translate(_ESCAPES))


def _plain(text: str) -> str:
    room, slash, rest = text.partition("/")
    return room + slash + _ESCAPED.sub(_character, rest.replace(_DIRECTORY + "/", "/"))


def _character(escape: re.Match[str]) -> str:
    low, slash, high, _ = escape.groups()
    if low:
        return chr(int(low, 16))
    if slash:
        return "[\\"[int(slash)]
    return chr(0xFFFD + int(high)) if high else "."
