# SPDX-License-Identifier: GPL-2.0-only
"""The pieces that S3's response documents are made of, as text.

Written as text, not through a tree: a listing page of 1000 keys is on the hot path. Every value goes through
`escape` or percent-encoding; nothing else here puts text between tags.

A character that XML 1.0 cannot hold (most below U+0020) is written as a character reference all the same, as
S3 does: a strict parser then refuses the page, which is better than a key that does not exist, and
encoding-type=url is the way out. `readable` is for error documents, which are for people and whose code must
get through.
"""

import re
from collections.abc import Iterable
from typing import Final

from dgproxy.s3 import uri
from dgproxy.s3.checksums import Algorithm, Checksum, ChecksumType

__all__ = [
    "HEAD",
    "OWNER_FIELDS",
    "OWNER_ID",
    "checksum_kind_tags",
    "checksum_tags",
    "common_prefix_tags",
    "document",
    "encoding_type_tag",
    "escape",
    "etag_tag",
    "name_tag",
    "readable",
    "sent_tag",
    "tag",
    "truncated_tag",
]

HEAD: Final = '<?xml version="1.0" encoding="UTF-8"?>\n'
_NAMESPACE: Final = "http://s3.amazonaws.com/doc/2006-03-01/"

# There is one owner of everything. S3's canonical user ids are 64 hex digits.
OWNER_ID: Final = "de17a911de5" + "0" * 53
OWNER_FIELDS: Final = f"<ID>{OWNER_ID}</ID><DisplayName>deltaglider_proxy</DisplayName>"

# XML 1.0, section 2.2, read the other way round; and what would be lost or misread as plain text: markup, and
# line ends, which a parser normalises.
_ILLEGAL: Final = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
_SPECIAL: Final = re.compile('[\x00-\x1f&<>"\ud800-\udfff\ufffe\uffff]')
_NAMED: Final = {"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;"}


def document(root: str, *content: str) -> bytes:
    """Make a whole document."""
    return f'{HEAD}<{root} xmlns="{_NAMESPACE}">{"".join(content)}</{root}>'.encode()


def tag(name: str, text: str) -> str:
    """Make an element with text."""
    return f"<{name}>{escape(text)}</{name}>"


def name_tag(name: str, text: str, url: bool) -> str:
    """Make an element that encoding-type applies to."""
    return f"<{name}>{uri.encode(text.encode(), safe='/')}</{name}>" if url else tag(name, text)


def sent_tag(name: str, text: str, url: bool) -> str:
    """Make an element that clients compare with what they sent: encoded only where XML can't hold it."""
    return name_tag(name, text, url and _ILLEGAL.search(text) is not None)


def etag_tag(etag: str) -> str:
    """Make an ETag, in its quotes."""
    return f"<ETag>&quot;{escape(etag)}&quot;</ETag>"


def truncated_tag(more: bool) -> str:
    """Make IsTruncated."""
    return f"<IsTruncated>{'true' if more else 'false'}</IsTruncated>"


def encoding_type_tag(url: bool) -> str:
    """Make EncodingType, if names are encoded."""
    return "<EncodingType>url</EncodingType>" if url else ""


def common_prefix_tags(prefixes: Iterable[str], url: bool) -> str:
    """Make CommonPrefixes, one for each."""
    return "".join(
        f"<CommonPrefixes>{name_tag('Prefix', prefix, url)}</CommonPrefixes>" for prefix in prefixes
    )


def checksum_tags(checksum: Checksum | None, *, with_kind: bool) -> str:
    """Make a checksum and, for whole objects, its type; nothing without one."""
    if checksum is None:
        return ""
    kind = f"<ChecksumType>{checksum.kind.value}</ChecksumType>" if with_kind else ""
    return tag(checksum.algorithm.element, checksum.text) + kind


def checksum_kind_tags(algorithms: Iterable[Algorithm], kind: ChecksumType | None) -> str:
    """Make the elements that say what kinds of checksums there are; nothing for none."""
    named = "".join(f"<ChecksumAlgorithm>{each.value}</ChecksumAlgorithm>" for each in algorithms)
    return f"{named}<ChecksumType>{kind.value}</ChecksumType>" if named and kind else named


def escape(text: str) -> str:
    """Make text safe between tags, whatever is in it."""
    return _SPECIAL.sub(_reference, text)


def _reference(match: re.Match[str]) -> str:
    character = match[0]
    return _NAMED.get(character) or f"&#x{ord(character):X};"


def readable(text: str) -> str:
    """Replace what XML 1.0 cannot hold by U+FFFD."""
    return _ILLEGAL.sub("\ufffd", text)
