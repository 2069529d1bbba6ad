# SPDX-License-Identifier: GPL-2.0-only
"""Every kind of request that changes what is stored, each in a deltaspace of its own, ready to be sent.

An operation makes what it needs (acknowledged, so that it must be there afterwards) and returns its request
without sending it: whoever asked for it arranges for a fault first. Small objects, few of them: the order of
calls to storage is that of large ones.
"""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from lxml import etree

from tests.system.artifacts import generate, next_version
from tests.system.history import History, sha256
from tests.system.looking import XML, Connection

_FIRST = generate(71, 60_000)
_SECOND = next_version(_FIRST, 72)
_THIRD = next_version(_SECOND, 73)
_NOISE = generate(74, 30_000)


@dataclass(frozen=True)
class Request:
    """`value` is the digest of what `key` is to be, None for no object; no `key`: no object changes."""

    method: str
    path: str
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    key: str = ""
    value: str | None = None


def succeeded(status: int, body: bytes) -> bool:
    """Whether an answer says that it was done; CompleteMultipartUpload may say 200 first and fail then."""
    return status in (200, 204) and b"<Error>" not in body


class Space:
    """A deltaspace, and what was written in it."""

    def __init__(self, connection: Connection, prefix: str, history: History):
        self.connection, self.prefix, self.history = connection, prefix, history

    def send(self, request: Request) -> tuple[int, bytes]:
        """Send it, and note how it went. Raises Gone."""
        write = self.history.begin(request.key, request.method, request.value) if request.key else None
        status, _, body = self.connection.ask(request.method, request.path, request.body, request.headers)
        if write is not None and succeeded(status, body):
            self.history.acknowledge(write)
        return status, body

    def must(self, request: Request) -> bytes:
        """Send it where nothing may go wrong."""
        status, body = self.send(request)
        assert succeeded(status, body), f"{request.method} {request.path}: {status} {body[:500]!r}"
        return body

    def putting(self, name: str, data: bytes, **headers: str) -> Request:
        key = self.prefix + name
        return Request("PUT", f"/default/{key}", data, headers, key, sha256(data))

    def copying(self, name: str, source: str, data: bytes) -> Request:
        key = self.prefix + name
        headers = {"x-amz-copy-source": f"/default/{self.prefix}{source}"}
        return Request("PUT", f"/default/{key}", b"", headers, key, sha256(data))

    def deleting(self, name: str) -> Request:
        key = self.prefix + name
        return Request("DELETE", f"/default/{key}", key=key)

    def versions(self) -> None:
        """A reference and a delta."""
        self.must(self.putting("v1.zip", _FIRST))
        self.must(self.putting("v2.zip", _SECOND))

    def upload(self) -> str:
        """A multipart upload that was begun: the path that names it."""
        begun = etree.fromstring(self.must(_create(self)))
        upload = begun.findtext("s3:UploadId", namespaces=XML)
        return f"/default/{self.prefix}big.zip?uploadId={upload}"


def _create(space: Space) -> Request:
    return Request("POST", f"/default/{space.prefix}big.zip?uploads")


def _inline(space: Space) -> Request:
    return space.putting("small.txt", _NOISE[:100])


def _direct(space: Space) -> Request:
    return space.putting("notes.bin", _NOISE)


def _reference(space: Space) -> Request:
    return space.putting("v1.zip", _FIRST)


def _delta(space: Space) -> Request:
    space.must(space.putting("v1.zip", _FIRST))
    return space.putting("v2.zip", _SECOND)


def _overwrite(space: Space) -> Request:
    space.versions()
    return space.putting("v2.zip", _THIRD)


def _duplicate(space: Space) -> Request:
    space.versions()
    return space.putting("again.zip", _SECOND)


def _copy(space: Space) -> Request:
    space.versions()
    return space.copying("copy.zip", "v2.zip", _SECOND)


def _delete(space: Space) -> Request:
    space.versions()
    return space.deleting("v2.zip")


def _delete_last(space: Space) -> Request:
    space.must(space.putting("v1.zip", _FIRST))
    return space.deleting("v1.zip")


def _part(space: Space) -> Request:
    space.must(space.putting("v1.zip", _FIRST))
    return Request("PUT", f"{space.upload()}&partNumber=1", _THIRD)


def _complete(space: Space) -> Request:
    part = _part(space)
    space.must(part)
    etag = hashlib.md5(_THIRD).hexdigest()
    document = (
        "<CompleteMultipartUpload><Part><PartNumber>1</PartNumber>"
        f"<ETag>{etag}</ETag></Part></CompleteMultipartUpload>"
    )
    path, key = part.path.removesuffix("&partNumber=1"), f"{space.prefix}big.zip"
    return Request("POST", path, document.encode(), key=key, value=sha256(_THIRD))


def _abort(space: Space) -> Request:
    part = _part(space)
    space.must(part)
    return Request("DELETE", part.path.removesuffix("&partNumber=1"))


OPERATIONS: dict[str, Callable[[Space], Request]] = {
    "inline": _inline,
    "direct": _direct,
    "reference": _reference,
    "delta": _delta,
    "overwrite": _overwrite,
    "duplicate": _duplicate,
    "copy": _copy,
    "delete": _delete,
    "delete last": _delete_last,
    "create": _create,
    "part": _part,
    "complete": _complete,
    "abort": _abort,
}
