# SPDX-License-Identifier: GPL-2.0-only
"""Decoder for aws-chunked request bodies: framing out, data on, every signature and trailer checked.

A state machine without I/O: `feed` takes whatever arrived and gives slices of it, without copying; `finish`
says whether the body was whole. Data is handed out before its chunk's signature could be checked, so nothing
may be committed before `finish` returned.

    chunk   = size-in-hex [";chunk-signature=" 64 hex] CRLF data CRLF
    body    = *chunk last-chunk *(name ":" value CRLF) ["x-amz-trailer-signature:" 64 hex CRLF] CRLF

where the last chunk has size 0 and no data. Amazon S3 API Reference, "Signature Calculations … Transferring
Payload in Multiple Chunks" and "… Including Trailing Headers".
"""

import hashlib
import re
from enum import Enum, auto
from typing import Final

from dgproxy.s3.errors import S3Error
from dgproxy.s3.payload import Framing
from dgproxy.s3.signing import ChunkSigner

__all__ = ["ChunkedDecoder"]

# A size line is at most 16 digits and a signature; a trailer line a name and a checksum.
_MAX_LINE: Final = 1024
_MAX_TRAILER_LINES: Final = 16
_SIZE_LINE: Final = re.compile(rb"([0-9A-Fa-f]{1,16})(?:;chunk-signature=([0-9a-f]{64}))?")
_TRAILER_SIGNATURE: Final = "x-amz-trailer-signature"


class _State(Enum):
    SIZE = auto()
    DATA = auto()
    DATA_END = auto()
    TRAILER = auto()
    DONE = auto()


class ChunkedDecoder:
    """Decodes one body. Not for use from two threads at once."""

    def __init__(
        self, framing: Framing, signer: ChunkSigner | None, length: int, trailers: tuple[str, ...] = ()
    ) -> None:
        """`framing` is not PLAIN; `length` is the decoded length, `trailers` the announced names (`Payload`).

        Without `signer` the signatures in a signed framing are read and not checked: the server has no
        secret.
        """
        self._signed = framing is not Framing.UNSIGNED_TRAILER
        self._signed_trailer = framing is Framing.SIGNED_TRAILER
        self._signer = signer if self._signed else None
        self._missing = length  # data still to come, by the length stated
        self._expected_trailers = set(trailers)
        self._state = _State.SIZE
        self._line = bytearray()  # of a line that is not whole yet
        self._left = 0  # of the current chunk's data
        self._signature = ""
        self._sha256 = hashlib.sha256()
        self._trailers: dict[str, str] = {}
        self._trailer_lines = 0
        self._trailer_text = bytearray()
        self._trailer_signature: str | None = None

    def feed(self, data: bytes | bytearray | memoryview) -> list[memoryview]:
        """Take the next bytes of the body; gives the decoded data in them, as slices of `data`.

        Raises S3Error: InvalidRequest, IncompleteBody, SignatureDoesNotMatch, MalformedTrailerError. After an
        error the decoder must not be fed again.
        """
        view = memoryview(data)
        end = len(view)
        position = 0
        decoded: list[memoryview] = []
        while position < end:
            if self._state is _State.DATA:
                piece = view[position : position + self._left]
                position += len(piece)
                self._left -= len(piece)
                if self._signer is not None:
                    self._sha256.update(piece)
                decoded.append(piece)
                if self._left == 0:
                    self._state = _State.DATA_END
                continue
            line, position = self._read_line(view, position)
            if line is not None:
                self._take_line(line)
        return decoded

    def finish(self) -> dict[str, str]:
        """Say that the body has ended; gives the trailers, names in lower case.

        Raises S3Error: IncompleteBody, MalformedTrailerError.
        """
        if self._state is not _State.DONE or self._line:
            raise S3Error("IncompleteBody", "The body ended before its last chunk and trailer were complete.")
        return self._trailers

    # -- lines -----------------------------------------------------------------------------------------------

    def _read_line(self, view: memoryview, position: int) -> tuple[bytes | None, int]:
        """Take one line up to and without LF; None while it is not whole."""
        head = bytes(view[position : position + _MAX_LINE])
        found = head.find(b"\n")
        taken = head[: found + 1] if found >= 0 else head
        position += len(taken)
        if self._line or found < 0:
            self._line += taken
            if len(self._line) > _MAX_LINE:
                raise _not_chunked(f"a line is longer than {_MAX_LINE} bytes")
            if found < 0:
                return None, position
            taken = bytes(self._line)
            self._line.clear()
        return taken[:-1], position

    def _take_line(self, line: bytes) -> None:
        content = line.removesuffix(b"\r")
        if content == line and self._state in (_State.SIZE, _State.DATA_END):
            # A bare LF here would let a body that is one byte short pass its CR as data.
            raise _not_chunked("a line does not end with CR LF")
        match self._state:
            case _State.SIZE:
                self._size_line(content)
            case _State.DATA_END:
                self._data_end(content)
            case _State.TRAILER:
                self._trailer_line(content)
            case _State.DONE:
                self._after_end(content)

    def _size_line(self, line: bytes) -> None:
        match = _SIZE_LINE.fullmatch(line)
        if match is None:
            raise _not_chunked(f"{line[:80]!r} does not begin a chunk")
        size = int(match[1], 16)
        if size > self._missing:
            raise _not_chunked("its chunks hold more than x-amz-decoded-content-length")
        if self._signed != (match[2] is not None):
            raise _not_chunked("a chunk signature is missing" if self._signed else "a chunk is signed")
        if size == 0 and self._missing:
            raise S3Error(
                "IncompleteBody", f"The body is {self._missing} bytes short of x-amz-decoded-content-length."
            )
        self._missing -= size
        self._left = size
        if self._signed:
            self._signature = match[2].decode()
        if size:
            self._state = _State.DATA
        else:
            self._verify_chunk()
            self._state = _State.TRAILER

    def _data_end(self, line: bytes) -> None:
        if line:
            raise _not_chunked("a chunk's data does not end where its size says")
        self._verify_chunk()
        self._state = _State.SIZE

    def _verify_chunk(self) -> None:
        if self._signer is not None:
            self._signer.verify_chunk(self._sha256.hexdigest(), self._signature)
            self._sha256 = hashlib.sha256()

    # -- trailer ---------------------------------------------------------------------------------------------

    def _trailer_line(self, line: bytes) -> None:
        self._count_trailer_line()
        if not line:
            # Some clients end the trailer's own lines with LF and put a blank one before the signature, as
            # AWS's documentation shows it.
            if not self._signed_trailer or self._trailer_signature is not None:
                self._trailer_end()
            return
        try:
            name, colon, value = line.decode("ascii").partition(":")
        except UnicodeDecodeError as error:
            raise S3Error("MalformedTrailerError") from error
        name, value = name.strip().lower(), value.strip()
        if not colon or self._trailer_signature is not None:
            raise S3Error("MalformedTrailerError")
        if name == _TRAILER_SIGNATURE and self._signed_trailer:
            self._trailer_signature = value
        elif name in self._expected_trailers and name not in self._trailers:
            self._trailers[name] = value
            self._trailer_text += f"{name}:{value}\n".encode()
        else:
            raise S3Error(
                "MalformedTrailerError", f"The trailer {name!r} was not announced in x-amz-trailer."
            )

    def _trailer_end(self) -> None:
        absent = self._expected_trailers - self._trailers.keys()
        if absent:
            raise S3Error(
                "MalformedTrailerError", f"The trailer {min(absent)!r} was announced and did not come."
            )
        if self._signer is not None and self._trailer_signature is not None:
            sha256 = hashlib.sha256(self._trailer_text).hexdigest()
            self._signer.verify_trailer(sha256, self._trailer_signature)
        self._state = _State.DONE

    def _count_trailer_line(self) -> None:
        self._trailer_lines += 1
        if self._trailer_lines > _MAX_TRAILER_LINES:
            raise S3Error("MalformedTrailerError")

    def _after_end(self, line: bytes) -> None:
        self._count_trailer_line()
        if line:
            raise _not_chunked("something follows its end")


def _not_chunked(why: str) -> S3Error:
    return S3Error("InvalidRequest", f"The body is not valid aws-chunked data: {why}.")
