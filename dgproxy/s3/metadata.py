# SPDX-License-Identifier: GPL-2.0-only
"""Headers that describe an object: from the request to what is stored, and from there to the response.

Content headers and user metadata are kept and given back; a header that asks for something this server does
not do is refused by name, never ignored, unless what it asks for is what happens anyway.

What is stored is text: bytes of a header that are no UTF-8 count as Latin-1, and RFC 2047 encoded words are
decoded. Names of user metadata are lower case and without `x-amz-meta-`. A value that HTTP cannot carry never
leaves here.
"""

import base64
import binascii
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from dgproxy.s3 import acl
from dgproxy.s3.errors import S3Error

__all__ = [
    "MAX_USER_METADATA",
    "Metadata",
    "override_headers",
    "parse",
    "refuse_encryption",
    "refuse_unsupported",
    "replaces_metadata",
    "response_headers",
]

#: Bytes of all names and values together. "Working with object metadata", Amazon S3 User Guide.
MAX_USER_METADATA: Final = 2048

_USER_PREFIX: Final = "x-amz-meta-"
_DEFAULT_TYPE: Final = "binary/octet-stream"
#: Header -> how a response spells it.
_CONTENT: Final = {
    name.lower(): name
    for name in (
        "Cache-Control",
        "Content-Disposition",
        "Content-Encoding",
        "Content-Language",
        "Content-Type",
        "Expires",
    )
}

# Headers that ask for a feature, and the values that ask for what happens anyway. Any other value is refused.
_HARMLESS: Final[Mapping[str, frozenset[str]]] = {
    "x-amz-bucket-namespace": frozenset({"global"}),
    "x-amz-bucket-object-lock-enabled": frozenset({"false"}),
    "x-amz-object-lock-legal-hold": frozenset({"off"}),
    "x-amz-object-lock-mode": frozenset(),
    "x-amz-object-lock-retain-until-date": frozenset(),
    "x-amz-object-ownership": frozenset({"bucketownerenforced"}),
    "x-amz-website-redirect-location": frozenset(),
    "x-amz-write-offset-bytes": frozenset(),
}
#: Families of headers, all of them refused: encryption, and encryption of a copy's source.
_REFUSED_PREFIXES: Final = (
    "x-amz-server-side-encryption",
    "x-amz-copy-source-server-side-encryption",
)

# RFC 2047, section 2, with the charsets that appear in practice.
_ENCODED_WORD: Final = re.compile(r"=\?(utf-8|us-ascii|iso-8859-1)\?([bq])\?([!->@-~]*)\?=", re.IGNORECASE)
_BETWEEN_WORDS: Final = re.compile(r"(?<=\?=)[ \t]+(?==\?)")
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]")


@dataclass(frozen=True, slots=True)
class Metadata:
    """`content` maps response header names (`Content-Type`, …) to values; it always has Content-Type."""

    content: Mapping[str, str]
    user: Mapping[str, str] = field(default_factory=dict)


def parse(headers: Iterable[tuple[str, str]]) -> Metadata:
    """Read what to store from the headers of PutObject, CopyObject (REPLACE) or CreateMultipartUpload.

    A header that is repeated counts as one with its values joined by ','. Raises S3Error: MetadataTooLarge,
    InvalidArgument.
    """
    content: dict[str, str] = {}
    user: dict[str, str] = {}
    for raw_name, raw_value in headers:
        name = raw_name.lower()
        if name in _CONTENT:
            kept, key = content, _CONTENT[name]
        elif name.startswith(_USER_PREFIX):
            kept, key = user, _text(raw_name, name.removeprefix(_USER_PREFIX))
        else:
            continue
        value = _text(raw_name, raw_value)
        kept[key] = f"{kept[key]},{value}" if key in kept else value
    user = {name: _decode_words(value) for name, value in user.items()}
    size = sum(len(name.encode()) + len(value.encode()) for name, value in user.items())
    if size > MAX_USER_METADATA:
        raise S3Error("MetadataTooLarge", extra={"Size": str(size), "MaxSizeAllowed": str(MAX_USER_METADATA)})
    if "Content-Encoding" in content:
        # aws-chunked is how the body travels, not how the object is encoded.
        codings = [part.strip() for part in content["Content-Encoding"].split(",")]
        content["Content-Encoding"] = ",".join(part for part in codings if part.lower() != "aws-chunked")
    content = {name: value for name, value in content.items() if value}
    content.setdefault("Content-Type", _DEFAULT_TYPE)
    return Metadata(content, user)


def refuse_unsupported(headers: Mapping[str, str]) -> None:
    """Refuse headers that ask for what this server does not do.

    Raises S3Error: NotImplemented, InvalidStorageClass, InvalidArgument (no canned ACL).
    """
    acl.refuse_others(headers)
    storage_class = headers.get("x-amz-storage-class", "STANDARD")
    if storage_class != "STANDARD":
        raise S3Error("InvalidStorageClass", extra={"StorageClassRequested": storage_class})
    for name in headers:
        lowered = name.lower()
        harmless = _HARMLESS.get(lowered)
        if (harmless is not None and headers[name].strip().lower() not in harmless) or lowered.startswith(
            _REFUSED_PREFIXES
        ):
            raise S3Error("NotImplemented", extra={"Header": lowered})


def refuse_encryption(headers: Mapping[str, str]) -> None:
    """Refuse to read an object, or go on with an upload, with keys: none here has any. Raises InvalidRequest.

    To make one with keys is refused by `refuse_unsupported`.
    """
    if any(name.lower().startswith(_REFUSED_PREFIXES) for name in headers):
        raise S3Error("InvalidRequest", "The encryption parameters are not applicable to this object.")


def replaces_metadata(headers: Mapping[str, str]) -> bool:
    """Say whether a copy takes its metadata from the request. Raises S3Error InvalidArgument."""
    directive = headers.get("x-amz-metadata-directive", "COPY")
    if directive not in ("COPY", "REPLACE"):
        raise _invalid("x-amz-metadata-directive", directive, "Unknown metadata directive.")
    return directive == "REPLACE"


def response_headers(content: Mapping[str, str], user: Mapping[str, str]) -> dict[str, str]:
    """Make the headers of a GET or HEAD from what was stored."""
    return {**content, **{_USER_PREFIX + name: _encode_words(value) for name, value in user.items()}}


def override_headers(query: Mapping[str, str]) -> dict[str, str]:
    """Make the headers that response-content-type and the like ask for. Raises S3Error InvalidArgument."""
    overrides = {}
    for name, spelled in _CONTENT.items():
        parameter = f"response-{name}"
        if query.get(parameter):
            overrides[spelled] = _text(parameter, query[parameter])
    return overrides


def _text(name: str, value: str) -> str:
    """Give a header's value as text that HTTP can carry back."""
    try:
        raw = value.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError as error:
        raise _invalid(name, "", "A header's value must be text.") from error
    try:
        value = raw.decode()
    except UnicodeDecodeError:
        value = raw.decode("latin-1")
    if _CONTROL.search(value.replace("\t", " ")):
        raise _invalid(name, value, "A header's value may hold no control characters.")
    return value


def _decode_words(value: str) -> str:
    """Decode RFC 2047 encoded words; what is none stays as it is."""

    def decode(match: re.Match[str]) -> str:
        charset, encoding, text = match.groups()
        try:
            if encoding in "bB":
                data = base64.b64decode(text, validate=True)
            else:
                data = binascii.a2b_qp(text, header=True)
            return data.decode(charset)
        except (ValueError, binascii.Error):
            return match[0]

    return _ENCODED_WORD.sub(decode, _BETWEEN_WORDS.sub("", value)) if "=?" in value else value


def _encode_words(value: str) -> str:
    """Encode as an RFC 2047 word what is not printable ASCII; one word, for HTTP has no line length."""
    if value.isascii() and value.isprintable():
        return value
    return f"=?UTF-8?B?{base64.b64encode(value.encode()).decode()}?="


def _invalid(name: str, value: str, message: str) -> S3Error:
    return S3Error("InvalidArgument", message, extra={"ArgumentName": name, "ArgumentValue": value})
