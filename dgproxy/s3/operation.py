# SPDX-License-Identifier: GPL-2.0-only
"""From a request line to the S3 operation it asks for.

`parse` is a look in a table: what the path names (service, bucket or object), the query parameter that names
a subresource, and the method. It promises that a `Request` has a valid bucket name and key, that the path was
decoded exactly once (so `//`, `..`, a trailing `/` and an encoded `%2F` are bytes of the key like any other),
and that what S3 offers and this server does not is NotImplemented, never something else by accident.

No operation is carried out here, and no body or credential is looked at.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Final, Self

from dgproxy.s3 import uri
from dgproxy.s3.errors import S3Error
from dgproxy.s3.names import check_bucket, check_key, check_version

__all__ = [
    "Body",
    "CopySource",
    "Operation",
    "Request",
    "bucket_of",
    "hosted_bucket",
    "parse",
    "parse_copy_source",
    "split_target",
]


class Body(Enum):
    """What an operation's request body is."""

    NONE = "none"
    XML = "xml"
    OBJECT = "object"


class Operation(Enum):
    """Every operation this server has, by S3's name for it; `writes` says whether it changes anything."""

    writes: bool
    body: Body

    def __new__(cls, title: str, writes: bool, body: Body) -> Self:
        """Make a member whose value is the name alone."""
        member = object.__new__(cls)
        member._value_ = title
        member.writes = writes
        member.body = body
        return member

    LIST_BUCKETS = ("ListBuckets", False, Body.NONE)
    CREATE_BUCKET = ("CreateBucket", True, Body.XML)
    HEAD_BUCKET = ("HeadBucket", False, Body.NONE)
    DELETE_BUCKET = ("DeleteBucket", True, Body.NONE)
    GET_BUCKET_LOCATION = ("GetBucketLocation", False, Body.NONE)
    GET_BUCKET_CORS = ("GetBucketCors", False, Body.NONE)
    PUT_BUCKET_CORS = ("PutBucketCors", True, Body.XML)
    DELETE_BUCKET_CORS = ("DeleteBucketCors", True, Body.NONE)
    LIST_OBJECTS = ("ListObjects", False, Body.NONE)
    LIST_OBJECTS_V2 = ("ListObjectsV2", False, Body.NONE)
    LIST_OBJECT_VERSIONS = ("ListObjectVersions", False, Body.NONE)
    GET_OBJECT = ("GetObject", False, Body.NONE)
    GET_OBJECT_ATTRIBUTES = ("GetObjectAttributes", False, Body.NONE)
    GET_OBJECT_TAGGING = ("GetObjectTagging", False, Body.NONE)
    PUT_OBJECT_TAGGING = ("PutObjectTagging", True, Body.XML)
    DELETE_OBJECT_TAGGING = ("DeleteObjectTagging", True, Body.NONE)
    HEAD_OBJECT = ("HeadObject", False, Body.NONE)
    PUT_OBJECT = ("PutObject", True, Body.OBJECT)
    POST_OBJECT = ("PostObject", True, Body.OBJECT)
    COPY_OBJECT = ("CopyObject", True, Body.NONE)
    DELETE_OBJECT = ("DeleteObject", True, Body.NONE)
    DELETE_OBJECTS = ("DeleteObjects", True, Body.XML)
    CREATE_MULTIPART_UPLOAD = ("CreateMultipartUpload", True, Body.NONE)
    UPLOAD_PART = ("UploadPart", True, Body.OBJECT)
    UPLOAD_PART_COPY = ("UploadPartCopy", True, Body.NONE)
    COMPLETE_MULTIPART_UPLOAD = ("CompleteMultipartUpload", True, Body.XML)
    ABORT_MULTIPART_UPLOAD = ("AbortMultipartUpload", True, Body.NONE)
    LIST_PARTS = ("ListParts", False, Body.NONE)
    LIST_MULTIPART_UPLOADS = ("ListMultipartUploads", False, Body.NONE)
    # What clients look for without having set it: there is nothing, and they are told so.
    GET_BUCKET_VERSIONING = ("GetBucketVersioning", False, Body.NONE)
    GET_BUCKET_ACL = ("GetBucketAcl", False, Body.NONE)
    GET_BUCKET_POLICY = ("GetBucketPolicy", False, Body.NONE)
    GET_BUCKET_POLICY_STATUS = ("GetBucketPolicyStatus", False, Body.NONE)
    GET_BUCKET_ENCRYPTION = ("GetBucketEncryption", False, Body.NONE)
    GET_BUCKET_LIFECYCLE_CONFIGURATION = ("GetBucketLifecycleConfiguration", False, Body.NONE)
    GET_OBJECT_LOCK_CONFIGURATION = ("GetObjectLockConfiguration", False, Body.NONE)
    GET_BUCKET_TAGGING = ("GetBucketTagging", False, Body.NONE)
    GET_BUCKET_WEBSITE = ("GetBucketWebsite", False, Body.NONE)
    GET_BUCKET_REPLICATION = ("GetBucketReplication", False, Body.NONE)
    GET_BUCKET_LOGGING = ("GetBucketLogging", False, Body.NONE)
    GET_BUCKET_NOTIFICATION_CONFIGURATION = ("GetBucketNotificationConfiguration", False, Body.NONE)
    GET_BUCKET_REQUEST_PAYMENT = ("GetBucketRequestPayment", False, Body.NONE)
    GET_BUCKET_ACCELERATE_CONFIGURATION = ("GetBucketAccelerateConfiguration", False, Body.NONE)
    GET_BUCKET_OWNERSHIP_CONTROLS = ("GetBucketOwnershipControls", False, Body.NONE)
    GET_PUBLIC_ACCESS_BLOCK = ("GetPublicAccessBlock", False, Body.NONE)
    GET_OBJECT_ACL = ("GetObjectAcl", False, Body.NONE)
    # What can only be asked to stay as it is.
    PUT_BUCKET_ACL = ("PutBucketAcl", True, Body.XML)
    PUT_OBJECT_ACL = ("PutObjectAcl", True, Body.XML)
    # To remove what is not there is done at once.
    DELETE_BUCKET_ENCRYPTION = ("DeleteBucketEncryption", True, Body.NONE)
    DELETE_BUCKET_LIFECYCLE = ("DeleteBucketLifecycle", True, Body.NONE)
    DELETE_BUCKET_OWNERSHIP_CONTROLS = ("DeleteBucketOwnershipControls", True, Body.NONE)
    DELETE_BUCKET_POLICY = ("DeleteBucketPolicy", True, Body.NONE)
    DELETE_BUCKET_REPLICATION = ("DeleteBucketReplication", True, Body.NONE)
    DELETE_BUCKET_TAGGING = ("DeleteBucketTagging", True, Body.NONE)
    DELETE_BUCKET_WEBSITE = ("DeleteBucketWebsite", True, Body.NONE)
    DELETE_PUBLIC_ACCESS_BLOCK = ("DeletePublicAccessBlock", True, Body.NONE)


@dataclass(frozen=True, slots=True)
class CopySource:
    """The object a copy reads: a valid bucket name and key."""

    bucket: str
    key: str


@dataclass(frozen=True, slots=True)
class Request:
    """What is asked. `bucket` and `key` are "" where the operation has none.

    `query` is decoded; of a parameter given twice the first counts. `raw_path` and `raw_query` are as sent,
    for `sigv4`. `source` is set for CopyObject and UploadPartCopy.
    """

    operation: Operation
    bucket: str
    key: str
    query: Mapping[str, str]
    raw_path: str
    raw_query: str
    source: CopySource | None = None


# Subresource -> method -> the operation, or the name of one that S3 has and this server does not. "" is the
# resource itself. Amazon S3 API Reference, "Amazon S3 operations".
_Table = Mapping[str, Mapping[str, Operation | str]]

_VERBS: Final = {"GET": "Get", "PUT": "Put", "DELETE": "Delete", "POST": "Create"}
_ALL: Final = ("GET", "PUT", "DELETE")


_OURS: Final[Mapping[str, Operation]] = {operation.value: operation for operation in Operation}


def _setting(name: str, *methods: str) -> dict[str, Operation | str]:
    """Give the operations S3 reads, sets and deletes one setting with: GetX, PutX, DeleteX."""
    names = {method: _VERBS[method] + name for method in methods or ("GET", "PUT")}
    return {method: _OURS.get(name, name) for method, name in names.items()}


_SERVICE: Final[_Table] = {"": {"GET": Operation.LIST_BUCKETS}}

_BUCKET: Final[_Table] = {
    "": {
        "GET": Operation.LIST_OBJECTS,
        "HEAD": Operation.HEAD_BUCKET,
        "PUT": Operation.CREATE_BUCKET,
        "DELETE": Operation.DELETE_BUCKET,
        "POST": Operation.POST_OBJECT,
    },
    "list-type": {"GET": Operation.LIST_OBJECTS_V2},
    "location": {"GET": Operation.GET_BUCKET_LOCATION},
    "uploads": {"GET": Operation.LIST_MULTIPART_UPLOADS},
    "delete": {"POST": Operation.DELETE_OBJECTS},
    "versions": {"GET": Operation.LIST_OBJECT_VERSIONS},
    "session": {"GET": "CreateSession"},
    "abac": _setting("BucketAbac"),
    "accelerate": _setting("BucketAccelerateConfiguration"),
    "acl": _setting("BucketAcl"),
    "analytics": _setting("BucketAnalyticsConfiguration", *_ALL),
    "cors": _setting("BucketCors", *_ALL),
    "encryption": _setting("BucketEncryption", *_ALL),
    "intelligent-tiering": _setting("BucketIntelligentTieringConfiguration", *_ALL),
    "inventory": _setting("BucketInventoryConfiguration", *_ALL),
    "lifecycle": {
        **_setting("BucketLifecycleConfiguration"),
        "DELETE": Operation.DELETE_BUCKET_LIFECYCLE,
    },
    "logging": _setting("BucketLogging"),
    "metadataAnnotationTable": {"PUT": "UpdateBucketMetadataAnnotationTableConfiguration"},
    "metadataConfiguration": _setting("BucketMetadataConfiguration", "GET", "POST", "DELETE"),
    "metadataInventoryTable": {"PUT": "UpdateBucketMetadataInventoryTableConfiguration"},
    "metadataJournalTable": {"PUT": "UpdateBucketMetadataJournalTableConfiguration"},
    "metadataTable": _setting("BucketMetadataTableConfiguration", "GET", "POST", "DELETE"),
    "metrics": _setting("BucketMetricsConfiguration", *_ALL),
    "notification": _setting("BucketNotificationConfiguration"),
    "object-lock": _setting("ObjectLockConfiguration"),
    "ownershipControls": _setting("BucketOwnershipControls", *_ALL),
    "policy": _setting("BucketPolicy", *_ALL),
    "policyStatus": _setting("BucketPolicyStatus", "GET"),
    "publicAccessBlock": _setting("PublicAccessBlock", *_ALL),
    "replication": _setting("BucketReplication", *_ALL),
    "requestPayment": _setting("BucketRequestPayment"),
    "tagging": _setting("BucketTagging", *_ALL),
    "versioning": _setting("BucketVersioning"),
    "website": _setting("BucketWebsite", *_ALL),
}

_OBJECT: Final[_Table] = {
    "": {
        "GET": Operation.GET_OBJECT,
        "HEAD": Operation.HEAD_OBJECT,
        "PUT": Operation.PUT_OBJECT,
        "DELETE": Operation.DELETE_OBJECT,
    },
    "uploads": {"POST": Operation.CREATE_MULTIPART_UPLOAD},
    "uploadId": {
        "GET": Operation.LIST_PARTS,
        "PUT": Operation.UPLOAD_PART,
        "POST": Operation.COMPLETE_MULTIPART_UPLOAD,
        "DELETE": Operation.ABORT_MULTIPART_UPLOAD,
    },
    "acl": _setting("ObjectAcl"),
    "annotation": _setting("ObjectAnnotation", *_ALL),
    "attributes": _setting("ObjectAttributes", "GET"),
    "encryption": {"PUT": "UpdateObjectEncryption"},
    "legal-hold": _setting("ObjectLegalHold"),
    "renameObject": {"PUT": "RenameObject"},
    "restore": {"POST": "RestoreObject"},
    "retention": _setting("ObjectRetention"),
    "select": {"POST": "SelectObjectContent"},
    "tagging": _setting("ObjectTagging", *_ALL),
    "torrent": _setting("ObjectTorrent", "GET"),
}


def parse(method: str, raw_target: str, headers: Mapping[str, str], *, domain: str | None = None) -> Request:
    """Route one request.

    `raw_target` is the request target as received, origin form or absolute form, its bytes decoded as UTF-8
    with surrogateescape. `domain` turns on virtual-hosted style: `Host: <bucket>.<domain>` names the bucket.

    Raises S3Error: InvalidURI, InvalidBucketName, KeyTooLongError, InvalidArgument, NoSuchVersion,
    MethodNotAllowed, NotImplemented. A preflight is no operation: `cors` answers it.
    """
    raw_path, raw_query = split_target(raw_target)
    query = _query(raw_query)
    bucket, key = _named(raw_path, headers, domain)
    if not bucket:
        if key:
            raise S3Error("InvalidBucketName", extra={"BucketName": ""})
        kind, table = "SERVICE", _SERVICE
    elif not key:
        kind, table = "BUCKET", _BUCKET
    else:
        kind, table = "OBJECT", _OBJECT

    subresource = _subresource(method, table, query)
    operation = _look_up(method, kind, table, subresource)
    if bucket:
        check_bucket(bucket, creating=operation is Operation.CREATE_BUCKET)
    check_key(key)
    _check_parameters(operation, query)

    source = None
    copy_source = headers.get("x-amz-copy-source")
    if copy_source is not None and operation in _COPIES:
        operation = _COPIES[operation]
        source = parse_copy_source(copy_source)
    return Request(operation, bucket, key, query, raw_path, raw_query, source)


_COPIES: Final = {
    Operation.PUT_OBJECT: Operation.COPY_OBJECT,
    Operation.UPLOAD_PART: Operation.UPLOAD_PART_COPY,
}


def parse_copy_source(value: str) -> CopySource:
    """Parse x-amz-copy-source: `[/]bucket/key[?versionId=null]`, encoded like a form (`+` is a space).

    Raises S3Error: InvalidArgument, NoSuchVersion, InvalidBucketName, KeyTooLongError.
    """
    path, marker, version = value.partition("?versionId=")
    try:
        source = uri.decode(path.replace("+", " "))
    except S3Error as error:
        raise _invalid_argument("x-amz-copy-source", value, "Invalid copy source encoding.") from error
    if marker:
        check_version(version)
    bucket, _, key = source.removeprefix("/").partition("/")
    if not bucket or not key:
        raise _invalid_argument("x-amz-copy-source", value, "Invalid copy source object key")
    check_bucket(bucket)
    check_key(key)
    return CopySource(bucket, key)


def bucket_of(raw_target: str, headers: Mapping[str, str], *, domain: str | None = None) -> str:
    """Find the bucket that a request names, "" for none, whatever else is asked; arguments as for `parse`.

    Raises S3Error: InvalidURI, InvalidBucketName.
    """
    bucket, _ = _named(split_target(raw_target)[0], headers, domain)
    if bucket:
        check_bucket(bucket)
    return bucket


def _named(raw_path: str, headers: Mapping[str, str], domain: str | None) -> tuple[str, str]:
    """Decode bucket and key, either of them "" for none."""
    path = uri.decode(raw_path)
    bucket = hosted_bucket(headers.get("host", ""), domain)
    if bucket is not None:
        return bucket, path[1:]
    bucket, _, key = path[1:].partition("/")
    return bucket, key


def split_target(raw_target: str) -> tuple[str, str]:
    """Split a request target into raw path, which starts with `/`, and query. Raises S3Error InvalidURI."""
    if not raw_target.startswith("/"):
        _, found, rest = raw_target.partition("://")
        if not found:
            raise S3Error("InvalidURI", extra={"URI": raw_target})
        _, slash, rest = rest.partition("/")
        raw_target = slash + rest
    path, _, query = raw_target.partition("?")
    return path or "/", query


def _query(raw_query: str) -> dict[str, str]:
    """Decode the parameters, the first of each name; `+` is a space as in forms."""
    query: dict[str, str] = {}
    for pair in raw_query.split("&"):
        if pair:
            name, _, value = pair.partition("=")
            query.setdefault(uri.decode(name.replace("+", " ")), uri.decode(value.replace("+", " ")))
    return query


def hosted_bucket(host: str, domain: str | None) -> str | None:
    """Find the bucket a virtual-hosted style Host names, None for path style; `domain` as for `parse`."""
    if domain is None:
        return None
    name = host.lower().rpartition(":")[0] if re.search(r":[0-9]*$", host) else host.lower()
    bucket = name.removesuffix("." + domain.lower())
    return bucket if bucket != name and bucket else None


def _subresource(method: str, table: _Table, query: Mapping[str, str]) -> str:
    """Find the one subresource the query names, "" for the resource itself."""
    named = [name for name in query if name and name in table]
    if len(named) > 1:
        raise S3Error(
            "InvalidArgument",
            "Conflicting query string parameters: " + ", ".join(sorted(named)),
            extra={"ArgumentName": "ResourceType", "ArgumentValue": named[0]},
        )
    if named:
        return named[0]
    if method in _WRITING_METHODS:
        # S3 spells a subresource `?name`. An unheard-of one must not become a write to the resource itself.
        for name, value in query.items():
            if not value and not _HARMLESS.match(name):
                raise S3Error("NotImplemented", f"This server has no subresource {name!r}.")
    return ""


_WRITING_METHODS: Final = frozenset({"PUT", "POST", "DELETE"})
_HARMLESS: Final = re.compile(
    r"x-|response-|(?:versionId|partNumber|AWSAccessKeyId|Signature|Expires)\Z", re.IGNORECASE
)


def _look_up(method: str, kind: str, table: _Table, subresource: str) -> Operation:
    methods = table[subresource]
    found = methods.get(method)
    if found is None:
        raise S3Error(
            "MethodNotAllowed",
            extra={"Method": method, "ResourceType": subresource.upper() or kind},
            headers={"Allow": ", ".join(sorted(methods))},
        )
    if isinstance(found, str):
        raise S3Error("NotImplemented", f"This server does not have the operation {found}.")
    return found


def _check_parameters(operation: Operation, query: Mapping[str, str]) -> None:
    """Check what must hold of the query before the operation is the one it seems to be."""
    if "versionId" in query:
        check_version(query["versionId"])
    if operation is Operation.LIST_OBJECTS_V2 and query["list-type"] != "2":
        raise _invalid_argument("list-type", query["list-type"], "Invalid List Type specified in Request")
    # A broken multipart client must never overwrite the object itself.
    if operation is Operation.PUT_OBJECT and "partNumber" in query:
        raise _invalid_argument("uploadId", "", "This operation needs the query parameter uploadId.")
    if operation is Operation.UPLOAD_PART and "partNumber" not in query:
        raise _invalid_argument("partNumber", "", "This operation needs the query parameter partNumber.")


def _invalid_argument(name: str, value: str, message: str) -> S3Error:
    return S3Error("InvalidArgument", message, extra={"ArgumentName": name, "ArgumentValue": value})
