# SPDX-License-Identifier: GPL-2.0-only
"""Byte ranges: which part of an object a Range header asks for (RFC 9110, section 14).

Ranges are `(start, stop)` in bytes, `stop` exclusive. If-Range is a condition: `conditions.if_range`.
"""

__all__ = ["content_range", "parse", "parse_copy_source_range"]


def parse(header: str | None, size: int) -> tuple[int, int] | None:
    """Resolve a Range header against an object of `size` bytes; None means the whole object.

    Several ranges, another unit and broken syntax are the whole object, as S3 answers them.
    Raises S3Error InvalidRange (416) when the range has no byte of the object.
    """
    raise NotImplementedError


def content_range(start: int, stop: int, size: int) -> str:
    """Make the value of Content-Range."""
    raise NotImplementedError


def parse_copy_source_range(header: str | None, size: int) -> tuple[int, int] | None:
    """Resolve x-amz-copy-source-range, which is strict: `bytes=first-last`, both within the source.

    None when there is no header. Raises S3Error InvalidArgument, InvalidRange.
    """
    raise NotImplementedError
