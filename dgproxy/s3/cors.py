# SPDX-License-Identifier: GPL-2.0-only
"""Cross-origin answers for the built-in browser, which is served one port above S3 and calls S3 from there.

Exactly one origin is allowed: the host name the client used for S3, one port up. It follows from the
request's own `Host`, so nothing is configured, and a bucket's CORS configuration is another matter.
Credentials mode is never allowed: requests are authenticated by their signature, and there are no cookies.

Decides only; no request or response object belongs here. The rules are the Fetch Standard's, section 3.3
("HTTP CORS protocol").
"""

import re
from typing import Final, NamedTuple

__all__ = [
    "VARY_ORIGIN",
    "Authority",
    "parse_authority",
    "preflight_headers",
    "ui_cors_headers",
    "ui_origin_allowed",
]

_METHODS: Final = ("GET", "HEAD", "PUT", "POST", "DELETE")

#: Every answer of the S3 port depends on Origin, also the one to a request that had none.
VARY_ORIGIN: Final = {"Vary": "Origin"}

_DEFAULT_PORTS: Final = {"http": 80, "https": 443}

# A Host without surprises: a name or IPv4 address, or a bracketed IPv6 address (RFC 3986, 3.2.2), and a port.
# No user info, no percent-encoding, no IPv6 zone: browsers send none of these.
_AUTHORITY: Final = re.compile(
    r"(?P<hostname>[a-z0-9_](?:[a-z0-9._-]{0,253})|\[[0-9a-f:.]{2,45}\])(?::(?P<port>[0-9]{1,5}))?",
    re.ASCII | re.IGNORECASE,
)

# RFC 9110, 5.6.2: what a header name is made of.
_TOKEN: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,128}")

#: Chromium's upper limit; a longer one is cut to it.
_PREFLIGHT_SECONDS: Final = 7200


class Authority(NamedTuple):
    """A validated `Host`: host name in lower case (IPv6 in its brackets) and the port, None when left out."""

    hostname: str
    port: int | None


def parse_authority(host: str | None) -> Authority | None:
    """Split a `Host` header value; None when it is missing or not of the plain shape."""
    match = _AUTHORITY.fullmatch(host or "")
    if match is None:
        return None
    port = int(match["port"]) if match["port"] is not None else None
    if port is not None and not 0 < port < 65536:
        return None
    return Authority(match["hostname"].lower(), port)


def ui_origin_allowed(origin: str | None, host: str | None) -> bool:
    """Whether `origin` is the browser that belongs to the S3 endpoint called as `host`.

    http and https both count: with TLS ended in front of us, the scheme the client sees is not ours to know.
    """
    scheme, separator, rest = (origin or "").partition("://")
    ui, s3 = parse_authority(rest), parse_authority(host)
    if not separator or scheme not in _DEFAULT_PORTS or ui is None or s3 is None:
        return False
    default = _DEFAULT_PORTS[scheme]
    return ui.hostname == s3.hostname and (ui.port or default) == (s3.port or default) + 1


def ui_cors_headers(origin: str | None, host: str | None) -> dict[str, str]:
    """Headers for any answer but a preflight's; only `Vary` for an origin that is not allowed.

    `*` in Expose-Headers is every header as long as no credentials mode is used: user metadata has names
    nobody can list, and the etag, ranges and x-amz-storage-type are wanted too.
    """
    if origin is None or not ui_origin_allowed(origin, host):
        return dict(VARY_ORIGIN)
    return {"Access-Control-Allow-Origin": origin, "Access-Control-Expose-Headers": "*", **VARY_ORIGIN}


def preflight_headers(
    origin: str | None, host: str | None, method: str | None, headers: str | None
) -> dict[str, str] | None:
    """Answer OPTIONS, or return None when it must be refused (S3: 403 AccessForbidden).

    `method` and `headers` are Access-Control-Request-Method and -Headers. The caller has answered 400 to an
    OPTIONS without Origin, as S3 does. All headers asked for are allowed; `*` would leave out Authorization.
    """
    if origin is None or not ui_origin_allowed(origin, host) or method not in _METHODS:
        return None
    names = [name.strip() for name in headers.split(",")] if headers else []
    if any(_TOKEN.fullmatch(name) is None for name in names):
        return None
    answer = {
        "Access-Control-Allow-Origin": origin,
        "Access-Control-Allow-Methods": ", ".join(_METHODS),
        "Access-Control-Max-Age": str(_PREFLIGHT_SECONDS),
        "Vary": "Origin, Access-Control-Request-Method, Access-Control-Request-Headers",
    }
    if names:
        answer["Access-Control-Allow-Headers"] = ", ".join(names)
    return answer
