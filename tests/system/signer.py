# SPDX-License-Identifier: GPL-2.0-only
"""Signature Version 4 a second time, written for the tests from its description, not from our server.

Amazon S3 API Reference, "Authenticating Requests (AWS Signature Version 4)": "Signature Calculations for the
Authorization Header" for single payloads and chunks, and the section on chunked uploads that include trailing
headers. Only plain paths without a query.
"""

import hashlib
import hmac
import time

from tests.system.harness import ACCESS_KEY, SECRET_KEY

REGION = "us-east-1"
_EMPTY = hashlib.sha256().hexdigest()


class Signer:
    """Signs one request, then its chunks in order, then its trailer."""

    def __init__(self, method: str, path: str, headers: dict[str, str]):
        self.time = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
        self.scope = f"{self.time[:8]}/{REGION}/s3/aws4_request"
        self.headers = {name.lower(): value for name, value in headers.items()} | {"x-amz-date": self.time}
        names = sorted(self.headers)
        canonical = "\n".join(
            [
                method,
                path,
                "",
                *(f"{name}:{self.headers[name]}" for name in names),
                "",
                ";".join(names),
                self.headers["x-amz-content-sha256"],
            ]
        )
        self.signature = self._sign("AWS4-HMAC-SHA256", hashlib.sha256(canonical.encode()).hexdigest())
        self.headers["authorization"] = (
            f"AWS4-HMAC-SHA256 Credential={ACCESS_KEY}/{self.scope}, "
            f"SignedHeaders={';'.join(names)}, Signature={self.signature}"
        )

    def _sign(self, algorithm: str, *lines: str) -> str:
        key = f"AWS4{SECRET_KEY}".encode()
        for part in self.scope.split("/"):
            key = hmac.digest(key, part.encode(), "sha256")
        text = "\n".join([algorithm, self.time, self.scope, *lines])
        return hmac.digest(key, text.encode(), "sha256").hex()

    def chunk(self, data: bytes) -> bytes:
        """One chunk, framed and signed; the empty one is the last and has no line end after its data."""
        digest = hashlib.sha256(data).hexdigest()
        self.signature = self._sign("AWS4-HMAC-SHA256-PAYLOAD", self.signature, _EMPTY, digest)
        framed = f"{len(data):x};chunk-signature={self.signature}\r\n".encode()
        return framed + data + b"\r\n" if data else framed

    def trailer(self, name: str, value: str) -> bytes:
        """A trailing header and its signature."""
        digest = hashlib.sha256(f"{name}:{value}\n".encode()).hexdigest()
        self.signature = self._sign("AWS4-HMAC-SHA256-TRAILER", self.signature, digest)
        return f"{name}:{value}\r\nx-amz-trailer-signature:{self.signature}\r\n\r\n".encode()
