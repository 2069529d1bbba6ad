# SPDX-License-Identifier: GPL-2.0-only
"""Run one target under atheris: `python -m tests.fuzz TARGET [libFuzzer options] [corpus directories]`.

`make fuzz-s3` runs them all. What is found is left where libFuzzer puts it (`-artifact_prefix`); as a file in
`tests/fuzz/corpus/TARGET` it becomes a test.
"""

import sys

import atheris

# What text is compared with guides the fuzzer as branches do. Not "RegEx": its stand-in for a pattern lacks
# arguments that json's decoder uses.
atheris.enabled_hooks.add("str")

with atheris.instrument_imports(include=["dgproxy.s3"]):
    from tests.fuzz.targets import TARGETS

if __name__ == "__main__":
    name = sys.argv.pop(1)
    atheris.Setup(sys.argv, TARGETS[name])
    atheris.Fuzz()
