# SPDX-License-Identifier: GPL-2.0-only
"""The S3 protocol under arbitrary bytes: what each fuzz target feeds, and what must hold of what comes out.

A target takes bytes and returns, or raises AssertionError where a promise is broken; S3Error is an answer
like any other. Everything else that leaves it is a finding. Inputs are readable: a request is its lines, so
a seed is written with an editor. Nothing here needs atheris; `__main__` runs a target under it.
"""

import base64
import hashlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from typing import Final

from dgproxy.s3 import (
    attributes,
    bucket_cors,
    checksums,
    claim,
    conditions,
    cors,
    dates,
    form_policy,
    grants,
    hoisting,
    integrity,
    listing,
    metadata,
    names,
    payload,
    ranges,
    routing,
    sigv2,
    sigv4,
    tags,
    target,
    uri,
    xml,
)
from dgproxy.s3.chunked import ChunkedDecoder
from dgproxy.s3.errors import CODES, S3Error
from dgproxy.s3.form import MAX_FIELDS, FormReader
from dgproxy.s3.signing import ChunkSigner

__all__ = ["SECRET", "TARGETS"]

SECRET: Final = "a-secret"
_NOW: Final = datetime(2026, 1, 1, tzinfo=UTC)
_SIZES: Final = (0, 1, 1000, 5 << 40)


def _text(data: bytes) -> str:
    """Bytes as aiohttp gives what came over the wire."""
    return data.decode("utf-8", "surrogateescape")


def _request(data: bytes) -> tuple[str, str, list[tuple[str, str]]]:
    """`METHOD TARGET`, then header lines."""
    first, *rest = _text(data).split("\n")
    method, _, target = first.partition(" ")
    headers = [line.partition(":")[::2] for line in rest if ":" in line]
    return method, target, [(name, value.strip()) for name, value in headers]


def _plain(headers: list[tuple[str, str]]) -> dict[str, str]:
    """As `http.exchange.plain_headers` has them."""
    plain: dict[str, str] = {}
    for name, value in headers:
        lower = name.lower()
        plain[lower] = f"{plain[lower]},{value}" if lower in plain else value
    return plain


def _refused(error: S3Error) -> None:
    """A refusal can be sent: it has a code, and a document whatever the client wrote into it."""
    assert error.code in CODES
    document = xml.render_error(error, resource="/", request_id="R", host_id="H")
    assert document.startswith(b"<?xml"), document
    assert all(name.isascii() and "\n" not in value for name, value in error.headers.items())


def authenticate(data: bytes) -> None:
    """A request's signature, of both versions, then that of a form with the same fields."""
    method, line, headers = _request(data)
    with suppress(S3Error):
        path, query = target.split(line)
        found = uri.first_values(uri.query_pairs(query))
        hoisted = hoisting.hoisted_headers(found)
        assert all(name == name.lower() for name in hoisted)
        for known in (SECRET, None):
            for verify in (sigv4.authenticate, sigv2.authenticate):
                if verify is sigv2.authenticate and not claim.is_presigned_v2(found):
                    continue
                try:
                    signed = verify(method, path, query, headers, secret_of=lambda _, s=known: s, now=_NOW)
                except S3Error as error:
                    _refused(error)
                else:
                    assert known is not None, "an unknown key has signed"
                    with suppress(S3Error):
                        payload.describe(_plain(headers), signed.content_sha256)
    fields = _plain(headers)
    if "policy" in fields:
        for verify_form in (sigv4.authenticate_form, sigv2.authenticate_form):
            try:
                verify_form(fields, secret_of=lambda _: SECRET)
            except S3Error as error:
                _refused(error)


def route(data: bytes) -> None:
    """A request line and headers to an operation, its parameters, and what a grant says of it."""
    method, line, headers = _request(data)
    plain = _plain(headers)
    for domain in (None, "s3.test"):
        try:
            asked = routing.parse(method, line, plain, domain=domain)
        except S3Error as error:
            _refused(error)
            continue
        if asked.bucket:
            names.check_bucket(asked.bucket)
        assert len(asked.key.encode()) <= names.MAX_KEY_BYTES
        assert target.bucket_of(line, plain, domain=domain) == asked.bucket
        assert not (grants.Grant((), writes=False).allows(asked) and asked.bucket)
        assert grants.EVERYTHING.allows(asked)
        _parameters(asked.query)


def _parameters(query: Mapping[str, str]) -> None:
    pages: tuple[Callable[[Mapping[str, str]], object], ...] = (
        listing.list_objects,
        listing.list_object_versions,
        listing.list_parts,
        listing.list_multipart_uploads,
        listing.list_buckets,
        metadata.override_headers,
        lambda each: names.part_number(each.get("partNumber", "1")),
    )
    for page in pages:
        try:
            page(query)
        except S3Error as error:
            _refused(error)


def headers(data: bytes) -> None:
    """Everything that is read out of headers alone."""
    plain = _plain(_request(b"GET /\n" + data)[2])
    readers: tuple[Callable[[], object], ...] = (
        lambda: integrity.expect(plain, payload.describe(plain)),
        lambda: integrity.claimed(plain),
        lambda: integrity.requested(plain),
        lambda: metadata.refuse_unsupported(plain),
        lambda: metadata.parse(plain.items()),
        lambda: metadata.replaces_metadata(plain),
        lambda: tags.of_headers(plain),
        lambda: tags.replaces_tags(plain),
        lambda: attributes.parse(plain),
        lambda: conditions.check_read(plain, "abc", 1_700_000_000_000),
        lambda: conditions.check_copy_source(plain, "abc", 1_700_000_000_000),
        lambda: conditions.if_range(plain, "abc", 1_700_000_000_000),
        lambda: conditions.write_condition(plain),
        lambda: conditions.write_condition(plain, deleting=True),
        lambda: cors.preflight_headers(plain.get("origin"), plain.get("host"), "PUT", plain.get("x")),
        lambda: cors.ui_cors_headers(plain.get("origin"), plain.get("host")),
        lambda: bucket_cors.allow(
            bucket_cors.for_origins(["https://*.test"]),
            plain.get("origin", ""),
            plain.get("access-control-request-method", "PUT"),
            bucket_cors.requested_headers(plain.get("access-control-request-headers")),
        ),
        lambda: target.parse_copy_source(plain.get("x-amz-copy-source", "")),
    )
    for read in readers:
        try:
            read()
        except S3Error as error:
            _refused(error)
    for size in _SIZES:
        for parse, header in (
            (ranges.parse, plain.get("range")),
            (ranges.parse_copy_source_range, plain.get("x-amz-copy-source-range")),
        ):
            try:
                found = parse(header, size)
            except S3Error as error:
                _refused(error)
            else:
                assert found is None or 0 <= found[0] < found[1] <= size


def text(data: bytes) -> None:
    """Single values: URIs, dates, tokens, digests."""
    raw = _text(data)
    with suppress(S3Error):
        decoded = uri.decode(raw)
        assert uri.decode(uri.encode(decoded.encode())) == decoded
        token = listing.encode_token(decoded)
        assert listing.decode_token(token) == decoded
        grants.EVERYTHING.allows_key("bucket", decoded, writing=True)
    assert uri.unescape(uri.encode(data)) == data
    for read in (listing.decode_token, names.check_version, names.check_key, names.check_bucket):
        with suppress(S3Error):
            read(raw)
    dates.parse_timestamp(raw)
    moment = dates.parse_http_date(raw)
    if moment is not None:
        assert dates.parse_http_date(dates.http_date(moment)) == moment
    found = checksums.decode_base64(raw)
    assert found is None or base64.b64decode(raw) == found
    with suppress(ValueError):
        grants.Place.parse(raw)


def chunked(data: bytes) -> None:
    """A body with framing: `FRAMING LENGTH TRAILER,…` on the first line. Pieces of any size give the same."""
    head, _, body = data.partition(b"\n")
    words = [*_text(head).split(" "), "", ""]
    framing = payload.Framing.__members__.get(words[0], payload.Framing.SIGNED_TRAILER)
    if framing is payload.Framing.PLAIN:
        return
    length = int(words[1]) if words[1].isascii() and words[1].isdigit() and len(words[1]) < 10 else 5
    announced = tuple(filter(None, words[2].split(",")))
    # Signed by nobody, and with signatures checked.
    for signer in (None, lambda: ChunkSigner(b"key", "20260101T000000Z", "scope", "seed")):
        outcomes = [
            _decoded(ChunkedDecoder(framing, signer and signer(), length, announced), pieces)
            for pieces in ([body], [body[i : i + 1] for i in range(len(body))], _pieces(body))
        ]
        assert outcomes[0] == outcomes[1] == outcomes[2], outcomes


def _decoded(decoder: ChunkedDecoder, pieces: list[bytes]) -> tuple[bytes, dict[str, str]] | str:
    decoded = bytearray()
    try:
        for piece in pieces:
            for found in decoder.feed(piece):
                decoded += found
        return bytes(decoded), decoder.finish()
    except S3Error as error:
        _refused(error)
        return error.code


def _pieces(data: bytes) -> list[bytes]:
    """Cut somewhere that depends on the bytes, so that a finding is found again."""
    return list(_cut(data, hashlib.sha256(data).digest()))


def _cut(data: bytes, lengths: bytes) -> Iterator[bytes]:
    for length in lengths:
        yield data[: length % 13]
        data = data[length % 13 :]
    yield data


def form(data: bytes) -> None:
    """A browser's form: its Content-Type on the first line. Pieces of any size give the same."""
    head, _, body = data.partition(b"\n")
    outcomes = []
    for pieces in ([body], [body[i : i + 1] for i in range(len(body))], _pieces(body)):
        file = bytearray()
        try:
            reader = FormReader(_text(head))
            for piece in pieces:
                file += reader.feed(piece)
            reader.finish()
        except S3Error as error:
            _refused(error)
            outcomes.append(error.code)
        else:
            assert sum(map(len, reader.fields.values())) <= MAX_FIELDS
            assert "/" not in reader.filename
            outcomes.append(repr((reader.fields, reader.filename, bytes(file))))
    assert len(set(outcomes)) == 1, outcomes


def policy(data: bytes) -> None:
    """A form's policy: the document on the first line, fields on the others. Unread, it allows none."""
    document, _, rest = data.partition(b"\n")
    fields = _plain(_request(b"\n" + rest)[2])
    for encoded in (base64.b64encode(document).decode(), _text(document)):
        try:
            found = form_policy.parse(encoded)
            found.check(fields, _NOW)
        except S3Error as error:
            _refused(error)
        else:
            assert found.expires >= _NOW
            assert {name for name in fields if not name.startswith("x-ignore-")} <= {
                condition.field for condition in found.conditions
            } | {"awsaccesskeyid", "file", "policy", "signature", "x-amz-signature"}


def documents(data: bytes) -> None:
    """An XML body, as each of the documents that clients send."""
    parsers: tuple[Callable[[bytes], object], ...] = (
        xml.parse_create_bucket,
        xml.parse_delete,
        xml.parse_complete_multipart_upload,
        xml.parse_tagging,
        xml.parse_cors,
    )
    for parse in parsers:
        try:
            found = parse(data)
        except S3Error as error:
            _refused(error)
            continue
        if parse is xml.parse_cors:
            assert xml.parse_cors(xml.render_cors(found)) == found  # type: ignore[arg-type]
        elif parse is xml.parse_tagging:
            assert xml.parse_tagging(xml.render_tagging(found)) == found  # type: ignore[arg-type]


TARGETS: Final[Mapping[str, Callable[[bytes], None]]] = {
    each.__name__: each for each in (authenticate, chunked, documents, form, headers, policy, route, text)
}
