# SPDX-License-Identifier: GPL-2.0-only
"""One S3 call: everything a handler may ask of its request, read once.

Handlers see this, not aiohttp's request: the routed operation, headers as plain text, the identity that
signed, and the engine. Nothing here answers or decides.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from dgproxy.engine.commit import Allow, anything
from dgproxy.engine.context import Engine
from dgproxy.engine.manifest import Attributes, Manifest
from dgproxy.http.access import Credentials
from dgproxy.http.body import RequestBody
from dgproxy.http.exchange import Exchange
from dgproxy.http.pace import Pace
from dgproxy.s3 import conditions, metadata, payload, tags, target, uri
from dgproxy.s3.checksums import Algorithm
from dgproxy.s3.errors import S3Error
from dgproxy.s3.grants import Grant
from dgproxy.s3.operation import Request
from dgproxy.s3.sigv4 import Authentication

#: What a client is told the region is; signatures for any region are accepted.
REGION: Final = "us-east-1"


@dataclass(frozen=True, slots=True)
class Call:
    """A routed request, authenticated unless the server is open or the signature is inside a form.

    `grant` allows it, but for keys that its body names. `pace` is what its sender owes.
    """

    exchange: Exchange
    engine: Engine
    s3: Request
    credentials: Credentials | None
    authentication: Authentication | None
    grant: Grant
    pace: Pace

    @property
    def headers(self) -> Mapping[str, str]:
        """By lower-case name, as `exchange.plain_headers` gives them."""
        return self.exchange.headers

    @property
    def bucket(self) -> str:
        """The bucket that the path names, '' for none."""
        return self.s3.bucket

    @property
    def key(self) -> str:
        """The key that the path names, '' for none."""
        return self.s3.key

    @property
    def encrypted(self) -> bool:
        """Whether the connection is TLS."""
        return self.exchange.request.secure

    def payload(self) -> payload.Payload:
        """What the headers say of the body. Raises S3Error."""
        signed = self.authentication.content_sha256 if self.authentication is not None else None
        return payload.describe(self.headers, signed)

    def body(self, keep: Algorithm | None = None) -> RequestBody:
        """The request's body, whatever its length; `keep` as for `RequestBody`.

        Raises S3Error for headers that can't be right.
        """
        described = self.payload()
        signer = None
        if self.authentication is not None and described.framing is not payload.Framing.PLAIN:
            signer = self.authentication.chunk_signer()
        return RequestBody(
            self.exchange.request, self.headers, described, self.engine.workers, signer, keep, self.pace
        )

    def object_body(self, keep: Algorithm | None = None) -> RequestBody:
        """The body of an object or part, of a known length within the limits.

        Raises S3Error: MissingContentLength, EntityTooLarge, and what `body` raises.
        """
        body = self.body(keep)
        if body.size is None:
            raise S3Error("MissingContentLength")
        limit = self.engine.policy.put_limit()
        if body.size > limit:
            extra = {"ProposedSize": str(body.size), "MaxSizeAllowed": str(limit)}
            raise S3Error("EntityTooLarge", extra=extra)
        return body

    def attributes(self) -> Attributes:
        """What the headers say the object is. Raises S3Error."""
        return attributes_of(self.headers)

    def location(self, key: str) -> str:
        """The URL of an object in the bucket, as the client would write it."""
        host = self.headers.get("host")
        hosted = target.hosted_bucket(host or "", self.exchange.domain) is not None
        place = uri.encode(("" if hosted else f"/{self.bucket}").encode() + f"/{key}".encode(), safe="/")
        return place if host is None else f"{self.exchange.request.scheme}://{host}{place}"

    def write_condition(self, *, deleting: bool = False) -> Allow:
        """If-Match and If-None-Match of a write, as the engine asks them. Raises S3Error."""
        condition = conditions.write_condition(self.headers, deleting=deleting)
        if condition is None:
            return anything

        def allow(current: Manifest | None) -> None:
            condition.check(None if current is None else current.etag)

        return allow


def attributes_of(headers: Mapping[str, str]) -> Attributes:
    """What headers, or a form's fields, say an object is. Raises S3Error."""
    metadata.refuse_unsupported(headers)
    described = metadata.parse(headers.items())
    return Attributes(dict(described.content), dict(described.user), tags.of_headers(headers))
