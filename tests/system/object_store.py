# SPDX-License-Identifier: GPL-2.0-only
"""A SeaweedFS that a test may do anything to, and servers that keep everything in it.

It can be killed, frozen and started again on what it has; what is in it can be read, replaced and removed
behind the servers' backs. No test logic in here.
"""

import signal
import subprocess
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final, Self
from urllib.parse import urlsplit

import boto3
from botocore.client import Config
from botocore.handlers import add_expect_header

from tests.storage import stores
from tests.system.harness import Server

BUCKET: Final = "default"


class ObjectStore:
    """A store on `directory`; `with ObjectStore(directory) as store:`."""

    def __init__(self, directory: Path):
        directory.mkdir(parents=True, exist_ok=True)
        self._log = directory / "weed.log"
        self._command, self._store = stores.seaweedfs_in(directory)
        self.url = str(self._store.endpoint)
        self.port = int(urlsplit(self.url).port or 0)
        self._stack = ExitStack()
        self._process: subprocess.Popen[bytes] | None = None
        self.s3: Any = boto3.client(
            "s3",
            endpoint_url=self.url,
            aws_access_key_id=stores.ACCESS,
            aws_secret_access_key=stores.SECRET,
            region_name="us-east-1",
            config=Config(
                request_checksum_calculation="when_required",
                response_checksum_validation="when_required",
                retries={"total_max_attempts": 5, "mode": "standard"},
            ),
        )
        # After an empty body, which needs no 100 Continue, it takes the next answer for one, and waits.
        self.s3.meta.events.unregister("before-call.s3", add_expect_header)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.thaw()
        self._stack.close()
        self.s3.close()

    # -- the process ---------------------------------------------------------------------------------------

    def start(self) -> None:
        """Start it, and wait until it answers."""
        self._process = self._stack.enter_context(stores.running(self._command, self.url, self._log))

    def kill(self) -> None:
        """SIGKILL, nothing flushed and nothing said."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()
        self._stack.close()

    def freeze(self) -> None:
        """SIGSTOP: connections stay open, and nothing comes any more."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """SIGCONT."""
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(signal.SIGCONT)

    # -- what is in it -------------------------------------------------------------------------------------

    def places(self, prefix: str = "") -> list[str]:
        """Every key of the bucket."""
        pages = self.s3.get_paginator("list_objects_v2").paginate(Bucket=BUCKET, Prefix=prefix)
        return [each["Key"] for page in pages for each in page.get("Contents", ())]

    def read(self, key: str) -> bytes:
        return bytes(self.s3.get_object(Bucket=BUCKET, Key=key)["Body"].read())

    def write(self, key: str, data: bytes) -> None:
        self.s3.put_object(Bucket=BUCKET, Key=key, Body=data)

    def remove(self, key: str) -> None:
        self.s3.delete_object(Bucket=BUCKET, Key=key)

    def uploads(self) -> list[str]:
        """The keys of the multipart uploads that are open in it."""
        return [each["Key"] for each in self.s3.list_multipart_uploads(Bucket=BUCKET).get("Uploads", ())]


def behind(home: Path, port: int, **settings: str) -> Server:
    """A server of one worker, not started, whose store is at a port; `settings` by name."""
    named = {f"DELTAGLIDER_PROXY_{name.upper()}": value for name, value in settings.items()}
    return Server(
        home,
        {
            "DELTAGLIDER_PROXY_WORKERS": "1",
            "DELTAGLIDER_PROXY_S3_ENDPOINT": f"http://127.0.0.1:{port}",
            "DELTAGLIDER_PROXY_CACHE_DIR": str(home / "cache"),
            "DELTAGLIDER_PROXY_OPTIMIZER": "false",
            "AWS_ACCESS_KEY_ID": stores.ACCESS,
            "AWS_SECRET_ACCESS_KEY": stores.SECRET,
        }
        | named,
    )
