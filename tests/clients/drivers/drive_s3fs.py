# SPDX-License-Identifier: GPL-2.0-only
"""s3fs (aiobotocore), with blocks small enough that a large file has several."""

import s3fs
from protocol import Endpoint, serve


class Client:
    def __init__(self, endpoint: Endpoint):
        self._s3 = s3fs.S3FileSystem(
            anon=endpoint.access_key is None,
            key=endpoint.access_key,
            secret=endpoint.secret_key,
            endpoint_url=endpoint.url,
            client_kwargs={"region_name": endpoint.region},
            default_block_size=8 << 20,
            use_listings_cache=False,
        )

    def version(self):
        return f"s3fs {s3fs.__version__}"

    def make_bucket(self, bucket):
        self._s3.mkdir(bucket)

    def remove_bucket(self, bucket):
        self._s3.rmdir(bucket)

    def buckets(self):
        return self._s3.ls("")

    def put(self, bucket, key, path):
        with open(path, "rb") as source, self._s3.open(f"{bucket}/{key}", "wb") as target:
            while piece := source.read(3 << 20):
                target.write(piece)

    def get(self, bucket, key, path):
        with self._s3.open(f"{bucket}/{key}", "rb") as source, open(path, "wb") as target:
            while piece := source.read(3 << 20):
                target.write(piece)

    def get_range(self, bucket, key, first, length, path):
        with open(path, "wb") as target:
            target.write(self._s3.cat_file(f"{bucket}/{key}", start=first, end=first + length))

    def list_keys(self, bucket, prefix):
        found = self._s3.find(f"{bucket}/{prefix}", detail=True)
        return [[name.removeprefix(f"{bucket}/"), each["size"]] for name, each in found.items()]

    def copy(self, bucket, key, to):
        self._s3.copy(f"{bucket}/{key}", f"{bucket}/{to}")

    def delete(self, bucket, keys):
        self._s3.rm([f"{bucket}/{key}" for key in keys])

    def upload_tree(self, directory, bucket, prefix):
        self._s3.put(f"{directory}/", f"{bucket}/{prefix}/", recursive=True)

    def download_tree(self, bucket, prefix, directory):
        self._s3.get(f"{bucket}/{prefix}/", f"{directory}/", recursive=True)

    def presign_get(self, bucket, key):
        return self._s3.sign(f"{bucket}/{key}")

    def presign_put(self, bucket, key):
        return self._s3.sign(f"{bucket}/{key}", client_method="put_object")


serve(Client)
