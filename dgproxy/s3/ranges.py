# SPDX-License-Identifier: GPL-2.0-only
"""Byte ranges: which part of an object a Range header asks for (RFC 9110, section 14).

Ranges are `(start, stop)` in bytes, `stop` exclusive. If-Range is a condition: `conditions.if_range`.
"""

import re
from typing import Final

from dgproxy.s3.errors import S3Error

__all__ = ["content_range", "parse", "parse_copy_source_range"]

# Sizes have at most 19 digits; int() of megabytes of them would be slow, then an error.
_RANGE: Final = re.compile(r"bytes=([0-9]{0,19})-([0-9]{0,19})", re.ASCII | re.IGNORECASE)
_COPY_RANGE: Final = re.compile(r"bytes=([0-9]{1,19})-([0-9]{1,19})", re.ASCII)


def parse(header: str | None, size: int) -> tuple[int, int] | None:
    """Resolve a Range header against an object of `size` bytes; None means the whole object.

    Several ranges, another unit and broken syntax are the whole object, as S3 answers them; so is a suffix of
    an empty object, which is satisfiable (RFC 9110, section 14.1.2) but has no Content-Range.
    Raises S3Error InvalidRange (416) when the range has no byte of the object.
    """
    match = _RANGE.fullmatch((header or "").strip())
    if match is None:
        return None
    first, last = match.groups()
    if first:
        start = int(first)
        stop = min(size, int(last) + 1) if last else size
        if last and int(last) < start:
            return None
    elif last:
        start, stop = max(0, size - int(last)), size
        if size == 0 and int(last) > 0:
            return None
    else:
        return None
    if start >= stop:
        raise _unsatisfiable(header or "", size)
    return start, stop


def content_range(start: int, stop: int, size: int) -> str:
    """Make the value of Content-Range."""
    return f"bytes {start}-{stop - 1}/{size}"


def parse_copy_source_range(header: str | None, size: int) -> tuple[int, int] | None:
    """Resolve x-amz-copy-source-range, which is strict: `bytes=first-last`, both within the source.

    None when there is no header. Raises S3Error InvalidArgument, InvalidRange.
    """
    if header is None:
        return None
    match = _COPY_RANGE.fullmatch(header)
    start, stop = (int(match[1]), int(match[2]) + 1) if match else (0, 0)
    if start >= stop:
        raise S3Error(
            "InvalidArgument",
            "The x-amz-copy-source-range value must be of the form bytes=first-last where first and last are "
            "the zero-based offsets of the first and last bytes to copy",
            extra={"ArgumentName": "x-amz-copy-source-range", "ArgumentValue": header},
        )
    if stop > size:
        raise _unsatisfiable(header, size)
    return start, stop


def _unsatisfiable(header: str, size: int) -> S3Error:
    return S3Error(
        "InvalidRange",
        extra={"RangeRequested": header.strip(), "ActualObjectSize": str(size)},
        headers={"Content-Range": f"bytes */{size}"},
    )
