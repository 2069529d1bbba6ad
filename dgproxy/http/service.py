# SPDX-License-Identifier: GPL-2.0-only
"""The S3 application: what happens to every request around its handler.

From the outside in: `_answered` gives a request its id, turns every failure into S3 XML and writes the log
line; `_authenticated` decides who asks, before a byte of a body is read; `_dispatch` routes. What an
operation does is its handler's. Nothing raised below leaves here as anything but an S3 answer or a cut
connection (law 8).
"""

import secrets
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

import structlog
from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from dgproxy.engine.context import Engine
from dgproxy.http import answers
from dgproxy.http.call import Call, plain_headers
from dgproxy.http.errors import to_s3
from dgproxy.http.router import HANDLERS
from dgproxy.s3 import cors, operation, sigv4, xml
from dgproxy.s3.errors import S3Error
from dgproxy.version import __version__

_log = structlog.get_logger(__name__)

_SERVER: Final = f"DeltaGliderProxy/{__version__}"

#: Set by the middlewares on a request.
_ID: Final = web.RequestKey("id", str)
_STARTED: Final = web.RequestKey("started", bool)
_OPERATION: Final = web.RequestKey("operation", str)
_HEADERS: Final = web.RequestKey("headers", dict)
_IDENTITY: Final = web.RequestKey("identity", sigv4.Authentication)


@dataclass(frozen=True, slots=True)
class Credentials:
    """The one key pair that may sign."""

    access_key_id: str
    secret_access_key: str

    def secret_of(self, access_key_id: str) -> str | None:
        """The secret of a key, None for an unknown one."""
        return self.secret_access_key if access_key_id == self.access_key_id else None


def s3_application(engine: Engine, credentials: Credentials | None) -> web.Application:
    """The application over an engine; without credentials it is open to whoever reaches it."""

    async def dispatch(request: web.Request) -> web.StreamResponse:
        return await _dispatch(engine, request)

    application = web.Application(middlewares=[_answered, _authenticated(credentials)])
    application.router.add_route("*", "/{path:.*}", dispatch, expect_handler=_expect)
    application.on_response_prepare.append(_sign_off)
    return application


async def _expect(_request: web.Request) -> None:
    """Leave `Expect` to whoever reads the body: a refusal must come before `100 Continue`."""


async def _sign_off(request: web.Request, response: web.StreamResponse) -> None:
    """The headers that every answer has."""
    request[_STARTED] = True
    response.headers["Server"] = _SERVER
    response.headers["x-amz-request-id"] = request[_ID]
    response.headers["x-amz-id-2"] = request[_ID]
    for name, value in cors.ui_cors_headers(
        request.headers.get("Origin"), request.headers.get("Host")
    ).items():
        response.headers.setdefault(name, value)


@web.middleware
async def _answered(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Whatever happens inside, an S3 answer comes out."""
    request[_ID] = secrets.token_hex(8).upper()
    request[_HEADERS] = plain_headers(request)
    began = time.monotonic()
    status: int | str = "cut off"
    try:
        response = await handler(request)
        status = response.status
    except ConnectionError:
        status = "client gone"
        raise
    except Exception as error:  # the last door
        if request.get(_STARTED):
            # Content-Length is promised, so a client can't take what it has for the whole.
            _log.error("answer_cut_off", request=request[_ID], path=request.raw_path, error=str(error))
            if request.transport is not None:
                request.transport.abort()
            raise ConnectionAbortedError("the answer could not be finished") from error
        response = _refusal(request, error)
        status = response.status
    finally:
        _log.info(
            "request",
            request=request[_ID],
            operation=request.get(_OPERATION, "-"),
            path=request.raw_path.partition("?")[0],
            status=status,
            milliseconds=round((time.monotonic() - began) * 1000, 1),
        )
    return response


def _refusal(request: web.Request, error: Exception) -> web.Response:
    """The S3 answer to a failure."""
    bucket, _, key = request.path.removeprefix("/").partition("/")
    refused = S3Error("InvalidURI") if isinstance(error, web.HTTPException) else to_s3(error, bucket, key)
    if refused.status >= 500:
        _log.error("request_failed", request=request[_ID], path=request.raw_path, exc_info=error)
    if request.method == "HEAD" or refused.status == 304:
        response = web.Response(status=refused.status, headers=refused.headers)
    else:
        document = xml.render_error(
            refused, resource=request.path, request_id=request[_ID], host_id=request[_ID]
        )
        response = answers.xml(document, dict(refused.headers), refused.status)
    if not request.content.is_eof():
        # The rest of the body is not wanted, and nobody could tell it from the next request.
        response.force_close()
    return response


def _authenticated(credentials: Credentials | None) -> Middleware:
    @web.middleware
    async def authenticated(request: web.Request, handler: Handler) -> web.StreamResponse:
        """Who asks must be known before anything else is looked at; a preflight can't carry a signature."""
        if request.method == "OPTIONS" and (preflight := _preflight(request)) is not None:
            return preflight
        if credentials is not None:
            path, _, query = request.raw_path.partition("?")
            request[_IDENTITY] = sigv4.authenticate(
                request.method,
                path,
                query,
                list(request.headers.items()),
                secret_of=credentials.secret_of,
                now=datetime.now(UTC),
            )
        return await handler(request)

    return authenticated


def _preflight(request: web.Request) -> web.Response | None:
    """The answer to the built-in browser's preflight; None for any other OPTIONS."""
    headers = cors.preflight_headers(
        request.headers.get("Origin"),
        request.headers.get("Host"),
        request.headers.get("Access-Control-Request-Method"),
        request.headers.get("Access-Control-Request-Headers"),
    )
    return None if headers is None else web.Response(headers=headers)


async def _dispatch(engine: Engine, request: web.Request) -> web.StreamResponse:
    headers = request[_HEADERS]
    asked = operation.parse(request.method, request.raw_path, headers)
    request[_OPERATION] = asked.operation.value
    call = Call(request, engine, asked, headers, request.get(_IDENTITY))
    return await HANDLERS[asked.operation](call)
