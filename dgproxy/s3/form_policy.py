# SPDX-License-Identifier: GPL-2.0-only
"""The policy of a browser upload: what the owner of a key lets whoever holds the form send.

`parse` reads the signed document, `FormPolicy.check` compares a form with it. It promises that every field
of the form is covered by a condition, those apart that S3 exempts, and that a policy which can't be read
allows nothing. Whether it is signed is `sigv4`'s and `sigv2`'s business.

Amazon S3 API Reference, "Creating a POST policy" (SigV4) and "Browser uploads using POST" (Version 2).
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from dgproxy.s3.checksums import decode_base64
from dgproxy.s3.errors import S3Error

__all__ = ["Condition", "FormPolicy", "parse"]

_EXEMPT: Final = frozenset({"awsaccesskeyid", "file", "policy", "signature", "x-amz-signature"})
_EXEMPT_PREFIX: Final = "x-ignore-"
_EXPIRATION: Final = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.\d{1,9})?Z", re.ASCII)


@dataclass(frozen=True, slots=True)
class Condition:
    """What a field must be: `value`, or anything that begins with it."""

    field: str
    value: str
    prefix: bool

    def holds(self, given: str) -> bool:
        """Say whether a field's value meets it."""
        return given.startswith(self.value) if self.prefix else given == self.value


@dataclass(frozen=True, slots=True)
class FormPolicy:
    """A policy; `sizes` are the fewest and the most bytes of the file."""

    expires: datetime
    conditions: tuple[Condition, ...]
    sizes: tuple[int, int] | None

    def check(self, fields: Mapping[str, str], now: datetime) -> None:
        """Compare with the form's fields, by lower-case name, `bucket` and the final `key` among them.

        Raises S3Error AccessDenied.
        """
        if now > self.expires:
            raise _denied("Policy expired.")
        for condition in self.conditions:
            if not condition.holds(fields.get(condition.field, "")):
                operator = "starts-with" if condition.prefix else "eq"
                shown = json.dumps([operator, f"${condition.field}", condition.value])
                raise _denied(f"Policy Condition failed: {shown}")
        covered = {condition.field for condition in self.conditions} | _EXEMPT
        extra = [name for name in fields if name not in covered and not name.startswith(_EXEMPT_PREFIX)]
        if extra:
            raise _denied(f"Extra input fields: {', '.join(extra)}")


def parse(encoded: str) -> FormPolicy:
    """Read the `policy` field, base64 of JSON. Raises S3Error InvalidPolicyDocument."""
    data = decode_base64("".join(encoded.split()))
    if data is None:
        raise _invalid("not valid base64")
    try:
        document = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise _invalid("not valid JSON") from error
    if not isinstance(document, dict) or not isinstance(document.get("conditions"), list):
        raise _invalid("it needs a list of conditions")
    if document.keys() - {"conditions", "expiration"}:
        raise _invalid("it has members other than expiration and conditions")
    conditions: list[Condition] = []
    sizes = None
    for each in document["conditions"]:
        if isinstance(each, list) and each and _is(each[0], "content-length-range"):
            sizes = _sizes(each)
        else:
            conditions += _conditions(each)
    return FormPolicy(_expiration(document.get("expiration")), tuple(conditions), sizes)


def _expiration(text: object) -> datetime:
    match = _EXPIRATION.fullmatch(text) if isinstance(text, str) else None
    try:
        if match is not None:
            return datetime.fromisoformat(match[1]).replace(tzinfo=UTC)
    except ValueError:
        pass  # such as a 30th of February
    raise _invalid("it needs an expiration, such as 2030-01-01T00:00:00.000Z")


def _conditions(condition: object) -> list[Condition]:
    """Read `{"field": value, …}` or `[operator, "$field", value]`."""
    if isinstance(condition, dict) and condition:
        return [Condition(field.lower(), _value(value), prefix=False) for field, value in condition.items()]
    if isinstance(condition, list) and len(condition) == 3:
        operator, field, value = condition
        if isinstance(field, str) and field.startswith("$"):
            for name, prefix in (("eq", False), ("starts-with", True)):
                if _is(operator, name):
                    return [Condition(field[1:].lower(), _value(value), prefix)]
    raise _invalid("a condition is none of S3's")


def _is(operator: object, name: str) -> bool:
    return isinstance(operator, str) and operator.lower() == name


def _value(value: object) -> str:
    if isinstance(value, str) or (isinstance(value, int) and not isinstance(value, bool)):
        return str(value)
    raise _invalid("a condition's value must be text")


def _sizes(condition: list[object]) -> tuple[int, int]:
    sizes = [int(text) for each in condition[1:] if re.fullmatch(r"[0-9]{1,19}", text := _value(each))]
    if len(condition) != 3 or len(sizes) != 2:
        raise _invalid("content-length-range needs two numbers of bytes")
    return sizes[0], sizes[1]


def _denied(reason: str) -> S3Error:
    return S3Error("AccessDenied", f"Invalid according to Policy: {reason}")


def _invalid(reason: str) -> S3Error:
    return S3Error("InvalidPolicyDocument", f"Invalid Policy: {reason}.")
