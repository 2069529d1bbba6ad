# SPDX-License-Identifier: GPL-2.0-only
"""From a request line to the S3 operation it asks for.

`parse` is a look in a table: what the path names (service, bucket or object), the query parameter that names
a subresource, and the method. It promises that a `Request` has a valid bucket name and key, and that what S3
offers and this server does not is NotImplemented, never something else by accident.

No operation is carried out here, and no body or credential is looked at.
"""

import re
from collections.abc import Mapping
from typing import Final

from dgproxy.s3 import target
from dgproxy.s3.errors import S3Error
from dgproxy.s3.names import check_bucket, check_key, check_version
from dgproxy.s3.operation import Operation, Request

__all__ = ["parse"]

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
    raw_path, raw_query = target.split(raw_target)
    query = target.query_of(raw_query)
    bucket, key = target.named(raw_path, headers, domain)
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
        source = target.parse_copy_source(copy_source)
    return Request(operation, bucket, key, query, raw_path, raw_query, source)


_COPIES: Final = {
    Operation.PUT_OBJECT: Operation.COPY_OBJECT,
    Operation.UPLOAD_PART: Operation.UPLOAD_PART_COPY,
}


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
