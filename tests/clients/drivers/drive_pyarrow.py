# SPDX-License-Identifier: GPL-2.0-only
"""pyarrow's S3FileSystem (the AWS SDK for C++): keys are paths of a file system to it."""

import pyarrow
import pyarrow.fs as fs
from protocol import Endpoint, serve


class Client:
    def __init__(self, endpoint: Endpoint):
        who = {"anonymous": True}
        if endpoint.access_key is not None:
            who = {"access_key": endpoint.access_key, "secret_key": endpoint.secret_key}
        self._s3 = fs.S3FileSystem(
            endpoint_override=endpoint.url.removeprefix("http://"),
            scheme="http",
            region=endpoint.region,
            allow_bucket_creation=True,
            allow_bucket_deletion=True,
            **who,
        )
        self._local = fs.LocalFileSystem()

    def version(self):
        return f"pyarrow {pyarrow.__version__}"

    def make_bucket(self, bucket):
        self._s3.create_dir(bucket)

    def remove_bucket(self, bucket):
        self._s3.delete_dir(bucket)

    def buckets(self):
        return [each.base_name for each in self._s3.get_file_info(fs.FileSelector(""))]

    def put(self, bucket, key, path):
        with open(path, "rb") as source, self._s3.open_output_stream(f"{bucket}/{key}") as target:
            while piece := source.read(3 << 20):
                target.write(piece)

    def get(self, bucket, key, path):
        with self._s3.open_input_stream(f"{bucket}/{key}") as source, open(path, "wb") as target:
            while piece := source.read(3 << 20):
                target.write(piece)

    def get_range(self, bucket, key, first, length, path):
        with self._s3.open_input_file(f"{bucket}/{key}") as source, open(path, "wb") as target:
            target.write(source.read_at(length, first))

    def list_keys(self, bucket, prefix):
        within = f"{bucket}/{prefix}".rstrip("/")
        found = self._s3.get_file_info(fs.FileSelector(within, recursive=True))
        return [[each.path.removeprefix(f"{bucket}/"), each.size] for each in found if each.is_file]

    def copy(self, bucket, key, to):
        self._s3.copy_file(f"{bucket}/{key}", f"{bucket}/{to}")

    def delete_tree(self, bucket, prefix):
        self._s3.delete_dir(f"{bucket}/{prefix}".rstrip("/"))

    def upload_tree(self, directory, bucket, prefix):
        fs.copy_files(
            directory, f"{bucket}/{prefix}", source_filesystem=self._local, destination_filesystem=self._s3
        )

    def download_tree(self, bucket, prefix, directory):
        fs.copy_files(
            f"{bucket}/{prefix}", directory, source_filesystem=self._s3, destination_filesystem=self._local
        )


serve(Client)
