# SPDX-License-Identifier: GPL-2.0-only
"""Signatures against AWS's published examples and botocore's signer, then every rule by breaking it."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from unittest import mock
from urllib.parse import quote, urlsplit

import botocore.auth
import pytest
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from hypothesis import given, settings
from hypothesis import strategies as st

from dgproxy.s3 import signing, uri
from dgproxy.s3.claim import has_credentials
from dgproxy.s3.errors import S3Error
from dgproxy.s3.hoisting import hoisted_headers, with_hoisted
from dgproxy.s3.sigv4 import Authentication, authenticate

ACCESS_KEY = "AKIAIOSFODNN7EXAMPLE"
SECRET = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
SECRETS = {ACCESS_KEY: SECRET, "a/b": "slash"}
THEN = datetime(2013, 5, 24, tzinfo=UTC)
SCOPE = "20130524/us-east-1/s3/aws4_request"
EMPTY = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

Headers = list[tuple[str, str]]


def check(method: str, target: str, headers: Headers, now: datetime = THEN, **kw: Any) -> Authentication:
    path, _, query = target.partition("?")
    return authenticate(method, path, query, headers, secret_of=SECRETS.get, now=now, **kw)


def refusal(method: str, target: str, headers: Headers, now: datetime = THEN, **kw: Any) -> S3Error:
    with pytest.raises(S3Error) as caught:
        check(method, target, headers, now, **kw)
    return caught.value


def authorization(signed: str, signature: str) -> tuple[str, str]:
    credential = f"Credential={ACCESS_KEY}/{SCOPE}"
    return "Authorization", f"AWS4-HMAC-SHA256 {credential},SignedHeaders={signed},Signature={signature}"


# -- the examples in "Authenticating Requests (AWS Signature Version 4)" -------------------------------------

HOST = ("Host", "examplebucket.s3.amazonaws.com")
DATE = ("x-amz-date", "20130524T000000Z")
BASIC = "host;x-amz-content-sha256;x-amz-date"


@pytest.mark.parametrize(
    ("method", "target", "headers", "signed", "signature"),
    [
        (
            "GET",
            "/test.txt",
            [("Range", "bytes=0-9"), ("x-amz-content-sha256", EMPTY)],
            "host;range;x-amz-content-sha256;x-amz-date",
            "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41",
        ),
        (
            "PUT",
            "/test$file.text",
            [
                ("Date", "Fri, 24 May 2013 00:00:00 GMT"),
                ("x-amz-storage-class", "REDUCED_REDUNDANCY"),
                ("x-amz-content-sha256", "44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072"),
            ],
            "date;host;x-amz-content-sha256;x-amz-date;x-amz-storage-class",
            "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd",
        ),
        (
            "GET",
            "/?lifecycle",
            [("x-amz-content-sha256", EMPTY)],
            BASIC,
            "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543",
        ),
        (
            "GET",
            "/?max-keys=2&prefix=J",
            [("x-amz-content-sha256", EMPTY)],
            BASIC,
            "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7",
        ),
    ],
)
def test_published_header_examples(
    method: str, target: str, headers: Headers, signed: str, signature: str
) -> None:
    request = [HOST, DATE, *headers, authorization(signed, signature)]
    found = check(method, target, request)
    assert (found.access_key, found.scope, found.timestamp) == (ACCESS_KEY, SCOPE, DATE[1])
    assert found.signature == signature
    assert found.content_sha256 == dict(headers)["x-amz-content-sha256"]
    assert not found.presigned
    assert refusal(method, target + "x", request).code == "SignatureDoesNotMatch"


PRESIGNED = (
    "/test.txt?X-Amz-Algorithm=AWS4-HMAC-SHA256"
    f"&X-Amz-Credential={ACCESS_KEY}%2F20130524%2Fus-east-1%2Fs3%2Faws4_request"
    "&X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400&X-Amz-SignedHeaders=host"
    "&X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404"
)


def test_published_presigned_example() -> None:
    found = check("GET", PRESIGNED, [HOST], THEN + timedelta(hours=23))
    assert found.presigned
    assert found.content_sha256 == "UNSIGNED-PAYLOAD"


# -- botocore's signer ---------------------------------------------------------------------------------------


def sign(
    method: str,
    url: str,
    headers: Sequence[tuple[str, str]] = (),
    *,
    body: bytes = b"",
    secret: str = SECRET,
    region: str = "eu-central-1",
    now: datetime = THEN,
    expires: int | None = None,
) -> tuple[str, Headers]:
    """Sign with botocore; gives the target and headers that go over the wire."""
    request = AWSRequest(method, url, dict(headers), body)
    if expires is None:
        signer: Any = botocore.auth.S3SigV4Auth(Credentials(ACCESS_KEY, secret), "s3", region)
    else:
        signer = botocore.auth.S3SigV4QueryAuth(Credentials(ACCESS_KEY, secret), "s3", region, expires)
    with mock.patch.object(botocore.auth, "get_current_datetime", return_value=now.replace(tzinfo=None)):
        signer.add_auth(request)
    prepared = request.prepare()
    split = urlsplit(prepared.url)
    sent = [
        (name, str(value, "latin-1") if isinstance(value, bytes) else value)
        for name, value in prepared.headers.items()
    ]
    return f"{split.path}?{split.query}", [("Host", split.netloc), *sent]


KEYS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=30)
NAMES = st.text(st.characters(codec="ascii", categories=["Ll", "Nd"]), min_size=1, max_size=8)
VALUES = st.text(st.characters(codec="ascii", exclude_categories=["Cc"]), max_size=20)


@given(
    method=st.sampled_from(["GET", "PUT", "HEAD", "DELETE", "POST"]),
    key=KEYS,
    query=st.dictionaries(KEYS, KEYS, max_size=4),
    meta=st.dictionaries(NAMES, VALUES, max_size=3),
    expires=st.none() | st.integers(1, 7 * 86400),
    port=st.sampled_from(["", ":9000"]),
)
def test_what_botocore_signs_is_accepted_and_nothing_else(
    method: str, key: str, query: dict[str, str], meta: dict[str, str], expires: int | None, port: str
) -> None:
    query = {name: value for name, value in query.items() if not name.startswith("X-Amz-")}
    url = f"http://127.0.0.1{port}/bucket/{quote(key, safe='/~')}"
    if query:
        url += "?" + "&".join(
            f"{quote(name, safe='')}={quote(value, safe='')}" for name, value in query.items()
        )
    headers = [(f"x-amz-meta-{name}", value) for name, value in meta.items()]
    target, sent = sign(method, url, headers, body=b"body" if expires is None else b"", expires=expires)
    assert check(method, target, sent).access_key == ACCESS_KEY

    changed = [
        ("POST" if method == "GET" else "GET", target, sent),
        (method, target.replace("/bucket/", "/bucket2/"), sent),
        (method, target + "&extra=1", sent),
        (method, target, [(name, value + "1" if name == "Host" else value) for name, value in sent]),
        (method, target, [(n, v + "x" if n.lower().startswith("x-amz-meta-") else v) for n, v in sent]),
    ]
    for request in changed[: 5 if meta else 4]:
        assert refusal(*request).code == "SignatureDoesNotMatch"


@pytest.mark.parametrize(
    ("spelled", "signed_as"),
    [
        ("/bucket/a%2Fb", "/bucket/a/b"),
        ("/bucket/a%2fb%c3%a9", "/bucket/a/b%C3%A9"),
        ("/bucket/\u00e9", "/bucket/%C3%A9"),
        ("/bucket/!'()*$:@,;=", "/bucket/%21%27%28%29%2A%24%3A%40%2C%3B%3D"),
        ("/bucket/a+b", "/bucket/a%2Bb"),
        ("/bucket//a/../b/.", "/bucket//a/../b/."),
        ("/bucket?b=2&a=1&a=0", "/bucket?a=0&a=1&b=2"),
        ("/bucket?acl", "/bucket?acl="),
        ("/bucket?prefix=a+b", "/bucket?prefix=a%20b"),
        ("/bucket?prefix=a/b~c", "/bucket?prefix=a%2Fb~c"),
        ("/bucket?a=1&&b=%7E", "/bucket?a=1&b=~"),
        ("/bucket?a-b=1&a=2&aB=3&a%20=4", "/bucket?a=2&a%20=4&a-b=1&aB=3"),
    ],
)
def test_one_signature_for_every_spelling_of_a_target(spelled: str, signed_as: str) -> None:
    _, sent = sign("GET", f"http://h{signed_as}")
    assert check("GET", spelled, sent)


@pytest.mark.parametrize(
    ("sent_as", "signed_as"),
    [
        (["  a   b\t c "], "a b c"),
        (["a", "b"], "a,b"),
        (["a ", " b  c"], "a,b c"),
        ([""], ""),
        (["caf\u00e9"], "caf\u00e9"),
        (["a\u00a0 b"], "a\u00a0 b"),
    ],
)
def test_canonical_header_values(sent_as: list[str], signed_as: str) -> None:
    headers = [("Host", "h"), DATE, ("X-Amz-Content-SHA256", EMPTY)]
    signed = f"{BASIC};x-amz-meta-a"
    canonical = (
        f"GET\n/b\n\nhost:h\nx-amz-content-sha256:{EMPTY}\nx-amz-date:{DATE[1]}\nx-amz-meta-a:{signed_as}\n"
    )
    signature = own_signature(f"{canonical}\n{signed}\n{EMPTY}")
    given = [("X-Amz-Meta-A", value) for value in sent_as]
    assert check("GET", "/b", [*headers, *given, authorization(signed, signature)])


def own_signature(canonical_request: str) -> str:
    """Sign a canonical request written down by hand, with botocore."""
    signer = botocore.auth.SigV4Auth(Credentials(ACCESS_KEY, SECRET), "s3", "us-east-1")
    request = AWSRequest()
    request.context["timestamp"] = DATE[1]
    to_sign = signer.string_to_sign(request, canonical_request)
    return str(signer.signature(to_sign, request))


# -- rules ---------------------------------------------------------------------------------------------------


def signed_get(**kw: Any) -> Headers:
    return sign("GET", "http://h/b/k", **kw)[1]


def edited(headers: Headers, old: str, new: str) -> Headers:
    return [(name, value.replace(old, new)) for name, value in headers]


def without(headers: Headers, name: str) -> Headers:
    return [pair for pair in headers if pair[0].lower() != name]


@pytest.mark.parametrize("minutes", [-15, 0, 15])
def test_the_clocks_may_be_15_minutes_apart(minutes: int) -> None:
    assert check("GET", "/b/k", signed_get(), THEN + timedelta(minutes=minutes))


@pytest.mark.parametrize("seconds", [-901, 901])
def test_and_no_more(seconds: int) -> None:
    error = refusal("GET", "/b/k", signed_get(), THEN + timedelta(seconds=seconds))
    assert error.code == "RequestTimeTooSkewed"
    assert error.extra["RequestTime"] == "20130524T000000Z"
    assert error.extra["MaxAllowedSkewMilliseconds"] == "900000"


def test_any_region_unless_one_is_asked_for() -> None:
    for region in ("us-east-1", "eu-central-1", "garage", "auto"):
        assert check("GET", "/b/k", signed_get(region=region))
        assert check("GET", "/b/k", signed_get(region=region), region=region)
    error = refusal("GET", "/b/k", signed_get(), region="us-east-1")
    assert (error.code, error.extra) == ("AuthorizationHeaderMalformed", {"Region": "us-east-1"})


MALFORMED = "AuthorizationHeaderMalformed"


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        (ACCESS_KEY, "AKIANOBODY", "InvalidAccessKeyId"),
        ("/s3/", "/ec2/", MALFORMED),
        ("aws4_request", "aws5_request", MALFORMED),
        ("20130524/", "20130525/", MALFORMED),
        ("20130524/", "", MALFORMED),
        ("Credential=", "Credentials=", MALFORMED),
        (f"Credential={ACCESS_KEY}", "Credential=", MALFORMED),
        ("SignedHeaders=", "", MALFORMED),
        ("Signature=", "Signature=\u00e9", "SignatureDoesNotMatch"),
        ("Signature=", "Signature=\ud800", "SignatureDoesNotMatch"),
        ("Signature=", "Signature", MALFORMED),
        ("AWS4-HMAC-SHA256 ", "AWS4-HMAC-SHA256", "InvalidArgument"),
        ("AWS4-HMAC-SHA256 ", "AWS4-ECDSA-P256-SHA256 ", "InvalidArgument"),
        ("AWS4-HMAC-SHA256 ", "Bearer ", "InvalidArgument"),
        ("AWS4-HMAC-SHA256 ", "AWS ", "InvalidRequest"),
        ("host;", "", "AccessDenied"),
        (";x-amz-date", "", "AccessDenied"),
        ("T000000Z", "T000001Z", "SignatureDoesNotMatch"),
        ("20130524T000000Z", "Bad Date", "AccessDenied"),
        ("20130524T000000Z", "", "AccessDenied"),
        ("20130524T000000Z", "19500707T215304Z", "AccessDenied"),
        ("20130524T000000Z", "20100707T215304Z", "RequestTimeTooSkewed"),
        ("20130524T000000Z", "99991231T235959Z", "RequestTimeTooSkewed"),
    ],
)
def test_a_broken_header_claim(old: str, new: str, code: str) -> None:
    headers = signed_get()
    assert edited(headers, old, new) != headers
    assert refusal("GET", "/b/k", edited(headers, old, new)).code == code


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("authorization", "AccessDenied"),
        ("x-amz-date", "AccessDenied"),
        ("x-amz-content-sha256", "InvalidRequest"),
        ("host", "SignatureDoesNotMatch"),
    ],
)
def test_a_missing_header(name: str, code: str) -> None:
    assert refusal("GET", "/b/k", without(signed_get(), name)).code == code


def test_the_time_may_stand_in_date() -> None:
    date = ("Date", "Fri, 24 May 2013 00:00:00 GMT")
    canonical = f"GET\n/b\n\ndate:{date[1]}\nhost:h\n\ndate;host\n{EMPTY}"
    signature = own_signature(canonical)
    headers = [("Host", "h"), date, ("x-amz-content-sha256", EMPTY), authorization("date;host", signature)]
    assert check("GET", "/b", headers).timestamp == "20130524T000000Z"


def test_what_s3_acts_on_must_be_signed() -> None:
    error = refusal(
        "PUT", "/b/k", [*signed_get(), ("X-Amz-Copy-Source", "secret/key"), ("x-amz-acl", "public")]
    )
    assert error.code == "AccessDenied"
    assert error.extra["HeadersNotSigned"] == "x-amz-copy-source, x-amz-acl"


def test_other_headers_need_no_signature() -> None:
    assert check(
        "GET", "/b/k", [*signed_get(), ("Range", "bytes=0-1"), ("x-amzn-trace-id", "1"), ("x-amz-cf-id", "2")]
    )


def test_a_security_token_is_refused() -> None:
    assert refusal("GET", "/b/k", [*signed_get(), ("x-amz-security-token", "t")]).code == "InvalidToken"
    assert refusal("GET", PRESIGNED + "&X-Amz-Security-Token=t", [HOST]).code == "InvalidToken"


def test_two_claims_are_one_too_many() -> None:
    assert refusal("GET", PRESIGNED, [HOST, authorization("host", "0")]).code == "InvalidArgument"


def test_a_mismatch_shows_what_was_signed() -> None:
    error = refusal("GET", "/b/other", signed_get())
    assert error.code == "SignatureDoesNotMatch"
    assert error.extra["AWSAccessKeyId"] == ACCESS_KEY
    assert error.extra["CanonicalRequest"].startswith("GET\n/b/other\n\nhost:h\n")
    assert error.extra["StringToSign"].startswith(
        "AWS4-HMAC-SHA256\n20130524T000000Z\n20130524/eu-central-1/"
    )
    assert bytes.fromhex(error.extra["StringToSignBytes"]).decode() == error.extra["StringToSign"]
    assert bytes.fromhex(error.extra["CanonicalRequestBytes"]).decode() == error.extra["CanonicalRequest"]
    assert len(error.extra["SignatureProvided"]) == 64
    assert SECRET not in str(error.extra)


def test_an_access_key_may_hold_a_slash() -> None:
    _, headers = sign("GET", "http://h/b/k", secret="slash")
    text = edited(headers, ACCESS_KEY, "a/b")
    assert check("GET", "/b/k", text).access_key == "a/b"


PARAMETERS = "AuthorizationQueryParametersError"


@pytest.mark.parametrize(
    ("old", "new", "seconds", "code"),
    [
        ("", "", 86400, None),
        ("", "", -900, None),
        ("", "", 86401, "AccessDenied"),
        ("", "", -901, "AccessDenied"),
        ("=86400", "=604800", 0, "SignatureDoesNotMatch"),
        ("=86400", "=604801", 0, PARAMETERS),
        ("=86400", "=-1", 0, "AccessDenied"),
        ("=86400", "=-" + "9" * 20, 0, "AccessDenied"),
        ("=86400", "=-" + "9" * 21, 0, PARAMETERS),
        ("=86400", "=", 0, PARAMETERS),
        ("=86400", "=1e3", 0, PARAMETERS),
        ("=86400", "=" + "9" * 5000, 0, PARAMETERS),
        ("&X-Amz-Expires=86400", "", 0, PARAMETERS),
        ("X-Amz-Algorithm=AWS4-HMAC-SHA256&", "", 0, PARAMETERS),
        ("AWS4-HMAC-SHA256", "AWS4-HMAC-SHA1", 0, PARAMETERS),
        ("20130524T000000Z", "yesterday", 0, PARAMETERS),
        ("%2Fs3%2F", "%2Fsqs%2F", 0, PARAMETERS),
        ("%2Faws4_request", "", 0, PARAMETERS),
        ("SignedHeaders=host", "SignedHeaders=range", 0, "AccessDenied"),
        ("20130524%2F", "20130523%2F", 0, PARAMETERS),
        ("aeeed9", "beeed9", 0, "SignatureDoesNotMatch"),
        ("/test.txt", "/best.txt", 0, "SignatureDoesNotMatch"),
        (ACCESS_KEY, "AKIANOBODY", 0, "InvalidAccessKeyId"),
        ("X-Amz-Signature=", "x=", 0, PARAMETERS),
    ],
)
def test_presigned_rules(old: str, new: str, seconds: int, code: str | None) -> None:
    target = PRESIGNED.replace(old, new) if old else PRESIGNED
    assert target != PRESIGNED or not old
    when = THEN + timedelta(seconds=seconds)
    if code is None:
        assert check("GET", target, [HOST], when)
    else:
        assert refusal("GET", target, [HOST], when).code == code


def test_an_expired_url_says_so() -> None:
    error = refusal("GET", PRESIGNED, [HOST], THEN + timedelta(days=2))
    assert error.message == "Request has expired"
    assert error.extra["Expires"] == "2013-05-25T00:00:00Z"


def test_a_header_added_to_a_presigned_request_is_refused() -> None:
    error = refusal("PUT", PRESIGNED, [HOST, ("x-amz-meta-a", "1")])
    assert error.extra["HeadersNotSigned"] == "x-amz-meta-a"


def test_a_presigned_url_may_sign_the_payload() -> None:
    target, headers = sign("PUT", "http://h/b/k?X-Amz-Content-Sha256=" + EMPTY, expires=60)
    # botocore signs UNSIGNED-PAYLOAD whatever the parameter says, so this must not match.
    assert refusal("PUT", target, headers).code == "SignatureDoesNotMatch"


@pytest.mark.parametrize("target", ["/b/k?AWSAccessKeyId=a&Signature=b&Expires=1"])
def test_signature_version_2_is_refused_clearly(target: str) -> None:
    for request, headers in ((target, []), ("/b/k", [("Authorization", "AWS a:b")])):
        error = refusal("GET", request, headers)
        assert error.code == "InvalidRequest"
        assert "AWS4-HMAC-SHA256" in error.message


def test_has_credentials() -> None:
    assert has_credentials({"authorization": "anything"}, {})
    assert has_credentials({}, {"X-Amz-Signature": "x"})
    assert has_credentials({}, {"AWSAccessKeyId": "x", "Signature": "y"})
    assert not has_credentials({"authorization": ""}, {"Signature": "x", "prefix": "a"})
    assert not has_credentials({}, {})


def test_hoisted_headers() -> None:
    query = {"X-Amz-Credential": "c", "x-amz-meta-a": "1", "X-Amz-Acl": "private", "prefix": "p"}
    query |= {"x-amz-checksum-crc32": "AAAAAA==", "x-amz-sdk-checksum-algorithm": "CRC32"}
    assert hoisted_headers(query) == {"x-amz-meta-a": "1", "x-amz-acl": "private"}
    assert hoisted_headers({"x-amz-meta-a": "1"}) == {}
    version_2 = {
        "AWSAccessKeyId": "a",
        "Signature": "s",
        "content-type": "t",
        "x-amz-meta-a": "1",
        "prefix": "p",
    }
    assert hoisted_headers(version_2) == {"content-type": "t", "x-amz-meta-a": "1"}


def test_a_header_and_a_parameter_that_disagree() -> None:
    query = {"X-Amz-Credential": "c", "x-amz-meta-a": "1"}
    assert with_hoisted({"x-amz-meta-a": "1", "range": "r"}, query) == {"x-amz-meta-a": "1", "range": "r"}
    with pytest.raises(S3Error, match="InvalidRequest"):
        with_hoisted({"x-amz-meta-a": "2"}, query)


def test_signing_keys_are_cached_and_the_cache_is_bounded() -> None:
    signing.signing_key.cache_clear()
    headers = signed_get()
    for _ in range(3):
        check("GET", "/b/k", headers)
    assert signing.signing_key.cache_info().misses == 1
    assert signing.signing_key.cache_info().maxsize == 256


TEXT = st.text(max_size=30)
PARTS = st.sampled_from(
    [
        "AWS4-HMAC-SHA256 ",
        "AWS ",
        "Credential=",
        f"{ACCESS_KEY}/{SCOPE}",
        ",",
        "SignedHeaders=",
        "host",
        ";",
        "Signature=",
    ]
)
CLAIMS = st.lists(PARTS | TEXT, max_size=9).map("".join)
QUERIES = st.lists(
    st.sampled_from([part + "&" for part in PRESIGNED.partition("?")[2].split("&")]) | TEXT, max_size=8
).map("".join)


@settings(max_examples=500)
@given(TEXT, TEXT, QUERIES, st.none() | CLAIMS, st.lists(st.tuples(TEXT, TEXT), max_size=3))
def test_any_request_is_refused_with_an_s3_error(
    method: str, path: str, query: str, claim: str | None, headers: Headers
) -> None:
    sent = [HOST, DATE, ("x-amz-content-sha256", EMPTY), *headers]
    if claim is not None:
        sent.append(("Authorization", claim))
    assert refusal(method, f"/{path.replace('?', '')}?{query}", sent).status in (400, 403)


@given(st.text(), st.binary())
def test_canonical_encoding_is_botocores(text: str, data: bytes) -> None:
    assert uri.encode(data) == quote(data, safe="-_.~")
