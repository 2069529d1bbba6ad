# SPDX-License-Identifier: GPL-2.0-only
"""The XML documents that clients send, read without trusting them.

A document becomes a small tree as it is parsed, element by element, and is given up as soon as it has a DTD
or more elements than any document of S3 has (libxml2 itself ends at a depth of 256): what it costs is bounded
by `MAX_DOCUMENT` and `_MAX_ELEMENTS`, not by what it claims. Then its reader takes exactly the elements its
schema has; any other is MalformedXML.

Schemas: Amazon S3 API Reference, request syntax of CreateBucket, DeleteObjects, PutObjectTagging,
PutBucketCors and CompleteMultipartUpload.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final, cast

from lxml import etree

from dgproxy.s3 import tags
from dgproxy.s3.bucket_cors import Rule
from dgproxy.s3.checksums import Algorithm, Checksum
from dgproxy.s3.errors import S3Error
from dgproxy.s3.names import check_key, check_version, part_number

__all__ = [
    "MAX_DELETE",
    "MAX_DOCUMENT",
    "DeleteItem",
    "DeleteRequest",
    "PartReference",
    "parse_complete_multipart_upload",
    "parse_cors",
    "parse_create_bucket",
    "parse_delete",
    "parse_tagging",
]

#: Bytes of the largest document taken: 1000 keys of 1024 bytes, each byte a character reference, and the
#: elements.
MAX_DOCUMENT: Final = 8 << 20
#: Objects in one DeleteObjects.
MAX_DELETE: Final = 1000
# 10000 parts with a number, an etag and a checksum for each algorithm.
_MAX_ELEMENTS: Final = 100_000

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
    for element in _root(body, "CreateBucketConfiguration").children:
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
    for element in _root(body, "Delete").children:
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
    sets = _root(body, "Tagging").children
    if [each.name for each in sets] != ["TagSet"]:
        raise S3Error("MalformedXML")
    pairs = []
    for element in sets[0].children:
        fields = _fields(element, ("Key", "Value"))
        if element.name != "Tag" or len(fields) != 2:
            raise S3Error("MalformedXML")
        pairs.append((fields["Key"], fields["Value"]))
    return tags.check(pairs)


def parse_cors(body: bytes) -> list[Rule]:
    """Read a CORSConfiguration: 1 to 100 rules, in order.

    Raises S3Error: MalformedXML, MaxMessageLengthExceeded, InvalidRequest.
    """
    rules = [_cors_rule(element) for element in _root(body, "CORSConfiguration").children]
    if not 1 <= len(rules) <= _MAX_RULES:
        raise S3Error("MalformedXML")
    return rules


def _cors_rule(element: "_Element") -> Rule:
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
    """Read a part list: at least one part, in strictly ascending order.

    Raises S3Error: MalformedXML, MaxMessageLengthExceeded, InvalidPartOrder, InvalidArgument, InvalidRequest.
    """
    parts: list[PartReference] = []
    for element in _root(body, "CompleteMultipartUpload").children:
        part = _part(element)
        if parts and part.number <= parts[-1].number:
            raise S3Error("InvalidPartOrder")
        parts.append(part)
    if not parts:
        raise S3Error("MalformedXML")
    return parts


def _delete_item(element: "_Element") -> DeleteItem:
    fields = _fields(element, ("Key", "VersionId", "ETag", "LastModifiedTime", "Size"))
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


def _part(element: "_Element") -> PartReference:
    if element.name != "Part":
        raise S3Error("MalformedXML")
    fields = _fields(element, ("PartNumber", "ETag", *_CHECKSUM_ELEMENTS))
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


# -- the tree ------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Element:
    """An element without its namespace, and its character data in the pieces it came in."""

    name: str
    pieces: list[str] = field(default_factory=list)
    children: list["_Element"] = field(default_factory=list)

    @property
    def text(self) -> str:
        """Its own character data, kept to the letter."""
        return "".join(self.pieces)


class _Builder:
    """What lxml calls while it parses (its "target parser interface"); raises to give up."""

    def __init__(self) -> None:
        self._root = _Element("")
        self._open = [self._root]
        self._count = 0

    def start(self, tag: str, attributes: Mapping[str, str]) -> None:
        """Begin an element."""
        self._count += 1
        if self._count > _MAX_ELEMENTS:
            raise S3Error("MalformedXML")
        element = _Element(tag.rpartition("}")[2])
        self._open[-1].children.append(element)
        self._open.append(element)

    def end(self, tag: str) -> None:
        """End an element."""
        self._open.pop()

    def data(self, text: str) -> None:
        """Take character data; a megabyte of character references comes in as many pieces."""
        self._open[-1].pieces.append(text)

    def doctype(self, name: str, public_id: str | None, system_url: str | None) -> None:
        """Refuse a DTD: no document of S3 has one."""
        raise S3Error("MalformedXML")

    def close(self) -> _Element:
        """Give the document node; lxml calls this even when the document has no root."""
        return self._root


def _root(body: bytes, name: str) -> _Element:
    """Parse a document whose root must be `name`."""
    if len(body) > MAX_DOCUMENT:
        raise S3Error("MaxMessageLengthExceeded", extra={"MaxMessageLengthBytes": str(MAX_DOCUMENT)})
    parser = etree.XMLParser(
        target=_Builder(),  # type: ignore[arg-type]  # the stubs ask for more than lxml does
        resolve_entities=False,
        load_dtd=False,
        dtd_validation=False,
        no_network=True,
        huge_tree=False,
        remove_comments=True,
        remove_pis=True,
    )
    try:
        document = cast("_Element", etree.fromstring(body, parser))
    except (etree.LxmlError, ValueError) as error:
        raise S3Error("MalformedXML") from error
    if [root.name for root in document.children] != [name]:
        raise S3Error("MalformedXML")
    return document.children[0]


def _fields(element: _Element, names: Iterable[str]) -> dict[str, str]:
    """Take an element's children as fields: each one of `names`, at most once, with text only."""
    fields: dict[str, str] = {}
    for child in element.children:
        if child.name not in names or child.name in fields or child.children:
            raise S3Error("MalformedXML")
        fields[child.name] = child.text
    return fields
