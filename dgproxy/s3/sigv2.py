# SPDX-License-Identifier: GPL-2.0-only
"""AWS Signature Version 2 of presigned URLs, which boto3 still makes for custom endpoints.

It covers less than version 4: neither the host nor most query parameters, with SHA-1. So it is accepted in
URLs and forms only, which are time-limited, and can be left out: nothing else depends on this module. A
version 2 Authorization header is refused by `claim`.

Amazon S3 User Guide, "Signing and authenticating REST requests" and its "Query string request authentication
alternative".
"""

import base64
import hmac
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

from dgproxy.s3 import payload, uri
from dgproxy.s3.errors import S3Error
from dgproxy.s3.sigv4 import Authentication, missing_field

__all__ = ["authenticate", "authenticate_form", "is_signed_form"]

#: Query parameters that are part of the signed resource; the others are not signed.
_SIGNED_PARAMETERS: Final = frozenset(
    (
        *("accelerate", "acl", "analytics", "cors", "defaultObjectAcl", "delete", "inventory", "lifecycle"),
        *(
            "location",
            "logging",
            "metrics",
            "notification",
            "object-lock",
            "partNumber",
            "policy",
            "replication",
        ),
        *("requestPayment", "response-cache-control", "response-content-disposition"),
        *(
            "response-content-encoding",
            "response-content-language",
            "response-content-type",
            "response-expires",
        ),
        *("restore", "select", "select-type", "storageClass", "tagging", "torrent", "uploadId", "uploads"),
        *("versionId", "versioning", "versions", "website"),
    )
)


def authenticate(
    method: str,
    raw_path: str,
    raw_query: str,
    headers: Sequence[tuple[str, str]],
    *,
    secret_of: Callable[[str], str | None],
    now: datetime,
    host_bucket: str = "",
) -> Authentication:
    """Verify the signature of a URL (`claim.is_presigned_v2`); arguments as for `sigv4.authenticate`.

    `host_bucket` is the bucket that a virtual-hosted style Host names. The result has no scope and signs no
    chunks.

    Raises S3Error: AccessDenied, InvalidAccessKeyId, InvalidURI, SignatureDoesNotMatch.
    """
    pairs = uri.query_pairs(raw_query)
    query = uri.first_values(pairs)
    access_key, signature = query["AWSAccessKeyId"], query["Signature"]
    _check_time(query.get("Expires", ""), now)
    secret = secret_of(access_key)
    if secret is None:
        raise S3Error("InvalidAccessKeyId", extra={"AWSAccessKeyId": access_key})

    # What the client had as headers when it signed may come as headers or, as botocore has it, in the query.
    sent = {name.lower(): value for name, value in query.items()} | _joined(headers)
    resource = f"/{host_bucket}{raw_path}" if host_bucket else raw_path
    string_to_sign = "\n".join(
        (
            method,
            sent.get("content-md5", ""),
            sent.get("content-type", ""),
            query["Expires"],
            *(f"{name}:{sent[name]}" for name in sorted(sent) if name.startswith("x-amz-")),
            resource + _signed_query(pairs),
        )
    )
    digest = hmac.digest(secret.encode(), uri.wire_bytes(string_to_sign), "sha1")
    if not hmac.compare_digest(base64.b64encode(digest), signature.encode("utf-8", "replace")):
        raise S3Error(
            "SignatureDoesNotMatch",
            extra={
                "AWSAccessKeyId": access_key,
                "StringToSign": string_to_sign,
                "SignatureProvided": signature,
                "StringToSignBytes": uri.wire_bytes(string_to_sign).hex(" "),
            },
        )
    return Authentication(
        access_key=access_key,
        scope="",
        timestamp="",
        content_sha256=sent.get("x-amz-content-sha256", payload.UNSIGNED_PAYLOAD),
        signature=signature,
        signing_key=b"",
        presigned=True,
    )


def is_signed_form(fields: Mapping[str, str]) -> bool:
    """Say whether a browser upload's form has a field of version 2 and none of version 4."""
    return ("awsaccesskeyid" in fields or "signature" in fields) and "x-amz-algorithm" not in fields


def authenticate_form(fields: Mapping[str, str], *, secret_of: Callable[[str], str | None]) -> str:
    """Verify a form as `sigv4.authenticate_form` does, with the same errors."""
    for name, shown in (("awsaccesskeyid", "AWSAccessKeyId"), ("signature", "Signature")):
        if not fields.get(name):
            raise missing_field(shown)
    access_key = fields["awsaccesskeyid"]
    secret = secret_of(access_key)
    if secret is None:
        raise S3Error("InvalidAccessKeyId", extra={"AWSAccessKeyId": access_key})
    digest = hmac.digest(secret.encode(), uri.wire_bytes(fields["policy"]), "sha1")
    if not hmac.compare_digest(base64.b64encode(digest), fields["signature"].encode("utf-8", "replace")):
        extra = {"AWSAccessKeyId": access_key, "StringToSign": fields["policy"]}
        raise S3Error("SignatureDoesNotMatch", extra=extra)
    return access_key


def _check_time(expires: str, now: datetime) -> None:
    if not (expires.isascii() and expires.isdigit() and len(expires) <= 11):
        raise S3Error("AccessDenied", f"Invalid date (should be seconds since epoch): {expires}")
    end = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=int(expires))
    if now > end:
        server_time = now.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        extra = {"Expires": end.strftime("%Y-%m-%dT%H:%M:%SZ"), "ServerTime": server_time}
        raise S3Error("AccessDenied", "Request has expired", extra=extra)


def _joined(headers: Sequence[tuple[str, str]]) -> dict[str, str]:
    joined: dict[str, str] = {}
    for name, value in headers:
        lowered = name.lower()
        joined[lowered] = f"{joined[lowered]},{value.strip()}" if lowered in joined else value.strip()
    return joined


def _signed_query(pairs: Sequence[tuple[bytes, bytes]]) -> str:
    signed = sorted(
        (name.decode(), value.decode("utf-8", "surrogateescape"))
        for name, value in pairs
        if name.decode("utf-8", "replace") in _SIGNED_PARAMETERS
    )
    text = "&".join(f"{name}={value}" if value else name for name, value in signed)
    return f"?{text}" if text else ""
