# SPDX-License-Identifier: GPL-2.0-only
"""The multipart/form-data body of a browser upload, taken apart as it arrives.

Bytes go in through `feed` in any pieces; the fields before the file collect in `fields`, and the file's bytes
come out. It promises that memory is bounded by `MAX_FIELDS` whatever is sent, and that a body which ends
early never passes for a whole one (`finish`). What follows the file is ignored, as in S3.

What fields mean is not known here. RFC 7578; RFC 2046, section 5.1; Amazon S3 API Reference, "POST Object".
"""

import re
from enum import Enum, auto
from typing import Final

from dgproxy.s3.errors import S3Error

__all__ = ["MAX_FIELDS", "FormReader"]

#: Bytes of everything before the file.
MAX_FIELDS: Final = 20 << 10

_CONTENT_TYPE: Final = re.compile(
    r"multipart/form-data\s*;(?:.*;)?\s*boundary=(?:\"([^\"]{1,70})\"|([^\s;\"]{1,70}))\s*(?:;.*)?",
    re.IGNORECASE | re.DOTALL,
)
_DISPOSITION: Final = re.compile(r"content-disposition:[ \t]*form-data[ \t]*(;.*)", re.IGNORECASE)
_PARAMETER: Final = re.compile(r";[ \t]*(\w+)=(?:\"([^\"]*)\"|([^;\"\s]*))")
_FILE: Final = "file"


class _At(Enum):
    """What the next bytes are."""

    PREAMBLE = auto()
    LINE = auto()
    HEADERS = auto()
    FIELD = auto()
    FILE = auto()
    REST = auto()


class FormReader:
    """One form. `fields` maps lower-case names to text; `filename` is the file's, without directories."""

    def __init__(self, content_type: str) -> None:
        """Raises S3Error RequestIsNotMultiPartContent."""
        match = _CONTENT_TYPE.fullmatch(content_type)
        if match is None:
            raise S3Error("RequestIsNotMultiPartContent")
        boundary = match[1] or match[2]
        self.fields: dict[str, str] = {}
        self.filename = ""
        self._delimiter = b"\r\n--" + boundary.encode("utf-8", "surrogateescape")
        # The line end of a delimiter belongs to it; at the very start there is none.
        self._buffer = bytearray(b"\r\n")
        self._at = _At.PREAMBLE
        self._name = ""
        self._seen = 0

    @property
    def file_began(self) -> bool:
        """Whether `fields` is complete."""
        return self._at in (_At.FILE, _At.REST)

    def feed(self, data: bytes | bytearray | memoryview) -> bytes:
        """Take bytes, give what of the file is in them.

        Raises S3Error: MalformedPOSTRequest, MaxPostPreDataLengthExceededError.
        """
        if self._at is _At.REST:
            return b""
        self._buffer += data
        while not self.file_began and self._step():
            if self._seen > MAX_FIELDS:
                raise S3Error("MaxPostPreDataLengthExceededError")
        if self._at is _At.FILE:
            return self._file()
        if self._seen + len(self._buffer) > MAX_FIELDS:
            raise S3Error("MaxPostPreDataLengthExceededError")
        return b""

    def finish(self) -> None:
        """Say that there are no more bytes.

        Raises S3Error: IncompleteBody, IncorrectNumberOfFilesInPostRequest, MalformedPOSTRequest.
        """
        if self._at is _At.FILE:
            raise S3Error("IncompleteBody")
        if self._at is _At.LINE and self._buffer.startswith(b"--"):
            raise S3Error("IncorrectNumberOfFilesInPostRequest")
        if self._at is not _At.REST:
            raise _malformed()

    def _step(self) -> bool:
        """Take the next piece before the file, if it is there whole."""
        if self._at is _At.LINE:
            if self._buffer.startswith(b"--"):
                return False
            return self._line()
        ends = b"\r\n\r\n" if self._at is _At.HEADERS else self._delimiter
        piece = self._until(ends)
        if piece is None:
            return False
        if self._at is _At.HEADERS:
            self._headers(piece)
            return True
        if self._at is _At.FIELD:
            self.fields.setdefault(self._name, _text(piece))
        self._at = _At.LINE
        return True

    def _line(self) -> bool:
        """Take the rest of a delimiter's line: nothing but white space."""
        line = self._until(b"\r\n")
        if line is None:
            return False
        if line.strip(b" \t"):
            raise _malformed()
        self._at = _At.HEADERS
        return True

    def _headers(self, head: bytes) -> None:
        found = [match for line in _text(head).split("\r\n") if (match := _DISPOSITION.fullmatch(line))]
        if len(found) != 1:
            raise _malformed()
        parameters = {
            name.lower(): quoted or plain for name, quoted, plain in _PARAMETER.findall(found[0][1])
        }
        self._name = parameters.get("name", "").lower()
        if not self._name:
            raise _malformed()
        self._at = _At.FIELD
        if self._name == _FILE:
            # Some browsers send the whole path; what counts is behind its last slash or backslash.
            self.filename = re.split(r"[/\\]", parameters.get("filename", ""))[-1]
            self._at = _At.FILE

    def _file(self) -> bytes:
        """Give the file's bytes as far as they can't be the start of a delimiter."""
        end = self._buffer.find(self._delimiter)
        if end >= 0:
            self._at = _At.REST
        stop = end if end >= 0 else max(0, len(self._buffer) - len(self._delimiter) + 1)
        data = bytes(self._buffer[:stop])
        del self._buffer[: stop if end < 0 else len(self._buffer)]
        return data

    def _until(self, ends: bytes) -> bytes | None:
        """Take the bytes before `ends`, and `ends`; None while it is not there."""
        place = self._buffer.find(ends)
        if place < 0:
            return None
        piece = bytes(self._buffer[:place])
        del self._buffer[: place + len(ends)]
        self._seen += place + len(ends)
        return piece


def _text(data: bytes) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise _malformed() from error


def _malformed() -> S3Error:
    return S3Error("MalformedPOSTRequest")
