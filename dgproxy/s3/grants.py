# SPDX-License-Identifier: GPL-2.0-only
"""What an access key may do: its grant, compared with what an operation touches.

`Grant.allows` decides about a routed request by the table `SCOPES`, which has a line for every operation.
It looks at nothing but the request and the grant. So it is asked before storage is, and whoever may not
touch a place is not told either whether there is something.

A listing is allowed where all it could show is: its `prefix` lies in an allowed one, as with the condition
key s3:prefix of an IAM policy. Which key asks is said in `sigv4` and `sigv2`. Not here: policies of users,
groups or buckets.

IAM User Guide, "Actions, resources, and condition keys for Amazon S3".
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, auto
from typing import Final, Self

from dgproxy.s3 import unconfigured
from dgproxy.s3.errors import S3Error
from dgproxy.s3.names import check_bucket, check_key
from dgproxy.s3.operation import Operation, Request

__all__ = ["EVERYTHING", "SCOPES", "Grant", "Place", "Scope"]


class Scope(Enum):
    """What an operation touches."""

    SERVICE = auto()
    """Nothing by itself: it shows the buckets that `sees` lets it."""
    PRESENCE = auto()
    """That the bucket is there, and where; whoever may touch anything inside may know."""
    BUCKET = auto()
    """The bucket itself and its settings."""
    LISTING = auto()
    """Names that begin with the query's `prefix`."""
    OBJECT = auto()
    """The key that the path names."""
    IN_BODY = auto()
    """Keys that the body names: with `PRESENCE` the body is read, then each is asked for (`allows_key`)."""


SCOPES: Final[Mapping[Operation, Scope]] = {
    **dict.fromkeys(unconfigured.OPERATIONS | unconfigured.REMOVALS, Scope.BUCKET),
    **dict.fromkeys(unconfigured.OF_OBJECTS, Scope.OBJECT),
    Operation.LIST_BUCKETS: Scope.SERVICE,
    Operation.CREATE_BUCKET: Scope.BUCKET,
    Operation.HEAD_BUCKET: Scope.PRESENCE,
    Operation.DELETE_BUCKET: Scope.BUCKET,
    Operation.GET_BUCKET_LOCATION: Scope.PRESENCE,
    Operation.GET_BUCKET_CORS: Scope.BUCKET,
    Operation.PUT_BUCKET_CORS: Scope.BUCKET,
    Operation.DELETE_BUCKET_CORS: Scope.BUCKET,
    Operation.LIST_OBJECTS: Scope.LISTING,
    Operation.LIST_OBJECTS_V2: Scope.LISTING,
    Operation.LIST_OBJECT_VERSIONS: Scope.LISTING,
    Operation.GET_OBJECT: Scope.OBJECT,
    Operation.PUT_BUCKET_ACL: Scope.BUCKET,
    Operation.PUT_OBJECT_ACL: Scope.OBJECT,
    Operation.GET_OBJECT_ATTRIBUTES: Scope.OBJECT,
    Operation.GET_OBJECT_TAGGING: Scope.OBJECT,
    Operation.PUT_OBJECT_TAGGING: Scope.OBJECT,
    Operation.DELETE_OBJECT_TAGGING: Scope.OBJECT,
    Operation.HEAD_OBJECT: Scope.OBJECT,
    Operation.PUT_OBJECT: Scope.OBJECT,
    Operation.POST_OBJECT: Scope.IN_BODY,
    Operation.COPY_OBJECT: Scope.OBJECT,
    Operation.DELETE_OBJECT: Scope.OBJECT,
    Operation.DELETE_OBJECTS: Scope.IN_BODY,
    Operation.CREATE_MULTIPART_UPLOAD: Scope.OBJECT,
    Operation.UPLOAD_PART: Scope.OBJECT,
    Operation.UPLOAD_PART_COPY: Scope.OBJECT,
    Operation.COMPLETE_MULTIPART_UPLOAD: Scope.OBJECT,
    Operation.ABORT_MULTIPART_UPLOAD: Scope.OBJECT,
    Operation.LIST_PARTS: Scope.OBJECT,
    Operation.LIST_MULTIPART_UPLOADS: Scope.LISTING,
}


@dataclass(frozen=True, slots=True)
class Place:
    """A bucket with all that belongs to it, or, unless `prefix` is None, its keys that begin so."""

    bucket: str
    prefix: str | None = None

    @classmethod
    def parse(cls, pattern: str) -> Self:
        """Read `bucket` or `bucket/prefix*`. Raises ValueError with a reason."""
        bucket, slash, prefix = pattern.partition("/")
        if slash and not prefix.endswith("*"):
            raise ValueError("a prefix ends with *, as in bucket/releases/*")
        if "*" in prefix[:-1]:
            raise ValueError("a * stands at the end of a prefix and nowhere else")
        try:
            check_bucket(bucket)
            check_key(prefix[:-1])
        except S3Error as error:
            raise ValueError("must be bucket or bucket/prefix*") from error
        return cls(bucket, prefix[:-1] if slash else None)

    def holds(self, bucket: str, prefix: str) -> bool:
        """Say whether every key of `bucket` that begins with `prefix`, a key itself among them, is in it."""
        return bucket == self.bucket and prefix.startswith(self.prefix or "")


@dataclass(frozen=True, slots=True)
class Grant:
    """Where a key may read, everywhere if `places` is None; and whether it may write there as well."""

    places: tuple[Place, ...] | None = None
    writes: bool = True

    def allows(self, request: Request) -> bool:
        """Decide about a request, the source of a copy included; keys in a body are asked for later."""
        if request.operation.writes and not self.writes:
            return False
        if request.source is not None and not self._holds(request.source.bucket, request.source.key):
            return False
        match SCOPES[request.operation]:
            case Scope.SERVICE:
                return True
            case Scope.PRESENCE | Scope.IN_BODY:
                return self.sees(request.bucket)
            case Scope.BUCKET:
                return self.places is None or Place(request.bucket) in self.places
            case Scope.LISTING:
                return self._holds(request.bucket, request.query.get("prefix", ""))
            case Scope.OBJECT:
                return self._holds(request.bucket, request.key)

    def require(self, request: Request) -> None:
        """Raise S3Error AccessDenied unless `allows`."""
        if not self.allows(request):
            raise S3Error("AccessDenied")

    def allows_key(self, bucket: str, key: str, *, writing: bool) -> bool:
        """Decide about one key that a body names."""
        return (self.writes or not writing) and self._holds(bucket, key)

    def sees(self, bucket: str) -> bool:
        """Say whether anything in a bucket may be touched, and so its name be known."""
        return self.places is None or any(place.bucket == bucket for place in self.places)

    def _holds(self, bucket: str, prefix: str) -> bool:
        return self.places is None or any(place.holds(bucket, prefix) for place in self.places)


#: What there is where nobody limited anything: a server without credentials, or one pair of them.
EVERYTHING: Final = Grant()
