# SPDX-License-Identifier: GPL-2.0-only
"""TLS as an operator sets it up: real clients with a CA of their own, renewals, and every wrong file."""

import http.client
import os
import re
import shutil
import socket
import ssl
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
import trustme
from botocore.config import Config

from tests.system.clients import REGION, AwsCli, need
from tests.system.harness import ACCESS_KEY, CREDENTIALS, SECRET_KEY, Server, environment, eventually

CERT, KEY = "DELTAGLIDER_PROXY_TLS_CERT", "DELTAGLIDER_PROXY_TLS_KEY"


class SecureServer(Server):
    """A server whose certificate is of its own authority."""

    def __init__(self, home: Path):
        home.mkdir(exist_ok=True)
        self.authority = trustme.CA()
        self.ca, self.cert, self.key = home / "ca.pem", home / "cert.pem", home / "key.pem"
        self.authority.cert_pem.write_to_path(self.ca)
        self.renew()
        super().__init__(home, CREDENTIALS | {CERT: str(self.cert), KEY: str(self.key)})

    def renew(self) -> None:
        """Put another certificate in place, first one file and then the other."""
        issued = self.authority.issue_cert("127.0.0.1", "localhost")
        chain = b"".join(pem.bytes() for pem in issued.cert_chain_pems)
        for path, content in ((self.cert, chain), (self.key, issued.private_key_pem.bytes())):
            staged = path.with_suffix(".new")
            staged.write_bytes(content)
            staged.rename(path)

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self.port}"

    def trusting(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=self.ca)

    def serial(self) -> str:
        """That of the certificate a new connection gets."""
        with (
            socket.create_connection(("127.0.0.1", self.port), 5) as plain,
            self.trusting().wrap_socket(plain, server_hostname="127.0.0.1") as secured,
        ):
            shown = secured.getpeercert()
            assert shown is not None
            return str(shown["serialNumber"])

    def connection(self) -> http.client.HTTPConnection:
        return http.client.HTTPSConnection("127.0.0.1", self.port, timeout=5, context=self.trusting())


@pytest.fixture(scope="module")
def secure(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SecureServer]:
    with SecureServer(tmp_path_factory.mktemp("secure")) as server:
        yield server


def client(server: SecureServer, version: str = "s3v4") -> Any:
    return boto3.Session(ACCESS_KEY, SECRET_KEY, region_name=REGION).client(
        "s3", endpoint_url=server.url, verify=str(server.ca), config=Config(signature_version=version)
    )


def test_boto3(secure: SecureServer) -> None:
    s3 = client(secure)
    data = os.urandom(20 << 20)
    s3.put_object(Bucket="default", Key="a b.zip", Body=data)
    with s3.get_object(Bucket="default", Key="a b.zip")["Body"] as body:
        assert body.read() == data
    upload = s3.create_multipart_upload(Bucket="default", Key="m")["UploadId"]
    part = s3.upload_part(Bucket="default", Key="m", UploadId=upload, PartNumber=1, Body=data)
    parts = {"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]}
    done = s3.complete_multipart_upload(Bucket="default", Key="m", UploadId=upload, MultipartUpload=parts)
    assert done["Location"] == f"{secure.url}/default/m"
    s3.close()


@pytest.mark.parametrize("version", ["s3v4", "s3"])
def test_presigned_urls(secure: SecureServer, version: str) -> None:
    s3 = client(secure, version)
    target = {"Bucket": "default", "Key": "presigned"}
    for method, body in (("put", b"abc"), ("get", None)):
        url = s3.generate_presigned_url(f"{method}_object", Params=target)
        assert url.startswith(secure.url)
        request = urllib.request.Request(url, body, {"Content-Type": ""}, method=method.upper())
        with urllib.request.urlopen(request, context=secure.trusting()) as answer:
            assert answer.status == 200
            assert answer.read() == (b"" if body else b"abc")
    s3.close()


def test_aws_cli(secure: SecureServer, tmp_path: Path) -> None:
    aws = AwsCli(secure, tmp_path)
    aws.env["AWS_CA_BUNDLE"] = str(secure.ca)
    (tmp_path / "file").write_bytes(os.urandom(12 << 20))
    aws("s3", "cp", tmp_path / "file", "s3://default/cli/file")
    aws("s3", "cp", "s3://default/cli/file", tmp_path / "back")
    assert (tmp_path / "back").read_bytes() == (tmp_path / "file").read_bytes()
    del aws.env["AWS_CA_BUNDLE"]
    aws.env["AWS_MAX_ATTEMPTS"] = "1"
    assert "CERTIFICATE_VERIFY_FAILED" in aws("s3", "ls", fails=True)


def test_curl_signs_and_waits_for_100_continue(secure: SecureServer, tmp_path: Path) -> None:
    curl = need(shutil.which("curl"), "curl")
    (tmp_path / "file").write_bytes(os.urandom(3 << 20))
    command = [curl, "-sS", "--fail-with-body", "--cacert", secure.ca]
    command += ["--user", f"{ACCESS_KEY}:{SECRET_KEY}", "--aws-sigv4", f"aws:amz:{REGION}:s3"]
    command += ["-H", "x-amz-content-sha256: UNSIGNED-PAYLOAD"]
    url = f"{secure.url}/default/curl"
    subprocess.run(
        [*command, "-H", "Expect: 100-continue", "-T", tmp_path / "file", url], check=True, timeout=60
    )
    back = subprocess.run([*command, url], check=True, capture_output=True, timeout=60).stdout
    assert back == (tmp_path / "file").read_bytes()


def test_the_browser_finds_s3(secure: SecureServer) -> None:
    """The page may call one port below its own over https, and S3 lets it."""
    origin = f"https://127.0.0.1:{secure.port + 1}"
    with urllib.request.urlopen(f"{origin}/", context=secure.trusting()) as page:
        policy = page.headers["Content-Security-Policy"]
    assert re.search(rf"connect-src [^;]*{re.escape(secure.url)}[ ;]", policy)
    request = urllib.request.Request(secure.url, method="OPTIONS")
    request.add_header("Origin", origin)
    request.add_header("Access-Control-Request-Method", "PUT")
    with urllib.request.urlopen(request, context=secure.trusting()) as preflight:
        assert preflight.headers["Access-Control-Allow-Origin"] == origin


def test_the_banner_says_https(secure: SecureServer) -> None:
    said = secure.log.read_text()
    assert f"https://127.0.0.1:{secure.port}" in said
    assert f"http://127.0.0.1:{secure.port}" not in said


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")
@pytest.mark.parametrize("newest", [ssl.TLSVersion.TLSv1_1, ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_versions(secure: SecureServer, newest: ssl.TLSVersion) -> None:
    context = secure.trusting()
    context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
    context.maximum_version = newest
    context.set_ciphers("DEFAULT@SECLEVEL=0")
    with socket.create_connection(("127.0.0.1", secure.port), 5) as plain:
        if newest is ssl.TLSVersion.TLSv1_1:
            with pytest.raises(ssl.SSLError):
                context.wrap_socket(plain, server_hostname="127.0.0.1")
        else:
            with context.wrap_socket(plain, server_hostname="127.0.0.1") as secured:
                assert secured.version() == newest.name.replace("_", ".")


def test_what_is_no_tls_harms_nobody(secure: SecureServer) -> None:
    for said in (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"\x16\x03\x01\xff\xff" + b"\0" * 100, b""):
        with socket.create_connection(("127.0.0.1", secure.port), 5) as plain:
            plain.sendall(said)
            plain.shutdown(socket.SHUT_WR)
            assert not plain.recv(100).startswith(b"HTTP/1.1 200")
    assert secure.answers()
    assert "Traceback" not in secure.log.read_text()


def test_renewal_needs_no_restart(tmp_path: Path) -> None:
    with SecureServer(tmp_path) as server:
        first = server.serial()
        kept = http.client.HTTPSConnection("127.0.0.1", server.port, timeout=30, context=server.trusting())
        kept.request("GET", "/")
        kept.getresponse().read()
        server.cert.write_text("half a file")
        eventually(lambda: "renewed certificate not used" in server.log.read_text(), "the bad one is noticed")
        assert server.serial() == first
        server.renew()
        eventually(lambda: server.serial() != first, "the new certificate")
        # Each worker looks by itself: all of them have it when no connection gets the old one any more.
        eventually(lambda: all(server.serial() != first for _ in range(20)), "the new certificate everywhere")
        kept.request("GET", "/")
        assert kept.getresponse().read(), "a connection from before goes on"
        kept.close()


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({"cert": None}, "tls_cert = {cert}: can't be read: No such file or directory"),
        ({"key": None}, "tls_key = {key}: can't be read: No such file or directory"),
        ({"cert": b"nothing"}, "tls_cert = {cert}: there is no certificate in it (PEM)"),
        ({"key": b"nothing"}, "tls_key = {key}: there is no private key in it (PEM)"),
        ({"key": "other"}, "tls_key = {key}: the key is not that of the certificate in {cert}"),
        ({"key": "encrypted"}, "tls_key = {key}: has a passphrase; store it without one"),
        (
            {"cert": b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"},
            "tls_key = {key}: can't be used",
        ),
    ],
)
def test_wrong_files(tmp_path: Path, files: dict[str, Any], said: str) -> None:
    server = SecureServer(tmp_path)
    for name, content in files.items():
        path = getattr(server, name)
        if content is None:
            path.unlink()
        elif content == "other":
            trustme.CA().issue_cert("x").private_key_pem.write_to_path(path)
        elif content == "encrypted":
            path.write_bytes(_encrypted())
        else:
            path.write_bytes(content)
    done = subprocess.run(
        [sys.executable, "-m", "dgproxy", "-l", f"127.0.0.1:{server.port}"],
        cwd=tmp_path,
        env=environment({"DELTAGLIDER_PROXY_DATA_DIR": str(tmp_path / "data")} | server.settings),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1, done.stderr
    line = done.stderr.strip()
    assert line.startswith("deltaglider_proxy: " + said.format(cert=server.cert, key=server.key)), line
    assert "\n" not in line
    assert not (tmp_path / "data").exists(), "nothing was made"


def _encrypted() -> bytes:
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    return ec.generate_private_key(ec.SECP256R1()).private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(b"secret"),
    )
