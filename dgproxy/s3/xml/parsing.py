# SPDX-License-Identifier: GPL-2.0-only
"""The XML documents that clients send: each reader takes exactly the elements its schema has.

Any other is MalformedXML. What a document may cost is bounded by `tree`.

Schemas: Amazon S3 API Reference, request syntax of CreateBucket, DeleteObjects, PutObjectTagging,
PutBucketCors and CompleteMultipartUpload.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from dgproxy.s3 import tags
from dgproxy.s3.bucket_cors import Rule
from dgproxy.s3.checksums import Algorithm, Checksum
from dgproxy.s3.errors import S3Error
from dgproxy.s3.names import check_key, check_version, part_number
from dgproxy.s3.xml.tree import Element, fields_of, root_of

__all__ = [
    "MAX_DELETE",
    "DeleteItem",
    "DeleteRequest",
    "PartReference",
    "parse_access_control_policy",
    "parse_complete_multipart_upload",
    "parse_cors",
    "parse_create_bucket",
    "parse_delete",
    "parse_tagging",
]

#: Objects in one DeleteObjects.
MAX_DELETE: Final = 1000

#: Rules in one CORS configuration.
_MAX_RULES: Final = 100
_CORS_LISTS: Final = ("AllowedOrigin", "AllowedMethod", "AllowedHeader", "ExposeHeader")
#: Their text goes into headers.
_HEADER_TEXT: Final = re.compile(r"[ -~]{0,1024}")

_CHECKSUM_ELEMENTS: Final = {algorithm.element: algorithm for algorithm in Algorithm}
_BOOLEANS: Final = {"true": True, "1": True, "false": False, "0": False}


@dataclass(frozen=True, slots=True)
class DeleteItem:
    """One object to delete; `etag` is the one it must have, "*" for any, None for unconditionally."""

    key: str
    etag: str | None = None


@dataclass(frozen=True, slots=True)
class DeleteRequest:
    """A DeleteObjects body; `quiet` leaves the successes out of the answer."""

    items: list[DeleteItem]
    quiet: bool


@dataclass(frozen=True, slots=True)
class PartReference:
    """One part in a CompleteMultipartUpload body, with the checksums the client claims for it."""

    number: int
    etag: str
    checksums: Mapping[Algorithm, bytes] = field(default_factory=dict)


def parse_create_bucket(body: bytes) -> str:
    """Read CreateBucketConfiguration; gives the LocationConstraint, "" for none or an empty body.

    Raises S3Error: MalformedXML, MaxMessageLengthExceeded, NotImplemented (directory buckets, tags).
    """
    if not body.strip():
        return ""
    constraint = ""
    for element in root_of(body, "CreateBucketConfiguration").children:
        if element.name == "LocationConstraint":
            constraint = element.text.strip()
        elif element.name in ("Location", "Bucket", "Tags"):
            raise S3Error("NotImplemented", f"This server does not create buckets with {element.name}.")
        else:
            raise S3Error("MalformedXML")
    return constraint


def parse_delete(body: bytes) -> DeleteRequest:
    """Read a DeleteObjects body: 1 to 1000 objects, in order, duplicates kept.

    Raises S3Error: MalformedXML, MaxMessageLengthExceeded, MissingRequestBodyError, KeyTooLongError,
    InvalidArgument and NoSuchVersion (a version id), NotImplemented (conditions of directory buckets).
    """
    if not body.strip():
        raise S3Error("MissingRequestBodyError")
    items, quiet = [], False
    for element in root_of(body, "Delete").children:
        if element.name == "Object":
            items.append(_delete_item(element))
        elif element.name == "Quiet" and element.text.strip().lower() in _BOOLEANS:
            quiet = _BOOLEANS[element.text.strip().lower()]
        else:
            raise S3Error("MalformedXML")
    if not 1 <= len(items) <= MAX_DELETE:
        raise S3Error("MalformedXML")
    return DeleteRequest(items, quiet)


def parse_tagging(body: bytes) -> dict[str, str]:
    """Read a Tagging body. Raises S3Error: MalformedXML, MaxMessageLengthExceeded, InvalidTag."""
    sets = root_of(body, "Tagging").children
    if [each.name for each in sets] != ["TagSet"]:
        raise S3Error("MalformedXML")
    pairs = []
    for element in sets[0].children:
        fields = fields_of(element, ("Key", "Value"))
        if element.name != "Tag" or len(fields) != 2:
            raise S3Error("MalformedXML")
        pairs.append((fields["Key"], fields["Value"]))
    return tags.check(pairs)


def parse_access_control_policy(body: bytes) -> list[tuple[str, str]]:
    """Read an AccessControlPolicy: (id of the grantee, permission) of each grant, "" for one without an id.

    Raises S3Error: MalformedXML, MaxMessageLengthExceeded.
    """
    grants: list[tuple[str, str]] = []
    for element in root_of(body, "AccessControlPolicy").children:
        if element.name not in ("Owner", "AccessControlList"):
            raise S3Error("MalformedXML")
        grants += [_grant(each) for each in element.children if element.name == "AccessControlList"]
    return grants


def _grant(element: Element) -> tuple[str, str]:
    children = {child.name: child for child in element.children}
    if element.name != "Grant" or children.keys() != {"Grantee", "Permission"}:
        raise S3Error("MalformedXML")
    grantee = fields_of(children["Grantee"], ("ID", "DisplayName", "EmailAddress", "URI"))
    return grantee.get("ID", "").strip(), children["Permission"].text.strip()


def parse_cors(body: bytes) -> list[Rule]:
    """Read a CORSConfiguration: 1 to 100 rules, in order.

    Raises S3Error: MalformedXML, MaxMessageLengthExceeded, InvalidRequest.
    """
    rules = [_cors_rule(element) for element in root_of(body, "CORSConfiguration").children]
    if not 1 <= len(rules) <= _MAX_RULES:
        raise S3Error("MalformedXML")
    return rules


def _cors_rule(element: Element) -> Rule:
    if element.name != "CORSRule":
        raise S3Error("MalformedXML")
    lists: dict[str, list[str]] = {name: [] for name in _CORS_LISTS}
    single = {"ID": "", "MaxAgeSeconds": ""}
    for child in element.children:
        text = child.text.strip()
        if child.children or not _HEADER_TEXT.fullmatch(text):
            raise S3Error("MalformedXML")
        if child.name in lists:
            lists[child.name].append(text)
        elif child.name in single and not single[child.name]:
            single[child.name] = text
        else:
            raise S3Error("MalformedXML")
    age = single["MaxAgeSeconds"]
    if not re.fullmatch(r"[0-9]{0,9}", age):
        raise S3Error("MalformedXML")
    return Rule(
        origins=tuple(lists["AllowedOrigin"]),
        methods=tuple(lists["AllowedMethod"]),
        headers=tuple(lists["AllowedHeader"]),
        expose=tuple(lists["ExposeHeader"]),
        max_age=int(age) if age else None,
        id=single["ID"],
    )


def parse_complete_multipart_upload(body: bytes) -> list[PartReference]:
    """Read a part list: at least one part, in ascending order; of one number listed again the last counts.

    Who sends a part twice at once and lists each answer means the part that is there in the end.
    Raises S3Error: MalformedXML, MaxMessageLengthExceeded, InvalidPartOrder, InvalidArgument, InvalidRequest.
    """
    parts: list[PartReference] = []
    for element in root_of(body, "CompleteMultipartUpload").children:
        part = _part(element)
        if parts and part.number < parts[-1].number:
            raise S3Error("InvalidPartOrder")
        if parts and part.number == parts[-1].number:
            parts.pop()
        parts.append(part)
    if not parts:
        raise S3Error("MalformedXML")
    return parts


def _delete_item(element: Element) -> DeleteItem:
    fields = fields_of(element, ("Key", "VersionId", "ETag", "LastModifiedTime", "Size"))
    key = fields.get("Key", "")
    if not key:
        raise S3Error("MalformedXML")
    check_key(key)
    if fields.get("VersionId"):
        check_version(fields["VersionId"])
    for name in ("LastModifiedTime", "Size"):
        if name in fields:
            raise S3Error("NotImplemented", f"This server does not delete on condition of {name}.")
    return DeleteItem(key, _etag(fields["ETag"]) if "ETag" in fields else None)


def _part(element: Element) -> PartReference:
    if element.name != "Part":
        raise S3Error("MalformedXML")
    fields = fields_of(element, ("PartNumber", "ETag", *_CHECKSUM_ELEMENTS))
    number = fields.get("PartNumber", "").strip()
    if "ETag" not in fields or not number.removeprefix("-").isdigit():
        raise S3Error("MalformedXML")
    checksums = {
        algorithm: Checksum.read(algorithm, fields[name].strip()).digest
        for name, algorithm in _CHECKSUM_ELEMENTS.items()
        if name in fields
    }
    return PartReference(part_number(number), _etag(fields["ETag"]), checksums)


def _etag(text: str) -> str:
    return text.strip().removeprefix('"').removesuffix('"')
