# SPDX-License-Identifier: GPL-2.0-only
"""The built-in browser's files on their own port, one above S3.

The built directory is read once, when the application starts: a request is a look-up in a dict, so no path a
client writes ever reaches the file system and nothing blocks the event loop. Each answer carries a
Content-Security-Policy under which the page can run its own files and call its own S3 endpoint, nothing else.

Knows nothing about S3, objects or settings; the page finds its endpoint by itself (same host, port - 1).
"""

import asyncio
import hashlib
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from aiohttp import web

from dgproxy.s3.cors import parse_authority

__all__ = ["ui_application"]

_CONTENT_TYPES: Final = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
}

#: Vite puts a hash of the content into the names of all files here, so a name never changes its bytes.
_HASHED: Final = "/assets/"

_NOT_BUILT: Final = b"""<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>DeltaGlider Proxy</title>
<h1>The browser is not built</h1>
<p>DeltaGlider Proxy is running, but this installation has no <code>ui-dist</code> directory.
<p>To build it (Node.js 20 or newer), run <code>make ui</code> in the source directory,
then restart the server.
<p>S3 works without it, one port below this one.
</html>
"""


@dataclass(frozen=True, slots=True)
class _Asset:
    """One file, ready to send; `gzipped` is the build's compressed copy of it, if it made one."""

    data: bytes
    gzipped: bytes | None
    content_type: str
    etag: str
    cache_control: str


#: What begins like this is the server's own on both ports.
_STATUS: Final = "/_/"

Answer = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]

_ASSETS: Final = web.AppKey[Mapping[str, _Asset]]("assets")


def ui_application(ui_dir: Path, status: Answer) -> web.Application:
    """Serve what `make ui` put into `ui_dir`, or, when there is no index.html, a page that says what to do.

    `status` answers what is asked under `/_/`. Start-up raises OSError when a file can't be read.
    """

    async def load(application: web.Application) -> None:
        application[_ASSETS] = await asyncio.to_thread(_load, ui_dir)

    async def answer(request: web.Request) -> web.StreamResponse:
        if request.raw_path.startswith(_STATUS):
            return await status(request)
        response = _answer(request.app[_ASSETS], request)
        response.headers.update(_security_headers(request.host, request.scheme))
        return response

    application = web.Application()
    application.on_startup.append(load)
    application.router.add_route("*", "/{path:.*}", answer)
    return application


def _load(ui_dir: Path) -> Mapping[str, _Asset]:
    """Read the build: URL path -> asset. Only plain files with a name and a type the build produces."""
    if not (ui_dir / "index.html").is_file():
        return {"/": _asset("index.html", _NOT_BUILT, None)}
    assets = {}
    for file in sorted(ui_dir.rglob("*")):
        if file.suffix in _CONTENT_TYPES and file.is_file() and not file.is_symlink():
            compressed = file.with_name(file.name + ".gz")
            path = "/" + file.relative_to(ui_dir).as_posix()
            gzipped = compressed.read_bytes() if compressed.is_file() else None
            assets[path] = _asset(path, file.read_bytes(), gzipped)
    assets["/"] = assets["/index.html"]
    return assets


def _asset(path: str, data: bytes, gzipped: bytes | None) -> _Asset:
    return _Asset(
        data=data,
        gzipped=gzipped,
        content_type=_CONTENT_TYPES[Path(path).suffix],
        etag=hashlib.sha256(data).hexdigest()[:32],
        cache_control="public, max-age=31536000, immutable" if path.startswith(_HASHED) else "no-cache",
    )


def _answer(assets: Mapping[str, _Asset], request: web.Request) -> web.Response:
    if request.method not in ("GET", "HEAD"):
        return web.Response(status=405, text="Only GET and HEAD.\n", headers={"Allow": "GET, HEAD"})
    if parse_authority(request.host) is None:
        return web.Response(status=400, text="The Host header is not a host name with an optional port.\n")
    asset = assets.get(request.path)
    if asset is None:
        return web.Response(status=404, text="Not found.\n")
    headers = {
        "Content-Type": asset.content_type,
        "Cache-Control": asset.cache_control,
        "ETag": f'W/"{asset.etag}"',  # weak: the compressed and the plain answer share it
        "Vary": "Accept-Encoding",
    }
    known = request.if_none_match or ()
    if any(tag.value in (asset.etag, "*") for tag in known):
        return web.Response(status=304, headers=headers)
    if asset.gzipped is not None and "gzip" in request.headers.get("Accept-Encoding", ""):
        return web.Response(body=asset.gzipped, headers={**headers, "Content-Encoding": "gzip"})
    return web.Response(body=asset.data, headers=headers)


def _security_headers(host: str, scheme: str) -> dict[str, str]:
    connect = " ".join(["'self'", *_s3_endpoints(host, scheme)])
    return {
        "Content-Security-Policy": (
            "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; "
            f"connect-src {connect}; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
        ),
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cross-Origin-Resource-Policy": "same-origin",
        "Referrer-Policy": "no-referrer",
        "X-Content-Type-Options": "nosniff",
    }


def _s3_endpoints(host: str, scheme: str) -> list[str]:
    """Name the endpoints the page may call; http covers https on the same port (CSP Level 3, 6.7.2.8)."""
    authority = parse_authority(host)
    if authority is None:
        return []
    if (
        authority.port is None
    ):  # behind a TLS front the page's scheme, and so its default port, is not ours to know
        return [f"http://{authority.hostname}:79", f"https://{authority.hostname}:442"]
    return [f"{scheme}://{authority.hostname}:{authority.port - 1}"] if authority.port > 1 else []
