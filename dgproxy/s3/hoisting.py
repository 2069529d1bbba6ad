# SPDX-License-Identifier: GPL-2.0-only
"""Headers that a presigned URL carries as parameters: SDKs "hoist" them, so that any client can send it.

They count once the URL is authenticated; the signature is `sigv4`'s and `sigv2`'s.
"""

from collections.abc import Mapping
from typing import Final

from dgproxy.s3 import claim
from dgproxy.s3.errors import S3Error

__all__ = ["hoisted_headers", "with_hoisted"]

_NOT_HOISTED: Final = (
    *(name.lower() for name in claim.QUERY_PARAMETERS),
    *("x-amz-content-sha256", "x-amz-security-token", "x-amz-checksum-", "x-amz-sdk-"),
)


def hoisted_headers(query: Mapping[str, str]) -> dict[str, str]:
    """Give the headers that a presigned URL carries as parameters; names in lower case.

    Not the checksums: SDKs that presign without a body put the empty body's there, and S3 ignores it.
    """
    if not (claim.is_presigned(query) or claim.is_presigned_v2(query)):
        return {}
    content = ("content-type", "content-md5") if claim.is_presigned_v2(query) else ()
    return {
        name.lower(): value
        for name, value in query.items()
        if (name.lower().startswith("x-amz-") and not name.lower().startswith(_NOT_HOISTED))
        or name.lower() in content
    }


def with_hoisted(headers: Mapping[str, str], query: Mapping[str, str]) -> dict[str, str]:
    """Give the headers of a request and those that its presigned URL carries; names in lower case.

    Raises S3Error InvalidRequest where both have an x-amz- header and disagree: both are signed. ("Signature
    Calculations: Using Query Parameters", Amazon S3 API Reference.)
    """
    hoisted = hoisted_headers(query)
    for name, value in hoisted.items():
        if name.startswith("x-amz-") and headers.get(name, value) != value:
            raise S3Error("InvalidRequest", f"Conflicting values of {name} in a header and the query string.")
    return {**hoisted, **headers}
