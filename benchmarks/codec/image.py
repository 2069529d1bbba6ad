# SPDX-License-Identifier: GPL-2.0-only
"""Two ext4 images of one tree of files: in the second 20 are gone, 60 are edited, 40 are new.

Everything mke2fs would take from the clock or at random is fixed, but its versions lay files out differently.
"""

import os
import random
import subprocess
import zipfile
from pathlib import Path

SIZE = "48M"
CONTENT = 34_000_000
UUID = "11111111-2222-3333-4444-555555555555"
TIME = 1_700_000_000


def write(wheel: Path, folder: Path) -> None:
    """Write both images, of files of `wheel`, as `old` and `new`."""
    rng = random.Random(5)
    tree = folder / "tree"
    with zipfile.ZipFile(wheel) as archive:
        names = sorted(item.filename for item in archive.infolist() if not item.is_dir())
        rng.shuffle(names)
        kept, size = [], 0
        for name in names:
            more = archive.getinfo(name).file_size
            if size + more < CONTENT:
                kept.append(name)
                size += more
                archive.extract(name, tree)
    _pack(tree, folder / "old")
    for name in rng.sample(kept, 20):
        (tree / name).unlink()
    left = [name for name in kept if (tree / name).exists()]
    for name in rng.sample(left, 60):
        _insert(tree / name, rng)
    for number in range(40):
        path = (tree / rng.choice(left)).with_name(f"aa_new_{number}.dat")
        path.write_bytes(rng.randbytes(rng.randrange(1000, 60_000)))
    _pack(tree, folder / "new")


def _insert(path: Path, rng: random.Random) -> None:
    content = bytearray(path.read_bytes())
    at = rng.randrange(len(content) + 1)
    content[at:at] = bytes(rng.randrange(32, 127) for _ in range(rng.randrange(1, 200)))
    path.write_bytes(content)


def _pack(tree: Path, image: Path) -> None:
    for path in (tree, *tree.rglob("*")):
        os.utime(path, (TIME, TIME))
    options = ["-t", "ext4", "-b", "4096", "-U", UUID, "-E", f"hash_seed={UUID},lazy_itable_init=0"]
    command = ["mke2fs", "-q", *options, "-d", str(tree), str(image), SIZE]
    environment = os.environ | {"E2FSPROGS_FAKE_TIME": str(TIME)}
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env=environment)
