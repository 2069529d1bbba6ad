# SPDX-License-Identifier: GPL-2.0-only
"""A document that a client sent as a small tree, built without trusting it.

It is given up as soon as it has a DTD or more elements than any document of S3 has (libxml2 itself ends at a
depth of 256): what it costs is bounded by `MAX_DOCUMENT` and `_MAX_ELEMENTS`, not by what it claims. What its
elements mean is `parsing`'s.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final, cast

from lxml import etree

from dgproxy.s3.errors import S3Error

__all__ = ["MAX_DOCUMENT", "Element", "fields_of", "root_of"]

#: Bytes of the largest document taken: 1000 keys of 1024 bytes, each byte a character reference, and the
#: elements.
MAX_DOCUMENT: Final = 8 << 20
# 10000 parts with a number, an etag and a checksum for each algorithm.
_MAX_ELEMENTS: Final = 100_000


@dataclass(slots=True)
class Element:
    """An element without its namespace, and its character data in the pieces it came in."""

    name: str
    pieces: list[str] = field(default_factory=list)
    children: list["Element"] = field(default_factory=list)

    @property
    def text(self) -> str:
        """Its own character data, kept to the letter."""
        return "".join(self.pieces)


class _Builder:
    """What lxml calls while it parses (its "target parser interface"); raises to give up."""

    def __init__(self) -> None:
        self._root = Element("")
        self._open = [self._root]
        self._count = 0

    def start(self, tag: str, attributes: Mapping[str, str]) -> None:
        """Begin an element."""
        self._count += 1
        if self._count > _MAX_ELEMENTS:
            raise S3Error("MalformedXML")
        element = Element(tag.rpartition("}")[2])
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

    def close(self) -> Element:
        """Give the document node; lxml calls this even when the document has no root."""
        return self._root


def root_of(body: bytes, name: str) -> Element:
    """Parse a document whose root must be `name`. Raises S3Error: MalformedXML, MaxMessageLengthExceeded."""
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
        document = cast("Element", etree.fromstring(body, parser))
    except (etree.LxmlError, ValueError) as error:
        raise S3Error("MalformedXML") from error
    if [root.name for root in document.children] != [name]:
        raise S3Error("MalformedXML")
    return document.children[0]


def fields_of(element: Element, names: Iterable[str]) -> dict[str, str]:
    """Take an element's children as fields: each one of `names`, at most once, with text only.

    Raises S3Error MalformedXML.
    """
    fields: dict[str, str] = {}
    for child in element.children:
        if child.name not in names or child.name in fields or child.children:
            raise S3Error("MalformedXML")
        fields[child.name] = child.text
    return fields
