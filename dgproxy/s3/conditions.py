# SPDX-License-Identifier: GPL-2.0-only
"""Conditional requests: whether one may go on, given the object's current state.

Pure decisions over headers, an etag (without quotes) and a modification time (milliseconds since the epoch;
HTTP dates have whole seconds, so it counts rounded down). Precedence is RFC 9110, section 13.2.2. Atomicity
of a conditional write is the engine's; here a `WriteCondition` is only read and judged.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from dgproxy.s3 import dates
from dgproxy.s3.errors import S3Error

__all__ = ["WriteCondition", "check_copy_source", "check_read", "if_range", "write_condition"]

# RFC 9110, section 8.8.3, and the bare etag that many clients send instead. Takes linear time on any input.
_ETAG: Final = re.compile(r'"([^"]*)"|([^",\s]+)')

_COPY_PREFIX: Final = "x-amz-copy-source-"
_NOT_ON_WRITES: Final = ("if-modified-since", "if-unmodified-since")
#: Conditions on DELETE that only directory buckets have.
_DIRECTORY_BUCKETS: Final = ("x-amz-if-match-last-modified-time", "x-amz-if-match-size")


@dataclass(frozen=True, slots=True)
class WriteCondition:
    """What must hold of the current object for a write or delete to happen.

    Etags as the headers list them, "*" for any: of `match` it must have one, of `none_match` it may have
    none. None where the header is not there.
    """

    match: tuple[str, ...] | None = None
    none_match: tuple[str, ...] | None = None
    deleting: bool = False

    def check(self, current: str | None) -> None:
        """Judge the current etag, None for no object. Raises S3Error PreconditionFailed, NoSuchKey."""
        if self.match is not None:
            if current is None:
                # 404 in S3 ("Conditional writes", "Conditional deletes"). To write if anything is there is no
                # form of S3's: RFC 9110, section 13.1.1.
                writing_over = "*" in self.match and not self.deleting
                raise _failed("If-Match") if writing_over else S3Error("NoSuchKey")
            if not _among(current, self.match):
                raise _failed("If-Match")
        if self.none_match is not None and current is not None and _among(current, self.none_match):
            raise _failed("If-None-Match")


def check_read(headers: Mapping[str, str], etag: str, modified: int) -> None:
    """Judge If-Match, If-None-Match, If-Modified-Since and If-Unmodified-Since of a GET or HEAD.

    Raises S3Error: PreconditionFailed, NotModified.
    """
    _check_unchanged(headers, etag, modified, "")
    if not _is_new(headers, etag, modified, ""):
        # The cache entry is freshened by these (RFC 9110, section 15.4.5).
        raise S3Error(
            "NotModified", headers={"ETag": f'"{etag}"', "Last-Modified": dates.http_date(modified)}
        )


def check_copy_source(headers: Mapping[str, str], etag: str, modified: int) -> None:
    """Judge x-amz-copy-source-if-… of a copy, where nothing new is a failure too.

    Raises S3Error PreconditionFailed.
    """
    _check_unchanged(headers, etag, modified, _COPY_PREFIX)
    if not _is_new(headers, etag, modified, _COPY_PREFIX):
        name = "if-none-match" if _COPY_PREFIX + "if-none-match" in headers else "if-modified-since"
        raise _failed(_COPY_PREFIX + name)


def if_range(headers: Mapping[str, str], etag: str, modified: int) -> bool:
    """Say whether a Range header counts: there is no If-Range, or it names the current object."""
    validator = headers.get("if-range")
    if validator is None:
        return True
    date = dates.parse_http_date(validator)
    if date is not None:
        return date == _seconds(modified)
    # Weak etags never match here (RFC 9110, section 13.1.5).
    return not validator.strip().startswith("W/") and _matches(validator, etag)


def write_condition(headers: Mapping[str, str], *, deleting: bool = False) -> WriteCondition | None:
    """Read the condition of PutObject, CopyObject or CompleteMultipartUpload, or `deleting` of DeleteObject.

    AWS documents `If-None-Match: *` and an etag in If-Match; every other form of the two means what RFC 9110
    says. Raises S3Error NotImplemented for the conditions S3 does not have on writes, and for a list that
    names nothing: a condition that was asked for is never ignored.
    """
    refused = [name for name in (*_NOT_ON_WRITES, *_DIRECTORY_BUCKETS) if name in headers]
    if deleting and "if-none-match" in headers:
        refused.append("if-none-match")
    lists = {name: tuple(_etags(headers[name])) for name in ("if-match", "if-none-match") if name in headers}
    refused += [name for name, etags in lists.items() if not etags]
    if refused:
        raise S3Error("NotImplemented", extra={"Header": refused[0]})
    return WriteCondition(lists.get("if-match"), lists.get("if-none-match"), deleting) if lists else None


def _check_unchanged(headers: Mapping[str, str], etag: str, modified: int, prefix: str) -> None:
    """If-Match, or without it If-Unmodified-Since."""
    match = headers.get(prefix + "if-match")
    if match is not None:
        if not _matches(match, etag):
            raise _failed(prefix + "if-match" if prefix else "If-Match")
        return
    date = dates.parse_http_date(headers.get(prefix + "if-unmodified-since", ""))
    if date is not None and _seconds(modified) > date:
        raise _failed(prefix + "if-unmodified-since" if prefix else "If-Unmodified-Since")


def _is_new(headers: Mapping[str, str], etag: str, modified: int, prefix: str) -> bool:
    """If-None-Match, or without it If-Modified-Since."""
    none_match = headers.get(prefix + "if-none-match")
    if none_match is not None:
        return not _matches(none_match, etag)
    date = dates.parse_http_date(headers.get(prefix + "if-modified-since", ""))
    return date is None or _seconds(modified) > date


def _matches(header: str, etag: str) -> bool:
    return _among(etag, _etags(header))


def _among(etag: str, listed: Sequence[str]) -> bool:
    return "*" in listed or etag in listed


def _etags(header: str) -> list[str]:
    """Take an etag list apart; `W/` and quotes go: clients write them at will, S3 compares without."""
    found = (quoted or bare for quoted, bare in _ETAG.findall(header))
    return [etag for etag in found if etag != "W/"]


def _seconds(milliseconds: int) -> int:
    return milliseconds - milliseconds % 1000


def _failed(condition: str) -> S3Error:
    return S3Error("PreconditionFailed", extra={"Condition": condition})
