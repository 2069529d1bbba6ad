# SPDX-License-Identifier: GPL-2.0-only
"""The workflow: what every client is taken through, step by step, each compared byte for byte.

A step gets a client, and an oracle (boto3) that looks at what the server has. Each works under a prefix of
its own, so that any can run alone. Where a client lacks what a step needs, the step is skipped. The same
bytes must come out whichever of the two put them in.
"""

import itertools
import os
import urllib.parse
import urllib.request
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

from tests.clients.driver import Client, ClientFailed
from tests.system.artifacts import generate, next_version
from tests.system.clients import S3Client, get

#: Name -> key, under a prefix. What clients, signatures and listings are known to disagree about.
ODD_KEYS = {
    "space": "a b  c.txt",
    "plus": "a+b.txt",
    "percent": "100%.txt",
    "encoded": "%20%2F%41.txt",
    "unicode": "é/雪/🎿.txt",
    "decomposed": "e\u0301.txt",
    "delimiters": "a&b=c?d#e;f:g@h,i.txt",
    "quotes": "'a\"<b>`.txt",
    "brackets": "[a]{b}(c)*!$^|~.txt",
    "backslash": "a\\b.txt",
    "hidden": ".a/..b/c..txt",
    "sidecar": "a.meta",
    "long": "n" * 250 + "/" + "m" * 250,
    "double slash": "a//b.txt",
    "trailing slash": "a/",
    "dot segments": "a/./b/../c.txt",
}

SMALL = b"small object: "
LARGE = 40_000_000
MIDDLE = 6_000_000


@cache
def versions(size: int) -> tuple[bytes, bytes]:
    """Two versions of an artifact that repeat each other but for small edits."""
    first = generate(size, size)
    return first, next_version(first, size + 1)


@dataclass
class Scene:
    """One client in front of one server."""

    client: Client
    oracle: S3Client
    bucket: str
    home: Path
    #: Odd keys this client won't send.
    not_sent: dict[str, str]
    #: Whether its odd keys go up and down as a tree where they can.
    by_tree: bool
    #: Whether the server has credentials, so that the client signs.
    signed: bool

    _names = itertools.count(1)

    def needs(self, *abilities: str) -> None:
        """Skip the step unless the client has these."""
        for each in abilities:
            if each not in self.client.can:
                pytest.skip(f"{self.client.name} has no {each}")

    def file(self, data: bytes) -> Path:
        """A new file with these bytes."""
        path = self.home / f"file-{next(self._names)}"
        path.write_bytes(data)
        return path

    def put(self, key: str, data: bytes) -> None:
        """Upload by the client, then look at it with the oracle."""
        path = self.file(data)
        self.client.ask("put", self.bucket, key, path)
        path.unlink()
        self.same(key, data)

    def same(self, key: str, data: bytes) -> None:
        """What the server has under a key."""
        assert get(self.oracle, self.bucket, key)["Body"] == data, key

    def get(self, key: str) -> bytes:
        """Download by the client."""
        path = self.home / f"file-{next(self._names)}"
        self.client.ask("get", self.bucket, key, path)
        data = path.read_bytes()
        path.unlink()
        return data

    def keys(self, prefix: str) -> dict[str, int]:
        """A listing by the client: key -> size."""
        listed = self.client.ask("list_keys", self.bucket, prefix)
        found: dict[str, int] = dict(listed)
        assert len(found) == len(listed), f"listed twice: {listed}"
        return found

    def tree_and_back(self, tree: dict[str, bytes], prefix: str) -> Path:
        """Upload files as a tree, download it and compare; the directory it was uploaded from."""
        here, there = self.home / prefix / "here", self.home / prefix / "there"
        for name, data in tree.items():
            (here / name).parent.mkdir(parents=True, exist_ok=True)
            (here / name).write_bytes(data)
        there.mkdir()
        self.client.ask("upload_tree", here, self.bucket, prefix)
        for name, data in tree.items():
            self.same(f"{prefix}/{name}", data)
        self.client.ask("download_tree", self.bucket, prefix, there)
        found = {p.relative_to(there).as_posix(): p.read_bytes() for p in there.rglob("*") if p.is_file()}
        assert found == tree
        return here

    def storage(self, key: str) -> str:
        """How an object is stored."""
        head = self.oracle.head_object(Bucket=self.bucket, Key=key)
        return head["ResponseMetadata"]["HTTPHeaders"]["x-amz-storage-type"]


def buckets(scene: Scene) -> None:
    scene.needs("make_bucket")
    name = f"b-{uuid.uuid4().hex}"
    scene.client.ask("make_bucket", name)
    assert name in scene.client.ask("buckets")
    scene.oracle.head_bucket(Bucket=name)
    scene.client.ask("remove_bucket", name)
    assert name not in scene.client.ask("buckets")


def empty_and_small(scene: Scene) -> None:
    for key, data in {"small/empty.zip": b"", "small/one": b"1", "small/some.txt": SMALL * 5000}.items():
        scene.put(key, data)
        assert scene.get(key) == data
    assert scene.keys("small/") == {
        "small/empty.zip": 0,
        "small/one": 1,
        "small/some.txt": len(SMALL) * 5000,
    }
    scene.put("small/one", b"other")
    assert scene.get("small/one") == b"other"


def odd_keys(scene: Scene) -> None:
    sent = {f"odd/{key}": name for name, key in ODD_KEYS.items() if name not in scene.not_sent}
    failed = {}
    alone = sent
    if scene.by_tree:
        # What a directory can't hold goes alone.
        alone = {key: name for key, name in sent.items() if os.path.normpath(key) != key}
        tree = {key.removeprefix("odd/"): SMALL + key.encode() for key in sent.keys() - alone.keys()}
        scene.tree_and_back(tree, "odd")
    for key, name in alone.items():
        data = SMALL + key.encode()
        try:
            scene.put(key, data)
            assert scene.get(key) == data, "downloaded"
        except (AssertionError, OSError, scene.oracle.exceptions.ClientError) as error:
            failed[name] = str(error)
    assert not failed, "\n\n".join(f"== {name}: {said}" for name, said in failed.items())
    assert scene.keys("odd/") == {key: len(SMALL) + len(key.encode()) for key in sent}


def two_versions(scene: Scene) -> None:
    """40 MB in parts, twice: the second as a delta."""
    first, second = versions(LARGE if scene.signed else LARGE // 2)
    scene.put("releases/app-1.tar", first)
    scene.put("releases/app-2.tar", second)
    assert scene.storage("releases/app-1.tar") == "direct"
    assert scene.storage("releases/app-2.tar") == "delta"
    for key, data in (("releases/app-1.tar", first), ("releases/app-2.tar", second)):
        assert scene.get(key) == data, key
    assert scene.keys("releases/") == {"releases/app-1.tar": len(first), "releases/app-2.tar": len(second)}


def _two_by_oracle(scene: Scene, prefix: str) -> tuple[bytes, bytes]:
    pair = versions(MIDDLE)
    for number, data in enumerate(pair, 1):
        scene.oracle.put_object(Bucket=scene.bucket, Key=f"{prefix}/v{number}.tar", Body=data)
    assert scene.storage(f"{prefix}/v2.tar") == "delta"
    return pair


def ranges(scene: Scene) -> None:
    scene.needs("get_range")
    for number, data in enumerate(_two_by_oracle(scene, "range"), 1):
        key = f"range/v{number}.tar"
        for first, length in (
            (0, 1),
            (4_194_300, 10),
            (1_000_001, 4_000_000),
            (len(data) - 7, 7),
        ):
            path = scene.file(b"")
            scene.client.ask("get_range", scene.bucket, key, first, length, path)
            assert path.read_bytes() == data[first : first + length], (key, first, length)


def copies(scene: Scene) -> None:
    scene.needs("copy")
    _, second = _two_by_oracle(scene, "copy")
    scene.client.ask("copy", scene.bucket, "copy/v2.tar", "copy/v3.tar")
    scene.client.ask("copy", scene.bucket, "copy/v2.tar", "copied elsewhere/é+v2.tar")
    scene.same("copy/v3.tar", second)
    scene.same("copied elsewhere/é+v2.tar", second)
    scene.oracle.put_object(Bucket=scene.bucket, Key="copy/ö %25+.txt", Body=SMALL)
    scene.client.ask("copy", scene.bucket, "copy/ö %25+.txt", "copy/plain.txt")
    scene.same("copy/plain.txt", SMALL)


def trees(scene: Scene) -> None:
    scene.needs("upload_tree", "download_tree")
    first, second = versions(MIDDLE)
    tree = {
        "app/app-1.tar": first,
        "app/app-2.tar": second,
        "app/deep/er/notes.txt": SMALL,
        "empty": b"",
        "odd names/a b+c%25é.zip": generate(1, 20_000),
        **{f"many/{number:02}.txt": SMALL + str(number).encode() for number in range(20)},
    }
    here = scene.tree_and_back(tree, "tree")
    if "tree_is_current" in scene.client.can:
        assert scene.client.ask("tree_is_current", here, scene.bucket, "tree")
        (here / "empty").write_bytes(b"no more")
        scene.client.ask("upload_tree", here, scene.bucket, "tree")
        scene.same("tree/empty", b"no more")


def _http(method: str, url: str, data: bytes | None = None, headers: dict[str, str] | None = None) -> bytes:
    request = urllib.request.Request(url, data, headers or {}, method=method)
    with urllib.request.urlopen(request, timeout=60) as answer:
        return answer.read()


def presigned_get(scene: Scene) -> None:
    scene.needs("presign_get")
    for key in ("presigned/a b+é%25.txt", "presigned/v2.tar"):
        data = versions(MIDDLE)[1] if key.endswith(".tar") else SMALL
        scene.oracle.put_object(Bucket=scene.bucket, Key=key, Body=data)
        assert _http("GET", scene.client.ask("presign_get", scene.bucket, key)) == data, key


def presigned_put(scene: Scene) -> None:
    scene.needs("presign_put")
    for key in ("presigned/put é+1.txt", "presigned/empty"):
        data = b"" if key.endswith("empty") else SMALL
        url = scene.client.ask("presign_put", scene.bucket, key)
        # urllib adds a Content-Type of forms unless told another, and Signature V2 signs it.
        _http("PUT", url, data, {"Content-Type": ""})
        scene.same(key, data)


def browser_form(scene: Scene) -> None:
    scene.needs("presign_form")
    url, fields = scene.client.ask("presign_form", scene.bucket, "form/é a+b.txt")
    boundary = "a-boundary-that-is-in-no-field"
    parts = [
        f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()
        for name, value in fields.items()
    ]
    head = f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="x"\r\n\r\n'.encode()
    body = b"".join([*parts, head, SMALL, f"\r\n--{boundary}--\r\n".encode()])
    _http("POST", url, body, {"Content-Type": f"multipart/form-data; boundary={boundary}"})
    scene.same("form/é a+b.txt", SMALL)


def batch_delete(scene: Scene) -> None:
    keys = [f"batch/{number} é+&.txt" for number in range(25)]
    for key in keys:
        scene.oracle.put_object(Bucket=scene.bucket, Key=key, Body=key.encode())
    assert scene.keys("batch/").keys() == set(keys)
    gone = keys
    if "delete" in scene.client.can:
        gone = keys[:20]
        scene.client.ask("delete", scene.bucket, gone)
    else:
        scene.client.ask("delete_tree", scene.bucket, "batch")
    left = scene.oracle.list_objects_v2(Bucket=scene.bucket, Prefix="batch/")
    assert [each["Key"] for each in left.get("Contents", ())] == sorted(set(keys) - set(gone))


def missing(scene: Scene) -> None:
    """A key that isn't there is an error that says so."""
    with pytest.raises(ClientFailed, match=r"(?i)404|not ?found|NoSuchKey|not exist|no such file"):
        scene.client.ask("get", scene.bucket, "no/such.zip", scene.home / "nothing")


STEPS: dict[str, Callable[[Scene], None]] = {
    "buckets": buckets,
    "empty, small": empty_and_small,
    "odd keys": odd_keys,
    "40 MB, two versions": two_versions,
    "range": ranges,
    "copy": copies,
    "sync": trees,
    "presigned GET": presigned_get,
    "presigned PUT": presigned_put,
    "browser form": browser_form,
    "batch delete": batch_delete,
    "missing key": missing,
}

#: How a body is framed depends on the signature; the rest does not.
UNSIGNED_STEPS = {"empty, small", "40 MB, two versions", "batch delete"}
