# SPDX-License-Identifier: GPL-2.0-only
"""Log lines: JSON or readable, everything in one stream, and no secret in any of them."""

import json
import os
import pty
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

PROJECT = Path(__file__).resolve().parent.parent
START = "from dgproxy.logs import get_logger, setup; setup('info'); log = get_logger()\n"


def logged(code: str, environment: dict[str, str] | None = None) -> list[dict[str, Any]]:
    """Run code in a process of its own; its log lines, which are all there is on stderr."""
    done = subprocess.run(
        [sys.executable, "-c", START + code],
        cwd=PROJECT,
        env=os.environ | (environment or {}),
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert done.stdout == ""
    return [json.loads(line) for line in done.stderr.splitlines()]


def on_a_terminal(code: str, environment: dict[str, str] | None = None) -> str:
    terminal, child = pty.openpty()
    with open(terminal, "rb", buffering=0) as output:
        subprocess.run(
            [sys.executable, "-c", START + code],
            cwd=PROJECT,
            env={k: v for k, v in os.environ.items() if k != "NO_COLOR"} | (environment or {}),
            stderr=child,
            timeout=60,
            check=True,
        )
        os.close(child)
        return output.read(65536).decode()


def test_one_object_a_line() -> None:
    [line] = logged("log.info('object stored', key='a b\\nc', size=5)")
    assert list(line)[:3] == ["timestamp", "level", "event"]
    assert line["level"] == "info"
    assert line["event"] == "object stored"
    assert line["key"] == "a b\nc"
    assert line["size"] == 5


def test_levels() -> None:
    assert [line["event"] for line in logged("log.debug('d'); log.info('i')")] == ["i"]
    assert len(logged("setup('debug'); log.debug('d'); log.info('i')")) == 2
    assert logged("setup('error'); log.warning('w')") == []


def test_tracebacks_stay_on_their_line() -> None:
    [line] = logged("try: 1 / 0\nexcept ZeroDivisionError: log.exception('failed')")
    assert "ZeroDivisionError: division by zero" in line["exception"]


def test_libraries_and_warnings_take_the_same_way() -> None:
    lines = logged(
        "import logging, warnings\n"
        "logging.getLogger('botocore').info('request with headers')\n"
        "logging.getLogger('asyncio').error('task %s lost', 7)\n"
        "warnings.warn('old habit', stacklevel=1)"
    )
    assert [line["level"] for line in lines] == ["error", "warning"]
    assert lines[0]["event"] == "task 7 lost"
    assert lines[0]["library"] == "asyncio"
    assert "old habit" in lines[1]["event"]


@pytest.mark.parametrize("terminal", [False, True])
@pytest.mark.parametrize(
    "code",
    [
        "log.info('x', authorization='hidden-value')",
        "log.info('x', secret_access_key='hidden-value')",
        "log.info('GET /b/k?X-Amz-Signature=hidden-value&partNumber=1')",
        "log.info('x', url='/b/k?AWSAccessKeyId=me&Signature=hidden-value')",
        "log.info('x', header='AWS4-HMAC-SHA256 Credential=a/b, SignedHeaders=host, Signature=hidden-value')",
        "log.info('x', url='https://h/?x-amz-security-token=hidden-value')",
        "log.info('x', url='redirect?to=%2F%3FX-Amz-Signature%3Dhidden-value')",
        "import logging; logging.getLogger('aiohttp').error('bad request: %s', 'Signature=hidden-value')",
        "try: raise ValueError('X-Amz-Signature=hidden-value')\nexcept ValueError: log.exception('x')",
        "from pydantic import SecretStr; log.info('x', secret_of_somebody=SecretStr('hidden-value'))",
    ],
)
def test_no_secrets(code: str, *, terminal: bool) -> None:
    said = on_a_terminal(code) if terminal else json.dumps(logged(code))
    assert "hidden-value" not in said
    assert "[hidden]" in said or "**********" in said


def test_for_people_on_a_terminal() -> None:
    said = on_a_terminal("log.warning('disk nearly full', free=5)")
    assert "disk nearly full" in said
    assert "{" not in said
    assert "\x1b[" in said
    assert "\x1b[" not in on_a_terminal("log.warning('disk nearly full', free=5)", {"NO_COLOR": "1"})


def test_keys_cannot_write_to_the_terminal() -> None:
    """An object's key may have any character; on a terminal some of them are commands."""
    said = on_a_terminal("log.info('stored', key='\\x1b]0;title\\x07\\nfake line')", {"NO_COLOR": "1"})
    assert "\x1b" not in said
    assert "\x07" not in said
    assert len(said.strip().splitlines()) == 1
