# SPDX-License-Identifier: GPL-2.0-only
"""What a request names: bucket and key, by its path or its Host, and a copy's source.

It promises that a path is decoded exactly once, so `//`, `..`, a trailing `/` and an encoded `%2F` are bytes
of the key like any other. Which operation is asked of them is `routing`'s.
"""

import re
from collections.abc import Mapping

from dgproxy.s3 import uri
from dgproxy.s3.errors import S3Error
from dgproxy.s3.names import check_bucket, check_key, check_version
from dgproxy.s3.operation import CopySource

__all__ = ["bucket_of", "hosted_bucket", "named", "parse_copy_source", "query_of", "split"]


def bucket_of(raw_target: str, headers: Mapping[str, str], *, domain: str | None = None) -> str:
    """Find the bucket that a request names, "" for none, whatever else is asked; arguments as for `routing`.

    Raises S3Error: InvalidURI, InvalidBucketName.
    """
    bucket, _ = named(split(raw_target)[0], headers, domain)
    if bucket:
        check_bucket(bucket)
    return bucket


def named(raw_path: str, headers: Mapping[str, str], domain: str | None) -> tuple[str, str]:
    """Decode bucket and key of a raw path, either of them "" for none. Raises S3Error InvalidURI."""
    path = uri.decode(raw_path)
    bucket = hosted_bucket(headers.get("host", ""), domain)
    if bucket is not None:
        return bucket, path[1:]
    bucket, _, key = path[1:].partition("/")
    return bucket, key


def split(raw_target: str) -> tuple[str, str]:
    """Split a request target into raw path, which starts with `/`, and query. Raises S3Error InvalidURI."""
    if not raw_target.startswith("/"):
        _, found, rest = raw_target.partition("://")
        if not found:
            raise S3Error("InvalidURI", extra={"URI": raw_target})
        _, slash, rest = rest.partition("/")
        raw_target = slash + rest
    path, _, query = raw_target.partition("?")
    return path or "/", query


def query_of(raw_query: str) -> dict[str, str]:
    """Decode the parameters, the first of each name; `+` is a space as in forms. Raises InvalidURI."""
    query: dict[str, str] = {}
    for pair in raw_query.split("&"):
        if pair:
            name, _, value = pair.partition("=")
            query.setdefault(uri.decode(name.replace("+", " ")), uri.decode(value.replace("+", " ")))
    return query


def hosted_bucket(host: str, domain: str | None) -> str | None:
    """Find the bucket a virtual-hosted style Host names, None for path style; `domain` as for `routing`."""
    if domain is None:
        return None
    name = host.lower().rpartition(":")[0] if re.search(r":[0-9]*$", host) else host.lower()
    bucket = name.removesuffix("." + domain.lower())
    return bucket if bucket != name and bucket else None


def parse_copy_source(value: str) -> CopySource:
    """Parse x-amz-copy-source: `[/]bucket/key[?versionId=null]`, encoded like a form (`+` is a space).

    Raises S3Error: InvalidArgument, NoSuchVersion, InvalidBucketName, KeyTooLongError.
    """
    path, marker, version = value.partition("?versionId=")
    try:
        source = uri.decode(path.replace("+", " "))
    except S3Error as error:
        raise _bad_source(value, "Invalid copy source encoding.") from error
    if marker:
        check_version(version)
    bucket, _, key = source.removeprefix("/").partition("/")
    if not bucket or not key:
        raise _bad_source(value, "Invalid copy source object key")
    check_bucket(bucket)
    check_key(key)
    return CopySource(bucket, key)


def _bad_source(value: str, message: str) -> S3Error:
    extra = {"ArgumentName": "x-amz-copy-source", "ArgumentValue": value}
    return S3Error("InvalidArgument", message, extra=extra)
