# SPDX-License-Identifier: GPL-2.0-only
"""The part of the packaging that pyproject.toml cannot say: the C core, and the browser's files.

The C core is compiled through cffi. What `make ui` has built goes into the wheel as `dgproxy/ui_dist`, where
`settings.ui_directory` finds it; an installation in place uses the checkout's own `ui-dist`.
"""

import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py


class BuildWithUi(build_py):
    """`build_py`, and the built browser if there is one."""

    def run(self) -> None:
        """Copy the packages, then the browser's files into `dgproxy`."""
        super().run()
        if self.editable_mode:
            return
        built, inside = Path(__file__).parent / "ui-dist", Path(self.build_lib) / "dgproxy" / "ui_dist"
        shutil.rmtree(inside, ignore_errors=True)
        if (built / "index.html").is_file():
            shutil.copytree(built, inside)
        else:
            self.warn("the browser UI is not built (make ui), so this package is without it")


setup(cffi_modules=["dgproxy/codec/_build.py:ffibuilder"], cmdclass={"build_py": BuildWithUi})
