# SPDX-License-Identifier: GPL-2.0-only
"""TLS on both ports: the operator's certificate, and its renewal without a restart.

Promises: a certificate or key that can't be used stops the start with one line that says which file and why.
Later a pair that was replaced on disk serves new connections within `_INTERVAL`; one that can't be used
is logged once and the last good one stays, so a renewal tool may write the two files one after the other.
TLS 1.2 and 1.3 with OpenSSL's own choice of ciphers, HTTP/1.1.

Which requests may come over it is not known here, and clients show no certificates: keys sign requests.
"""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final, NamedTuple

from dgproxy.config import StartError
from dgproxy.logs import get_logger

__all__ = ["HANDSHAKE", "SHUTDOWN", "Certificate", "load", "renewing"]

#: Seconds for a handshake: who connects and stays silent holds a socket no longer than this.
HANDSHAKE: Final = 15.0
#: Seconds to wait for the other side's farewell before a connection is closed.
SHUTDOWN: Final = 5.0

#: Seconds between looks at the files.
_INTERVAL: Final = 5.0

_log = get_logger()


class Certificate(NamedTuple):
    """The two PEM files: the certificate with its chain, and its private key without a passphrase."""

    chain: Path
    key: Path

    def stamp(self) -> tuple[tuple[int, int, int] | None, ...]:
        """What changes when a file is replaced; None for one that is not there."""
        return tuple(_stamp(path) for path in self)


def load(certificate: Certificate) -> ssl.SSLContext:
    """Make a server's context. Raises StartError."""
    _check(certificate.chain, "tls_cert", b"CERTIFICATE-----")
    _check(certificate.key, "tls_key", b"PRIVATE KEY-----")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_RENEGOTIATION
    context.set_alpn_protocols(["http/1.1"])
    try:
        context.load_cert_chain(certificate.chain, certificate.key, _no_passphrase)
    except ssl.SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
            why = f"the key is not that of the certificate in {certificate.chain}"
        else:
            why = f"can't be used with {certificate.chain}: {error.reason or error}"
        raise StartError(f"tls_key = {certificate.key}: {why}") from error
    except _Encrypted as error:
        raise StartError(f"tls_key = {certificate.key}: has a passphrase; store it without one") from error
    return context


@asynccontextmanager
async def renewing(certificate: Certificate) -> AsyncIterator[ssl.SSLContext]:
    """A context for listeners that hands each new connection the newest good certificate, for the block.

    Raises StartError.
    """
    stamp = await asyncio.to_thread(certificate.stamp)
    listening = newest = await asyncio.to_thread(load, certificate)

    def choose(
        connection: ssl.SSLObject | ssl.SSLSocket, _name: str | None, _context: ssl.SSLContext
    ) -> None:
        connection.context = newest

    async def watch() -> None:
        nonlocal stamp, newest
        while True:
            await asyncio.sleep(_INTERVAL)
            seen = await asyncio.to_thread(certificate.stamp)
            if seen == stamp:
                continue
            stamp = seen
            try:
                newest = await asyncio.to_thread(load, certificate)
            except StartError as error:
                _log.error("renewed certificate not used; the one before it is", reason=str(error))
            else:
                _log.info("certificate renewed", tls_cert=str(certificate.chain))

    listening.sni_callback = choose  # called for every handshake, also for one that names no server
    async with asyncio.TaskGroup() as group:
        watching = group.create_task(watch())
        try:
            yield listening
        finally:
            watching.cancel()


class _Encrypted(Exception):
    """A private key asked for a passphrase."""


def _no_passphrase() -> str:
    raise _Encrypted  # without this OpenSSL would ask on the terminal, in every worker


def _check(path: Path, setting: str, mark: bytes) -> None:
    """Read a file for what OpenSSL's errors don't tell. Raises StartError."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise StartError(f"{setting} = {path}: can't be read: {error.strerror}") from error
    if mark not in content:
        raise StartError(f"{setting} = {path}: there is no {mark.decode().rstrip('-').lower()} in it (PEM)")


def _stamp(path: Path) -> tuple[int, int, int] | None:
    try:
        found = path.stat()  # of what a link points to: renewal tools replace links
    except OSError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns
