# SPDX-License-Identifier: GPL-2.0-only
"""Decoder for aws-chunked request bodies: framing out, data on, every signature and trailer checked.

A state machine without I/O: `feed` takes whatever arrived and gives slices of it, without copying; `finish`
says whether the body was whole. Data is handed out before its chunk's signature could be checked, so nothing
may be committed before `finish` returned.

Amazon S3 API Reference, "Transferring Payload in Multiple Chunks" and "Including Trailing Headers".
"""

from dgproxy.s3.payload import Framing
from dgproxy.s3.sigv4 import ChunkSigner

__all__ = ["ChunkedDecoder"]


class ChunkedDecoder:
    """Decodes one body. Not for use from two threads at once."""

    def __init__(
        self, framing: Framing, signer: ChunkSigner | None, length: int, trailers: tuple[str, ...] = ()
    ) -> None:
        """`framing` is not PLAIN; `length` is the decoded length, `trailers` the announced names (`Payload`).

        Without `signer` the signatures in a signed framing are read and not checked: the server has no
        secret.
        """

    def feed(self, data: bytes | bytearray | memoryview) -> list[memoryview]:
        """Take the next bytes of the body; gives the decoded data in them, as slices of `data`.

        Raises S3Error: InvalidRequest, IncompleteBody, SignatureDoesNotMatch, MalformedTrailerError. After an
        error the decoder must not be fed again.
        """
        raise NotImplementedError

    def finish(self) -> dict[str, str]:
        """Say that the body has ended; gives the trailers, names in lower case.

        Raises S3Error: IncompleteBody, MalformedTrailerError.
        """
        raise NotImplementedError
