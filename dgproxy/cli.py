# SPDX-License-Identifier: GPL-2.0-only
"""The command line: `deltaglider_proxy` alone runs the server; other commands join the group `main`.

Promises: the exit code is 0 after a clean stop, 2 when settings or arguments are wrong, 1 for everything
else; what went wrong is one line each on stderr, without a traceback where the operator can act on it.

Everything but reading arguments and telling people what happens belongs to the modules called here.
"""

import sys
from pathlib import Path
from typing import NoReturn

import click

from dgproxy import config, logs, supervisor
from dgproxy.config import ConfigError, Configuration, StartError
from dgproxy.listen import Ports
from dgproxy.settings import ui_directory
from dgproxy.storage.errors import StorageError
from dgproxy.version import __version__

__all__ = ["main"]

_NAME = "deltaglider_proxy"
_log = logs.get_logger()


@click.group(
    invoke_without_command=True,
    subcommand_metavar="[COMMAND]",
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.option(
    "-c", "--config", "file", metavar="FILE", type=click.Path(path_type=Path), help="Settings, as TOML."
)
@click.option(
    "-l", "--listen", metavar="ADDR", help="Where to serve S3, as host:port; the UI is one port above."
)
@click.option("-b", "--bucket", metavar="BUCKET", help="The bucket that is created at start.")
@click.option("-v", "--verbose", is_flag=True, help="Log details (log_level = debug).")
@click.version_option(__version__, "-V", "--version", prog_name=_NAME, message="%(prog)s %(version)s")
@click.pass_context
def main(
    context: click.Context, file: Path | None, listen: str | None, bucket: str | None, verbose: bool
) -> None:
    """Run an S3 server that stores versions of big files as deltas.

    Every setting can also be given in the environment or in a file; these options come before both.
    The file is FILE, else $DELTAGLIDER_PROXY_CONFIG, else ./deltaglider_proxy.toml, else
    /etc/deltaglider_proxy/config.toml.
    """
    said = {"listen_addr": listen, "default_bucket": bucket, "log_level": "debug" if verbose else None}
    options = {name: value for name, value in said.items() if value is not None}
    if context.invoked_subcommand is None:
        sys.exit(_serve(_configuration(options, file)))


def _configuration(options: dict[str, str], file: Path | None) -> Configuration:
    try:
        return config.load(options, file=file)
    except ConfigError as error:
        _fail(2, *error.problems)


def _serve(configuration: Configuration) -> int:
    # Here, not above: they bring in everything, which a wrong setting or a small command should not wait for.
    from dgproxy import app  # noqa: PLC0415

    settings = configuration.settings
    logs.setup(settings.log_level)
    try:
        return supervisor.run(
            settings,
            app.serve,
            claim=lambda: app.claim(settings),
            started=lambda ports: _report(configuration, ports),
        )
    except (StartError, StorageError) as error:
        _fail(1, str(error))


def _report(configuration: Configuration, ports: Ports) -> None:
    """Tell the operator what is running: everything that would be a surprise later."""
    settings, file = configuration
    has_ui = (ui_directory() / "index.html").is_file()
    facts = {
        "S3": ports.s3_url,
        "UI": ports.ui_url if has_ui else "not built (make ui)",
        "backend": f"filesystem, {settings.data_dir.absolute()}",
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


def _fail(code: int, *lines: str) -> NoReturn:
    for line in lines:
        click.echo(f"{_NAME}: {line}", err=True)
    sys.exit(code)
