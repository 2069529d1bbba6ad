# SPDX-License-Identifier: GPL-2.0-only
"""The one error of the S3 layer, and the table of every code this server can answer with.

`S3Error` carries all an answer needs: code, HTTP status, message, the extra elements some codes have in
their XML body, and response headers. The table is the only place where a code meets its status; a code that
is not in it is a programming error and raises KeyError where it is used.

Codes, statuses and messages: "Error responses" in the Amazon S3 API Reference. Which code a storage or engine
failure becomes is decided in `dgproxy.http`, never here.
"""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Final

__all__ = ["CODES", "S3Error"]

#: code -> (HTTP status, the message AWS gives when there is nothing more exact to say).
CODES: Final[Mapping[str, tuple[int, str]]] = {
    # -- who is asking ---------------------------------------------------------------------------------------
    "AccessDenied": (403, "Access Denied"),
    "AccessForbidden": (403, "CORSResponse: This CORS request is not allowed."),
    "AuthorizationHeaderMalformed": (400, "The authorization header that you provided is not valid."),
    "AuthorizationQueryParametersError": (
        400,
        "The authorization query parameters that you provided are not valid.",
    ),
    "InvalidAccessKeyId": (403, "The AWS Access Key Id you provided does not exist in our records."),
    "InvalidToken": (400, "The provided token is malformed or otherwise invalid."),
    "MissingSecurityHeader": (400, "Your request was missing a required header."),
    "RequestTimeTooSkewed": (
        403,
        "The difference between the request time and the current time is too large.",
    ),
    "SignatureDoesNotMatch": (
        403,
        (
            "The request signature we calculated does not match the signature you provided. Check your "
            "key and signing method."
        ),
    ),
    # -- what is asked ---------------------------------------------------------------------------------------
    "BadRequest": (400, "Bad Request"),
    "InvalidArgument": (400, "Invalid Argument"),
    "InvalidRequest": (400, "Invalid Request"),
    "InvalidURI": (400, "Couldn't parse the specified URI."),
    "KeyTooLongError": (400, "Your key is too long"),
    "MethodNotAllowed": (405, "The specified method is not allowed against this resource."),
    "NotImplemented": (501, "A header you provided implies functionality that is not implemented."),
    "RequestHeaderSectionTooLarge": (
        400,
        "Your request header section exceeds the maximum allowed request header section size.",
    ),
    # -- buckets ---------------------------------------------------------------------------------------------
    "BucketAlreadyExists": (
        409,
        (
            "The requested bucket name is not available. The bucket namespace is shared by all users of "
            "the system. Please select a different name and try again."
        ),
    ),
    "BucketAlreadyOwnedByYou": (
        409,
        "Your previous request to create the named bucket succeeded and you already own it.",
    ),
    "BucketNotEmpty": (409, "The bucket you tried to delete is not empty"),
    "IllegalLocationConstraintException": (
        400,
        (
            "The specified location constraint is incompatible for the region specific endpoint this "
            "request was sent to."
        ),
    ),
    "InvalidBucketName": (400, "The specified bucket is not valid."),
    "InvalidLocationConstraint": (400, "The specified location-constraint is not valid"),
    "NoSuchBucket": (404, "The specified bucket does not exist"),
    "TooManyBuckets": (400, "You have attempted to create more buckets than allowed"),
    # -- settings that are not there -------------------------------------------------------------------------
    "NoSuchBucketPolicy": (404, "The bucket policy does not exist"),
    "NoSuchCORSConfiguration": (404, "The CORS configuration does not exist"),
    "NoSuchLifecycleConfiguration": (404, "The lifecycle configuration does not exist"),
    "NoSuchPublicAccessBlockConfiguration": (404, "The public access block configuration was not found"),
    "NoSuchTagSet": (404, "The TagSet does not exist"),
    "NoSuchWebsiteConfiguration": (
        404,
        "The specified bucket does not have a website configuration",
    ),
    "ObjectLockConfigurationNotFoundError": (
        404,
        "Object Lock configuration does not exist for this bucket",
    ),
    "OwnershipControlsNotFoundError": (404, "The bucket ownership controls were not found"),
    "ReplicationConfigurationNotFoundError": (404, "The replication configuration was not found"),
    "ServerSideEncryptionConfigurationNotFoundError": (
        404,
        "The server side encryption configuration was not found",
    ),
    # -- objects ---------------------------------------------------------------------------------------------
    "ConditionalRequestConflict": (
        409,
        "The conditional request cannot succeed due to a conflicting operation against this resource.",
    ),
    "InvalidRange": (416, "The requested range is not satisfiable"),
    "InvalidStorageClass": (400, "The storage class you specified is not valid"),
    "InvalidTag": (400, "The tag provided was not a valid tag."),
    "MetadataTooLarge": (400, "Your metadata headers exceed the maximum allowed metadata size"),
    "NoSuchKey": (404, "The specified key does not exist."),
    "NoSuchVersion": (404, "The specified version does not exist."),
    "NotModified": (304, "Not Modified"),
    "PreconditionFailed": (412, "At least one of the pre-conditions you specified did not hold"),
    # -- bodies ----------------------------------------------------------------------------------------------
    "BadDigest": (400, "The Content-MD5 you specified did not match what we received."),
    "EntityTooLarge": (400, "Your proposed upload exceeds the maximum allowed size"),
    "IncompleteBody": (400, "The request body terminated unexpectedly"),
    "InvalidChunkSizeError": (403, "Only the last chunk is allowed to have a size less than 8192 bytes"),
    "InvalidDigest": (400, "The Content-MD5 you specified was invalid."),
    "MalformedTrailerError": (
        400,
        (
            "The request contained trailing data that was not well-formed or did not conform to our "
            "published schema."
        ),
    ),
    "MalformedXML": (
        400,
        "The XML you provided was not well-formed or did not validate against our published schema",
    ),
    "MaxMessageLengthExceeded": (400, "Your request was too big."),
    "MissingContentLength": (411, "You must provide the Content-Length HTTP header."),
    "MissingRequestBodyError": (400, "Request body is empty."),
    "RequestTimeout": (
        400,
        (
            "Your socket connection to the server was not read from or written to within the timeout "
            "period. Idle connections will be closed."
        ),
    ),
    "UnexpectedContent": (400, "This request contains unsupported content."),
    "XAmzContentChecksumMismatch": (
        400,
        "The provided 'x-amz-checksum' header does not match what was computed.",
    ),
    "XAmzContentSHA256Mismatch": (
        400,
        "The provided 'x-amz-content-sha256' header does not match what was computed.",
    ),
    # -- forms -----------------------------------------------------------------------------------------------
    "IncorrectNumberOfFilesInPostRequest": (400, "POST requires exactly one file upload per request."),
    "InvalidPolicyDocument": (
        400,
        "The content of the form does not meet the conditions specified in the policy document.",
    ),
    "MalformedPOSTRequest": (
        400,
        "The body of your POST request is not well-formed multipart/form-data.",
    ),
    "MaxPostPreDataLengthExceededError": (
        400,
        "Your POST request fields preceding the upload file were too large.",
    ),
    "RequestIsNotMultiPartContent": (
        412,
        "Bucket POST must be of the enclosure-type multipart/form-data.",
    ),
    "UserKeyMustBeSpecified": (
        400,
        (
            "The bucket POST must contain the specified field name. If it is specified, check the order of "
            "the fields."
        ),
    ),
    # -- multipart -------------------------------------------------------------------------------------------
    "EntityTooSmall": (400, "Your proposed upload is smaller than the minimum allowed size"),
    "InvalidPart": (
        400,
        (
            "One or more of the specified parts could not be found. The part may not have been "
            "uploaded, or the specified entity tag may not match the part's entity tag."
        ),
    ),
    "InvalidPartNumber": (416, "The requested partnumber is not satisfiable"),
    "InvalidPartOrder": (
        400,
        (
            "The list of parts was not in ascending order. The parts list must be specified in order by "
            "part number."
        ),
    ),
    "NoSuchUpload": (
        404,
        (
            "The specified upload does not exist. The upload ID may be invalid, or the upload may have "
            "been aborted or completed."
        ),
    ),
    # -- our side --------------------------------------------------------------------------------------------
    "InsufficientStorage": (507, "There is not enough space left to store this."),
    "InternalError": (500, "We encountered an internal error. Please try again."),
    "OperationAborted": (
        409,
        (
            "A conflicting conditional operation is currently in progress against this resource. Please "
            "try again."
        ),
    ),
    "ServiceUnavailable": (503, "Service is unable to handle request."),
    "SlowDown": (503, "Please reduce your request rate."),
}


class S3Error(Exception):
    """An answer to the client that is not a success. `message` and `extra` go into the XML body."""

    def __init__(
        self,
        code: str,
        message: str | None = None,
        *,
        extra: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        """`code` must be in `CODES`; `extra` maps element names to text, in the order they are shown."""
        self.code: Final = code
        status, default = CODES[code]
        self.status: Final = status
        self.message: Final = default if message is None else message
        self.extra: Final[Mapping[str, str]] = extra or {}
        self.headers: Final[Mapping[str, str]] = headers or {}
        super().__init__(f"{code}: {self.message}")

    @property
    def has_body(self) -> bool:
        """Whether HTTP allows the answer a body at all: a 304 has none (RFC 9110, section 15.4.5)."""
        return self.status != HTTPStatus.NOT_MODIFIED
