# SPDX-License-Identifier: GPL-2.0-only
"""Clients that are slow, broken or hostile: each gets an S3 answer and costs nobody else."""

import contextlib
import socket
import struct
import time
from collections.abc import Iterator

import pytest

from tests.system.artifacts import generate, next_version
from tests.system.harness import CREDENTIALS, Server, eventually
from tests.system.wire import Answer, Wire

FIRST = generate(31, 9_000_000)
SECOND = next_version(FIRST, 32)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    settings = {"DELTAGLIDER_PROXY_MAX_OBJECT_SIZE": "50000000"}
    with Server(tmp_path_factory.mktemp("server"), settings) as started:
        for key, data in (("r/v1.tar", FIRST), ("r/v2.tar", SECOND)):
            with Wire(started) as wire:
                wire.request(f"PUT /default/{key}", f"Content-Length: {len(data)}", body=data)
                assert wire.answer().status == 200
        yield started


@pytest.fixture(autouse=True)
def nothing_left_behind(server: Server) -> Iterator[None]:
    """After every test: both objects are whole, nothing else is there, nothing is staged."""
    yield
    eventually(lambda: server.staged() == [], "an empty staging directory", 10)
    for key, data in (("r/v1.tar", FIRST), ("r/v2.tar", SECOND)):
        assert ask(server, f"GET /default/{key}").body == data
    listing = ask(server, "GET /default?list-type=2").body
    assert listing.count(b"<Key>") == 2, listing
    files = [path for path in server.files("default") if path.startswith("deltaspaces/")]
    blobs = [path for path in files if not path.endswith(".json")]
    assert len(blobs) == 3, f"a reference, its pin, one delta: {blobs}"


def ask(server: Server, line: str, *headers: str, body: bytes = b"") -> Answer:
    with Wire(server) as wire:
        wire.request(line, *headers, body=body)
        return wire.answer(line.split(maxsplit=1)[0])


# -- broken requests ---------------------------------------------------------------------------------------

HOST = b"Host: x\r\n"
BROKEN: dict[str, bytes] = {
    "not HTTP": b"GARBAGE\r\n\r\n",
    "TLS hello": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(64) + b"\r\n\r\n",
    "unknown version": b"GET /default HTTP/9.9\r\n" + HOST + b"\r\n",
    "NUL in the target": b"GET /default/a\0b HTTP/1.1\r\n" + HOST + b"\r\n",
    "space in the target": b"GET /default/a b HTTP/1.1\r\n" + HOST + b"\r\n",
    "long target": b"GET /default/" + b"a" * 200_000 + b" HTTP/1.1\r\n" + HOST + b"\r\n",
    "long header": b"GET /default HTTP/1.1\r\n" + HOST + b"X-A: " + b"a" * 1_000_000 + b"\r\n\r\n",
    "many headers": b"GET /default HTTP/1.1\r\n"
    + HOST
    + b"".join(b"X-%d: 1\r\n" % n for n in range(50_000))
    + b"\r\n",
    "header without colon": b"GET /default HTTP/1.1\r\n" + HOST + b"nonsense\r\n\r\n",
    "header name with space": b"GET /default HTTP/1.1\r\n" + HOST + b"a b: c\r\n\r\n",
    "two lengths": b"PUT /default/x HTTP/1.1\r\n"
    + HOST
    + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\nab",
    "negative length": b"PUT /default/x HTTP/1.1\r\n" + HOST + b"Content-Length: -1\r\n\r\n",
    "length and chunks": b"PUT /default/x HTTP/1.1\r\n"
    + HOST
    + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "unknown coding": b"PUT /default/x HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: zip\r\n\r\n",
    "bad chunk size": b"PUT /default/x HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\nxyz\r\n",
}


@pytest.mark.parametrize("name", BROKEN)
def test_broken_request(server: Server, name: str) -> None:
    with Wire(server) as wire:
        # The server may refuse while we still send.
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            wire.send(BROKEN[name])
        try:
            answer = wire.answer()
        except ConnectionResetError:
            pytest.fail("the answer was lost to a reset")
        assert 400 <= answer.status < 502, answer
        answer.error()


@pytest.mark.parametrize(
    ("line", "status", "code"),
    [
        ("GET /default/%zz", 400, None),
        ("GET /default/%ff%fe", 400, None),
        ("GET /default/" + "k" * 1025, 400, "KeyTooLongError"),
        ("PUT /default/" + "k" * 1025, 400, "KeyTooLongError"),
        ("GET /no-such-bucket-here/x", 404, "NoSuchBucket"),
        ("GET /default/no-such-key", 404, "NoSuchKey"),
        ("GET /default?list-type=2&max-keys=-1", 400, "InvalidArgument"),
        ("GET /default?list-type=2&max-keys=x", 400, "InvalidArgument"),
        ("GET /default?list-type=2&continuation-token=%00nonsense", 400, "InvalidArgument"),
        ("GET /default?uploads&max-uploads=x", 400, "InvalidArgument"),
        ("PUT /default?replication", 501, "NotImplemented"),
        ("PUT /default/x?retention", 501, "NotImplemented"),
        ("PATCH /default/x", None, None),
        ("TRACE /default/x", None, None),
        ("CONNECT x:80", None, None),
        ("BREW /default/x", None, None),
        ("OPTIONS /default/x", 400, None),
        ("PUT /Bad_Name", 400, "InvalidBucketName"),
        ("DELETE /default", 409, "BucketNotEmpty"),
        ("POST /default?delete", None, None),
        ("GET /../../etc/passwd", None, None),
        ("GET /..%2f..%2fetc%2fpasswd", None, None),
        ("GET /default/..%2f..%2f..%2fformat", 404, "NoSuchKey"),
    ],
)
def test_refused_request(server: Server, line: str, status: int | None, code: str | None) -> None:
    answer = ask(server, line, "Content-Length: 0")
    assert answer.status == (status or answer.status)
    said = answer.error()
    assert said == (code or said)
    assert said != "InternalError"


def test_head_errors_have_no_body_but_an_id(server: Server) -> None:
    for line, status in (
        ("HEAD /default/none", 404),
        ("HEAD /no-such-bucket-here", 404),
        ("HEAD /default/%zz", 400),
    ):
        answer = ask(server, line)
        assert (answer.status, answer.body) == (status, b"")
        assert answer.headers["x-amz-request-id"]


def test_malformed_documents(server: Server) -> None:
    entities = b'<!DOCTYPE x [<!ENTITY a "aa"><!ENTITY b "&a;&a;">]>'
    entities += b"<Delete><Object><Key>&b;</Key></Object></Delete>"
    for body in (
        b"",
        b"<",
        b"<Delete>",
        b"<Other/>",
        b"\0" * 100,
        entities,
        b"<Delete>" + b"<Object>" * 100_000,
    ):
        answer = ask(server, "POST /default?delete", f"Content-Length: {len(body)}", body=body)
        assert answer.status == 400, body[:50]
        answer.error()


# -- the same thing said differently -----------------------------------------------------------------------


def test_http_1_0(server: Server) -> None:
    with Wire(server) as wire:
        wire.request("GET /default/r/v2.tar", version="HTTP/1.0")
        answer = wire.answer()
        assert (answer.status, answer.headers["Transfer-Encoding"]) == (200, None)
        assert answer.body == SECOND
        assert wire.closed()


def test_absolute_form(server: Server) -> None:
    answer = ask(server, f"GET {server.url}/default/r/v2.tar")
    assert (answer.status, answer.body) == (200, SECOND)


def test_slow_headers(server: Server) -> None:
    with Wire(server) as wire:
        for byte in b"GET /default/r/v1.tar HTTP/1.1\r\nHost: x\r\nRange: bytes=0-9\r\n\r\n":
            wire.send(bytes([byte]))
            time.sleep(0.02)
        assert wire.answer().body == FIRST[:10]


def test_slow_body(server: Server) -> None:
    with Wire(server) as wire:
        wire.request("PUT /default/slow.zip", "Content-Length: 100")
        for _ in range(100):
            wire.send(b"x")
            time.sleep(0.01)
        assert wire.answer().status == 200
    assert ask(server, "GET /default/slow.zip").body == b"x" * 100
    assert ask(server, "DELETE /default/slow.zip").status == 204


def test_unfinished_requests_do_not_stop_others(server: Server) -> None:
    with contextlib.ExitStack() as stack:
        for _ in range(16):
            stack.enter_context(Wire(server)).send(b"GET /default HTTP/1.1\r\nHo")
            body = stack.enter_context(Wire(server))
            body.request("PUT /default/x.tar", "Content-Length: 9000000", body=FIRST[:1000])
        assert ask(server, "GET /default/r/v2.tar").body == SECOND


def test_chunked_body(server: Server) -> None:
    with Wire(server) as wire:
        wire.request("PUT /default/c.zip", "Transfer-Encoding: chunked", "x-amz-decoded-content-length: 11")
        wire.send(b"6\r\nhello \r\n5;ext=1\r\nworld\r\n0\r\n\r\n")
        assert wire.answer().status in (
            200,
            411,
        )  # S3 itself asks for a length unless the body is aws-chunked
    ask(server, "DELETE /default/c.zip")


def test_missing_length(server: Server) -> None:
    answer = ask(server, "PUT /default/x.zip")
    assert (answer.status, answer.error()) == (411, "MissingContentLength")


def test_pipelined(server: Server) -> None:
    with Wire(server) as wire:
        host = f"Host: {wire.host}\r\n".encode()
        wire.send(
            b"PUT /default/p.zip HTTP/1.1\r\n" + host + b"Content-Length: 3\r\n\r\nabc"
            b"GET /default/p.zip HTTP/1.1\r\n" + host + b"\r\n"
            b"GET /default/none HTTP/1.1\r\n" + host + b"\r\n"
            b"DELETE /default/p.zip HTTP/1.1\r\n" + host + b"\r\n"
            b"GET /default/p.zip HTTP/1.1\r\n" + host + b"\r\n"
        )
        # One reader for all: a buffering one per answer would swallow what comes next.
        answers = []
        stream = wire.socket.makefile("rb")
        for _ in range(5):
            status = int(stream.readline().split()[1])
            length = 0
            while (line := stream.readline()) != b"\r\n":
                if line.lower().startswith(b"content-length:"):
                    length = int(line.split(b":")[1])
            answers.append((status, stream.read(length)))
        stream.close()
    assert [status for status, _ in answers] == [200, 200, 404, 204, 404]
    assert answers[1][1] == b"abc"


# -- Expect: 100-continue ----------------------------------------------------------------------------------


def test_expect_is_answered_before_the_body(server: Server) -> None:
    with Wire(server) as wire:
        wire.request("PUT /default/e.zip", "Content-Length: 3", "Expect: 100-continue")
        assert wire.interim().startswith(b"HTTP/1.1 100 ")
        wire.send(b"abc")
        assert wire.answer().status == 200
    assert ask(server, "DELETE /default/e.zip").status == 204


@pytest.mark.parametrize(
    ("line", "header", "code"),
    [
        ("PUT /no-such-bucket-here/x.zip", "Content-Length: 9000000", "NoSuchBucket"),
        ("PUT /default/x.zip", "Content-Length: 50000001", "EntityTooLarge"),
        ("PUT /default/x.zip?uploadId=none&partNumber=1", "Content-Length: 9000000", "NoSuchUpload"),
        ("PUT /default/x.zip?legal-hold", "Content-Length: 9000000", "NotImplemented"),
        ("POST /default?delete", "Content-Length: 9000000", "MaxMessageLengthExceeded"),
        ("PUT /default/" + "k" * 1025, "Content-Length: 9000000", "KeyTooLongError"),
    ],
)
def test_expect_with_a_request_that_fails_anyway(server: Server, line: str, header: str, code: str) -> None:
    with Wire(server) as wire:
        wire.request(line, header, "Expect: 100-continue")
        assert (
            wire.answer().error() == code
        )  # HTTPResponse would skip a 100 and wait for more: so there was none
    with Wire(server) as wire:
        wire.request(line, header, "Expect: 100-continue")
        assert not wire.interim().startswith(b"HTTP/1.1 100 ")


def test_expect_with_a_bad_signature(tmp_path_factory: pytest.TempPathFactory, server: Server) -> None:
    now = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
    credential = f"{CREDENTIALS['DELTAGLIDER_PROXY_ACCESS_KEY_ID']}/{now[:8]}/us-east-1/s3/aws4_request"
    signed = f"AWS4-HMAC-SHA256 Credential={credential}, SignedHeaders=host;x-amz-date, Signature={'0' * 64}"
    with Server(tmp_path_factory.mktemp("closed"), CREDENTIALS) as closed:
        for authorization in ("", f"Authorization: {signed}", "Authorization: AWS4-HMAC-SHA256 nonsense"):
            with Wire(closed) as wire:
                headers = [authorization] if authorization else []
                headers += [f"x-amz-date: {now}", "x-amz-content-sha256: UNSIGNED-PAYLOAD"]
                wire.request(
                    "PUT /default/x.zip", *headers, "Content-Length: 9000000", "Expect: 100-continue"
                )
                head = wire.interim()
                assert head.split()[1] in (b"403", b"400"), head
        assert closed.staged() == []


@pytest.mark.parametrize(
    ("line", "status"), [("PUT /default/empty.txt", b"200"), ("PUT /no-such-bucket-here/empty.txt", b"404")]
)
def test_expect_without_a_body(server: Server, line: str, status: bytes) -> None:
    """The aws-cli expects 100 Continue for an empty file too. Where the final answer comes without one,
    botocore misreads the next one on the connection and waits until it times out: so it must be closed.
    """
    with Wire(server) as wire:
        wire.request(line, "Content-Length: 0", "Expect: 100-continue")
        head = wire.interim()
        if head.startswith(b"HTTP/1.1 100 "):
            head = wire.interim()
            assert head.split()[1] == status
        else:
            assert head.split()[1] == status
            assert b"\r\nConnection: close\r\n" in head
    ask(server, "DELETE /default/empty.txt")


def test_unknown_expectation(server: Server) -> None:
    answer = ask(server, "GET /default/r/v1.tar", "Range: bytes=0-4", "Expect: a-miracle")
    assert answer.body == FIRST[:5]


# -- clients that leave ------------------------------------------------------------------------------------


def reset(wire: Wire) -> None:
    """Close with RST instead of FIN."""
    wire.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


@pytest.mark.parametrize("abruptly", [False, True])
@pytest.mark.parametrize("sent", [0, 1, 100_000, 5_000_000, len(SECOND) - 1])
def test_aborted_upload(server: Server, sent: int, abruptly: bool) -> None:
    before = server.files("default")
    with Wire(server) as wire:
        wire.request("PUT /default/r/v3.tar", f"Content-Length: {len(SECOND)}", body=SECOND[:sent])
        time.sleep(0.05)
        if abruptly:
            reset(wire)
    eventually(lambda: server.staged() == [], "an empty staging directory", 10)
    assert ask(server, "HEAD /default/r/v3.tar").status == 404
    assert server.files("default") == before


def test_half_closed_upload(server: Server) -> None:
    with Wire(server) as wire:
        wire.request("PUT /default/r/v3.tar", f"Content-Length: {len(SECOND)}", body=SECOND[:1_000_000])
        wire.socket.shutdown(socket.SHUT_WR)
        with contextlib.suppress(OSError):
            wire.socket.recv(1000)
    assert ask(server, "HEAD /default/r/v3.tar").status == 404


def test_aborted_overwrite_keeps_the_old(server: Server) -> None:
    with Wire(server) as wire:
        wire.request("PUT /default/r/v2.tar", f"Content-Length: {len(FIRST)}", body=FIRST[:-1])
    assert ask(server, "GET /default/r/v2.tar").body == SECOND


@pytest.mark.parametrize("key", ["r/v1.tar", "r/v2.tar"])
def test_disconnect_while_downloading(server: Server, key: str) -> None:
    def descriptors() -> int:
        return sum(process.num_fds() for process in server.members())

    ask(server, f"GET /default/{key}")
    before = descriptors()
    for number in range(30):
        with Wire(server, receive_buffer=4096) as wire:
            wire.request(f"GET /default/{key}")
            assert wire.socket.recv(1000)
            if number % 2:
                reset(wire)
    eventually(lambda: descriptors() <= before + 4, "no file or socket stays open", 20)


def test_body_that_is_not_what_was_promised(server: Server) -> None:
    """A body that does not match what its headers promise is not stored."""
    answer = ask(
        server,
        "PUT /default/x.zip",
        "Content-Length: 3",
        "Content-MD5: 1B2M2Y8AsgTpgAmY7PhCfg==",
        body=b"abc",
    )
    assert answer.error() == "BadDigest"
    answer = ask(
        server, "PUT /default/x.zip", "Content-Length: 3", f"x-amz-content-sha256: {'0' * 64}", body=b"abc"
    )
    assert answer.error() in ("XAmzContentSHA256Mismatch", "BadDigest")
    answer = ask(
        server,
        "PUT /default/x.zip",
        "Content-Length: 9",
        "x-amz-content-sha256: STREAMING-UNSIGNED-PAYLOAD-TRAILER",
        "x-amz-decoded-content-length: 3",
        body=b"not aws c",
    )
    assert answer.status == 400
    answer.error()
