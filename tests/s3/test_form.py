# SPDX-License-Identifier: GPL-2.0-only
"""Forms in any pieces give the same fields and file; what is none is an error, in bounded memory."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dgproxy.s3.errors import CODES, S3Error
from dgproxy.s3.form import MAX_FIELDS, FormReader

BOUNDARY = "xYzZY"
TYPE = f"multipart/form-data; boundary={BOUNDARY}"
FIELDS = st.dictionaries(
    st.from_regex(r"[a-z][a-z-]{0,9}", fullmatch=True).filter(lambda name: name != "file"),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=30).filter(lambda text: BOUNDARY not in text),
    max_size=5,
)


def form(fields: dict[str, str], file: bytes | None, filename: str = "f.txt", end: str = "--") -> bytes:
    parts = [
        f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()
        for name, value in fields.items()
    ]
    if file is not None:
        head = f'form-data; name="file"; filename="{filename}"\r\nContent-Type: text/plain'
        parts.append(f"--{BOUNDARY}\r\nContent-Disposition: {head}\r\n\r\n".encode() + file + b"\r\n")
    return b"".join(parts) + f"--{BOUNDARY}{end}\r\n".encode()


def fed(reader: FormReader, data: bytes, size: int) -> bytes:
    file = b"".join(reader.feed(data[start : start + size]) for start in range(0, len(data), size))
    reader.finish()
    return file


def refusal(data: bytes) -> str:
    with pytest.raises(S3Error) as refused:
        fed(FormReader(TYPE), data, 1000)
    return refused.value.code


@given(
    FIELDS, st.binary(max_size=300).filter(lambda data: BOUNDARY.encode() not in data), st.integers(1, 400)
)
def test_any_pieces(fields: dict[str, str], file: bytes, size: int) -> None:
    reader = FormReader(TYPE)
    assert fed(reader, form(fields, file), size) == file
    assert (reader.fields, reader.filename) == (fields, "f.txt")


@pytest.mark.parametrize("file", [b"", b"\r\n", b"\r\n--", b"\r\n--xYzZ", b"--xYzZY", b"a\r\n--xYz\r\n--"])
@pytest.mark.parametrize("size", [1, 2, 7, 1000])
def test_what_looks_like_a_delimiter(file: bytes, size: int) -> None:
    assert fed(FormReader(TYPE), form({"key": "k"}, file), size) == file


@given(st.binary(max_size=400), st.integers(1, 50))
def test_anything_is_a_form_or_an_error(data: bytes, size: int) -> None:
    for body in (data, b"--xYzZY" + data, form({"a": "b"}, None, end="") + data):
        try:
            fed(FormReader(TYPE), body, size)
        except S3Error as error:
            assert error.code in CODES  # noqa: PT017 - either is fine


@pytest.mark.parametrize(
    ("content_type", "boundary"),
    [
        ('multipart/form-data; boundary="xYzZY"', True),
        ("Multipart/Form-Data;charset=utf-8;boundary=xYzZY", True),
        ("multipart/form-data;boundary=xYzZY; charset=utf-8", True),
        ("multipart/form-data", False),
        ("multipart/mixed; boundary=xYzZY", False),
        ("multipart/form-data; boundary=", False),
        ("multipart/form-data; boundary=" + "x" * 71, False),
        ("", False),
    ],
)
def test_content_types(content_type: str, *, boundary: bool) -> None:
    if boundary:
        assert fed(FormReader(content_type), form({}, b"x"), 10) == b"x"
        return
    with pytest.raises(S3Error) as refused:
        FormReader(content_type)
    assert refused.value.code == "RequestIsNotMultiPartContent"


def test_names_have_no_case_and_the_first_counts() -> None:
    reader = FormReader(TYPE)
    fed(reader, form({"kEy": "1", "KEY": "2"}, b""), 10)
    assert reader.fields == {"key": "1"}


@pytest.mark.parametrize(
    ("given", "kept"),
    [("a b.txt", "a b.txt"), ("C:\\dir\\f.txt", "f.txt"), ("/home/me/ä.txt", "ä.txt"), ("", ""), ("d/", "")],
)
def test_file_names(given: str, kept: str) -> None:
    reader = FormReader(TYPE)
    fed(reader, form({}, b"x", given), 10)
    assert reader.filename == kept


def test_what_follows_the_file_is_ignored() -> None:
    reader = FormReader(TYPE)
    assert fed(reader, form({"a": "1"}, b"x", end="") + form({"b": "2"}, b"y"), 10) == b"x"
    assert reader.fields == {"a": "1"}


def test_broken_forms() -> None:
    whole = form({"a": "1"}, b"file")
    assert refusal(whole[: whole.rindex(b"file") + 4]) == "IncompleteBody"
    assert refusal(form({"a": "1"}, None)) == "IncorrectNumberOfFilesInPostRequest"
    assert refusal(whole[:20]) == "MalformedPOSTRequest"
    assert refusal(b"") == "MalformedPOSTRequest"
    assert refusal(whole.replace(b"form-data", b"attachment")) == "MalformedPOSTRequest"
    assert refusal(whole.replace(b'name="a"', b"other=1")) == "MalformedPOSTRequest"
    assert refusal(whole.replace(b"\r\n1\r\n", b"\r\n\xff\r\n")) == "MalformedPOSTRequest"
    assert refusal(whole.replace(b"--xYzZY\r\n", b"--xYzZY x\r\n", 1)) == "MalformedPOSTRequest"


@pytest.mark.parametrize(
    "endless",
    [
        b"x" * MAX_FIELDS,
        b"--xYzZY\r\n" + b"x" * MAX_FIELDS,
        form({"a": "x" * MAX_FIELDS}, b"y"),
        form({f"a{number}": "x" * 100 for number in range(MAX_FIELDS // 100)}, b"y"),
    ],
)
def test_too_much_before_the_file(endless: bytes) -> None:
    assert refusal(endless) == "MaxPostPreDataLengthExceededError"
