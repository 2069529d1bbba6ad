# SPDX-License-Identifier: GPL-2.0-only
"""What GetObjectAttributes asks for, read from its headers.

Amazon S3 API Reference, GetObjectAttributes. The answer is `xml`'s.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from dgproxy.s3.errors import S3Error
from dgproxy.s3.listing import ListParts, list_parts

__all__ = ["NAMES", "Attributes", "parse"]

NAMES: Final = frozenset({"ETag", "Checksum", "ObjectParts", "StorageClass", "ObjectSize"})
_HEADER: Final = "x-amz-object-attributes"


@dataclass(frozen=True, slots=True)
class Attributes:
    """The `names` to show, out of `NAMES`, and which page of the parts."""

    names: frozenset[str]
    parts: ListParts


def parse(headers: Mapping[str, str]) -> Attributes:
    """Read the headers, names in lower case. Raises S3Error: InvalidArgument, InvalidRequest."""
    named = frozenset(name for part in headers.get(_HEADER, "").split(",") if (name := part.strip()))
    if not named:
        raise S3Error(
            "InvalidRequest",
            f"The {_HEADER} header specifying the attributes to be retrieved is either missing or empty",
        )
    if not named <= NAMES:
        wrong = min(named - NAMES)
        extra = {"ArgumentName": _HEADER, "ArgumentValue": wrong}
        raise S3Error("InvalidArgument", "Invalid attribute name specified.", extra=extra)
    paging = {
        "max-parts": headers.get("x-amz-max-parts", ""),
        "part-number-marker": headers.get("x-amz-part-number-marker", ""),
    }
    return Attributes(named, list_parts(paging))
