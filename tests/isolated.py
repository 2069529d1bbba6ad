# SPDX-License-Identifier: GPL-2.0-only
"""A network of its own for what listens beyond loopback, so that no test ever opens a port to others."""

import functools
import subprocess

import pytest

#: Put before a command: it then runs where there is no network but an unused loopback interface.
ALONE = ["unshare", "--user", "--map-root-user", "--net"]


@functools.cache
def _possible() -> bool:
    try:
        return subprocess.run([*ALONE, "true"], capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        return False


def need_isolation() -> None:
    """Skip the test where this system lets nobody make a network namespace."""
    if not _possible():
        pytest.skip("unshare can't make a network namespace here")
