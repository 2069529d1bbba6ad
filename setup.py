# SPDX-License-Identifier: GPL-2.0-only
"""The part of the packaging that pyproject.toml cannot say: the C core is compiled through cffi."""

from setuptools import setup

setup(cffi_modules=["dgproxy/codec/_build.py:ffibuilder"])
