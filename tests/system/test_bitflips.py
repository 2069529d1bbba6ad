# SPDX-License-Identifier: GPL-2.0-only
"""Law 3: flip any stored byte, and the answer is an error or the right bytes, never wrong ones.

One byte at a time is changed in place (the same inode, as a failing disk does it), every read is tried, and
the byte is put back. Every second time the file's mtime is put back as well, so that a cache that trusts a
stamp can't know.
"""

import os
import random
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.system.artifacts import generate, next_version
from tests.system.asking import CUT, PART, Client, Reply, put, put_parts
from tests.system.harness import Server

FLIPS = 200
HINT = re.compile(r"[0-9a-f]{64}\.json")

_BASE = generate(41, 6_000_000)
_NEXT = next_version(_BASE, 42)
_WORDS = generate(50, 200_000).hex().encode()
#: One of every kind: inside its manifest, direct, reference, delta, multipart with delta and raw extents; and
#: those that are compressed.
OBJECTS = {
    "inline.txt": b"short enough for its manifest " * 20,
    "d/notes.txt": generate(43, 300_000),
    "r/v1.tar": _BASE,
    "r/v2.tar": _NEXT,
    "r/v3.tar": next_version(_NEXT, 44)[:PART] + generate(45, 200_000),
    "c/notes.txt": generate(49, 200_000).hex().encode(),
    "c/v1.tar": _WORDS,
    "c/v2.tar": next_version(_WORDS, 51),
}
MULTIPART = {"r/v3.tar"}


#: Suffixes of blobs that consist of two.
DOUBLE = (".reference.bin", ".reference.bin.zst", ".residual.zst", ".bin.zst")


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    # One worker: two would hide behind each other's caches.
    with Server(tmp_path, {"DELTAGLIDER_PROXY_WORKERS": "1"}) as started:
        yield started


@pytest.fixture
def client(server: Server) -> Iterator[Client]:
    with Client(server) as connected:
        yield connected


def fill(client: Client) -> str:
    """Store OBJECTS, and the parts of an upload that stays open; the path and query that name it."""
    for key, data in OBJECTS.items():
        if key in MULTIPART:
            put_parts(client, key, data, complete=True)
        else:
            put(client, key, data)
    return put_parts(client, "r/v4.tar", next_version(_NEXT, 46), complete=False)


class Expectation:
    """The answers of an undamaged server, and the check that a damaged one gives those or an error."""

    def __init__(self, client: Client, upload: str):
        self.client = client
        self.requests: list[tuple[str, str, dict[str, str]]] = [
            ("GET", "/default?list-type=2", {}),
            ("GET", "/default?list-type=2&prefix=r/&max-keys=2", {}),
            ("GET", "/default?uploads", {}),
            ("GET", upload, {}),
        ]
        for key, data in OBJECTS.items():
            self.requests.append(("HEAD", f"/default/{key}", {}))
            self.requests.append(("GET", f"/default/{key}", {}))
            middle = len(data) // 3
            self.requests.append(("GET", f"/default/{key}", {"Range": f"bytes={middle}-{middle + 999}"}))
        self.right = {index: self.reply(index) for index in range(len(self.requests))}
        for (method, path, headers), reply in zip(self.requests, self.right.values(), strict=True):
            assert reply.status in (200, 206)
            if method == "GET" and not headers and (key := path.removeprefix("/default/")) in OBJECTS:
                assert reply.body == OBJECTS[key]

    def reply(self, index: int) -> Reply:
        method, path, headers = self.requests[index]
        reply = self.client.ask(method, path, b"", **headers)
        volatile = ("date", "x-amz-request-id", "x-amz-id-2", "connection")
        return Reply(reply.status, {n: v for n, v in reply.headers.items() if n not in volatile}, reply.body)

    def check(self, where: str) -> int:
        """Ask everything; AssertionError on a wrong answer. Returns how many answers were errors."""
        errors = 0
        for index, right in self.right.items():
            reply = self.reply(index)
            if reply.status >= 500 or (reply.body is None and reply.headers == right.headers):
                errors += 1
                continue
            asked = " ".join(self.requests[index][:2])
            assert reply.status == right.status, (
                f"{where}: {asked}: {reply.status} {(reply.body or b'')[:300]!r}"
            )
            assert reply.headers == right.headers, f"{where}: {asked}"
            assert reply.body == right.body, f"{where}: {asked}: wrong bytes"
        return errors

    def whole_again(self, where: str) -> None:
        assert self.check(where) == 0, f"{where}: an error outlives the damage"


def flip(path: Path, offset: int, bit: int, *, keep_times: bool) -> None:
    """Change one bit in place."""
    times = path.stat()
    descriptor = os.open(path, os.O_RDWR)
    try:
        (byte,) = os.pread(descriptor, 1, offset)
        os.pwrite(descriptor, bytes([byte ^ (1 << bit)]), offset)
    finally:
        os.close(descriptor)
    if keep_times:
        os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))


def kinds(server: Server) -> dict[str, list[Path]]:
    """Stored files with content, by what they are; no hints and ledgers: those come and go by themselves."""
    found: dict[str, list[Path]] = {}
    root = server.data / "buckets" / "default"
    for path in sorted(root.rglob("*")):
        if root / "ledgers" in path.parents or HINT.fullmatch(path.name):
            continue
        if path.is_file() and path.stat().st_size:
            name = path.name
            kind = next(
                (end for end in (*DOUBLE, "references.json", "upload.json") if name.endswith(end)),
                path.suffix,
            )
            found.setdefault(f"{path.relative_to(root).parts[0]} *{kind}", []).append(path)
    # Compressed references, unpacked: not the storage, but what is decoded from.
    found["cache *"] = sorted((server.data / "cache").glob("?" * 64))
    return found


@pytest.mark.timeout(300)
def test_flipped_bytes(server: Server, client: Client) -> None:
    expected = Expectation(client, fill(client))
    files = kinds(server)
    print({kind: len(paths) for kind, paths in files.items()})
    for kind in ("objects *.meta", *(f"deltaspaces *{end}" for end in (*DOUBLE, ".bin"))):
        assert kind in files
    assert any(kind.startswith("uploads") for kind in files)

    dice = random.Random(47)
    noticed = 0
    for number in range(FLIPS):
        kind = sorted(files)[number % len(files)]
        path = dice.choice(files[kind])
        offset, bit = dice.randrange(path.stat().st_size), dice.randrange(8)
        where = f"flip {number}: bit {bit} of byte {offset} of {path.relative_to(server.data)}"
        flip(path, offset, bit, keep_times=number % 2 == 0)
        try:
            noticed += expected.check(where) > 0
            if kind == "deltaspaces *.reference.bin":
                # What is written meanwhile is refused, or right once the damage is gone.
                during = client.ask("PUT", "/default/r/during.tar", _NEXT)
                assert during.status in (200, *range(500, 600))
        finally:
            flip(path, offset, bit, keep_times=number % 2 == 0)
        if kind == "deltaspaces *.reference.bin":
            if during.status == 200:
                assert client.ask("GET", "/default/r/during.tar").body == _NEXT, where
            client.ask("DELETE", "/default/r/during.tar")
            expected.whole_again(where)
    expected.whole_again("at the end")
    print(f"{noticed} of {FLIPS} flips were noticed as errors")
    assert noticed > FLIPS // 4, "the flips must hit what is read"


@pytest.mark.timeout(300)
def test_flipped_while_stopped(server: Server, client: Client) -> None:
    """The same for a server that has nothing cached: one flip of each kind, each read by a new process."""
    expected = Expectation(client, fill(client))
    dice = random.Random(48)
    for kind, paths in kinds(server).items():
        path = dice.choice(paths)
        offset, bit = dice.randrange(path.stat().st_size), dice.randrange(8)
        where = f"{kind}: bit {bit} of byte {offset} of {path.relative_to(server.data)}"
        for damaged in (True, False):
            client.connection.close()  # http.client opens it again
            server.stop()
            flip(path, offset, bit, keep_times=True)
            server.start()
            if damaged:
                print(f"{kind}: {expected.check(where)} errors")
            else:
                expected.whole_again(where)


@pytest.mark.parametrize("kind", ["truncated", "emptied", "removed"])
def test_damaged_files(server: Server, client: Client, kind: str) -> None:
    """A short or missing blob is a 5xx, never 404, and never a short body taken for a whole one."""
    put(client, "r/v1.tar", _BASE)
    put(client, "r/v2.tar", _NEXT)
    (reference,) = (server.data / "buckets/default/deltaspaces/r").glob("*.reference.bin")
    (delta,) = (server.data / "buckets/default/deltaspaces/r").glob("*.residual.zst")
    for path, keys in ((delta, ["r/v2.tar"]), (reference, ["r/v1.tar", "r/v2.tar"])):
        kept = path.read_bytes()
        if kind == "removed":
            path.unlink()
        else:
            os.truncate(path, 0 if kind == "emptied" else len(kept) // 2)
        for key in keys:
            reply = client.ask("GET", f"/default/{key}")
            whole = {"r/v1.tar": _BASE, "r/v2.tar": _NEXT}[key]
            assert reply.status >= 500 or reply.body is None or reply.body == whole, (path, key, reply.status)
            assert client.ask("HEAD", f"/default/{key}").status == 200, "HEAD never opens a blob"
        path.write_bytes(kept)
        for key in keys:
            assert client.ask("GET", f"/default/{key}").body == {"r/v1.tar": _BASE, "r/v2.tar": _NEXT}[key]


def test_a_reference_cut_short_while_it_is_mapped(server: Server, client: Client) -> None:
    """What is no longer there can't be read through the mapping: an error, and the server lives on."""
    for key in ("r/v1.tar", "r/v2.tar"):
        put(client, key, OBJECTS[key])
    assert client.ask("GET", "/default/r/v2.tar").body == _NEXT
    (reference,) = (server.data / "buckets" / "default").rglob("*.reference.bin")
    whole = reference.read_bytes()
    os.truncate(reference, 4096)
    assert client.ask("GET", "/default/r/v2.tar").status == 500
    assert client.ask("GET", "/default/r/v1.tar").status in {500, CUT}
    with reference.open("r+b") as file:
        file.write(whole)
    assert client.ask("GET", "/default/r/v2.tar").body == _NEXT
    assert "worker lost" not in server.log.read_text()
