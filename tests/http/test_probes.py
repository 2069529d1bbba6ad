# SPDX-License-Identifier: GPL-2.0-only
"""What clients look for without having set it: the answers boto3 gets, and ListObjectVersions."""

import asyncio
from typing import Any
from urllib.parse import quote

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from dgproxy.s3 import unconfigured
from dgproxy.s3.operation import Operation
from tests.http.conftest import BUCKET, Site

OWNER = {"DisplayName": "deltaglider_proxy", "ID": "de17a911de5" + "0" * 53}
GRANTS = [{"Grantee": {**OWNER, "Type": "CanonicalUser"}, "Permission": "FULL_CONTROL"}]
ANSWERS: dict[str, dict[str, Any] | str] = {
    "GetBucketVersioning": {},
    "GetBucketAcl": {"Owner": OWNER, "Grants": GRANTS},
    "GetBucketPolicy": "NoSuchBucketPolicy",
    "GetBucketPolicyStatus": "NoSuchBucketPolicy",
    "GetBucketEncryption": "ServerSideEncryptionConfigurationNotFoundError",
    "GetBucketLifecycleConfiguration": "NoSuchLifecycleConfiguration",
    "GetObjectLockConfiguration": "ObjectLockConfigurationNotFoundError",
    "GetBucketTagging": "NoSuchTagSet",
    "GetBucketWebsite": "NoSuchWebsiteConfiguration",
    "GetBucketReplication": "ReplicationConfigurationNotFoundError",
    "GetBucketLogging": {},
    "GetBucketNotificationConfiguration": {},
    "GetBucketRequestPayment": {"Payer": "BucketOwner"},
    "GetBucketAccelerateConfiguration": {},
    "GetBucketOwnershipControls": "OwnershipControlsNotFoundError",
    "GetPublicAccessBlock": "NoSuchPublicAccessBlockConfiguration",
    "GetObjectAcl": {"Owner": OWNER, "Grants": GRANTS},
    "GetObjectLegalHold": "InvalidRequest",
    "GetObjectRetention": "InvalidRequest",
}


@pytest.fixture
async def client(site: Site) -> Any:
    """boto3, to be called in a thread."""
    return boto3.client(
        "s3",
        endpoint_url=f"http://127.0.0.1:{site.port}",
        aws_access_key_id="any",
        aws_secret_access_key="any",
        region_name="us-east-1",
        config=Config(retries={"max_attempts": 0}),
    )


def test_there_is_an_expectation_for_every_probe() -> None:
    assert {operation.value for operation in unconfigured.OPERATIONS} == set(ANSWERS)


@pytest.mark.parametrize("name", ANSWERS)
async def test_probes(site: Site, client: Any, name: str) -> None:
    await site.put("k", b"x")
    of_object = {"Key": "k"} if name.startswith("GetObject") and "Lock" not in name else {}

    def ask(bucket: str = BUCKET, **more: str) -> dict[str, Any] | str:
        call = getattr(client, client_method(client, name))
        try:
            answer: dict[str, Any] = call(Bucket=bucket, **of_object | more)
        except ClientError as error:
            found: str = error.response["Error"]["Code"]
            return found
        del answer["ResponseMetadata"]
        return answer

    run = asyncio.to_thread
    assert await run(ask) == ANSWERS[name]
    assert await run(ask, "missing") == "NoSuchBucket"
    if of_object:
        assert await run(ask, Key="none") == "NoSuchKey"


def client_method(client: Any, name: str) -> str:
    return next(method for method, each in client.meta.method_to_api_mapping.items() if each == name)


@pytest.mark.parametrize(
    "line",
    [
        *(f"PUT /{BUCKET}?{name}" for name in ("versioning", "policy", "lifecycle", "object-lock")),
        *(f"PUT /{BUCKET}?{name}" for name in ("encryption", "tagging", "website", "publicAccessBlock")),
        *(f"PUT /{BUCKET}?{name}" for name in ("logging", "notification", "requestPayment", "accelerate")),
        *(f"PUT /{BUCKET}?{name}" for name in ("replication", "ownershipControls", "inventory&id=1")),
        f"DELETE /{BUCKET}?inventory&id=1",
        f"PUT /{BUCKET}/k?retention",
        f"PUT /{BUCKET}/k?legal-hold",
    ],
)
async def test_what_is_not_stored_is_never_a_success(site: Site, line: str) -> None:
    await site.put("k", b"x")
    assert await site.code(line, body=b"<x/>") == (501, "NotImplemented")


@pytest.mark.parametrize("operation", sorted(unconfigured.REMOVALS, key=lambda each: each.value))
async def test_to_remove_what_was_never_made_is_done(client: Any, operation: Operation) -> None:
    remove = getattr(client, client_method(client, operation.value))
    answer = await asyncio.to_thread(remove, Bucket=BUCKET)
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 204
    with pytest.raises(ClientError, match="NoSuchBucket"):
        await asyncio.to_thread(remove, Bucket="missing")


PRIVATE = (
    f"<AccessControlPolicy><Owner><ID>{OWNER['ID']}</ID></Owner><AccessControlList><Grant><Grantee>"
    f"<ID>{OWNER['ID']}</ID></Grantee><Permission>FULL_CONTROL</Permission></Grant></AccessControlList>"
    "</AccessControlPolicy>"
)


@pytest.mark.parametrize("path", [f"/{BUCKET}?acl", f"/{BUCKET}/k?acl"])
@pytest.mark.parametrize(
    ("headers", "document", "expected"),
    [
        (("x-amz-acl: private",), "", None),
        (("x-amz-acl: bucket-owner-full-control",), "", None),
        ((), PRIVATE, None),
        (("x-amz-acl: public-read",), "", (501, "NotImplemented")),
        (("x-amz-acl: anything",), "", (400, "InvalidArgument")),
        (("x-amz-grant-read: id=1",), "", (501, "NotImplemented")),
        ((), PRIVATE.replace("FULL_CONTROL", "READ"), (501, "NotImplemented")),
        ((), PRIVATE.replace("<Grantee><ID>de", "<Grantee><ID>ed"), (501, "NotImplemented")),
        ((), "<AccessControlPolicy><AccessControlList/></AccessControlPolicy>", (501, "NotImplemented")),
        ((), PRIVATE.replace("Permission>", "Allowed>"), (400, "MalformedXML")),
        ((), "<AccessControlPolicy><Grant/></AccessControlPolicy>", (400, "MalformedXML")),
        ((), "", (400, "MissingSecurityHeader")),
        (("x-amz-acl: private",), PRIVATE, (400, "UnexpectedContent")),
    ],
)
async def test_access_control_lists_stay_as_they_are(
    site: Site, path: str, headers: tuple[str, ...], document: str, expected: tuple[int, str] | None
) -> None:
    await site.put("k", b"x")
    if expected is None:
        assert (await site.ask(f"PUT {path}", *headers, body=document.encode())).status == 200
    else:
        assert await site.code(f"PUT {path}", *headers, body=document.encode()) == expected
    missing = path.replace(BUCKET, "missing")
    assert await site.code(f"PUT {missing}", "x-amz-acl: private", body=b"") == (404, "NoSuchBucket")


async def test_acl_of_an_object_that_is_not_there(site: Site) -> None:
    assert await site.code(f"PUT /{BUCKET}/k?acl", "x-amz-acl: private", body=b"") == (404, "NoSuchKey")


def test_every_probe_only_reads() -> None:
    assert not any(operation.writes for operation in unconfigured.OPERATIONS)
    assert not Operation.LIST_OBJECT_VERSIONS.writes


# -- ListObjectVersions --------------------------------------------------------------------------------------


async def test_versions_are_listed_in_pages(site: Site) -> None:
    for key in ("a", "b/1", "b/2", "c", "d%3C"):
        await site.put(key, b"abc")
    seen, markers = [], ""
    while True:
        page = await site.ask(f"GET /{BUCKET}?versions&delimiter=/&max-keys=1{markers}")
        root = page.xml("ListVersionsResult")
        seen += [item.findtext("Key") for item in root.iter("Version")]
        seen += [item.findtext("Prefix") for item in root.iter("CommonPrefixes")]
        if root.findtext("IsTruncated") == "false":
            break
        key, version = root.findtext("NextKeyMarker"), root.findtext("NextVersionIdMarker")
        markers = f"&key-marker={key}" + (f"&version-id-marker={version}" if version else "")
    assert seen == ["a", "b/", "c", "d<"]
    assert root.findtext("NextKeyMarker") is None


async def test_versions_as_boto3_sees_them_and_cleans_up(site: Site, client: Any) -> None:
    for key in ("a", "b/1", "b 2"):
        await site.put(quote(key), b"abc")

    def clean_up() -> None:
        pages = client.get_paginator("list_object_versions").paginate(
            Bucket=BUCKET, PaginationConfig={"PageSize": 2}
        )
        found = [version for page in pages for version in page["Versions"]]
        assert [(each["Key"], each["VersionId"], each["IsLatest"], each["Size"]) for each in found] == [
            (key, "null", True, 3) for key in ("a", "b 2", "b/1")
        ]
        objects = [{"Key": each["Key"], "VersionId": each["VersionId"]} for each in found]
        assert "Errors" not in client.delete_objects(Bucket=BUCKET, Delete={"Objects": objects})
        assert "Versions" not in client.list_object_versions(Bucket=BUCKET)
        client.delete_bucket(Bucket=BUCKET)

    await asyncio.to_thread(clean_up)


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("&version-id-marker=null", (400, "InvalidArgument")),
        ("&key-marker=a&version-id-marker=x", (400, "InvalidArgument")),
        (f"&key-marker=a&version-id-marker={'v' * 32}", (404, "NoSuchVersion")),
        ("&max-keys=x", (400, "InvalidArgument")),
        ("&encoding-type=x", (400, "InvalidArgument")),
    ],
)
async def test_versions_refusals(site: Site, query: str, expected: tuple[int, str]) -> None:
    assert await site.code(f"GET /{BUCKET}?versions{query}") == expected


async def test_versions_nothing_asked(site: Site) -> None:
    await site.put("a", b"x")
    root = (await site.ask(f"GET /{BUCKET}?versions&max-keys=0")).xml("ListVersionsResult")
    assert (root.findtext("IsTruncated"), root.find("Version")) == ("false", None)
    assert await site.code("GET /missing?versions") == (404, "NoSuchBucket")
