# SPDX-License-Identifier: GPL-2.0-only
"""The S3 server: what happens to every request around its handler.

From the outside in: `_answer` turns every failure into S3 XML and writes the log line; `_carry_out` finds out
who asks, then what, and whether they may, before a byte of a body is read or storage is looked at. What an
operation does is its handler's.
Nothing raised below leaves here as anything but an S3 answer or a cut connection (law 8).

It is a plain aiohttp `Server`, not an `Application`: routing S3 takes method, path, query and headers
together, and an Application answers some requests by itself (`OPTIONS *` with Expect, a key with a line end).
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from aiohttp import HttpVersion10, HttpVersion11, web

from dgproxy.engine import buckets
from dgproxy.engine.context import Engine
from dgproxy.http import access, cors, measures, status
from dgproxy.http.access import Credentials
from dgproxy.http.audit import AuditLog
from dgproxy.http.call import Call
from dgproxy.http.errors import to_s3
from dgproxy.http.exchange import Exchange
from dgproxy.http.pace import LENIENT, Pace
from dgproxy.http.router import HANDLERS
from dgproxy.logs import get_logger
from dgproxy.s3 import acl, hoisting, routing, target, uri
from dgproxy.s3.bucket_cors import Rule
from dgproxy.s3.errors import S3Error
from dgproxy.s3.grants import EVERYTHING, Grant
from dgproxy.s3.operation import Operation
from dgproxy.storage.backend import BucketNotFound

_log = get_logger()


@dataclass(frozen=True, slots=True)
class _Site:
    """What every request is answered with."""

    engine: Engine
    credentials: Credentials | None
    cors: Sequence[Rule]
    domain: str | None
    pace: Pace
    server: status.Server
    audit: AuditLog | None


Answer = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


def answerer(
    engine: Engine,
    credentials: Credentials | None,
    default_cors: Sequence[Rule] = (),
    domain: str | None = None,
    pace: Pace = LENIENT,
    *,
    server: status.Server | None = None,
    audit: AuditLog | None = None,
) -> Answer:
    """What answers every request of S3, and the server's own pages under `/_/`.

    Without credentials the server is open to whoever reaches it. `default_cors` holds for buckets without a
    CORS configuration of their own; `<bucket>.<domain>` as Host names a bucket. Who sends a body more slowly
    than `pace` is cut off.
    """
    site = _Site(engine, credentials, default_cors, domain, pace, server or status.Server(), audit)

    async def answer(request: web.BaseRequest) -> web.StreamResponse:
        measures.in_flight.add(1)
        try:
            return await _answer(site, request)
        finally:
            measures.in_flight.add(-1)

    return answer


async def _answer(site: _Site, request: web.BaseRequest) -> web.StreamResponse:
    """Whatever happens inside, an S3 answer comes out."""
    exchange = Exchange(request, site.domain)
    outcome: int | str = measures.CUT_OFF
    response = None
    try:
        response = await _carry_out(site, exchange)
        outcome = response.status
    except ConnectionError:
        outcome = measures.CLIENT_GONE
        raise
    except Exception as error:  # the last door
        if exchange.begun:
            _cut_off(exchange, error)
            raise ConnectionAbortedError("the answer could not be finished") from error
        response = _refuse(exchange, error)
        outcome = response.status
    finally:
        exchange.end(outcome, response, site.audit)
    exchange.sign(response)
    return response


def _refuse(exchange: Exchange, error: Exception) -> web.Response:
    """The S3 answer to a failure; one of ours is logged with its cause."""
    asked = exchange.asked
    named = () if asked is None else (asked.bucket, asked.key, asked.query.get("uploadId", ""))
    refused = to_s3(error, *named)
    if refused.code in {"InternalError", "InsufficientStorage"}:
        _log.error("request failed", request=exchange.id, path=exchange.path, exc_info=error)
    return exchange.refusal(refused)


def _cut_off(exchange: Exchange, error: Exception) -> None:
    """End the connection: Content-Length is promised, so a client can't take what it has for the whole."""
    _log.error("answer cut off", request=exchange.id, path=exchange.path, exc_info=error)
    if exchange.request.transport is not None:
        exchange.request.transport.abort()


async def _carry_out(site: _Site, exchange: Exchange) -> web.StreamResponse:
    """Authenticate, route, handle. Raises S3Error and whatever the layers below raise."""
    request = exchange.request
    authentication, grant = None, EVERYTHING
    if request.version not in {HttpVersion10, HttpVersion11}:
        raise S3Error("BadRequest", "This server speaks HTTP/1.1.")
    if request.method == "OPTIONS":
        exchange.operation = measures.PREFLIGHT
        return await cors.preflight(site.engine, exchange, site.cors)
    page = status.page_of(exchange)
    if page is not None:
        exchange.operation = measures.STATUS
        return await _show(site, exchange, page)
    exchange.cors = await cors.allowed(site.engine, exchange, site.cors)
    if site.credentials is not None and not access.is_form(request, exchange.headers, site.domain):
        authentication = access.authenticate(site.credentials, request, site.domain)
        grant = exchange.signed_by(site.credentials[authentication.access_key])
    query = uri.first_values(uri.query_pairs(target.split(request.raw_path)[1]))
    exchange.headers = hoisting.with_hoisted(exchange.headers, query)
    try:
        asked = routing.parse(request.method, request.raw_path, exchange.headers, domain=site.domain)
        exchange.asked, exchange.operation = asked, asked.operation.value
        grant.require(asked)
        acl.check_owner(exchange.headers)
        call = Call(exchange, site.engine, asked, site.credentials, authentication, grant, site.pace)
        return await HANDLERS[asked.operation](call)
    except S3Error as error:
        if error.code == "NotImplemented":
            await _require_bucket(site.engine, exchange, grant)
        raise


async def _show(site: _Site, exchange: Exchange, page: status.Page) -> web.StreamResponse:
    """Answer with a page of the server's own, to whom it may be shown."""
    grant = EVERYTHING
    if page.signed and site.credentials is not None:
        authentication = access.authenticate(site.credentials, exchange.request, site.domain)
        grant = exchange.signed_by(site.credentials[authentication.access_key])
    return await page.answer(status.Question(site.engine, site.server, status.query_of(exchange), grant))


async def _require_bucket(engine: Engine, exchange: Exchange, grant: Grant) -> None:
    """What may not be asked and what is not there come before what is not done, as in S3."""
    if exchange.asked is not None and exchange.asked.operation is Operation.CREATE_BUCKET:
        return
    bucket = target.bucket_of(exchange.request.raw_path, exchange.headers, domain=exchange.domain)
    if not bucket:
        return
    if not grant.sees(bucket):
        raise S3Error("AccessDenied")
    try:
        await buckets.head_bucket(engine, bucket)
    except BucketNotFound as error:
        raise to_s3(error, bucket) from error
