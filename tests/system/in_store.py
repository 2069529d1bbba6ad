# SPDX-License-Identifier: GPL-2.0-only
"""A server that keeps everything in an object store, and what it keeps there. No test logic in here."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config

from dgproxy.storage.s3 import Store
from dgproxy.storage.s3.keymap import decode, encode
from tests.system.harness import Server, environment

#: What servers and commands leave in a bucket; see `Server.files`.
_KEPT = ("config/bucket.json", "statistics/", "ledgers/", "runs/")


class ServerInStore(Server):
    """The only server that writes to its part of a store, so that what nobody needs goes at once."""

    def __init__(self, home: Path, store: Store, prefix: str, settings: dict[str, str] | None = None):
        self._prefix = prefix
        self._s3: Any = boto3.client(
            "s3",
            endpoint_url=store.endpoint,
            region_name=store.region,
            aws_access_key_id=store.access_key_id,
            aws_secret_access_key=store.secret_access_key,
            config=Config(s3={"addressing_style": "path"}),
        )
        place = {
            "DELTAGLIDER_PROXY_S3_ENDPOINT": str(store.endpoint),
            "DELTAGLIDER_PROXY_S3_REGION": str(store.region),
            "DELTAGLIDER_PROXY_S3_BUCKET_PREFIX": prefix,
            "DELTAGLIDER_PROXY_S3_ONLY_WRITER": "true",
            "DELTAGLIDER_PROXY_CACHE_DIR": str(home / "cache"),
            "AWS_ACCESS_KEY_ID": str(store.access_key_id),
            "AWS_SECRET_ACCESS_KEY": str(store.secret_access_key),
        }
        super().__init__(home, {**place, **(settings or {})})

    def files(self, bucket: str) -> dict[str, int]:
        """As of a server on a disk, and with the names that files have there."""
        found = {}
        for page in self._s3.get_paginator("list_objects_v2").paginate(Bucket=self._prefix + bucket):
            for each in page.get("Contents", ()):
                key = decode(each["Key"])
                if not key.startswith(_KEPT):
                    found[f"{key}.meta" if key.startswith("objects/") else key] = each["Size"]
        return found

    def put(self, bucket: str, place: str, data: bytes) -> None:
        """Put something where `files` has this place, behind the server's back."""
        self._s3.put_object(Bucket=self._prefix + bucket, Key=encode(place), Body=data)

    def buckets(self) -> set[str]:
        """The names of its buckets."""
        names = [each["Name"] for each in self._s3.list_buckets()["Buckets"]]
        return {name.removeprefix(self._prefix) for name in names if name.startswith(self._prefix)}

    def staged(self) -> list[Path]:
        """Nothing is staged on this host, and nothing may be unfinished in the store."""
        for bucket in self.buckets():
            answer = self._s3.list_multipart_uploads(Bucket=self._prefix + bucket)
            assert not answer.get("Uploads"), answer
        return []

    def run(self, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
        """A command beside the server, with its settings."""
        return subprocess.run(
            [sys.executable, "-m", "dgproxy", *map(str, arguments)],
            cwd=self.home,
            env=environment({"DELTAGLIDER_PROXY_DATA_DIR": str(self.data)} | self.settings),
            capture_output=True,
            text=True,
            timeout=100,
            check=False,
        )

    def close(self) -> None:
        """Let go of the store."""
        self._s3.close()
