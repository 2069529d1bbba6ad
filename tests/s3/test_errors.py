# SPDX-License-Identifier: GPL-2.0-only
import ast
from pathlib import Path

import pytest

import dgproxy
from dgproxy.s3.errors import CODES, S3Error


def test_the_error_carries_everything_an_answer_needs() -> None:
    error = S3Error("NoSuchKey", extra={"Key": "a"}, headers={"X": "1"})
    assert (error.code, error.status, error.message) == (
        "NoSuchKey",
        404,
        "The specified key does not exist.",
    )
    assert error.extra == {"Key": "a"}
    assert error.headers == {"X": "1"}
    assert S3Error("NoSuchKey", "Gone.").message == "Gone."
    assert str(error) == "NoSuchKey: The specified key does not exist."


def test_an_unknown_code_is_a_programming_error() -> None:
    with pytest.raises(KeyError):
        S3Error("NoSuchThing")


def test_only_304_has_no_body() -> None:
    assert not S3Error("NotModified").has_body
    assert all(S3Error(code).has_body for code in CODES if code != "NotModified")


@pytest.mark.parametrize("code", sorted(CODES))
def test_every_code_has_an_error_status_and_a_message(code: str) -> None:
    status, message = CODES[code]
    assert 400 <= status < 600 or code == "NotModified"
    assert message


def test_every_code_raised_in_the_program_is_in_the_table() -> None:
    used: set[str] = set()
    for path in Path(dgproxy.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            named = isinstance(node, ast.Call) and getattr(node.func, "id", "") == "S3Error" and node.args
            if named and isinstance(node.args[0], ast.Constant):
                used.add(str(node.args[0].value))
    assert len(used) > 20
    assert used - CODES.keys() == set()
