# SPDX-License-Identifier: GPL-2.0-only
"""What an access key may do: a line for every operation, and places that hold what they name and no more."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dgproxy.s3.grants import EVERYTHING, SCOPES, Grant, Place, Scope
from dgproxy.s3.operation import CopySource, Operation, Request

#: A whole bucket, the keys of another that begin with "in/", and every key of a third.
PLACES = tuple(map(Place.parse, ("whole", "part/in/*", "keys/*")))
READER, WRITER = Grant(PLACES, writes=False), Grant(PLACES)

BUCKETS = st.sampled_from(["whole", "part", "keys", "other", "whole2", "par"])
KEYS = st.sampled_from(["", "in", "in/", "in/k", "inn/k", "in/../out", "x/in/k", "IN/k", "ä"]) | st.text(
    max_size=5
)


def ask(operation: Operation, bucket: str, key: str = "", prefix: str | None = None) -> Request:
    query = {} if prefix is None else {"prefix": prefix}
    return Request(operation, bucket, key, query, "/", "")


def test_every_operation_has_a_scope() -> None:
    assert set(SCOPES) == set(Operation)
    assert {operation for operation, scope in SCOPES.items() if scope is Scope.SERVICE} == {
        Operation.LIST_BUCKETS
    }


def test_what_names_a_key_is_judged_by_it() -> None:
    """By S3's own names: of those that end in Bucket or speak of one none is about a key."""
    for operation, scope in SCOPES.items():
        about_key = "Object" in operation.value or "Part" in operation.value or "Upload" in operation.value
        listing = operation.value.startswith(("ListObject", "ListMultipartUploads"))
        if listing or operation in (
            Operation.DELETE_OBJECTS,
            Operation.POST_OBJECT,
            Operation.GET_OBJECT_LOCK_CONFIGURATION,  # a bucket's
        ):
            assert (scope is Scope.LISTING) == listing, operation
        else:
            assert (scope is Scope.OBJECT) == about_key, operation


@pytest.mark.parametrize(
    ("pattern", "bucket", "prefix"),
    [
        ("releases", "releases", None),
        ("releases/*", "releases", ""),
        ("releases/v1*", "releases", "v1"),
        ("releases/a/b/*", "releases", "a/b/"),
        ("releases//*", "releases", "/"),
    ],
)
def test_patterns(pattern: str, bucket: str, prefix: str | None) -> None:
    assert Place.parse(pattern) == Place(bucket, prefix)


@pytest.mark.parametrize(
    "pattern",
    ["", "*", "rel*", "Releases", "ab", "releases/", "releases/v1", "releases/a*b*", "releases/**", "/x*",
     "releases/" + "x" * 1025 + "*"],
)  # fmt: skip
def test_no_patterns(pattern: str) -> None:
    with pytest.raises(ValueError, match=r"must be|ends with|stands at"):
        Place.parse(pattern)


@pytest.mark.parametrize(
    ("operation", "bucket", "key", "allowed"),
    [
        (Operation.LIST_BUCKETS, "", "", True),
        (Operation.HEAD_BUCKET, "whole", "", True),
        (Operation.HEAD_BUCKET, "part", "", True),
        (Operation.HEAD_BUCKET, "other", "", False),
        (Operation.GET_BUCKET_LOCATION, "part", "", True),
        (Operation.GET_BUCKET_CORS, "whole", "", True),
        (Operation.GET_BUCKET_CORS, "part", "", False),
        (Operation.GET_BUCKET_CORS, "keys", "", False),
        (Operation.CREATE_BUCKET, "whole", "", True),
        (Operation.CREATE_BUCKET, "keys", "", False),
        (Operation.DELETE_BUCKET, "keys", "", False),
        (Operation.DELETE_BUCKET, "other", "", False),
        (Operation.PUT_BUCKET_CORS, "keys", "", False),
        (Operation.GET_BUCKET_VERSIONING, "keys", "", False),
        (Operation.GET_OBJECT, "whole", "any", True),
        (Operation.GET_OBJECT, "part", "in/k", True),
        (Operation.GET_OBJECT, "part", "in", False),
        (Operation.GET_OBJECT, "part", "out/k", False),
        (Operation.GET_OBJECT, "keys", "any", True),
        (Operation.GET_OBJECT, "other", "in/k", False),
        (Operation.PUT_OBJECT, "part", "in/k", True),
        (Operation.PUT_OBJECT, "part", "in/../out", True),
        (Operation.PUT_OBJECT, "part", "out", False),
        (Operation.UPLOAD_PART, "part", "out", False),
        (Operation.COMPLETE_MULTIPART_UPLOAD, "part", "out", False),
        (Operation.ABORT_MULTIPART_UPLOAD, "part", "out", False),
        (Operation.LIST_PARTS, "part", "out", False),
        (Operation.DELETE_OBJECTS, "part", "", True),
        (Operation.DELETE_OBJECTS, "other", "", False),
        (Operation.POST_OBJECT, "other", "", False),
    ],
)
def test_places(operation: Operation, bucket: str, key: str, allowed: bool) -> None:
    request = ask(operation, bucket, key)
    assert WRITER.allows(request) is allowed
    assert READER.allows(request) is (allowed and not operation.writes)
    assert EVERYTHING.allows(request)


@pytest.mark.parametrize(
    "operation",
    [
        Operation.LIST_OBJECTS,
        Operation.LIST_OBJECTS_V2,
        Operation.LIST_OBJECT_VERSIONS,
        Operation.LIST_MULTIPART_UPLOADS,
    ],
)
def test_listings(operation: Operation) -> None:
    allowed = {
        ("whole", None),
        ("whole", "x"),
        ("part", "in/"),
        ("part", "in/k"),
        ("keys", None),
        ("keys", ""),
    }
    refused = {
        ("part", None),
        ("part", ""),
        ("part", "in"),
        ("part", "out/"),
        ("other", None),
        ("other", "in/"),
    }
    for bucket, prefix in allowed | refused:
        assert READER.allows(ask(operation, bucket, prefix=prefix)) is ((bucket, prefix) in allowed)


@pytest.mark.parametrize("operation", [Operation.COPY_OBJECT, Operation.UPLOAD_PART_COPY])
def test_a_copy_needs_both_ends(operation: Operation) -> None:
    for key, source, allowed in (
        ("in/k", CopySource("whole", "k"), True),
        ("in/k", CopySource("other", "k"), False),
        ("in/k", CopySource("part", "out"), False),
        ("out", CopySource("whole", "k"), False),
    ):
        assert WRITER.allows(Request(operation, "part", key, {}, "/", "", source)) is allowed


@given(st.sampled_from(Operation), BUCKETS, KEYS, KEYS | st.none(), st.booleans())
def test_any_request(operation: Operation, bucket: str, key: str, prefix: str | None, writes: bool) -> None:
    request = ask(operation, bucket, key, prefix)
    assert not Grant((), writes=writes).allows(request) or operation is Operation.LIST_BUCKETS
    assert EVERYTHING.allows(request)
    assert not (operation.writes and READER.allows(request))
    if WRITER.allows(request) and operation is not Operation.LIST_BUCKETS:
        assert WRITER.sees(bucket)
        if SCOPES[operation] is Scope.OBJECT:
            assert WRITER.allows_key(bucket, key, writing=True)
            assert bucket != "part" or key.startswith("in/")


@given(BUCKETS, KEYS, KEYS)
def test_a_listing_shows_only_keys_that_may_be_read(bucket: str, prefix: str, rest: str) -> None:
    if READER.allows(ask(Operation.LIST_OBJECTS_V2, bucket, prefix=prefix)):
        assert READER.allows(ask(Operation.GET_OBJECT, bucket, prefix + rest))
        assert READER.allows_key(bucket, prefix + rest, writing=False)
    assert not READER.allows_key(bucket, prefix, writing=True)
