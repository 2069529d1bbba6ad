# SPDX-License-Identifier: GPL-2.0-only
"""Tags: what may be one, and the two forms they come in."""

from urllib.parse import urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dgproxy.s3 import tags, xml
from dgproxy.s3.errors import CODES, S3Error
from tests.s3.test_xml import received, sent

TEXT = st.text(st.characters(categories=["L", "N", "Z"], include_characters="_.:/=+-@"), max_size=128)
TAGS = st.dictionaries(
    TEXT.filter(lambda text: text and not text.startswith("aws:")), TEXT, max_size=tags.MAX_TAGS
)


@given(TAGS)
def test_both_forms_give_back_the_tags(given: dict[str, str]) -> None:
    assert tags.of_headers({"x-amz-tagging": urlencode(given)}) == given
    listed = [{"Key": key, "Value": value} for key, value in sorted(given.items())]
    assert received("GetObjectTagging", xml.render_tagging(given)) == {"TagSet": listed}
    assert (
        xml.parse_tagging(sent("PutObjectTagging", Bucket="b", Key="k", Tagging={"TagSet": listed})) == given
    )


@given(st.text(), st.binary())
def test_anything_is_tags_or_an_error(text: str, data: bytes) -> None:
    for read in (lambda: tags.of_headers({"x-amz-tagging": text}), lambda: xml.parse_tagging(data)):
        try:
            assert tags.check(read().items()) is not None
        except S3Error as error:
            assert error.code in CODES  # noqa: PT017 - either is fine


@pytest.mark.parametrize(
    ("header", "code"),
    [
        ("=v", "InvalidTag"),
        ("a=%0A", "InvalidTag"),
        ("a*=1", "InvalidTag"),
        ("aws:x=1", "InvalidTag"),
        ("k" * 129, "InvalidTag"),
        ("k=" + "v" * 257, "InvalidTag"),
        ("&".join(f"k{number}=v" for number in range(11)), "InvalidTag"),
        ("a=1&a=2", "InvalidArgument"),
        ("a=%FF", "InvalidArgument"),
    ],
)
def test_wrong_headers(header: str, code: str) -> None:
    with pytest.raises(S3Error) as refused:
        tags.of_headers({"x-amz-tagging": header})
    assert refused.value.code == code


def test_the_longest_tags() -> None:
    given = {f"{number}" + "k" * 127: "v" * 256 for number in range(10)}
    assert tags.of_headers({"x-amz-tagging": urlencode(given)}) == given


def test_a_name_alone_is_a_tag() -> None:
    assert tags.of_headers({"x-amz-tagging": "a=b&c"}) == {"a": "b", "c": ""}
    assert tags.of_headers({}) == {}


TAG = "<Tag><Key>{}</Key><Value>v</Value></Tag>"


@pytest.mark.parametrize(
    ("content", "code"),
    [
        ("", "MalformedXML"),
        ("<TagSet/><TagSet/>", "MalformedXML"),
        ("<TagSet><Tag><Key>a</Key></Tag></TagSet>", "MalformedXML"),
        ("<TagSet><Other><Key>a</Key><Value>v</Value></Other></TagSet>", "MalformedXML"),
        (f"<TagSet>{TAG.format('a') * 2}</TagSet>", "InvalidTag"),
        (f"<TagSet>{TAG.format('')}</TagSet>", "InvalidTag"),
        (f"<TagSet>{''.join(TAG.format(number) for number in range(11))}</TagSet>", "InvalidTag"),
    ],
)
def test_wrong_documents(content: str, code: str) -> None:
    with pytest.raises(S3Error) as refused:
        xml.parse_tagging(f"<Tagging>{content}</Tagging>".encode())
    assert refused.value.code == code


@pytest.mark.parametrize(("value", "replaces"), [(None, False), ("COPY", False), ("REPLACE", True)])
def test_directive(value: str | None, replaces: bool) -> None:
    assert tags.replaces_tags({} if value is None else {"x-amz-tagging-directive": value}) is replaces


def test_wrong_directive() -> None:
    with pytest.raises(S3Error, match="tagging directive"):
        tags.replaces_tags({"x-amz-tagging-directive": "replace"})
