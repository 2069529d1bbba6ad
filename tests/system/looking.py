# SPDX-License-Identifier: GPL-2.0-only
"""What a server shows after a fault or a crash, held against what `history` allows.

Asks with http.client, so that nothing is tried again behind the test's back. Whoever calls makes the writes.
"""

import hashlib
import http.client
from collections.abc import Mapping

from lxml import etree

from tests.system.harness import Server
from tests.system.history import History, sha256

XML = {"s3": "http://s3.amazonaws.com/doc/2006-03-01/"}


class Gone(Exception):
    """The server died under a request."""


class Connection:
    """Requests on one connection; `Gone` when there is no answer."""

    def __init__(self, server: Server):
        self.http = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)

    def ask(
        self, method: str, path: str, body: bytes = b"", headers: Mapping[str, str] | None = None
    ) -> tuple[int, http.client.HTTPMessage, bytes]:
        try:
            self.http.request(method, path, body, headers or {})
            response = self.http.getresponse()
            return response.status, response.headers, response.read()
        except (OSError, http.client.HTTPException) as error:
            self.http.close()
            raise Gone from error


def look(server: Server, history: History, prefix: str = "") -> dict[str, str | None]:
    """What is there under `prefix`, where all of `history` is, by key.

    LIST, HEAD and GET must agree, and what they show must be possible.
    """
    connection = Connection(server)
    status, _, body = connection.ask("GET", f"/default?list-type=2&prefix={prefix}")
    assert status == 200, body
    listed = {
        str(entry.findtext("s3:Key", namespaces=XML)): (
            int(entry.findtext("s3:Size", namespaces=XML) or -1),
            entry.findtext("s3:ETag", namespaces=XML),
        )
        for entry in etree.fromstring(body).iterfind("s3:Contents", namespaces=XML)
    }
    found: dict[str, str | None] = {}
    assert set(listed) <= set(history.written()), "a key that nobody wrote"
    for key in history.written():
        path = "/default/" + key.replace(" ", "%20")
        head, head_headers, _ = connection.ask("HEAD", path)
        status, headers, data = connection.ask("GET", path)
        assert head == status, f"{key}: HEAD {head}, GET {status}: {data[:300]!r}"
        assert status in (200, 404), f"{key}: {status} {data[:300]!r}"
        assert (status == 200) == (key in listed), f"{key}: GET {status}, LIST {listed.get(key)}"
        value = sha256(data) if status == 200 else None
        possible = history.possible(key)
        assert value in possible, f"{key}: {value and value[:8]} is there, but only {possible} may be"
        if status == 200:
            seen = (len(data), headers["ETag"])
            assert seen == listed[key] == (int(head_headers["Content-Length"]), head_headers["ETag"]), key
            if "-" not in headers["ETag"]:
                assert headers["ETag"].strip('"') == hashlib.md5(data).hexdigest()
        history.observe(key, value)
        found[key] = value
    connection.http.close()
    return found
