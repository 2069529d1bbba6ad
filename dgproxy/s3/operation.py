# SPDX-License-Identifier: GPL-2.0-only
"""What can be asked of this server: its operations by S3's names, and a request that asks for one.

How a request line becomes one is `routing`'s, what it does is `dgproxy.http`'s.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Self

__all__ = ["Body", "CopySource", "Operation", "Request"]


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
    GET_OBJECT_LEGAL_HOLD = ("GetObjectLegalHold", False, Body.NONE)
    GET_OBJECT_RETENTION = ("GetObjectRetention", False, Body.NONE)
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
