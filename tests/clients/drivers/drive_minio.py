# SPDX-License-Identifier: GPL-2.0-only
"""minio-py."""

from datetime import UTC, datetime, timedelta

import minio
from minio.commonconfig import CopySource
from minio.datatypes import PostPolicy
from minio.deleteobjects import DeleteObject
from protocol import Endpoint, serve


class Client:
    def __init__(self, endpoint: Endpoint):
        self._endpoint = endpoint
        self._s3 = minio.Minio(
            endpoint.url.removeprefix("http://"), endpoint.access_key, endpoint.secret_key, secure=False
        )

    def version(self):
        return f"minio-py {minio.__version__}"

    def make_bucket(self, bucket):
        assert not self._s3.bucket_exists(bucket)
        self._s3.make_bucket(bucket)
        assert self._s3.bucket_exists(bucket)

    def remove_bucket(self, bucket):
        self._s3.remove_bucket(bucket)

    def buckets(self):
        return [each.name for each in self._s3.list_buckets()]

    def put(self, bucket, key, path):
        self._s3.fput_object(bucket, key, path)

    def get(self, bucket, key, path):
        self._s3.fget_object(bucket, key, path)

    def get_range(self, bucket, key, first, length, path):
        answer = self._s3.get_object(bucket, key, offset=first, length=length)
        with open(path, "wb") as file:
            file.write(answer.read())
        answer.close()

    def list_keys(self, bucket, prefix):
        return [
            [each.object_name, each.size] for each in self._s3.list_objects(bucket, prefix, recursive=True)
        ]

    def copy(self, bucket, key, to):
        self._s3.copy_object(bucket, to, CopySource(bucket, key))

    def delete(self, bucket, keys):
        errors = list(self._s3.remove_objects(bucket, [DeleteObject(key) for key in keys]))
        assert not errors, errors

    def presign_get(self, bucket, key):
        return self._s3.presigned_get_object(bucket, key)

    def presign_put(self, bucket, key):
        return self._s3.presigned_put_object(bucket, key)

    def presign_form(self, bucket, key):
        policy = PostPolicy(bucket, datetime.now(UTC) + timedelta(hours=1))
        policy.add_equals_condition("key", key)
        fields = self._s3.presigned_post_policy(policy)
        return [f"{self._endpoint.url}/{bucket}", {"key": key, **fields}]


serve(Client)
