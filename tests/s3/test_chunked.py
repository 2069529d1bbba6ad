# SPDX-License-Identifier: GPL-2.0-only
"""aws-chunked bodies: AWS's published examples, botocore's writer, one of our own, and everything broken."""

import hashlib
import hmac
import io
from collections.abc import Iterable
from datetime import UTC, datetime
from itertools import pairwise

import pytest
from botocore.httpchecksum import AwsChunkedWrapper, Crc32Checksum
from hypothesis import given
from hypothesis import strategies as st

from dgproxy.s3.chunked import ChunkedDecoder
from dgproxy.s3.errors import S3Error
from dgproxy.s3.payload import Framing
from dgproxy.s3.signing import ChunkSigner
from dgproxy.s3.sigv4 import authenticate

KEY = b"k" * 32
TIMESTAMP = "20130524T000000Z"
SCOPE = "20130524/us-east-1/s3/aws4_request"
SEED = "5" * 64
CRC32 = "x-amz-checksum-crc32"
SHA256 = "x-amz-checksum-sha256"
FRAMINGS = [Framing.SIGNED, Framing.SIGNED_TRAILER, Framing.UNSIGNED_TRAILER]


def signer() -> ChunkSigner:
    return ChunkSigner(KEY, TIMESTAMP, SCOPE, SEED)


class Writer:
    """Writes bodies as the reference describes them, each piece on its own so that tests can break one."""

    def __init__(self, framing: Framing, line_end: bytes = b"\n") -> None:
        self.framing = framing
        self.previous = SEED
        self.line_end = line_end

    def sign(self, kind: str, *rest: str) -> str:
        text = "\n".join([f"AWS4-HMAC-SHA256-{kind}", TIMESTAMP, SCOPE, self.previous, *rest])
        self.previous = hmac.new(KEY, text.encode(), "sha256").hexdigest()
        return self.previous

    def chunk(self, data: bytes) -> bytes:
        size = b"%x" % len(data)
        if self.framing is not Framing.UNSIGNED_TRAILER:
            signature = self.sign(
                "PAYLOAD", hashlib.sha256(b"").hexdigest(), hashlib.sha256(data).hexdigest()
            )
            size += b";chunk-signature=" + signature.encode()
        return size + b"\r\n" + (data + b"\r\n" if data else b"")

    def trailer(self, trailers: dict[str, str]) -> bytes:
        text = b"".join(f"{name}:{value}\n".encode() for name, value in trailers.items())
        wire = text.replace(b"\n", b"\r\n")
        if self.framing is Framing.SIGNED_TRAILER:
            signature = self.sign("TRAILER", hashlib.sha256(text).hexdigest())
            wire += b"x-amz-trailer-signature:" + signature.encode() + b"\r\n"
        return wire + b"\r\n"

    def body(self, chunks: Iterable[bytes], trailers: dict[str, str] | None = None) -> bytes:
        return b"".join(self.chunk(data) for data in (*chunks, b"")) + self.trailer(trailers or {})


def decode(
    framing: Framing,
    wire: bytes,
    length: int,
    trailers: tuple[str, ...] = (),
    *,
    cuts: Iterable[int] = (),
    unchecked: bool = False,
) -> tuple[bytes, dict[str, str]]:
    """Decode a body that arrives cut at `cuts`."""
    decoder = ChunkedDecoder(framing, None if unchecked else signer(), length, trailers)
    places = [0, *sorted(cut for cut in cuts if cut < len(wire)), len(wire)]
    data = b""
    for start, stop in pairwise(places):
        data += b"".join(decoder.feed(wire[start:stop]))
    return data, decoder.finish()


def refusal(framing: Framing, wire: bytes, length: int, trailers: tuple[str, ...] = ()) -> S3Error:
    with pytest.raises(S3Error) as caught:
        decode(framing, wire, length, trailers)
    return caught.value


# -- published examples: 65 KiB of "a" in chunks of 64 KiB ---------------------------------------------------


def published(
    framing: Framing, signed_headers: str, headers: list[tuple[str, str]], seed: str
) -> ChunkSigner:
    credential = f"Credential=AKIAIOSFODNN7EXAMPLE/{SCOPE}"
    sent = [
        ("Host", "s3.amazonaws.com"),
        ("x-amz-date", TIMESTAMP),
        ("x-amz-storage-class", "REDUCED_REDUNDANCY"),
        ("x-amz-content-sha256", framing.value),
        ("Content-Encoding", "aws-chunked"),
        ("x-amz-decoded-content-length", "66560"),
        *headers,
        ("Authorization", f"AWS4-HMAC-SHA256 {credential},SignedHeaders={signed_headers},Signature={seed}"),
    ]
    return authenticate(
        "PUT",
        "/examplebucket/chunkObject.txt",
        "",
        sent,
        secret_of={"AKIAIOSFODNN7EXAMPLE": "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"}.get,
        now=datetime(2013, 5, 24, tzinfo=UTC),
    ).chunk_signer()


def example(signatures: list[bytes]) -> bytes:
    sizes = (65536, 1024, 0)
    lines = [b"%x;chunk-signature=%s\r\n" % pair for pair in zip(sizes, signatures, strict=True)]
    return lines[0] + b"a" * 65536 + b"\r\n" + lines[1] + b"a" * 1024 + b"\r\n" + lines[2]


def test_published_signed_chunks() -> None:
    chain = published(
        Framing.SIGNED,
        "content-encoding;content-length;host;x-amz-content-sha256;x-amz-date;x-amz-decoded-content-length;"
        "x-amz-storage-class",
        [("Content-Length", "66824")],
        "4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9",
    )
    wire = example(
        [
            b"ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648",
            b"0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497",
            b"b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9",
        ]
    )
    decoder = ChunkedDecoder(Framing.SIGNED, chain, 66560)
    assert b"".join(decoder.feed(wire + b"\r\n")) == b"a" * 66560
    assert decoder.finish() == {}


def test_published_signed_trailer() -> None:
    chain = published(
        Framing.SIGNED_TRAILER,
        "content-encoding;host;x-amz-content-sha256;x-amz-date;x-amz-decoded-content-length;x-amz-storage-class;"
        "x-amz-trailer",
        [("x-amz-trailer", "x-amz-checksum-crc32c")],
        "106e2a8a18243abcf37539882f36619c00e2dfc72633413f02d3b74544bfeb8e",
    )
    wire = example(
        [
            b"b474d8862b1487a5145d686f57f013e54db672cee1c953b3010fb58501ef5aa2",
            b"1c1344b170168f8e65b41376b44b20fe354e373826ccbbe2c1d40a8cae51e5c7",
            b"2ca2aba2005185cf7159c6277faf83795951dd77a3a99e6e65d5c9f85863f992",
        ]
    )
    # As the documentation spells it: LF in the trailer's own line, and a blank line before the signature.
    wire += b"x-amz-checksum-crc32c:sOO8/Q==\n\r\n"
    wire += (
        b"x-amz-trailer-signature:d81f82fc3505edab99d459891051a732e8730629a2e4a59689829ca17fe2e435\r\n\r\n"
    )
    decoder = ChunkedDecoder(Framing.SIGNED_TRAILER, chain, 66560, ("x-amz-checksum-crc32c",))
    assert b"".join(decoder.feed(wire)) == b"a" * 66560
    assert decoder.finish() == {"x-amz-checksum-crc32c": "sOO8/Q=="}


# -- whole bodies --------------------------------------------------------------------------------------------

CHUNKS = st.lists(st.binary(min_size=1, max_size=40) | st.binary(min_size=250, max_size=300), max_size=5)


@given(st.sampled_from(FRAMINGS), CHUNKS, st.sets(st.integers(1, 2000)), st.booleans())
def test_any_chunking_and_any_cuts_give_the_data(
    framing: Framing, chunks: list[bytes], cuts: set[int], unchecked: bool
) -> None:
    data = b"".join(chunks)
    trailers = {} if framing is Framing.SIGNED else {CRC32: "AAAAAA==", SHA256: "x"}
    wire = Writer(framing).body(chunks, trailers)
    assert decode(framing, wire, len(data), tuple(trailers), cuts=cuts, unchecked=unchecked) == (
        data,
        trailers,
    )


@pytest.mark.parametrize("framing", FRAMINGS)
def test_byte_by_byte(framing: Framing) -> None:
    trailers = {} if framing is Framing.SIGNED else {CRC32: "AAAAAA=="}
    wire = Writer(framing).body([b"hello", b"\r\n0\r\n\r\n"], trailers)
    assert decode(framing, wire, 12, tuple(trailers), cuts=range(1, len(wire))) == (
        b"hello\r\n0\r\n\r\n",
        trailers,
    )


@given(st.binary(max_size=3000), st.integers(1, 1000))
def test_what_botocore_frames(data: bytes, size: int) -> None:
    wrapper = AwsChunkedWrapper(io.BytesIO(data), Crc32Checksum, CRC32, chunk_size=size)
    wire = wrapper.read()
    expected = Crc32Checksum()
    expected.update(data)
    assert decode(Framing.UNSIGNED_TRAILER, wire, len(data), (CRC32,)) == (
        data,
        {CRC32: expected.b64digest()},
    )


def test_data_is_given_without_copies() -> None:
    wire = bytearray(Writer(Framing.UNSIGNED_TRAILER).body([b"abc", b"defg"]))
    decoder = ChunkedDecoder(Framing.UNSIGNED_TRAILER, None, 7)
    pieces = decoder.feed(wire)
    wire[3] = ord("X")
    assert [bytes(piece) for piece in pieces] == [b"Xbc", b"defg"]
    assert all(piece.obj is wire for piece in pieces)


def test_line_ends_that_clients_get_wrong() -> None:
    wire = b"3\r\nabc\r\n0\r\n" + f"{CRC32}:AAAAAA==\n\r\n\r\n".encode()
    assert decode(Framing.UNSIGNED_TRAILER, wire, 3, (CRC32,)) == (b"abc", {CRC32: "AAAAAA=="})


# -- broken bodies -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("framing", FRAMINGS)
def test_every_truncation_is_an_error(framing: Framing) -> None:
    trailers = {} if framing is Framing.SIGNED else {CRC32: "AAAAAA=="}
    wire = Writer(framing).body([b"hello", b"world"], trailers)
    for length in range(len(wire)):
        error = refusal(framing, wire[:length], 10, tuple(trailers))
        assert error.code in ("IncompleteBody", "InvalidRequest"), length


@pytest.mark.parametrize("framing", [Framing.SIGNED, Framing.SIGNED_TRAILER])
def test_every_flipped_bit_is_found(framing: Framing) -> None:
    trailers = {} if framing is Framing.SIGNED else {CRC32: "AAAAAA=="}
    wire = Writer(framing).body([b"hello", b"world"], trailers)
    for place in range(len(wire)):
        for bit in (0x01, 0x80):
            broken = bytearray(wire)
            broken[place] ^= bit
            try:
                found = decode(framing, bytes(broken), 10, tuple(trailers))
            except S3Error:
                continue
            # Only the framing's own line ends may differ.
            assert found == (b"helloworld", trailers), place
            assert wire[place] in b"\r", place


BROKEN_UNSIGNED = [
    (b"5\r\nhello\r\n0\r\n\r\n", 4, "InvalidRequest"),
    (b"5\r\nhello\r\n0\r\n\r\n", 6, "IncompleteBody"),
    (b"0\r\n\r\n", 1, "IncompleteBody"),
    (b"", 0, "IncompleteBody"),
    (b"5\r\nhello", 5, "IncompleteBody"),
    (b"5\r\nhelloX\r\n0\r\n\r\n", 5, "InvalidRequest"),
    (b"5\r\nhell\r\n0\r\n\r\n", 5, "InvalidRequest"),
    (b"5\nhello\n0\n\n", 5, "InvalidRequest"),
    (b"4\r\nhello\r\n0\r\n\r\n", 5, "InvalidRequest"),
    (b"hello", 5, "IncompleteBody"),
    (b"hello\r\n", 5, "InvalidRequest"),
    (b"x" * 1025, 5, "InvalidRequest"),
    (b"0x5\r\nhello\r\n0\r\n\r\n", 5, "InvalidRequest"),
    (b"-5\r\nhello\r\n0\r\n\r\n", 5, "InvalidRequest"),
    (b" 5\r\nhello\r\n0\r\n\r\n", 5, "InvalidRequest"),
    (b"\r\n5\r\nhello\r\n0\r\n\r\n", 5, "InvalidRequest"),
    (b"ffffffffffffffff\r\nhello", 5, "InvalidRequest"),
    (b"00000000000000005\r\nhello\r\n0\r\n\r\n", 5, "InvalidRequest"),
    (b"5;chunk-signature=" + b"0" * 64 + b"\r\nhello\r\n", 5, "InvalidRequest"),
    (b"5;x=1\r\nhello\r\n0\r\n\r\n", 5, "InvalidRequest"),
    (b"5\r\nhello\r\n0\r\n\r\nmore", 5, "IncompleteBody"),
    (b"5\r\nhello\r\n0\r\n\r\nmore\r\n", 5, "InvalidRequest"),
    (b"5\r\nhello\r\n0\r\n\r\n" + b"\r\n" * 20, 5, "MalformedTrailerError"),
    (b"5\r\nhello\r\n0\r\nno colon\r\n\r\n", 5, "MalformedTrailerError"),
    (b"5\r\nhello\r\n0\r\n\xff:x\r\n\r\n", 5, "MalformedTrailerError"),
    (b"5\r\nhello\r\n0\r\nx-amz-trailer-signature:0\r\n\r\n", 5, "MalformedTrailerError"),
]


@pytest.mark.parametrize(("wire", "length", "code"), BROKEN_UNSIGNED)
def test_broken_unsigned_bodies(wire: bytes, length: int, code: str) -> None:
    assert refusal(Framing.UNSIGNED_TRAILER, wire, length).code == code


@pytest.mark.parametrize(
    ("trailer", "announced"),
    [
        (b"", (CRC32,)),
        (b"x-amz-checksum-crc32:AAAAAA==\r\n", ()),
        (b"x-amz-checksum-crc32:AAAAAA==\r\n", (SHA256,)),
        (b"x-amz-checksum-crc32:AAAAAA==\r\nx-amz-checksum-crc32:AAAAAA==\r\n", (CRC32,)),
        (b"x-amz-checksum-crc32:AAAAAA==\r\n", (CRC32, SHA256)),
        (b"x-amz-meta-a:1\r\n" * 17, ("x-amz-meta-a",)),
    ],
)
def test_exactly_the_announced_trailers_must_come(trailer: bytes, announced: tuple[str, ...]) -> None:
    wire = b"0\r\n" + trailer + b"\r\n"
    assert refusal(Framing.UNSIGNED_TRAILER, wire, 0, announced).code == "MalformedTrailerError"


def test_signed_chunks_must_be_signed_and_in_order() -> None:
    plain = b"5\r\nhello\r\n0\r\n\r\n"
    assert refusal(Framing.SIGNED, plain, 5).code == "InvalidRequest"
    writer = Writer(Framing.SIGNED)
    first, second, last = writer.chunk(b"aaaaa"), writer.chunk(b"bbbbb"), writer.chunk(b"")
    assert decode(Framing.SIGNED, first + second + last + b"\r\n", 10)[0] == b"aaaaabbbbb"
    assert refusal(Framing.SIGNED, second + first + last + b"\r\n", 10).code == "SignatureDoesNotMatch"
    assert refusal(Framing.SIGNED, first + first + last + b"\r\n", 10).code == "SignatureDoesNotMatch"


def test_a_signed_trailer_needs_its_signature_even_when_it_is_not_checked() -> None:
    writer = Writer(Framing.SIGNED_TRAILER)
    body = writer.chunk(b"") + f"{CRC32}:AAAAAA==\r\n".encode()
    for unchecked in (False, True):
        with pytest.raises(S3Error) as caught:
            decode(Framing.SIGNED_TRAILER, body + b"\r\n", 0, (CRC32,), unchecked=unchecked)
        assert caught.value.code == "IncompleteBody"
    wrong = body + b"x-amz-trailer-signature:" + b"0" * 64 + b"\r\n\r\n"
    assert refusal(Framing.SIGNED_TRAILER, wrong, 0, (CRC32,)).code == "SignatureDoesNotMatch"
    swapped = writer.trailer({CRC32: "AAAAAQ=="}).replace(b"AAAAAQ==", b"AAAAAA==")
    assert refusal(
        Framing.SIGNED_TRAILER, Writer(Framing.SIGNED_TRAILER).chunk(b"") + swapped, 0, (CRC32,)
    ).code == ("SignatureDoesNotMatch")


WIRE = st.lists(
    st.sampled_from(
        [b"0\r\n", b"\r\n", b"5\r\n", b"hello", b"\n", b"x-amz-checksum-crc32:", b"AAAAAA==", b";"]
    )
    | st.binary(max_size=20),
    max_size=12,
).map(b"".join)


@given(st.sampled_from(FRAMINGS), WIRE, st.integers(0, 20), st.booleans(), st.sets(st.integers(1, 200)))
def test_any_bytes_are_data_or_an_s3_error(
    framing: Framing, wire: bytes, length: int, announced: bool, cuts: set[int]
) -> None:
    try:
        data, _ = decode(framing, wire, length, (CRC32,) if announced else (), cuts=cuts)
    except S3Error:
        return
    assert len(data) == length
