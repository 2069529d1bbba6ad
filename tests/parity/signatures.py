# SPDX-License-Identifier: GPL-2.0-only
"""Requests whose signatures are right, or wrong in one way each. moto looks at none, so it is not asked.

They are signed here, from the protocol's description, because botocore makes no wrong ones. Amazon S3 API
Reference, "Authenticating Requests (AWS Signature Version 4)".
"""

import base64
import hashlib
import hmac
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final
from urllib.parse import quote

from tests.parity.calls import Call

__all__ = ["KEY", "SECRET", "calls"]

KEY: Final = "AKIAPARITY"
SECRET: Final = "parity-secret"
_EMPTY: Final = hashlib.sha256().hexdigest()


@dataclass(frozen=True)
class _Signer:
    """How a client signs; each field is what it may have wrong."""

    host: str
    when: datetime = field(default_factory=lambda: datetime.now(UTC))
    key: str = KEY
    secret: str = SECRET
    date: str = ""
    region: str = "us-east-1"
    service: str = "s3"
    terminal: str = "aws4_request"

    @property
    def timestamp(self) -> str:
        return self.when.strftime("%Y%m%dT%H%M%SZ")

    @property
    def scope(self) -> str:
        return f"{self.date or self.timestamp[:8]}/{self.region}/{self.service}/{self.terminal}"

    def header(
        self,
        line: str,
        *,
        body: bytes = b"",
        sha256: str = "",
        extra: Mapping[str, str] | None = None,
        omit: str = "",
    ) -> dict[str, str]:
        """The headers of a request signed in its head; what is in `omit` is sent unsigned."""
        digest = sha256 or hashlib.sha256(body).hexdigest()
        headers = {
            "host": self.host,
            "x-amz-content-sha256": digest,
            "x-amz-date": self.timestamp,
            **(extra or {}),
        }
        names = [name for name in sorted(headers) if name != omit]
        signature = self._sign(line, {name: headers[name] for name in names}, digest)
        headers["authorization"] = (
            f"AWS4-HMAC-SHA256 Credential={self.key}/{self.scope}, "
            f"SignedHeaders={';'.join(names)}, Signature={signature}"
        )
        return headers

    def url(self, line: str, *, expires: str = "60", leave_out: str = "") -> str:
        """The request line of a presigned URL."""
        method, _, path = line.partition(" ")
        query = {
            "X-Amz-Algorithm": "AWS4-HMAC-SHA256", "X-Amz-Credential": f"{self.key}/{self.scope}",
            "X-Amz-Date": self.timestamp, "X-Amz-Expires": expires, "X-Amz-SignedHeaders": "host",
        }  # fmt: skip
        text = "&".join(f"{name}={quote(query[name], safe='')}" for name in query if name != leave_out)
        signature = self._sign(f"{line}?{text}", {"host": self.host}, "UNSIGNED-PAYLOAD")
        return f"{method} {path}?{text}&X-Amz-Signature={signature}"

    def _sign(self, line: str, headers: Mapping[str, str], digest: str) -> str:
        method, _, target = line.partition(" ")
        path, _, query = target.partition("?")
        pairs = sorted(pair if "=" in pair else f"{pair}=" for pair in query.split("&")) if query else []
        named = "".join(f"{name}:{headers[name]}\n" for name in headers)
        request = "\n".join([method, path, "&".join(pairs), named, ";".join(headers), digest])
        text = "\n".join(
            ["AWS4-HMAC-SHA256", self.timestamp, self.scope, hashlib.sha256(request.encode()).hexdigest()]
        )
        key = f"AWS4{self.secret}".encode()
        for part in self.scope.split("/"):
            key = hmac.digest(key, part.encode(), "sha256")
        return hmac.digest(key, text.encode(), "sha256").hex()


def calls(host: str) -> Iterator[Call]:
    """The requests to a server at `host`, signed now."""
    good = _Signer(host)
    now = good.when

    def signer(**wrong: object) -> _Signer:
        return _Signer(host, **{"when": now, **wrong})  # type: ignore[arg-type]

    get, put = "GET /signed/k", "PUT /signed/k"
    yield Call("create", "PUT /signed", good.header("PUT /signed"))
    yield Call("put", put, good.header(put, body=b"abc"), b"abc")
    yield Call("get", get, good.header(get))
    yield Call("list", "GET /signed?prefix=&list-type=2", good.header("GET /signed?prefix=&list-type=2"))
    yield Call("anonymous", get)
    yield Call("anonymous none", "GET /signed-none/k")
    yield Call("anonymous put", put, body=b"x")
    for name, wrong in {
        "wrong secret": {"secret": "other"},
        "unknown key": {"key": "AKIANOBODY"},
        "late": {"when": now - timedelta(minutes=20)},
        "early": {"when": now + timedelta(minutes=20)},
        "other day in scope": {"date": "20200101"},
        "other region": {"region": "eu-west-1"},
        "other service": {"service": "sts"},
        "other terminal": {"terminal": "aws4"},
    }.items():
        yield Call(name, get, signer(**wrong).header(get))
        yield Call(f"url {name}", signer(**wrong).url(get))
    yield Call("another path", get + "2", good.header(get))
    yield Call("another query", get + "?versionId=null", good.header(get))
    yield Call("another body", put, good.header(put, body=b"abc"), b"abd")
    yield Call("unsigned payload", put, good.header(put, sha256="UNSIGNED-PAYLOAD"), b"abc")
    yield Call("digest that is none", put, good.header(put, sha256="nonsense"), b"abc")
    yield Call("unsigned amz header", get, good.header(get, extra={"x-amz-acl": "private"}, omit="x-amz-acl"))
    yield Call("unsigned host", get, good.header(get, omit="host"))
    yield Call(
        "spaces in a header",
        get,
        good.header(get, extra={"x-amz-meta-a": "b c"}) | {"x-amz-meta-a": " b   c "},
    )
    for name, change in _broken_headers().items():
        headers = good.header(get)
        yield Call(name, get, headers | {"authorization": change(headers["authorization"])})
    without = good.header(get)
    del without["x-amz-content-sha256"]
    yield Call("no content-sha256", get, without)
    yield Call("url", good.url(get))
    yield Call("url put", good.url(put), body=b"abc")
    yield Call("url of another method", good.url(get).replace("GET", "PUT", 1), body=b"x")
    yield Call("url expired", signer(when=now - timedelta(minutes=5)).url(get))
    for name, expires in {"too long": "604801", "negative": "-1", "text": "soon", "none": "0"}.items():
        yield Call(f"url expires {name}", good.url(get, expires=expires))
    for name in ("X-Amz-Expires", "X-Amz-Date", "X-Amz-Credential", "X-Amz-SignedHeaders"):
        yield Call(f"url without {name}", good.url(get, leave_out=name))
    yield Call("url and header", good.url(get), good.header(get))
    yield Call("version 2 url", _version_2(get, int(now.timestamp()) + 60))
    yield Call("version 2 url expired", _version_2(get, int(now.timestamp()) - 60))


def _broken_headers() -> dict[str, Callable[[str], str]]:
    return {
        "no algorithm": lambda text: text.removeprefix("AWS4-HMAC-SHA256 "),
        "other algorithm": lambda text: text.replace("AWS4-HMAC-SHA256", "AWS4-HMAC-MD5"),
        "no signature": lambda text: text.rpartition(", ")[0],
        "short credential": lambda text: text.replace("/s3/aws4_request", ""),
        "nonsense": lambda _: "nonsense",
        "version 2": lambda _: f"AWS {KEY}:c2lnbmF0dXJl",
        "no spaces": lambda text: text.replace(", ", ","),
    }


def _version_2(line: str, expires: int) -> str:
    method, _, path = line.partition(" ")
    digest = hmac.digest(SECRET.encode(), f"{method}\n\n\n{expires}\n{path}".encode(), "sha1")
    signature = quote(base64.b64encode(digest), safe="")
    return f"{line}?AWSAccessKeyId={KEY}&Signature={signature}&Expires={expires}"
