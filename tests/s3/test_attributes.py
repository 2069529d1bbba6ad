# SPDX-License-Identifier: GPL-2.0-only
"""GetObjectAttributes: which of an object's attributes, and which page of its parts."""

import pytest

from dgproxy.s3 import attributes
from dgproxy.s3.errors import S3Error
from dgproxy.s3.listing import ListParts

NAMED = "x-amz-object-attributes"


@pytest.mark.parametrize(
    ("header", "names"),
    [
        ("ETag", {"ETag"}),
        ("ETag,ObjectSize", {"ETag", "ObjectSize"}),
        (" ETag , ETag,, Checksum ", {"ETag", "Checksum"}),
        (",".join(sorted(attributes.NAMES)), attributes.NAMES),
    ],
)
def test_names(header: str, names: set[str]) -> None:
    assert attributes.parse({NAMED: header}) == attributes.Attributes(frozenset(names), ListParts(0, 1000))


def test_a_page_of_parts() -> None:
    asked = {NAMED: "ObjectParts", "x-amz-max-parts": "7", "x-amz-part-number-marker": "12"}
    assert attributes.parse(asked).parts == ListParts(after=12, max_parts=7)


@pytest.mark.parametrize(
    ("headers", "code", "extra"),
    [
        ({}, "InvalidRequest", {}),
        ({NAMED: ""}, "InvalidRequest", {}),
        ({NAMED: " , "}, "InvalidRequest", {}),
        ({NAMED: "etag"}, "InvalidArgument", {"ArgumentName": NAMED, "ArgumentValue": "etag"}),
        ({NAMED: "ETag,Owner"}, "InvalidArgument", {"ArgumentName": NAMED, "ArgumentValue": "Owner"}),
    ],
)
def test_refusals(headers: dict[str, str], code: str, extra: dict[str, str]) -> None:
    with pytest.raises(S3Error) as raised:
        attributes.parse(headers)
    assert (raised.value.code, raised.value.extra) == (code, extra)


@pytest.mark.parametrize("name", ["x-amz-max-parts", "x-amz-part-number-marker"])
@pytest.mark.parametrize("value", ["x", "-1", "1.5", "99999999999999999999"])
def test_numbers_of_parts_are_numbers(name: str, value: str) -> None:
    with pytest.raises(S3Error) as raised:
        attributes.parse({NAMED: "ObjectParts", name: value})
    assert raised.value.code == "InvalidArgument"
