# SPDX-License-Identifier: GPL-2.0-only
"""The browser comes with the package: what `make ui` built is where an installed server looks for it."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from dgproxy import settings

PROJECT = Path(__file__).resolve().parent.parent


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """The source as a build sees it, with a small browser."""
    source = tmp_path / "source"
    for name in ("setup.py", "pyproject.toml", "README.md", "LICENSE"):
        source.mkdir(exist_ok=True)
        shutil.copy(PROJECT / name, source)
    for name in ("dgproxy", "csrc"):
        shutil.copytree(PROJECT / name, source / name, ignore=shutil.ignore_patterns("*.so", "__pycache__"))
    (source / "ui-dist" / "assets").mkdir(parents=True)
    (source / "ui-dist" / "index.html").write_text("<!doctype html>")
    (source / "ui-dist" / "assets" / "index-1.js").write_text("1")
    return source


def build(source: Path) -> tuple[Path, str]:
    """What goes into a wheel but for the C extension, and what the build said."""
    done = subprocess.run(
        [sys.executable, "setup.py", "build_py", "--build-lib", "lib"],
        cwd=source,
        capture_output=True,
        text=True,
        timeout=100,
        check=True,
    )
    return source / "lib" / "dgproxy", done.stdout + done.stderr


def test_the_wheel_has_the_browser(source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package, _ = build(source)
    monkeypatch.setattr(settings, "__file__", str(package / "settings.py"))
    found = settings.ui_directory()
    assert found == package / "ui_dist"
    assert sorted(each.name for each in found.rglob("*.*")) == ["index-1.js", "index.html"]


def test_without_a_browser_the_build_says_so(source: Path) -> None:
    build(source)
    shutil.rmtree(source / "ui-dist")
    package, said = build(source)
    assert "make ui" in said
    assert not (package / "ui_dist").exists(), "an older one must not stay"


def test_a_checkout_uses_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings, "__file__", str(tmp_path / "dgproxy" / "settings.py"))
    assert settings.ui_directory() == tmp_path / "ui-dist"
