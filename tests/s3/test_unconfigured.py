# SPDX-License-Identifier: GPL-2.0-only
"""Settings nobody has made: every probe has an answer, as S3 words it, and none of them is invented."""

import pytest
from lxml import etree

from dgproxy.s3 import unconfigured
from dgproxy.s3.errors import CODES, S3Error
from dgproxy.s3.operation import Operation
from dgproxy.s3.xml.elements import OWNER_ID


@pytest.mark.parametrize("operation", sorted(unconfigured.OPERATIONS, key=lambda each: each.name))
def test_every_probe_has_a_document_or_a_refusal(operation: Operation) -> None:
    try:
        root = etree.fromstring(unconfigured.answer(operation, "b"))
    except S3Error as error:
        assert error.code in CODES  # noqa: PT017 - either is fine
        assert error.extra == {"BucketName": "b"}  # noqa: PT017 - as above
    else:
        assert etree.QName(root).namespace == "http://s3.amazonaws.com/doc/2006-03-01/"


@pytest.mark.parametrize(
    ("operation", "code", "status"),
    [
        (Operation.GET_BUCKET_TAGGING, "NoSuchTagSet", 404),
        (Operation.GET_BUCKET_POLICY, "NoSuchBucketPolicy", 404),
        (Operation.GET_BUCKET_LIFECYCLE_CONFIGURATION, "NoSuchLifecycleConfiguration", 404),
        (Operation.GET_OBJECT_LOCK_CONFIGURATION, "ObjectLockConfigurationNotFoundError", 404),
        (Operation.GET_OBJECT_RETENTION, "InvalidRequest", 400),
    ],
)
def test_what_is_not_there_is_said_as_s3_says_it(operation: Operation, code: str, status: int) -> None:
    with pytest.raises(S3Error) as raised:
        unconfigured.answer(operation, "b")
    assert (raised.value.code, raised.value.status) == (code, status)


def test_a_bucket_never_versioned_has_no_status() -> None:
    assert len(etree.fromstring(unconfigured.answer(Operation.GET_BUCKET_VERSIONING, "b"))) == 0


@pytest.mark.parametrize("operation", [Operation.GET_BUCKET_ACL, Operation.GET_OBJECT_ACL])
def test_everything_is_its_owners_alone(operation: Operation) -> None:
    root = etree.fromstring(unconfigured.answer(operation, "b"))
    assert [each.text for each in root.iter("{*}ID")] == [OWNER_ID, OWNER_ID]
    assert [each.text for each in root.iter("{*}Permission")] == ["FULL_CONTROL"]


def test_no_operation_is_of_two_kinds() -> None:
    assert not unconfigured.OPERATIONS & unconfigured.REMOVALS
    assert unconfigured.OF_OBJECTS <= unconfigured.OPERATIONS
