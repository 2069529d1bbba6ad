# SPDX-License-Identifier: GPL-2.0-only
"""Which handler carries out which operation. The table is complete: a test compares it with `Operation`."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Final

from aiohttp import web

from dgproxy.http import attributes, buckets, copies, cors, forms, multipart, objects
from dgproxy.http.call import Call
from dgproxy.s3 import unconfigured
from dgproxy.s3.operation import Operation

Handler = Callable[[Call], Awaitable[web.StreamResponse]]

HANDLERS: Final[Mapping[Operation, Handler]] = {
    **dict.fromkeys(unconfigured.OPERATIONS, buckets.get_unconfigured),
    **dict.fromkeys(unconfigured.OF_OBJECTS, attributes.get_unconfigured),
    **dict.fromkeys(unconfigured.REMOVALS, buckets.remove_unconfigured),
    Operation.LIST_BUCKETS: buckets.list_buckets,
    Operation.CREATE_BUCKET: buckets.create_bucket,
    Operation.HEAD_BUCKET: buckets.head_bucket,
    Operation.DELETE_BUCKET: buckets.delete_bucket,
    Operation.GET_BUCKET_LOCATION: buckets.get_bucket_location,
    Operation.GET_BUCKET_CORS: cors.get_bucket_cors,
    Operation.PUT_BUCKET_CORS: cors.put_bucket_cors,
    Operation.DELETE_BUCKET_CORS: cors.delete_bucket_cors,
    Operation.LIST_OBJECTS: buckets.list_objects_in,
    Operation.LIST_OBJECTS_V2: buckets.list_objects_in,
    Operation.LIST_OBJECT_VERSIONS: buckets.list_object_versions,
    Operation.PUT_BUCKET_ACL: buckets.put_bucket_acl,
    Operation.PUT_OBJECT_ACL: attributes.put_object_acl,
    Operation.GET_OBJECT_ATTRIBUTES: attributes.get_object_attributes,
    Operation.GET_OBJECT_TAGGING: attributes.get_object_tagging,
    Operation.PUT_OBJECT_TAGGING: attributes.put_object_tagging,
    Operation.DELETE_OBJECT_TAGGING: attributes.delete_object_tagging,
    Operation.GET_OBJECT: objects.get_object,
    Operation.HEAD_OBJECT: objects.head_object,
    Operation.PUT_OBJECT: objects.put_object,
    Operation.POST_OBJECT: forms.post_object,
    Operation.COPY_OBJECT: copies.copy_object,
    Operation.DELETE_OBJECT: objects.delete_object,
    Operation.DELETE_OBJECTS: objects.delete_objects,
    Operation.CREATE_MULTIPART_UPLOAD: multipart.create_multipart_upload,
    Operation.UPLOAD_PART: multipart.upload_part,
    Operation.UPLOAD_PART_COPY: copies.upload_part_copy,
    Operation.COMPLETE_MULTIPART_UPLOAD: multipart.complete_multipart_upload,
    Operation.ABORT_MULTIPART_UPLOAD: multipart.abort_multipart_upload,
    Operation.LIST_PARTS: multipart.list_parts,
    Operation.LIST_MULTIPART_UPLOADS: multipart.list_multipart_uploads,
}
