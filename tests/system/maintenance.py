# SPDX-License-Identifier: GPL-2.0-only
"""The commands beside a running server: as processes, and gc with no patience for what is young."""

import os
import subprocess
import sys
from unittest import mock

from dgproxy import config, engines
from dgproxy.engine.buckets import list_buckets
from dgproxy.engine.gc import Finding, Options, collect, collect_staged
from dgproxy.engine.gc_uploads import collect_uploads
from dgproxy.engine.pace import Pace
from tests.system.harness import Server, environment


def run(server: Server, *arguments: str, timeout: float = 100) -> subprocess.CompletedProcess[str]:
    """A command with the server's settings."""
    return subprocess.run(
        [sys.executable, "-m", "dgproxy", *arguments],
        cwd=server.home,
        env=environment({"DELTAGLIDER_PROXY_DATA_DIR": str(server.data)} | server.settings),
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )


async def collect_now(server: Server) -> list[Finding]:
    """What gc finds when nothing is too young for it, uploads of clients excepted; all of it is removed.

    The command itself leaves five minutes to whoever may be at work: so no request may be under way.
    """
    options = Options(delete=True, older_than=0, patience=10, grace=0)
    found: list[Finding] = []
    said = {"DELTAGLIDER_PROXY_DATA_DIR": str(server.data)} | server.settings
    with mock.patch.dict(os.environ, {k: v for k, v in said.items() if k.startswith("AWS_")}):
        settings = config.load(environment=said).settings
        async with engines.engine_of(settings) as engine:
            for bucket in await list_buckets(engine):
                await collect_uploads(engine, bucket.name, options, found.append, pace=Pace())
                await collect(engine, bucket.name, options, found.append, pace=Pace())
            await collect_staged(engine, options, found.append)
    return found
