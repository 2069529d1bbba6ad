# SPDX-License-Identifier: GPL-2.0-only
"""The edge of HTTP itself: limits on what a client may send, and an S3 answer for what is no HTTP at all.

aiohttp parses; this module says within which limits, and answers in XML where a request never became one. It
knows no operation.
"""

import asyncio
import secrets
from typing import Final

from aiohttp import web
from aiohttp.web_protocol import RequestHandler

from dgproxy.http import answers
from dgproxy.s3 import xml
from dgproxy.s3.errors import S3Error

#: Bytes of a request line or one header: a key of 1024 encoded bytes and a presigned query fit with ease.
_MAX_LINE: Final = 16 << 10
#: Seconds an idle connection is kept for its next request.
_KEEP_ALIVE: Final = 75.0
#: Bytes of a body the kernel may hand over before the handler asks for more.
_READ_AHEAD: Final = 256 << 10


class S3Protocol(RequestHandler):
    """One connection."""

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Answer what could not be parsed; whatever reaches a handler is answered by `http.service`."""
        if request.writer.output_size > 0:
            raise ConnectionAbortedError("an answer is under way; another can't follow it")
        error = S3Error("BadRequest", message) if status < 500 else S3Error("InternalError")
        request_id = secrets.token_hex(8).upper()
        document = xml.render_error(error, resource="", request_id=request_id, host_id=request_id)
        headers = {"x-amz-request-id": request_id, "x-amz-id-2": request_id}
        response = answers.xml(document, headers, error.status)
        response.force_close()
        return response


def connection(server: web.Server, loop: asyncio.AbstractEventLoop) -> S3Protocol:
    """A protocol for a new connection to `server`, with this module's limits."""
    return S3Protocol(
        server,
        loop=loop,
        keepalive_timeout=_KEEP_ALIVE,
        max_line_size=_MAX_LINE,
        max_field_size=_MAX_LINE,
        read_bufsize=_READ_AHEAD,
        # Content-Encoding belongs to the object: what a client compressed is stored as it came.
        auto_decompress=False,
    )
