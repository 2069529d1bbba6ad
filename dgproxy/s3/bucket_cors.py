# SPDX-License-Identifier: GPL-2.0-only
"""A bucket's CORS configuration: which pages of other origins may call it, and the headers that say so.

Decides only, on rules that `xml` has read. The built-in browser's own origin is `cors`'s business. Amazon S3
User Guide, "Elements of a CORS configuration"; Fetch Standard, section 3.3 ("HTTP CORS protocol").
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from dgproxy.s3.errors import S3Error

__all__ = ["METHODS", "Rule", "allow", "for_origins", "requested_headers"]

METHODS: Final = ("GET", "PUT", "POST", "DELETE", "HEAD")
_VARY: Final = "Origin, Access-Control-Request-Headers, Access-Control-Request-Method"


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule. Each of `origins` and `headers` may have one `*`; `max_age` is in seconds."""

    origins: tuple[str, ...]
    methods: tuple[str, ...]
    headers: tuple[str, ...] = ()
    expose: tuple[str, ...] = ()
    max_age: int | None = None
    id: str = ""

    def __post_init__(self) -> None:
        """Raises S3Error: InvalidRequest, MalformedXML."""
        if not self.origins or not self.methods:
            raise S3Error("MalformedXML")
        for method in self.methods:
            if method not in METHODS:
                raise S3Error(
                    "InvalidRequest",
                    f"Found unsupported HTTP method in CORS config. Unsupported method is {method}",
                )
        for name, patterns in (("AllowedOrigin", self.origins), ("AllowedHeader", self.headers)):
            for pattern in patterns:
                if pattern.count("*") > 1:
                    message = f'{name} "{pattern}" can not have more than one wildcard.'
                    raise S3Error("InvalidRequest", message)


def for_origins(origins: Iterable[str]) -> list[Rule]:
    """Make the rules that let pages of these origins do everything; none for no origins."""
    named = tuple(origins)
    return [Rule(named, METHODS, ("*",), ("ETag", "x-amz-*"), 3600)] if named else []


def requested_headers(text: str | None) -> list[str]:
    """Take Access-Control-Request-Headers apart, in lower case."""
    return [name for part in (text or "").split(",") if (name := part.strip().lower())]


def allow(rules: Sequence[Rule], origin: str, method: str, headers: Sequence[str] = ()) -> dict[str, str]:
    """Give the headers of the first rule that allows a request with these headers; {} when none does."""
    for rule in rules:
        by = next((pattern for pattern in rule.origins if _matches(pattern, origin)), None)
        if by is not None and method in rule.methods and all(_allowed(rule, name) for name in headers):
            return _answer(rule, "*" if by == "*" else origin, headers)
    return {}


def _allowed(rule: Rule, header: str) -> bool:
    return any(_matches(pattern.lower(), header) for pattern in rule.headers)


def _answer(rule: Rule, origin: str, headers: Sequence[str]) -> dict[str, str]:
    answer = {
        "Access-Control-Allow-Origin": origin,
        "Access-Control-Allow-Methods": ", ".join(rule.methods),
        "Vary": _VARY,
    }
    if origin != "*":
        answer["Access-Control-Allow-Credentials"] = "true"
    if headers:
        answer["Access-Control-Allow-Headers"] = ", ".join(headers)
    if rule.expose:
        answer["Access-Control-Expose-Headers"] = ", ".join(rule.expose)
    if rule.max_age is not None:
        answer["Access-Control-Max-Age"] = str(rule.max_age)
    return answer


def _matches(pattern: str, text: str) -> bool:
    """Compare with a pattern in which one `*` stands for anything."""
    start, star, end = pattern.partition("*")
    if not star:
        return text == pattern
    return len(text) >= len(start) + len(end) and text.startswith(start) and text.endswith(end)
