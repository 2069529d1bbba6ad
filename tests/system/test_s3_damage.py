# SPDX-License-Identifier: GPL-2.0-only
"""Laws 3 and 4 where the storage is an object store: whatever is damaged there, or in the cache directory.

Every kind of thing that a server stores is written through it, then changed in the store: a bit of it, its
length, all of it, or it has another one's bytes. Every read is answered rightly or by an error of ours; never
by wrong bytes, and never by a 404, which would say that there is no such object. Once the damage is undone,
everything reads again at once. The same for a store that tells lies, with the ETags of the right bytes, and
for the files that references are mapped from.

A sample of it is in the suite. DAMAGE=1 (`make damage`) has all that is stored, not one of each kind: a bit
of every byte of what has at most 4 KiB, which is all records and deltas; of the larger blobs the bytes at
their ends and where a window or a zstd frame begins or ends, and some from everywhere; every swap of two of a
kind; and more lies. After one damage in a hundred it asks everything, after the others a request that such
damage has shown in, and one that it might, in turn.
"""

import asyncio
import os
import random
import re
import threading
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple
from urllib.parse import quote

import pytest

from dgproxy.engine.manifest import WINDOW
from tests.system.artifacts import generate, next_version
from tests.system.asking import CUT, PART, Client, Reply, begin, put, put_parts
from tests.system.harness import Server, eventually
from tests.system.maintenance import collect_now
from tests.system.object_store import BUCKET, ObjectStore, behind
from tests.system.relay import Lie, Relay

THOROUGH: Final = "DAMAGE" in os.environ

#: RFC 8878, 3.1.1: of a frame, and the longest header with that of the first block.
_ZSTD_MAGIC: Final = bytes.fromhex("28b52ffd")
_ZSTD_HEADER: Final = 18 + 3

#: After one damage of so many the thorough run asks everything.
_ASK_ALL: Final = 100

_WORDS = generate(61, 60_000).hex().encode()
_NOISE = generate(62, 100_000)

#: One of every kind there is; those of `OTHER_FORMS` are written by servers that store deltas in that form.
OBJECTS: Final = {
    "inline.txt": b"short enough for its manifest " * 20,
    "empty.txt": b"",
    "raw/notes.txt": generate(64, 100_000),
    "zstd/notes.txt": generate(65, 50_000).hex().encode(),
    "r/v1.tar": _NOISE,
    "r/v2.tar": next_version(_NOISE, 66),
    "z/v1.tar": _WORDS,
    "z/v2.tar": next_version(_WORDS, 67),
    "parts/v1.tar": _NOISE,
    "parts/v3.tar": generate(69, PART) + next_version(_NOISE, 70),
}
OTHER_FORMS: Final = {
    "plain": {"plain/v1.tar": _NOISE, "plain/v2.tar": next_version(_NOISE, 71)},
    "default": {"default/v1.tar": _NOISE, "default/v2.tar": next_version(_NOISE, 72)},
}
COPY: Final = ("r/copy.tar", "r/v2.tar")
ALL: Final = OBJECTS | OTHER_FORMS["plain"] | OTHER_FORMS["default"] | {COPY[0]: OBJECTS[COPY[1]]}

_CORS: Final = (
    b"<CORSConfiguration><CORSRule><AllowedOrigin>http://x</AllowedOrigin><AllowedMethod>GET</AllowedMethod>"
    b"</CORSRule></CORSConfiguration>"
)
_ID: Final = r"[0-9A-HJKMNP-TV-Z]{26}"

#: What is in the store, by the keys it has there.
KINDS: Final = {
    "inline manifest": r"objects/inline\.txt!",
    "manifest": r"objects/.*!",
    "reference, raw": rf"deltaspaces/.*/{_ID}\.reference\.bin!",
    "reference, zstd": rf"deltaspaces/.*/{_ID}\.reference\.bin\.zst!",
    "pin": r"deltaspaces/.*\.pin!",
    "delta, residual": r"deltaspaces/.*\.residual\.zst!",
    "delta, default": r"deltaspaces/.*\.delta\.zst!",
    "delta, plain": r"deltaspaces/.*\.delta!",
    "direct, raw": rf"deltaspaces/.*/{_ID}-.*\.bin!",
    "direct, zstd": rf"deltaspaces/.*/{_ID}-.*\.bin\.zst!",
    "references.json": r"deltaspaces/.*/references\.json!",
    "statistics": r"statistics/.*!",
    "upload": r"uploads/.*/upload\.json!",
    "part": r"uploads/.*/parts\.~/.*!",
    "setting": r"config/cors\.json!",
}

_EVERYTHING: Final = f"/{BUCKET}?list-type=2"

#: What is there because this record is: without it there is nothing, and no damage to see.
_EXISTENCE: Final = {"manifest", "inline manifest", "upload", "part", "setting"}


class Asked(NamedTuple):
    """A request, and what it is about: an object, or nothing in particular."""

    method: str
    path: str
    range: str = ""
    key: str | None = None


@dataclass
class World:
    """A store with everything in it, the server in front of it, and the right answers."""

    store: ObjectStore
    relay: Relay
    server: Server
    client: Client
    uploads: list[str]
    requests: list[Asked]
    right: dict[Asked, Reply]

    @property
    def cached(self) -> list[Path]:
        """The references in the cache directory."""
        return sorted((self.server.home / "cache").glob("?" * 64))

    def reply(self, asked: Asked) -> Reply:
        headers = {"Range": asked.range} if asked.range else {}
        reply = self.client.ask(asked.method, asked.path, b"", **headers)
        volatile = ("date", "x-amz-request-id", "x-amz-id-2", "connection")
        return Reply(reply.status, {n: v for n, v in reply.headers.items() if n not in volatile}, reply.body)

    def about(self, place: str) -> list[Asked]:
        """The requests whose answers may depend on what is at `place` in the store; of listings, one."""
        room, _, rest = place.replace(".~/", "/").removesuffix("!").partition("/")
        space = rest.rpartition("/")[0]
        if room == "objects":
            return [each for each in self.requests if each.key == rest or each.path == _EVERYTHING]
        if room == "deltaspaces":
            near = [each for each in self.requests if each.key and each.key.rpartition("/")[0] == space]
            return [each for each in near if each.method == "GET"]
        if room == "uploads":
            return [each for each in self.requests if "upload" in each.path.partition("?")[2]]
        return [each for each in self.requests if each.key is None]

    def check(self, where: str, requests: Sequence[Asked]) -> list[Asked]:
        """Ask; AssertionError on a wrong answer. Returns what was answered with an error."""
        errors = []
        for asked in requests:
            right, reply = self.right[asked], self.reply(asked)
            if reply.status == 500 or (reply.body is None and reply.headers == right.headers):
                errors.append(asked)
                continue
            what = f"{where}: {asked.method} {asked.path} {asked.range}"
            assert reply.status == right.status, f"{what}: {reply.status} {(reply.body or b'')[:300]!r}"
            assert reply.headers == right.headers, what
            assert reply.body == right.body, f"{what}: wrong bytes"
        return errors

    def whole_again(self, where: str, requests: Sequence[Asked]) -> None:
        assert not self.check(where, requests), f"{where}: an error outlives the damage"

    def by_kind(self) -> dict[str, list[str]]:
        """What is in the store."""
        found: dict[str, list[str]] = defaultdict(list)
        for place in self.store.places():
            kind = next((kind for kind, shape in KINDS.items() if re.fullmatch(shape, place)), "")
            if kind and not place.startswith("deltaspaces/open"):  # what no request reads
                found[kind].append(place)
        return found

    def forget_references(self) -> None:
        """Empty the cache directory, and have the server let go of what it maps from there."""
        for path in self.cached:
            path.unlink()
        for key in ALL:
            if key.endswith("v2.tar"):
                assert self.client.ask("GET", f"/{BUCKET}/{key}", b"", Range="bytes=0-9").status == 206
        for path in self.cached:  # of those that it did not map before
            path.unlink()


def _requests(uploads: Sequence[str]) -> list[Asked]:
    requests = [
        Asked("GET", _EVERYTHING),
        Asked("GET", f"/{BUCKET}?list-type=2&prefix=r/&max-keys=2"),
        Asked("GET", f"/{BUCKET}?list-type=2&delimiter=/"),
        Asked("GET", f"/{BUCKET}?uploads"),
        Asked("GET", f"/{BUCKET}?cors"),
        *(Asked("GET", upload) for upload in uploads),
    ]
    for key, data in ALL.items():
        requests += [Asked("HEAD", f"/{BUCKET}/{key}", key=key), Asked("GET", f"/{BUCKET}/{key}", key=key)]
        if data:
            middle = len(data) // 3
            requests.append(Asked("GET", f"/{BUCKET}/{key}", f"bytes={middle}-{middle + 999}", key))
    requests.append(Asked("GET", f"/{BUCKET}/inline.txt?tagging", key="inline.txt"))
    return requests


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    home = tmp_path_factory.mktemp("damage")
    with ObjectStore(home / "weed") as store, Relay(store.port) as relay:
        server = behind(home / "proxy", relay.port)
        for form, objects in OTHER_FORMS.items():
            server.settings["DELTAGLIDER_PROXY_DELTA_FORM"] = form
            with server, Client(server) as client:
                for key, data in objects.items():
                    put(client, key, data)
        del server.settings["DELTAGLIDER_PROXY_DELTA_FORM"]
        with server, Client(server) as client:
            uploads = _fill(client)
        with server, Client(server) as client:  # started again: the statistics are written at the end
            requests = _requests(uploads)
            world = World(store, relay, server, client, uploads, requests, {})
            world.right = {asked: world.reply(asked) for asked in requests}
            for asked, reply in world.right.items():
                assert reply.status in (200, 206), asked
                if (
                    asked.method == "GET"
                    and asked.path.removeprefix(f"/{BUCKET}/") in ALL
                    and not asked.range
                ):
                    assert reply.body == ALL[asked.path.removeprefix(f"/{BUCKET}/")]
            assert set(KINDS) == set(world.by_kind()), "one of every kind"
            yield world
            world.whole_again("at the end", requests)


def _fill(client: Client) -> list[str]:
    for key, data in OBJECTS.items():
        if len(data) > PART and key.startswith("parts/"):
            put_parts(client, key, data, complete=True)
        else:
            put(client, key, data)
    copied = client.ask("PUT", f"/{BUCKET}/{COPY[0]}", x_amz_copy_source=f"/{BUCKET}/{COPY[1]}")
    assert copied.status == 200, copied
    tags = b"<Tagging><TagSet><Tag><Key>a</Key><Value>b</Value></Tag></TagSet></Tagging>"
    assert client.ask("PUT", f"/{BUCKET}/inline.txt?tagging", tags).status == 200
    assert client.ask("PUT", f"/{BUCKET}?cors", _CORS).status in (200, 204)
    uploads = []
    for seed, key in ((73, "open/v4.tar"), (74, "open/v4.tar"), (75, "open/v5.tar")):
        upload = begin(client, key)
        for number in (1, 2):
            data = next_version(_NOISE, seed + 10 * number)
            assert client.ask("PUT", f"{upload}&partNumber={number}", data).status == 200
        uploads.append(upload)
    return uploads


# -- in the store ------------------------------------------------------------------------------------------


def _damages(kind: str, data: bytes, dice: random.Random) -> Iterator[tuple[str, bytes | None]]:
    """What may become of `data`, with a name for it; None: it is gone."""
    for offset in _offsets(data, dice):
        bit = dice.randrange(8)
        changed = bytearray(data)
        changed[offset] ^= 1 << bit
        yield f"bit {bit} of byte {offset}", bytes(changed)
    if data:
        yield "cut", data[: dice.randrange(len(data))]
        yield "emptied", b""
    yield "one byte more", data + b"x"
    if kind not in _EXISTENCE:
        yield "removed", None
    if THOROUGH:
        yield "one byte short", data[:-1]
        yield "zeros", bytes(len(data))


def _offsets(data: bytes, dice: random.Random) -> Sequence[int]:
    """Bytes to flip a bit of."""
    if THOROUGH and len(data) <= 4096:
        return range(len(data))
    some = dice.sample(range(len(data)), min(len(data), 60 if THOROUGH else 3))
    return sorted({*some, *(_seams(data) if THOROUGH else ())})


def _seams(data: bytes) -> Iterator[int]:
    """The bytes of a blob around its ends, and where a window or a zstd frame begins or ends."""
    frames = [each.start() for each in re.finditer(re.escape(_ZSTD_MAGIC), data)]
    for seam in {0, *range(0, len(data), WINDOW), *frames, len(data)}:
        yield from range(max(seam - 6, 0), min(seam + _ZSTD_HEADER, len(data)))


def _in_turn(requests: list[Asked], concerned: list[Asked], turn: int) -> list[Asked]:
    """One of the requests that showed damage of a thing before, and one of the others; in the suite, all."""
    others = [each for each in requests if each not in concerned]
    return [each[turn % len(each)] for each in (concerned, others) if each] if THOROUGH else requests


def _swaps(world: World, found: dict[str, list[str]], kind: str, place: str) -> Iterator[tuple[str, bytes]]:
    """The bytes of others: of the same kind, and of one of another kind."""
    same = [each for each in found[kind] if each != place]
    for each in same if THOROUGH else same[:2]:
        yield f"swapped with {each}", world.store.read(each)
    other = next(each for each in KINDS if each != kind)
    yield f"swapped with {found[other][0]}", world.store.read(found[other][0])


@pytest.mark.timeout(3000 if THOROUGH else 300)
@pytest.mark.parametrize("kind", KINDS)
def test_damage_in_the_store(world: World, kind: str) -> None:
    dice = random.Random(kind)
    found = world.by_kind()
    noticed = done = 0
    chosen = found[kind] if THOROUGH else found[kind][:1]
    for place in chosen:
        data, requests = world.store.read(place), world.about(place)
        damages = [*_damages(kind, data, dice), *_swaps(world, found, kind, place)]
        concerned: list[Asked] = []
        for turn, (name, damaged) in enumerate(damages):
            if damaged == data:
                continue
            where = f"{place}: {name}"
            every = turn % _ASK_ALL == 0 or not THOROUGH
            asked = world.requests if every and THOROUGH else _in_turn(requests, concerned, turn)
            if kind.startswith("reference, "):
                world.forget_references()
            if damaged is None:
                world.store.remove(place)
            else:
                world.store.write(place, damaged)
            try:
                errors = world.check(where, asked)
            finally:
                world.store.write(place, data)
            world.whole_again(where, errors if every else errors[:1])
            concerned += [each for each in errors if each not in concerned]
            noticed += bool(errors)
            done += 1
        world.whole_again(place, requests)
    print(f"{kind}: {done} damages to {len(chosen)} of {len(found[kind])}; errors answered to {noticed}")
    unneeded = {"pin", "references.json", "statistics"}
    assert noticed == 0 if kind in unneeded else noticed > done // 3


@pytest.mark.timeout(3000 if THOROUGH else 300)
def test_a_store_that_lies(world: World) -> None:
    """What comes is not what is there, and its ETag says that it is: a bit changed on its way."""
    dice = random.Random("lies")
    noticed = done = told = 0
    for kind, places in world.by_kind().items():
        for place in places if THOROUGH else places[:1]:
            data, requests = world.store.read(place), world.about(place)
            for offset in dice.sample(range(len(data)), min(len(data), 20 if THOROUGH else 1)):
                if kind.startswith("reference, "):
                    world.forget_references()
                world.relay.lie = lie = Lie(quote(place), offset, dice.randrange(8))
                try:
                    errors = world.check(f"{place}: byte {offset} told wrong", requests)
                finally:
                    world.relay.lie = None
                world.whole_again(f"{place}: byte {offset} told wrong", errors)
                noticed += bool(errors)
                told += bool(lie.hits)
                done += 1
    print(f"{done} lies, {told} told, {noticed} noticed")
    assert noticed > done // 2


@pytest.mark.parametrize("kind", ["manifest", "upload", "part"])
def test_gc_takes_nothing_for_garbage_that_it_cannot_read(world: World, kind: str) -> None:
    places = world.by_kind()[kind]
    for place in places if THOROUGH else places[-2:]:
        data = world.store.read(place)
        world.store.write(place, data[:-70])
        try:
            found = asyncio.run(collect_now(world.server))
        finally:
            world.store.write(place, data)
        assert "removed" not in {each.outcome for each in found}, place
        world.whole_again(place, world.requests)


# -- in the cache directory --------------------------------------------------------------------------------


def _flip(path: Path, dice: random.Random) -> None:
    with path.open("r+b") as file:
        offset = dice.randrange(path.stat().st_size)
        file.seek(offset)
        (byte,) = file.read(1)
        file.seek(offset)
        file.write(bytes([byte ^ (1 << dice.randrange(8))]))


def _replace(path: Path, dice: random.Random) -> None:
    """Another file of the same length in its place, as a restored backup would be."""
    other = path.with_suffix(".other")
    other.write_bytes(dice.randbytes(path.stat().st_size))
    other.rename(path)


#: What may become of a file of the cache; whoever reads it may have it mapped.
CACHE_DAMAGES: Final[dict[str, Callable[[Path, random.Random], object]]] = {
    "a bit": _flip,
    "all bytes": lambda path, dice: path.write_bytes(dice.randbytes(path.stat().st_size)),
    "cut": lambda path, dice: os.truncate(path, dice.randrange(path.stat().st_size)),
    "emptied": lambda path, _: os.truncate(path, 0),
    "longer": lambda path, dice: path.write_bytes(path.read_bytes() + dice.randbytes(5000)),
    "removed": lambda path, _: path.unlink(),
    "replaced": _replace,
}


@pytest.mark.parametrize(
    ("damage", "running"),
    [
        *((damage, True) for damage in CACHE_DAMAGES),
        *((damage, False) for damage in (CACHE_DAMAGES if THOROUGH else ("a bit", "cut"))),
    ],
)
def test_damage_in_the_cache(world: World, damage: str, running: bool) -> None:
    """It is a cache: what goes bad there is fetched again, and nobody is told."""
    dice = random.Random(damage)
    deltas = [each for each in world.requests if each.key and each.key.endswith(("v2.tar", "v3.tar"))]
    world.whole_again("before", deltas)
    if not running:
        world.client.connection.close()
        world.server.stop()
    assert world.cached
    for path in world.cached:
        CACHE_DAMAGES[damage](path, dice)
    if not running:
        world.server.start()
    world.whole_again(damage, deltas)
    # what is encoded now is encoded against the right bytes
    written = next_version(OBJECTS["r/v2.tar"], 99)
    put(world.client, "r/during.tar", written)
    assert world.client.ask("GET", f"/{BUCKET}/r/during.tar").body == written
    assert world.client.ask("DELETE", f"/{BUCKET}/r/during.tar").status == 204
    assert "worker lost" not in world.server.log.read_text()


def test_files_that_are_cut_while_they_are_read(world: World) -> None:
    """What is behind the new end of a mapped file is a SIGBUS to whoever reads it at that moment.

    Between two reads it is noticed, and the file made anew. In the middle of one the worker dies, as it does
    where a disk fails under a mapping: its requests are cut, another takes its place, and no byte is wrong.
    """
    stop = threading.Event()
    wrong: list[str] = []

    def read() -> None:
        with Client(world.server) as client:
            while not stop.is_set():
                reply = client.ask("GET", f"/{BUCKET}/r/v2.tar")
                if reply.status not in (500, CUT) and reply.body not in (None, ALL["r/v2.tar"]):
                    wrong.append(f"{reply.status} {(reply.body or b'')[:200]!r}")

    readers = [threading.Thread(target=read) for _ in range(4)]
    for reader in readers:
        reader.start()
    try:
        for _ in range(
            8 if THOROUGH else 3
        ):  # for each further death a worker's place stays empty twice as long
            for path in world.cached:
                with suppress(FileNotFoundError):
                    os.truncate(path, 4096)
            stop.wait(0.1)
    finally:
        stop.set()
        for reader in readers:
            reader.join()
    assert not wrong
    world.client.connection.close()
    eventually(world.server.answers, "a worker serves")
    world.whole_again("at the end", world.requests)
