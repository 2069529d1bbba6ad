# SPDX-License-Identifier: GPL-2.0-only
"""boto3, of whatever version this Python has, with the settings it comes with."""

import boto3
import botocore
from botocore.config import Config
from protocol import Endpoint, serve


class Client:
    def __init__(self, endpoint: Endpoint):
        unsigned = Config(signature_version=botocore.UNSIGNED) if endpoint.access_key is None else None
        self._s3 = boto3.Session(
            aws_access_key_id=endpoint.access_key,
            aws_secret_access_key=endpoint.secret_key,
            region_name=endpoint.region,
        ).client("s3", endpoint_url=endpoint.url, config=unsigned)

    def version(self):
        return f"boto3 {boto3.__version__}"

    def make_bucket(self, bucket):
        self._s3.create_bucket(Bucket=bucket)

    def remove_bucket(self, bucket):
        self._s3.delete_bucket(Bucket=bucket)

    def buckets(self):
        return [each["Name"] for each in self._s3.list_buckets()["Buckets"]]

    def put(self, bucket, key, path):
        self._s3.upload_file(path, bucket, key)

    def get(self, bucket, key, path):
        self._s3.download_file(bucket, key, path)

    def get_range(self, bucket, key, first, length, path):
        span = f"bytes={first}-{first + length - 1}"
        answer = self._s3.get_object(Bucket=bucket, Key=key, Range=span)
        with open(path, "wb") as file, answer["Body"] as body:
            file.write(body.read())

    def list_keys(self, bucket, prefix):
        pages = self._s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
        return [[each["Key"], each["Size"]] for page in pages for each in page.get("Contents", ())]

    def copy(self, bucket, key, to):
        self._s3.copy({"Bucket": bucket, "Key": key}, bucket, to)

    def delete(self, bucket, keys):
        done = self._s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": key} for key in keys]})
        assert len(done["Deleted"]) == len(keys), done

    def presign_get(self, bucket, key):
        return self._s3.generate_presigned_url("get_object", {"Bucket": bucket, "Key": key})

    def presign_put(self, bucket, key):
        return self._s3.generate_presigned_url("put_object", {"Bucket": bucket, "Key": key})

    def presign_form(self, bucket, key):
        form = self._s3.generate_presigned_post(bucket, key)
        return [form["url"], form["fields"]]


serve(Client)
