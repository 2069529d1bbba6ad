# SPDX-License-Identifier: GPL-2.0-only
"""The edge of HTTP itself: one connection, its limits and its end.

aiohttp parses; this module says within which limits, answers in S3's XML where a request never became one,
and lets a request under way finish, its body included, when the server stops. It knows no operation.
"""

import asyncio
import socket
from typing import Final

from aiohttp import web
from aiohttp.http_exceptions import LineTooLong
from aiohttp.web_protocol import RequestHandler

from dgproxy.http.exchange import Exchange
from dgproxy.logs import get_logger
from dgproxy.s3.errors import S3Error

_log = get_logger()

#: Bytes of a request line or one header: a key of 1024 encoded bytes and a presigned query fit with ease.
_MAX_LINE: Final = 16 << 10
#: Headers of one request; S3 itself has fewer than a hundred, and user metadata is limited in bytes.
_MAX_HEADERS: Final = 128
#: Seconds an idle connection is kept for its next request, and a request may take to send its head.
_KEEP_ALIVE: Final = 75.0
#: Bytes of a body the kernel may hand over before the handler asks for more.
_READ_AHEAD: Final = 256 << 10
#: Seconds in which a client must take some of what is sent to it: an answer holds memory and open files.
_TAKE: Final = 60
#: Seconds for a request that was cut off to clean up behind itself.
_CLEAN_UP: Final = 1.0


class S3Protocol(RequestHandler):
    """One connection."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin; the kernel ends a connection whose client takes nothing (tcp(7), TCP_USER_TIMEOUT)."""
        connected: socket.socket = transport.get_extra_info("socket")
        connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, _TAKE * 1000)
        super().connection_made(transport)

    def data_received(self, data: bytes) -> None:
        """Take bytes; aiohttp drops them while it stops, but the body of a request under way must come."""
        stopping = self._close and self._current_request is not None
        if stopping:
            self._close = False
        try:
            super().data_received(data)
        finally:
            self._close = self._close or stopping

    async def finish_response(
        self, request: web.BaseRequest, resp: web.StreamResponse, start_time: float | None
    ) -> tuple[web.StreamResponse, bool]:
        """Send an answer, and say so when it is the last one."""
        if self._close:
            resp.force_close()
        return await super().finish_response(request, resp, start_time)

    async def shutdown(self, timeout: float | None = 15.0) -> None:  # noqa: ASYNC109 - aiohttp's signature
        """Let the request under way finish, if it does in time; then close."""
        self.close()
        if self._request_in_progress and self._task_handler is not None:
            await asyncio.wait([self._task_handler], timeout=timeout)
        await super().shutdown(_CLEAN_UP)

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Answer what could not be parsed; what could is answered by `http.service`."""
        if request.writer.output_size > 0 or isinstance(exc, ConnectionError):
            raise ConnectionAbortedError("nobody is there to answer, or has a part of an answer") from exc
        exchange = Exchange(request)
        if status < 500:
            error = _not_http(exc, message or "")
        else:
            error = S3Error("InternalError")
            _log.error("request failed", request=exchange.id, path=exchange.path, exc_info=exc)
        response = exchange.refusal(error)
        exchange.sign(response)
        response.force_close()
        exchange.end(error.status, response)
        return response


def _not_http(exc: BaseException | None, message: str) -> S3Error:
    """What to say of bytes that are no request. aiohttp's further lines show them; they may be secret."""
    if isinstance(exc, LineTooLong) or message == "Too many headers received":
        return S3Error("RequestHeaderSectionTooLarge")
    reason = message.partition("\n")[0].rstrip(":.")
    return S3Error("BadRequest", f"An error occurred when parsing the HTTP request: {reason}.")


def connection(server: web.Server, loop: asyncio.AbstractEventLoop) -> S3Protocol:
    """A protocol for a new connection to `server`, with this module's limits."""
    return S3Protocol(
        server,
        loop=loop,
        keepalive_timeout=_KEEP_ALIVE,
        max_line_size=_MAX_LINE,
        max_field_size=_MAX_LINE,
        max_headers=_MAX_HEADERS,
        read_bufsize=_READ_AHEAD,
        # Content-Encoding belongs to the object: what a client compressed is stored as it came.
        auto_decompress=False,
        # `exchange` writes the log line; aiohttp's would show query strings.
        access_log=None,  # type: ignore[arg-type]  # None is what its documentation says
    )
