# SPDX-License-Identifier: GPL-2.0-only
"""A client that shows exactly what it was answered: no retries, no checks of its own, no SDK in between."""

import hashlib
import http.client
from dataclasses import dataclass
from typing import Final, Self

from lxml import etree

from tests.system.harness import Server

#: The status of an answer that was cut before its first line.
CUT: Final = 599

PART: Final = 5 << 20

_XML = {"s3": "http://s3.amazonaws.com/doc/2006-03-01/"}


@dataclass(frozen=True)
class Reply:
    """What a client has in its hands: status, headers, and the body if it came complete."""

    status: int
    headers: dict[str, str]
    body: bytes | None


class Client:
    """One keep-alive connection, opened anew whenever the server cut it."""

    def __init__(self, server: Server, *, patience: float = 30):
        self.connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=patience)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.connection.close()

    def ask(self, method: str, path: str, body: bytes = b"", **headers: str) -> Reply:
        """Ask; a `_` in the name of a header stands for `-`. Raises TimeoutError."""
        status, found = CUT, dict[str, str]()
        try:
            self.connection.request(
                method, path, body, {name.replace("_", "-"): v for name, v in headers.items()}
            )
            response = self.connection.getresponse()
            status, found = response.status, {name.lower(): value for name, value in response.headers.items()}
            return Reply(status, found, response.read())
        except (http.client.IncompleteRead, ConnectionResetError):
            self.connection.close()
            return Reply(status, found, None)


def put(client: Client, key: str, data: bytes) -> None:
    """Store an object in the default bucket."""
    reply = client.ask("PUT", f"/default/{key}", data, x_amz_meta_size=str(len(data)))
    assert reply.status == 200, reply


def begin(client: Client, key: str, **headers: str) -> str:
    """Begin a multipart upload; the path and query that name it."""
    begun = client.ask("POST", f"/default/{key}?uploads", b"", **headers)
    assert begun.status == 200, begun
    upload = etree.fromstring(begun.body or b"").findtext("s3:UploadId", namespaces=_XML)
    return f"/default/{key}?uploadId={upload}"


def completion(data: bytes) -> bytes:
    """The document that completes an upload of these bytes, cut into PART."""
    listed = ""
    for number, at in enumerate(range(0, len(data), PART), 1):
        etag = hashlib.md5(data[at : at + PART]).hexdigest()
        listed += f"<Part><PartNumber>{number}</PartNumber><ETag>{etag}</ETag></Part>"
    return f"<CompleteMultipartUpload>{listed}</CompleteMultipartUpload>".encode()


def put_parts(client: Client, key: str, data: bytes, *, complete: bool) -> str:
    """A multipart upload; the path and query that name it."""
    target = begin(client, key, x_amz_meta_size=str(len(data)))
    for number, at in enumerate(range(0, len(data), PART), 1):
        sent = client.ask("PUT", f"{target}&partNumber={number}", data[at : at + PART])
        assert sent.status == 200, sent
    if complete:
        assert client.ask("POST", target, completion(data)).status == 200
    return target
