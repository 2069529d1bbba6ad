# SPDX-License-Identifier: GPL-2.0-only
"""Clients that are programs: aws-cli, s3cmd and rclone, each with an empty home directory.

They have the same `ask` and `can` as a `Driver`; what fails raises `ClientFailed` with what they said. No
test logic in here.
"""

import json
import subprocess
from pathlib import Path
from typing import Any

from tests.clients.driver import PATIENCE, ClientFailed
from tests.system.clients import REGION
from tests.system.harness import ACCESS_KEY, SECRET_KEY, Server


class Program:
    """One command line client; its public methods are what it can do."""

    name: str

    def __init__(self, program: str, server: Server, home: Path, *, signed: bool):
        self.program = program
        self.server = server
        self.home = home
        self.signed = signed
        self.environment = {"PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": str(home), "LC_ALL": "C.UTF-8"}
        self.options: list[str] = []
        own = {name for name in vars(Program) if not name.startswith("_")}
        self.can = (
            frozenset(
                name for name in dir(self) if not name.startswith("_") and callable(getattr(self, name))
            )
            - own
        )

    def ask(self, what: str, *arguments: Any) -> Any:
        return getattr(self, what)(*arguments)

    def close(self) -> None:
        """Nothing runs between calls."""

    def run(self, *arguments: str | Path, output: Path | None = None) -> str:
        """Run the program; its standard output, or "" when that goes to the file `output`."""
        command = [self.program, *self.options, *map(str, arguments)]
        done = subprocess.run(
            command,
            env=self.environment,
            cwd=self.home,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=PATIENCE,
            check=False,
        )
        said = done.stderr.decode(errors="replace")
        if done.returncode != 0:
            said += done.stdout.decode(errors="replace")
            raise ClientFailed(f"{' '.join(map(str, command))}: {done.returncode}\n{said[-4000:]}")
        if output is not None:
            output.write_bytes(done.stdout)
            return ""
        return done.stdout.decode()


class AwsCli(Program):
    name = "aws-cli"

    def __init__(self, program: str, server: Server, home: Path, *, signed: bool):
        super().__init__(program, server, home, signed=signed)
        self.environment |= {
            "AWS_DEFAULT_REGION": REGION,
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_ENDPOINT_URL": server.url,
        }
        if signed:
            self.environment |= {"AWS_ACCESS_KEY_ID": ACCESS_KEY, "AWS_SECRET_ACCESS_KEY": SECRET_KEY}
        else:
            self.options = ["--no-sign-request"]

    def version(self) -> str:
        return self.run("--version").split()[0].replace("/", " ")

    def make_bucket(self, bucket: str) -> None:
        self.run("s3", "mb", f"s3://{bucket}")

    def remove_bucket(self, bucket: str) -> None:
        self.run("s3", "rb", f"s3://{bucket}")

    def buckets(self) -> list[str]:
        return [line.split()[-1] for line in self.run("s3", "ls").splitlines()]

    def put(self, bucket: str, key: str, path: Path) -> None:
        if key.endswith("/"):  # means "a name in this directory" to `s3 cp`
            self.run("s3api", "put-object", "--bucket", bucket, "--key", key, "--body", path)
        else:
            self.run("s3", "cp", path, f"s3://{bucket}/{key}")

    def get(self, bucket: str, key: str, path: Path) -> None:
        self.run("s3", "cp", f"s3://{bucket}/{key}", path)

    def get_range(self, bucket: str, key: str, first: int, length: int, path: Path) -> None:
        span = f"bytes={first}-{first + length - 1}"
        self.run("s3api", "get-object", "--bucket", bucket, "--key", key, "--range", span, path)

    def list_keys(self, bucket: str, prefix: str) -> list[list[Any]]:
        found = self.run("s3api", "list-objects-v2", "--bucket", bucket, "--prefix", prefix)
        return [[each["Key"], each["Size"]] for each in json.loads(found or "{}").get("Contents", ())]

    def copy(self, bucket: str, key: str, to: str) -> None:
        self.run("s3", "cp", f"s3://{bucket}/{key}", f"s3://{bucket}/{to}")

    def delete(self, bucket: str, keys: list[str]) -> None:
        order = self.home / "delete.json"
        order.write_text(json.dumps({"Objects": [{"Key": key} for key in keys]}))
        done = json.loads(
            self.run("s3api", "delete-objects", "--bucket", bucket, "--delete", f"file://{order}")
        )
        assert len(done["Deleted"]) == len(keys), done

    def delete_tree(self, bucket: str, prefix: str) -> None:
        self.run("s3", "rm", "--recursive", f"s3://{bucket}/{prefix}")

    def upload_tree(self, directory: Path, bucket: str, prefix: str) -> None:
        self.run("s3", "sync", directory, f"s3://{bucket}/{prefix}")

    def download_tree(self, bucket: str, prefix: str, directory: Path) -> None:
        self.run("s3", "sync", f"s3://{bucket}/{prefix}", directory)

    def tree_is_current(self, directory: Path, bucket: str, prefix: str) -> bool:
        return self.run("s3", "sync", "--dryrun", directory, f"s3://{bucket}/{prefix}") == ""

    def presign_get(self, bucket: str, key: str) -> str:
        return self.run("s3", "presign", f"s3://{bucket}/{key}").strip()


class S3cmd(Program):
    name = "s3cmd"

    def __init__(self, program: str, server: Server, home: Path, *, signed: bool):
        super().__init__(program, server, home, signed=signed)
        host = server.url.removeprefix("http://")
        # It can't send unsigned requests; a server without credentials takes signed ones as they are.
        (home / ".s3cfg").write_text(
            f"[default]\naccess_key = {ACCESS_KEY}\nsecret_key = {SECRET_KEY}\n"
            f"host_base = {host}\nhost_bucket = {host}\nuse_https = False\n"
        )

    def version(self) -> str:
        return self.run("--version").strip().replace(" version", "")

    def make_bucket(self, bucket: str) -> None:
        self.run("mb", f"s3://{bucket}")

    def remove_bucket(self, bucket: str) -> None:
        self.run("rb", f"s3://{bucket}")

    def buckets(self) -> list[str]:
        return [line.split("s3://")[1] for line in self.run("ls").splitlines()]

    def put(self, bucket: str, key: str, path: Path) -> None:
        self.run("put", path, f"s3://{bucket}/{key}")

    def get(self, bucket: str, key: str, path: Path) -> None:
        self.run("get", "--force", f"s3://{bucket}/{key}", path)

    def list_keys(self, bucket: str, prefix: str) -> list[list[Any]]:
        lines = self.run("ls", "--recursive", f"s3://{bucket}/{prefix}").splitlines()
        fields = [line.split(maxsplit=3) for line in lines]
        return [[uri.removeprefix(f"s3://{bucket}/"), int(size)] for _, _, size, uri in fields]

    def copy(self, bucket: str, key: str, to: str) -> None:
        self.run("cp", f"s3://{bucket}/{key}", f"s3://{bucket}/{to}")

    def delete(self, bucket: str, keys: list[str]) -> None:
        self.run("del", *(f"s3://{bucket}/{key}" for key in keys))

    def delete_tree(self, bucket: str, prefix: str) -> None:
        self.run("del", "--recursive", "--force", f"s3://{bucket}/{prefix}/")

    def upload_tree(self, directory: Path, bucket: str, prefix: str) -> None:
        self.run("sync", f"{directory}/", f"s3://{bucket}/{prefix}/")

    def download_tree(self, bucket: str, prefix: str, directory: Path) -> None:
        self.run("sync", f"s3://{bucket}/{prefix}/", f"{directory}/")

    def tree_is_current(self, directory: Path, bucket: str, prefix: str) -> bool:
        return "upload:" not in self.run("sync", "--dry-run", f"{directory}/", f"s3://{bucket}/{prefix}/")

    def presign_get(self, bucket: str, key: str) -> str:
        return self.run("signurl", f"s3://{bucket}/{key}", "+3600").strip()


class Rclone(Program):
    name = "rclone"

    def __init__(self, program: str, server: Server, home: Path, *, signed: bool):
        super().__init__(program, server, home, signed=signed)
        keys = f"access_key_id = {ACCESS_KEY}\nsecret_access_key = {SECRET_KEY}\n" if signed else ""
        settings = home / "rclone.conf"
        # Its default is one PUT up to 200 MiB: here every file over 5 MiB goes up in parts.
        settings.write_text(
            f"[s3]\ntype = s3\nprovider = Other\nendpoint = {server.url}\nregion = {REGION}\n{keys}"
            "upload_cutoff = 5Mi\nchunk_size = 5Mi\n"
        )
        self.options = ["--config", str(settings), "--retries", "1"]

    def version(self) -> str:
        return self.run("version").splitlines()[0].replace(" v", " ")

    def make_bucket(self, bucket: str) -> None:
        self.run("mkdir", f"s3:{bucket}")

    def remove_bucket(self, bucket: str) -> None:
        self.run("rmdir", f"s3:{bucket}")

    def buckets(self) -> list[str]:
        return self.run("lsf", "--dirs-only", "s3:").replace("/", "").splitlines()

    def put(self, bucket: str, key: str, path: Path) -> None:
        self.run("copyto", "--ignore-times", path, f"s3:{bucket}/{key}")

    def get(self, bucket: str, key: str, path: Path) -> None:
        self.run("copyto", "--ignore-times", f"s3:{bucket}/{key}", path)
        if not path.exists():  # a name that isn't there is a directory with nothing in it to rclone
            raise ClientFailed(f"rclone: no such file: {key}")

    def get_range(self, bucket: str, key: str, first: int, length: int, path: Path) -> None:
        self.run("cat", f"s3:{bucket}/{key}", "--offset", str(first), "--count", str(length), output=path)

    def list_keys(self, bucket: str, prefix: str) -> list[list[Any]]:
        found = json.loads(self.run("lsjson", "--recursive", "--files-only", f"s3:{bucket}/{prefix}"))
        return [[f"{prefix.rstrip('/')}/{each['Path']}", each["Size"]] for each in found]

    def copy(self, bucket: str, key: str, to: str) -> None:
        self.run("copyto", f"s3:{bucket}/{key}", f"s3:{bucket}/{to}")

    def delete_tree(self, bucket: str, prefix: str) -> None:
        self.run("purge", f"s3:{bucket}/{prefix}")

    def upload_tree(self, directory: Path, bucket: str, prefix: str) -> None:
        self.run("sync", directory, f"s3:{bucket}/{prefix}")

    def download_tree(self, bucket: str, prefix: str, directory: Path) -> None:
        self.run("sync", f"s3:{bucket}/{prefix}", directory)

    def tree_is_current(self, directory: Path, bucket: str, prefix: str) -> bool:
        # Compares both sides by MD5 or, where an object has none, by what it downloads.
        self.run("check", "--download", directory, f"s3:{bucket}/{prefix}")
        return True

    def presign_get(self, bucket: str, key: str) -> str:
        return self.run("link", "--expire", "1h", f"s3:{bucket}/{key}").strip()
