# SPDX-License-Identifier: GPL-2.0-only
"""Every way to send a body: whole or in chunks, signed or not, with trailers. Wrong ones store nothing."""

import base64
import hashlib
import zlib

import pytest

from tests.system.artifacts import generate
from tests.system.harness import Server
from tests.system.signer import Signer
from tests.system.wire import Answer, Wire

#: Over one window, so that a wrong last chunk comes when the first window is long encoded.
DATA = generate(61, 5_000_000)
CRC32 = base64.b64encode(zlib.crc32(DATA).to_bytes(4, "big")).decode()
PATH = "/default/payload.zip"
CHUNK = 64 << 10

pytestmark = pytest.mark.with_credentials


def signed(server: Server, method: str, payload: str, **headers: str) -> Signer:
    fields = {name.replace("_", "-"): value for name, value in headers.items()}
    return Signer(
        method, PATH, {"host": f"127.0.0.1:{server.port}", "x-amz-content-sha256": payload, **fields}
    )


def send(server: Server, method: str, signer: Signer, *more: str, body: bytes = b"") -> Answer:
    with Wire(server) as wire:
        lines = [f"{name}: {value}" for name, value in signer.headers.items() if name != "host"]
        wire.request(f"{method} {PATH}", *lines, *more, body=body)
        return wire.answer(method)


def stored(server: Server) -> bytes | None:
    """What a reader gets afterwards; then it is deleted, and nothing may be left of any body."""
    got = send(server, "GET", signed(server, "GET", "UNSIGNED-PAYLOAD"))
    assert got.status in (200, 404)
    assert send(server, "DELETE", signed(server, "DELETE", "UNSIGNED-PAYLOAD")).status == 204
    assert (server.files("default"), server.staged()) == ({}, [])
    return got.body if got.status == 200 else None


def chunks(signer: Signer) -> list[bytes]:
    """The body in signed chunks, the last empty one included."""
    return [signer.chunk(DATA[at : at + CHUNK]) for at in range(0, len(DATA), CHUNK)] + [signer.chunk(b"")]


def unsigned_chunks(trailer: str) -> bytes:
    """The body in chunks as STREAMING-UNSIGNED-PAYLOAD-TRAILER has them."""
    framed = b"".join(
        b"%x\r\n%b\r\n" % (len(piece), piece)
        for piece in (DATA[at : at + CHUNK] for at in range(0, len(DATA), CHUNK))
    )
    return framed + b"0\r\n" + trailer.encode() + b"\r\n"


def http_chunked(data: bytes) -> bytes:
    """Transfer-Encoding: chunked around whatever is inside, cut at other places."""
    size = 100_001
    pieces = (data[at : at + size] for at in range(0, len(data), size))
    return b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"


@pytest.mark.parametrize("payload", ["UNSIGNED-PAYLOAD", hashlib.sha256(DATA).hexdigest()])
def test_whole(server: Server, payload: str) -> None:
    answer = send(server, "PUT", signed(server, "PUT", payload), f"Content-Length: {len(DATA)}", body=DATA)
    assert answer.status == 200, answer
    assert stored(server) == DATA


def test_whole_with_another_digest(server: Server) -> None:
    signer = signed(server, "PUT", hashlib.sha256(b"other").hexdigest())
    answer = send(server, "PUT", signer, f"Content-Length: {len(DATA)}", body=DATA)
    assert answer.error() == "XAmzContentSHA256Mismatch"
    assert stored(server) is None


@pytest.mark.parametrize("damage", ["none", "byte", "signature", "order", "last chunk missing", "length"])
def test_signed_chunks(server: Server, damage: str) -> None:
    declared = len(DATA) + (1 if damage == "length" else 0)
    signer = signed(
        server,
        "PUT",
        "STREAMING-AWS4-HMAC-SHA256-PAYLOAD",
        content_encoding="aws-chunked",
        x_amz_decoded_content_length=str(declared),
    )
    parts = chunks(signer)
    parts[-1] += b"\r\n"
    if damage == "byte":
        parts[40] = parts[40][:-10] + bytes([parts[40][-10] ^ 1]) + parts[40][-9:]
    elif damage == "signature":
        parts[-1] = parts[-1][:-5] + (b"0" if parts[-1][-5:-4] != b"0" else b"1") + b"\r\n\r\n"
    elif damage == "order":
        parts[3], parts[4] = parts[4], parts[3]
    elif damage == "last chunk missing":
        parts.pop()
    body = b"".join(parts)
    answer = send(server, "PUT", signer, f"Content-Length: {len(body)}", body=body)
    if damage == "none":
        assert answer.status == 200, answer
        assert stored(server) == DATA
        return
    assert answer.status in (400, 403)
    if damage in ("byte", "order"):
        assert answer.error() == "SignatureDoesNotMatch"
    answer.error()
    assert stored(server) is None
    assert server.staged() == []


@pytest.mark.parametrize("damage", ["none", "checksum", "signature"])
def test_signed_chunks_with_trailer(server: Server, damage: str) -> None:
    signer = signed(
        server,
        "PUT",
        "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER",
        content_encoding="aws-chunked",
        x_amz_decoded_content_length=str(len(DATA)),
        x_amz_trailer="x-amz-checksum-crc32",
    )
    parts = chunks(signer)
    parts.append(signer.trailer("x-amz-checksum-crc32", CRC32 if damage != "checksum" else "AAAAAA=="))
    body = b"".join(parts)
    if damage == "signature":
        body = body[:-5] + (b"0" if body[-5:-4] != b"0" else b"1") + b"\r\n\r\n"
    answer = send(server, "PUT", signer, f"Content-Length: {len(body)}", body=body)
    if damage == "none":
        assert answer.status == 200, answer
        assert answer.headers["x-amz-checksum-crc32"] == CRC32
        assert stored(server) == DATA
    else:
        assert answer.error() == {"checksum": "BadDigest", "signature": "SignatureDoesNotMatch"}[damage]
        assert stored(server) is None


@pytest.mark.parametrize("transfer", ["length", "chunked"])
@pytest.mark.parametrize("damage", ["none", "checksum", "cut", "framing"])
def test_unsigned_chunks_with_trailer(server: Server, transfer: str, damage: str) -> None:
    """As the AWS SDKs send it; with Transfer-Encoding: chunked around it, as pyarrow and aws-sdk-js do."""
    signer = signed(
        server,
        "PUT",
        "STREAMING-UNSIGNED-PAYLOAD-TRAILER",
        content_encoding="gzip,aws-chunked",
        x_amz_decoded_content_length=str(len(DATA)),
        x_amz_trailer="x-amz-checksum-crc32",
    )
    body = unsigned_chunks(f"x-amz-checksum-crc32:{CRC32 if damage != 'checksum' else 'AAAAAA=='}\r\n")
    if damage == "cut":
        body = body[: len(body) // 2]
    elif damage == "framing":
        body = body.replace(b"\r\n10000\r\n", b"\r\n1000g\r\n", 1)
    if transfer == "length":
        answer = send(server, "PUT", signer, f"Content-Length: {len(body)}", body=body)
    else:
        answer = send(server, "PUT", signer, "Transfer-Encoding: chunked", body=http_chunked(body))
    if damage == "none":
        assert answer.status == 200, answer
        got = send(server, "GET", signed(server, "GET", "UNSIGNED-PAYLOAD", x_amz_checksum_mode="ENABLED"))
        assert got.headers["Content-Encoding"] == "gzip", "what describes the transfer is not stored"
        assert got.headers["x-amz-checksum-crc32"] == CRC32
        assert stored(server) == DATA
    else:
        assert answer.status == 400
        answer.error()
        assert stored(server) is None


def test_unknown_encoding_is_not_stored_raw(server: Server) -> None:
    signer = signed(server, "PUT", "STREAMING-SOMETHING-NEW", x_amz_decoded_content_length="3")
    answer = send(server, "PUT", signer, "Content-Length: 3", body=b"abc")
    assert answer.status in (400, 501)
    answer.error()
    assert stored(server) is None
