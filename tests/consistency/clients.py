# SPDX-License-Identifier: GPL-2.0-only
"""Clients of several proxies: random calls on few keys, every call and answer told to the history.

Each is a thread with its own dice. It sends each request to any proxy, as behind a plain balancer, and leaves
one alone for a while that did not answer. Requests are made with http.client, so that nothing is tried again
behind the test's back. What an answer means is said in one place, `_Client`'s verbs.
"""

import hashlib
import http.client
import itertools
import random
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import quote

from lxml import etree

from tests.consistency.contents import LEAST_PART, Content, Recipe, cut, made
from tests.consistency.history import Call, History, Page
from tests.consistency.register import (
    ANYTHING,
    NOTHING,
    SOMETHING,
    Need,
    an_etag,
    another_etag,
)
from tests.system.harness import Server
from tests.system.looking import XML

BUCKET: Final = "default"
_WRITE: Final = "x-amz-meta-write"

#: Seconds until a client gives up on an answer, and for which it then leaves that proxy alone.
_PATIENCE: Final = 6.0
_AVOIDED: Final = 20.0

_DELTAS: Final = [f"a/v{number}.zip" for number in range(6)]
_SMALL: Final = [f"b/n{number}.txt" for number in range(6)]
_MULTIPART: Final = [f"c/m{number}.zip" for number in range(4)]
#: Common prefixes come and go with these: `d/1/` and `d/2/` with one key each, `d/3/` with two.
_NESTED: Final = ["d/1/x.txt", "d/2/x.txt", "d/3/x.txt", "d/3/y.txt"]
KEYS: Final = [*_DELTAS, *_SMALL, *_MULTIPART, *_NESTED]

#: Creations of one key that race each other.
_RACERS: Final = 8


class NotSent(Exception):
    """Nobody listens there."""


class NoAnswer(Exception):
    """The request was sent, at least in part."""


@dataclass(frozen=True)
class Answer:
    """One answer, read to its end."""

    status: int
    headers: http.client.HTTPMessage
    body: bytes

    @property
    def code(self) -> str:
        """Its error code; '' for a success, and for an answer to HEAD."""
        if b"<Error>" not in self.body[:300]:
            return ""
        return str(etree.fromstring(self.body).findtext("Code"))

    @property
    def etag(self) -> str:
        return (self.headers["ETag"] or "").strip('"')

    @property
    def succeeded(self) -> bool:
        return self.status in (200, 204, 206) and not self.code

    @property
    def unknown(self) -> bool:
        """Whether it leaves open if anything was done."""
        return self.status >= 500 or (self.status == 200 and self.code in _UNKNOWN)

    def __str__(self) -> str:
        return f"{self.status} {self.body[:400]!r}"


#: What an answer that begins with 200 may end with.
_UNKNOWN: Final = frozenset({"InternalError", "ServiceUnavailable", "SlowDown", "InsufficientStorage"})


@dataclass
class Upload:
    """A multipart upload that some client began."""

    key: str
    write: str
    path: str
    content: Content
    parts: Sequence[bytes]
    #: The first Complete, once it was sent.
    call: Call | None = None
    #: Proxies that were asked to complete it and did not answer.
    asked: frozenset[int] = frozenset()
    completed: bool = False
    aborted: bool = False

    def document(self) -> bytes:
        entries = "".join(
            f"<Part><PartNumber>{number}</PartNumber><ETag>{hashlib.md5(part).hexdigest()}</ETag></Part>"
            for number, part in enumerate(self.parts, 1)
        )
        return f"<CompleteMultipartUpload>{entries}</CompleteMultipartUpload>".encode()


@dataclass
class World:
    """What all clients share."""

    proxies: Sequence[Server]
    history: History
    bucket: str = BUCKET
    #: Uploads whose Complete has no answer yet; any client may go on with them.
    open_ends: list[Upload] = field(default_factory=list)
    uploads: list[Upload] = field(default_factory=list)
    #: Creations that raced so far; so many of them in a row are for one key.
    racers: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)
    stop: threading.Event = field(default_factory=threading.Event)


class Client:
    """Calls until the world stops; `run` is a thread's."""

    def __init__(self, world: World, name: str, dice: random.Random, large: float = 0.001) -> None:
        self.name, self.world, self.history, self.dice = name, world, world.history, dice
        self._large = large
        #: Whether nothing is wrong with anything: then every read must be answered.
        self.calm = False
        #: The proxy that was asked last.
        self.asked: frozenset[int] = frozenset()
        self._numbers = itertools.count()
        self._connections: dict[int, http.client.HTTPConnection] = {}
        self._avoided: dict[int, float] = {}
        #: The last etag this client saw of a key.
        self._known: dict[str, str] = {}

    def run(self) -> None:
        verbs, weights = zip(*self._verbs().items(), strict=True)
        while not self.world.stop.is_set():
            verb = self.dice.choices(verbs, weights)[0]
            try:
                verb()
            except NotSent:
                time.sleep(0.02)
            except Exception as error:  # noqa: BLE001 - a client that dies must not go unnoticed
                self.history.complain(f"{self.name}: {verb.__name__}: {error!r}")
        self.close()

    def close(self) -> None:
        """End its connections."""
        for connection in self._connections.values():
            connection.close()

    def _verbs(self) -> Mapping[Callable[[], None], float]:
        return {
            self.get: 34,
            self.head: 20,
            self.get_range: 6,
            self.get_if_changed: 3,
            self.put: 16,
            self.put_if_match: 7,
            self.create: 5,
            self.race: 5,
            self.delete: 5,
            self.delete_if_match: 3,
            self.copy: 6,
            self.list: 6,
            self.list_groups: 4,
            self.multipart: 2,
            self.go_on: 1,
        }

    # -- the wire ------------------------------------------------------------------------------------------

    def ask(
        self, method: str, path: str, body: bytes = b"", headers: Mapping[str, str] | None = None
    ) -> Answer:
        """Ask any proxy. Raises NotSent, NoAnswer."""
        now = time.monotonic()
        numbers = range(len(self.world.proxies))
        good = [number for number in numbers if self._avoided.get(number, 0.0) < now]
        number = self.dice.choice(good or list(numbers))
        self.asked = frozenset({number})
        connection = self._connections.get(number)
        if connection is None:
            port = self.world.proxies[number].port
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=_PATIENCE)
            self._connections[number] = connection
        try:
            if connection.sock is None:
                connection.connect()
        except OSError as error:
            self._avoided[number] = now + 0.5
            raise NotSent from error
        try:
            connection.request(method, path, body, dict(headers or {}))
            response = connection.getresponse()
            return Answer(response.status, response.headers, response.read())
        except (OSError, http.client.HTTPException) as error:
            connection.close()
            if isinstance(error, TimeoutError):
                self._avoided[number] = now + _PATIENCE + _AVOIDED
            raise NoAnswer from error

    def _unexpected(self, call: Call, answer: Answer) -> None:
        self.history.complain(f"{call.kind} {call.key}: {answer}")
        self.history.failed(call)

    # -- reading -------------------------------------------------------------------------------------------

    def get(self) -> None:
        self._read("GET", self._any_key())

    def head(self) -> None:
        self._read("HEAD", self._any_key())

    def get_if_changed(self) -> None:
        key = self._any_key()
        if etag := self._known.get(key):
            self._read("GET", key, {"If-None-Match": f'"{etag}"'}, unless=etag)

    def _read(
        self, method: str, key: str, headers: Mapping[str, str] | None = None, unless: str = ""
    ) -> None:
        call = self.history.begin(f"{method} if changed" if unless else method, key)
        try:
            answer = self.ask(method, self._path(key), headers=headers)
        except NotSent:
            self.history.failed(call)
            raise
        except NoAnswer:
            return self.history.lost(call, writes=False)
        if answer.status == 200:
            self._seen(call, answer, body=method == "GET")
        elif answer.status == 404 and answer.code in ("NoSuchKey", ""):
            self.history.refused(call, NOTHING)
        elif answer.status == 304 and unless:
            self.history.refused(call, an_etag(unless))
        elif answer.unknown and not self.calm:
            self.history.lost(call, writes=False)
        else:
            self._unexpected(call, answer)
        return None

    def _seen(self, call: Call, answer: Answer, *, body: bool, span: slice = slice(None)) -> None:
        """An object was shown; everything about it must be right."""
        content = self.history.contents.get(answer.etag)
        if content is None:
            return self._unexpected(call, answer)
        length = len(range(content.recipe.size)[span])
        if int(answer.headers["Content-Length"]) != length:
            self.history.complain(
                f"{call.kind} {call.key}: length {answer.headers['Content-Length']}, but {length} is right"
            )
        if body and span == slice(None):
            right = hashlib.sha256(answer.body).hexdigest() == content.sha256
        else:
            right = not body or answer.body == made(content.recipe)[span]
        if not right:
            self.history.complain(f"{call.kind} {call.key}: wrong bytes, etag {answer.etag}")
        self._known[call.key] = answer.etag
        return self.history.saw(call, answer.headers[_WRITE] or "(none)", answer.etag)

    def get_range(self) -> None:
        key = self._any_key()
        start = self.dice.choice([self.dice.randrange(100), self.dice.randrange(60_000), 5 << 20])
        stop = start + self.dice.randrange(1, 70_000)
        call = self.history.begin("GET range", key)
        try:
            answer = self.ask("GET", self._path(key), headers={"Range": f"bytes={start}-{stop - 1}"})
        except NotSent:
            self.history.failed(call)
            raise
        except NoAnswer:
            return self.history.lost(call, writes=False)
        if answer.status == 206:
            self._seen(call, answer, body=True, span=slice(start, stop))
        elif answer.status == 404 and answer.code == "NoSuchKey":
            self.history.refused(call, NOTHING)
        elif answer.status == 416:
            self.history.refused(call, SOMETHING)
        elif answer.unknown:
            self.history.lost(call, writes=False)
        else:
            self._unexpected(call, answer)
        return None

    def list(self) -> None:
        prefix = self.dice.choice(["", "a/", "b/", "c/", "d/", "race/"])
        after = ""
        if prefix == "race/":
            after = _race_key(max(0, self._race() - 3))
        most = self.dice.choice([3, 7, 1000])
        while True:
            page = self._page(prefix, after, most)
            if page is None or not page.truncated or page.prefix == "race/":
                return
            after = page.last

    def list_groups(self) -> None:
        """By a delimiter: keys of one group each, of several, and keys that are in none."""
        prefix, delimiter = self.dice.choice([("", "/"), ("d/", "/"), ("d/", "/"), ("a/", "."), ("", "/n")])
        most = self.dice.choice([2, 3, 1000])
        after, token = "", ""
        while True:
            page = self._page(prefix, after, most, delimiter, token)
            if page is None or not page.truncated:
                return
            after, token = page.last, page.token

    def _page(self, prefix: str, after: str, most: int, delimiter: str = "", token: str = "") -> Page | None:
        """A page, told to the history; with a delimiter it goes on by `token`, which `after` stands for."""
        kind = "LIST groups" if delimiter else "LIST"
        call = self.history.begin(kind, prefix)
        query = f"prefix={quote(prefix)}&max-keys={most}"
        if delimiter:
            query += f"&delimiter={quote(delimiter)}"
        if token:
            query += f"&continuation-token={quote(token)}"
        elif after:
            query += f"&start-after={quote(after)}"
        try:
            answer = self.ask("GET", f"/{self.world.bucket}?list-type=2&{query}")
        except NotSent:
            self.history.failed(call)
            raise
        except NoAnswer:
            self.history.lost(call, writes=False)
            return None
        if answer.unknown:
            self.history.lost(call, writes=False)
            return None
        if answer.status != 200:
            self._unexpected(call, answer)
            return None
        root = etree.fromstring(answer.body)
        entries = [
            (
                str(entry.findtext("s3:Key", namespaces=XML)),
                str(entry.findtext("s3:ETag", namespaces=XML)).strip('"'),
                int(entry.findtext("s3:Size", namespaces=XML) or -1),
            )
            for entry in root.iterfind("s3:Contents", namespaces=XML)
        ]
        groups = [str(each.text) for each in root.iterfind("s3:CommonPrefixes/s3:Prefix", namespaces=XML)]
        truncated = root.findtext("s3:IsTruncated", namespaces=XML) == "true"
        token = root.findtext("s3:NextContinuationToken", namespaces=XML) or ""
        keys = [key for key, _, _ in entries]
        wrong = [
            (key, tag, size)
            for key, tag, size in entries
            if tag not in self.history.contents or self.history.contents[tag].recipe.size != size
        ]
        found = {key: tag for key, tag, _ in entries}
        page = Page(prefix, after, found, truncated, delimiter, frozenset(groups), token)
        if wrong or not page.in_form(keys, groups, most):
            self._unexpected(call, answer)
            return None
        self.history.listed(call, page)
        return page

    # -- writing -------------------------------------------------------------------------------------------

    def put(self) -> None:
        self._put("PUT", self._any_key())

    def put_if_match(self) -> None:
        key = self.dice.choice(KEYS)
        if etag := self._known.get(key):
            self._put("PUT if match", key, {"If-Match": f'"{etag}"'}, an_etag(etag), another_etag(etag))

    def create(self) -> None:
        key = self.dice.choice(KEYS)
        self._put("PUT if absent", key, {"If-None-Match": "*"}, NOTHING, SOMETHING)

    def race(self) -> None:
        with self.world.lock:
            self.world.racers += 1
            key = _race_key(self.world.racers // _RACERS)
        self._put("PUT if absent", key, {"If-None-Match": "*"}, NOTHING, SOMETHING)

    def _put(
        self,
        kind: str,
        key: str,
        condition: Mapping[str, str] | None = None,
        need: Need = ANYTHING,
        otherwise: Need = ANYTHING,
    ) -> None:
        write, content = self._content(key)
        call = self.history.begin(kind, key)
        try:
            answer = self.ask(
                "PUT", self._path(key), made(content.recipe), {_WRITE: write, **(condition or {})}
            )
        except NotSent:
            self.history.failed(call)
            raise
        except NoAnswer:
            return self.history.lost(call, write, need, asked=self.asked)
        if answer.succeeded and answer.etag == content.etag:
            self._known[key] = content.etag
            return self.history.wrote(call, write, need)
        return self._not_written(call, answer, write, need, otherwise)

    def _not_written(
        self, call: Call, answer: Answer, write: str | None, need: Need, otherwise: Need
    ) -> None:
        """What an answer that is no success says of a conditional write."""
        if answer.unknown:
            return self.history.lost(call, write, need)
        if answer.code == "PreconditionFailed" and otherwise != ANYTHING:
            return self.history.refused(call, otherwise)
        if answer.code == "NoSuchKey" and otherwise.kind == "another etag":
            return self.history.refused(call, NOTHING)
        if answer.code == "OperationAborted":
            return self.history.failed(call)
        return self._unexpected(call, answer)

    def delete(self) -> None:
        self._delete("DELETE", self._any_key(), {}, ANYTHING, ANYTHING)

    def delete_if_match(self) -> None:
        key = self.dice.choice(KEYS)
        if etag := self._known.get(key):
            condition = {"If-Match": f'"{etag}"'}
            self._delete("DELETE if match", key, condition, an_etag(etag), another_etag(etag))

    def _delete(self, kind: str, key: str, headers: Mapping[str, str], need: Need, otherwise: Need) -> None:
        call = self.history.begin(kind, key)
        try:
            answer = self.ask("DELETE", self._path(key), headers=headers)
        except NotSent:
            self.history.failed(call)
            raise
        except NoAnswer:
            return self.history.lost(call, None, need, asked=self.asked)
        if answer.succeeded:
            return self.history.wrote(call, None, need)
        return self._not_written(call, answer, None, need, otherwise)

    def copy(self) -> None:
        source = self.dice.choice(KEYS)
        key = source if self.dice.random() < 0.15 else self.dice.choice(KEYS)
        if_absent = key != source and self.dice.random() < 0.2
        need = NOTHING if if_absent else ANYTHING
        write = self._name()
        self.history.will_write(write, None)
        headers = {
            "x-amz-copy-source": self._path(source),
            "x-amz-metadata-directive": "REPLACE",
            _WRITE: write,
        }
        if if_absent:
            headers["If-None-Match"] = "*"
        call = self.history.begin("COPY", key)
        try:
            answer = self.ask("PUT", self._path(key), headers=headers)
        except NotSent:
            self.history.failed(call)
            raise
        except NoAnswer:
            return self.history.copy_lost(call, write, source, need, asked=self.asked)
        if answer.succeeded:
            found = etree.fromstring(answer.body).findtext("s3:ETag", namespaces=XML)
            return self.history.copied(call, write, source, str(found).strip('"'), need)
        if answer.unknown:
            return self.history.copy_lost(call, write, source, need)
        if answer.code == "NoSuchKey":
            return self.history.refused(call, NOTHING, source)
        return self._not_written(call, answer, write, need, SOMETHING if if_absent else ANYTHING)

    # -- multipart -----------------------------------------------------------------------------------------

    def multipart(self) -> None:
        """Begin on one proxy, send the parts to others, complete on a third."""
        key = self.dice.choice(_MULTIPART)
        large = self.dice.random() < 50 * self._large
        size = self.dice.randrange(LEAST_PART + 1000, 2 * LEAST_PART) if large else self._size(key)
        recipe = Recipe(self.dice.getrandbits(64), size)
        content, write = Content.of(recipe, LEAST_PART), self._name()
        self.history.will_write(write, content.etag, content)
        begun = self._step(
            "CreateMultipartUpload", "POST", f"{self._path(key)}?uploads", headers={_WRITE: write}
        )
        if begun is None:
            return
        upload_id = etree.fromstring(begun.body).findtext("s3:UploadId", namespaces=XML)
        path = f"{self._path(key)}?uploadId={upload_id}"
        upload = Upload(key, write, path, content, cut(made(recipe), LEAST_PART))
        with self.world.lock:
            self.world.uploads.append(upload)
        for number, part in enumerate(upload.parts, 1):
            for _ in range(1 + (self.dice.random() < 0.1)):  # now and then twice
                if self._step("UploadPart", "PUT", f"{path}&partNumber={number}", part) is None:
                    self._abort(upload)
                    return
        rival = None
        if self.dice.random() < 0.15:
            other = Client(self.world, self._name(), random.Random(self.dice.getrandbits(64)))
            rival = threading.Thread(target=other._abort_alone, args=(upload,))
            rival.start()
        self._complete(upload)
        if rival is not None:
            rival.join()

    def _step(
        self, kind: str, method: str, path: str, body: bytes = b"", headers: Mapping[str, str] | None = None
    ) -> Answer | None:
        """A call that changes no object, tried a few times; None when it does not succeed."""
        for _ in range(3):
            try:
                answer = self.ask(method, path, body, headers)
            except NotSent:
                self.history.count(kind, "failed")
                continue
            except NoAnswer:
                self.history.count(kind, "unknown")
                continue
            if answer.succeeded:
                self.history.count(kind, "done")
                return answer
            self.history.count(kind, "unknown" if answer.unknown else "refused")
            if not answer.unknown:
                return None
        return None

    def _abort(self, upload: Upload) -> None:
        if self._step("AbortMultipartUpload", "DELETE", upload.path) is not None:
            upload.aborted = True

    def _abort_alone(self, upload: Upload) -> None:
        self._abort(upload)
        self.close()

    def go_on(self) -> None:
        """Complete once more what had no answer."""
        with self.world.lock:
            if not self.world.open_ends:
                return
            upload = self.world.open_ends.pop(self.dice.randrange(len(self.world.open_ends)))
        self._complete(upload)

    def _complete(self, upload: Upload) -> None:
        """One Complete; until one is answered, they all are one call."""
        if upload.call is None:
            upload.call = self.history.begin("Complete", upload.key)
        try:
            answer = self.ask("POST", upload.path, upload.document())
        except NotSent:
            answer = None
        except NoAnswer:
            answer = None
            upload.asked |= self.asked
        if answer is None or answer.unknown or answer.code == "OperationAborted":
            self.history.count("Complete", "unknown")
            with self.world.lock:
                self.world.open_ends.append(upload)
            return
        if answer.succeeded:
            upload.completed = True
            found = str(etree.fromstring(answer.body).findtext("s3:ETag", namespaces=XML)).strip('"')
            if found != upload.content.etag:
                self.history.complain(f"Complete {upload.key}: etag {found}")
            self.history.wrote(upload.call, upload.write)
        elif answer.code == "NoSuchUpload":
            self.history.lost(upload.call, upload.write, asked=upload.asked)
        else:
            self._unexpected(upload.call, answer)

    # -- at the end ----------------------------------------------------------------------------------------

    def look_at_everything(self) -> None:
        """GET and HEAD of every key, and all pages of the listing, when nothing else goes on."""
        self.calm = True
        for key in [*KEYS, *map(_race_key, range(self.world.racers // _RACERS + 1))]:
            self._read("GET", key)
            self._read("HEAD", key)
        after: str | None = ""
        while after is not None:
            page = self._page("", after, 1000)
            after = page.last if page is not None and page.truncated else None

    # -- choosing ------------------------------------------------------------------------------------------

    def _any_key(self) -> str:
        return _race_key(self._race()) if self.dice.random() < 0.1 else self.dice.choice(KEYS)

    def _race(self) -> int:
        """The number of the race that is on, or a little older."""
        return max(0, self.world.racers // _RACERS - self.dice.randrange(4))

    def _path(self, key: str) -> str:
        return f"/{self.world.bucket}/{quote(key)}"

    def _name(self) -> str:
        return f"{self.name}-{next(self._numbers)}"

    def _content(self, key: str) -> tuple[str, Content]:
        small = key.endswith(".txt") or key.startswith("race/")
        recipe = Recipe(self.dice.getrandbits(64), self._size(key), artifact=not small)
        content, write = Content.of(recipe), self._name()
        self.history.will_write(write, content.etag, content)
        return write, content

    def _size(self, key: str) -> int:
        if key.startswith("race/"):
            return self.dice.randrange(100, 1000)
        if key.endswith(".txt"):
            return self.dice.choice([self.dice.randrange(100, 8192), self.dice.randrange(8192, 30_000)])
        if self.dice.random() < self._large:
            return self.dice.randrange(4 << 20, 10 << 20)
        return self.dice.randrange(20_000, 90_000)


def _race_key(number: int) -> str:
    return f"race/{number:06d}.txt"


def delete_everything(server: Server, history: History) -> None:
    """Delete every object, by one quiet client."""
    client = Client(World([server], history), "end", random.Random(0))
    while (page := client._page("", "", 1000)) is not None and page.found:
        for key in page.found:
            client._delete("DELETE", key, {}, ANYTHING, ANYTHING)
    client.close()
    assert page is not None, history.wrong
