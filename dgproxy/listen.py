# SPDX-License-Identifier: GPL-2.0-only
"""Binding the two ports, S3 and the browser UI one above it, before there is any process to serve them.

Promises: `bind` gives both ports on every address the host name stands for, listening, or raises StartError
with a line that says which address failed and why. Port 0 gives two free ports that are still neighbours,
because the UI finds S3 one port below its own.

Accepting connections is for the workers that inherit the sockets.
"""

import contextlib
import errno
import ipaddress
import socket
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from dgproxy.config import StartError
from dgproxy.config_values import ListenAddress

__all__ = ["BACKLOG", "Ports", "bind"]

#: Connections the kernel holds before a worker accepts them; it cuts this to net.core.somaxconn.
BACKLOG: Final = 4096

#: How often to look for two free neighbours: one failure is rare, so this many mean something else.
_ATTEMPTS: Final = 20

_REASONS: Final = {
    errno.EADDRINUSE: "another program uses this port",
    errno.EADDRNOTAVAIL: "this machine has no such address",
    errno.EAFNOSUPPORT: "this machine has no such kind of address",
    errno.EACCES: "not permitted; ports below 1024 need a privilege (CAP_NET_BIND_SERVICE)",
}


@dataclass(frozen=True, slots=True)
class Ports:
    """The listening sockets of both ports; one each for every address."""

    host: str
    s3: list[socket.socket]
    ui: list[socket.socket]
    scheme: str = "http"

    @property
    def s3_url(self) -> str:
        """The URL for clients on this machine, or the one the operator's host name stands for."""
        return self._url(self.s3)

    @property
    def ui_url(self) -> str:
        """The same for the browser."""
        return self._url(self.ui)

    def _url(self, sockets: Sequence[socket.socket]) -> str:
        wildcard = self.host in ("0.0.0.0", "::")  # noqa: S104 - compared, not bound
        address = ListenAddress("localhost" if wildcard else self.host, sockets[0].getsockname()[1])
        return f"{self.scheme}://{address}"

    @property
    def only_loopback(self) -> bool:
        """Whether nobody outside this machine can connect."""
        return all(
            ipaddress.ip_address(each.getsockname()[0].partition("%")[0]).is_loopback for each in self.s3
        )

    def close(self) -> None:
        """Close this process's copies."""
        for each in (*self.s3, *self.ui):
            each.close()


@contextlib.contextmanager
def bind(address: ListenAddress, scheme: str = "http") -> Iterator[Ports]:
    """Listen on both ports for the block; `scheme` is what will be spoken there. Raises StartError."""
    attempts = _ATTEMPTS if address.port == 0 else 1
    with contextlib.ExitStack() as opened:
        while True:
            attempts -= 1
            try:
                ports = _neighbours(address, scheme, opened)
            except StartError:
                opened.close()
                if attempts == 0:
                    raise
            else:
                break
        yield ports


def _neighbours(address: ListenAddress, scheme: str, opened: contextlib.ExitStack) -> Ports:
    addresses = _resolve(address)
    s3 = _listen(addresses, address.port, opened, "")
    port = s3[0].getsockname()[1] + 1
    if port > 65535:
        raise StartError(f"can't listen on {address}: the free port found has none above it")
    ui = _listen([each.getsockname() for each in s3], port, opened, " for the browser UI (the S3 port + 1)")
    return Ports(address.host, s3, ui, scheme)


def _resolve(address: ListenAddress) -> list[tuple[Any, ...]]:
    """Find the socket addresses of a host name, in the resolver's order."""
    try:
        found = socket.getaddrinfo(
            address.host, address.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
    except (OSError, UnicodeError) as error:
        raise StartError(f"can't listen on {address}: {getattr(error, 'strerror', error)}") from error
    return list(dict.fromkeys(place for *_, place in found))


def _listen(
    addresses: Sequence[tuple[Any, ...]], port: int, opened: contextlib.ExitStack, what: str
) -> list[socket.socket]:
    """Listen on one port of each address; 0 takes the port that the first of them got.

    A name may stand for addresses of a kind this machine doesn't have, as localhost does where IPv6 is off:
    those are passed over as long as there is one that works.
    """
    listening: list[socket.socket] = []
    missing: StartError | None = None
    for host, _, *scope in addresses:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        try:
            each = opened.enter_context(socket.socket(family, socket.SOCK_STREAM))
            each.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                each.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, host != "::")
            each.bind((host, port, *scope))
            # At once: with SO_REUSEADDR two programs can both bind as long as neither listens (socket(7)).
            each.listen(BACKLOG)
        except OSError as error:
            reason = _REASONS.get(error.errno or 0, error.strerror)
            failure = StartError(f"can't listen on {ListenAddress(host, port)}{what}: {reason}")
            if error.errno not in (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT):
                raise failure from error
            missing = failure
        else:
            listening.append(each)
            port = each.getsockname()[1]
    if not listening and missing is not None:
        raise missing
    return listening
