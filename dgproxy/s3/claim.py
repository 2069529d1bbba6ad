# SPDX-License-Identifier: GPL-2.0-only
"""What a request says of its own signature, before any of it is believed.

`read_claim` finds the claim in the Authorization header or in a presigned URL's parameters and takes it
apart; it promises that there is exactly one. Whether the claim is true is `sigv4`'s business.

Amazon S3 API Reference, "Using the Authorization Header" and "Using Query Parameters".
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, NamedTuple

from dgproxy.s3 import dates, payload
from dgproxy.s3.errors import S3Error

__all__ = [
    "ALGORITHM",
    "QUERY_PARAMETERS",
    "Claim",
    "Credential",
    "has_credentials",
    "is_presigned",
    "is_presigned_v2",
    "read_claim",
    "read_credential",
]

ALGORITHM: Final = "AWS4-HMAC-SHA256"
_MAX_EXPIRES: Final = 7 * 24 * 3600

_HEADER_FIELDS: Final = ("Credential", "SignedHeaders", "Signature")
QUERY_PARAMETERS: Final = (
    "X-Amz-Algorithm",
    "X-Amz-Credential",
    "X-Amz-Signature",
    "X-Amz-Date",
    "X-Amz-SignedHeaders",
    "X-Amz-Expires",
)


class Credential(NamedTuple):
    """`<access key>/<date>/<region>/<service>/<terminal>`; all but the first are the scope."""

    access_key: str
    date: str
    region: str
    service: str
    terminal: str


@dataclass(frozen=True, slots=True)
class Claim:
    """One claim. `signed_at` is `timestamp` (`20130524T000000Z`) as a time.

    `expires` is in seconds, None unless the URL is presigned; `content_sha256` is as x-amz-content-sha256
    spells it.
    """

    credential: Credential
    timestamp: str
    signed_at: datetime
    signed_headers: str
    signature: str
    content_sha256: str
    expires: int | None = None

    def malformed(self, message: str, extra: Mapping[str, str] | None = None) -> S3Error:
        """Make the error for a claim that cannot be right."""
        if self.expires is None:
            return _header_malformed(message, extra)
        return _query_malformed(f"Error parsing the X-Amz-Credential parameter; {message}", extra)


def has_credentials(headers: Mapping[str, str], query: Mapping[str, str]) -> bool:
    """Say whether the request claims to be signed, by an Authorization header or as a presigned URL."""
    return bool(headers.get("authorization")) or is_presigned(query) or is_presigned_v2(query)


def read_claim(headers: Mapping[str, str], query: Mapping[str, str]) -> Claim:
    """Read the claim from wherever it stands.

    `headers` has lower-case names and one value each. Raises S3Error: AccessDenied (there is no claim, or it
    has no date), AuthorizationHeaderMalformed, AuthorizationQueryParametersError, InvalidArgument,
    InvalidRequest, InvalidToken.
    """
    authorization = headers.get("authorization") or None  # an empty one claims nothing
    if authorization is not None and is_presigned(query):
        raise S3Error(
            "InvalidArgument",
            "Only one auth mechanism allowed; only the X-Amz-Algorithm query parameter, Signature query "
            "string parameter or the Authorization header should be specified",
            extra={"ArgumentName": "Authorization", "ArgumentValue": authorization},
        )
    if "x-amz-security-token" in headers or "X-Amz-Security-Token" in query:
        raise S3Error("InvalidToken", "This server has no temporary credentials; send no security token.")
    if authorization is not None:
        return _header_claim(authorization, headers)
    if is_presigned(query):
        return _query_claim(query, headers)
    if is_presigned_v2(query):
        raise _version_2_refused()
    raise S3Error("AccessDenied")


def is_presigned(query: Mapping[str, str]) -> bool:
    """Say whether a URL has anything of a version 4 signature."""
    return any(name in query for name in QUERY_PARAMETERS)


def is_presigned_v2(query: Mapping[str, str]) -> bool:
    """Say whether a URL is signed with version 2."""
    return "AWSAccessKeyId" in query and "Signature" in query


def _header_claim(authorization: str, headers: Mapping[str, str]) -> Claim:
    algorithm, _, rest = authorization.partition(" ")
    if algorithm == "AWS":
        raise _version_2_refused()
    if algorithm != ALGORITHM:
        raise S3Error(
            "InvalidArgument",
            "Unsupported Authorization Type",
            extra={"ArgumentName": "Authorization", "ArgumentValue": authorization},
        )
    fields = dict(field.strip().partition("=")[::2] for field in rest.split(","))
    for name in _HEADER_FIELDS:
        if not fields.get(name):
            raise _header_malformed(
                "the authorization header requires three components: Credential, SignedHeaders, and "
                f"Signature; {name} is missing."
            )
    credential = read_credential(fields["Credential"])
    if credential is None:
        raise _header_malformed(_BAD_CREDENTIAL)
    content_sha256 = headers.get("x-amz-content-sha256")
    if content_sha256 is None:
        raise S3Error("InvalidRequest", "Missing required header for this request: x-amz-content-sha256")
    timestamp, signed_at = _header_time(headers)
    return Claim(
        credential=credential,
        timestamp=timestamp,
        signed_at=signed_at,
        signed_headers=fields["SignedHeaders"],
        signature=fields["Signature"],
        content_sha256=content_sha256,
    )


def _header_time(headers: Mapping[str, str]) -> tuple[str, datetime]:
    """Give the request's time, as it is signed and as a time: x-amz-date's, or else Date's."""
    stated = headers.get("x-amz-date", headers.get("date", ""))
    signed_at = dates.parse_timestamp(stated)
    if signed_at is not None:
        return stated, signed_at
    milliseconds = dates.parse_http_date(stated)
    if milliseconds is None:
        raise S3Error("AccessDenied", "AWS authentication requires a valid Date or x-amz-date header")
    signed_at = datetime.fromtimestamp(milliseconds // 1000, UTC)
    return signed_at.strftime("%Y%m%dT%H%M%SZ"), signed_at


def _query_claim(query: Mapping[str, str], headers: Mapping[str, str]) -> Claim:
    if not all(query.get(name) for name in QUERY_PARAMETERS):
        raise _query_malformed(
            "Query-string authentication version 4 requires the X-Amz-Algorithm, X-Amz-Credential, "
            "X-Amz-Signature, X-Amz-Date, X-Amz-SignedHeaders, and X-Amz-Expires parameters."
        )
    if query["X-Amz-Algorithm"] != ALGORITHM:
        raise _query_malformed(f'X-Amz-Algorithm only supports "{ALGORITHM}"')
    credential = read_credential(query["X-Amz-Credential"])
    if credential is None:
        raise _query_malformed(f"Error parsing the X-Amz-Credential parameter; {_BAD_CREDENTIAL}")
    signed_at = dates.parse_timestamp(query["X-Amz-Date"])
    if signed_at is None:
        raise _query_malformed("X-Amz-Date must be in the ISO8601 Long Format \"yyyyMMdd'T'HHmmss'Z'\"")
    in_query = query.get("X-Amz-Content-Sha256", payload.UNSIGNED_PAYLOAD)
    return Claim(
        credential=credential,
        timestamp=query["X-Amz-Date"],
        signed_at=signed_at,
        signed_headers=query["X-Amz-SignedHeaders"],
        signature=query["X-Amz-Signature"],
        content_sha256=headers.get("x-amz-content-sha256", in_query),
        expires=_expires(query["X-Amz-Expires"]),
    )


def _expires(text: str) -> int:
    if not re.fullmatch(r"-?[0-9]{1,20}", text):
        raise _query_malformed("X-Amz-Expires should be a number")
    # One that is negative was over before it began, by how much is of no interest.
    expires = max(int(text), -_MAX_EXPIRES)
    if expires > _MAX_EXPIRES:
        raise _query_malformed(
            "X-Amz-Expires must be less than a week (in seconds); that is, the given X-Amz-Expires must be "
            f"less than {_MAX_EXPIRES} seconds"
        )
    return expires


_BAD_CREDENTIAL: Final = (
    'the Credential is mal-formed; expecting "<YOUR-AKID>/YYYYMMDD/REGION/SERVICE/aws4_request".'
)


def read_credential(text: str) -> Credential | None:
    """Take a Credential apart, None for what is none."""
    access_key, *scope = text.rsplit("/", 4)  # an access key may hold a `/`
    return Credential(access_key, *scope) if access_key and len(scope) == 4 else None


def _header_malformed(message: str, extra: Mapping[str, str] | None = None) -> S3Error:
    return S3Error(
        "AuthorizationHeaderMalformed", f"The authorization header is malformed; {message}", extra=extra
    )


def _query_malformed(message: str, extra: Mapping[str, str] | None = None) -> S3Error:
    return S3Error("AuthorizationQueryParametersError", message, extra=extra)


def _version_2_refused() -> S3Error:
    return S3Error(
        "InvalidRequest",
        "The authorization mechanism you have provided is not supported. Please use AWS4-HMAC-SHA256.",
    )
