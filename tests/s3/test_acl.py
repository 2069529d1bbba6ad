# SPDX-License-Identifier: GPL-2.0-only
"""Access control lists: what leaves everything to the owner is accepted, all else is refused by name."""

import pytest

from dgproxy.s3 import acl
from dgproxy.s3.errors import S3Error
from dgproxy.s3.xml.elements import OWNER_FIELDS, OWNER_ID, document

SOMEBODY = "<Grantee><ID>{0}</ID></Grantee><Permission>{1}</Permission>"


def policy(*grants: tuple[str, str]) -> bytes:
    listed = "".join(f"<Grant>{SOMEBODY.format(*grant)}</Grant>" for grant in grants)
    owner = f"<Owner>{OWNER_FIELDS}</Owner>"
    return document("AccessControlPolicy", f"{owner}<AccessControlList>{listed}</AccessControlList>")


OWN = policy((OWNER_ID, "FULL_CONTROL"))


@pytest.mark.parametrize(
    ("headers", "sent"),
    [
        ({"x-amz-acl": "private"}, b""),
        ({"x-amz-acl": "bucket-owner-read"}, b""),
        ({"x-amz-acl": "bucket-owner-full-control"}, b" \n"),
        ({}, OWN),
    ],
)
def test_what_is_the_owners_stays(headers: dict[str, str], sent: bytes) -> None:
    acl.check(headers, sent)


@pytest.mark.parametrize(
    ("headers", "sent", "code"),
    [
        ({"x-amz-acl": "public-read"}, b"", "NotImplemented"),
        ({"x-amz-acl": "log-delivery-write"}, b"", "NotImplemented"),
        ({"x-amz-acl": "Private"}, b"", "InvalidArgument"),
        ({"x-amz-acl": ""}, b"", "InvalidArgument"),
        ({"x-amz-grant-read": f'id="{OWNER_ID}"'}, b"", "NotImplemented"),
        ({"x-amz-acl": "private", "x-amz-grant-write": 'id="1"'}, b"", "NotImplemented"),
        ({"x-amz-acl": "private"}, OWN, "UnexpectedContent"),
        ({}, b"", "MissingSecurityHeader"),
        ({}, b"<AccessControlPolicy>", "MalformedXML"),
        ({}, policy(), "NotImplemented"),
        ({}, policy((OWNER_ID, "READ")), "NotImplemented"),
        ({}, policy(("0" * 64, "FULL_CONTROL")), "NotImplemented"),
        ({}, policy((OWNER_ID, "FULL_CONTROL"), ("0" * 64, "READ")), "NotImplemented"),
    ],
)
def test_what_lets_others_in_is_refused(headers: dict[str, str], sent: bytes, code: str) -> None:
    with pytest.raises(S3Error) as raised:
        acl.check(headers, sent)
    assert raised.value.code == code


def test_a_write_asks_beside_its_own_work() -> None:
    acl.refuse_others({"content-type": "text/plain"})
    acl.refuse_others({"x-amz-acl": "private"})
    with pytest.raises(S3Error) as raised:
        acl.refuse_others({"x-amz-acl": "public-read-write"})
    assert raised.value.code == "NotImplemented"
    assert raised.value.extra == {"Header": "x-amz-acl"}


@pytest.mark.parametrize("name", ["x-amz-expected-bucket-owner", "x-amz-source-expected-bucket-owner"])
def test_buckets_of_somebody_else(name: str) -> None:
    acl.check_owner({})
    acl.check_owner({name: OWNER_ID})
    with pytest.raises(S3Error, match=name) as raised:
        acl.check_owner({name: "111122223333"})
    assert raised.value.code == "AccessDenied"
