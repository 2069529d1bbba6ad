# SPDX-License-Identifier: GPL-2.0-only
"""Answers: what an object's manifest becomes in headers, and how XML goes out.

Pure but for aiohttp's response type. Which answer an operation gives is its handler's to say.
"""

from collections.abc import Mapping
from typing import Final

from aiohttp import web

from dgproxy.engine.manifest import Manifest
from dgproxy.engine.uploads import Upload
from dgproxy.s3 import dates, metadata
from dgproxy.s3.checksums import Algorithm, Checksum

_XML: Final = "application/xml"
#: The header that says how an object is stored: delta or direct.
STORAGE_TYPE: Final = "x-amz-storage-type"


def xml(document: bytes, headers: dict[str, str] | None = None, status: int = 200) -> web.Response:
    """An XML document."""
    return web.Response(status=status, body=document, content_type=_XML, headers=headers)


def quoted(etag: str) -> str:
    """An etag as it stands in a header."""
    return f'"{etag}"'


def written(manifest: Manifest) -> dict[str, str]:
    """Headers that answer a write: what is stored now."""
    return {
        "ETag": quoted(manifest.etag),
        STORAGE_TYPE: manifest.storage,
        **checksum_headers(manifest.checksums),
    }


def described(manifest: Manifest) -> dict[str, str]:
    """Headers of GET and HEAD but for length, range and checksums."""
    attributes = manifest.attributes
    return {
        "ETag": quoted(manifest.etag),
        "Last-Modified": dates.http_date(manifest.created),
        "Accept-Ranges": "bytes",
        STORAGE_TYPE: manifest.storage,
        **metadata.response_headers(attributes.headers, attributes.metadata),
        **({"x-amz-tagging-count": str(len(attributes.tags))} if attributes.tags else {}),
    }


def stored_checksum(checksums: Mapping[str, str]) -> Checksum | None:
    """The checksum kept with an object or part, from its stored form."""
    for name, text in checksums.items():
        return Checksum.read(Algorithm(name.upper()), text)
    return None


def algorithm_of(upload: Upload) -> Algorithm | None:
    """The checksum that was announced for an upload."""
    return Algorithm(upload.checksum_algorithm) if upload.checksum_algorithm else None


def checksum_headers(checksums: Mapping[str, str], kind: str | None = None) -> dict[str, str]:
    """The headers that show a checksum; `kind` is the object's where it is a part's."""
    checksum = stored_checksum(checksums)
    if checksum is None:
        return {}
    return checksum.headers() | ({} if kind is None else {"x-amz-checksum-type": kind})
