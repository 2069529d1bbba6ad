# SPDX-License-Identifier: GPL-2.0-only
"""Headers that describe an object: from the request to what is stored, and from there to the response.

Content headers and user metadata are kept and given back; a header that asks for something this server does
not do is refused by name, never ignored, unless what it asks for is what happens anyway.

Stored user metadata is text (non-ASCII decoded); names are lower case without `x-amz-meta-`.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

__all__ = [
    "MAX_USER_METADATA",
    "Metadata",
    "override_headers",
    "parse",
    "refuse_unsupported",
    "response_headers",
]

#: Bytes of all names and values together. "Working with object metadata", Amazon S3 User Guide.
MAX_USER_METADATA = 2048


@dataclass(frozen=True, slots=True)
class Metadata:
    """`content` maps response header names (`Content-Type`, …) to values; it always has Content-Type."""

    content: Mapping[str, str]
    user: Mapping[str, str] = field(default_factory=dict)


def parse(headers: Iterable[tuple[str, str]]) -> Metadata:
    """Read what to store from the headers of PutObject, CopyObject (REPLACE) or CreateMultipartUpload.

    Raises S3Error: MetadataTooLarge, InvalidArgument.
    """
    raise NotImplementedError


def refuse_unsupported(headers: Mapping[str, str]) -> None:
    """Refuse headers of a write that ask for what this server does not do.

    Raises S3Error: NotImplemented, InvalidStorageClass, InvalidArgument.
    """
    raise NotImplementedError


def response_headers(content: Mapping[str, str], user: Mapping[str, str]) -> dict[str, str]:
    """Make the headers of a GET or HEAD from what was stored."""
    raise NotImplementedError


def override_headers(query: Mapping[str, str]) -> dict[str, str]:
    """Make the headers that response-content-type and the like ask for. Raises S3Error InvalidArgument."""
    raise NotImplementedError
