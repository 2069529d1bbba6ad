# SPDX-License-Identifier: GPL-2.0-only
"""HTTP by hand, for what no client library would send."""

import http.client
import socket
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from lxml import etree

from tests.system.harness import Server


@dataclass(frozen=True)
class Answer:
    """One response, read to its end."""

    status: int
    headers: http.client.HTTPMessage
    body: bytes

    def error(self) -> str:
        """The S3 error code; AssertionError unless this is a well-formed S3 error with a request id."""
        assert self.status >= 400, f"{self.status} is not an error"
        request_id = self.headers["x-amz-request-id"]
        assert request_id, f"no request id: {self.headers}"
        assert self.headers["Content-Type"].split(";")[0] == "application/xml", self.body
        root = etree.fromstring(self.body)
        assert root.tag == "Error"
        assert root.findtext("RequestId") == request_id
        assert root.findtext("Message")
        code = root.findtext("Code")
        assert code
        return code


class Wire:
    """A TCP connection; `with Wire(server) as wire:`."""

    def __init__(self, server: Server, *, receive_buffer: int | None = None):
        self.socket = socket.socket()
        if receive_buffer is not None:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.socket.settimeout(60)
        self.socket.connect(("127.0.0.1", server.port))
        self.host = f"127.0.0.1:{server.port}"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.socket.close()

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def request(self, line: str, *headers: str, body: bytes = b"", version: str = "HTTP/1.1") -> None:
        """Send a head with Host and the given header lines, then the body; no other header is added."""
        lines = [f"{line} {version}", f"Host: {self.host}", *headers, "", ""]
        self.send("\r\n".join(lines).encode("latin-1") + body)

    def answer(self, method: str = "GET") -> Answer:
        """Read one response that is framed by its length or by the end of the connection."""
        response = http.client.HTTPResponse(self.socket, method=method)
        response.begin()
        return Answer(response.status, response.headers, response.read())

    def interim(self) -> bytes:
        """Read up to the first blank line, byte by byte: an interim answer has no body."""
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            byte = self.socket.recv(1)
            if not byte:
                break
            head += byte
        return head

    def closed(self) -> bool:
        """Whether the server ends the connection without saying any more."""
        try:
            return self.socket.recv(1) == b""
        except ConnectionResetError:
            return True
