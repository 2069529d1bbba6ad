# SPDX-License-Identifier: GPL-2.0-only
"""One request and its answer on the wire: what every exchange has, whatever is asked.

Promises: a request id, the headers every answer carries, an S3 error document for every refusal, one log line
that never shows a query string (a presigned one is a credential), and an end of the connection where unread
bytes of a body could be taken for the next request. What is done about a request is not decided here.
"""

import secrets
import time
from collections.abc import Mapping
from typing import Final

from aiohttp import web

from dgproxy.http import answers
from dgproxy.http.access import AccessKey
from dgproxy.logs import get_logger
from dgproxy.s3 import cors, operation, xml
from dgproxy.s3.errors import S3Error
from dgproxy.s3.grants import Grant
from dgproxy.version import __version__

_log = get_logger()

_SERVER: Final = f"DeltaGliderProxy/{__version__}"


class Exchange:
    """`asked` is what the request was routed to, None before that.

    `headers` are by lower-case name; those that a presigned URL carries are added once it is authenticated.
    `domain` is the base of virtual-hosted style host names, None when there is only path style.
    `cors` are the headers with which the bucket lets a page of another origin read the answer.
    """

    def __init__(self, request: web.BaseRequest, domain: str | None = None) -> None:
        self.request: Final = request
        self.domain: Final = domain
        self.id: Final = secrets.token_hex(8).upper()
        self.headers = dict(plain_headers(request))
        self.asked: operation.Request | None = None
        self.cors: Mapping[str, str] = {}
        self._begun = False
        self._code: str | None = None
        self._asker: str | None = None
        self._started = time.monotonic()

    @property
    def begun(self) -> bool:
        """Whether the status line is out, so that nothing else can be answered any more."""
        return self._begun

    @property
    def path(self) -> str:
        """The request's path as sent: no query, and nothing of an absolute form's authority."""
        path = self.request.raw_path.partition("?")[0]
        if "://" in path and not path.startswith("/"):
            path = "/" + path.partition("://")[2].partition("/")[2]
        return path

    def signed_by(self, key: AccessKey) -> Grant:
        """Name in the log who asks; gives what he may do."""
        self._asker = key.name or key.id
        return key.grant

    async def begin(self, response: web.StreamResponse) -> None:
        """Send the head of an answer whose body follows in pieces."""
        self.sign(response)
        self._begun = True
        await response.prepare(self.request)

    def sign(self, response: web.StreamResponse) -> None:
        """Add what every answer has; `begin` does it by itself."""
        if self._begun:
            return
        response.headers["Server"] = _SERVER
        response.headers["x-amz-request-id"] = self.id
        response.headers["x-amz-id-2"] = self.id
        ui = cors.ui_cors_headers(self.headers.get("origin"), self.headers.get("host"))
        for name, value in (self.cors or ui).items():
            response.headers.setdefault(name, value)
        not_continued = "expect" in self.headers and (response.status >= 300 or not self.request.body_exists)
        if not_continued or not self.request.content.is_eof():
            # The rest of the body is not wanted, and nobody could tell it from the next request. And botocore
            # misreads what follows an answer that came instead of 100 Continue, even where no body was due.
            response.force_close()

    def refusal(self, error: S3Error) -> web.Response:
        """The answer that says why not. A HEAD has the headers a GET would have; aiohttp keeps the body."""
        self._code = error.code
        if not error.has_body:
            return web.Response(status=error.status, headers=error.headers)
        document = xml.render_error(error, resource=self.path, request_id=self.id, host_id=self.id)
        return answers.xml(document, dict(error.headers), error.status)

    def log(self, outcome: int | str) -> None:
        """Write the request's line; `outcome` is the status, or what kept an answer from being whole."""
        _log.info(
            "request",
            request=self.id,
            operation="-" if self.asked is None else self.asked.operation.value,
            method=self.request.method,
            path=self.path,
            status=outcome,
            **({} if self._code is None else {"code": self._code}),
            **({} if self._asker is None else {"access_key": self._asker}),
            milliseconds=round((time.monotonic() - self._started) * 1000, 1),
        )


def plain_headers(request: web.BaseRequest) -> Mapping[str, str]:
    """Headers by lower-case name; a repeated one becomes a list, as RFC 9110, section 5.3, allows."""
    headers: dict[str, str] = {}
    for name, value in request.headers.items():
        lower = name.lower()
        headers[lower] = f"{headers[lower]},{value}" if lower in headers else value
    return headers
