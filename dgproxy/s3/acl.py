# SPDX-License-Identifier: GPL-2.0-only
"""Owner and access control lists: whatever is here is its owner's alone, and asking for that is no change.

`refuse_others` judges what a write asks for beside its own work, `check` what PutBucketAcl and PutObjectAcl
ask for, `check_owner` whom any request takes for the owner. A list that lets anybody else in is
NotImplemented: access is given to keys in the configuration.
Amazon S3 User Guide, "Access control list (ACL) overview", canned ACLs.
"""

from collections.abc import Mapping
from typing import Final

from dgproxy.s3.errors import S3Error
from dgproxy.s3.xml.elements import OWNER_ID
from dgproxy.s3.xml.parsing import parse_access_control_policy

__all__ = ["check", "check_owner", "refuse_others"]

_HEADER: Final = "x-amz-acl"
_GRANT: Final = "x-amz-grant-"
_EXPECTED_OWNER: Final = ("x-amz-expected-bucket-owner", "x-amz-source-expected-bucket-owner")
#: Of a bucket whose owner owns every object in it, these say the same.
_PRIVATE: Final = frozenset({"private", "bucket-owner-read", "bucket-owner-full-control"})
_OTHERS: Final = frozenset(
    {"public-read", "public-read-write", "authenticated-read", "aws-exec-read", "log-delivery-write"}
)


def check_owner(headers: Mapping[str, str]) -> None:
    """Refuse a request that is meant for buckets of somebody else. Raises S3Error AccessDenied."""
    for name in _EXPECTED_OWNER:
        if headers.get(name, OWNER_ID) != OWNER_ID:
            message = f"The buckets of this server belong to {OWNER_ID}, not to the account in {name}."
            raise S3Error("AccessDenied", message)


def refuse_others(headers: Mapping[str, str]) -> None:
    """Refuse headers that let others in. Raises S3Error: NotImplemented, InvalidArgument (no canned ACL)."""
    canned = headers.get(_HEADER)
    if canned is not None and canned not in _PRIVATE | _OTHERS:
        raise S3Error("InvalidArgument", extra={"ArgumentName": _HEADER, "ArgumentValue": canned})
    for name in headers:
        if name.lower().startswith(_GRANT) or (name.lower() == _HEADER and canned in _OTHERS):
            raise S3Error("NotImplemented", extra={"Header": name.lower()})


def check(headers: Mapping[str, str], document: bytes) -> None:
    """Accept a list that leaves everything to the owner, given by header or document.

    Raises S3Error: NotImplemented, InvalidArgument, MalformedXML, UnexpectedContent, MissingSecurityHeader.
    """
    by_header = any(name.lower() == _HEADER or name.lower().startswith(_GRANT) for name in headers)
    if by_header and document.strip():
        raise S3Error("UnexpectedContent")
    refuse_others(headers)
    if by_header:
        return
    if not document.strip():
        raise S3Error("MissingSecurityHeader", extra={"MissingHeaderName": _HEADER})
    if parse_access_control_policy(document) != [(OWNER_ID, "FULL_CONTROL")]:
        raise S3Error("NotImplemented", "This server has no access control lists that let others in.")
