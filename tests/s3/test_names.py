# SPDX-License-Identifier: GPL-2.0-only
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dgproxy.s3.errors import S3Error
from dgproxy.s3.names import check_bucket, check_key, check_version, part_number


@pytest.mark.parametrize(
    "name", ["abc", "a1b", "0ab", "my.bucket", "a-b.c-d", "xn-abc", "1.2.3", "1.2.3.4.5", "a" * 63, "a--b"]
)
def test_good_bucket_names(name: str) -> None:
    check_bucket(name)
    check_bucket(name, creating=True)


@pytest.mark.parametrize(
    "name",
    [
        *("", "a", "ab", "a" * 64, "Abc", "a_b", "_health", "abc-", "-abc", ".abc", "abc.", "a..b", ".."),
        *("192.168.5.4", "a b", "a/b", "äbc", "abc\n", "abc\x00", "\u0661\u0662\u0663"),
    ],
)
def test_bad_bucket_names(name: str) -> None:
    with pytest.raises(S3Error) as caught:
        check_bucket(name)
    assert caught.value.code == "InvalidBucketName"


@pytest.mark.parametrize("name", ["xn--abc", "sthree-abc", "amzn-s3-demo-abc", "abc-s3alias", "abc--ol-s3"])
def test_names_aws_reserves_may_be_used_but_not_created(name: str) -> None:
    check_bucket(name)
    with pytest.raises(S3Error):
        check_bucket(name, creating=True)


@given(st.text(max_size=70))
def test_a_good_name_is_safe_in_a_path_and_a_host(name: str) -> None:
    try:
        check_bucket(name)
    except S3Error:
        return
    assert name.isascii()
    assert not set(name) & set("/_%\\:@ ")
    assert ".." not in name


def test_keys() -> None:
    for key in ("a", "a" * 1024, "é" * 512, "\x00\x01", "../..", "//", "a\ud7ffb", "😀" * 256):
        check_key(key)
    for key, size in (("a" * 1025, 1025), ("é" * 513, 1026)):
        with pytest.raises(S3Error) as caught:
            check_key(key)
        assert caught.value.code == "KeyTooLongError"
        assert caught.value.extra == {"Size": str(size), "MaxSizeAllowed": "1024"}
    with pytest.raises(S3Error) as caught:
        check_key("a\udc80")
    assert caught.value.code == "InvalidURI"


@pytest.mark.parametrize(
    ("version", "code"),
    [
        ("null", None),
        ("", "InvalidArgument"),
        ("x", "InvalidArgument"),
        ("3sL4kqtJlcpXroDTDmJ+rmSpXd3dIbrHY", "InvalidArgument"),
        ("3sL4kqtJlcpXroDTDmJqrmSpXd3dIbrHY", "NoSuchVersion"),
    ],
)
def test_versions(version: str, code: str | None) -> None:
    if code is None:
        check_version(version)
        return
    with pytest.raises(S3Error) as caught:
        check_version(version)
    assert caught.value.code == code


def test_part_numbers() -> None:
    assert [part_number(text) for text in ("1", "01", "10000")] == [1, 1, 10000]
    for text in ("0", "10001", "-1", "", "1.0", " 1", "x", "\u00b2", "\u0661", "9" * 5000):
        with pytest.raises(S3Error) as caught:
            part_number(text)
        assert caught.value.code == "InvalidArgument"
        assert caught.value.extra == {"ArgumentName": "partNumber", "ArgumentValue": text}
