# SPDX-License-Identifier: GPL-2.0-only
"""obstore (the Rust crate object_store); it has no calls for buckets."""

from datetime import timedelta
from pathlib import Path

import obstore
from obstore.store import S3Store
from protocol import Endpoint, serve


class Client:
    def __init__(self, endpoint: Endpoint):
        self._endpoint = endpoint

    def _store(self, bucket):
        endpoint = self._endpoint
        who = {"skip_signature": True}
        if endpoint.access_key is not None:
            who = {"access_key_id": endpoint.access_key, "secret_access_key": endpoint.secret_key}
        return S3Store(
            bucket, endpoint=endpoint.url, region=endpoint.region, client_options={"allow_http": True}, **who
        )

    def version(self):
        return f"obstore {obstore.__version__}"

    def put(self, bucket, key, path):
        obstore.put(self._store(bucket), key, Path(path))

    def get(self, bucket, key, path):
        with open(path, "wb") as file:
            file.writelines(obstore.get(self._store(bucket), key).stream())

    def get_range(self, bucket, key, first, length, path):
        data = obstore.get_range(self._store(bucket), key, start=first, length=length)
        Path(path).write_bytes(data)

    def list_keys(self, bucket, prefix):
        pages = obstore.list(self._store(bucket), prefix)
        return [[each["path"], each["size"]] for page in pages for each in page]

    def copy(self, bucket, key, to):
        obstore.copy(self._store(bucket), key, to)

    def delete(self, bucket, keys):
        obstore.delete(self._store(bucket), keys)

    def presign_get(self, bucket, key):
        return obstore.sign(self._store(bucket), "GET", key, timedelta(hours=1))

    def presign_put(self, bucket, key):
        return obstore.sign(self._store(bucket), "PUT", key, timedelta(hours=1))


serve(Client)
