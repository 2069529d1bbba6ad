# SPDX-License-Identifier: GPL-2.0-only
"""The calls that every server is asked, in this order, from an empty store.

A call is one line and what goes with it; `{name}` in it is what an earlier answer gave (`saves`). The calls
are plain HTTP, so no SDK smooths anything over. What comes back is `answers`'s to compare.
"""

import base64
import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import quote

__all__ = ["CALLS", "Call"]

B: Final = "/parity"
FIVE: Final = 5 << 20

#: Keys that some store or client has stumbled over, by a name for each.
KEYS: Final = {
    "space": "a b",
    "plus": "a+b",
    "percent": "50%",
    "encoded-slash": "a%2Fb",
    "unicode": "ä/日本/🙂",
    "slashes": "odd//double",
    "leading-slash": "/leading",
    "dots": "odd/./dot",
    "dots-up": "odd/../up",
    "folder": "odd/folder/",
    "hidden": "odd/.hidden",
    "reserved": "odd/!-_.*'()&$@=;:,?",
    "brackets": 'odd/{}^[]`"~<>#|\\',
    "control": "odd/\x01\x7f",
    "long": "odd/" + "k" * 1020,
}


@dataclass(frozen=True)
class Call:
    """`line` is method and target; `saves` maps names to elements of the answer."""

    name: str
    line: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    saves: Mapping[str, str] = field(default_factory=dict)


def _md5(body: bytes) -> dict[str, str]:
    return {"Content-MD5": base64.b64encode(hashlib.md5(body).digest()).decode()}


def _complete(*parts: tuple[int, str]) -> bytes:
    listed = "".join(f"<Part><PartNumber>{n}</PartNumber><ETag>{etag}</ETag></Part>" for n, etag in parts)
    return f"<CompleteMultipartUpload>{listed}</CompleteMultipartUpload>".encode()


def _delete(*keys: str, quiet: bool = False) -> bytes:
    objects = "".join(f"<Object><Key>{key}</Key></Object>" for key in keys)
    return f"<Delete>{'<Quiet>true</Quiet>' if quiet else ''}{objects}</Delete>".encode()


def _tagging(**tags: str) -> bytes:
    each = "".join(f"<Tag><Key>{key}</Key><Value>{value}</Value></Tag>" for key, value in tags.items())
    return f"<Tagging><TagSet>{each}</TagSet></Tagging>".encode()


def _buckets() -> Iterator[Call]:
    yield Call("create", f"PUT {B}")
    yield Call("create again", f"PUT {B}")
    yield Call("head", f"HEAD {B}")
    yield Call("location", f"GET {B}?location")
    yield Call("head none", "HEAD /parity-none")
    yield Call("list none", "GET /parity-none?list-type=2")
    yield Call("get in none", "GET /parity-none/k")
    yield Call("put in none", "PUT /parity-none/k", body=b"x")
    yield Call("delete none", "DELETE /parity-none")
    yield Call("create bad name", "PUT /Parity_Upper")
    yield Call("create short name", "PUT /ab")
    yield Call("create other", "PUT /parity-other")
    yield Call("list empty", f"GET {B}?list-type=2")
    yield Call("list empty v1", f"GET {B}")
    yield Call("list buckets", "GET /?prefix=parity")
    yield Call("list buckets page", "GET /?prefix=parity&max-buckets=1")
    yield Call("list buckets max 0", "GET /?max-buckets=0")
    for setting in ("versioning", "cors", "lifecycle", "policy", "tagging", "encryption", "acl", "website",
                    "replication", "object-lock", "logging", "notification", "accelerate", "requestPayment",
                    "ownershipControls", "publicAccessBlock", "policyStatus"):  # fmt: skip
        yield Call(f"get {setting}", f"GET {B}?{setting}")


def _objects() -> Iterator[Call]:
    k = f"{B}/object"
    meta = {"Content-Type": "text/x-parity", "Cache-Control": "max-age=5", "Content-Disposition": "inline",
            "Content-Encoding": "gzip", "Content-Language": "de", "x-amz-meta-Colour": "red",
            "x-amz-tagging": "a=b&c=d"}  # fmt: skip
    yield Call("put", f"PUT {k}", meta, b"0123456789")
    yield Call("get", f"GET {k}")
    yield Call("head", f"HEAD {k}")
    yield Call("put empty", f"PUT {B}/empty")
    yield Call("get empty", f"GET {B}/empty")
    yield Call("head empty", f"HEAD {B}/empty")
    yield Call("get none", f"GET {B}/none")
    yield Call("head none", f"HEAD {B}/none")
    yield Call("overrides", f"GET {k}?response-content-type=a%2Fb&response-cache-control=no-cache")
    for name, value in {
        "first": "0-3", "one": "0-0", "open": "4-", "suffix": "-3", "beyond": "5-100", "none": "10-",
        "far": "100-200", "backwards": "5-2", "several": "0-1,3-4", "long suffix": "-100",
        "zero suffix": "-0", "nonsense": "x-y",
    }.items():  # fmt: skip
        yield Call(f"range {name}", f"GET {k}", {"Range": f"bytes={value}"})
    yield Call("range head", f"HEAD {k}", {"Range": "bytes=2-4"})
    yield Call("range of empty", f"GET {B}/empty", {"Range": "bytes=0-"})
    etag = f'"{hashlib.md5(b"0123456789").hexdigest()}"'
    past, future = "Thu, 01 Jan 2015 00:00:00 GMT", "Fri, 01 Jan 2100 00:00:00 GMT"
    for name, headers in {
        "match": {"If-Match": etag},
        "match star": {"If-Match": "*"},
        "match other": {"If-Match": '"0"'},
        "none-match": {"If-None-Match": etag},
        "none-match star": {"If-None-Match": "*"},
        "none-match other": {"If-None-Match": '"0"'},
        "modified since past": {"If-Modified-Since": past},
        "modified since future": {"If-Modified-Since": future},
        "unmodified since past": {"If-Unmodified-Since": past},
        "unmodified since future": {"If-Unmodified-Since": future},
        "match beats unmodified": {"If-Match": etag, "If-Unmodified-Since": past},
        "none-match beats modified": {"If-None-Match": '"0"', "If-Modified-Since": future},
    }.items():
        yield Call(f"if {name}", f"GET {k}", headers)
    yield Call("put if absent", f"PUT {k}", {"If-None-Match": "*"}, b"x")
    yield Call("put if match", f"PUT {k}", {"If-Match": '"0"'}, b"x")
    yield Call("put if match none", f"PUT {B}/none", {"If-Match": '"0"'}, b"x")
    yield Call("wrong md5", f"PUT {B}/bad", _md5(b"other"), b"x")
    yield Call("broken md5", f"PUT {B}/bad", {"Content-MD5": "no"}, b"x")
    yield Call("crc32", f"PUT {B}/crc", {"x-amz-checksum-crc32": "poTHxg=="}, b"0123456789")
    yield Call("wrong crc32", f"PUT {B}/bad", {"x-amz-checksum-crc32": "AAAAAA=="}, b"x")
    yield Call("bad storage class", f"PUT {B}/bad", {"x-amz-storage-class": "NONSENSE"}, b"x")
    yield Call("too much metadata", f"PUT {B}/bad", {"x-amz-meta-a": "x" * 2050}, b"x")
    yield Call("nothing bad was stored", f"GET {B}/bad")
    yield Call("delete bad", f"DELETE {B}/bad")
    yield Call("delete if match other", f"DELETE {B}/crc", {"If-Match": '"0"'})
    for name, headers in {"match other": {"If-Match": '"0"'}, "none-match": {"If-None-Match": etag},
                          "modified since future": {"If-Modified-Since": future}}.items():  # fmt: skip
        yield Call(f"head if {name}", f"HEAD {k}", headers)
    yield Call("range if-range", f"GET {k}", {"Range": "bytes=0-1", "If-Range": etag})
    yield Call("range if-range other", f"GET {k}", {"Range": "bytes=0-1", "If-Range": '"0"'})
    yield Call("put expires", f"PUT {B}/expires", {"Expires": future}, b"x")
    yield Call("get expires", f"GET {B}/expires")
    yield Call("overrides all", f"GET {B}/expires?response-expires=x&response-content-language=y"
               "&response-content-encoding=z&response-content-disposition=w")  # fmt: skip
    yield Call("delete", f"DELETE {B}/crc")
    yield Call("delete again", f"DELETE {B}/crc")
    yield Call("part number", f"GET {k}?partNumber=1")
    yield Call("part number 2", f"GET {k}?partNumber=2")
    yield Call("attributes", f"GET {k}?attributes", {"x-amz-object-attributes": "ETag,ObjectSize"})
    yield Call("acl", f"GET {k}?acl")


def _tags() -> Iterator[Call]:
    k = f"{B}/object?tagging"
    yield Call("get", f"GET {k}")
    yield Call("put", f"PUT {k}", _md5(_tagging(x="1", y="2")), _tagging(x="1", y="2"))
    yield Call("get again", f"GET {k}")
    yield Call("count", f"HEAD {B}/object")
    many = _tagging(**{f"k{n}": "v" for n in range(11)})
    yield Call("too many", f"PUT {k}", _md5(many), many)
    twice = b"<Tagging><TagSet>" + b"<Tag><Key>a</Key><Value/></Tag>" * 2 + b"</TagSet></Tagging>"
    yield Call("twice", f"PUT {k}", _md5(twice), twice)
    yield Call("no xml", f"PUT {k}", _md5(b"<a"), b"<a")
    yield Call("of none", f"GET {B}/none?tagging")
    yield Call("delete", f"DELETE {k}")
    yield Call("get none left", f"GET {k}")


def _keys() -> Iterator[Call]:
    for name, key in KEYS.items():
        path = f"{B}/{quote(key, safe='/')}"
        yield Call(f"put {name}", f"PUT {path}", body=key.encode())
        yield Call(f"get {name}", f"GET {path}")
    for name in ("space", "plus", "percent", "encoded-slash", "unicode", "reserved"):
        source = f"/parity/{quote(KEYS[name], safe='/')}"
        yield Call(f"copy {name}", "PUT /parity-other/copied", {"x-amz-copy-source": source})
    yield Call("copy plus unencoded", "PUT /parity-other/copied", {"x-amz-copy-source": "/parity/a+b"})
    yield Call(
        "copy with version", "PUT /parity-other/copied", {"x-amz-copy-source": "/parity/a%20b?versionId=null"}
    )
    for name, path in {
        "escaped twice": "a%2520b", "escaped letter": "%6fbject", "bare plus": "a+b", "bad escape": "a%zz",
        "no utf-8": "%ff", "slash at start": "/object", "question mark": "a%3Fb",
    }.items():  # fmt: skip
        yield Call(f"spelled {name}", f"GET {B}/{path}")
    yield Call("put too long", f"PUT /parity-other/{'k' * 1025}", body=b"x")
    yield Call("list", f"GET {B}?list-type=2&prefix=odd&encoding-type=url")
    yield Call("list with delimiter", f"GET {B}?list-type=2&delimiter=/&encoding-type=url")
    for name, key in KEYS.items():
        yield Call(f"delete {name}", f"DELETE {B}/{quote(key, safe='/')}")


def _listings() -> Iterator[Call]:
    for key in ("a", "a/1", "a/2", "a/b/3", "a0", "b/1", "c"):
        yield Call(f"put {key}", f"PUT {B}/list/{key}", body=b"x")
    p = f"{B}?list-type=2&prefix=list%2F"
    yield Call("all", f"GET {p}")
    yield Call("delimiter", f"GET {p}&delimiter=%2F")
    yield Call("delimiter deeper", f"GET {B}?list-type=2&prefix=list%2Fa%2F&delimiter=%2F")
    yield Call("long delimiter", f"GET {p}&delimiter=a%2F")
    yield Call("prefix no slash", f"GET {B}?list-type=2&prefix=list%2Fa&delimiter=%2F")
    yield Call("prefix none", f"GET {B}?list-type=2&prefix=nothing")
    yield Call("start-after", f"GET {p}&start-after=list%2Fa%2F1")
    yield Call("start-after in prefix", f"GET {p}&start-after=list%2Fa%2F1&delimiter=%2F")
    yield Call("fetch-owner", f"GET {p}&max-keys=1&fetch-owner=true")
    yield Call("max-keys 0", f"GET {p}&max-keys=0")
    yield Call("max-keys negative", f"GET {p}&max-keys=-1")
    yield Call("max-keys text", f"GET {p}&max-keys=x")
    yield Call("max-keys large", f"GET {p}&max-keys=5000")
    yield Call("page 1", f"GET {p}&max-keys=2", saves={"token": "NextContinuationToken"})
    yield Call("page 2", f"GET {p}&max-keys=2&continuation-token={{token}}")
    yield Call("folders 1", f"GET {p}&max-keys=2&delimiter=%2F", saves={"token": "NextContinuationToken"})
    yield Call("folders 2", f"GET {p}&max-keys=2&delimiter=%2F&continuation-token={{token}}")
    yield Call("bad token", f"GET {p}&continuation-token=nonsense")
    yield Call("bad encoding", f"GET {p}&encoding-type=base64")
    v1 = f"{B}?prefix=list%2F"
    yield Call("v1", f"GET {v1}")
    yield Call("v1 page 1", f"GET {v1}&max-keys=2")
    yield Call("v1 page 2", f"GET {v1}&max-keys=2&marker=list%2Fa%2F1")
    yield Call("v1 folders", f"GET {v1}&max-keys=2&delimiter=%2F")
    yield Call("v1 marker folder", f"GET {v1}&delimiter=%2F&marker=list%2Fa%2F")
    yield Call("versions", f"GET {B}?versions&prefix=list%2Fa%2F")
    yield Call("list type 3", f"GET {B}?list-type=3")


def _checksums() -> Iterator[Call]:
    body = b"0123456789"
    sums = {
        "sha1": base64.b64encode(hashlib.sha1(body).digest()).decode(),
        "sha256": base64.b64encode(hashlib.sha256(body).digest()).decode(),
        "crc32c": "KAwGng==",
    }
    for name, value in sums.items():
        yield Call(f"put {name}", f"PUT {B}/sum/{name}", {f"x-amz-checksum-{name}": value}, body)
        yield Call(f"get {name}", f"GET {B}/sum/{name}", {"x-amz-checksum-mode": "ENABLED"})
        yield Call(f"get {name} unasked", f"GET {B}/sum/{name}")
        wrong = {f"x-amz-checksum-{name}": value}
        yield Call(f"put wrong {name}", f"PUT {B}/sum/bad", wrong, b"other")
    yield Call("head", f"HEAD {B}/sum/sha256", {"x-amz-checksum-mode": "ENABLED"})
    yield Call("get range", f"GET {B}/sum/sha256", {"x-amz-checksum-mode": "ENABLED", "Range": "bytes=0-1"})
    asked = {"x-amz-object-attributes": "Checksum,ObjectSize,StorageClass,ObjectParts"}
    yield Call("attributes", f"GET {B}/sum/sha256?attributes", asked)
    yield Call("attributes of nothing", f"GET {B}/sum/sha256?attributes")
    two = {"x-amz-checksum-sha1": sums["sha1"], "x-amz-checksum-sha256": sums["sha256"]}
    yield Call("two", f"PUT {B}/sum/two", two, body)
    yield Call("not base64", f"PUT {B}/sum/bad", {"x-amz-checksum-sha256": "nonsense"}, body)
    yield Call("unknown", f"PUT {B}/sum/unknown", {"x-amz-checksum-md6": "AAAA"}, body)
    yield Call("copy", f"PUT {B}/sum/copy", {"x-amz-copy-source": "/parity/sum/sha256"})
    yield Call("list", f"GET {B}?list-type=2&prefix=sum%2Fsha")


def _cors() -> Iterator[Call]:
    rule = (
        b"<CORSConfiguration><CORSRule><AllowedOrigin>https://*.test</AllowedOrigin><AllowedMethod>PUT</AllowedMethod>"
        b"<AllowedHeader>x-*</AllowedHeader><ExposeHeader>ETag</ExposeHeader><MaxAgeSeconds>60</MaxAgeSeconds>"
        b"</CORSRule></CORSConfiguration>"
    )
    yield Call("put", f"PUT {B}?cors", _md5(rule), rule)
    yield Call("get", f"GET {B}?cors")
    asks = {"Origin": "https://a.test", "Access-Control-Request-Method": "PUT"}
    yield Call("preflight", f"OPTIONS {B}/k", asks)
    yield Call("preflight header", f"OPTIONS {B}/k", asks | {"Access-Control-Request-Headers": "x-a"})
    yield Call("preflight other header", f"OPTIONS {B}/k", asks | {"Access-Control-Request-Headers": "y"})
    yield Call("preflight other origin", f"OPTIONS {B}/k", asks | {"Origin": "https://evil"})
    yield Call("preflight other method", f"OPTIONS {B}/k", asks | {"Access-Control-Request-Method": "GET"})
    yield Call("put object", f"PUT {B}/cors", {"Origin": "https://a.test"}, b"x")
    yield Call("get object", f"GET {B}/cors", {"Origin": "https://a.test"})
    bad = rule.replace(b"PUT", b"PATCH")
    yield Call("bad method", f"PUT {B}?cors", _md5(bad), bad)
    yield Call("no xml", f"PUT {B}?cors", _md5(b"x"), b"x")
    yield Call("delete", f"DELETE {B}?cors")
    yield Call("get none left", f"GET {B}?cors")


def _copies() -> Iterator[Call]:
    source = {"x-amz-copy-source": "/parity/object"}
    yield Call("copy", f"PUT {B}/copy", source)
    yield Call("copied", f"HEAD {B}/copy")
    replace = {"x-amz-metadata-directive": "REPLACE", "Content-Type": "text/new", "x-amz-meta-new": "1"}
    yield Call("replace", f"PUT {B}/copy", source | replace)
    yield Call("replaced", f"HEAD {B}/copy")
    yield Call("across", "PUT /parity-other/copy", source)
    yield Call("onto itself", f"PUT {B}/object", source)
    yield Call("onto itself replacing", f"PUT {B}/copy", {"x-amz-copy-source": "parity/copy"} | replace)
    yield Call("of none", f"PUT {B}/copy", {"x-amz-copy-source": "/parity/none"})
    yield Call("of no bucket", f"PUT {B}/copy", {"x-amz-copy-source": "/parity-none/k"})
    yield Call("of nothing", f"PUT {B}/copy", {"x-amz-copy-source": "/parity"})
    yield Call("bad directive", f"PUT {B}/copy", source | {"x-amz-metadata-directive": "MERGE"})
    yield Call("if match", f"PUT {B}/copy", source | {"x-amz-copy-source-if-match": '"0"'})
    yield Call("if none match", f"PUT {B}/copy", source | {"x-amz-copy-source-if-none-match": '"0"'})


def _multipart() -> Iterator[Call]:
    k = f"{B}/parts"
    yield Call(
        "create",
        f"POST {k}?uploads",
        {"Content-Type": "x/y", "x-amz-meta-m": "1"},
        saves={"upload": "UploadId"},
    )
    part = b"p" * FIVE
    etag = hashlib.md5(part).hexdigest()
    yield Call("part 1", f"PUT {k}?partNumber=1&uploadId={{upload}}", body=part)
    yield Call("part 3", f"PUT {k}?partNumber=3&uploadId={{upload}}", body=b"end")
    yield Call("part 2", f"PUT {k}?partNumber=2&uploadId={{upload}}", body=part)
    yield Call("part 0", f"PUT {k}?partNumber=0&uploadId={{upload}}", body=b"x")
    yield Call("part 10001", f"PUT {k}?partNumber=10001&uploadId={{upload}}", body=b"x")
    yield Call("part of none", f"PUT {k}?partNumber=1&uploadId=none", body=b"x")
    copied = {"x-amz-copy-source": "/parity/object", "x-amz-copy-source-range": "bytes=2-4"}
    yield Call("part copy", f"PUT {k}?partNumber=4&uploadId={{upload}}", copied)
    beyond = copied | {"x-amz-copy-source-range": "bytes=2-100"}
    whole = {"x-amz-copy-source": "/parity/object"}
    yield Call("part copy whole", f"PUT {k}?partNumber=5&uploadId={{upload}}", whole)
    yield Call(
        "part copy of none",
        f"PUT {k}?partNumber=6&uploadId={{upload}}",
        {"x-amz-copy-source": "/parity/none"},
    )
    yield Call(
        "part copy bad range",
        f"PUT {k}?partNumber=6&uploadId={{upload}}",
        copied | {"x-amz-copy-source-range": "1-2"},
    )
    yield Call("part copy beyond", f"PUT {k}?partNumber=4&uploadId={{upload}}", beyond)
    yield Call("list parts", f"GET {k}?uploadId={{upload}}")
    yield Call("list parts page", f"GET {k}?uploadId={{upload}}&max-parts=1&part-number-marker=1")
    yield Call("list uploads", f"GET {B}?uploads")
    yield Call("list uploads prefix", f"GET {B}?uploads&prefix=none")
    yield Call("list uploads delimiter", f"GET {B}?uploads&delimiter=r")
    yield Call("list uploads marker", f"GET {B}?uploads&key-marker=parts")
    yield Call("list uploads one", f"GET {B}?uploads&max-uploads=1")
    yield Call("list uploads none", f"GET {B}?uploads&max-uploads=0")
    end = hashlib.md5(b"end").hexdigest()
    good = ((1, etag), (2, etag), (3, end))
    url = f"POST {k}?uploadId={{upload}}"
    yield Call("complete", url, body=_complete(*good))
    yield Call("head", f"HEAD {k}")
    yield Call("get part", f"HEAD {k}?partNumber=3")
    yield Call("get part 9", f"HEAD {k}?partNumber=9")
    yield Call("range over parts", f"GET {k}", {"Range": f"bytes={2 * FIVE - 2}-{2 * FIVE + 1}"})
    yield Call("complete none", f"POST {k}?uploadId=none", body=_complete(*good))
    yield from _wrong_completes(f"{B}/wrong")
    yield Call("create another", f"POST {k}?uploads", saves={"upload": "UploadId"})
    yield Call("abort", f"DELETE {k}?uploadId={{upload}}")
    yield Call("abort again", f"DELETE {k}?uploadId={{upload}}")
    yield Call("list parts aborted", f"GET {k}?uploadId={{upload}}")


def _wrong_completes(k: str) -> Iterator[Call]:
    """Each with an upload of its own, because some servers complete it all the same."""
    one, end = hashlib.md5(b"one").hexdigest(), hashlib.md5(b"end").hexdigest()
    for name, body in {
        "disordered": _complete((2, end), (1, one)),
        "wrong etag": _complete((1, end)),
        "missing part": _complete((1, one), (9, one)),
        "small part": _complete((1, one), (2, end)),
        "nothing": _complete(),
        "no xml": b"nonsense",
    }.items():
        yield Call(f"create for {name}", f"POST {k}?uploads", saves={"upload": "UploadId"})
        for number, part in ((1, b"one"), (2, b"end")):
            yield Call(
                f"part {number} for {name}", f"PUT {k}?partNumber={number}&uploadId={{upload}}", body=part
            )
        yield Call(f"complete {name}", f"POST {k}?uploadId={{upload}}", body=body)


def _deletes() -> Iterator[Call]:
    for key in ("del/1", "del/2", "del/3"):
        yield Call(f"put {key}", f"PUT {B}/{key}", body=b"x")
    url = f"POST {B}?delete"
    two = _delete("del/1", "del/none")
    yield Call("two", url, _md5(two), two)
    quiet = _delete("del/2", quiet=True)
    yield Call("quiet", url, _md5(quiet), quiet)
    yield Call("unproven", url, body=_delete("del/3"))
    yield Call("wrong md5", url, _md5(b"x"), _delete("del/3"))
    yield Call("none", url, _md5(b"<Delete/>"), b"<Delete/>")
    yield Call("no xml", url, _md5(b"nonsense"), b"nonsense")
    many = _delete(*(f"m{n}" for n in range(1001)))
    yield Call("too many", url, _md5(many), many)
    yield Call("bucket not empty", f"DELETE {B}")


def _odd() -> Iterator[Call]:
    yield Call("post object without form", f"POST {B}", body=b"x")
    yield Call("put on service", "PUT /")
    yield Call("acl of none", f"GET {B}/none?acl")
    yield Call("versionId null", f"GET {B}/object?versionId=null")
    yield Call("versionId bad", f"GET {B}/object?versionId=bad")
    yield Call("put versioning none", f"PUT {B}?versioning", body=b"nonsense")
    yield Call("select", f"POST {B}/object?select&select-type=2", body=b"<x/>")
    yield Call("restore", f"POST {B}/object?restore", body=b"<RestoreRequest/>")
    yield Call("torrent", f"GET {B}/object?torrent")


_ROOMS: Final = {
    "bucket": _buckets, "object": _objects, "tags": _tags, "key": _keys, "list": _listings, "copy": _copies,
    "multipart": _multipart, "checksum": _checksums, "cors": _cors, "odd": _odd, "delete": _deletes,
}  # fmt: skip

CALLS: Final = tuple(
    Call(f"{room}: {call.name}", call.line, call.headers, call.body, call.saves)
    for room, calls in _ROOMS.items()
    for call in calls()
)
