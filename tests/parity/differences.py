# SPDX-License-Identifier: GPL-2.0-only
"""Every difference between our answers and a peer's, and why ours stays as it is.

A line names the peer, the calls and the parts of the answer it is about (patterns as in a shell, several
with `|`), and what AWS's documentation says: the Amazon S3 API Reference (API), the User Guide (UG), or the
RFC that they follow. A difference without a line here fails the test: it is our bug, or it gets a line. So
does a line that no difference needs any more.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Final

__all__ = ["NAMED", "SIGNATURES", "Named"]


@dataclass(frozen=True)
class Named:
    """One reason; `calls` and `parts` are patterns."""

    calls: str
    parts: str
    why: str

    def covers(self, call: str, part: str) -> bool:
        """Say whether a difference is this one."""
        return _matches(self.calls, call) and _matches(self.parts, part)


def _matches(patterns: str, text: str) -> bool:
    # A bracket in a pattern is a bracket here.
    return any(fnmatchcase(text, each.strip().replace("[", "[[]")) for each in patterns.split("|"))


_NAMES = "*/DisplayName | *Owner/ID | *Initiator/ID"
_MOTO: Final = (
    Named("bucket: head", "header content-length", "RFC 9110 8.6: what a HEAD leaves out claims nothing"),
    Named(
        "bucket: create bad name",
        "outcome",
        "UG, Bucket naming rules: no capitals, no _; API errors: InvalidBucketName",
    ),
    Named(
        "bucket: list empty v1 | list: v1*",
        "Marker | Prefix",
        "API ListObjects: the response has Marker and Prefix",
    ),
    Named(
        "list: page 2 | list: folders 2",
        "ContinuationToken",
        "API ListObjectsV2: if ContinuationToken was sent with the request, it is included in the response",
    ),
    Named(
        "list: v1 page *",
        "NextMarker",
        "API ListObjects: returned only if you have the delimiter request parameter specified",
    ),
    Named(
        "list: v1 folders",
        "NextMarker",
        "moto makes a token of its own; ours is a name, as in API ListObjects",
    ),
    Named(
        "list: v1 folders",
        "Contents/* | CommonPrefixes/Prefix",
        "API ListObjects: all keys rolled up into a common prefix count as one toward max-keys",
    ),
    Named(
        "list: v1 marker folder",
        "CommonPrefixes/Prefix",
        "API ListObjects: listing starts after the marker, which NextMarker gives as the last common prefix",
    ),
    Named(
        "list: start-after in prefix",
        "CommonPrefixes/Prefix | KeyCount",
        "API ListObjectsV2: StartAfter is a key; list/a/2 comes after it and is rolled up into list/a/",
    ),
    Named(
        "list: max-keys large", "MaxKeys", "API ListObjectsV2: up to 1,000; the response never contains more"
    ),
    Named("list: max-keys negative | list: max-keys text", "outcome", "API errors: InvalidArgument"),
    Named(
        "list: bad token | list: bad encoding | list: list type 3", "outcome", "API errors: InvalidArgument"
    ),
    Named(
        "bucket: get versioning | bucket: get notification | bucket: get accelerate | object: attributes"
        " | multipart: list parts*",
        "root",
        "API, response syntax of each: the root is another name than moto's, which SDKs don't look at",
    ),
    Named(
        "bucket: get requestPayment",
        "*",
        "moto lists the bucket; API GetBucketRequestPayment has a document of its own",
    ),
    Named(
        "bucket: get acl | object: acl", _NAMES, "API Grantee: DisplayName is optional; older clients read it"
    ),
    Named(
        "object: put | object: if *",
        "header x-amz-tagging-count",
        "API: a header of GetObject and HeadObject alone",
    ),
    Named(
        "object: if *", "header cache-control", "RFC 9110 15.4.5: a 304 brings the Cache-Control a 200 would"
    ),
    Named(
        "object: if match star | object: if none-match star",
        "outcome",
        "RFC 9110 13.1: * is any current representation; API GetObject refers to it",
    ),
    Named(
        "object: if match beats unmodified",
        "outcome",
        "API GetObject: If-Match true and If-Unmodified-Since false, then S3 returns 200 OK",
    ),
    Named(
        "object: if none-match beats modified",
        "outcome",
        "RFC 9110 13.1.3: a recipient must ignore If-Modified-Since if the request has If-None-Match",
    ),
    Named(
        "object: *md5 | object: wrong crc32 | object: nothing bad was stored | delete: wrong md5",
        "outcome",
        "API PutObject: if the digests do not match, Amazon S3 returns an error; BadDigest, InvalidDigest",
    ),
    Named(
        "object: crc32",
        "header x-amz-checksum-*",
        "API PutObject, response: the checksum, if it was uploaded with the object",
    ),
    Named(
        "object: too much metadata",
        "outcome",
        "UG, Working with object metadata: 2 KB; API errors: MetadataTooLarge",
    ),
    Named("object: part number 2", "outcome", "API errors: InvalidPartNumber; moto has no code"),
    Named(
        "tags: too many",
        "outcome",
        "API errors: InvalidTag, as s3-tests has it. moto says BadRequest, which S3 was seen to answer",
    ),
    Named("tags: twice", "outcome", "UG, Categorizing objects using tags: tag keys must be unique"),
    Named("tags: no xml | delete: no*", "outcome", "API errors: MalformedXML"),
    Named(
        "key: put too long",
        "outcome",
        "UG, Creating object key names: 1,024 bytes; API errors: KeyTooLongError",
    ),
    Named(
        "copy: * | multipart: part copy*",
        "header etag",
        "API CopyObject, UploadPartCopy: the ETag is an element, not a header",
    ),
    Named(
        "copy: of nothing | copy: bad directive | copy: if match",
        "outcome",
        "API CopyObject; errors: InvalidArgument, PreconditionFailed",
    ),
    Named("multipart: part 0", "outcome", "API UploadPart: a positive integer between 1 and 10,000"),
    Named("multipart: part of none | multipart: complete none", "outcome", "API errors: NoSuchUpload"),
    Named(
        "multipart: part copy beyond",
        "outcome",
        "API UploadPartCopy: only a range within the source; moto copies what there is",
    ),
    Named(
        "multipart: list parts", "Part/* | NextPartNumberMarker", "follows from the copies with wrong ranges"
    ),
    Named("multipart: list uploads*", "Prefix", "API ListMultipartUploads: the response has Prefix"),
    Named("multipart: complete", "Location", "the endpoint is where the server is; moto plays AWS's"),
    Named(
        "multipart: get part*",
        "outcome",
        "API HeadObject: partNumber is a ranged HEAD; errors: InvalidPartNumber",
    ),
    Named(
        "multipart: complete disordered",
        "outcome",
        "API CompleteMultipartUpload: InvalidPartOrder is found before sizes are",
    ),
    Named("multipart: complete no xml", "outcome", "API errors: MalformedXML"),
    Named("odd: post object without form", "outcome", "API errors: RequestIsNotMultiPartContent, 412"),
    Named("odd: put on service", "outcome", "API errors: MethodNotAllowed"),
    Named("odd: versionId bad", "outcome", "API errors: InvalidArgument for an id that is none"),
    Named(
        "odd: put versioning none | odd: select | odd: restore | odd: torrent",
        "outcome",
        "operations we don't have; moto has parts of them",
    ),
    Named(
        "delete: quiet",
        "Deleted/Key",
        "API DeleteObjects: in quiet mode the response includes only keys where the delete failed",
    ),
    Named("delete: too many", "outcome", "API DeleteObjects: up to 1,000 keys; MalformedXML"),
    Named(
        "bucket: list buckets*",
        "Buckets/Bucket/BucketRegion | Prefix | ContinuationToken",
        "API ListBuckets: response",
    ),
    Named(
        "bucket: list buckets max 0",
        "outcome",
        "API ListBuckets: minimum value of 1; errors: InvalidArgument",
    ),
    Named(
        "object: head if *",
        "header *",
        "RFC 9110 15.4.5, 15.5.13: a 304 or 412 is not the object and needs no headers of it",
    ),
    Named(
        "object: range if-range other",
        "outcome",
        "RFC 9110 13.1.5: If-Range that does not match ignores Range",
    ),
    Named(
        "key: copy plus unencoded",
        "ETag",
        "API CopyObject: the value must be URL-encoded; a bare + is a space there (aws-sdk-js issue 1821)",
    ),
    Named("key: copy *", "header etag", "API CopyObject: the ETag is an element, not a header"),
    Named(
        "key: spelled bad escape | key: spelled no utf-8", "outcome", "API errors: InvalidURI; keys are UTF-8"
    ),
    Named(
        "multipart: part copy of none",
        "outcome",
        "API errors: NoSuchKey; moto answers 404 without a document",
    ),
    Named(
        "multipart: part copy bad range",
        "outcome",
        "API UploadPartCopy: bytes=first-last; errors: InvalidArgument",
    ),
    Named(
        "multipart: list uploads delimiter | multipart: list uploads marker | multipart: list uploads none"
        " | multipart: list uploads one",
        "Upload/* | CommonPrefixes/Prefix | Delimiter | KeyMarker | MaxUploads",
        "API ListMultipartUploads: delimiter, key-marker and max-uploads; moto has none of them",
    ),
    Named(
        "checksum: put * | checksum: get * | checksum: head",
        "header x-amz-checksum-*",
        "API PutObject, response",
    ),
    Named(
        "checksum: put wrong *",
        "outcome",
        "API PutObject: a checksum that does not match fails with BadDigest",
    ),
    Named(
        "checksum: attributes", "Checksum/* | root", "API GetObjectAttributes: Checksum is in the response"
    ),
    Named(
        "checksum: attributes of nothing",
        "outcome",
        "API GetObjectAttributes: x-amz-object-attributes is required",
    ),
    Named(
        "checksum: two | checksum: not base64 | checksum: unknown",
        "outcome",
        "UG, Checking object integrity: one algorithm, one value; errors: InvalidRequest",
    ),
    Named(
        "checksum: copy",
        "ChecksumSHA256 | ChecksumType",
        "API CopyObject: the copy has the source's algorithm",
    ),
    Named("checksum: copy", "header etag", "API CopyObject: the ETag is an element, not a header"),
    Named(
        "checksum: list",
        "Contents/Checksum*",
        "API ListObjectsV2, Object: ChecksumAlgorithm and ChecksumType",
    ),
    Named(
        "cors: *",
        "header access-control-*",
        "UG, Elements of a CORS configuration: only the rule that matches, only the headers asked for",
    ),
    Named(
        "cors: preflight other header | cors: preflight other method",
        "outcome",
        "API errors: AccessForbidden",
    ),
    Named("cors: no xml", "outcome", "API errors: MalformedXML"),
)

_SEAWEEDFS: Final = (
    Named(
        "*", "header accept-ranges", "API: a header of GetObject and HeadObject; SeaweedFS sends it always"
    ),
    Named(
        "bucket: create again",
        "outcome",
        "API CreateBucket: in us-east-1, re-creating a bucket you own returns 200 OK",
    ),
    Named(
        "bucket: head", "header content-*", "RFC 9110 9.3.2: a HEAD may leave out what a GET's body would say"
    ),
    Named(
        "bucket: location",
        "root | LocationConstraint",
        "API GetBucketLocation: the root is LocationConstraint",
    ),
    Named(
        "bucket: put in none", "outcome", "API errors: NoSuchBucket; SeaweedFS would create it, and may not"
    ),
    Named(
        "bucket: get acl | object: acl",
        "*/Type | *Owner/ID | */DisplayName | */ID",
        "API Grantee: xsi:type is an attribute",
    ),
    Named(
        "bucket: get accelerate", "Status", "API GetBucketAccelerateConfiguration: empty if it was never set"
    ),
    Named("bucket: get ownershipControls", "outcome", "API: OwnershipControlsNotFoundError"),
    Named("bucket: get publicAccessBlock", "outcome", "API: NoSuchPublicAccessBlockConfiguration"),
    Named(
        "object: head empty | key: get *",
        "header content-type",
        "API PutObject: the default is binary/octet-stream; SeaweedFS looks at the bytes",
    ),
    Named(
        "object: range backwards | object: range nonsense",
        "outcome",
        "RFC 9110 14.2: a Range header that is invalid is ignored",
    ),
    Named("object: range head", "outcome", "API HeadObject: as GetObject, with Range, without the body"),
    Named(
        "object: if *", "header cache-control", "RFC 9110 15.4.5: a 304 brings the Cache-Control a 200 would"
    ),
    Named(
        "object: put if match none",
        "outcome",
        "UG, Conditional requests: If-Match where there is no object returns 404 Not Found",
    ),
    Named("object: crc32", "header x-amz-checksum-type", "API PutObject, response: x-amz-checksum-type"),
    Named(
        "object: too much metadata | object: nothing bad was stored",
        "outcome",
        "UG, Working with object metadata: 2 KB; API errors: MetadataTooLarge",
    ),
    Named(
        "object: part number",
        "header x-amz-mp-parts-count",
        "API: returned if the object was uploaded as multipart",
    ),
    Named("tags: twice", "outcome", "UG, Categorizing objects using tags: tag keys must be unique"),
    Named(
        "key: * dots | key: * dots-up", "outcome", "UG, Creating object key names: . and .. are part of a key"
    ),
    Named(
        "key: * long",
        "outcome",
        "UG, Creating object key names: 1,024 bytes, whatever is between two slashes",
    ),
    Named(
        "key: get folder | key: get brackets",
        "body | header content-*",
        "UG, Organizing objects using folders: a key that ends in / is an object; \\ is no slash",
    ),
    Named(
        "key: list | key: list with delimiter",
        "Contents/* | CommonPrefixes/Prefix | KeyCount",
        "SeaweedFS merges //, drops a leading /, and lacks the keys it refused; ours are those that were put",
    ),
    Named(
        "list: start-after in prefix",
        "CommonPrefixes/Prefix | KeyCount",
        "API ListObjectsV2: the delimiter is looked for behind the prefix, so list/a/b/ is in list/a/",
    ),
    Named(
        "list: max-keys large", "MaxKeys", "API ListObjectsV2: up to 1,000; the response never contains more"
    ),
    Named(
        "list: bad token | list: bad encoding | list: list type 3", "outcome", "API errors: InvalidArgument"
    ),
    Named(
        "list: v1 page *", "NextMarker", "API ListObjects: only if you have the delimiter request parameter"
    ),
    Named("list: versions", "KeyMarker | VersionIdMarker", "API ListObjectVersions: the response has both"),
    Named("copy: * | multipart: part copy*", "ETag", "API CopyObject: ETag is quoted, as everywhere"),
    Named(
        "copy: * | multipart: part copy*",
        "header etag",
        "API CopyObject: the ETag is an element, not a header",
    ),
    Named(
        "multipart: part 0 | multipart: part 10001",
        "outcome",
        "API UploadPart: 1 to 10,000; errors: InvalidArgument",
    ),
    Named(
        "multipart: list parts*",
        "*/ID | */DisplayName | MaxParts | NextPartNumberMarker",
        "API ListParts: Initiator and Owner, at most 1,000 parts, and where the page ends",
    ),
    Named("multipart: list parts", "Part/ETag", "follows from the part copy, whose ETag has no quotes"),
    Named(
        "multipart: list uploads*",
        "*/ID | */DisplayName | */StorageClass | UploadIdMarker | MaxUploads | Delimiter | EncodingType",
        "API ListMultipartUploads: Initiator and Owner, at most 1,000; what was not sent is not there",
    ),
    Named(
        "multipart: complete missing part", "outcome", "API CompleteMultipartUpload: InvalidPart before sizes"
    ),
    Named("multipart: complete nothing", "outcome", "API errors: MalformedXML"),
    Named("multipart: abort again", "outcome", "API AbortMultipartUpload: NoSuchUpload"),
    Named("odd: post object without form", "outcome", "API errors: RequestIsNotMultiPartContent, 412"),
    Named("odd: put on service", "outcome", "SeaweedFS answers 405 without a document"),
    Named("odd: versionId bad", "outcome", "API errors: InvalidArgument for an id that is none"),
    Named(
        "odd: put versioning none | odd: select | odd: restore | odd: torrent",
        "outcome",
        "API errors: NotImplemented for what a server doesn't have; torrent is not the object",
    ),
    Named("delete: wrong md5", "outcome", "API DeleteObjects: Content-MD5 is verified; BadDigest"),
    Named("delete: none", "outcome", "API DeleteObjects: Object is required; MalformedXML"),
    Named("delete: too many", "outcome", "API DeleteObjects: up to 1,000 keys; MalformedXML"),
    Named(
        "delete: bucket not empty",
        "outcome",
        "API DeleteBucket: all objects must be deleted first; BucketNotEmpty",
    ),
    Named(
        "bucket: list buckets*",
        "Buckets | Buckets/* | Owner/* | ContinuationToken",
        "API ListBuckets: prefix and max-buckets; SeaweedFS shows none to who has no identity",
    ),
    Named(
        "object: range if-range other",
        "outcome",
        "RFC 9110 13.1.5: If-Range that does not match ignores Range",
    ),
    Named(
        "object: head if *",
        "header cache-control",
        "RFC 9110 15.4.5: a 304 brings the Cache-Control a 200 would",
    ),
    Named(
        "object: get expires | object: overrides all | key: spelled bare plus | cors: get object"
        " | checksum: get * | checksum: head",
        "header content-type",
        "API PutObject: the default is binary/octet-stream; SeaweedFS looks at the bytes",
    ),
    Named(
        "key: copy plus unencoded",
        "ETag",
        "API CopyObject: the value must be URL-encoded; a bare + is a space there (aws-sdk-js issue 1821)",
    ),
    Named("key: copy * | checksum: copy", "ETag", "API CopyObject: ETag is quoted, as everywhere"),
    Named(
        "key: copy * | checksum: copy", "header etag", "API CopyObject: the ETag is an element, not a header"
    ),
    Named(
        "key: spelled bad escape | key: spelled no utf-8", "outcome", "API errors: InvalidURI; keys are UTF-8"
    ),
    Named(
        "key: spelled slash at start",
        "outcome",
        "UG, Creating object key names: /object is another key than object",
    ),
    Named(
        "multipart: part copy bad range",
        "outcome",
        "API UploadPartCopy: bytes=first-last; errors: InvalidArgument",
    ),
    Named("multipart: list parts", "Part/PartNumber | Part/Size", "follows from the copy with a bad range"),
    Named(
        "multipart: list uploads delimiter | multipart: list uploads marker | multipart: list uploads none"
        " | multipart: list uploads one",
        "Upload/* | CommonPrefixes/Prefix | IsTruncated | NextUploadIdMarker",
        "API ListMultipartUploads: delimiter, key-marker without an id, and the last page is not truncated",
    ),
    Named(
        "checksum: put * | checksum: get * | checksum: head",
        "header x-amz-checksum-type",
        "API PutObject, response",
    ),
    Named("checksum: attributes", "Checksum/*", "API GetObjectAttributes: Checksum is in the response"),
    Named(
        "checksum: attributes of nothing",
        "outcome",
        "API GetObjectAttributes; ours says which header is missing",
    ),
    Named(
        "checksum: two | checksum: not base64 | checksum: unknown",
        "outcome",
        "UG, Checking object integrity: one algorithm, one value; errors: InvalidRequest",
    ),
    Named(
        "checksum: copy",
        "ChecksumSHA256 | ChecksumType",
        "API CopyObject: the copy has the source's algorithm",
    ),
    Named(
        "checksum: list",
        "Contents/Checksum*",
        "API ListObjectsV2, Object: ChecksumAlgorithm and ChecksumType",
    ),
    Named(
        "cors: *",
        "header access-control-*",
        "UG, Elements of a CORS configuration: Allow-Credentials unless the origin is *; headers if asked",
    ),
    Named("cors: preflight other *", "outcome", "API errors: AccessForbidden"),
)

#: Of the calls in `signatures`, to SeaweedFS.
SIGNATURES: Final = (
    Named("create | put | list | u*", "header accept-ranges", "API: a header of GetObject and HeadObject"),
    Named(
        "get | url | other region | url other region | spaces in a header | no spaces | version 2 url",
        "header content-type",
        "API PutObject: the default is binary/octet-stream; SeaweedFS looks at the bytes",
    ),
    Named(
        "url early",
        "outcome",
        "API, Using query parameters: not valid before X-Amz-Date, but for the skew of clocks",
    ),
    Named(
        "other day in scope | other service | other terminal",
        "outcome",
        "API errors: AuthorizationHeaderMalformed; the scope is date, region, s3, aws4_request",
    ),
    Named(
        "url other day in scope | url other service | url other terminal",
        "outcome",
        "API errors: AuthorizationQueryParametersError",
    ),
    Named(
        "another body",
        "outcome",
        "API: the payload must have the digest that was signed; XAmzContentSHA256Mismatch",
    ),
    Named(
        "digest that is none",
        "outcome",
        "API errors: InvalidArgument; a digest, UNSIGNED-PAYLOAD or STREAMING-",
    ),
    Named(
        "unsigned amz header", "outcome", "API: any x-amz-* header must be signed; ours says that, and which"
    ),
    Named("unsigned host", "outcome", "API: the canonical headers must include host"),
    Named(
        "no algorithm | other algorithm | nonsense | no signature | short credential",
        "outcome",
        "API errors: AuthorizationHeaderMalformed for missing parts; InvalidArgument for another type",
    ),
    Named("version 2", "outcome", "API errors: InvalidRequest; only AWS4-HMAC-SHA256 in the header"),
    Named("no content-sha256", "outcome", "API: x-amz-content-sha256 is required for all requests"),
    Named("url expires negative", "outcome", "it was over before it began; s3-tests wants 403"),
    Named("url expires text | url without *", "outcome", "API errors: AuthorizationQueryParametersError"),
    Named("url and header", "outcome", "API errors: InvalidArgument; only one auth mechanism allowed"),
)

NAMED: Final[Mapping[str, tuple[Named, ...]]] = {"moto": _MOTO, "seaweedfs": _SEAWEEDFS}
