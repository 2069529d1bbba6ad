# SPDX-License-Identifier: GPL-2.0-only
"""`deltaglider_proxy` without a command: settle the configuration, say what is running, serve.

Promises: every wrong setting is a line on stderr before anything is made; the exit code is 2 for those, 1
when the server cannot start, 0 after a clean stop. What serves is `app` and `supervisor`.
"""

import stat
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import NoReturn

import click

from dgproxy import config, logs, supervisor
from dgproxy.config import ConfigError, Configuration, StartError
from dgproxy.listen import Ports
from dgproxy.settings import Settings, ui_directory
from dgproxy.storage.errors import StorageError
from dgproxy.version import __version__

__all__ = ["serve"]

_NAME = "deltaglider_proxy"
_log = logs.get_logger()


def serve(options: dict[str, str], file: Path | None) -> int:
    """Run the server with the command line's settings; the exit code."""
    return _serve(_configuration(options, file), lambda: _reloaded(options, file))


def _configuration(options: dict[str, str], file: Path | None) -> Configuration:
    try:
        return config.load(options, file=file)
    except ConfigError as error:
        _fail(2, *error.problems)


def _reloaded(options: dict[str, str], file: Path | None) -> Settings | None:
    """The settings as they are said now; None where they are wrong, and the log says what is."""
    try:
        return config.load(options, file=file).settings
    except ConfigError as error:
        for problem in error.problems:
            _log.error("the settings are as they were: what is said now is wrong", problem=problem)
        return None


def _serve(configuration: Configuration, reload: Callable[[], Settings | None]) -> int:
    # Here, not above: they bring in everything, which a wrong setting should not wait for.
    from dgproxy import app, engines  # noqa: PLC0415

    settings = configuration.settings
    logs.setup(settings.log_level)
    try:
        app.check(settings)
        return supervisor.run(
            settings,
            partial(app.serve, reload=reload),
            claim=lambda: engines.claim(settings),
            started=lambda ports: _report(configuration, ports),
            reload=reload,
        )
    except (StartError, StorageError) as error:
        _fail(1, str(error))


def _report(configuration: Configuration, ports: Ports) -> None:
    """Tell the operator what is running: everything that would be a surprise later."""
    settings, file, secret = configuration
    has_ui = (ui_directory() / "index.html").is_file()
    facts = {
        "S3": ports.s3_url,
        "UI": ports.ui_url if has_ui else "not built (make ui)",
        "backend": _backend(settings),
        "bucket": settings.default_bucket,
        "auth": "signed requests only" if settings.signed else "open: no credentials are configured",
        "durability": settings.durability,
        "workers": str(settings.workers),
        "settings": f"from {file.absolute()}" if file else "no file",
    }
    click.secho(f"DeltaGlider Proxy {__version__}", bold=True)
    for name, fact in facts.items():
        click.echo(f"  {name:<11} {fact}")
    if not settings.signed and not ports.only_loopback:
        click.secho(
            "\n  WARNING: whoever can reach this address can read, change and delete everything here.\n"
            "  Set access_key_id and secret_access_key, or listen on 127.0.0.1 only.\n",
            fg="red",
            bold=True,
        )
        _log.warning("open to the network without credentials", listen_addr=str(settings.listen_addr))
    if file is not None and secret and file.stat().st_mode & stat.S_IROTH:
        click.secho(
            f"\n  WARNING: everybody on this machine can read the secrets in {file.absolute()}.\n"
            "  Take that away (chmod o-r), and change them if somebody may have looked.\n",
            fg="red",
            bold=True,
        )
        _log.warning(
            "the configuration file has secrets, and everybody can read it", file=str(file.absolute())
        )


def _backend(settings: Settings) -> str:
    if settings.s3_endpoint is None:
        return f"filesystem, {settings.data_dir.absolute()}"
    buckets = f", buckets {settings.s3_bucket_prefix}*" if settings.s3_bucket_prefix else ""
    return f"S3, {settings.s3_endpoint}{buckets}"


def _fail(code: int, *lines: str) -> NoReturn:
    for line in lines:
        click.echo(f"{_NAME}: {line}", err=True)
    sys.exit(code)
