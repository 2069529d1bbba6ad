# SPDX-License-Identifier: GPL-2.0-only
"""Conditional requests: whether one may go on, given the object's current state.

Pure decisions over headers, an etag (without quotes) and a modification time (milliseconds since the epoch;
HTTP dates have whole seconds, so it counts rounded down). Precedence is RFC 9110, section 13.2.2. Atomicity
of a conditional write is the engine's; here a `WriteCondition` is only read and judged.
"""

from collections.abc import Mapping
from dataclasses import dataclass

__all__ = ["WriteCondition", "check_copy_source", "check_read", "if_range", "write_condition"]


@dataclass(frozen=True, slots=True)
class WriteCondition:
    """What must hold of the current object for a write or delete to happen.

    `absent`: there must be none. Otherwise there must be one, and when `etag` is not None with this etag.
    """

    absent: bool
    etag: str | None = None

    def check(self, current: str | None) -> None:
        """Judge the current etag, None for no object. Raises S3Error PreconditionFailed, NoSuchKey."""


def check_read(headers: Mapping[str, str], etag: str, modified: int) -> None:
    """If-Match, If-None-Match, If-Modified-Since and If-Unmodified-Since of a GET or HEAD.

    Raises S3Error: PreconditionFailed, NotModified.
    """
    raise NotImplementedError


def check_copy_source(headers: Mapping[str, str], etag: str, modified: int) -> None:
    """x-amz-copy-source-if-… of a copy. Raises S3Error PreconditionFailed."""
    raise NotImplementedError


def if_range(headers: Mapping[str, str], etag: str, modified: int) -> bool:
    """Say whether a Range header counts: there is no If-Range, or it names the current object."""
    raise NotImplementedError


def write_condition(headers: Mapping[str, str]) -> WriteCondition | None:
    """Read the condition of PutObject, CompleteMultipartUpload or DeleteObject.

    Raises S3Error NotImplemented for the forms S3 does not have on writes.
    """
    raise NotImplementedError
