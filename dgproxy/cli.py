# SPDX-License-Identifier: GPL-2.0-only
"""The command line: `deltaglider_proxy` alone runs the server; other commands join the group `main`.

Promises: the exit code is 0 after a clean stop, 2 when settings or arguments are wrong, 1 for everything
else; what went wrong is one line each on stderr, without a traceback where the operator can act on it.

Everything but reading arguments and telling people what happens belongs to the modules called here.
"""

import importlib
import keyword
import sys
from pathlib import Path
from typing import Final

import click

from dgproxy.version import __version__

__all__ = ["main"]

_NAME: Final = "deltaglider_proxy"

#: Each is a module of `dgproxy.commands` that has the command under its own name, or that with a `_`.
_COMMANDS: Final = ("delta", "estimate", "export", "gc", "import", "optimize", "stats", "verify")


class _Commands(click.Group):
    """Loads a command when it is asked for: each brings in what the others do without."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Their names, for the help."""
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """One of them."""
        if cmd_name not in _COMMANDS:
            return None
        name = f"{cmd_name}_" if keyword.iskeyword(cmd_name) else cmd_name
        command = getattr(importlib.import_module(f"dgproxy.commands.{name}"), name)
        return command if isinstance(command, click.Command) else None


@click.group(
    cls=_Commands,
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
    context.obj = (options, file)
    if context.invoked_subcommand is None:
        # Here, not above: it brings in the settings and all they need, which other commands do without.
        from dgproxy.commands.serve import serve  # noqa: PLC0415

        sys.exit(serve(options, file))
