# SPDX-License-Identifier: GPL-2.0-only
"""What the tests run in processes of their own: `python -m tests.storage.child <what> <data directory> …`.

Each says what it did in lines on its standard output, after it was done.
"""

import asyncio
import hashlib
import itertools
import os
import random
import sys
from contextlib import suppress
from pathlib import Path

from dgproxy.storage.backend import BucketExists, BucketNotEmpty, BucketNotFound, VersionConflict
from dgproxy.storage.filesystem import FilesystemBackend, claim


def say(*words: object) -> None:
    sys.stdout.write(" ".join(map(str, words)) + "\n")
    sys.stdout.flush()


async def count(backend: FilesystemBackend, times: str) -> None:
    """Add one to a record, so many times."""
    for _ in range(int(times)):
        while True:
            record = await backend.read_record("bucket", "objects/counter")
            try:
                number = b"%d" % (int(record.data) + 1)
                await backend.write_record("bucket", "objects/counter", number, expect=record.version)
            except VersionConflict:
                continue
            break


async def swap(backend: FilesystemBackend, name: str, version: str) -> None:
    """Try to replace one version of each of many records; all that try start from the same one."""
    for i in range(20):
        try:
            await backend.write_record("bucket", f"objects/{i}", name.encode(), expect=version)
        except VersionConflict:
            continue
        say(i)


async def exclude(backend: FilesystemBackend, path: str) -> None:
    """Take a lock again and again; whoever is inside is alone with a directory."""
    for _ in range(20):
        async with backend.lock("bucket", "name"):
            os.mkdir(path)
            await asyncio.sleep(random.random() * 0.002)
            os.rmdir(path)


async def hold(backend: FilesystemBackend) -> None:
    """Hold locks until killed."""
    async with backend.lock("bucket", "alone"), backend.lock("bucket", "shared", shared=True):
        say("holding")
        await asyncio.sleep(600)


async def objects(backend: FilesystemBackend) -> None:
    """Put an object into a bucket that another process keeps deleting: while it is there, the bucket is."""
    written = 0
    while written < 150:
        try:
            await backend.write_record("bucket", "objects/a/b", b"x")
        except BucketNotFound:
            continue
        written += 1
        await backend.read_record("bucket", "objects/a/b")
        await backend.remove_record("bucket", "objects/a/b")
    say(written)


async def buckets(backend: FilesystemBackend) -> None:
    """Delete and create a bucket in which another process puts objects."""
    deleted = 0
    while deleted < 150:
        try:
            await backend.delete_bucket("bucket")
        except BucketNotEmpty:
            continue
        deleted += 1
        await backend.create_bucket("bucket")
    say(deleted)


def content(name: str, number: int) -> bytes:
    """What a round writes: it can be recognised, and seen to be whole."""
    body = hashlib.sha256(f"{name} {number}".encode()).hexdigest().encode() * (number % 50 + 1)
    return b"%s %d %s" % (name.encode(), number, body)


async def write(backend: FilesystemBackend, name: str) -> None:
    """Write, replace and remove records and blobs until killed, and say what was acknowledged."""
    with suppress(BucketExists):
        await backend.create_bucket("bucket")
    await asyncio.gather(*(_write(backend, f"{name}{i}") for i in range(4)))


async def _write(backend: FilesystemBackend, name: str) -> None:
    key = f"objects/dir/{name}/record"
    for number in itertools.count():
        if number % 5 == 4:
            say("try", name, "absent")
            await backend.remove_record("bucket", key)
            say("did", name, "absent")
        else:
            blob = f"deltaspaces/dir/{name}-{number}.bin"
            async with backend.stage_blob("bucket", blob) as staged:
                data = content(name, number)
                await staged.append(data[:10])
                await staged.append(data[10:])
                await staged.publish()
            say("blob", name, number)
            say("try", name, number)
            await backend.write_record("bucket", key, content(name, number))
            say("did", name, number)


async def _main(what: str, data_dir: str, *args: str) -> None:
    async with FilesystemBackend.open(Path(data_dir)) as backend:
        await globals()[what](backend, *args)


if __name__ == "__main__":
    if sys.argv[1] == "claim":
        with claim(Path(sys.argv[2])):
            say("claimed")
            sys.stdin.read()
    else:
        asyncio.run(_main(*sys.argv[1:]))
