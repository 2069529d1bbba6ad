# SPDX-License-Identifier: GPL-2.0-only
"""Which bucket names, keys, version ids and part numbers are good here.

A name that passes is safe to hand to any backend's key mapping; nothing else in the program checks again.
Nothing here decodes a URL (`target` does) or knows how a key is stored.
"""

import re
from typing import Final

from dgproxy.s3.errors import S3Error

__all__ = ["MAX_KEY_BYTES", "MAX_PART_NUMBER", "check_bucket", "check_key", "check_version", "part_number"]

#: "Creating object key names", Amazon S3 User Guide.
MAX_KEY_BYTES: Final = 1024
#: "Amazon S3 multipart upload limits", Amazon S3 User Guide.
MAX_PART_NUMBER: Final = 10_000

# "General purpose bucket naming rules", Amazon S3 User Guide. `_` is in no valid name, so paths that start
# with `/_` are free for the server itself.
_BUCKET: Final = re.compile(r"[a-z0-9](?:[a-z0-9-]|\.(?!\.)){1,61}[a-z0-9]", re.ASCII)
_IPV4: Final = re.compile(r"[0-9]{1,3}(?:\.[0-9]{1,3}){3}", re.ASCII)
# A version id as S3 makes them; one of another shape never existed anywhere.
_VERSION_ID: Final = re.compile(r"[A-Za-z0-9._-]{32,1024}")
_RESERVED_PREFIXES: Final = ("xn--", "sthree-", "amzn-s3-demo-")
_RESERVED_SUFFIXES: Final = ("-s3alias", "--ol-s3", ".mrap", "--x-s3", "--table-s3", "-an")


def check_bucket(name: str, *, creating: bool = False) -> None:
    """Raise InvalidBucketName unless `name` can name a bucket; `creating` adds the names AWS reserves."""
    valid = _BUCKET.fullmatch(name) and not _IPV4.fullmatch(name)
    if valid and creating:
        valid = not name.startswith(_RESERVED_PREFIXES) and not name.endswith(_RESERVED_SUFFIXES)
    if not valid:
        raise S3Error("InvalidBucketName", extra={"BucketName": name})


def check_key(key: str) -> None:
    """Raise KeyTooLongError for a `key` over 1024 bytes of UTF-8, InvalidURI for one that is no text."""
    try:
        size = len(key.encode())
    except UnicodeEncodeError as error:
        raise S3Error("InvalidURI") from error
    if size > MAX_KEY_BYTES:
        raise S3Error("KeyTooLongError", extra={"Size": str(size), "MaxSizeAllowed": str(MAX_KEY_BYTES)})


def check_version(version: str) -> None:
    """Accept the one version every object has, `null`, as in a bucket that never had versioning.

    Raises S3Error: InvalidArgument, NoSuchVersion.
    """
    if version == "null":
        return
    if _VERSION_ID.fullmatch(version):
        raise S3Error("NoSuchVersion", extra={"VersionId": version})
    message = "Invalid version id specified" if version else "Version id cannot be the empty string"
    raise S3Error("InvalidArgument", message, extra={"ArgumentName": "versionId", "ArgumentValue": version})


def part_number(text: str) -> int:
    """Read a part number, 1 to 10000, from a query parameter or part list; else InvalidArgument."""
    number = int(text) if text.isascii() and text.isdigit() and len(text) <= len(str(MAX_PART_NUMBER)) else 0
    if not 1 <= number <= MAX_PART_NUMBER:
        raise S3Error(
            "InvalidArgument",
            f"Part number must be an integer between 1 and {MAX_PART_NUMBER}, inclusive",
            extra={"ArgumentName": "partNumber", "ArgumentValue": text},
        )
    return number
