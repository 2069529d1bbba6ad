# SPDX-License-Identifier: GPL-2.0-only
"""One request and its answer on the wire: what every exchange has, whatever is asked.

Promises: a request id, the headers every answer carries, an S3 error document for every refusal, one log line
that never shows a query string (a presigned one is a credential), and an end of the connection where unread
bytes of a body could be taken for the next request. What is done about a request is not decided here.
"""

import secrets
import time
from collections.abc import Mapping
from http import HTTPStatus
from typing import Final

from aiohttp import web

from dgproxy import recent, timing
from dgproxy.http import answers, measures
from dgproxy.http.access import AccessKey
from dgproxy.http.audit import AuditLog
from dgproxy.logs import get_logger
from dgproxy.s3 import cors, dates, operation, xml
from dgproxy.s3.errors import S3Error
from dgproxy.s3.grants import Grant
from dgproxy.version import __version__

_log = get_logger()

_SERVER: Final = f"DeltaGliderProxy/{__version__}"


class Exchange:
    """`asked` is what the request was routed to, None before that; `operation` is what `measures` calls it.

    `sent` counts the bytes of a body that is sent in pieces.
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
        self.operation = measures.UNKNOWN
        self.sent = 0
        self.cors: Mapping[str, str] = {}
        self._begun = False
        self._code: str | None = None
        self._asker: str | None = None
        self._started = time.perf_counter()
        self._stages = timing.begin()

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
        """Let the log name who asks; gives what they may do."""
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

    def end(
        self, outcome: int | str, response: web.StreamResponse | None = None, audit: AuditLog | None = None
    ) -> None:
        """Count the request and write its lines; `outcome` is the status, or why there is no whole answer."""
        seconds = time.perf_counter() - self._started
        received = self.request.content.total_bytes
        sent = self.sent
        if isinstance(response, web.Response) and self.request.method != "HEAD":
            sent += response.content_length or 0
        measures.count(self.operation, outcome, self._code, seconds, received, sent)
        said = {
            "request": self.id,
            "operation": self.operation,
            "method": self.request.method,
            "path": self.path,
            **({"bucket": self.asked.bucket, "key": self.asked.key} if self.asked is not None else {}),
            "status": outcome,
            **({"code": self._code} if self._code is not None else {}),
            **({"access_key": self._asker} if self._asker is not None else {}),
        }
        moved = {name: count for name, count in (("received", received), ("sent", sent)) if count}
        stored = None if response is None else response.headers.get(answers.STORAGE_TYPE)
        milliseconds = {name: round(spent * 1000, 1) for name, spent in self._stages.items()}
        write = _log.debug if self.operation == measures.STATUS else _log.info
        write(
            "request",
            **said,
            **moved,
            **({"storage": stored} if stored is not None else {}),
            milliseconds=round(seconds * 1000, 1),
            **({"stages": milliseconds} if milliseconds else {}),
        )
        failed = outcome == measures.CUT_OFF or (isinstance(outcome, int) and outcome >= 500)
        if failed and outcome != HTTPStatus.NOT_IMPLEMENTED:
            recent.note({"time": time.time(), **said})
        writes = self.asked is not None and self.asked.operation.writes
        if audit is not None and (writes or outcome in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}):
            audit.write(
                {
                    "time": dates.iso8601(time.time_ns() // 1_000_000),
                    "client": self.request.remote,
                    **said,
                    **moved,
                }
            )


def plain_headers(request: web.BaseRequest) -> Mapping[str, str]:
    """Headers by lower-case name; a repeated one becomes a list, as RFC 9110, section 5.3, allows."""
    headers: dict[str, str] = {}
    for name, value in request.headers.items():
        lower = name.lower()
        headers[lower] = f"{headers[lower]},{value}" if lower in headers else value
    return headers
