# SPDX-License-Identifier: GPL-2.0-only
"""The XML documents of S3: `parsing` for what clients send, the rest for what they get.

Whatever a client sends is a value or an S3Error, in bounded memory: no DTD, no entities of its own, no
network. What is rendered is well-formed XML 1.0, with one exception named in `elements`.
"""

from dgproxy.s3.xml.listings import (
    BucketEntry,
    ObjectEntry,
    render_list_buckets,
    render_list_object_versions,
    render_list_objects,
)
from dgproxy.s3.xml.parsing import (
    MAX_DELETE,
    DeleteItem,
    DeleteRequest,
    PartReference,
    parse_complete_multipart_upload,
    parse_cors,
    parse_create_bucket,
    parse_delete,
    parse_tagging,
)
from dgproxy.s3.xml.results import (
    DeleteFailed,
    render_complete_multipart_upload,
    render_copy_object,
    render_cors,
    render_create_multipart_upload,
    render_delete,
    render_error,
    render_location,
    render_object_attributes,
    render_post_object,
    render_tagging,
)
from dgproxy.s3.xml.tree import MAX_DOCUMENT
from dgproxy.s3.xml.upload_listings import (
    PartEntry,
    UploadEntry,
    render_list_multipart_uploads,
    render_list_parts,
)

__all__ = [
    "MAX_DELETE",
    "MAX_DOCUMENT",
    "BucketEntry",
    "DeleteFailed",
    "DeleteItem",
    "DeleteRequest",
    "ObjectEntry",
    "PartEntry",
    "PartReference",
    "UploadEntry",
    "parse_complete_multipart_upload",
    "parse_cors",
    "parse_create_bucket",
    "parse_delete",
    "parse_tagging",
    "render_complete_multipart_upload",
    "render_copy_object",
    "render_cors",
    "render_create_multipart_upload",
    "render_delete",
    "render_error",
    "render_list_buckets",
    "render_list_multipart_uploads",
    "render_list_object_versions",
    "render_list_objects",
    "render_list_parts",
    "render_location",
    "render_object_attributes",
    "render_post_object",
    "render_tagging",
]
