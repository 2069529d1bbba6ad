# SPDX-License-Identifier: GPL-2.0-only
"""Who is asking: from a request, or a browser's form, to the access key that signed it.

Chooses the version of the signature; what makes one valid, and what a key may do, is said in `s3`. What is
asked is not looked at, except that a browser upload is signed inside its body and so let through to its
handler (`is_form`).
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from aiohttp import web

from dgproxy.s3 import claim, routing, sigv2, sigv4, target, uri
from dgproxy.s3.errors import S3Error
from dgproxy.s3.grants import EVERYTHING, Grant
from dgproxy.s3.operation import Operation


@dataclass(frozen=True, slots=True)
class AccessKey:
    """One pair of id and secret, what it may do, and what the log calls it."""

    id: str
    secret: str = field(repr=False)
    grant: Grant = EVERYTHING
    name: str = ""


class Credentials:
    """The access keys that may sign, and whether Signature Version 2 will do in a URL or form."""

    def __init__(self, keys: Iterable[AccessKey], *, signature_v2: bool = True) -> None:
        """Each id is there once."""
        self.replace(keys)
        self.signature_v2 = signature_v2

    def replace(self, keys: Iterable[AccessKey]) -> None:
        """Let these sign from now on, and no others."""
        self._keys = {key.id: key for key in keys}

    def __getitem__(self, access_key: str) -> AccessKey:
        """The key of an id that has signed."""
        return self._keys[access_key]

    def secret_of(self, access_key: str) -> str | None:
        """The secret of an id, None for an unknown one."""
        known = self._keys.get(access_key)
        return None if known is None else known.secret


def authenticate(
    credentials: Credentials, request: web.BaseRequest, domain: str | None
) -> sigv4.Authentication:
    """Verify the signature of a request's head; `domain` as for `routing.parse`. Raises S3Error."""
    path, query = target.split(request.raw_path)
    headers, now = list(request.headers.items()), datetime.now(UTC)
    if (
        credentials.signature_v2
        and "Authorization" not in request.headers
        and claim.is_presigned_v2(uri.first_values(uri.query_pairs(query)))
    ):
        return sigv2.authenticate(
            request.method,
            path,
            query,
            headers,
            secret_of=credentials.secret_of,
            now=now,
            host_bucket=target.hosted_bucket(request.headers.get("Host", ""), domain) or "",
        )
    return sigv4.authenticate(request.method, path, query, headers, secret_of=credentials.secret_of, now=now)


def is_form(request: web.BaseRequest, headers: Mapping[str, str], domain: str | None) -> bool:
    """Say whether a request is a browser upload whose head is not signed: `authenticate_form` is then due."""
    if request.method != "POST":
        return False
    try:
        query = uri.first_values(uri.query_pairs(target.split(request.raw_path)[1]))
        asked = routing.parse(request.method, request.raw_path, headers, domain=domain)
    except S3Error:
        return False  # whoever may not ask is told that first
    return asked.operation is Operation.POST_OBJECT and not claim.has_credentials(headers, query)


def authenticate_form(credentials: Credentials, fields: Mapping[str, str]) -> AccessKey:
    """Verify the signature of a form, fields by lower-case name; gives who signed. Raises S3Error."""
    if not fields.get("policy"):
        raise S3Error("AccessDenied")
    version_2 = credentials.signature_v2 and sigv2.is_signed_form(fields)
    verify = sigv2.authenticate_form if version_2 else sigv4.authenticate_form
    return credentials[verify(fields, secret_of=credentials.secret_of)]
