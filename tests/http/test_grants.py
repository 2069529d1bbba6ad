# SPDX-License-Identifier: GPL-2.0-only
"""Several access keys over the wire: each does what it may, and learns nothing of the rest."""

import base64
import hashlib
import json
from collections.abc import AsyncIterator
from typing import Any

import botocore.session
import pytest
from botocore.credentials import Credentials as Keys

from dgproxy.http.access import AccessKey, Credentials
from dgproxy.s3 import routing
from dgproxy.s3.errors import S3Error
from dgproxy.s3.grants import EVERYTHING, Grant, Place
from dgproxy.s3.operation import Operation
from dgproxy.storage.memory import MemoryBackend
from tests.http.conftest import BUCKET, Site, site_over
from tests.http.test_authentication import Log, presigned, presigned_v2, signed
from tests.http.test_forms import TYPE, form
from tests.http.test_forms import presigned as presigned_form
from tests.http.wire import Answer

MODEL = botocore.session.get_session().get_service_model("s3")
OTHER = "other-bucket"
DENIED = (403, "AccessDenied")
ADMIN, CI, READER = (Keys(name, f"secret-of-{name}") for name in ("admin", "ci", "reader"))

KEYRING = Credentials(
    [
        AccessKey(ADMIN.access_key, ADMIN.secret_key, EVERYTHING),
        AccessKey(CI.access_key, CI.secret_key, Grant((Place.parse(f"{BUCKET}/ci/*"),)), "build server"),
        AccessKey(READER.access_key, READER.secret_key, Grant((Place.parse(BUCKET),), writes=False)),
    ]
)


@pytest.fixture
async def site(memory: MemoryBackend, log: object) -> AsyncIterator[Site]:
    """Two buckets and three keys: all, part of one bucket, and one bucket to read."""
    await memory.create_bucket(OTHER)
    async with site_over(memory, KEYRING) as site:
        for key in ("ci/a", "secret"):
            assert (await ask(site, ADMIN, f"PUT /{BUCKET}/{key}", b"abc")).status == 200
        yield site


async def ask(site: Site, keys: Keys, line: str, body: bytes = b"", **more: str) -> Answer:
    line, headers = signed(line, body, keys=keys, **more)
    return await site.ask(line, *headers, body=body)


async def code(site: Site, keys: Keys, line: str, body: bytes = b"", **more: str) -> tuple[int, str]:
    answer = await ask(site, keys, line, body, **more)
    return answer.status, answer.error()


async def test_each_key_in_its_place(site: Site) -> None:
    assert (await ask(site, CI, f"GET /{BUCKET}/ci/a")).body == b"abc"
    assert (await ask(site, CI, f"PUT /{BUCKET}/ci/b", b"x")).status == 200
    assert (await ask(site, CI, f"GET /{BUCKET}?list-type=2&prefix=ci%2F")).status == 200
    assert (await ask(site, CI, f"HEAD /{BUCKET}")).status == 200
    assert (await ask(site, READER, f"GET /{BUCKET}/secret")).body == b"abc"
    assert (await ask(site, READER, f"GET /{BUCKET}?list-type=2")).status == 200
    assert await code(site, READER, f"GET /{BUCKET}/none") == (404, "NoSuchKey")
    assert (await ask(site, ADMIN, f"DELETE /{OTHER}")).status == 204


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE"])
@pytest.mark.parametrize(
    "target", ["", "?uploads", "?acl", "?cors", "?tagging", "?versioning", "/secret", "/none"]
)
async def test_existence_does_not_show(site: Site, method: str, target: str) -> None:
    """The same answer for what is there and what is not, also to an operation that is not done here."""
    there, nowhere = [await ask(site, CI, f"{method} /{name}{target}") for name in (OTHER, "no-such-bucket")]
    assert there.status == nowhere.status == (403 if _routed(method, f"/{OTHER}{target}") else 405)
    assert there.headers.keys() == nowhere.headers.keys()
    if method != "HEAD":
        assert there.error() == nowhere.error()


def _line(operation: Operation, bucket: str) -> tuple[str, dict[str, str]]:
    """A request for an operation, as S3's own model has it, and the headers that make it that one."""
    if operation is Operation.POST_OBJECT:
        return f"POST /{bucket}", {}
    model = MODEL.operation_model(operation.value)
    asked = model.http["requestUri"].replace("{Bucket}", bucket).replace("{Key+}", "secret")
    members = model.input_shape.members if model.input_shape else {}
    for name in model.input_shape.required_members if model.input_shape else ():
        if members[name].serialization.get("location") == "querystring":
            asked += f"{'&' if '?' in asked else '?'}{members[name].serialization['name']}=1"
    copies = {"x-amz-copy-source": f"/{bucket}/secret"} if "COPY" in operation.name else {}
    return f"{model.http['method']} {asked}", copies


@pytest.mark.parametrize(
    "operation", [each for each in Operation if each is not Operation.LIST_BUCKETS], ids=str
)
async def test_no_operation_goes_where_the_key_may_not(site: Site, operation: Operation) -> None:
    for bucket in (OTHER, "no-such-bucket"):
        line, headers = _line(operation, bucket)
        assert routing.parse(*line.split(" "), headers).operation is operation
        answer = await ask(site, CI, line, **headers)
        assert answer.status == 403, answer
        assert line.startswith("HEAD") or answer.error() == "AccessDenied"


@pytest.mark.parametrize("operation", [each for each in Operation if each.writes], ids=str)
async def test_no_operation_writes_for_a_reader(site: Site, operation: Operation) -> None:
    line, headers = _line(operation, BUCKET)
    answer = await ask(site, READER, line, **headers)
    assert (answer.status, answer.error()) == DENIED


def _routed(method: str, target: str) -> bool:
    """Whether S3 has the method there at all; if not, the refusal says nothing of what there is."""
    try:
        routing.parse(method, target, {})
    except S3Error as error:
        return error.code != "MethodNotAllowed"
    return True


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE"])
async def test_keys_outside_do_not_show(site: Site, method: str) -> None:
    for key in ("secret", "none", "ci", "CI/a", "ci%00", "%2Fci/a"):
        assert (await ask(site, CI, f"{method} /{BUCKET}/{key}")).status == 403, key


async def test_a_reader_writes_nothing(site: Site) -> None:
    for line in ("PUT /k", "DELETE /secret", "POST /k?uploads", "PUT ?cors", "DELETE ", "PUT ",
                 "PUT /secret?tagging", "POST ?delete"):  # fmt: skip
        method, _, target = line.partition(" ")
        body = b"x" if method == "PUT" else b""
        assert await code(site, READER, f"{method} /{BUCKET}{target}", body) == DENIED
    assert (await ask(site, READER, f"GET /{BUCKET}/secret")).body == b"abc"


async def test_who_may_not_write_sends_no_body(site: Site) -> None:
    line, headers = signed(f"PUT /{BUCKET}/k", b"x" * 1000, keys=READER)
    async with site.wire() as wire:
        await wire.request(line, *headers, "Content-Length: 1000", "Expect: 100-continue")
        assert (await wire.answer()).error() == "AccessDenied"


async def test_a_copy_needs_to_read_its_source(site: Site) -> None:
    line = f"PUT /{BUCKET}/ci/copy"
    assert await code(site, CI, line, **{"x-amz-copy-source": f"/{BUCKET}/secret"}) == DENIED
    assert await code(site, CI, line, **{"x-amz-copy-source": f"/{BUCKET}/ci%2F..%2Fsecret"}) == (
        404,
        "NoSuchKey",
    )
    assert (await ask(site, CI, line, **{"x-amz-copy-source": f"/{BUCKET}/ci/a"})).status == 200
    assert await code(site, CI, f"PUT /{BUCKET}/copy", **{"x-amz-copy-source": f"/{BUCKET}/ci/a"}) == DENIED
    started = (await ask(site, CI, f"POST /{BUCKET}/ci/u?uploads")).xml("InitiateMultipartUploadResult")
    part = f"PUT /{BUCKET}/ci/u?partNumber=1&uploadId={started.findtext('{*}UploadId')}"
    assert await code(site, CI, part, **{"x-amz-copy-source": f"/{BUCKET}/secret"}) == DENIED
    assert (await ask(site, CI, part, **{"x-amz-copy-source": f"/{BUCKET}/ci/a"})).status == 200


async def test_batch_deletes_answer_for_each_key(site: Site) -> None:
    keys = ("ci/a", "secret", "ci/none", "none")
    body = f"<Delete>{''.join(f'<Object><Key>{key}</Key></Object>' for key in keys)}</Delete>".encode()
    md5 = base64.b64encode(hashlib.md5(body).digest()).decode()
    answer = (await ask(site, CI, f"POST /{BUCKET}?delete", body, **{"content-md5": md5})).xml("DeleteResult")
    assert [each.text for each in answer.findall("{*}Deleted/{*}Key")] == ["ci/a", "ci/none"]
    errors = [(each.findtext("{*}Key"), each.findtext("{*}Code")) for each in answer.findall("{*}Error")]
    assert errors == [("secret", "AccessDenied"), ("none", "AccessDenied")]
    assert (await ask(site, ADMIN, f"GET /{BUCKET}/secret")).body == b"abc"
    assert await code(site, CI, f"POST /{OTHER}?delete", body, **{"content-md5": md5}) == DENIED


async def test_forms(site: Site) -> None:
    who = {"access_key": CI.access_key, "secret": CI.secret_key}
    for version in ("s3", "s3v4"):
        denied = await site.ask(f"POST /{BUCKET}", TYPE, body=form(presigned_form(version, "k", **who), b"x"))
        assert (denied.status, denied.error()) == DENIED
        escape = presigned_form(version, "${filename}", conditions=[["starts-with", "$key", ""]], **who)
        denied = await site.ask(f"POST /{BUCKET}", TYPE, body=form(escape, b"x", "k"))
        assert (denied.status, denied.error()) == DENIED
        stored = await site.ask(
            f"POST /{BUCKET}", TYPE, body=form(presigned_form(version, "ci/k", **who), b"x")
        )
        assert stored.status == 204
    who = {"access_key": READER.access_key, "secret": READER.secret_key}
    denied = await site.ask(f"POST /{BUCKET}", TYPE, body=form(presigned_form("s3v4", "ci/k", **who), b"x"))
    assert (denied.status, denied.error()) == DENIED


async def test_presigned_urls_carry_the_grant_of_their_key(site: Site) -> None:
    for presign in (presigned, presigned_v2):
        assert (await site.ask(presign(f"GET /{BUCKET}/ci/a", keys=CI))).body == b"abc"
        assert await site.code(presign(f"GET /{BUCKET}/secret", keys=CI)) == DENIED
        assert await site.code(presign(f"PUT /{BUCKET}/k", keys=READER), body=b"x") == DENIED


async def test_buckets_that_show(site: Site) -> None:
    async def shown(keys: Keys) -> list[Any]:
        found = (await ask(site, keys, "GET /")).xml("ListAllMyBucketsResult")
        return [each.text for each in found.findall("{*}Buckets/{*}Bucket/{*}Name")]

    assert await shown(ADMIN) == [BUCKET, OTHER]
    assert await shown(CI) == [BUCKET]
    assert await shown(READER) == [BUCKET]


async def test_the_log_says_who(site: Site, log: Log) -> None:
    await ask(site, CI, f"GET /{BUCKET}/secret")
    await ask(site, READER, f"GET /{BUCKET}/secret")
    await site.ask(f"GET /{BUCKET}/secret")
    said = [line for line in log() if line["event"] == "request"][-3:]
    assert [line.get("access_key") for line in said] == ["build server", "reader", None]
    assert "secret-of-" not in json.dumps(log())
