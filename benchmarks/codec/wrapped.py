# SPDX-License-Identifier: GPL-2.0-only
"""Peers that are Python libraries, as programs: `wrapped.py bsdiff|hdiffpatch encode|decode OLD IN OUT`."""

import sys
from pathlib import Path


def main(library: str, verb: str, old: Path, given: Path, out: Path) -> None:
    """Read both files, call the library, write its result."""
    source, data = old.read_bytes(), given.read_bytes()
    if library == "bsdiff":
        import bsdiff4  # noqa: PLC0415

        result = bsdiff4.diff(source, data) if verb == "encode" else bsdiff4.patch(source, data)
    else:
        import hdiffpatch  # noqa: PLC0415

        if verb == "encode":
            result = hdiffpatch.diff(source, data, compression=hdiffpatch.COMPRESSION_ZSTD)
        else:
            result = hdiffpatch.apply(source, data)
    out.write_bytes(result)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], *map(Path, sys.argv[3:]))
