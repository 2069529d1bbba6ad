# SPDX-License-Identifier: GPL-2.0-only
"""How the text of a setting becomes its value: one pure function a kind of value.

Each takes what a source gave (text from the environment and the command line, any TOML type from the file)
or a finished value, and returns the value or raises ValueError with a reason that fits behind
"setting = value (place): ". The reasons for credentials never quote them. Which setting is of which kind is
said in `settings`.
"""

import re
from decimal import Decimal
from pathlib import Path
from typing import Final, NamedTuple

from pydantic import SecretStr

from dgproxy.s3.errors import S3Error
from dgproxy.s3.grants import Place
from dgproxy.s3.names import check_bucket

_UNITS: Final = {
    "": 1,
    "b": 1,
    **{f"{letter}ib": 1 << 10 * power for power, letter in enumerate("kmgt", 1)},
    **{f"{letter}b": 1000**power for power, letter in enumerate("kmgt", 1)},
}


class ListenAddress(NamedTuple):
    """Where to listen: a name or address, without brackets, and a port, 0 for any free one."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def not_a_boolean(value: object) -> object:
    """Refuse TOML's true where a number belongs: Python would take it for 1."""
    if isinstance(value, bool):
        raise ValueError("must be a number")  # noqa: TRY004 - see _text
    return value


def boolean(value: object) -> bool:
    """Take TOML's own, or the words for it; 1 and yes are words of other programs."""
    if isinstance(value, bool):
        return value
    words = {"true": True, "false": False}
    if not isinstance(value, str) or value.lower() not in words:
        raise ValueError("must be true or false")
    return words[value.lower()]


def listen_address(value: object) -> ListenAddress:
    """Take "host:port" apart; an IPv6 address stands in brackets."""
    if isinstance(value, ListenAddress):
        return value
    found = re.fullmatch(r"(?:\[([0-9A-Fa-f:.]+(?:%\w+)?)\]|([\w.-]+)):(\d{1,5})", _text(value), re.ASCII)
    if found is None:
        raise ValueError("must be host:port, such as 127.0.0.1:9000, [::1]:9000 or 0.0.0.0:9000")
    port = int(found[3])
    if port > 65534:
        raise ValueError("the port must be at most 65534: the browser UI takes the one above it")
    return ListenAddress(found[1] or found[2], port)


def bucket_name(value: object) -> str:
    """Check a name that S3 lets a bucket be created with."""
    name = _text(value)
    try:
        check_bucket(name, creating=True)
    except S3Error as error:
        raise ValueError(
            "is not a name S3 allows: 3 to 63 lower-case letters, digits, hyphens and single dots, a letter "
            "or digit at both ends, not an IP address, none of the prefixes and suffixes that AWS reserves"
        ) from error
    return name


def access_key(value: object) -> str:
    """Check an access key id: nothing in it may end a Credential in an Authorization header."""
    text = _text(value)
    if not re.fullmatch(r"[\w.+@-]{1,128}", text, re.ASCII):
        raise ValueError("must have 1 to 128 letters, digits or any of _ . + @ -")
    return text


def secret(value: object) -> SecretStr:
    """Check a secret key. A space in it is nearly always a slip of quoting, so it is refused, not trimmed."""
    if isinstance(value, SecretStr):
        return value
    text = _text(value)
    if not re.fullmatch(r"[!-~]+", text):
        raise ValueError("must have printable ASCII characters only, without spaces or line ends")
    return SecretStr(text)


def label(value: object) -> str:
    """Check a name that stands in log lines."""
    text = _text(value)
    if not text.isprintable() or len(text) > 128:
        raise ValueError("must have at most 128 printable characters")
    return text


def places(value: object) -> tuple[Place, ...]:
    """Make a list of patterns into the places where an access key may go."""
    if not isinstance(value, list | tuple) or not value:
        raise ValueError("must be a list such as ['bucket', 'other/releases/*']; leave it out for everywhere")
    found = []
    for each in value:
        try:
            found.append(each if isinstance(each, Place) else Place.parse(_text(each)))
        except ValueError as error:
            raise ValueError(f"{each!r}: {error}") from error
    return tuple(found)


def size(value: object) -> object:
    """Turn "5 GiB" into bytes; a number counts bytes already."""
    if not isinstance(value, str):
        return not_a_boolean(value)
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([a-z]*)", value.strip().lower(), re.ASCII)
    if found is None or found[2] not in _UNITS:
        raise ValueError("must be a number of bytes, or one with KiB, MiB, GiB, TiB (or KB, MB, GB, TB)")
    return int(Decimal(found[1]) * _UNITS[found[2]])


def suffixes(value: object) -> tuple[str, ...]:
    """Make a list, or text with commas or spaces between, into lower-case suffixes without repetition."""
    each = value if isinstance(value, list | tuple) else _text(value).replace(",", " ").split()
    found = tuple(dict.fromkeys(_text(one).lower() for one in each))
    for suffix in found:
        if not suffix or "/" in suffix or suffix != suffix.strip():
            raise ValueError(f"{suffix!r} can't be the end of a file name")
        if "*" in suffix and found != ("*",):
            raise ValueError("'*' is every name, and stands alone; suffixes such as .zip have no wildcards")
    return found


def domain(value: object) -> str:
    """Check a host name, lower-cased: no port, no dot at either end."""
    name = _text(value).lower()
    if len(name) > 253 or not re.fullmatch(r"[a-z0-9_-]{1,63}(\.[a-z0-9_-]{1,63})*", name, re.ASCII):
        raise ValueError("must be a host name without a port, such as s3.example.com")
    return name


def endpoint(value: object) -> str:
    """Check the URL of an object store: scheme, host, perhaps a port."""
    text = _text(value).rstrip("/")
    if not re.fullmatch(r"https?://(\[[0-9A-Fa-f:.]+\]|[\w.-]+)(:\d{1,5})?", text, re.ASCII):
        raise ValueError("must be a URL such as https://s3.eu-west-1.amazonaws.com or http://10.0.0.7:8333")
    return text


def region(value: object) -> str:
    """Check the name of a region: it stands in every signature."""
    text = _text(value)
    if not re.fullmatch(r"[\w-]{1,64}", text, re.ASCII):
        raise ValueError("must be the name of a region, such as eu-west-1")
    return text


def bucket_prefix(value: object) -> str:
    """Check the beginning of bucket names; a name behind it must still be one."""
    text = _text(value)
    if not re.fullmatch(r"[a-z0-9][a-z0-9.-]{0,39}", text, re.ASCII):
        raise ValueError("must have at most 40 lower-case letters, digits, dots and hyphens")
    return text


def origins(value: object) -> tuple[str, ...]:
    """Make a list, or text with commas or spaces between, into origins of web pages, or patterns of them."""
    each = value if isinstance(value, list | tuple) else _text(value).replace(",", " ").split()
    found = tuple(dict.fromkeys(_text(one) for one in each))
    for origin in found:
        shape = r"\*|https?://[A-Za-z0-9.*\[\]:_-]{1,300}"
        if not re.fullmatch(shape, origin, re.ASCII) or origin.count("*") > 1:
            raise ValueError(f"{origin!r} is no origin such as https://example.com or https://*.example.com")
    return found


def hours(value: object) -> tuple[int, int]:
    """Turn "1-5" into the hours of the day between: from the beginning of the one to that of the other."""
    if isinstance(value, tuple):
        return value
    found = re.fullmatch(r"(\d{1,2})\s*-\s*(\d{1,2})", _text(value), re.ASCII)
    if found is None or max(int(found[1]), int(found[2])) > 24:
        raise ValueError('must be two hours of the day such as "1-5", or "0-24" for all of it')
    return int(found[1]), int(found[2])


def directory(value: object) -> Path:
    """Make a path; a leading ~ is the home directory, which no shell has replaced in a file."""
    return _path(value, "directory")


def file(value: object) -> Path:
    """Make a path as `directory` does."""
    return _path(value, "file")


def _path(value: object, kind: str) -> Path:
    text = str(value) if isinstance(value, Path) else _text(value)
    if not text or "\0" in text:
        raise ValueError(f"must be the path of a {kind}")
    try:
        return Path(text).expanduser()
    except RuntimeError as error:
        raise ValueError("there is no such home directory") from error


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError("must be text")  # noqa: TRY004 - pydantic reports a ValueError, and lets a TypeError through
    return value
