# SPDX-License-Identifier: GPL-2.0-only
"""Policies of browser uploads: what they let through and what not."""

import base64
import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dgproxy.s3 import form_policy
from dgproxy.s3.errors import S3Error

NOW = datetime(2030, 1, 1, tzinfo=UTC)
LATER = "2030-01-01T00:01:00.000Z"


def encoded(document: Any) -> str:
    return base64.b64encode(json.dumps(document).encode()).decode()


def policy(*conditions: Any, expiration: str = LATER) -> form_policy.FormPolicy:
    return form_policy.parse(encoded({"expiration": expiration, "conditions": list(conditions)}))


def denial(parsed: form_policy.FormPolicy, **fields: str) -> str:
    with pytest.raises(S3Error) as refused:
        parsed.check(fields, NOW)
    assert refused.value.code == "AccessDenied"
    return refused.value.message


def test_conditions() -> None:
    parsed = policy(
        {"bUcKeT": "b"},
        ["StArTs-WiTh", "$KeY", "user/"],
        ["eq", "$x-amz-meta-a", "1"],
        {"success_action_status": 201},
        ["starts-with", "$Content-Type", ""],
        ["content-length-range", 1, "10"],
    )
    good = {"bucket": "b", "key": "user/f", "x-amz-meta-a": "1", "success_action_status": "201"}
    exempt = {
        "policy": "p",
        "x-amz-signature": "s",
        "awsaccesskeyid": "i",
        "signature": "s",
        "x-ignore-a": "x",
    }
    parsed.check({**good, **exempt, "content-type": "text/plain"}, NOW)
    assert parsed.sizes == (1, 10)
    assert "starts-with" in denial(parsed, **good | {"key": "other/f"})
    assert "x-amz-meta-a" in denial(parsed, **good | {"x-amz-meta-a": "2"})
    assert "x-amz-meta-a" in denial(parsed, **{name: good[name] for name in good if name != "x-amz-meta-a"})
    assert "bucket" in denial(parsed, **good | {"bucket": "c"})
    assert "Extra input fields: x-amz-meta-b" in denial(parsed, **good | {"x-amz-meta-b": "1"})
    assert "Extra input fields: bucket, key" in denial(policy(), bucket="b", key="k")


def test_a_policy_ends() -> None:
    policy(expiration="2030-01-01T00:00:00Z").check({}, NOW)
    assert "expired" in denial(policy(expiration="2029-12-31T23:59:59Z"))


CONDITIONS = [{"bucket": "b"}]


@pytest.mark.parametrize(
    "document",
    [
        [],
        {},
        {"expiration": LATER},
        {"conditions": CONDITIONS},
        {"EXPIRATION": LATER, "conditions": CONDITIONS},
        {"expiration": LATER, "CONDITIONS": CONDITIONS},
        {"expiration": LATER, "conditions": CONDITIONS, "more": 1},
        {"expiration": "2030-02-30T00:00:00Z", "conditions": CONDITIONS},
        {"expiration": "2030-01-01 00:00:00", "conditions": CONDITIONS},
        {"expiration": 1, "conditions": CONDITIONS},
        *(
            {"expiration": LATER, "conditions": [condition]}
            for condition in (
                {},
                [],
                "bucket",
                {"bucket": None},
                {"bucket": True},
                ["eq", "bucket", "b"],
                ["eq", "$bucket"],
                ["like", "$bucket", "b"],
                ["content-length-range", 0],
                ["content-length-range", -1, 0],
                ["content-length-range", 0, "x"],
                ["content-length-range", 0, 1, 2],
            )
        ),
    ],
)
def test_documents_that_allow_nothing(document: Any) -> None:
    with pytest.raises(S3Error) as refused:
        form_policy.parse(encoded(document))
    assert refused.value.code == "InvalidPolicyDocument"


@given(st.text() | st.binary().map(lambda data: base64.b64encode(data).decode()))
def test_anything_is_a_policy_or_an_error(text: str) -> None:
    with pytest.raises(S3Error):
        form_policy.parse(text)


def test_a_document_that_is_nested_too_deep() -> None:
    with pytest.raises(S3Error):
        form_policy.parse(base64.b64encode(b"[" * 15_000).decode())
