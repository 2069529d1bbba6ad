# SPDX-License-Identifier: GPL-2.0-only
"""CORS: the three operations on a bucket's configuration, and what it says of each request.

A page of the built-in browser may always call; any other by the bucket's configuration, or the server's
default where the bucket has none. Which rule allows what is `s3.bucket_cors`'s to say.
"""

from collections.abc import Sequence
from functools import lru_cache

from aiohttp import web

from dgproxy.engine import bucket_settings
from dgproxy.engine.context import Engine
from dgproxy.http import answers
from dgproxy.http.call import Call
from dgproxy.http.exchange import Exchange
from dgproxy.s3 import bucket_cors, cors, target, xml
from dgproxy.s3.bucket_cors import Rule
from dgproxy.s3.errors import S3Error
from dgproxy.storage.backend import BucketNotFound


async def get_bucket_cors(call: Call) -> web.StreamResponse:
    """GetBucketCors."""
    document = await bucket_settings.read(call.engine, call.bucket, bucket_settings.CORS)
    if document is None:
        raise S3Error("NoSuchCORSConfiguration", extra={"BucketName": call.bucket})
    return answers.xml(document)


async def put_bucket_cors(call: Call) -> web.StreamResponse:
    """PutBucketCors."""
    rules = await call.body().document(xml.parse_cors)
    await bucket_settings.write(call.engine, call.bucket, bucket_settings.CORS, xml.render_cors(rules))
    return web.Response()


async def delete_bucket_cors(call: Call) -> web.StreamResponse:
    """DeleteBucketCors."""
    await bucket_settings.remove(call.engine, call.bucket, bucket_settings.CORS)
    return web.Response(status=204)


async def allowed(engine: Engine, exchange: Exchange, default: Sequence[Rule]) -> dict[str, str]:
    """The headers that let a page of another origin read the answer; {} for none."""
    origin = exchange.headers.get("origin")
    if not origin or cors.ui_origin_allowed(origin, exchange.headers.get("host")):
        return {}
    # S3 answers for the method that a request says it is about; a browser's real one says nothing.
    method = exchange.headers.get("access-control-request-method", exchange.request.method)
    return bucket_cors.allow(await _rules(engine, exchange, default), origin, method)


async def preflight(engine: Engine, exchange: Exchange, default: Sequence[Rule]) -> web.Response:
    """Answer OPTIONS, which can't carry a signature. Raises S3Error: BadRequest, AccessForbidden."""
    origin, host = exchange.headers.get("origin"), exchange.headers.get("host")
    method = exchange.headers.get("access-control-request-method")
    asked = exchange.headers.get("access-control-request-headers")
    headers = cors.preflight_headers(origin, host, method, asked)
    if headers is not None:
        return web.Response(headers=headers)
    for name, value in (("Origin", origin), ("Access-Control-Request-Method", method)):
        if not value:
            raise S3Error("BadRequest", f"Insufficient information. {name} request header needed.")
    rules = await _rules(engine, exchange, default)
    if not rules:
        raise S3Error("AccessForbidden", "CORSResponse: CORS is not enabled for this bucket.")
    headers = bucket_cors.allow(rules, origin or "", method or "", bucket_cors.requested_headers(asked))
    if not headers:
        raise S3Error("AccessForbidden")
    return web.Response(headers=headers)


async def _rules(engine: Engine, exchange: Exchange, default: Sequence[Rule]) -> Sequence[Rule]:
    """The rules of the bucket that a request names, or else the server's.

    Read for each request, so that a change holds at once in every process and on every host: a read of one
    small record, 0.1 ms on a directory, and only for requests of pages.
    """
    try:
        bucket = target.bucket_of(exchange.request.raw_path, exchange.headers, domain=exchange.domain)
        document = await bucket_settings.read(engine, bucket, bucket_settings.CORS) if bucket else None
    except (S3Error, BucketNotFound):
        return default  # what is wrong is said by the answer itself
    return default if document is None else _parsed(document)


@lru_cache(maxsize=64)
def _parsed(document: bytes) -> Sequence[Rule]:
    """The rules of a stored configuration."""
    return xml.parse_cors(document)
