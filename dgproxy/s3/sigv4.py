# SPDX-License-Identifier: GPL-2.0-only
"""AWS Signature Version 4: whether a request is from the holder of the secret key, and fresh.

`authenticate` checks a signed Authorization header or a presigned URL against the request exactly as it came
over the wire, and gives what is needed to check a signed body (`ChunkSigner`, for `chunked`). It promises
that nothing of the request counts before the signature matched. What is signed is put together in
`canonical`, and signed in `signing`.

Any region is accepted unless one is asked for: clients of a self-hosted store sign for whatever region they
are set to, and the region protects nothing here.

What a key may do is not decided here, and secrets come from the caller. Amazon S3 API Reference,
"Authenticating Requests (AWS Signature Version 4)".
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from dgproxy.s3 import canonical, signing, uri
from dgproxy.s3.claim import ALGORITHM, Claim, read_claim, read_credential
from dgproxy.s3.errors import S3Error
from dgproxy.s3.signing import ChunkSigner

__all__ = ["Authentication", "authenticate", "authenticate_form", "missing_field"]

_TERMINAL: Final = "aws4_request"
_MAX_SKEW: Final = timedelta(minutes=15)

#: x-amz- headers that need no signature of their own. The value of x-amz-content-sha256 is the canonical
#: request's last line; x-amz-cf-id is CloudFront's mark on what it forwards, and means nothing here.
_NEED_NO_SIGNATURE: Final = frozenset({"x-amz-content-sha256", "x-amz-cf-id"})


@dataclass(frozen=True, slots=True)
class Authentication:
    """A request whose signature matched.

    `scope` reads `20130524/us-east-1/s3/aws4_request`, `timestamp` `20130524T000000Z`; `content_sha256` is
    what the signature covers of the body, as x-amz-content-sha256 spells it (for `payload.describe`).
    """

    access_key: str
    scope: str
    timestamp: str
    content_sha256: str
    signature: str
    signing_key: bytes
    presigned: bool

    def chunk_signer(self) -> ChunkSigner:
        """Begin the signature chain of a body with signed chunks."""
        return ChunkSigner(self.signing_key, self.timestamp, self.scope, self.signature)


def authenticate(
    method: str,
    raw_path: str,
    raw_query: str,
    headers: Sequence[tuple[str, str]],
    *,
    secret_of: Callable[[str], str | None],
    region: str | None = None,
    now: datetime,
) -> Authentication:
    """Verify the signature of one request.

    `headers` are all pairs as received, in order, names in any case; `secret_of` maps an access key to its
    secret, None for an unknown key; `now` is timezone-aware.

    Raises S3Error: AccessDenied, AuthorizationHeaderMalformed, AuthorizationQueryParametersError,
    InvalidAccessKeyId, InvalidArgument, InvalidRequest, InvalidToken, InvalidURI, RequestTimeTooSkewed,
    SignatureDoesNotMatch.
    """
    sent = canonical.canonical_headers(headers)
    pairs = uri.query_pairs(raw_query)
    claim = read_claim(sent, uri.first_values(pairs))

    _check_time(claim, now)
    _check_scope(claim, region)
    access_key = claim.credential.access_key
    secret = secret_of(access_key)
    if secret is None:
        raise S3Error("InvalidAccessKeyId", extra={"AWSAccessKeyId": access_key})
    _check_all_signed(sent, claim.signed_headers.split(";"))

    request = canonical.canonical_request(
        method, raw_path, pairs, sent, claim.signed_headers, claim.content_sha256
    )
    scope = "/".join(claim.credential[1:])
    text = signing.string_to_sign(claim.timestamp, scope, request)
    key = signing.signing_key(secret, *claim.credential[1:])
    if not signing.equal(signing.signature(key, text), claim.signature):
        raise _mismatch(claim, request, text)
    return Authentication(
        access_key=access_key,
        scope=scope,
        timestamp=claim.timestamp,
        content_sha256=claim.content_sha256,
        signature=claim.signature,
        signing_key=key,
        presigned=claim.expires is not None,
    )


def authenticate_form(fields: Mapping[str, str], *, secret_of: Callable[[str], str | None]) -> str:
    """Verify the signature over the `policy` of a browser upload's form; gives the access key.

    `fields` have lower-case names. How long the policy is good is said in it. Raises S3Error:
    InvalidArgument, InvalidAccessKeyId, SignatureDoesNotMatch.
    """
    for name in ("x-amz-algorithm", "x-amz-credential", "x-amz-date", "x-amz-signature"):
        if not fields.get(name):
            raise missing_field(name)
    credential = read_credential(fields["x-amz-credential"])
    if (
        fields["x-amz-algorithm"] != ALGORITHM
        or credential is None
        or credential[3:] != ("s3", _TERMINAL)
        or credential.date != fields["x-amz-date"][:8]
    ):
        message = "x-amz-algorithm, x-amz-credential and x-amz-date don't make a Version 4 credential for s3."
        raise S3Error("InvalidArgument", message, extra={"ArgumentName": "x-amz-credential"})
    secret = secret_of(credential.access_key)
    if secret is None:
        raise S3Error("InvalidAccessKeyId", extra={"AWSAccessKeyId": credential.access_key})
    expected = signing.signature(signing.signing_key(secret, *credential[1:]), fields["policy"])
    if not signing.equal(expected, fields["x-amz-signature"]):
        extra = {"AWSAccessKeyId": credential.access_key, "StringToSign": fields["policy"]}
        raise S3Error("SignatureDoesNotMatch", extra=extra)
    return credential.access_key


def missing_field(name: str) -> S3Error:
    """Make the error for a form that lacks a field it needs to be signed."""
    return S3Error(
        "InvalidArgument",
        f"Bucket POST must contain a field named '{name}'. If it is specified, please check the order of the "
        "fields.",
        extra={"ArgumentName": name, "ArgumentValue": ""},
    )


def _check_scope(claim: Claim, region: str | None) -> None:
    _, date, claimed_region, service, terminal = claim.credential
    if terminal != _TERMINAL:
        raise claim.malformed(f'incorrect terminal "{terminal}". This endpoint uses "{_TERMINAL}".')
    if service != "s3":
        raise claim.malformed(f'incorrect service "{service}". This endpoint belongs to "s3".')
    if date != claim.timestamp[:8]:
        raise claim.malformed(
            f'Invalid credential date "{date}". This date is not the same as X-Amz-Date: '
            f'"{claim.timestamp[:8]}".'
        )
    if region is not None and claimed_region != region:
        raise claim.malformed(
            f"the region '{claimed_region}' is wrong; expecting '{region}'", extra={"Region": region}
        )


def _check_time(claim: Claim, now: datetime) -> None:
    age = now - claim.signed_at
    if claim.expires is None:
        if abs(age) > _MAX_SKEW:
            raise S3Error(
                "RequestTimeTooSkewed",
                extra={
                    "RequestTime": claim.timestamp,
                    "ServerTime": _iso8601(now),
                    "MaxAllowedSkewMilliseconds": str(_MAX_SKEW // timedelta(milliseconds=1)),
                },
            )
    elif age > timedelta(seconds=claim.expires):
        raise S3Error(
            "AccessDenied",
            "Request has expired",
            extra={
                "X-Amz-Expires": str(claim.expires),
                "Expires": _iso8601(claim.signed_at + timedelta(seconds=claim.expires)),
                "ServerTime": _iso8601(now),
            },
        )
    elif -age > _MAX_SKEW:
        raise S3Error("AccessDenied", "Request is not valid yet", extra={"ServerTime": _iso8601(now)})


def _iso8601(time: datetime) -> str:
    return time.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _check_all_signed(headers: Mapping[str, str], signed: Sequence[str]) -> None:
    """Require a signature over Host and every x-amz- header: what S3 acts on may not be added on the way."""
    unsigned = [
        name
        for name in headers
        if name.startswith("x-amz-") and name not in signed and name not in _NEED_NO_SIGNATURE
    ]
    if "host" not in signed:
        unsigned.insert(0, "host")
    if unsigned:
        raise S3Error(
            "AccessDenied",
            "There were headers present in the request which were not signed",
            extra={"HeadersNotSigned": ", ".join(unsigned)},
        )


def _mismatch(claim: Claim, canonical_request: str, string_to_sign: str) -> S3Error:
    def dump(text: str) -> str:
        return uri.wire_bytes(text).hex(" ")

    return S3Error(
        "SignatureDoesNotMatch",
        extra={
            "AWSAccessKeyId": claim.credential.access_key,
            "StringToSign": string_to_sign,
            "SignatureProvided": claim.signature,
            "StringToSignBytes": dump(string_to_sign),
            "CanonicalRequest": canonical_request,
            "CanonicalRequestBytes": dump(canonical_request),
        },
    )
