# SPDX-License-Identifier: GPL-2.0-only
"""The load balancers' configurations in docs/SCALING.md are ones that those programs take."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

PAGE = Path(__file__).resolve().parents[1] / "docs" / "SCALING.md"


def example(language: str) -> str:
    (found,) = re.findall(rf"```{language}\n(.*?)```", PAGE.read_text(), re.DOTALL)
    return str(found)


def check(program: str, *arguments: str) -> None:
    path = shutil.which(program)
    if path is None:
        pytest.skip(f"{program} is not installed")
    done = subprocess.run([path, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_haproxy(tmp_path: Path) -> None:
    (tmp_path / "haproxy.cfg").write_text(example("haproxy"))
    check("haproxy", "-c", "-f", str(tmp_path / "haproxy.cfg"))


def test_nginx(tmp_path: Path) -> None:
    kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    places = "".join(f"{kind}_temp_path {tmp_path / kind};\n" for kind in kinds)
    (tmp_path / "nginx.conf").write_text(
        f"pid {tmp_path}/pid; error_log {tmp_path}/errors; events {{}}\n"
        f"http {{ access_log off; {places}{example('nginx')} }}"
    )
    check("nginx", "-t", "-c", str(tmp_path / "nginx.conf"))
