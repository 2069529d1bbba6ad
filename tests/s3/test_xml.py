# SPDX-License-Identifier: GPL-2.0-only
"""XML both ways, with botocore's serializer and parser on the other end, and everything hostile."""

import contextlib
import re
import time
import tracemalloc
from datetime import UTC, datetime
from typing import Any
from urllib.parse import unquote

import botocore.session
import pytest
from botocore.handlers import decode_list_object, decode_list_object_v2
from botocore.parsers import create_parser
from botocore.serialize import create_serializer
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from dgproxy.s3 import xml
from dgproxy.s3.checksums import Algorithm, Checksum, ChecksumType
from dgproxy.s3.errors import CODES, S3Error
from dgproxy.s3.listing import (
    ListMultipartUploads,
    ListParts,
    decode_token,
    encode_token,
    list_multipart_uploads,
    list_object_versions,
    list_objects,
)

SERVICE = botocore.session.get_session().get_service_model("s3")
NAMESPACE = "http://s3.amazonaws.com/doc/2006-03-01/"
MODIFIED = 1_700_000_000_123
WHEN = datetime.fromtimestamp(MODIFIED // 1000, UTC).replace(microsecond=123_000)
CRC = Checksum(Algorithm.CRC32, b"abcd")
COMPOSITE = Checksum(Algorithm.SHA256, b"s" * 32, ChecksumType.COMPOSITE, 2)
#: What XML 1.0 can hold: any key but those with most control characters.
KEYS = st.text(
    st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\ufffe\uffff"), min_size=1, max_size=30
)
ANY_KEYS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=30)


def received(operation: str, body: bytes, status: int = 200) -> dict[str, Any]:
    """What a botocore client makes of a response."""
    response = {"body": body, "headers": {}, "status_code": status}
    parsed = create_parser("rest-xml").parse(response, SERVICE.operation_model(operation).output_shape)
    parsed.pop("ResponseMetadata", None)
    return dict(parsed)


def sent(operation: str, **parameters: Any) -> bytes:
    """What a botocore client sends as a body."""
    model = SERVICE.operation_model(operation)
    body = create_serializer("rest-xml").serialize_to_request(parameters, model)["body"]
    return body if isinstance(body, bytes) else body.read()


def refusal(read: Any, body: bytes) -> S3Error:
    with pytest.raises(S3Error) as caught:
        read(body)
    return caught.value


# -- what clients send ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "constraint"),
    [
        (b"", ""),
        (b" \n", ""),
        (b"<CreateBucketConfiguration/>", ""),
        (b"<CreateBucketConfiguration><LocationConstraint/></CreateBucketConfiguration>", ""),
        (
            sent("CreateBucket", Bucket="b", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"}),
            "eu-west-1",
        ),
        (
            (
                b'<?xml version="1.0"?><!-- c --><a:CreateBucketConfiguration xmlns:a="x">'
                b"<a:LocationConstraint> us-east-1 </a:LocationConstraint></a:CreateBucketConfiguration>"
            ),
            "us-east-1",
        ),
    ],
)
def test_create_bucket(body: bytes, constraint: str) -> None:
    assert xml.parse_create_bucket(body) == constraint


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"<Location><Name>usw2-az1</Name></Location>", "NotImplemented"),
        (b"<Tags><Tag/></Tags>", "NotImplemented"),
        (b"<Something/>", "MalformedXML"),
    ],
)
def test_buckets_that_are_not_made_here(content: bytes, code: str) -> None:
    body = b"<CreateBucketConfiguration>" + content + b"</CreateBucketConfiguration>"
    assert refusal(xml.parse_create_bucket, body).code == code


@given(st.lists(st.tuples(KEYS, st.none() | st.just("etag")), min_size=1, max_size=5), st.booleans())
def test_delete(items: list[tuple[str, str | None]], quiet: bool) -> None:
    objects = [{"Key": key} | ({"ETag": f'"{etag}"'} if etag else {}) for key, etag in items]
    asked = xml.parse_delete(sent("DeleteObjects", Bucket="b", Delete={"Objects": objects, "Quiet": quiet}))
    assert asked == xml.DeleteRequest([xml.DeleteItem(key, etag) for key, etag in items], quiet)


def delete(content: str) -> bytes:
    return f'<Delete xmlns="{NAMESPACE}">{content}</Delete>'.encode()


OBJECT = "<Object><Key>k</Key></Object>"
VERSION = "3sL4kqtJlcpXroDTDmJqrmSpXd3dIbrHY"


@pytest.mark.parametrize(
    ("content", "keys", "quiet"),
    [
        (OBJECT, ["k"], False),
        (OBJECT * 1000, ["k"] * 1000, False),
        (OBJECT + "<Quiet>1</Quiet>", ["k"], True),
        ("<Quiet> TRUE </Quiet>" + OBJECT, ["k"], True),
        ("<Object><VersionId>null</VersionId><Key>k</Key></Object>", ["k"], False),
        ("<Object><Key>k</Key><VersionId/></Object>", ["k"], False),
        ("<Object>\n <Key> a &lt;&amp;&#233;&#10; </Key>\n</Object>", [" a <&é\n "], False),
        ("<Object><Key>a<!-- c -->b<![CDATA[<c>]]></Key></Object>", ["ab<c>"], False),
        (f"<Object><Key>{'&#65;' * 1024}</Key></Object>", ["A" * 1024], False),
    ],
)
def test_delete_documents(content: str, keys: list[str], quiet: bool) -> None:
    asked = xml.parse_delete(delete(content))
    assert [item.key for item in asked.items] == keys
    assert asked.quiet is quiet


@pytest.mark.parametrize(
    ("content", "code"),
    [
        ("", "MalformedXML"),
        (OBJECT * 1001, "MalformedXML"),
        ("<Object/>", "MalformedXML"),
        ("<Object><Key/></Object>", "MalformedXML"),
        ("<Object><Key>a</Key><Key>b</Key></Object>", "MalformedXML"),
        ("<Object><Key><b>a</b></Key></Object>", "MalformedXML"),
        ("<Object><Key>a</Key><Name>b</Name></Object>", "MalformedXML"),
        (OBJECT + "<Quiet>maybe</Quiet>", "MalformedXML"),
        (OBJECT + "<Loud/>", "MalformedXML"),
        ("<Object><Key>&#1;</Key></Object>", "MalformedXML"),
        ("<Object><Key>&unknown;</Key></Object>", "MalformedXML"),
        (f"<Object><Key>{'a' * 1025}</Key></Object>", "KeyTooLongError"),
        (f"<Object><Key>a</Key><VersionId>{VERSION}</VersionId></Object>", "NoSuchVersion"),
        ("<Object><Key>a</Key><VersionId>1</VersionId></Object>", "InvalidArgument"),
        ("<Object><Key>a</Key><Size>1</Size></Object>", "NotImplemented"),
    ],
)
def test_bad_delete_documents(content: str, code: str) -> None:
    assert refusal(xml.parse_delete, delete(content)).code == code


def test_an_empty_delete() -> None:
    assert refusal(xml.parse_delete, b"").code == "MissingRequestBodyError"


@given(
    st.lists(st.integers(1, 10000), min_size=1, max_size=8, unique=True).map(sorted),
    st.sampled_from(Algorithm),
)
def test_complete(numbers: list[int], algorithm: Algorithm) -> None:
    checksum = Checksum(algorithm, bytes({"CRC64NVME": 8, "SHA1": 20, "SHA256": 32}.get(algorithm.value, 4)))
    parts = [
        {"PartNumber": number, "ETag": f'"e{number}"', algorithm.element: checksum.text} for number in numbers
    ]
    body = sent(
        "CompleteMultipartUpload", Bucket="b", Key="k", UploadId="u", MultipartUpload={"Parts": parts}
    )
    assert xml.parse_complete_multipart_upload(body) == [
        xml.PartReference(number, f"e{number}", {algorithm: checksum.digest}) for number in numbers
    ]


def part(number: object, rest: str = "<ETag>e</ETag>") -> str:
    return f"<Part><PartNumber>{number}</PartNumber>{rest}</Part>"


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (part(1) + part(2) + part(10000), None),
        (part(" 7 ", "<ETag> &quot;e&quot; </ETag>"), None),
        ("".join(part(number) for number in range(1, 10001)), None),
        ("", "MalformedXML"),
        ("<Part/>", "MalformedXML"),
        ("<Parts/>", "MalformedXML"),
        (part(1, ""), "MalformedXML"),
        (part(1, "<ETag>e</ETag><Size>1</Size>"), "MalformedXML"),
        (part("x"), "MalformedXML"),
        (part(""), "MalformedXML"),
        (part("\u0661"), "InvalidArgument"),
        (part(0), "InvalidArgument"),
        (part(-1), "InvalidArgument"),
        (part(10001), "InvalidArgument"),
        (part(2) + part(1), "InvalidPartOrder"),
        (part(1) + part(2) + part(1), "InvalidPartOrder"),
        (part(1, "<ETag>old</ETag>") + part(1), None),
        (part(1, "<ETag>e</ETag><ChecksumCRC32>x</ChecksumCRC32>"), "InvalidRequest"),
    ],
)
def test_part_lists(content: str, code: str | None) -> None:
    body = f"<CompleteMultipartUpload>{content}</CompleteMultipartUpload>".encode()
    if code is None:
        assert all(part.etag == "e" for part in xml.parse_complete_multipart_upload(body))
    else:
        assert refusal(xml.parse_complete_multipart_upload, body).code == code


READERS = [xml.parse_create_bucket, xml.parse_delete, xml.parse_complete_multipart_upload]
BOMB = "".join(f'<!ENTITY e{i} "{f"&e{i - 1};" * 10 if i else "boom"}">' for i in range(12))


@pytest.mark.parametrize("read", READERS)
@pytest.mark.parametrize(
    "body",
    [
        b"not xml",
        b"<a>",
        b"<a></b>",
        b"<a/><b/>",
        b"<a/>",
        b"\xff\xfe",
        b"\x00",
        b'<?xml version="1.0" encoding="no-such-encoding"?><a/>',
        b"<!DOCTYPE Delete><Delete/>",
        b'<!DOCTYPE Delete SYSTEM "http://127.0.0.1:1/x.dtd"><Delete/>',
        b'<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><Delete><Object><Key>&x;</Key></Object></Delete>',
        f"<!DOCTYPE a [{BOMB}]><Delete><Object><Key>&e11;</Key></Object></Delete>".encode(),
        b"<a>" * 300,
        b"<Delete>" + b"<a>" * 9,
        b"<Delete>" + b"<Quiet/>" * 100_001 + b"</Delete>",
        b"<Delete " + b"a='" + b"x" * 100 + b"'/>",
        "<Delete>\ud800</Delete>".encode("utf-8", "surrogatepass"),
        "<!DOCTYPE x><Delete/>".encode("utf-16"),
    ],
)
def test_hostile_documents(read: Any, body: bytes) -> None:
    assert refusal(read, body).code == "MalformedXML"


@pytest.mark.parametrize("declaration", ["<!DOCTYPE Delete>", "<!DOCTYPE Delete [<!ENTITY k 'k'>]>"])
def test_a_document_that_is_right_but_for_its_dtd(declaration: str) -> None:
    document = delete(OBJECT)
    assert xml.parse_delete(document)
    assert refusal(xml.parse_delete, declaration.encode() + document).code == "MalformedXML"


def test_a_document_of_too_many_elements_is_given_up_early() -> None:
    body = b"<Delete>" + b"<a/>" * 2_000_000 + b"</Delete>"
    tracemalloc.start()
    assert refusal(xml.parse_delete, body).code == "MalformedXML"
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 60 << 20


def test_the_largest_key_of_references_costs_no_more_than_its_length() -> None:
    # Pieces joined one by one would take minutes here; the bound only tells seconds from those.
    begin = time.process_time()
    body = b"<Delete><Object><Key>" + b"&#65;" * 1_600_000 + b"</Key></Object></Delete>"
    assert refusal(xml.parse_delete, body).code == "KeyTooLongError"
    assert time.process_time() - begin < 20


@pytest.mark.parametrize("read", READERS)
def test_a_document_over_the_limit_is_not_parsed(read: Any) -> None:
    assert refusal(read, b"<" * (xml.MAX_DOCUMENT + 1)).code == "MaxMessageLengthExceeded"


PIECES = [
    "<Delete>",
    "</Delete>",
    "<Object>",
    "</Object>",
    "<Key>",
    "</Key>",
    "k",
    "&amp;",
    "&#0;",
    "<![CDATA[",
    "]]>",
]
PIECES += [
    "<CompleteMultipartUpload>",
    "<Part>",
    "<PartNumber>",
    "1",
    "</PartNumber>",
    "<ETag/>",
    "</Part>",
    "<!DOCTYPE a>",
]


@given(st.binary(max_size=200) | st.lists(st.sampled_from(PIECES), max_size=15).map("".join).map(str.encode))
def test_any_bytes_are_a_document_or_an_s3_error(body: bytes) -> None:
    for read in READERS:
        with contextlib.suppress(S3Error):
            read(body)


# -- what clients get ----------------------------------------------------------------------------------------


def entry(key: str, *algorithms: Algorithm) -> xml.ObjectEntry:
    return xml.ObjectEntry(key, 7, "e-2", MODIFIED, algorithms, ChecksumType.FULL_OBJECT)


@given(st.lists(KEYS, max_size=4), st.lists(KEYS, max_size=3), KEYS, st.booleans(), st.booleans())
def test_list_objects_v2(keys: list[str], prefixes: list[str], last: str, more: bool, owner: bool) -> None:
    asked = list_objects(
        {
            "list-type": "2",
            "prefix": last,
            "delimiter": "/+ ",
            "start-after": last,
            "continuation-token": encode_token("x"),
        }
        | ({"fetch-owner": "true"} if owner else {})
    )
    body = xml.render_list_objects(
        "bucket", asked, [entry(key) for key in keys], prefixes, last=last if more else None
    )
    found = received("ListObjectsV2", body)
    token = found.pop("NextContinuationToken", None)
    assert (decode_token(token) == last) if more else token is None
    contents = found.pop("Contents", [])
    assert [item["Key"] for item in contents] == keys
    for item in contents:
        assert item["ETag"] == '"e-2"'
        assert (item["Size"], item["LastModified"], item["StorageClass"]) == (7, WHEN, "STANDARD")
        assert ("Owner" in item) is owner
    assert found.pop("CommonPrefixes", []) == [{"Prefix": prefix} for prefix in prefixes]
    assert found == {
        "Name": "bucket",
        "Prefix": last,
        "Delimiter": "/+ ",
        "StartAfter": last,
        "ContinuationToken": encode_token("x"),
        "KeyCount": len(keys) + len(prefixes),
        "MaxKeys": 1000,
        "IsTruncated": more,
    }


@given(st.lists(KEYS, max_size=4), st.lists(KEYS, max_size=3), KEYS, st.booleans(), st.booleans())
def test_list_objects_v1(
    keys: list[str], prefixes: list[str], last: str, more: bool, delimited: bool
) -> None:
    asked = list_objects({"marker": last, "max-keys": "5"} | ({"delimiter": "d"} if delimited else {}))
    body = xml.render_list_objects(
        "bucket", asked, [entry(key) for key in keys], prefixes, last=last if more else None
    )
    found = received("ListObjects", body)
    assert [item["Key"] for item in found.get("Contents", [])] == keys
    assert all(
        len(item["Owner"]["ID"]) == 64 and item["Owner"]["DisplayName"] for item in found.get("Contents", [])
    )
    assert (found["Marker"], found["Prefix"], found["MaxKeys"], found["IsTruncated"]) == (last, "", 5, more)
    # As the API reference says: there only if the request has a delimiter.
    assert found.get("NextMarker") == (last if more and delimited else None)
    assert found.get("Delimiter") == ("d" if delimited else None)
    assert b"<KeyCount" not in body


@given(ANY_KEYS, st.booleans())
def test_url_encoding_carries_every_key(key: str, v2: bool) -> None:
    query = {"encoding-type": "url", "prefix": key, "delimiter": key, "marker": key, "start-after": key}
    asked = list_objects(query | ({"list-type": "2"} if v2 else {}))
    body = xml.render_list_objects("bucket", asked, [entry(key)], [key], last=key)
    found = received("ListObjectsV2" if v2 else "ListObjects", body)
    assert found["EncodingType"] == "url"
    (decode_list_object_v2 if v2 else decode_list_object)(found, {"encoding_type_auto_set": True})
    assert found["Contents"][0]["Key"] == found["CommonPrefixes"][0]["Prefix"] == key
    if not v2 and found["Prefix"] != key:
        # What XML can't hold is encoded, although botocore does not decode it.
        assert re.search("[\0-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]", key)
        found["Prefix"] = unquote(found["Prefix"])
    assert found["Prefix"] == found["Delimiter"] == key
    assert (found["StartAfter"] if v2 else found["Marker"]) == key
    assert v2 or found["NextMarker"] == key


def test_url_encoding_spells_a_space_so_that_every_client_reads_it() -> None:
    asked = list_objects({"encoding-type": "url"})
    body = xml.render_list_objects("bucket", asked, [entry("a b+c/d~\u00e9")], [], last=None)
    assert b"<Key>a%20b%2Bc/d~%C3%A9</Key>" in body


def test_without_encoding_a_key_is_never_shown_as_another_one() -> None:
    body = xml.render_list_objects(
        "bucket", list_objects({}), [entry("a\x01\r\n\t<&>\"'\uffff")], [], last=None
    )
    assert b"<Key>a&#x1;&#xD;&#xA;&#x9;&lt;&amp;&gt;&quot;'&#xFFFF;</Key>" in body
    with pytest.raises(etree.XMLSyntaxError):
        etree.fromstring(body)
    assert (
        received(
            "ListObjects", xml.render_list_objects("b", list_objects({}), [entry("\r\n\t ")], [], last=None)
        )["Contents"][0]["Key"]
        == "\r\n\t "
    )


def test_an_empty_page_is_not_truncated() -> None:
    for query in ({"max-keys": "0"}, {"max-keys": "0", "list-type": "2"}):
        found = received("ListObjectsV2", xml.render_list_objects("b", list_objects(query), [], [], last="k"))
        assert (found["IsTruncated"], found["MaxKeys"]) == (False, 0)
        assert "NextContinuationToken" not in found


def test_checksums_of_listed_objects() -> None:
    entries = [entry("k", Algorithm.SHA256), entry("none")]
    body = xml.render_list_objects("b", list_objects({}), entries, [], last=None)
    with_one, without = received("ListObjects", body)["Contents"]
    assert (with_one["ChecksumAlgorithm"], with_one["ChecksumType"]) == (["SHA256"], "FULL_OBJECT")
    assert "ChecksumAlgorithm" not in without
    assert "ChecksumType" not in without
    asked = list_object_versions({})
    body = xml.render_list_object_versions("b", asked, entries, [], last=None)
    (first, _) = received("ListObjectVersions", body)["Versions"]
    assert (first["ChecksumAlgorithm"], first["ChecksumType"]) == (["SHA256"], "FULL_OBJECT")


def test_list_buckets() -> None:
    found = received("ListBuckets", xml.render_list_buckets([xml.BucketEntry("one", MODIFIED)]))
    assert found["Buckets"] == [{"Name": "one", "CreationDate": WHEN}]
    assert set(found) == {"Buckets", "Owner"}
    found = received("ListBuckets", xml.render_list_buckets([], prefix="p<", token="t"))
    assert (found["Buckets"], found["Prefix"], found["ContinuationToken"]) == ([], "p<", "t")


@pytest.mark.parametrize(("region", "text"), [("eu-west-1", "eu-west-1"), ("us-east-1", None), ("<", "<")])
def test_location(region: str, text: str | None) -> None:
    root = etree.fromstring(xml.render_location(region))
    assert (root.tag, root.text) == (f"{{{NAMESPACE}}}LocationConstraint", text)


def test_copies() -> None:
    found = received("CopyObject", xml.render_copy_object("e", MODIFIED, checksum=CRC))
    result = {"ETag": '"e"', "LastModified": WHEN, "ChecksumCRC32": "YWJjZA=="}
    assert found["CopyObjectResult"] == result | {"ChecksumType": "FULL_OBJECT"}
    found = received("UploadPartCopy", xml.render_copy_object("e", MODIFIED, part=True, checksum=CRC))
    assert found["CopyPartResult"] == result


@given(st.lists(KEYS, max_size=3), st.lists(KEYS, max_size=3))
def test_delete_results(deleted: list[str], failed: list[str]) -> None:
    failures = [xml.DeleteFailed(key, S3Error("AccessDenied", "<no>")) for key in failed]
    found = received("DeleteObjects", xml.render_delete(deleted, failures))
    assert found.get("Deleted", []) == [{"Key": key} for key in deleted]
    assert found.get("Errors", []) == [
        {"Key": key, "Code": "AccessDenied", "Message": "<no>"} for key in failed
    ]


@given(KEYS)
def test_uploads(key: str) -> None:
    found = received("CreateMultipartUpload", xml.render_create_multipart_upload("bucket", key, "u"))
    assert found == {"Bucket": "bucket", "Key": key, "UploadId": "u"}
    body = xml.render_complete_multipart_upload("bucket", key, "e-2", "http://h/?a&b", checksum=COMPOSITE)
    assert received("CompleteMultipartUpload", body) == {
        "Location": "http://h/?a&b",
        "Bucket": "bucket",
        "Key": key,
        "ETag": '"e-2"',
        "ChecksumSHA256": COMPOSITE.text,
        "ChecksumType": "COMPOSITE",
    }


def test_list_parts() -> None:
    parts = [xml.PartEntry(3, 5, "e3", MODIFIED), xml.PartEntry(7, 6, "e7", MODIFIED, CRC)]
    kind = (Algorithm.CRC32, ChecksumType.COMPOSITE)
    body = xml.render_list_parts("bucket", "k", "u", ListParts(2, 2), parts, more=True, checksum=kind)
    found = received("ListParts", body)
    assert found.pop("Owner") == found.pop("Initiator")
    first, second = found.pop("Parts")
    assert first == {"PartNumber": 3, "Size": 5, "ETag": '"e3"', "LastModified": WHEN}
    assert second["ChecksumCRC32"] == CRC.text
    assert found == {
        "Bucket": "bucket",
        "Key": "k",
        "UploadId": "u",
        "PartNumberMarker": 2,
        "NextPartNumberMarker": 7,
        "MaxParts": 2,
        "IsTruncated": True,
        "StorageClass": "STANDARD",
        "ChecksumAlgorithm": "CRC32",
        "ChecksumType": "COMPOSITE",
    }
    found = received("ListParts", xml.render_list_parts("b", "k", "u", ListParts(9, 0), [], more=True))
    assert (found["IsTruncated"], found["NextPartNumberMarker"]) == (False, 9)


@pytest.mark.parametrize(
    ("keys", "prefixes", "next_key", "next_id"),
    [
        (["a", "b"], [], "b", "u1"),
        (["a"], ["c/"], "c/", ""),
        (["z"], ["c/"], "z", "u0"),
        ([], ["c/"], "c/", ""),
    ],
)
def test_list_multipart_uploads(keys: list[str], prefixes: list[str], next_key: str, next_id: str) -> None:
    uploads = [xml.UploadEntry(key, f"u{place}", MODIFIED) for place, key in enumerate(keys)]
    asked = ListMultipartUploads("p", "/", 2, "m", "n", False)
    found = received(
        "ListMultipartUploads", xml.render_list_multipart_uploads("b1b", asked, uploads, prefixes, more=True)
    )
    assert [(item["Key"], item["UploadId"]) for item in found.pop("Uploads", [])] == [
        (key, f"u{place}") for place, key in enumerate(keys)
    ]
    assert [item["Prefix"] for item in found.pop("CommonPrefixes", [])] == prefixes
    assert found == {
        "Bucket": "b1b",
        "KeyMarker": "m",
        "UploadIdMarker": "n",
        "NextKeyMarker": next_key,
        "NextUploadIdMarker": next_id,
        "Prefix": "p",
        "Delimiter": "/",
        "MaxUploads": 2,
        "IsTruncated": True,
    }


def test_list_multipart_uploads_at_the_end_and_encoded() -> None:
    asked = list_multipart_uploads({"encoding-type": "url", "prefix": "a b", "key-marker": "\x01"})
    upload = xml.UploadEntry("\x01 \u00e9", "u", MODIFIED, (Algorithm.CRC64NVME, ChecksumType.FULL_OBJECT))
    found = received(
        "ListMultipartUploads", xml.render_list_multipart_uploads("b", asked, [upload], [], more=False)
    )
    assert (found["EncodingType"], found["Prefix"], found["KeyMarker"]) == ("url", "a%20b", "%01")
    assert (found["Uploads"][0]["Key"], found["Uploads"][0]["ChecksumType"]) == (
        "%01%20%C3%A9",
        "FULL_OBJECT",
    )
    assert (found["IsTruncated"], "NextKeyMarker" in found) == (False, False)


@pytest.mark.parametrize("code", sorted(CODES))
def test_every_error_is_read_by_clients(code: str) -> None:
    error = S3Error(code, extra={"Key": "<k>"})
    body = xml.render_error(error, resource="/b/<k>", request_id="r1", host_id="h1")
    found = received("GetObject", body, error.status if error.status != 304 else 400)["Error"]
    assert (found["Code"], found["Message"]) == (code, error.message)
    root = etree.fromstring(body)
    assert root.tag == "Error"
    assert [child.tag for child in root] == ["Code", "Message", "Key", "Resource", "RequestId", "HostId"]
    assert [child.text for child in root][2:] == ["<k>", "/b/<k>", "r1", "h1"]


@given(st.text(), st.text(), st.text())
def test_an_error_is_well_formed_whatever_it_tells(message: str, value: str, resource: str) -> None:
    body = xml.render_error(
        S3Error("NoSuchKey", message, extra={"Key": value}), resource=resource, request_id="r"
    )
    assert etree.fromstring(body).findtext("RequestId") == "r"
