# SPDX-License-Identifier: GPL-2.0-only
"""What S3 answers who reads or removes a setting that nobody has made: the probes of clients and tools.

Every answer here is the truth about a server without the feature: a bucket that never was versioned, locked,
tagged or encrypted, and objects that belong to one owner and nobody else. To remove such a setting is a
success, in S3 too. Making one is NotImplemented (`routing`). A setting this server does keep has no place
here.

Documents and codes: Amazon S3 API Reference, page of each operation and "Error responses".
"""

from collections.abc import Mapping
from typing import Final

from dgproxy.s3.errors import S3Error
from dgproxy.s3.operation import Operation
from dgproxy.s3.xml.elements import OWNER_FIELDS, document

__all__ = ["OF_OBJECTS", "OPERATIONS", "REMOVALS", "answer"]

_OWNED: Final = document(
    "AccessControlPolicy",
    f"<Owner>{OWNER_FIELDS}</Owner><AccessControlList><Grant>"
    '<Grantee xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:type="CanonicalUser">'
    f"{OWNER_FIELDS}</Grantee><Permission>FULL_CONTROL</Permission></Grant></AccessControlList>",
)

#: The document, or the code of the refusal.
_ANSWERS: Final[Mapping[Operation, bytes | str]] = {
    Operation.GET_BUCKET_VERSIONING: document("VersioningConfiguration"),
    Operation.GET_BUCKET_ACL: _OWNED,
    Operation.GET_BUCKET_POLICY: "NoSuchBucketPolicy",
    Operation.GET_BUCKET_POLICY_STATUS: "NoSuchBucketPolicy",
    Operation.GET_BUCKET_ENCRYPTION: "ServerSideEncryptionConfigurationNotFoundError",
    Operation.GET_BUCKET_LIFECYCLE_CONFIGURATION: "NoSuchLifecycleConfiguration",
    Operation.GET_OBJECT_LOCK_CONFIGURATION: "ObjectLockConfigurationNotFoundError",
    Operation.GET_BUCKET_TAGGING: "NoSuchTagSet",
    Operation.GET_BUCKET_WEBSITE: "NoSuchWebsiteConfiguration",
    Operation.GET_BUCKET_REPLICATION: "ReplicationConfigurationNotFoundError",
    Operation.GET_BUCKET_LOGGING: document("BucketLoggingStatus"),
    Operation.GET_BUCKET_NOTIFICATION_CONFIGURATION: document("NotificationConfiguration"),
    Operation.GET_BUCKET_REQUEST_PAYMENT: document(
        "RequestPaymentConfiguration", "<Payer>BucketOwner</Payer>"
    ),
    Operation.GET_BUCKET_ACCELERATE_CONFIGURATION: document("AccelerateConfiguration"),
    Operation.GET_BUCKET_OWNERSHIP_CONTROLS: "OwnershipControlsNotFoundError",
    Operation.GET_PUBLIC_ACCESS_BLOCK: "NoSuchPublicAccessBlockConfiguration",
    Operation.GET_OBJECT_ACL: _OWNED,
    Operation.GET_OBJECT_LEGAL_HOLD: "InvalidRequest",
    Operation.GET_OBJECT_RETENTION: "InvalidRequest",
}
#: What S3 says to those two; the other codes speak for themselves.
_NO_LOCK: Final = "Bucket is missing Object Lock Configuration"

#: Those that `answer` knows, and which of them ask about an object.
OPERATIONS: Final = frozenset(_ANSWERS)
OF_OBJECTS: Final = frozenset(
    {Operation.GET_OBJECT_ACL, Operation.GET_OBJECT_LEGAL_HOLD, Operation.GET_OBJECT_RETENTION}
)

#: Those that remove what is never there.
REMOVALS: Final = frozenset(
    {
        Operation.DELETE_BUCKET_ENCRYPTION,
        Operation.DELETE_BUCKET_LIFECYCLE,
        Operation.DELETE_BUCKET_OWNERSHIP_CONTROLS,
        Operation.DELETE_BUCKET_POLICY,
        Operation.DELETE_BUCKET_REPLICATION,
        Operation.DELETE_BUCKET_TAGGING,
        Operation.DELETE_BUCKET_WEBSITE,
        Operation.DELETE_PUBLIC_ACCESS_BLOCK,
    }
)


def answer(operation: Operation, bucket: str) -> bytes:
    """Give the document of one of `OPERATIONS`, for a bucket or object that exists. Raises S3Error."""
    found = _ANSWERS[operation]
    if isinstance(found, str):
        raise S3Error(found, _NO_LOCK if found == "InvalidRequest" else None, extra={"BucketName": bucket})
    return found
